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
use crate::kms::{KmsError, KmsSigners};
use crate::outage::{Outage, rounds};

const LOOK: Duration = Duration::from_secs(5);
const NOT_SIGNED: Signature = Signature { r: [0; 32], s: [0; 32], v: 0 };

impl RelayKey {
    /// Replaces the key once every approval in progress is done; returns the new key's address.
    /// Approvals wait for the KMS only: the new key is made and encrypted before that.
    ///
    /// A new key that the KMS accepted is in use even if its file cannot take the place of the old
    /// one: it is in the next key's file, and [`Self::resolve`] tries again.
    ///
    /// # Errors
    /// [`RelayKeyError`]; the old key is still in use.
    pub async fn rotate(&self) -> Result<Address, RelayKeyError> {
        let _rotating = self.rotating.lock().await;
        let record = match self.settle_next().await? {
            Some(open) => return self.offer(open, true).await,
            None => self.record().await?,
        };
        let of = record.key_record();
        let next = ActiveKey::new(self.off_the_runtime(move |keystore| keystore.create_next(of)).await?);
        self.offer(Offer { record, next }, false).await
    }

    /// Asks the KMS how an interrupted rotation ended, and completes it. Otherwise does nothing.
    ///
    /// # Errors
    /// [`RelayKeyError::Unresolved`] while the KMS does not answer, or authorises neither key;
    /// [`RelayKeyError::NotAccepted`]; [`RelayKeyError::File`], with the new key in use.
    pub async fn resolve(&self) -> Result<(), RelayKeyError> {
        let _rotating = self.rotating.lock().await;
        match self.settle_next().await? {
            Some(open) => self.offer(open, true).await.map(drop),
            None => Ok(()),
        }
    }

    /// Asks the KMS to put the next key in place of the current one. After an answer that was lost,
    /// it is the same key again: the earlier command may still arrive, since it has no time limit,
    /// and then this is the key that it puts in place.
    async fn offer(&self, Offer { record, next }: Offer, is_repeated: bool) -> Result<Address, RelayKeyError> {
        let mut active = self.active.write().await;
        self.note_rotation(Some(OpenRotation::To(next.address)));
        let command = proof(&active, &next, &record);
        match self.kms.rotate_signer(&command).await {
            Ok(()) => {
                *active = next;
                if self.keystore.promote_next().is_ok() {
                    self.note_rotation(None);
                }
                Ok(active.address)
            }
            Err(error @ KmsError::Unavailable { .. }) => Err(RelayKeyError::Unresolved(error)),
            Err(error) if is_repeated => Err(RelayKeyError::NotAccepted(error)),
            Err(error) => {
                drop(active);
                // The only command that names this key, so none will put it in place.
                if self.settle_next().await?.is_some() {
                    self.keystore.remove_next()?;
                    self.note_rotation(None);
                }
                Err(RelayKeyError::NotAccepted(error))
            }
        }
    }

    /// To be called while no other rotation is under way. Returns the rotation that is still open:
    /// the next key was made for the record that the current one is in.
    async fn settle_next(&self) -> Result<Option<Offer>, RelayKeyError> {
        let Some(file) = self.off_the_runtime(Keystore::read_next).await? else {
            self.note_rotation(None);
            return Ok(None);
        };
        let next = ActiveKey::new(file);
        self.note_rotation(Some(OpenRotation::To(next.address)));
        let signers = self.kms.signers().await.map_err(RelayKeyError::Unresolved)?;
        if signers.authorises(next.address) {
            *self.active.write().await = next;
            self.keystore.promote_next()?;
        } else if let Some(record) = Record::of(&signers, self.address().await) {
            if next.record == Some(record.key_record()) {
                return Ok(Some(Offer { record, next }));
            }
            self.keystore.remove_next()?;
        } else {
            return Err(RelayKeyError::Unresolved(not_authorised()));
        }
        self.note_rotation(None);
        Ok(None)
    }

    /// The record that the current key is in.
    async fn record(&self) -> Result<Record, RelayKeyError> {
        let signers = self.kms.signers().await.map_err(RelayKeyError::NotAccepted)?;
        Record::of(&signers, self.address().await).ok_or_else(|| RelayKeyError::NotAccepted(not_authorised()))
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

/// The record that a key is in.
struct Record {
    tee_id: TeeId,
    signer: AuthorisedSigner,
}

/// A key to be put in place of the one in that record.
struct Offer {
    record: Record,
    next: ActiveKey,
}

impl Record {
    fn of(signers: &KmsSigners, key: Address) -> Option<Self> {
        signers.record_of(key).map(|signer| Self { tee_id: signers.tee_id, signer: *signer })
    }

    fn key_record(&self) -> KeyRecord {
        KeyRecord { tee_id: self.tee_id, record: self.signer.record }
    }
}

/// The next rotation of the current key's record, with both keys' signatures of one digest.
fn proof(current: &ActiveKey, next: &ActiveKey, &Record { tee_id, signer }: &Record) -> RotateSigner {
    let unsigned = RotateSigner {
        tee_id,
        record: signer.record,
        rotation: signer.rotations.saturating_add(1),
        current: current.address,
        next: next.address,
        current_signature: NOT_SIGNED,
        next_signature: NOT_SIGNED,
        admin_signature: None,
    };
    let digest = unsigned.digest();
    RotateSigner { current_signature: current.sign(&digest), next_signature: next.sign(&digest), ..unsigned }
}
