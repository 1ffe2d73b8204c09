//! Who signs the admin's commands: a key in a file, or a wallet elsewhere.

use std::fs::File;
use std::io::{BufRead as _, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use kms_api::Routed;
use kms_gateway::admin_key::{AdminKey, signer_of};
use proto::json::typed_data::typed_data;
use proto::{Address, Signature};
use secrecy::{SecretSlice, SecretString};
use serde_json::Value;

use crate::error::Error;

/// The admin's hand.
pub enum Signer {
    /// A key that is here.
    Key(AdminKey),
    /// A wallet that is not, with its address if that is known.
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

    /// Over the command's typed data (EIP-712). The command is shown on standard error, TEE and
    /// counter among its fields; to whoever has a wallet also as `eth_signTypedData_v4` takes it,
    /// in one line. Its signature is read from standard input; only one of `admin` leaves this
    /// machine.
    #[expect(clippy::print_stderr, reason = "a question to whoever runs the command")]
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
            Some(signer) => Err(failed(format!("{signer} signed it, and not {admin}; nothing was sent"))),
            None => Err(failed("this is no signature of it; nothing was sent")),
        }
    }
}

/// What is sent, without the signature.
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
        return Err(failed("no signature came; nothing was sent"));
    }
    // What it is instead is not repeated: it may be what must not be told.
    let unreadable = || failed("a signature is 65 bytes in hex, starting with 0x; nothing was sent");
    line.trim().parse().map_err(|_| unreadable())
}

/// Reads a key that nobody else may read: 32 bytes in hex.
pub fn read_key(path: &Path) -> Result<AdminKey, Error> {
    let problem = |problem: &dyn std::fmt::Display| failed(format!("{}: {problem}", path.display()));
    let mut file = File::open(path).map_err(|error| problem(&error))?;
    if file.metadata().map_err(|error| problem(&error))?.permissions().mode() & 0o077 != 0 {
        return Err(problem(&"others may read this key: chmod 600"));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| problem(&error))?;
    key_of(&SecretString::from(text)).map_err(|error| problem(&error))
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
