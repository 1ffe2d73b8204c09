//! A new TEE behind a remote KMS gateway: the demo becomes its admin, and authorises the node's
//! relay key.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use kms_api::admin::GetSigners;
use kms_api::status::{GetHealth, GetVersion, Health, TaKey, TeeVersion};
use serde_json::json;
use url::Url;

use crate::Outcome;
use crate::args::Args;
use crate::client::Kms;
use crate::configuration::{Ground, admin_key, random, tee_setup};
use crate::product::Product;
use crate::story::Story;

const OWNER_ONLY: u32 = 0o600;

/// A TEE whose admin is the demo.
pub struct RemoteTee {
    /// Arguments of `super-relay admin` for the gateway and the key.
    admin: Vec<String>,
    id: String,
}

impl RemoteTee {
    /// Prints the gateway's report of its TEE, and provisions it.
    pub async fn provision(
        product: &Product,
        url: &Url,
        folder: &Path,
        ground: &Ground<'_>,
        args: &Args,
        story: &Story,
    ) -> Outcome<Self> {
        let kms = Kms::at(url.as_str());
        let (health, version) = (kms.get(&GetHealth).await?, kms.get(&GetVersion).await?);
        introduce(url, &health, &version.tee, story);
        if kms.get(&GetSigners).await?.admin.is_some() {
            return Err("the TEE has an admin already; the demo needs a new one".into());
        }
        let (key, setup) = (admin_key(folder), folder.join("tee.json"));
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&key)?;
        file.write_all(random()?.to_string().as_bytes())?;
        std::fs::write(&setup, serde_json::to_string(&tee_setup(ground, args)?)?)?;

        let admin = ["--kms", url.as_str(), "--key-file", &key.display().to_string()].map(str::to_owned);
        let tee = Self { admin: admin.into(), id: version.tee.id.to_string() };
        tee.command(product, &["provision", "--unattested", &setup.display().to_string()]).await?;
        let address = kms.get(&GetSigners).await?.admin.ok_or("the TEE has no admin")?;
        story.say("admin", &format!("{address} provisioned the TEE over HTTP"));
        Ok(tee)
    }

    /// Authorises a relay key to have operations sponsored.
    pub async fn authorise(&self, product: &Product, signer: &str, args: &Args, story: &Story) -> Outcome<()> {
        let unproven = if args.local_key { ",sponsor_without_passkey" } else { "" };
        let permissions = format!("sponsor,sign_user_operation{unproven}");
        self.command(product, &["--tee-id", &self.id, "authorize", signer, "--permissions", &permissions]).await?;
        story.say("admin", &format!("authorised the relay's key {signer}"));
        Ok(())
    }

    async fn command(&self, product: &Product, command: &[&str]) -> Outcome<()> {
        let arguments: Vec<&str> = self.admin.iter().map(String::as_str).chain(command.iter().copied()).collect();
        product.admin(&arguments).await.map(drop)
    }
}

fn introduce(url: &Url, health: &Health, tee: &TeeVersion, story: &Story) {
    let url = url.as_str().trim_end_matches('/');
    story.say("KMS", &format!("at {url}, its TEE is {}", health.tee_mode));
    story.more(&format!("trusted application {}, measurement {}", tee.version, tee.measurement));
    story.more(&format!("signed with the {} key", health.ta_key.map_or("unknown", TaKey::as_str)));
    story.more(&format!("it reports protection {}", json!(tee.protection)));
}
