//! The state set by provisioning and changed by admin commands: admin, paymaster keys, relay keys,
//! relying parties and ceilings.

use proto::Status;
use proto::command::Provisioned;
use serde::{Deserialize, Serialize};

use crate::keys::PaymasterKey;
use crate::secret::Secret;

/// The provisioned system.
pub(crate) struct System {
    paymaster_key: PaymasterKey,
    /// Signs nothing until it replaces the current key.
    standby_key: Option<PaymasterKey>,
    provisioned: Provisioned,
}

/// The sealed fields of the system.
#[derive(Serialize, Deserialize)]
pub(crate) struct SystemRecord {
    pub(crate) paymaster_secret: Secret,
    pub(crate) standby_secret: Option<Secret>,
    pub(crate) provisioned: Provisioned,
}

impl System {
    /// A new system.
    pub(crate) fn new(paymaster_key: PaymasterKey, provisioned: Provisioned) -> Self {
        Self { paymaster_key, standby_key: None, provisioned }
    }

    /// The same system after a command, with the paymaster keys unchanged.
    pub(crate) fn with(self, provisioned: Provisioned) -> Self {
        Self { provisioned, ..self }
    }

    /// The same system with one more account.
    pub(crate) fn with_account(mut self) -> Self {
        self.provisioned.accounts = self.provisioned.accounts.saturating_add(1);
        self
    }

    /// The same system with that standby, replacing any earlier one.
    pub(crate) fn with_standby(mut self, key: PaymasterKey) -> Self {
        self.provisioned.standby_paymaster_signer = Some(key.address());
        self.standby_key = Some(key);
        self
    }

    /// The same system with the standby replacing the paymaster key, which is dropped.
    pub(crate) fn with_standby_in_use(mut self) -> Self {
        if let Some(key) = self.standby_key.take() {
            self.provisioned.paymaster_signer = key.address();
            self.paymaster_key = key;
        }
        self.provisioned.standby_paymaster_signer = None;
        self
    }

    /// Opens the system of a sealed record.
    pub(crate) fn open(record: SystemRecord) -> Result<Self, Status> {
        let SystemRecord { paymaster_secret, standby_secret, provisioned } = record;
        let key = |secret: &Secret| PaymasterKey::new(secret).ok_or(Status::StorageCorrupt);
        let paymaster_key = key(&paymaster_secret)?;
        let standby_key = standby_secret.as_ref().map(key).transpose()?;
        let standby_address = standby_key.as_ref().map(PaymasterKey::address);
        if paymaster_key.address() != provisioned.paymaster_signer
            || standby_address != provisioned.standby_paymaster_signer
        {
            return Err(Status::StorageCorrupt);
        }
        Ok(Self { paymaster_key, standby_key, provisioned })
    }

    /// The fields to seal.
    pub(crate) fn record(&self) -> SystemRecord {
        SystemRecord {
            paymaster_secret: self.paymaster_key.secret(),
            standby_secret: self.standby_key.as_ref().map(PaymasterKey::secret),
            provisioned: self.provisioned.clone(),
        }
    }

    /// Everything but the keys.
    pub(crate) fn provisioned(&self) -> &Provisioned {
        &self.provisioned
    }

    /// The key that signs for the paymasters.
    pub(crate) fn paymaster_key(&self) -> &PaymasterKey {
        &self.paymaster_key
    }
}
