//! Conversions between rows and records; a value that does not fit was not written by us, and is an
//! error.

use proto::{Address, Hash, Signature, Terms, UserOpHash};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;

use crate::sqlite::{column, fixed, unsigned};
use crate::store::{Record, Signed, SponsorshipId, State, StoreError};

/// The columns that [`record`] reads.
pub(super) const COLUMNS: &str = "id, state, settled_block, idempotency_key, policy_id, paymaster, verification_gas_limit, valid_after, valid_until, result, signings";

/// The `result` column: hex, so that an operator can read it.
#[derive(Serialize, Deserialize)]
struct SignedRow {
    user_signature_hash: Hash,
    user_op_hash: UserOpHash,
    paymaster_signer: Address,
    paymaster_signature: Signature,
    account_signature: Option<Signature>,
    timestamp: u64,
    /// The signed window; rows of the first versions have none, since they never changed theirs.
    #[serde(default)]
    window: Option<(u64, u64)>,
}

pub(super) fn record(row: &SqliteRow) -> Result<Record, StoreError> {
    let state: String = column(row, "state")?;
    let block: Option<i64> = column(row, "settled_block")?;
    let result: Option<String> = column(row, "result")?;
    let paymaster: Vec<u8> = column(row, "paymaster")?;
    let terms = Terms {
        paymaster: Address(fixed(&paymaster)?),
        verification_gas_limit: unsigned(column(row, "verification_gas_limit")?)?.into(),
        post_op_gas_limit: 0,
        valid_until: unsigned(column(row, "valid_until")?)?,
        valid_after: unsigned(column(row, "valid_after")?)?,
    };
    Ok(Record {
        id: SponsorshipId(column(row, "id")?),
        state: parse_state(&state, block.is_some())?,
        idempotency_key: column(row, "idempotency_key")?,
        policy_id: column(row, "policy_id")?,
        signed: result.as_deref().map(|text| parse_signed(text, &terms)).transpose()?.flatten(),
        terms,
        signings: column(row, "signings")?,
    })
}

pub(super) fn format_signed(signed: &Signed, terms: &Terms) -> Result<String, StoreError> {
    let row = SignedRow {
        user_signature_hash: signed.user_signature_hash,
        user_op_hash: signed.user_op_hash,
        paymaster_signer: signed.paymaster_signer,
        paymaster_signature: signed.paymaster_signature,
        account_signature: signed.account_signature,
        timestamp: signed.timestamp,
        window: Some(window(terms)),
    };
    serde_json::to_string(&row).map_err(StoreError::new)
}

/// `None` if it was signed on terms other than the current ones.
fn parse_signed(text: &str, terms: &Terms) -> Result<Option<Signed>, StoreError> {
    let row: SignedRow = serde_json::from_str(text).map_err(StoreError::new)?;
    if row.window.is_some_and(|signed| signed != window(terms)) {
        return Ok(None);
    }
    Ok(Some(Signed {
        user_signature_hash: row.user_signature_hash,
        user_op_hash: row.user_op_hash,
        paymaster_signer: row.paymaster_signer,
        paymaster_signature: row.paymaster_signature,
        account_signature: row.account_signature,
        timestamp: row.timestamp,
    }))
}

fn window(terms: &Terms) -> (u64, u64) {
    (terms.valid_after, terms.valid_until)
}

fn parse_state(text: &str, is_mined: bool) -> Result<State, StoreError> {
    match text {
        "reserved" | "signed" if is_mined => Ok(State::Mined),
        "reserved" => Ok(State::Reserved),
        "signed" => Ok(State::Signed),
        "settled" => Ok(State::Settled),
        "released" => Ok(State::Released),
        _ => Err(StoreError::new("a sponsorship of an unknown state")),
    }
}
