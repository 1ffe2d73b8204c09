//! The example's part that the end-to-end tests run against a node.

use std::error::Error;

use jsonrpsee_ws_client::WsClient;
use proto::EntryPoint;
use proto::digest::intent_hash;
use proto::json::passkey::to_base64url;
use proto::json::{GasFields, parse_user_operation};
use relay_api::{CredentialRequest, Param, RelayApiClient as _, SponsoredOperation};
use serde_json::{Value, json};

/// Has an operation sponsored; `approve` asks the account's passkey for an assertion. Gas and fees
/// have to be final.
///
/// # Errors
/// `ClientError::Call` has the relay's refusal: its `data` has `reason` and `retryable`. A relay
/// that wants another operation approved than this one is refused before `approve`.
pub async fn sponsor(
    relay: &WsClient,
    entry_point: &EntryPoint,
    operation: &Value,
    account_id: &str,
    approve: impl FnOnce(&CredentialRequest) -> Result<Value, Box<dyn Error>>,
) -> Result<SponsoredOperation, Box<dyn Error>> {
    let challenge = challenge(entry_point, operation, account_id)?;
    let options = || Param::from(json!({ "entryPoint": entry_point.address, "chainId": entry_point.chain_id }));

    let intent = relay.intent(operation.clone().into(), account_id.into(), options()).await?;
    if intent.webauthn.challenge != challenge {
        return Err("the relay wants another operation approved than this one".into());
    }
    let passkey = approve(&intent.webauthn)?;
    let answer = relay.sponsor(operation.clone().into(), account_id.into(), passkey.into(), options()).await?;
    answer.sponsored().ok_or_else(|| "the relay answered with a dry run".into())
}

/// What the passkey approves, computed here: the user sees nothing of it (docs/api.md, "Digests").
fn challenge(entry_point: &EntryPoint, operation: &Value, account_id: &str) -> Result<String, Box<dyn Error>> {
    let EntryPoint { version, chain_id, .. } = *entry_point;
    let op = parse_user_operation(operation, version, chain_id, GasFields::Required)
        .map_err(|invalid| invalid.to_string())?
        .op
        .without_paymaster();
    Ok(to_base64url(&intent_hash(&op.hash(entry_point), &account_id.parse()?).0))
}
