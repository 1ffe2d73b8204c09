//! `super-relay send`: has an operation sponsored, sends it, and waits for its receipt.

mod endpoint;
mod error;
mod request;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use proto::command::SignatureScheme;
use proto::digest::personal_message_hash;
use proto::json::{GasFields, PAYMASTER_FIELDS, parse_user_operation};
use proto::{AccountId, Address, EntryPoint, EntryPointVersion, Quantity, UserOpHash, UserOperation};
use relay_api::{Param, Parameter, PaymasterFields, RelayApiClient as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use url::Url;

use crate::address::parse_address;
use crate::local_key::{KeyArgs, LocalKey, read_private};
use crate::printable::printable_json;
use endpoint::{Endpoint, Sent};
use error::Party;
use request::Request;

pub use error::SendError;

const API_KEY: &str = "SUPER_RELAY_API_KEY";

/// The operation, who approves it, and where it goes.
#[derive(Args)]
pub struct SendArgs {
    /// JSON: an operation (ERC-7769), or the parameters of `pm_sponsor_with_tee`. `-` reads
    /// standard input. Gas and fees have to be final.
    operation: PathBuf,
    /// The chain it is for. The relay is asked for nothing on another one.
    #[arg(long, value_name = "ID")]
    chain_id: u64,
    /// The relay. If the URL has no path, the chain's (`/rpc/<chain id>`) is added.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000")]
    relay: Url,
    /// The relay's API key, in a file that no other user may read; otherwise SUPER_RELAY_API_KEY
    /// has it, if one is needed.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// The bundler to send it to. Default: the relay's own (`relay.bundler.urls`).
    #[arg(long, value_name = "URL", env = "SUPER_RELAY_BUNDLER_URL", hide_env_values = true)]
    bundler: Option<Url>,
    /// The EntryPoint. Default: the relay's first one on that chain.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    entry_point: Option<Address>,
    /// Its version: 0.6, 0.7, 0.8 or 0.9. Default: that of the public EntryPoint with its address.
    #[arg(long, value_name = "VERSION")]
    entry_point_version: Option<EntryPointVersion>,
    /// The key of the account's owner, for a policy with `allow_without_passkey`: it signs the
    /// sponsored operation here.
    #[command(flatten)]
    key: KeyArgs,
    /// How that key signs: `eip191` or `raw`. Default: as SimpleAccount wants it, `raw` from
    /// EntryPoint v0.8 on.
    #[arg(long, value_name = "SCHEME", requires = "key_file")]
    signature_scheme: Option<SignatureScheme>,
    /// The policy. Default: the first one the caller may use.
    #[arg(long, value_name = "ID")]
    policy: Option<String>,
    /// The only paymaster to accept. Default: any that the relay names.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    paymaster: Option<Address>,
    /// Seconds to wait for the receipt; 0 does not ask for it.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait_seconds: u64,
    /// Ask the relay whether it would sponsor the operation, and show what would be sent. Nothing
    /// is charged, signed or sent.
    #[arg(long)]
    dry_run: bool,
}

/// What to print, and whether the operation did what it was to do.
pub struct Outcome {
    /// JSON.
    pub text: String,
    /// Whether it was mined and its call succeeded.
    pub verdict: Result<(), SendError>,
}

/// Who approves an operation.
enum Approval {
    /// A passkey, for an account of the TEE; no assertion yet in a dry run.
    Passkey(AccountId, Option<Value>),
    /// The account's owner.
    Owner(LocalKey, SignatureScheme),
}

/// An operation and where it is for.
struct Job {
    operation: Map<String, Value>,
    op: UserOperation,
    entry_point: EntryPoint,
    account_id: Option<AccountId>,
    policy_id: Option<String>,
    idempotency_key: Option<String>,
}

/// Sends the operation; returns what to print.
pub async fn run(args: SendArgs) -> Result<Outcome, SendError> {
    let request = Request::read(&args.operation)?;
    let relay = Endpoint::at(Party::Relay, relay_url(&args), args.api_key()?)?;
    let bundler = args.bundler.clone().map(|url| Endpoint::at(Party::Bundler, url, None)).transpose()?;
    let key = args.key.read()?;
    let entry_point = entry_point(&args, &request, &relay).await?;
    let job = Job::of(&args, &request, entry_point)?;
    let approval = approval(&args, &request, key, entry_point.version)?;

    if args.dry_run {
        let shown = job.rehearse(&relay, &approval, bundler.is_some()).await?;
        return Ok(Outcome { text: printable_json(&shown), verdict: Ok(()) });
    }
    let (operation, hash) = match approval {
        Approval::Passkey(account_id, passkey) => job.sponsored(&relay, account_id, passkey, args.paymaster).await?,
        Approval::Owner(key, scheme) => job.sponsored_for(&relay, &key, scheme, args.paymaster).await?,
    };
    let sender = bundler.as_ref().unwrap_or(&relay);
    let sent = sender.send(operation.clone(), entry_point.address, hash).await?;
    let (receipt, verdict) = wait(sender, sent, hash, args.wait_seconds).await;
    let outcome = json!({
        "success": receipt["success"],
        "userOpHash": hash,
        "userOperation": operation,
        "receipt": receipt,
    });
    Ok(Outcome { text: printable_json(&outcome), verdict })
}

/// The receipt, or null, and what it says.
async fn wait(sender: &Endpoint, sent: Sent, hash: UserOpHash, seconds: u64) -> (Value, Result<(), SendError>) {
    let doubt = match sent {
        Sent::Yes if seconds == 0 => return (Value::Null, Ok(())),
        Sent::Yes => None,
        Sent::Perhaps(problem) => Some(problem),
    };
    match sender.receipt(hash, Duration::from_secs(seconds)).await {
        Ok(receipt) if receipt["success"] == true => (receipt, Ok(())),
        Ok(receipt) => (receipt, Err(SendError::Reverted(hash))),
        Err(problem) => (Value::Null, Err(SendError::NotMined { hash, seconds, problem: doubt.or(problem) })),
    }
}

impl SendArgs {
    fn api_key(&self) -> Result<Option<SecretString>, SendError> {
        let key = match (&self.api_key_file, std::env::var_os(API_KEY)) {
            (Some(file), _) => read_private(file)?,
            (None, Some(key)) => key.into_string().map_err(|_| SendError::ApiKey(API_KEY))?.into(),
            (None, None) => return Ok(None),
        };
        let key = key.expose_secret().trim();
        let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        let place = if self.api_key_file.is_some() { "--api-key-file" } else { API_KEY };
        is_key.then(|| Some(key.to_owned().into())).ok_or(SendError::ApiKey(place))
    }
}

fn relay_url(args: &SendArgs) -> Url {
    let mut url = args.relay.clone();
    if url.path() == "/" {
        url.set_path(&format!("/rpc/{}", args.chain_id));
    }
    url
}

/// The EntryPoint, on a chain that the relay says it serves.
async fn entry_point(args: &SendArgs, request: &Request, relay: &Endpoint) -> Result<EntryPoint, SendError> {
    let named = agreed("entryPoint", in_file(&request.options.entry_point)?, "--entry-point", args.entry_point)?;
    agreed("chainId", in_file(&request.options.chain_id)?.map(|id| id.0), "--chain-id", Some(args.chain_id.into()))?;
    let Quantity(served) = relay.rpc.chain_id().await.map_err(|error| relay.failed("pm_chainId", error))?;
    if served != args.chain_id {
        return Err(SendError::WrongChain { served, expected: args.chain_id });
    }
    let address = match named {
        Some(address) => address,
        None => {
            let listed = relay.rpc.supported_entry_points().await;
            let listed = listed.map_err(|error| relay.failed("pm_supportedEntryPoints", error))?;
            listed.first().copied().ok_or(SendError::NoEntryPoint)?
        }
    };
    let public = || EntryPointVersion::ALL.into_iter().find(|version| version.canonical_address() == address);
    let version = args.entry_point_version.or_else(public).ok_or(SendError::VersionUnknown(address))?;
    Ok(EntryPoint { chain_id: args.chain_id, address, version })
}

fn in_file<T: Parameter>(option: &Option<Param<T>>) -> Result<Option<T>, SendError> {
    Ok(option.as_ref().map(Param::parse).transpose()?)
}

/// A value that may be given twice.
fn agreed<T: PartialEq + ToString>(
    key: &'static str,
    file: Option<T>,
    option: &'static str,
    given: Option<T>,
) -> Result<Option<T>, SendError> {
    match (file, given) {
        (Some(file), Some(given)) if file != given => {
            Err(SendError::Contradiction { key, file: file.to_string(), option, given: given.to_string() })
        }
        (file, given) => Ok(file.or(given)),
    }
}

fn approval(
    args: &SendArgs,
    request: &Request,
    key: Option<LocalKey>,
    version: EntryPointVersion,
) -> Result<Approval, SendError> {
    match (&request.account_id, &request.passkey, key) {
        (_, Some(_), Some(_)) => Err(SendError::TwoApprovals),
        (Some(account_id), Some(passkey), None) => Ok(Approval::Passkey(account_id.clone(), Some(passkey.clone()))),
        (Some(account_id), None, None) if args.dry_run => Ok(Approval::Passkey(account_id.clone(), None)),
        (_, _, None) => Err(SendError::NoApproval),
        (_, None, Some(key)) => {
            let default =
                if version >= EntryPointVersion::V08 { SignatureScheme::Raw } else { SignatureScheme::Eip191 };
            Ok(Approval::Owner(key, args.signature_scheme.unwrap_or(default)))
        }
    }
}

impl Job {
    fn of(args: &SendArgs, request: &Request, entry_point: EntryPoint) -> Result<Self, SendError> {
        let policy_id = agreed("policyId", request.options.policy_id.clone(), "--policy", args.policy.clone())?;
        // Another paymaster's fields would be approved, or signed, with the rest.
        let mut operation = request.operation.clone();
        operation.retain(|name, _| !PAYMASTER_FIELDS.contains(&name.as_str()));
        if entry_point.version == EntryPointVersion::V06 {
            operation.insert("paymasterAndData".to_owned(), "0x".into());
        }
        let op = parse(&operation, &entry_point)?;
        Ok(Self {
            operation,
            op,
            entry_point,
            account_id: request.account_id.clone(),
            policy_id,
            idempotency_key: request.options.idempotency_key.clone(),
        })
    }

    /// Asks whether the relay would sponsor it, as far as it says so before it is approved.
    async fn rehearse(&self, relay: &Endpoint, approval: &Approval, to_bundler: bool) -> Result<Value, SendError> {
        let mut shown = json!({
            "dryRun": true,
            "chainId": self.entry_point.chain_id,
            "entryPoint": self.entry_point.address,
            "entryPointVersion": self.entry_point.version,
            "sendTo": if to_bundler { "the bundler" } else { "the relay's bundler" },
            "userOperation": self.operation,
        });
        match approval {
            Approval::Passkey(account_id, passkey) => {
                let intent = relay.rpc.intent(self.param(), account_id.to_string().into(), self.options()).await;
                let intent = intent.map_err(|error| relay.failed("pm_getSponsorshipIntent", error))?;
                if intent.user_op_hash != self.op.hash(&self.entry_point) {
                    return Err(SendError::OtherOperation(format!("its hash would be {}", intent.user_op_hash)));
                }
                shown["accountId"] = json!(account_id);
                shown["isApproved"] = passkey.is_some().into();
                shown["intent"] = json!(intent);
            }
            Approval::Owner(key, scheme) => {
                let stub = relay
                    .rpc
                    .stub_data(
                        self.param(),
                        self.address(),
                        json!(Quantity(self.entry_point.chain_id)).into(),
                        self.context(),
                    )
                    .await
                    .map_err(|error| relay.failed("pm_getPaymasterStubData", error))?;
                let stub = self.completed(&stub.fields)?;
                shown["userOperation"] = stub.into();
                shown["signer"] = json!(key.address());
                shown["signatureScheme"] = scheme.as_str().into();
            }
        }
        Ok(shown)
    }

    /// The complete operation, signed by the account's key in the TEE.
    async fn sponsored(
        &self,
        relay: &Endpoint,
        account_id: AccountId,
        passkey: Option<Value>,
        paymaster: Option<Address>,
    ) -> Result<(Map<String, Value>, UserOpHash), SendError> {
        let passkey = passkey.unwrap_or_default();
        let answer = relay
            .rpc
            .sponsor(self.param(), account_id.to_string().into(), passkey.into(), self.options())
            .await
            .map_err(|error| relay.failed("pm_sponsor_with_tee", error))?;
        let unasked = || SendError::OtherOperation("it is the answer to a dry run".to_owned());
        let answer = answer.sponsored().ok_or_else(unasked)?;
        let fields = match answer.paymaster_fields {
            Some(fields) => PaymasterFields::Later(fields),
            None => PaymasterFields::V06 { paymaster_and_data: answer.paymaster_and_data },
        };
        let mut operation = self.completed(&fields)?;
        let hash = self.hash(&operation, paymaster)?;
        if hash != answer.user_op_hash {
            return Err(SendError::OtherOperation(format!("its hash is {hash}, not {}", answer.user_op_hash)));
        }
        let missing = || SendError::OtherOperation("it has no signature of the account".to_owned());
        operation.insert("signature".to_owned(), json!(answer.signature.ok_or_else(missing)?));
        Ok((operation, hash))
    }

    /// The complete operation, signed by its owner here.
    async fn sponsored_for(
        &self,
        relay: &Endpoint,
        key: &LocalKey,
        scheme: SignatureScheme,
        paymaster: Option<Address>,
    ) -> Result<(Map<String, Value>, UserOpHash), SendError> {
        let chain_id = json!(Quantity(self.entry_point.chain_id));
        let fields = relay.rpc.paymaster_data(self.param(), self.address(), chain_id.into(), self.context()).await;
        let mut operation = self.completed(&fields.map_err(|error| relay.failed("pm_getPaymasterData", error))?)?;
        let hash = self.hash(&operation, paymaster)?;
        let signed = match scheme {
            SignatureScheme::Eip191 => personal_message_hash(&hash.0).0,
            SignatureScheme::Raw => hash.0,
        };
        operation.insert("signature".to_owned(), json!(key.sign(&signed)));
        Ok((operation, hash))
    }

    /// The operation of the file with these paymaster fields.
    fn completed(&self, fields: &PaymasterFields) -> Result<Map<String, Value>, SendError> {
        let mut operation = self.operation.clone();
        if let Value::Object(fields) = json!(fields) {
            operation.extend(fields);
        }
        parse(&operation, &self.entry_point)
            .map_err(|problem| SendError::OtherOperation(problem.to_string()))
            .map(|_| operation)
    }

    /// The hash of a completed operation, computed here.
    fn hash(&self, operation: &Map<String, Value>, expected: Option<Address>) -> Result<UserOpHash, SendError> {
        let op = parse(operation, &self.entry_point)?;
        let paymaster = op.paymaster.as_ref().map(|paymaster| paymaster.address);
        match (paymaster, expected) {
            (None, _) => Err(SendError::OtherOperation("it has no paymaster".to_owned())),
            // The EntryPoint reads the zero address as "no paymaster", and charges the account.
            (Some(found), _) if found == Address::default() => {
                Err(SendError::OtherOperation("its paymaster is the zero address: the account would pay".to_owned()))
            }
            (Some(found), Some(expected)) if found != expected => Err(SendError::OtherPaymaster { found, expected }),
            _ => Ok(op.hash(&self.entry_point)),
        }
    }

    fn param<T>(&self) -> Param<T> {
        Value::Object(self.operation.clone()).into()
    }

    fn address(&self) -> Param<Address> {
        json!(self.entry_point.address).into()
    }

    fn options<T>(&self) -> Param<T> {
        json!({
            "entryPoint": self.entry_point.address,
            "chainId": Quantity(self.entry_point.chain_id),
            "policyId": self.policy_id,
            "idempotencyKey": self.idempotency_key,
        })
        .into()
    }

    fn context<T>(&self) -> Param<T> {
        json!({
            "accountId": self.account_id,
            "policyId": self.policy_id,
            "idempotencyKey": self.idempotency_key,
        })
        .into()
    }
}

fn parse(operation: &Map<String, Value>, entry_point: &EntryPoint) -> Result<UserOperation, SendError> {
    let json = Value::Object(operation.clone());
    Ok(parse_user_operation(&json, entry_point.version, entry_point.chain_id, GasFields::Required)?.op)
}
