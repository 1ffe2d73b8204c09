//! Helpers that drive the core: frames, keys, a software authenticator, and a platform in memory.

pub mod keys;
pub mod passkey;
pub mod requests;
pub mod tape;
pub mod world;

pub use keys::EthKey;
pub use passkey::Passkey;
pub use requests::{Draft, deployment, entry_point, terms};
pub use world::World;
