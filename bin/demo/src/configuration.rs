//! The node's configuration as an operator would write it, with databases and keys in the same
//! folder.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use devkit::{Anvil, B256, EntryPointVersion, Paymaster};
use kms_api::admin::{Ceilings, Deployment, RelyingParty, TeeSetup};
use proto::Quantity;
use proto::command::SignatureScheme;

use crate::Outcome;
use crate::args::Args;
use crate::place::{self, Place};

/// Anvil's default.
pub const CHAIN_ID: u64 = 31_337;
/// The relying party of the demo's passkeys.
pub const RP_ID: &str = place::HOST;
/// Wei: 0.1 ether.
const MAX_COST: u128 = 100_000_000_000_000_000;
const FILE: &str = "demo.toml";
const ADMIN_KEY: &str = "admin.key";

/// The settings for an account with its own signer. The first key belongs to the policy at the end
/// of the file; bootstrap grants the relay's key the TEE's permission because of it.
const WITHOUT_PASSKEY: &str = "
        allow_without_passkey = true

        [relay.reservations]
        max_percent_unproven = 50
        ";

/// The chain's values in a configuration, and where the page is served.
pub struct Ground<'a> {
    pub anvil: &'a Anvil,
    pub deployment: &'a devkit::Deployment,
    pub paymaster: &'a Paymaster,
    pub page: &'a Place,
}

/// Writes the file and the passphrase file it names, and returns its path.
pub fn write(folder: &Path, ground: &Ground<'_>, args: &Args) -> Outcome<PathBuf> {
    let mut passphrase = private_files::create_new(&folder.join("relay-key.passphrase"))?;
    passphrase.write_all(random()?.to_string().as_bytes())?;
    let kms = match &args.kms {
        Some(url) => format!("remote_kms.urls = [\"{url}\"]"),
        None => kms(folder, ground, args),
    };
    let unproven = if args.local_key { WITHOUT_PASSKEY } else { "" };
    let file = folder.join(FILE);
    let bundler =
        args.bundler.as_ref().map(|url| format!("\n[relay.bundler]\nurls = [\"{url}\"]\n")).unwrap_or_default();
    std::fs::write(&file, [kms.as_str(), &relay(folder, ground), unproven, &bundler].concat())?;
    Ok(file)
}

/// The path of the admin's key in that folder.
pub fn admin_key(folder: &Path) -> PathBuf {
    folder.join(ADMIN_KEY)
}

/// The TEE's provisioning settings, like config/tee.json.
pub fn tee_setup(ground: &Ground<'_>, args: &Args) -> Outcome<TeeSetup> {
    let entry_point = &ground.deployment.entry_point;
    let deployment = Deployment {
        chain_id: Quantity(CHAIN_ID),
        entry_point: entry_point.address().into(),
        version: entry_point.version().to_string().parse()?,
        paymaster: ground.paymaster.address().into(),
    };
    Ok(TeeSetup {
        relying_parties: vec![RelyingParty { id: RP_ID.to_owned(), origins: origins(ground, args) }],
        ceilings: Ceilings {
            deployments: vec![deployment],
            max_cost: Quantity(MAX_COST),
            max_window: 3600,
            max_accounts: 10_000,
        },
    })
}

/// The signature scheme of this version's accounts: SimpleAccount signs the hash itself from 0.8
/// on, a personal message before.
pub fn signature_scheme(version: EntryPointVersion) -> SignatureScheme {
    if version >= EntryPointVersion::V08 { SignatureScheme::Raw } else { SignatureScheme::Eip191 }
}

/// The origins of pages that use passkeys: the one that is asked for, and the node's own page's.
fn origins(ground: &Ground<'_>, args: &Args) -> Vec<String> {
    [args.origin.clone()].into_iter().chain(ground.page.origin()).collect()
}

/// Thirty-two random bytes.
pub fn random() -> Outcome<B256> {
    let mut bytes = B256::ZERO;
    getrandom::fill(bytes.as_mut_slice())?;
    Ok(bytes)
}

fn kms(folder: &Path, ground: &Ground<'_>, args: &Args) -> String {
    let (data, chain, origins) = (folder.display(), ground.anvil.url(), origins(ground, args));
    let factory = ground.deployment.account_factory.address();
    let scheme = signature_scheme(ground.deployment.entry_point.version());
    format!(
        r#"
        [kms]
        data_dir = "{data}/kms"
        rp_id = "{RP_ID}"
        origins = {origins:?}
        signature_scheme = "{scheme}"
        factory = {{ address = "{factory}", rpc_url = "{chain}" }}

        [bootstrap]
        admin_key_file = "{data}/{ADMIN_KEY}"
        "#
    )
}

fn relay(folder: &Path, ground: &Ground<'_>) -> String {
    let (data, chain, entry_point) = (folder.display(), ground.anvil.url(), &ground.deployment.entry_point);
    let port = ground.page.port();
    format!(
        r#"
        [listen]
        rpc = "127.0.0.1:{port}"
        ops = "127.0.0.1:0"
        kms = "127.0.0.1:0"

        [relay]
        database = "{data}/relay.sqlite"
        rp_id = "{RP_ID}"
        chain = {{ chain_id = {CHAIN_ID}, rpc_url = "{chain}" }}
        relay_key = {{ file = "{data}/relay-key.json", passphrase_file = "{data}/relay-key.passphrase" }}
        default_account = {{ active = true }}

        [[relay.deployments]]
        entry_point = "{address}"
        version = "{version}"
        paymaster = "{paymaster}"

        [[relay.policies]]
        id = "demo"
        max_cost_per_operation = "20000000000000000"
        "#,
        address = entry_point.address(),
        version = entry_point.version(),
        paymaster = ground.paymaster.address(),
    )
}
