//! The command line.

use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use kms_gateway::transport::TeeName;
use proto::{Address, Hash, TeeId};

use crate::config::{Config, Log, LogFormat, Sources, reference};
use crate::error::Error;
use crate::{admin, api_key, contracts, ledger, policies, send, telemetry, wire};

/// Paymaster relay for ERC-4337: a passkey approves, the relay approves, a TEE signs.
#[derive(Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the relay, with the KMS in the same process unless remote gateways are configured.
    ///
    /// Serves JSON-RPC (HTTP and WebSocket) on `listen.rpc`, the KMS API on `listen.kms`, and
    /// /livez, /readyz, /status and /metrics on `listen.ops`. Stops on SIGINT or SIGTERM after the
    /// requests in flight have finished. SIGHUP rotates the relay key.
    Node(ConfigArgs),
    /// Run the KMS gateway alone, next to its TEE.
    Kms(ConfigArgs),
    /// Print the address of the relay's current key. Creates the key if there is none.
    GetSignerAddress(ConfigArgs),
    /// Make the KMS gateway forget its TEE, so that it accepts another one at its next start.
    ///
    /// Use this only if that TEE is lost: first read "A TEE that lost its state" in
    /// docs/operations.md, and stop the gateway.
    ForgetTee(ForgetTeeArgs),
    /// Check the audit of a KMS gateway, which may be running.
    ///
    /// Fails if a row was changed or removed, and prints the number of rows and the hash of the
    /// newest. Rows that were removed from the end leave no trace: record the hash elsewhere, and
    /// give it as `--head` the next time.
    VerifyAudit(VerifyAuditArgs),
    /// Command a TEE: provision it, authorise and revoke relay keys, set its ceilings.
    ///
    /// Signs the command as the admin and sends it to a KMS gateway. Prints what was signed, and
    /// the TEE's state that the gateway reports afterwards. Can be run anywhere; keep the admin's
    /// key away from the hosts of relay and gateway.
    Admin(admin::AdminArgs),
    /// Generate, list and revoke the API keys of a running node.
    ///
    /// Connects to the node's admin socket (`relay.admin_socket`), a file that only the node's user
    /// can open. Changes apply at once.
    ApiKey(ApiKeyArgs),
    /// Print who was sponsored: by which policy and API key, worst case, cost, transaction, state.
    ///
    /// Asks the running node through its admin socket. Amounts are in wei. `csv` is RFC 4180, with
    /// text that a spreadsheet would take for a formula disarmed; `json` is one object per line.
    Ledger(LedgerArgs),
    /// Print totals for billing: mined and released sponsorships, worst cases, costs and gas.
    ///
    /// Asks the running node through its admin socket. A sponsorship is counted in the month (UTC)
    /// of its request once it is settled or released, also after its row was deleted
    /// (`relay.ledger.retention_days`).
    Usage(UsageArgs),
    /// Change the policies of a running node, and show who changed them.
    ///
    /// Connects to the node's admin socket (`relay.admin_socket`), a file that only the node's user
    /// can open. Changes apply within a second, on every node that shares the database, and can be
    /// rolled back.
    Policy(PolicyArgs),
    /// Have an operation sponsored, send it, and wait for its receipt.
    ///
    /// Approved by a passkey, whose assertion is in the file, or signed here by the key of the
    /// account's owner. Prints JSON: the operation and its receipt. Exit codes: 0 if it was mined
    /// and its call succeeded (with --wait-seconds 0: if it was sent), 1 if nothing was sent, 2 if
    /// the arguments are wrong, 3 if it is not known whether it was mined, 4 if its call reverted.
    Send(send::SendArgs),
    /// Deploy the paymaster contract, admit the TEE's signer, deposit, stake, pause.
    ///
    /// Each command looks at the chain first, and sends only what is missing; withdraw, and deposit
    /// and stake without --up-to, move the amount each time. --dry-run shows the transaction with
    /// gas and fees; --yes sends it, signed by a key in a file. Prints JSON. Exit codes: 0 if it is
    /// done, 1 if nothing was sent, 3 if a transaction is not known to be mined, 4 if it reverted,
    /// 5 if it was mined and something else failed afterwards.
    Contracts(contracts::ContractsArgs),
    /// Check the configuration, or describe its keys.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Check everything that a start needs, without serving or changing anything.
    ///
    /// Opens the relay's key with its passphrase, checks that databases, admin socket and keys can
    /// be read, written or created, queries chain, account factory, Redis and remote KMS gateways,
    /// and lists what is still missing for a sponsorship. Opens no port and no TEE on this machine,
    /// and changes nothing on disk.
    Check(CheckArgs),
    /// Print every key with its meaning, type and default.
    Reference,
}

/// Where the configuration comes from. Later sources override earlier ones: file, then
/// SUPER_RELAY__SECTION__KEY, then --set.
#[derive(Args, Clone, Default)]
pub struct ConfigArgs {
    /// A TOML file; `super-relay config reference` lists every key.
    #[arg(long, short, value_name = "FILE", env = "SUPER_RELAY_CONFIG")]
    config: Option<PathBuf>,
    /// One key, as in `--set relay.validity_seconds=300`. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Args)]
struct ApiKeyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(subcommand)]
    command: api_key::ApiKeyCommand,
}

#[derive(Args)]
struct LedgerArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    what: ledger::EntryArgs,
}

#[derive(Args)]
struct UsageArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    what: ledger::TotalArgs,
}

#[derive(Args)]
struct PolicyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(subcommand)]
    command: policies::PolicyCommand,
}

#[derive(Args)]
struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Check the values only: open no file and no connection.
    #[arg(long)]
    offline: bool,
}

#[derive(Args)]
struct ForgetTeeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The ID of the TEE to forget, as in the gateway's error at its start.
    #[arg(long, value_name = "ID", required_unless_present = "paymaster_signer")]
    tee_id: Option<TeeId>,
    /// The TEE's paymaster signer, if the error names that instead of an ID.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "tee_id")]
    paymaster_signer: Option<Address>,
}

#[derive(Args)]
struct VerifyAuditArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A head that was recorded before: fails unless a row has this hash.
    #[arg(long, value_name = "HASH")]
    head: Option<Hash>,
}

impl ForgetTeeArgs {
    /// clap guarantees that one of the two is given.
    fn name(&self) -> TeeName {
        match self.tee_id {
            Some(id) => TeeName::Id(id),
            None => TeeName::PaymasterSigner(self.paymaster_signer.unwrap_or_default()),
        }
    }
}

impl ConfigArgs {
    /// For commands that run until they are stopped: configuration warnings come first in the log.
    fn load_and_log(&self) -> Result<Config, Error> {
        match self.load() {
            Ok(config) => telemetry::init(&config.log).map(|()| config),
            Err(error) => {
                if self.sources().wants_json_log() {
                    telemetry::init(&Log { format: LogFormat::Json, ..Log::default() })?;
                }
                Err(error)
            }
        }
    }

    fn sources(&self) -> Sources {
        Sources { file: self.config.clone(), overrides: self.set.clone() }
    }

    fn load(&self) -> Result<Config, Error> {
        self.sources().load().map_err(Error::from)
    }
}

impl Cli {
    /// Runs the command until it finishes or is stopped.
    pub async fn run(self) -> Result<(), Error> {
        match self.command {
            Command::Node(args) => {
                let config = args.load_and_log()?;
                wire::Node::start(config).await?.run_until_stopped().await
            }
            Command::Kms(args) => {
                let config = args.load_and_log()?;
                wire::KmsNode::start(config).await?.run_until_stopped().await
            }
            Command::GetSignerAddress(args) => print(&wire::relay_signer_address(&args.load()?)?),
            Command::ForgetTee(args) => {
                let name = args.name();
                wire::forget_tee(&args.config.load()?, name).await?;
                print("forgotten: the next start serves whichever TEE it finds")
            }
            Command::VerifyAudit(args) => print(&wire::verify_audit(&args.config.load()?, args.head).await?),
            Command::Admin(args) => print(&admin::run(args).await?),
            Command::ApiKey(ApiKeyArgs { config, command }) => print(&api_key::run(command, &config.load()?).await?),
            Command::Ledger(LedgerArgs { config, what }) => {
                ledger::print_entries(what, &config.load()?, &mut std::io::stdout()).await
            }
            Command::Usage(UsageArgs { config, what }) => {
                ledger::print_totals(what, &config.load()?, &mut std::io::stdout()).await
            }
            Command::Policy(PolicyArgs { config, command }) => print(&policies::run(command, &config.load()?).await?),
            Command::Send(args) => {
                let send::Outcome { text, verdict } = send::run(args).await?;
                print(&text)?;
                Ok(verdict?)
            }
            Command::Contracts(args) => {
                let contracts::Outcome { text, verdict } = contracts::run(args).await?;
                print(&text)?;
                Ok(verdict?)
            }
            Command::Config(ConfigCommand::Check(CheckArgs { config, offline })) => {
                let config = config.load()?;
                let summary = config.summary()?;
                let mut found = config.warnings();
                if !offline {
                    found.extend(wire::check(&config).await?);
                }
                print(&[summary].into_iter().chain(found).collect::<Vec<_>>().join("\n"))
            }
            Command::Config(ConfigCommand::Reference) => print(&reference::markdown()),
        }
    }
}

/// The answer of a command. A reader that has read enough, as `head` has, is no error.
fn print(text: &str) -> Result<(), Error> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(()),
    }
}
