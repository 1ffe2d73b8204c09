//! Sends every frame, and checks every reply against the model.

use proto::command::{
    AuthorizeSigner, BatchReply, CreateHybridAccount, GetWalletInfo, Opcode, PreparePaymasterKey, Request,
    RevokeSigner, RotatePaymasterKey, RotateSigner, SetAllowance, SetCeilings, SignMessage, SignWithHybridKey, Sponsor,
};
use proto::signers::AuthorisedSigner;
use proto::{AccountId, Status, frame};

use super::host::Host;
use super::model::Signers;
use crate::support::requests::batch;

impl Host {
    /// Sends a frame and checks its reply against the model.
    pub(super) fn send(&mut self, frame: Vec<u8>) {
        self.settle_doubts();
        let reply = self.world.core.handle(&frame);
        self.judge(frame, reply);
    }

    /// Sends frames in a batch and checks the replies against the model, as if each frame had been
    /// sent alone.
    pub(super) fn send_together(&mut self, frames: &[Vec<u8>]) {
        self.settle_doubts();
        let Ok(BatchReply { replies }) = self.world.call(&batch(frames)) else {
            return;
        };
        assert_eq!(replies.len(), frames.len());
        for (frame, reply) in frames.iter().zip(&*replies) {
            self.tally.batched += 1;
            self.judge(frame.clone(), reply.to_vec());
        }
    }

    /// One fault may prevent reopening the store, but not a second one. After that, signers in
    /// doubt have no power.
    fn settle_doubts(&mut self) {
        for _ in 0..2 {
            if !self.model.in_doubt.is_empty() {
                self.settle();
            }
        }
    }

    fn judge(&mut self, frame: Vec<u8>, reply: Vec<u8>) {
        self.tally.frames += 1;
        let status = Status::from_code(u32::from_be_bytes(reply[..4].try_into().unwrap())).unwrap();
        if status != Status::Ok {
            self.tally.refused += 1;
            if status.is_failure() {
                self.model.in_doubt.extend(self.signers_after(&frame));
                self.model
                    .paymaster_signers_in_doubt
                    .extend(decode(&frame).map(|RotatePaymasterKey { next, .. }| next));
            }
            return;
        }
        assert!(self.model.in_doubt.is_empty(), "served in doubt");
        if let Some(signers) = self.signers_after(&frame) {
            self.tally.administered += 1;
            self.model.signers = signers;
        }
        match frame::split_request(&frame).unwrap().0 {
            Opcode::Sponsor => {
                let command: Sponsor = decode(&frame).unwrap();
                self.tally.sponsored += 1;
                self.tally.without_passkey += u32::from(command.passkey.is_none());
                self.tally.listed += u32::from(command.passkey.as_ref().is_some_and(|it| it.intents.is_some()));
                self.learn(&command.account_id);
                self.model.check_sponsorship(&command, &answer::<Sponsor>(&reply));
                self.same_again(frame, reply);
            }
            Opcode::SignWithHybridKey => {
                let command: SignWithHybridKey = decode(&frame).unwrap();
                self.tally.signed += 1;
                self.tally.listed += u32::from(command.passkey.intents.is_some());
                self.learn(&command.account_id);
                self.model.check_signing(&command, &answer::<SignWithHybridKey>(&reply));
                self.same_again(frame, reply);
            }
            Opcode::SignMessage => {
                let command: SignMessage = decode(&frame).unwrap();
                self.tally.messages += 1;
                self.learn(&command.account_id);
                self.model.check_message(&command, &answer::<SignMessage>(&reply));
                self.same_again(frame, reply);
            }
            Opcode::CreateHybridAccount => {
                self.tally.created += 1;
                self.model.check_wallet(&answer::<CreateHybridAccount>(&reply));
            }
            Opcode::RotatePaymasterKey => {
                self.model.paymaster_signer = decode::<RotatePaymasterKey>(&frame).unwrap().next;
                self.tally.paymaster_keys += 1;
            }
            Opcode::SetCeilings => self.model.ceilings = decode::<SetCeilings>(&frame).unwrap().ceilings,
            _ => {}
        }
    }

    fn same_again(&mut self, frame: Vec<u8>, reply: Vec<u8>) {
        if let Some(before) = self.model.replies.insert((self.model.paymaster_signer, frame), reply.clone()) {
            self.tally.replayed += 1;
            assert_eq!(before, reply, "a replay gave other bytes");
        }
    }

    /// Adds an account whose creation was never acknowledged when it first appears.
    fn learn(&mut self, account_id: &AccountId) {
        if let Ok(wallet) = self.world.call(&GetWalletInfo { account_id: account_id.clone() }) {
            self.model.check_wallet(&wallet);
        }
    }

    /// The signers after the frame took effect, if it is a signed command other than `Provision`.
    fn signers_after(&self, frame: &[u8]) -> Option<Signers> {
        let mut signers = self.model.signers.clone();
        if let Some(AuthorizeSigner { signer, permissions, counter, .. }) = decode(frame) {
            let record =
                AuthorisedSigner { record: counter, authorised_as: signer, address: signer, permissions, rotations: 0 };
            signers.insert(signer, record);
        } else if let Some(RevokeSigner { record, .. }) = decode(frame) {
            signers.retain(|_, signer| signer.record != record);
        } else if let Some(RotateSigner { current, next, rotation: rotations, .. }) = decode(frame) {
            let signer = signers.remove(&current)?;
            signers.insert(next, AuthorisedSigner { address: next, rotations, ..signer });
        } else if decode::<SetCeilings>(frame).is_none()
            && decode::<SetAllowance>(frame).is_none()
            && decode::<PreparePaymasterKey>(frame).is_none()
        {
            decode::<RotatePaymasterKey>(frame)?;
        }
        Some(signers)
    }
}

pub fn decode<R: Request>(frame: &[u8]) -> Option<R> {
    let (opcode, payload) = frame::split_request(frame).ok()?;
    (opcode == R::OPCODE).then(|| frame::decode_payload(payload).ok()).flatten()
}

fn answer<R: Request>(reply: &[u8]) -> R::Reply {
    frame::decode_reply::<R>(reply).unwrap().unwrap()
}
