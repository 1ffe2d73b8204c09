//! Signs the admin's commands: with a key in a file, or through a wallet elsewhere.

use std::io::BufRead as _;
use std::path::Path;

use kms_api::Routed;
use kms_gateway::admin_key::{AdminKey, signer_of};
use proto::json::typed_data::typed_data;
use proto::{Address, Signature};
use secrecy::{SecretSlice, SecretString};
use serde_json::Value;

use crate::error::Error;
use crate::local_key::read_private;

/// Signs for the admin.
pub enum Signer {
    /// A key in a file on this machine.
    Key(AdminKey),
    /// A wallet elsewhere, with its address if known.
    Wallet(Option<Address>),
}

impl Signer {
    /// The admin's address.
    pub fn address(&self) -> Option<Address> {
        match self {
            Self::Key(key) => Some(key.address()),
            Self::Wallet(address) => *address,
        }
    }

    /// Signs the command's typed data (EIP-712). The command is shown on standard error, TEE and
    /// counter among its fields; for a wallet also as one line for `eth_signTypedData_v4`, and its
    /// signature is read from standard input. Only a signature by `admin` leaves this machine.
    #[expect(clippy::print_stderr, reason = "a prompt to the user")]
    pub fn sign(&self, command: &impl Routed, admin: Address) -> Result<Signature, Error> {
        eprintln!("{:#}", shown(command));
        let signature = match self {
            Self::Key(key) => key.sign(command),
            Self::Wallet(_) => {
                eprintln!(
                    "Sign this as {admin} with eth_signTypedData_v4 (cast wallet sign --data, --ledger or other):"
                );
                eprintln!("{}\nThe signature:", typed_data(command));
                read_signature()?
            }
        };
        match signer_of(command, &signature) {
            Some(signer) if signer == admin => Ok(signature),
            Some(signer) => Err(failed(format!("signed by {signer}, not by {admin}; nothing was sent"))),
            None => Err(failed("not a signature of this command; nothing was sent")),
        }
    }
}

/// The command as sent, without the signature.
pub fn shown<C: Routed>(command: &C) -> Value {
    let mut body = serde_json::to_value(C::Body::from(command)).unwrap_or_default();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("signature");
    }
    body
}

fn read_signature() -> Result<Signature, Error> {
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line).map_err(failed)? == 0 {
        return Err(failed("no signature given; nothing was sent"));
    }
    // The input is not repeated: it may be a secret.
    let unreadable = || failed("a signature is 65 bytes in hex, starting with 0x; nothing was sent");
    line.trim().parse().map_err(|_| unreadable())
}

/// Reads a key that no other user may read: 32 bytes in hex.
pub fn read_key(path: &Path) -> Result<AdminKey, Error> {
    let text = read_private(path).map_err(failed)?;
    key_of(&text).map_err(|problem| failed(format!("{}: {problem}", path.display())))
}

/// A key from its 32 bytes in hex.
pub fn key_of(text: &SecretString) -> Result<AdminKey, &'static str> {
    use secrecy::ExposeSecret as _;
    let text = text.expose_secret().trim();
    let secret = hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|_| "not 32 bytes in hex")?;
    AdminKey::new(&SecretSlice::from(secret)).map_err(|_| "not a secp256k1 key of 32 bytes in hex")
}

fn failed(problem: impl std::fmt::Display) -> Error {
    Error::Admin(problem.to_string())
}
