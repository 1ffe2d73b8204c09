//! The environment that every test sets up for itself: a chain, a paymaster, a node, and their
//! clients.

#[macro_use]
mod versions;
mod accounts;
mod apart;
mod approval;
mod bystander;
mod clients;
mod configuration;
mod key;
mod operation;
mod process;
mod signals;
mod world;

pub use accounts::{OwnedAccount, TeeAccount, register};
pub use approval::{Approval, now};
pub use bystander::{Bystander, client_tests};
pub use clients::{Kms, Refusal, Rpc};
pub use configuration::{ORIGIN, PASSPHRASE, write as write_configuration};
pub use devkit::{PATIENCE, eventually};
pub use key::Key;
pub use operation::{bytes, flip, hex, increment, refused_on_chain};
pub use process::{Process, Reading, run, run_answering, run_bound_by_modes, run_given, run_in};
pub use signals::{Signal, freeze, limit_open_files, signal_process, thaw};
pub use world::{Ground, OtherChain, Setup, World, admit_key_of_tee, problem, project, ready};

/// Wei.
pub const ETHER: u128 = 1_000_000_000_000_000_000;
