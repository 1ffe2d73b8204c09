//! Policies of a running node, shown and changed through its admin socket.

mod api;
mod routes;
mod text;

pub use routes::routes;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use paymaster_relay::register::{PolicyState, PolicyVersion};
use reqwest::Method;
use reqwest::header::{IF_MATCH, IF_NONE_MATCH};
use serde::Serialize;
use serde_json::Value;

use crate::admin_socket::Node;
use crate::config::Config;
use crate::error::Error;
use api::{
    ARCHIVE, Apply, ApplyOne, CHECK, Check, Checked, DISABLE, ENABLE, Listed, POLICIES, POLICY, ROLLBACK, RollBack,
    Shown, VERSIONS, Why,
};

/// Operations on the policies of a running node.
#[derive(Subcommand)]
pub enum PolicyCommand {
    /// Make the policies in a file the newest versions, all or none. A new one is enabled.
    Apply(ApplyArgs),
    /// List the newest version of every policy, in their order: the first of a chain is its
    /// default.
    List {
        /// Archived ones too.
        #[arg(long)]
        all: bool,
    },
    /// Print a policy as TOML, which `apply` takes.
    Show {
        /// Its ID.
        id: String,
        /// An earlier version.
        #[arg(long, value_name = "VERSION")]
        at: Option<u64>,
    },
    /// Show what a file would change, or where a policy differs from the node's configuration file.
    Diff {
        /// The policy to compare with the node's configuration file.
        #[arg(required_unless_present = "file", conflicts_with = "file")]
        id: Option<String>,
        /// The file to compare with the newest versions of its policies.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print every version of a policy: who made it, when, why, and what it changed.
    History {
        /// Its ID.
        id: String,
    },
    /// Enable a draft, disabled or archived policy.
    Enable(StateArgs),
    /// Refuse requests that name the policy, or get it by default, until it is enabled again.
    Disable(StateArgs),
    /// Take a policy out of use: callers no longer know it.
    Archive(StateArgs),
    /// Make the text of an earlier version the newest one. The state stays.
    Rollback {
        /// Its ID.
        id: String,
        /// The earlier version, as in `history`.
        #[arg(value_name = "VERSION")]
        to: u64,
        #[command(flatten)]
        change: ChangeArgs,
    },
}

/// What is applied.
#[derive(Args)]
pub struct ApplyArgs {
    /// TOML: the keys of one policy, `[[policies]]`, or a configuration with `[[relay.policies]]`.
    file: PathBuf,
    /// Make new and archived policies drafts, which callers do not know until they are enabled.
    #[arg(long)]
    draft: bool,
    /// The place of the only policy in the file: the lowest of a chain is its default. Those of the
    /// configuration file have 10, 20 and so on. Default: as it was, or the last.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    position: Option<i64>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// A policy whose state changes.
#[derive(Args)]
pub struct StateArgs {
    /// Its ID.
    id: String,
    #[command(flatten)]
    change: ChangeArgs,
}

/// What every change takes.
#[derive(Args)]
pub struct ChangeArgs {
    /// Why, for the history.
    #[arg(long)]
    note: Option<String>,
    /// The newest version that you know, 0 for a new policy: refuse if it is another.
    #[arg(long, value_name = "NUMBER")]
    expect_version: Option<u64>,
}

/// Sends the command to the node that runs with this configuration; returns what to print on
/// standard output.
pub async fn run(command: PolicyCommand, config: &Config) -> Result<String, Error> {
    let node = Node::at(config.for_relay()?.admin_socket())?;
    match command {
        PolicyCommand::Apply(args) => apply(&node, args).await,
        PolicyCommand::List { all } => {
            let Listed { mut policies } = node.ask(node.request(Method::GET, POLICIES)).await?;
            policies.retain(|policy| all || policy.state != PolicyState::Archived);
            Ok(text::list(&policies))
        }
        PolicyCommand::Show { id, at: None } => text::shown(&show(&node, &id).await?.current),
        PolicyCommand::Show { id, at: Some(number) } => {
            let Listed { policies } = node.ask(node.request(Method::GET, &path(VERSIONS, &id))).await?;
            let version = policies.iter().find(|version| version.version == number);
            text::shown(version.ok_or_else(|| Error::Answer(format!("policy {id:?} has no version {number}")))?)
        }
        PolicyCommand::Diff { file: Some(file), .. } => diff_file(&node, &read(&file)?).await,
        PolicyCommand::Diff { id, file: None } => {
            let Shown { current, in_file } = show(&node, &id.unwrap_or_default()).await?;
            let Some(in_file) = in_file else {
                return Ok("the node's configuration file does not name it".to_owned());
            };
            let name = format!("version {}", current.version);
            text::difference(("the node's file", &in_file), (&name, &current.policy))
        }
        PolicyCommand::History { id } => {
            let Listed { policies } = node.ask(node.request(Method::GET, &path(VERSIONS, &id))).await?;
            text::history(&policies)
        }
        PolicyCommand::Enable(StateArgs { id, change }) => set_state(&node, ENABLE, &id, change).await,
        PolicyCommand::Disable(StateArgs { id, change }) => set_state(&node, DISABLE, &id, change).await,
        PolicyCommand::Archive(StateArgs { id, change }) => set_state(&node, ARCHIVE, &id, change).await,
        PolicyCommand::Rollback { id, to: version, change: ChangeArgs { note, expect_version } } => {
            let body = RollBack { version, note };
            done(&send(&node, Method::POST, &path(ROLLBACK, &id), expect_version, &body).await?)
        }
    }
}

async fn apply(node: &Node, args: ApplyArgs) -> Result<String, Error> {
    let ApplyArgs { file, draft, position, change: ChangeArgs { note, expect_version } } = args;
    let mut policies = text::documents(&read(&file)?)?;
    let applied = match &mut policies[..] {
        [policy] => {
            let Some(id) = policy.get("id").and_then(Value::as_str).map(str::to_owned) else {
                return Err(Error::Answer("id: expected a text".to_owned()));
            };
            let body = ApplyOne { policy: policy.take(), draft, position, note };
            vec![send(node, Method::PUT, &path(POLICY, &id), expect_version, &body).await?]
        }
        _ if position.is_some() || expect_version.is_some() => {
            return Err(Error::Answer("--position and --expect-version need a file with one policy".to_owned()));
        }
        _ => {
            let body = Apply { policies, draft, note };
            let Listed { policies } = node.ask(node.request(Method::POST, POLICIES).json(&body)).await?;
            policies
        }
    };
    Ok(text::list(&applied))
}

async fn diff_file(node: &Node, file: &str) -> Result<String, Error> {
    let body = Check { policies: text::documents(file)? };
    let Checked { policies } = node.ask(node.request(Method::POST, CHECK).json(&body)).await?;
    let Listed { policies: newest } = node.ask(node.request(Method::GET, POLICIES)).await?;
    let differences = policies.iter().map(|policy| {
        let id = policy.get("id").and_then(Value::as_str).unwrap_or_default();
        match newest.iter().find(|version| version.id == id) {
            None => Ok(format!("{id}: new\n{}", text::toml(policy)?.trim_end())),
            Some(current) => {
                let name = format!("{id} version {}", current.version);
                text::difference((&name, &current.policy), (&format!("{id} in the file"), policy))
            }
        }
    });
    Ok(differences.collect::<Result<Vec<_>, Error>>()?.join("\n"))
}

async fn show(node: &Node, id: &str) -> Result<Shown, Error> {
    node.ask(node.request(Method::GET, &path(POLICY, id))).await
}

async fn set_state(node: &Node, route: &str, id: &str, change: ChangeArgs) -> Result<String, Error> {
    let ChangeArgs { note, expect_version } = change;
    done(&send(node, Method::POST, &path(route, id), expect_version, &Why { note }).await?)
}

async fn send(
    node: &Node,
    method: Method,
    path: &str,
    expected: Option<u64>,
    body: &impl Serialize,
) -> Result<PolicyVersion, Error> {
    let request = node.request(method, path).json(body);
    let request = match expected {
        None => request,
        Some(0) => request.header(IF_NONE_MATCH, "*"),
        Some(version) => request.header(IF_MATCH, format!("\"{version}\"")),
    };
    node.ask(request).await
}

fn done(version: &PolicyVersion) -> Result<String, Error> {
    Ok(text::list(std::slice::from_ref(version)))
}

/// An id may contain anything if it is from the configuration file.
fn path(route: &str, id: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b':' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    route.replace("{id}", &id.bytes().map(encode).collect::<String>())
}

fn read(file: &std::path::Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|problem| Error::Answer(format!("{}: {problem}", file.display())))
}
