//! Every setting of the gateway. The comments become the configuration reference.

mod invalid;

use std::path::PathBuf;
use std::time::Duration;

use proto::Address;
use proto::bytes::{Bounded, BoundedList, TooLong};
use proto::command::{RelyingParty, SignatureScheme};
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serve::TrustedProxies;
use url::Url;

pub use invalid::InvalidSettings;

use crate::origin::Origin;
use crate::protection::RequiredProtection;
use crate::transport::{TeeKind, WorkerOptions};

/// Time limit for calls queued for the TEE when the process is told to end.
const LONGEST_CLOSING: Duration = Duration::from_secs(10);

/// The KMS gateway.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Folder of the gateway's database (nonces, account index, audit chain) and, with the
    /// simulator, of its sealed state. Created when it is missing.
    pub data_dir: PathBuf,
    /// The WebAuthn relying party: a registrable domain, or `localhost`.
    #[serde(default = "default_rp_id")]
    pub rp_id: String,
    /// The relying party's name, as authenticators show it to the user.
    #[serde(default = "default_rp_name")]
    pub rp_name: String,
    /// Origins where passkey ceremonies may run. For pages: scheme, host and port, which must
    /// belong to `rp_id`; such pages may call the KMS (CORS). For Android apps:
    /// `android:apk-key-hash:` and the SHA-256 of the signing certificate in base64url without
    /// padding.
    #[serde(default = "default_origins")]
    #[schemars(with = "Vec<String>")]
    pub origins: Vec<Origin>,
    /// The addresses of an ingress, or networks in CIDR notation, as in `10.0.0.0/8`. The client of
    /// a request from one of them is the rightmost address in `X-Forwarded-For` that is not one of
    /// them; it gets its own turns for quotes and for lookups of unknown accounts. Do not list a
    /// proxy that passes the header on unchanged: clients could then choose their address.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// Which TEE: `simulator` protects nothing; `optee` needs a build with `--features optee`.
    #[serde(default)]
    pub tee: TeeKind,
    /// Commands that may wait for the TEE; a further one is refused immediately with `tee_busy`.
    /// One relay key, and all lookups together, may use half of the places that the others leave.
    #[serde(default = "default_tee_queue_length")]
    #[schemars(range(min = 1))]
    pub tee_queue_length: usize,
    /// Seconds to wait for the TEE's reply, time in the queue included.
    #[serde(default = "default_tee_timeout_seconds")]
    #[schemars(range(min = 1))]
    pub tee_timeout_seconds: u64,
    /// Milliseconds a call of the TEE may take before it counts as stuck: until it ends, everything
    /// else is refused immediately with `tee_busy`.
    #[serde(default = "default_tee_stuck_after_ms")]
    #[schemars(range(min = 1))]
    pub tee_stuck_after_ms: u64,
    /// Seconds a call of the TEE, or opening its session, may take before `/livez` fails, so that
    /// this process is restarted: nothing else ends a call that waits for a dead supplicant.
    #[serde(default = "default_tee_hung_after_seconds")]
    #[schemars(range(min = 1))]
    pub tee_hung_after_seconds: u64,
    /// Milliseconds between one quote of `/attestation` and the next. Clients take turns; a client
    /// whose turn doesn't come within 8 seconds is told when to retry. Anyone may ask, and a quote
    /// occupies the TEE's only thread for as long as hundreds of sponsorships. While one takes
    /// longer than `tee_stuck_after_ms`, everything else is refused; it may take
    /// `tee_hung_after_seconds`.
    #[serde(default = "default_attestation_interval_ms")]
    #[schemars(range(min = 1))]
    pub attestation_interval_ms: u64,
    /// Seconds between one rotation of a relay key and the next of the same record; rotations that
    /// the admin signs are not limited. `relay.relay_key.rotation_interval_seconds` has to be
    /// longer.
    #[serde(default = "default_rotation_interval_seconds")]
    #[schemars(range(min = 1))]
    pub rotation_interval_seconds: u64,
    /// Maximum number of waiting commands that enter OP-TEE in one call, at most 32; 1: each alone.
    /// Batches save world switches, but each command waits for the last one's reply.
    #[serde(default = "default_tee_batch_length")]
    #[schemars(range(min = 1, max = 32))]
    pub tee_batch_length: usize,
    /// The protection that the TEE must report; otherwise it is not used. The production profile
    /// requires `storage` and `own_ta_key`.
    #[serde(default)]
    pub required_protection: RequiredProtection,
    /// Verified passkeys kept for clients that create the account with the id from the beginning of
    /// the registration. At the limit the oldest is dropped; the id from
    /// `/webauthn/register/finish` stays valid.
    #[serde(default = "default_max_registrations")]
    #[schemars(range(min = 1))]
    pub max_registrations: usize,
    /// Who may create accounts. `open`: anybody; for development, the production profile refuses
    /// it. `authorised`: holders of a key of `api_keys`, or of an invitation that an authorised
    /// relay key signed (`pm_createAccountInvitation`).
    #[serde(default)]
    pub account_creation: AccountCreation,
    /// Keys of servers that may create accounts.
    #[serde(default)]
    pub api_keys: Vec<ApiKeySettings>,
    /// Accounts that may be created in an hour with each API key, and with the invitations of each
    /// relay key; with `account_creation` `open`, by all others together.
    #[serde(default = "default_accounts_per_hour")]
    #[schemars(range(min = 1))]
    pub accounts_per_hour: u32,
    /// How accounts created without an explicit scheme sign operations: `eip191` for the
    /// SimpleAccount of EntryPoint v0.6 and v0.7, `raw` for that of v0.8 and later.
    #[serde(default = "default_signature_scheme")]
    #[schemars(with = "SchemeName")]
    pub signature_scheme: SignatureScheme,
    /// The account factory whose counterfactual address `create-deterministic-account` returns.
    /// Without it, and for accounts of another signature scheme, no address is returned.
    #[serde(default)]
    pub factory: Option<FactorySettings>,
}

/// Who may create accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccountCreation {
    /// Anyone.
    #[default]
    Open,
    /// Callers with an API key or an invitation.
    Authorised,
}

/// An API key of the KMS.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeySettings {
    /// Its name in logs and in the database. Its accounts are counted under this name.
    pub label: String,
    /// SHA-256 of the key in hex: `printf %s "$KEY" | sha256sum`.
    pub hash: String,
}

/// An account factory with `getAddress(address owner, uint256 salt)`, like SimpleAccountFactory.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FactorySettings {
    /// The factory contract.
    #[schemars(with = "String")]
    pub address: Address,
    /// The scheme that its accounts verify; unset it is `kms.signature_scheme`. Accounts of the
    /// other scheme get neither factory nor address: their operations would fail there, for good.
    #[serde(default)]
    #[schemars(with = "Option<SchemeName>")]
    pub signature_scheme: Option<SignatureScheme>,
    /// JSON-RPC URL of its chain. Never logged: such URLs often contain a key.
    #[schemars(with = "String")]
    pub rpc_url: SecretString,
    /// Seconds to wait for the chain.
    #[serde(default = "default_factory_timeout_seconds")]
    #[schemars(range(min = 1))]
    pub timeout_seconds: u64,
}

/// The signature scheme of an account.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "names the values in the configuration reference")]
enum SchemeName {
    /// `personal_sign` over `userOpHash`.
    Eip191,
    /// `userOpHash` without a prefix.
    Raw,
}

impl Settings {
    /// Settings for a relying party at `localhost`, with defaults for everything else.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            rp_id: default_rp_id(),
            rp_name: default_rp_name(),
            origins: default_origins(),
            trusted_proxies: Vec::new(),
            tee: TeeKind::default(),
            tee_queue_length: default_tee_queue_length(),
            tee_timeout_seconds: default_tee_timeout_seconds(),
            tee_stuck_after_ms: default_tee_stuck_after_ms(),
            tee_hung_after_seconds: default_tee_hung_after_seconds(),
            attestation_interval_ms: default_attestation_interval_ms(),
            rotation_interval_seconds: default_rotation_interval_seconds(),
            tee_batch_length: default_tee_batch_length(),
            required_protection: RequiredProtection::default(),
            max_registrations: default_max_registrations(),
            account_creation: AccountCreation::default(),
            api_keys: Vec::new(),
            accounts_per_hour: default_accounts_per_hour(),
            signature_scheme: default_signature_scheme(),
            factory: None,
        }
    }

    /// Options for the TEE's queue and thread. If entering the TEE is cheap, batched frames would
    /// only wait for each other.
    #[must_use]
    pub fn worker_options(&self) -> WorkerOptions {
        WorkerOptions {
            queue_length: self.tee_queue_length,
            stuck_after: Duration::from_millis(self.tee_stuck_after_ms),
            longest_closing: LONGEST_CLOSING,
            batch_length: if self.tee.row().takes_batches { self.tee_batch_length } else { 1 },
            required_protection: self.required_protection,
        }
    }

    /// The relying party as sent to the trusted application for provisioning.
    ///
    /// # Errors
    /// If a name or the list is longer than the wire allows.
    pub fn relying_party(&self) -> Result<RelyingParty, TooLong> {
        let origins = self.origins.iter().map(|origin| Bounded::new(origin.serialised()));
        Ok(RelyingParty {
            id: Bounded::new(self.rp_id.clone())?,
            origins: BoundedList::new(origins.collect::<Result<_, _>>()?)?,
        })
    }

    /// The scheme that the factory's accounts verify.
    pub(crate) fn scheme_of_factory(&self) -> SignatureScheme {
        let configured = self.factory.as_ref().and_then(|factory| factory.signature_scheme);
        configured.unwrap_or(self.signature_scheme)
    }

    /// The proxies whose `X-Forwarded-For` is trusted.
    pub(crate) fn proxies(&self) -> Result<TrustedProxies, InvalidSettings> {
        let invalid = |problem| InvalidSettings::new("trusted_proxies", problem);
        TrustedProxies::parse(&self.trusted_proxies).map_err(invalid)
    }
}

impl FactorySettings {
    pub(crate) fn url(&self) -> Result<Url, InvalidSettings> {
        let invalid = |problem: &str| InvalidSettings::new("factory.rpc_url", problem);
        let url: Url = self.rpc_url.expose_secret().parse().map_err(|_| invalid("not a URL"))?;
        match url.scheme() {
            "http" | "https" => Ok(url),
            _ => Err(invalid("must be http: or https:")),
        }
    }
}

fn default_rp_id() -> String {
    "localhost".into()
}

fn default_rp_name() -> String {
    "super-relay".into()
}

fn default_origins() -> Vec<Origin> {
    // A constant that parses; if it did not, there would be no origin, which the WebAuthn setup
    // refuses.
    "http://localhost:5173".parse().into_iter().collect()
}

const fn default_tee_queue_length() -> usize {
    256
}

const fn default_tee_timeout_seconds() -> u64 {
    10
}

const fn default_tee_stuck_after_ms() -> u64 {
    2000
}

const fn default_tee_hung_after_seconds() -> u64 {
    30
}

const fn default_attestation_interval_ms() -> u64 {
    5000
}

const fn default_rotation_interval_seconds() -> u64 {
    60
}

const fn default_tee_batch_length() -> usize {
    8
}

const fn default_max_registrations() -> usize {
    10_000
}

const fn default_accounts_per_hour() -> u32 {
    1000
}

const fn default_signature_scheme() -> SignatureScheme {
    SignatureScheme::Eip191
}

const fn default_factory_timeout_seconds() -> u64 {
    3
}
