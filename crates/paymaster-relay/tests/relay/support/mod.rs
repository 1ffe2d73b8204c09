//! Support for the tests.

mod bundler;
mod client;
mod clock;
mod dapp;
mod hook;
mod keys;
mod node;
mod tee;
mod world;

pub use bundler::{Bundler, Says, nowhere};
pub use client::{Client, Refusal};
pub use dapp::Dapp;
pub use devkit::{Log, PATIENCE, until};
pub use hook::{Hook, HookSays, SECRET, approves};
pub use keys::server;
pub use node::{Fault, Node, read_body};
pub use tee::{UNSIGNED, personal_sign};
pub use world::{ACCOUNT, Other, World, deployment_json, open_key};
