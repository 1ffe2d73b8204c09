//! The system record: admin, paymaster key, relay keys, relying parties and ceilings, in one record so that one write
//! changes all of it or nothing.

use proto::Status;
use proto::command::Provisioned;
use serde::{Deserialize, Serialize};

use crate::keys::PaymasterKey;
use crate::ports::{MonotonicCounter, RecordName, SecureStore};
use crate::sealed;
use crate::secret::Secret;

/// What provisioning made and admin commands change.
pub(crate) struct System {
    paymaster_key: PaymasterKey,
    provisioned: Provisioned,
}

#[derive(Serialize, Deserialize)]
struct SystemRecord {
    /// The counter of the command that wrote it.
    counter: u64,
    paymaster_secret: Secret,
    provisioned: Provisioned,
}

impl System {
    /// What was sealed, or `None` before provisioning. Refuses a record newer than the counter: one of them went back.
    pub(crate) fn load(store: &impl SecureStore, counter: &impl MonotonicCounter) -> Result<Option<Self>, Status> {
        let Some(record) = sealed::read::<SystemRecord>(store, &RecordName::System)? else {
            return Ok(None);
        };
        if record.counter > counter.value()? {
            return Err(Status::CounterFailed);
        }
        let paymaster_key = PaymasterKey::new(&record.paymaster_secret).ok_or(Status::StorageCorrupt)?;
        if paymaster_key.address() != record.provisioned.paymaster_signer {
            return Err(Status::StorageCorrupt);
        }
        Ok(Some(Self { paymaster_key, provisioned: record.provisioned }))
    }

    /// A system that is not sealed yet.
    pub(crate) fn new(paymaster_key: PaymasterKey, provisioned: Provisioned) -> Self {
        Self { paymaster_key, provisioned }
    }

    /// Everything but the key.
    pub(crate) fn provisioned(&self) -> &Provisioned {
        &self.provisioned
    }

    /// The key that signs for the paymasters.
    pub(crate) fn paymaster_key(&self) -> &PaymasterKey {
        &self.paymaster_key
    }

    /// Seals the state that the checked command makes, and takes it over once it is sealed.
    pub(crate) fn replace(
        &mut self,
        store: &mut impl SecureStore,
        counter: &mut impl MonotonicCounter,
        provisioned: Provisioned,
    ) -> Result<(), Status> {
        self.provisioned = self.seal(store, counter, provisioned)?;
        Ok(())
    }

    /// Seals the first state.
    pub(crate) fn seal_first(
        self,
        store: &mut impl SecureStore,
        counter: &mut impl MonotonicCounter,
    ) -> Result<Self, Status> {
        self.seal(store, counter, self.provisioned.clone())?;
        Ok(self)
    }

    /// The counter goes first: a crash before the write loses the command, and none can be repeated.
    fn seal(
        &self,
        store: &mut impl SecureStore,
        counter: &mut impl MonotonicCounter,
        provisioned: Provisioned,
    ) -> Result<Provisioned, Status> {
        let record =
            SystemRecord { counter: counter.advance()?, paymaster_secret: self.paymaster_key.secret(), provisioned };
        sealed::write(store, &RecordName::System, &record)?;
        Ok(record.provisioned)
    }
}
