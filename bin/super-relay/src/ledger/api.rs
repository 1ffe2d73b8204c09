//! Paths of the admin socket, for both ends.

/// POST of a [`paymaster_relay::store::LedgerQuery`] returns a [`paymaster_relay::store::Page`].
pub const LEDGER: &str = "/ledger";
/// POST of a [`paymaster_relay::store::UsageQuery`] returns a list of
/// [`paymaster_relay::store::UsageRow`].
pub const USAGE: &str = "/usage";
