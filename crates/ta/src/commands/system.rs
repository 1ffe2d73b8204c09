//! The trusted application as a whole: queries that anyone may send, in every phase.

use proto::command::{
    Attest, AttestReply, Echo, Echoed, Phase, ProvisionedKeys, SecurityState, Statement, TaHello, TaVersion,
};
use proto::limits::{MAX_FRAME, MAX_REPLY};
use proto::{Bounded, Status, frame};

use crate::core::Core;
use crate::ports::{Attestor, Entropy, MonotonicCounter, SecureStore};
use crate::system::System;

#[expect(clippy::cast_possible_truncation, reason = "both are far below 2^32")]
pub(super) fn hello() -> TaHello {
    TaHello { wire_version: frame::VERSION, max_frame: MAX_FRAME as u32, max_reply: MAX_REPLY as u32 }
}

pub(super) fn echo(Echo { bytes }: Echo) -> Echoed {
    Echoed { bytes }
}

impl<S: SecureStore, E: Entropy, C: MonotonicCounter, A: Attestor> Core<S, E, C, A> {
    pub(super) fn version(&self) -> Result<TaVersion, Status> {
        let (version, measurement) = (self.platform.version.clone(), self.platform.measurement);
        Ok(TaVersion { tee_id: self.state()?.tee_id(), version, measurement })
    }

    pub(super) fn security_state(&self) -> Result<SecurityState, Status> {
        let state = self.state()?;
        let provisioned = state.system().map(|system| system.provisioned().clone());
        Ok(SecurityState {
            tee_id: state.tee_id(),
            version: self.platform.version.clone(),
            measurement: self.platform.measurement,
            phase: match provisioned {
                None => Phase::Uninitialised,
                Some(_) => Phase::Ready,
            },
            counter: state.admin_counter(),
            storage: self.platform.storage,
            rollback: self.platform.rollback,
            time: self.platform.time,
            provisioned,
        })
    }

    pub(super) fn attest(&mut self, command: &Attest) -> Result<AttestReply, Status> {
        let state = self.state()?;
        let statement = Statement {
            tee_id: state.tee_id(),
            version: self.platform.version.clone(),
            measurement: self.platform.measurement,
            counter: state.admin_counter(),
            provisioned: state.system().map(System::provisioned).map(|provisioned| ProvisionedKeys {
                admin: provisioned.admin,
                paymaster_signer: provisioned.paymaster_signer,
                standby_paymaster_signer: provisioned.standby_paymaster_signer,
            }),
        };
        let quote = self.attestor.quote(&statement.challenge(&command.nonce))?;
        let quote = quote.map(Bounded::new).transpose().map_err(|_| Status::AttestationFailed)?;
        Ok(AttestReply { statement, quote })
    }
}
