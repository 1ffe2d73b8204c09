//! Shared by the demo and the end-to-end tests: a local chain with the real EntryPoints and our
//! paymaster, the client's part of a user operation, a software passkey, and a node as a child
//! process.
//!
//! The devkit plays the outside world: the chain, the bundler, the dApp and the authenticator. The
//! relay trusts nothing here, and nothing here uses the relay's own types.

mod abi;
mod anvil;
mod artifact;
mod chain;
mod entrypoint;
mod error;
mod handle_ops;
pub mod http;
mod local_owner;
mod log;
mod node;
pub mod passkey;
mod paths;
mod patience;
mod paymaster;
mod predeployed;
mod redacted;
mod redis_server;
mod simple_account;
mod small_disk;
pub mod user_operation;
mod version;
mod zero_page;

pub use alloy_primitives::{Address, B256, Bytes, U256};
pub use anvil::{Anvil, AnvilOptions};
pub use entrypoint::{Deployment, EntryPoint, deploy};
pub use error::{DevkitError, HandleOpsError};
pub use handle_ops::HandledOp;
pub use local_owner::LocalOwner;
pub use log::Log;
pub use node::{Node, unconfigured};
pub use passkey::SoftPasskey;
pub use paths::Tools;
pub use patience::{PATIENCE, eventually, until};
pub use paymaster::{Paymaster, PaymasterOptions, SignerRecord, TeeSigner};
pub use redacted::redacted;
pub use redis_server::RedisServer;
pub use simple_account::{Call, SimpleAccountFactory, execute, execute_batch};
pub use small_disk::{SmallDisk, run_on_small_disk};
pub use version::EntryPointVersion;
pub use zero_page::zero_page;
