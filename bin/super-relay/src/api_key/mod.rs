//! API keys, made and revoked through the node's admin socket.

mod api;
mod list;
mod routes;

pub use routes::routes;

use clap::{Args, Subcommand};
use paymaster_relay::calendar::SECONDS_A_DAY;
use paymaster_relay::clients::{ApiKeyError, ApiKeyId, KeyKind, NewApiKey, OriginRule, Origins, Rate, Scope};
use secrecy::ExposeSecret as _;

use crate::admin_socket::Node;
use crate::config::Config;
use crate::error::Error;
use api::{KEYS, KeyState, Made, Revoked, revocation};

/// Stub, intent and sponsorship.
const CALLS_OF_AN_OPERATION: u64 = 3;

/// Operations on the keys of a running node.
#[derive(Subcommand)]
pub enum ApiKeyCommand {
    /// Generate a key and print only the key on standard output. It is shown only once.
    Generate(GenerateArgs),
    /// List the keys with permissions, state and usage. The keys themselves are not stored.
    List,
    /// Revoke a key at once, also on open WebSockets.
    Revoke {
        /// The key's ID, as shown by `list`.
        id: String,
    },
}

/// The settings of a new key.
#[derive(Args)]
pub struct GenerateArgs {
    /// A name for the key.
    #[arg(long)]
    label: String,
    /// Make a key for a page or an app, where anyone can read it: limited by its policies, its rate
    /// and its quota.
    #[arg(long, requires = "policy")]
    publishable: bool,
    /// `sponsor`, `accounts`, `invite` or `bundler`. May be repeated. Default: all; for a
    /// publishable key `sponsor`.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<Scope>,
    /// A policy the key may use; the first is its default. May be repeated. Default: all, with the
    /// relay's default policy.
    #[arg(long, value_name = "ID")]
    policy: Vec<String>,
    /// An origin whose pages may use a publishable key: `https://dapp.example`,
    /// `chrome-extension://*`, `null`, `missing` (no Origin header: servers and apps) or `*`. May
    /// be repeated. Default: `*`.
    #[arg(long, value_name = "ORIGIN", requires = "publishable")]
    origin: Vec<OriginRule>,
    /// Calls per minute, and the size of a burst, as in `600/min`; with another burst,
    /// `600/min:50`. Default: unlimited; for a publishable key `600/min`, of which one client
    /// address may use half: a wallet makes three calls for one operation.
    #[arg(long, value_name = "CALLS/min")]
    rate: Option<Rate>,
    /// Calls per UTC day. Default: unlimited.
    #[arg(long, value_name = "CALLS")]
    quota: Option<u64>,
    /// Days until the key expires. Default: never.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=36_500))]
    valid_for_days: Option<u64>,
}

impl From<GenerateArgs> for NewApiKey {
    fn from(args: GenerateArgs) -> Self {
        Self {
            label: args.label,
            kind: if args.publishable { KeyKind::Publishable } else { KeyKind::Server },
            scopes: args.scope,
            policies: args.policy,
            origins: Origins(args.origin),
            rate: args.rate,
            quota: args.quota,
            valid_for_seconds: args.valid_for_days.map(|days| days.saturating_mul(SECONDS_A_DAY)),
        }
    }
}

/// Sends the command to the node that runs with this configuration; returns what to print on
/// standard output.
pub async fn run(command: ApiKeyCommand, config: &Config) -> Result<String, Error> {
    let node = Node::at(config.for_relay()?.admin_socket())?;
    match command {
        ApiKeyCommand::Generate(args) => {
            let new = NewApiKey::from(args);
            let made: Made = node.post(KEYS, &new).await?;
            warnings(&new).iter().for_each(|warning| note(warning));
            note(&format!("API key {} ({}): keep it, it is not shown again", made.api_key.id, made.api_key.label));
            Ok(made.key.expose_secret().to_owned())
        }
        ApiKeyCommand::List => Ok(list::table(&node.get::<Vec<KeyState>>(KEYS).await?)),
        ApiKeyCommand::Revoke { id } if !ApiKeyId::may_be(&id) => Err(Error::Answer(ApiKeyError::NoId.to_string())),
        ApiKeyCommand::Revoke { id } => {
            let Revoked { id } = node.post(&revocation(&id), &()).await?;
            Ok(format!("revoked: {id}"))
        }
    }
}

/// Limits too small for an operation, which may still be intended.
fn warnings(new: &NewApiKey) -> Vec<String> {
    let public = new.kind == KeyKind::Publishable;
    let at_once = new.rate.map(|rate| ("--rate", u64::from(rate.burst), "at once"));
    let a_day = new.quota.map(|quota| ("--quota", quota, "a day"));
    let of_address = |calls: u64| if public { calls.div_ceil(2) } else { calls };
    let small =
        [at_once, a_day].into_iter().flatten().filter(|(_, calls, _)| of_address(*calls) < CALLS_OF_AN_OPERATION);
    small
        .map(|(option, calls, when)| {
            let share = if public { format!(", of which one client address may use {}", of_address(calls)) } else { String::new() };
            format!(
                "warning: {option} allows {calls} calls {when}{share}: an operation through viem takes {CALLS_OF_AN_OPERATION}"
            )
        })
        .collect()
}

#[expect(clippy::print_stderr, reason = "standard output holds only the key")]
fn note(text: &str) {
    eprintln!("{text}");
}
