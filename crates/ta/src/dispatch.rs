//! The core: one frame in, one reply out, by phase.

use alloc::vec::Vec;

use proto::command::{
    AdminRequest, AuthorizeSigner, CreateHybridAccount, Echo, Echoed, GetVersion, GetWalletInfo, Hello, Opcode, Phase,
    Provision, Provisioned, Request, RevokeSigner, RotateSigner, SecurityState, SetCeilings, SignReply,
    SignWithHybridKey, Sponsor, SponsorReply, TaHello, TaVersion, VerifySecurityState, WalletInfo,
};
use proto::limits::{MAX_FRAME, MAX_REPLY};
use proto::{Signature, Status, frame};

use crate::accounts::Accounts;
use crate::admin;
use crate::checks::{CheckedOperation, CheckedSponsorship};
use crate::keys::{AccountKey, PaymasterKey};
use crate::ports::{Entropy, MonotonicCounter, Platform, SecureStore};
use crate::secret::Secret;
use crate::system::System;
use crate::webauthn::verify_registration;

/// The trusted core over its platform. What it holds in memory is a copy of the sealed records: it may be dropped at any
/// moment.
pub struct Core<S, E, C> {
    store: S,
    entropy: E,
    counter: C,
    platform: Platform,
    system: Option<System>,
    accounts: Accounts,
}

impl<S: SecureStore, E: Entropy, C: MonotonicCounter> Core<S, E, C> {
    /// Opens the core over what the store holds.
    ///
    /// # Errors
    /// `StorageFailed`, `StorageCorrupt`, `CounterFailed`: a store in doubt is never taken for an empty one.
    pub fn open(store: S, entropy: E, counter: C, platform: Platform) -> Result<Self, Status> {
        let system = System::load(&store, &counter)?;
        Ok(Self { store, entropy, counter, platform, system, accounts: Accounts::default() })
    }

    /// Answers one frame. There is always a reply: a refusal is one too.
    pub fn handle(&mut self, frame: &[u8]) -> Vec<u8> {
        self.dispatch(frame).unwrap_or_else(frame::encode_refusal)
    }

    fn dispatch(&mut self, frame: &[u8]) -> Result<Vec<u8>, Status> {
        let (opcode, payload) = frame::split_request(frame)?;
        match opcode {
            Opcode::Hello => answer(payload, |Hello| Ok(hello())),
            Opcode::Echo => answer(payload, |Echo { bytes }| Ok(Echoed { bytes })),
            Opcode::GetVersion => answer(payload, |GetVersion| Ok(self.version())),
            Opcode::VerifySecurityState => answer(payload, |VerifySecurityState| self.security_state()),
            Opcode::Provision => answer(payload, |command| self.provision(command)),
            _ if self.system.is_none() => Err(Status::NotProvisioned),
            Opcode::GetWalletInfo => answer(payload, |command| self.wallet_info(&command)),
            Opcode::CreateHybridAccount => answer(payload, |command| self.create_account(&command)),
            Opcode::SignWithHybridKey => answer(payload, |command| self.sign(&command)),
            Opcode::Sponsor => answer(payload, |command| self.sponsor(&command)),
            Opcode::AuthorizeSigner => answer(payload, |command: AuthorizeSigner| {
                self.administer(&command, Some(&command.signature), |now| admin::authorize(now, &command))
            }),
            Opcode::RevokeSigner => answer(payload, |command: RevokeSigner| {
                self.administer(&command, Some(&command.signature), |now| admin::revoke(now, &command))
            }),
            // Who must sign a rotation depends on the key that leaves.
            Opcode::RotateSigner => answer(payload, |command: RotateSigner| {
                self.administer(&command, None, |now| admin::rotate(now, &command))
            }),
            Opcode::SetCeilings => answer(payload, |command: SetCeilings| {
                self.administer(&command, Some(&command.signature), |now| admin::set_ceilings(now, &command))
            }),
        }
    }

    fn version(&self) -> TaVersion {
        TaVersion { version: self.platform.version.clone(), measurement: self.platform.measurement }
    }

    fn security_state(&self) -> Result<SecurityState, Status> {
        let provisioned = self.system.as_ref().map(|system| system.provisioned().clone());
        Ok(SecurityState {
            version: self.platform.version.clone(),
            measurement: self.platform.measurement,
            phase: match provisioned {
                None => Phase::Uninitialised,
                Some(_) => Phase::Ready,
            },
            counter: self.counter.value()?,
            storage: self.platform.storage,
            rollback: self.platform.rollback,
            time: self.platform.time,
            provisioned,
        })
    }

    fn provision(&mut self, command: Provision) -> Result<(), Status> {
        if self.system.is_some() {
            return Err(Status::AlreadyProvisioned);
        }
        admin::check_counter(&command, self.counter.value()?)?;
        admin::check_admin(&command, &command.signature, &command.admin)?;
        admin::check_provision(&command)?;
        let secret = Secret::draw(&mut self.entropy)?;
        let paymaster_key = PaymasterKey::new(&secret).ok_or(Status::EntropyFailed)?;
        let provisioned = admin::provision(command, paymaster_key.address());
        let system = System::new(paymaster_key, provisioned);
        self.system = Some(system.seal_first(&mut self.store, &mut self.counter)?);
        Ok(())
    }

    /// Checks everything, that the effect is possible included, before anything changes.
    fn administer<R: AdminRequest>(
        &mut self,
        command: &R,
        signature: Option<&Signature>,
        effect: impl FnOnce(&Provisioned) -> Result<Provisioned, Status>,
    ) -> Result<(), Status> {
        let system = self.system.as_mut().ok_or(Status::NotProvisioned)?;
        let now = system.provisioned();
        admin::check_counter(command, self.counter.value()?)?;
        if let Some(signature) = signature {
            admin::check_admin(command, signature, &now.admin)?;
        }
        let next = effect(now)?;
        system.replace(&mut self.store, &mut self.counter, next)
    }

    fn wallet_info(&mut self, command: &GetWalletInfo) -> Result<WalletInfo, Status> {
        let account = self.accounts.find(&self.store, &command.account_id)?;
        Ok(account.ok_or(Status::AccountUnknown)?.info())
    }

    fn create_account(&mut self, command: &CreateHybridAccount) -> Result<WalletInfo, Status> {
        let system = self.system.as_ref().ok_or(Status::NotProvisioned)?;
        let passkey = verify_registration(&command.registration, &system.provisioned().relying_parties)?;
        self.accounts.create(&mut self.store, &mut self.entropy, command, passkey)
    }

    fn sponsor(&mut self, command: &Sponsor) -> Result<SponsorReply, Status> {
        let system = self.system.as_ref().ok_or(Status::NotProvisioned)?;
        let account = match command.passkey {
            Some(_) => self.accounts.find(&self.store, &command.account_id)?,
            None => None,
        };
        let sponsorship = CheckedSponsorship::new(command, system, account)?;
        let paymaster_signature = system.paymaster_key().sign_sponsorship(&sponsorship)?;
        let (user_op_hash, operation) = sponsorship.complete(&paymaster_signature);
        let reply = SponsorReply {
            user_op_hash,
            paymaster_signer: system.provisioned().paymaster_signer,
            paymaster_signature,
            account_signature: operation.as_ref().map(AccountKey::sign_user_operation).transpose()?,
        };
        if let (Some(operation), Some(assertion)) = (operation, &command.passkey) {
            let gesture = operation.gesture();
            self.accounts.note_use(&mut self.store, &command.account_id, &assertion.credential_id, gesture)?;
        }
        Ok(reply)
    }

    fn sign(&mut self, command: &SignWithHybridKey) -> Result<SignReply, Status> {
        let system = self.system.as_ref().ok_or(Status::NotProvisioned)?;
        let account = self.accounts.find(&self.store, &command.account_id)?;
        let operation = CheckedOperation::new(command, system, account)?;
        let reply = SignReply {
            user_op_hash: operation.hash(),
            owner: operation.account().owner(),
            signature: AccountKey::sign_user_operation(&operation)?,
        };
        let gesture = operation.gesture();
        let credential_id = &command.passkey.credential_id;
        self.accounts.note_use(&mut self.store, &command.account_id, credential_id, gesture)?;
        Ok(reply)
    }
}

fn answer<R: Request>(payload: &[u8], handler: impl FnOnce(R) -> Result<R::Reply, Status>) -> Result<Vec<u8>, Status> {
    frame::encode_reply::<R>(&handler(frame::decode_payload(payload)?)?)
}

#[expect(clippy::cast_possible_truncation, reason = "both are far below 2^32")]
fn hello() -> TaHello {
    TaHello { wire_version: frame::VERSION, max_frame: MAX_FRAME as u32, max_reply: MAX_REPLY as u32 }
}
