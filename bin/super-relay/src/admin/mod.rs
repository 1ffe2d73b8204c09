//! `super-relay admin`: whom a TEE trusts, and how far.

mod commands;
mod signer;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use url::Url;

use crate::client::{Json as _, Kms};
use crate::error::Error;

pub use commands::Admin;
pub use signer::{Signer, key_of};

/// Whose command, and to which TEE.
#[derive(Args)]
pub struct AdminArgs {
    /// The KMS gateway of the TEE.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3002")]
    kms: Url,
    /// A file with the admin's secp256k1 key, 32 bytes in hex. Without it the challenge is shown, and a signature made by a
    /// wallet elsewhere (`personal_sign`) is read from standard input.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The admin's address, where a wallet elsewhere provisions a TEE.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "key_file")]
    admin: Option<alloy_primitives::Address>,
    /// The counter to sign for. Without it the gateway is believed: it can't change a command, but it can have one signed
    /// that takes effect later.
    #[arg(long, value_name = "NUMBER")]
    counter: Option<u64>,
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Subcommand)]
enum AdminCommand {
    /// Become the admin of a new TEE, with the relying parties and ceilings of a file: see config/tee.json.
    Provision {
        /// JSON: `relyingParties` and `ceilings`.
        setup: PathBuf,
    },
    /// Replace the ceilings by those of such a file.
    SetCeilings {
        /// JSON: `relyingParties` and `ceilings`.
        setup: PathBuf,
    },
    /// Let a relay key have operations sponsored; `super-relay get-signer-address` prints its address.
    Authorize {
        /// The relay key's address.
        signer: alloy_primitives::Address,
        /// What it may do: sponsor, sign_user_operation (for accounts whose key is in the TEE), rotate (name its own
        /// successor, as `relay.relay_key.rotation_interval_seconds` has it do), sponsor_without_passkey.
        #[arg(long, value_delimiter = ',', default_value = "sponsor,sign_user_operation,rotate")]
        permissions: Vec<String>,
    },
    /// Turn a relay key away, for good and at once.
    Revoke {
        /// The relay key's address.
        signer: alloy_primitives::Address,
    },
}

/// Sends the command, and gives what the gateway says of its TEE afterwards, in JSON.
pub async fn run(args: AdminArgs) -> Result<String, Error> {
    let signer = match &args.key_file {
        Some(file) => Signer::Key(signer::read_key(file)?),
        None => Signer::Wallet(args.admin.map(address)),
    };
    let admin = Admin::new(Kms::at(args.kms.clone()), signer, args.counter);
    match args.command {
        AdminCommand::Provision { setup } => admin.provision(&read(setup)?).await?,
        AdminCommand::SetCeilings { setup } => admin.set_ceilings(&read(setup)?).await?,
        AdminCommand::Authorize { signer, permissions } => admin.authorize(address(signer), &permissions).await?,
        AdminCommand::Revoke { signer } => admin.revoke(address(signer)).await?,
    }
    let kms = Kms::at(args.kms);
    let (signers, version) = (kms.get("/admin/signers").await?, kms.get("/version").await?);
    let measurement = version.object("tee")?.object("measurement")?;
    Ok(format!("{:#}", json!({ "signers": signers, "measurement": measurement })))
}

fn read(file: PathBuf) -> Result<Value, Error> {
    let failed = |problem: &dyn std::fmt::Display| Error::Admin(format!("{}: {problem}", file.display()));
    let text = std::fs::read(&file).map_err(|error| failed(&error))?;
    serde_json::from_slice(&text).map_err(|error| failed(&error))
}

fn address(address: alloy_primitives::Address) -> proto::Address {
    proto::Address(address.into_array())
}
