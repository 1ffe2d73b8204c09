//! `preVerificationGas` is not far above what the operation costs a bundler that includes it alone:
//! all of it is paid, and what is left over is the bundler's gain.
//!
//! The estimate is generous: a transaction of its own, the EntryPoint's work around an operation as
//! the reference bundler counts it, and the data at EIP-7623's floor price. It knows nothing of the
//! data fee of an L2.

use proto::Init;

use super::{Case, Violation};
use crate::settings::PolicySettings;

/// The transaction, and the EntryPoint's own work for one operation.
const OVERHEAD: u128 = 21_000 + 18_300;
/// Gas for a byte of data (EIP-7623).
const ZERO_BYTE: u128 = 10;
const OTHER_BYTE: u128 = 40;
/// What every operation has besides its data: addresses, the paymaster's data, a signature of 65
/// bytes; and offsets, lengths and padding.
const OTHER_BYTES: u128 = 280;
const ZERO_BYTES: u128 = 700;
/// An authorisation (EIP-7702).
const AUTHORISATION: u128 = 25_000;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    percent: Option<u32>,
}

impl Rule {
    pub(super) const fn of(settings: &PolicySettings) -> Self {
        Self { percent: settings.max_pre_verification_percent }
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        let Some(percent) = self.percent else { return Ok(()) };
        let (limit, used) = (estimate(case).saturating_mul(percent.into()) / 100, case.op.pre_verification_gas);
        if used <= limit { Ok(()) } else { Err(Violation::PreVerificationGasAboveCost { limit, used }) }
    }
}

fn estimate(Case { op, delegate, .. }: &Case<'_>) -> u128 {
    let authorisation = match op.init {
        Init::Eip7702 { .. } => AUTHORISATION,
        // It may come beside the operation.
        Init::Deployed | Init::Factory { .. } => delegate.map_or(0, |_| AUTHORISATION),
    };
    let init: &[u8] = match &op.init {
        Init::Deployed => &[],
        Init::Factory { data, .. } | Init::Eip7702 { data, .. } => data,
    };
    let data = data_gas(&op.call_data).saturating_add(data_gas(init));
    OVERHEAD + OTHER_BYTES * OTHER_BYTE + ZERO_BYTES * ZERO_BYTE + authorisation + data
}

fn data_gas(data: &[u8]) -> u128 {
    data.iter().map(|byte| if *byte == 0 { ZERO_BYTE } else { OTHER_BYTE }).sum()
}
