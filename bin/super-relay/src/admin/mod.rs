//! `super-relay admin`: commands a TEE, and sets which keys it trusts and its ceilings.

mod allowance;
mod commands;
mod identity;
mod signer;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use kms_api::admin::{GetSigners, Signers, TeeSetup};
use kms_api::status::GetVersion;
use proto::{Address, Hash, Permissions, TeeId, Wei};
use serde_json::json;
use url::Url;

use crate::address::parse_address;
use crate::client::{Kms, NoAnswer};
use crate::error::Error;
use crate::printable::printable_json;

pub use signer::key_of;

use allowance::{Sought, parse_total};
use commands::Admin;
use identity::unattested;
use signer::Signer;

/// The admin, its signature, and the TEE to command.
#[derive(Args)]
pub struct AdminArgs {
    /// The KMS gateway of the TEE.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3002")]
    kms: Url,
    /// A file with the admin's secp256k1 key, 32 bytes in hex, that no other user may read. Without
    /// it the command is shown, and a signature made by a wallet elsewhere (`eth_signTypedData_v4`)
    /// is read from standard input.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The admin's address, if a wallet elsewhere signs. Required by `provision`; other commands
    /// otherwise take it from the gateway.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, conflicts_with = "key_file")]
    admin: Option<Address>,
    /// The counter to sign for. Without it the counter is the one the gateway reports: a gateway
    /// cannot change a command, but by reporting a later counter it can have one signed that takes
    /// effect later.
    #[arg(long, value_name = "NUMBER")]
    counter: Option<u64>,
    /// The ID of the TEE to command, as `provision` printed it or a verified quote states it: no
    /// other TEE accepts the command, and nothing is sent to a gateway that serves another TEE.
    /// Every command needs it; `provision` can take it from a quote.
    #[arg(long, value_name = "ID")]
    tee_id: Option<TeeId>,
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Subcommand)]
enum AdminCommand {
    /// Become the admin of a new TEE, with the relying parties and ceilings of a file: see
    /// config/tee.json.
    Provision {
        /// JSON: `relyingParties` and `ceilings`.
        setup: PathBuf,
        /// The program, with its arguments, that verifies the TEE's quote:
        /// scripts/optee/verify-quote with --elf and --key. The TEE's ID is taken from the verified
        /// quote; with --tee-id both must be the same.
        #[arg(long, value_name = "COMMAND")]
        quote_verifier: Option<String>,
        /// Accept the ID the gateway reports, on a platform that does not attest: whoever controls
        /// the gateway chooses the TEE. Refused if the platform attests.
        #[arg(long, conflicts_with = "quote_verifier")]
        unattested: bool,
    },
    /// Replace the ceilings with those of such a file.
    SetCeilings {
        /// JSON: `relyingParties` and `ceilings`.
        setup: PathBuf,
    },
    /// Set how much the TEE may sign for a deployment in all: the sum of worst-case costs,
    /// including what it has signed already. From the first allowance on, it signs nothing for a
    /// deployment that has none. `--kms URL` shows what is left in `/admin/signers`.
    SetAllowance {
        /// Wei, in decimal or hex: a total, not an increment. A total below what is spent stops
        /// signing.
        #[arg(value_parser = parse_total)]
        total: Wei,
        /// The paymaster, if the ceilings name several.
        #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
        paymaster: Option<Address>,
        /// The EIP-155 id of its chain, if the ceilings name several.
        #[arg(long, value_name = "ID")]
        chain_id: Option<u64>,
        /// Its EntryPoint, if the ceilings name several.
        #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
        entry_point: Option<Address>,
    },
    /// Let a relay key request sponsorships; `super-relay get-signer-address` prints its address.
    Authorize {
        /// The relay key's address.
        #[arg(value_parser = parse_address)]
        signer: Address,
        /// Its permissions: sponsor (includes the signature of an account of the TEE),
        /// sign_user_operation (without sponsoring), rotate (name its own successor, which
        /// `relay.relay_key.rotation_interval_seconds` needs), sponsor_without_passkey.
        #[arg(long, value_delimiter = ',', default_value = "sponsor,sign_user_operation,rotate")]
        permissions: Vec<String>,
    },
    /// Remove the record of a relay key, at once, together with the key it was rotated to since.
    Revoke {
        /// The relay key's address, now or when it was authorised.
        #[arg(value_parser = parse_address)]
        signer: Address,
        /// The record's number, if several have that address.
        #[arg(long, value_name = "NUMBER")]
        record: Option<u64>,
    },
    /// Make a standby for the TEE's paymaster key, for the paymaster contracts to admit before it
    /// signs.
    PreparePaymasterKey,
    /// Let the standby sign from now on. The previous key is erased: remove it from the contracts
    /// afterwards.
    RotatePaymasterKey {
        /// The standby's address.
        #[arg(value_parser = parse_address)]
        next: Address,
    },
}

/// Sends the command; returns in JSON what was signed and what the gateway reports about its TEE
/// afterwards.
pub async fn run(args: AdminArgs) -> Result<String, Error> {
    let signer = match &args.key_file {
        Some(file) => Signer::Key(signer::read_key(file)?),
        None => Signer::Wallet(args.admin),
    };
    let kms = Kms::at(args.kms);
    let tee_id = tee_id(&kms, args.tee_id, &args.command).await?;
    let admin = Admin::new(kms.clone(), signer, tee_id, args.counter);
    let command = match args.command {
        AdminCommand::Provision { setup, .. } => admin.provision(read(&setup)?).await?,
        AdminCommand::SetCeilings { setup } => admin.set_ceilings(read(&setup)?).await?,
        AdminCommand::SetAllowance { total, paymaster, chain_id, entry_point } => {
            admin.set_allowance(total, &Sought { paymaster, chain_id, entry_point }).await?
        }
        AdminCommand::Authorize { signer, permissions } => admin.authorize(signer, named(&permissions)?).await?,
        AdminCommand::Revoke { signer, record } => admin.revoke(signer, record).await?,
        AdminCommand::PreparePaymasterKey => admin.prepare_paymaster_key().await?,
        AdminCommand::RotatePaymasterKey { next } => admin.rotate_paymaster_key(next).await?,
    };
    let mut outcome = json!({ "success": true, "command": command });
    // The command was executed, whatever happens to the queries after it.
    match state(&kms).await {
        Ok((signers, measurement)) => {
            outcome["signers"] = json!(signers);
            outcome["measurement"] = json!(measurement);
        }
        Err(problem) => outcome["problem"] = problem.to_string().into(),
    }
    Ok(printable_json(&outcome))
}

/// The TEE to command. Its ID is never the gateway's report alone, unless the admin allows that.
async fn tee_id(kms: &Kms, named: Option<TeeId>, command: &AdminCommand) -> Result<TeeId, Error> {
    let which = |problem: &str| Err(Error::Admin(format!("which TEE? {problem}")));
    match (named, command) {
        (Some(named), AdminCommand::Provision { quote_verifier: Some(verifier), .. }) => {
            match identity::quoted(kms, verifier).await? {
                quoted if quoted == named => Ok(named),
                quoted => which(&format!("the quote is of {quoted}, but --tee-id names {named}; nothing was signed")),
            }
        }
        (Some(_), AdminCommand::Provision { unattested: true, .. }) => {
            which("--unattested takes the ID from the gateway: omit it when --tee-id is given")
        }
        (Some(named), _) => Ok(named),
        (None, AdminCommand::Provision { quote_verifier: Some(verifier), .. }) => identity::quoted(kms, verifier).await,
        (None, AdminCommand::Provision { unattested: true, .. }) => unattested(kms).await,
        (None, AdminCommand::Provision { .. }) => which(
            "Have its quote verified (--quote-verifier), give the ID that you know (--tee-id), or, where the platform does \
             not attest, accept the ID the gateway reports (--unattested)",
        ),
        (None, _) => which("Give its ID with --tee-id: `provision` printed it, and a verified quote states it"),
    }
}

async fn state(kms: &Kms) -> Result<(Signers, Hash), NoAnswer> {
    Ok((kms.get(&GetSigners).await?, kms.get(&GetVersion).await?.tee.measurement))
}

fn read(file: &Path) -> Result<TeeSetup, Error> {
    let failed = |problem: &dyn std::fmt::Display| Error::Admin(format!("{}: {problem}", file.display()));
    let text = std::fs::read(file).map_err(|error| failed(&error))?;
    serde_json::from_slice(&text).map_err(|error| failed(&error))
}

fn named(permissions: &[String]) -> Result<Permissions, Error> {
    let names = permissions.iter().map(String::as_str);
    Permissions::of_names(names).map_err(|problem| Error::Admin(format!("permissions: {problem}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setup_that_comes_with_it_is_valid() {
        let setup = read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/tee.json"))).unwrap();
        let (relying_parties, ceilings) = kms_gateway::http::read_setup(setup).unwrap();
        assert_eq!((relying_parties.len(), ceilings.deployments.len()), (1, 1));
    }
}
