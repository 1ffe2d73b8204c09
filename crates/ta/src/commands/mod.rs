//! The core's dispatch: one frame in, one reply out, by phase. One table lists the commands; each
//! group has a file with its handlers.

mod account;
pub mod admin;
mod allowance;
mod batch;
mod operation;
mod system;

use alloc::vec::Vec;

use proto::command::{
    AuthorizeSigner, GetAllowances, GetVersion, Hello, Opcode, PreparePaymasterKey, Request, RevokeSigner,
    RotatePaymasterKey, SealAllowances, SetAllowance, SetCeilings, VerifySecurityState,
};
use proto::{Status, frame};

use crate::core::Core;
use crate::ports::{Attestor, Entropy, MonotonicCounter, SecureStore};

impl<S: SecureStore, E: Entropy, C: MonotonicCounter, A: Attestor> Core<S, E, C, A> {
    /// Answers one frame. There is always a reply; a refusal is one too.
    ///
    /// After an admin command failed with `StorageFailed` or `CounterFailed`, it may still have
    /// taken effect: the core reopens the store before it answers anything else, and refuses every
    /// frame until it can.
    pub fn handle(&mut self, frame: &[u8]) -> Vec<u8> {
        self.settle().and_then(|()| self.dispatch(frame)).unwrap_or_else(frame::encode_refusal)
    }

    fn dispatch(&mut self, frame: &[u8]) -> Result<Vec<u8>, Status> {
        let (opcode, payload) = frame::split_request(frame)?;
        match opcode {
            Opcode::Hello => answer(payload, |Hello| Ok(system::hello())),
            Opcode::Echo => answer(payload, |command| Ok(system::echo(command))),
            Opcode::GetVersion => answer(payload, |GetVersion| self.version()),
            Opcode::VerifySecurityState => answer(payload, |VerifySecurityState| self.security_state()),
            Opcode::GetAllowances => answer(payload, |GetAllowances| self.allowances()),
            Opcode::SealAllowances => answer(payload, |SealAllowances| self.seal_allowances()),
            Opcode::Attest => answer(payload, |command| self.attest(&command)),
            Opcode::Batch => answer(payload, |command| batch::answer(&command, |frame| self.handle(frame))),
            Opcode::Provision => answer(payload, |command| self.provision(command)),
            _ if self.state()?.system().is_none() => Err(Status::NotProvisioned),
            Opcode::GetWalletInfo => answer(payload, |command| self.wallet_info(&command)),
            Opcode::CreateHybridAccount => answer(payload, |command| self.create_account(&command)),
            Opcode::SignMessage => answer(payload, |command| self.sign_message(&command)),
            Opcode::SignWithHybridKey => answer(payload, |command| self.sign(&command)),
            Opcode::Sponsor => answer(payload, |command| self.sponsor(&command)),
            Opcode::AuthorizeSigner => answer(payload, |command| self.administer::<AuthorizeSigner>(&command)),
            Opcode::RevokeSigner => answer(payload, |command| self.administer::<RevokeSigner>(&command)),
            Opcode::RotateSigner => answer(payload, |command| self.rotate(&command)),
            Opcode::SetCeilings => answer(payload, |command| self.administer::<SetCeilings>(&command)),
            Opcode::SetAllowance => answer(payload, |command| self.administer::<SetAllowance>(&command)),
            Opcode::PreparePaymasterKey => answer(payload, |command| self.administer::<PreparePaymasterKey>(&command)),
            Opcode::RotatePaymasterKey => answer(payload, |command| self.administer::<RotatePaymasterKey>(&command)),
        }
    }
}

fn answer<R: Request>(payload: &[u8], handler: impl FnOnce(R) -> Result<R::Reply, Status>) -> Result<Vec<u8>, Status> {
    frame::encode_reply::<R>(&handler(frame::decode_payload(payload)?)?)
}
