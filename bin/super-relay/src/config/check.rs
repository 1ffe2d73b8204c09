//! Checks of a configuration before anything is started: whether it is consistent, and what it
//! serves.

use std::net::SocketAddr;

use proto::limits::MAX_DEPLOYMENTS;
use tracing_subscriber::EnvFilter;

use super::{Bootstrap, Config, ConfigError, Listen, Log, Profile, RemoteKms, production};

/// The KMS that a node uses.
#[derive(Debug)]
pub enum KmsOfNode<'a> {
    /// In the same process.
    Here(&'a kms_gateway::Settings),
    /// At one of these gateways.
    Elsewhere(&'a RemoteKms),
}

/// Refuses required protection that no TEE of this kind can give.
fn check_protection(kms: &kms_gateway::Settings) -> Result<(), ConfigError> {
    let (tee, required) = (kms.tee.row(), &kms.required_protection);
    if required.may_be_met_by(&tee.at_most) {
        return Ok(());
    }
    let problem = if tee.protects_nothing() {
        format!(
            "the {} protects nothing: set storage, rollback and time to \"none\" and own_ta_key to false, or another \
             kms.tee",
            tee.name
        )
    } else {
        format!("no {} can report that much protection: require less, or use another kms.tee", tee.name)
    };
    Err(ConfigError::value("kms.required_protection", problem))
}

impl Config {
    /// Checks its values, each and in combination. Part of reading it, so that nothing starts with
    /// an invalid one.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.log.directives()?;
        if let Some(relay) = &self.relay {
            paymaster_relay::check(relay)?;
        }
        if let Some(kms) = &self.kms {
            kms.check()?;
        }
        self.check_listeners()?;
        self.check_paths()?;
        self.connections.check()?;
        self.kms.as_ref().map_or(Ok(()), |kms| self.connections.check_serving(kms))?;
        if self.remote_kms.urls.iter().any(|url| !matches!(url.scheme(), "http" | "https")) {
            return Err(ConfigError::value("remote_kms.urls", "must be http: or https:"));
        }
        if self.remote_kms.timeout_seconds == 0 {
            return Err(ConfigError::value("remote_kms.timeout_seconds", "must be above 0"));
        }
        if let Some(bootstrap) = &self.bootstrap {
            bootstrap.check()?;
        }
        production::check(self)?;
        self.kms.as_ref().map_or(Ok(()), check_protection)?;
        match &self.kms {
            Some(kms) if !kms.tee.row().is_built_in() => Err(ConfigError::WithoutTee { name: kms.tee.row().name }),
            _ => Ok(()),
        }
    }

    /// In development any page may call the relay, it serves one, and the TEE needs no allowance,
    /// unless the settings say otherwise. In production accounts need known code.
    pub(super) fn apply_profile(&mut self) {
        if let (Profile::Development, Some(relay)) = (self.profile, &mut self.relay) {
            relay.rpc.allowed_origins.get_or_insert_with(|| vec!["*".to_owned()]);
            relay.page.enabled.get_or_insert(true);
            relay.require_allowances.get_or_insert(false);
        }
        if let Some(relay) = &mut self.relay {
            relay.requires_known_code = self.profile == Profile::Production;
        }
    }

    /// Checks that the servers of one process do not conflict.
    fn check_listeners(&self) -> Result<(), ConfigError> {
        let Listen { rpc, ops, kms, .. } = self.listen;
        if self.listen.ops_hosts.iter().any(|host| host.is_empty() || host.contains([':', '/', '*'])) {
            return Err(ConfigError::value("listen.ops_hosts", "names without scheme, port and wildcard"));
        }
        let (relay, gateway) = (self.relay.is_some(), self.kms.is_some());
        let together = [
            (("listen.rpc", rpc), ("listen.ops", ops), relay),
            (("listen.kms", kms), ("listen.ops", ops), gateway),
            (("listen.kms", kms), ("listen.rpc", rpc), relay && gateway && self.remote_kms.urls.is_empty()),
        ];
        match together.into_iter().find(|((_, one), (_, other), both)| *both && are_one(*one, *other)) {
            Some(((key, _), (other, _), _)) => {
                Err(ConfigError::value(key, format!("must not be the address of {other}")))
            }
            None => Ok(()),
        }
    }

    /// The settings of `node`.
    pub fn for_node(&self) -> Result<(&paymaster_relay::Settings, KmsOfNode<'_>), ConfigError> {
        let relay = self.for_relay()?;
        match &self.kms {
            _ if !self.remote_kms.urls.is_empty() => Ok((relay, KmsOfNode::Elsewhere(&self.remote_kms))),
            Some(kms) if kms.rp_id != relay.rp_id => Err(ConfigError::RelyingParties),
            Some(kms) if (1..=kms.rotation_interval_seconds).contains(&relay.relay_key.rotation_interval_seconds) => {
                let problem = "must be longer than kms.rotation_interval_seconds";
                Err(ConfigError::value("relay.relay_key.rotation_interval_seconds", problem))
            }
            Some(kms) => Ok((relay, KmsOfNode::Here(kms))),
            None => Err(ConfigError::Missing("kms` or `remote_kms.urls")),
        }
    }

    /// The settings of `kms`.
    pub fn for_kms(&self) -> Result<&kms_gateway::Settings, ConfigError> {
        self.kms.as_ref().ok_or(ConfigError::Missing("kms"))
    }

    /// The settings of the relay.
    pub fn for_relay(&self) -> Result<&paymaster_relay::Settings, ConfigError> {
        self.relay.as_ref().ok_or(ConfigError::Missing("relay"))
    }

    /// Settings that are valid but may not be what the operator means.
    pub fn warnings(&self) -> Vec<String> {
        let policies = self.relay.iter().flat_map(|relay| &relay.policies);
        policies
            .filter(|policy| policy.accepts_calls_of_any_code())
            .map(|policy| {
                format!(
                    "warning: relay.policies: {:?} lists targets, any_account_code and no senders: a sender whose execute \
                     ignores its arguments passes, and does anything at the paymaster's expense",
                    policy.id
                )
            })
            .collect()
    }

    /// One line stating which commands it is valid for; an error if for none.
    pub fn summary(&self) -> Result<String, ConfigError> {
        let mut commands = Vec::new();
        if self.relay.is_some() {
            commands.push(match self.for_node()?.1 {
                KmsOfNode::Here(_) => "`node` serves relay, kms and ops".to_owned(),
                KmsOfNode::Elsewhere(remote) => {
                    format!("`node` serves relay and ops (kms elsewhere: {})", remote.urls.len())
                }
            });
        }
        if self.kms.is_some() {
            commands.push("`kms` serves kms and ops".to_owned());
        }
        if commands.is_empty() {
            return Err(ConfigError::Missing("relay` or `kms"));
        }
        Ok(format!("valid for the {} profile: {}", self.profile, commands.join("; ")))
    }
}

/// Libraries that log whatever a client does wrong, without the rate limit of our log, or whole
/// bodies: refusals are logged by our code.
const QUIET: &str = "jsonrpsee-server=error,jsonrpsee-http=error";

impl Log {
    /// The filter, as the subscriber takes it. A directive for a library's target takes precedence
    /// over ours.
    pub fn directives(&self) -> Result<EnvFilter, ConfigError> {
        let parsed = |directives: &str| {
            EnvFilter::try_new(directives).map_err(|problem| ConfigError::value("log.filter", problem.to_string()))
        };
        parsed(&self.filter)?;
        parsed(&format!("{QUIET},{}", self.filter))
    }
}

impl Bootstrap {
    /// The TEE does not accept ceilings that allow nothing, or name too many deployments.
    fn check(&self) -> Result<(), ConfigError> {
        let count = self.deployments.len();
        if count > MAX_DEPLOYMENTS {
            let problem = format!("{count} are listed, and the ceilings of a TEE name at most {MAX_DEPLOYMENTS}");
            return Err(ConfigError::value("bootstrap.deployments", problem));
        }
        let ceilings = [
            ("bootstrap.max_cost_wei", self.max_cost_wei.0 > 0),
            ("bootstrap.max_window_seconds", self.max_window_seconds > 0),
        ];
        match ceilings.into_iter().find(|(_, holds)| !holds) {
            Some((key, _)) => Err(ConfigError::value(key, "must be above 0")),
            None => Ok(()),
        }
    }
}

/// Whether the two conflict, so that only one can be listened on. Port 0 is a different port each
/// time.
fn are_one(one: SocketAddr, other: SocketAddr) -> bool {
    let [one_ip, other_ip] = [one, other].map(|address| address.ip().to_canonical());
    let everywhere = one_ip.is_unspecified() || other_ip.is_unspecified();
    one.port() == other.port() && one.port() != 0 && (everywhere || one_ip == other_ip)
}
