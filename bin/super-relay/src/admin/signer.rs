//! Who signs the admin's commands: a key in a file, or a wallet elsewhere.

use std::io::BufRead as _;
use std::path::Path;

use kms_gateway::bootstrap::AdminKey;
use proto::Address;
use proto::command::AdminRequest;
use proto::json::hex_bytes;
use secrecy::SecretSlice;
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

    /// r ‖ s ‖ v in hex over the command's challenge (EIP-191). A wallet is shown `fields` and the challenge on standard
    /// error, and its signature is read from standard input.
    pub fn sign(&self, command: &impl AdminRequest, fields: &Value) -> Result<String, Error> {
        match self {
            Self::Key(key) => {
                let signature = key.sign(command);
                Ok(hex_bytes(&[signature.r.as_slice(), &signature.s, &[signature.v]].concat()))
            }
            Self::Wallet(_) => ask(&command.challenge().to_string(), fields),
        }
    }
}

#[expect(clippy::print_stderr, reason = "a question to whoever runs the command")]
fn ask(challenge: &str, fields: &Value) -> Result<String, Error> {
    eprintln!(
        "{fields:#}\nSign these 32 bytes with personal_sign (cast wallet sign --ledger {challenge}):\n{challenge}"
    );
    eprintln!("The signature:");
    let mut line = String::new();
    let length = std::io::stdin().lock().read_line(&mut line).map_err(|error| Error::Admin(error.to_string()))?;
    if length == 0 {
        return Err(Error::Admin("no signature came; nothing was sent".into()));
    }
    Ok(line.trim().into())
}

/// Reads a key: 32 bytes in hex.
pub fn read_key(file: &Path) -> Result<AdminKey, Error> {
    let failed = |problem: &dyn std::fmt::Display| Error::Admin(format!("{}: {problem}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    key_of(&text).map_err(|problem| failed(&problem))
}

/// A key from its 32 bytes in hex.
pub fn key_of(text: &str) -> Result<AdminKey, String> {
    let secret = hex::decode(text.trim().trim_start_matches("0x")).map_err(|error| error.to_string())?;
    AdminKey::new(&SecretSlice::from(secret)).map_err(|error| error.to_string())
}
