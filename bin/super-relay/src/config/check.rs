//! What is known of a configuration before anything is started: whether it makes sense, and what it serves.

use kms_gateway::settings::TeeKind;
use url::Url;

use super::{Config, ConfigError};
use crate::{production, telemetry};

/// A KMS for a node.
#[derive(Debug)]
pub enum KmsOfNode<'a> {
    /// In the same process.
    Here(&'a kms_gateway::Settings),
    /// At one of these gateways.
    Elsewhere(&'a [Url]),
}

impl Config {
    /// Whether its values make sense, each and together. Part of reading it, so that nothing starts with one that doesn't.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        telemetry::filter(&self.log)?;
        if let Some(relay) = &self.relay {
            relay.check()?;
        }
        if let Some(kms) = &self.kms {
            kms.check()?;
        }
        production::check(self)?;
        match &self.kms {
            Some(kms) if kms.tee == TeeKind::Optee && !cfg!(feature = "optee") => Err(ConfigError::WithoutOptee),
            _ => Ok(()),
        }
    }

    /// What `node` runs with.
    pub fn for_node(&self) -> Result<(&paymaster_relay::Settings, KmsOfNode<'_>), ConfigError> {
        let relay = self.for_relay()?;
        match &self.kms {
            _ if !self.remote_kms.urls.is_empty() => Ok((relay, KmsOfNode::Elsewhere(&self.remote_kms.urls))),
            Some(kms) if kms.rp_id != relay.rp_id => Err(ConfigError::RelyingParties),
            Some(kms) => Ok((relay, KmsOfNode::Here(kms))),
            None => Err(ConfigError::Missing("kms` or `remote_kms.urls")),
        }
    }

    /// What `kms` runs with.
    pub fn for_kms(&self) -> Result<&kms_gateway::Settings, ConfigError> {
        self.kms.as_ref().ok_or(ConfigError::Missing("kms"))
    }

    /// The relay's part.
    pub fn for_relay(&self) -> Result<&paymaster_relay::Settings, ConfigError> {
        self.relay.as_ref().ok_or(ConfigError::Missing("relay"))
    }

    /// One line about what it is good for; an error if for nothing.
    pub fn summary(&self) -> Result<String, ConfigError> {
        let mut commands = Vec::new();
        if self.relay.is_some() {
            commands.push(match self.for_node()?.1 {
                KmsOfNode::Here(_) => "`node` serves relay, kms and ops".to_owned(),
                KmsOfNode::Elsewhere(urls) => format!("`node` serves relay and ops (kms elsewhere: {})", urls.len()),
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
