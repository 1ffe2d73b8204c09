//! The node's admin socket: a file that only its owner can open, nothing on the network. HTTP with
//! JSON. The modules of the commands that use it have the routes.

mod client;
mod file;
mod server;

use serde::{Deserialize, Serialize};

pub use client::Node;
pub use file::{Place, bind, check_free, look_at};
pub use server::{Author, serve};

/// A refusal.
#[derive(Serialize, Deserialize)]
pub struct Refusal {
    /// A message for people.
    pub error: String,
}
