//! The command line.

use std::path::PathBuf;

use clap::Parser;
use devkit::{DevkitError, EntryPointVersion};
use url::Url;

/// Where the page of examples/viem-page is served.
pub const DEFAULT_ORIGIN: &str = "http://localhost:5173";

/// Sponsor one operation on a local chain and show every step.
///
/// Starts anvil with the real EntryPoint, deploys the paymaster, starts a node, registers a
/// passkey, has an operation sponsored and sends it with handleOps. Exits with 0 only if the
/// operation succeeded on chain.
#[derive(Parser)]
#[command(version)]
pub struct Args {
    /// The EntryPoint version: 0.6, 0.7, 0.8 or 0.9.
    #[arg(long, value_name = "VERSION", default_value = "0.7", value_parser = version)]
    pub entrypoint: EntryPointVersion,
    /// The checkout with contracts/node_modules and contracts/out, which scripts/node-tools
    /// creates.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub project: PathBuf,
    /// The product's binary. Default: `super-relay` in the folder of this program.
    #[arg(long, value_name = "FILE")]
    pub super_relay: Option<PathBuf>,
    /// Use the KMS gateway at that URL instead of one in the node's process. Its TEE must be new:
    /// the demo becomes its admin.
    #[arg(long, value_name = "URL")]
    pub kms: Option<Url>,
    /// Sponsor an account that is owned by a local key, without a passkey. Enables the required
    /// settings: the policy's allow_without_passkey, the TEE's permission, and half of the deposit
    /// for such requests.
    #[arg(long)]
    pub local_key: bool,
    /// The origin on localhost of pages that use passkeys.
    #[arg(long, value_name = "ORIGIN", default_value = DEFAULT_ORIGIN, value_parser = origin)]
    pub origin: String,
    /// A bundler that the relay passes calls on to. It may be started later.
    #[arg(long, value_name = "URL")]
    pub bundler: Option<Url>,
    /// Keep chain and node running afterwards, until interrupted.
    #[arg(long)]
    pub keep: bool,
}

/// The origin in a browser's form, without a trailing slash.
fn origin(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|problem| problem.to_string())?;
    let origin = url.origin().ascii_serialization();
    let is_origin = text.trim_end_matches('/') == origin;
    is_origin.then_some(origin).ok_or_else(|| "expected scheme, host and port, as in http://localhost:8080".to_owned())
}

fn version(text: &str) -> Result<EntryPointVersion, String> {
    text.parse().map_err(|problem: DevkitError| problem.to_string())
}
