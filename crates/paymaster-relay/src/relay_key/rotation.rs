//! Rotation of the key: the new key is stored on disk, then registered at the KMS, then used.
//!
//! Wherever it is interrupted, the key that the KMS authorises is on disk, and
//! [`RelayKey::resolve`] finds it.

use std::sync::Arc;
use std::time::Duration;

use proto::command::RotateSigner;
use proto::signers::AuthorisedSigner;
use proto::typed_data::TypedData as _;
use proto::{Address, Signature, Status, TeeId};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::keystore::Keystore;
use super::{ActiveKey, KeyRecord, OpenRotation, RelayKey, RelayKeyError};
use crate::kms::KmsError;
use crate::outage::{Outage, rounds};

const LOOK: Duration = Duration::from_secs(5);
const NOT_SIGNED: Signature = Signature { r: [0; 32], s: [0; 32], v: 0 };

impl RelayKey {
    /// Replaces the key once every approval in progress is done; returns the new key's address.
    /// Approvals wait for the KMS only: the new key is made and encrypted before that.
    ///
    /// # Errors
    /// [`RelayKeyError`]; the old key is still in use, unless the error concerns a file after the
    /// KMS accepted the new one, which the next start or [`Self::resolve`] repairs.
    pub async fn rotate(&self) -> Result<Address, RelayKeyError> {
        let _rotating = self.rotating.lock().await;
        self.settle_next().await?;
        let signers = self.kms.signers().await.map_err(RelayKeyError::NotAccepted)?;
        let current = self.address().await;
        let record = signers.record_of(current).ok_or_else(|| RelayKeyError::NotAccepted(not_authorised()))?;
        let of = KeyRecord { tee_id: signers.tee_id, record: record.record };
        let next = ActiveKey::new(self.off_the_runtime(move |keystore| keystore.create_next(of)).await?);

        let mut active = self.active.write().await;
        self.note_rotation(Some(OpenRotation::To(next.address)));
        let command = proof(&active, &next, signers.tee_id, record);
        match self.kms.rotate_signer(&command).await {
            Ok(()) => {
                self.keystore.promote_next()?;
                self.note_rotation(None);
                *active = next;
                Ok(active.address)
            }
            // It may still be accepted: the next key stays on disk until the KMS answers.
            Err(error @ KmsError::Unavailable { .. }) => Err(RelayKeyError::Unresolved(error)),
            Err(error) => {
                drop(active);
                self.settle_next().await?;
                Err(RelayKeyError::NotAccepted(error))
            }
        }
    }

    /// Asks the KMS how an interrupted rotation ended, and continues from there. Otherwise does
    /// nothing.
    ///
    /// # Errors
    /// [`RelayKeyError::Unresolved`] while the KMS does not answer, or authorises neither key.
    pub async fn resolve(&self) -> Result<(), RelayKeyError> {
        let _rotating = self.rotating.lock().await;
        self.settle_next().await
    }

    /// To be called while no other rotation is under way.
    async fn settle_next(&self) -> Result<(), RelayKeyError> {
        let Some(file) = self.off_the_runtime(Keystore::read_next).await? else {
            self.note_rotation(None);
            return Ok(());
        };
        let next = ActiveKey::new(file);
        self.note_rotation(Some(OpenRotation::To(next.address)));
        let signers = self.kms.signers().await.map_err(RelayKeyError::Unresolved)?;
        if signers.authorises(next.address) {
            let mut active = self.active.write().await;
            self.keystore.promote_next()?;
            *active = next;
        } else if signers.authorises(self.address().await) {
            self.keystore.remove_next()?;
        } else {
            return Err(RelayKeyError::Unresolved(not_authorised()));
        }
        self.note_rotation(None);
        Ok(())
    }

    /// Deriving a key from the passphrase takes a second of CPU time.
    async fn off_the_runtime<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Keystore) -> Result<T, RelayKeyError> + Send + 'static,
    ) -> Result<T, RelayKeyError> {
        let keystore = Arc::clone(&self.keystore);
        spawn_blocking(move || work(&keystore)).await.map_err(|_| RelayKeyError::NotMade)?
    }

    /// Rotates whenever the key is due, and resolves interrupted rotations, until stopped.
    pub async fn keep_fresh(&self, stop: CancellationToken) {
        let (mut ticks, mut outage) = (rounds(LOOK), Outage::new("rotation of the relay key"));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let is_due = self.lease().await.seconds_to_rotation() == Some(0);
            let outcome = if is_due {
                self.rotate().await.map(|address| tracing::info!(%address, "the relay key was rotated"))
            } else if self.open_rotation().is_some() {
                self.resolve().await
            } else {
                Ok(())
            };
            let failed = outcome.is_err();
            outage.note_problem(outcome.err().map(|error| error.to_string()));
            if failed {
                // A KMS that refuses is not asked every few seconds.
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = sleep(LOOK * 6) => {}
                }
            }
        }
    }
}

fn not_authorised() -> KmsError {
    KmsError::from_status(Status::SignerNotAuthorised)
}

/// The next rotation of the current key's record, with both keys' signatures of one digest.
fn proof(current: &ActiveKey, next: &ActiveKey, tee_id: TeeId, record: &AuthorisedSigner) -> RotateSigner {
    let unsigned = RotateSigner {
        tee_id,
        record: record.record,
        rotation: record.rotations.saturating_add(1),
        current: current.address,
        next: next.address,
        current_signature: NOT_SIGNED,
        next_signature: NOT_SIGNED,
        admin_signature: None,
    };
    let digest = unsigned.digest();
    RotateSigner { current_signature: current.sign(&digest), next_signature: next.sign(&digest), ..unsigned }
}
