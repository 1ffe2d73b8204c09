//! Settings of the ledger.

use schemars::JsonSchema;
use serde::Deserialize;

/// The ledger of sponsorships.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerSettings {
    /// Days after its request for which a settled or released sponsorship is kept. Then only the
    /// totals of its month are left, and its idempotency key if it was mined. 0: for ever.
    pub retention_days: u64,
    /// Seconds between two comparisons of the ledger with the chain.
    pub reconciliation_interval_seconds: u64,
    /// Hours that the unreserved deposit has to last at the rate of the last 24 hours, or the check
    /// `deposit` of `/status` fails. 0: any.
    pub min_hours_left: u64,
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self { retention_days: 90, reconciliation_interval_seconds: 3600, min_hours_left: 0 }
    }
}
