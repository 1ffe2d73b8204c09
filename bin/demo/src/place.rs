//! Where the node serves JSON-RPC, and its page beside it.

use std::net::{Ipv4Addr, TcpListener};

use crate::Outcome;
use crate::args::Args;

/// The host of the page, which the demo's passkeys belong to.
pub const HOST: &str = "localhost";
/// Below the ports that systems give to outgoing connections (from 32768 on), one of which could
/// take the chosen port before the node does.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;
const ATTEMPTS: usize = 100;

/// The port of JSON-RPC on this machine.
pub enum Place {
    /// Any free one: nobody needs to know it in advance.
    Any,
    /// This one: the TEE is told the page's origin when it is provisioned.
    At(u16),
}

impl Place {
    /// A page is served by a node that stays, whose KMS knows its origin.
    pub fn choose(args: &Args) -> Outcome<Self> {
        if !args.keep || args.kms.is_some() {
            return Ok(Self::Any);
        }
        for _ in 0..ATTEMPTS {
            let mut random = [0; 2];
            getrandom::fill(&mut random)?;
            let port = FIRST + u16::from_be_bytes(random) % COUNT;
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(Self::At(port));
            }
        }
        Err(format!("no port from {FIRST} to {} is free", FIRST + COUNT - 1).into())
    }

    /// Zero for any.
    pub const fn port(&self) -> u16 {
        match self {
            Self::Any => 0,
            Self::At(port) => *port,
        }
    }

    /// The origin of the page.
    pub fn origin(&self) -> Option<String> {
        match self {
            Self::Any => None,
            Self::At(port) => Some(format!("http://{HOST}:{port}")),
        }
    }
}
