//! Settings of bundlers.

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

/// The bundlers of a chain.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BundlerSettings {
    /// JSON-RPC endpoints of bundlers (ERC-7769), at most 8, in order of preference: a call goes to
    /// the first that answers. An operation goes to another one only if no connection was made to
    /// those before. Never logged: such URLs often contain a key.
    #[schemars(with = "Vec<String>")]
    pub urls: Vec<SecretString>,
    /// Seconds that each of them may take for a call.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u64,
}

fn timeout_seconds() -> u64 {
    3
}
