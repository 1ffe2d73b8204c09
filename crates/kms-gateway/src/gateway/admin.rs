//! Commands of the admin, forwarded as signed. Only the trusted application decides about them.
//! Anyone may send one: a command that the admin did not sign, or signed for a counter other than
//! the next, is refused before it waits for its turn, costs the TEE a call or gets an audit row, so
//! that a flood delays no revocation. A command that the admin signed for the next counter but that
//! the TEE would refuse costs it no call either. Commands signed only by a relay key are
//! rate-limited.

use std::sync::Arc;

use proto::Status;
use proto::command::Opcode;

use super::admin_proof::AdminProof;
use super::decision::{Authority, Case, detached};
use super::rotations::RotationTurn;
use super::{Caller, Gateway, GatewayError, Inner};
use crate::store::{Action, Counters};
use crate::tee::TeeError;

impl Gateway {
    /// Forwards a signed command to the TEE.
    ///
    /// # Errors
    /// `rotation_too_soon`, or the trusted application's refusal.
    pub async fn administer<R: AdminProof>(&self, command: R, caller: &Caller) -> Result<(), GatewayError> {
        self.pass_on(command, caller).await?;
        if R::OPCODE == Opcode::Provision {
            // From now on no other TEE is served. If recording that fails now, it is retried before
            // anything is created or signed.
            if let Err(error) = self.security_state().await {
                tracing::warn!(%error, "could not record the provisioned TEE yet");
            }
        }
        Ok(())
    }

    async fn pass_on<R: AdminProof>(&self, command: R, caller: &Caller) -> Result<(), GatewayError> {
        let (action, signer) = (Action::Command(R::OPCODE), command.key());
        let counters = command.admin_counter().map(|counter| Counters { from: counter, to: counter });
        let case = Case { signer, counters, ..Case::new(action, caller) };
        let admitted = self.inner.admit(&command).await;
        if admitted.is_err() {
            self.watch_admin_counter().await;
        }
        let inner = Arc::clone(&self.inner);
        match admitted {
            Ok(turn) => {
                let authority = match command.rationed_record() {
                    Some(record) => Authority::RelayKey { record },
                    None => Authority::Counted,
                };
                let case = Case { authority, ..case };
                detached(async move { inner.administer(case, &command, turn).await }).await
            }
            Err(NotAdmitted::Proof(refusal)) => {
                let refused = Err(refusal);
                inner.count(action, &refused);
                refused
            }
            Err(NotAdmitted::Content(status)) => {
                let digest = command.digest();
                let row_for =
                    command.admin_counter().filter(|counter| inner.refused_content.gets_row(*counter, digest));
                let authority = if row_for.is_some() { Authority::Counted } else { Authority::Anyone };
                let case = Case { authority, ..case };
                detached(async move {
                    let concluded = inner.conclude(case, Err(status.into())).await;
                    // Any other error concerns the row.
                    if let (Some(counter), false) = (row_for, matches!(concluded, Err(GatewayError::Refused(_)))) {
                        inner.refused_content.has_no_row(counter, &digest);
                    }
                    concluded
                })
                .await
            }
        }
    }
}

/// Why a command is not forwarded to the TEE.
enum NotAdmitted {
    /// Anyone may have sent it.
    Proof(GatewayError),
    /// Properly signed for the next count, but it cannot take effect.
    Content(Status),
}

impl<E: Into<GatewayError>> From<E> for NotAdmitted {
    fn from(error: E) -> Self {
        Self::Proof(error.into())
    }
}

impl Inner {
    /// Whether a command is worth a call to the TEE, which delays the commands behind it.
    async fn admit(&self, command: &impl AdminProof) -> Result<Option<RotationTurn>, NotAdmitted> {
        self.check_proof(command).await?;
        self.check_content(command).await?;
        match command.rationed_record() {
            Some(record) => Ok(Some(self.rotation_turn(record).await?)),
            None => Ok(None),
        }
    }

    /// The same checks as the TEE's. A check that depends on the TEE's state is repeated with a
    /// newer copy before the command is refused.
    async fn check_content(&self, command: &impl AdminProof) -> Result<(), NotAdmitted> {
        if command.check_content(&*self.known.commanded(&self.tee).await?).is_ok() {
            return Ok(());
        }
        let recent = self.known.recent_security_state(&self.tee).await?;
        command.check(&recent)?;
        command.check_content(&recent).map_err(NotAdmitted::Content)
    }

    /// Signed by the right keys, for the next counter.
    async fn check_proof(&self, command: &impl AdminProof) -> Result<(), GatewayError> {
        let kept = self.known.commanded(&self.tee).await?;
        let has_passed = command.admin_counter().is_some_and(|counter| counter <= kept.counter);
        match command.check(&kept) {
            // Another process may have sent commands to the same TEE since.
            Err(Status::SignerNotAuthorised | Status::SignerAlreadyAuthorised | Status::SignerRecordMismatch) => {
                self.check_proof_now(command).await
            }
            Err(Status::CounterMismatch) if !has_passed => self.check_proof_now(command).await,
            checked => Ok(checked?),
        }
    }

    async fn check_proof_now(&self, command: &impl AdminProof) -> Result<(), GatewayError> {
        let recent = self.known.recent_security_state(&self.tee).await?;
        Ok(command.check(&recent)?)
    }

    /// One at a time: between a command's effect and its row, the TEE's counter is ahead of the
    /// audit.
    async fn administer<R: AdminProof>(
        &self,
        mut case: Case,
        command: &R,
        rotation: Option<RotationTurn>,
    ) -> Result<(), GatewayError> {
        let mut agreement = match self.admin_turn().await {
            Ok(agreement) => agreement,
            Err(error) => return self.not_asked(case, error, rotation).await,
        };
        if let Err(error) = self.compare_admin_counter(&mut agreement).await {
            return self.not_asked(case, error, rotation).await;
        }
        let before = agreement.suspend();
        let outcome = self.tee.call(command).await;
        // Even after an error: a command without an answer may have taken effect.
        self.known.forget_provisioned();
        self.allowances.forget();
        case.is_in_doubt = outcome.as_ref().is_err_and(TeeError::is_in_doubt);
        let had_no_effect = outcome.is_err() && !case.is_in_doubt;
        let concluded = self.conclude(case, outcome.map_err(GatewayError::from)).await;
        if concluded.is_ok() || had_no_effect {
            *agreement = before;
        }
        if had_no_effect && let Some(rotation) = rotation {
            rotation.give_back();
        }
        concluded
    }

    async fn not_asked(
        &self,
        case: Case,
        error: GatewayError,
        rotation: Option<RotationTurn>,
    ) -> Result<(), GatewayError> {
        if let Some(rotation) = rotation {
            rotation.give_back();
        }
        self.conclude(case, Err(error)).await
    }
}
