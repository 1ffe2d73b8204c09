//! What provisioning made and admin commands change: admin, paymaster key, relay keys, relying parties and ceilings.

use proto::Status;
use proto::command::Provisioned;
use serde::{Deserialize, Serialize};

use crate::keys::PaymasterKey;
use crate::secret::Secret;

/// The provisioned system.
pub(crate) struct System {
    paymaster_key: PaymasterKey,
    provisioned: Provisioned,
}

/// What is sealed of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct SystemRecord {
    paymaster_secret: Secret,
    provisioned: Provisioned,
}

impl System {
    /// A new system.
    pub(crate) fn new(paymaster_key: PaymasterKey, provisioned: Provisioned) -> Self {
        Self { paymaster_key, provisioned }
    }

    /// The same system as a command makes it.
    pub(crate) fn with(self, provisioned: Provisioned) -> Self {
        Self { provisioned, ..self }
    }

    /// The system of a sealed record.
    pub(crate) fn open(record: SystemRecord) -> Result<Self, Status> {
        let paymaster_key = PaymasterKey::new(&record.paymaster_secret).ok_or(Status::StorageCorrupt)?;
        if paymaster_key.address() != record.provisioned.paymaster_signer {
            return Err(Status::StorageCorrupt);
        }
        Ok(Self { paymaster_key, provisioned: record.provisioned })
    }

    /// For its sealed record.
    pub(crate) fn record(&self) -> SystemRecord {
        SystemRecord { paymaster_secret: self.paymaster_key.secret(), provisioned: self.provisioned.clone() }
    }

    /// Everything but the key.
    pub(crate) fn provisioned(&self) -> &Provisioned {
        &self.provisioned
    }

    /// The key that signs for the paymasters.
    pub(crate) fn paymaster_key(&self) -> &PaymasterKey {
        &self.paymaster_key
    }
}
