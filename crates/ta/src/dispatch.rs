//! The core: one frame in, one reply out, by phase.

use alloc::vec::Vec;

use proto::command::{
    AdminRequest, Attest, AttestReply, Batch, CreateHybridAccount, Echo, Echoed, GetVersion, GetWalletInfo, Hello,
    Opcode, Phase, PreparePaymasterKey, Provision, Provisioned, ProvisionedKeys, Request, RotatePaymasterKey,
    RotateSigner, SecurityState, SignReply, SignWithHybridKey, Sponsor, SponsorReply, Statement, TaHello, TaVersion,
    VerifySecurityState, WalletInfo,
};
use proto::limits::{MAX_FRAME, MAX_REPLY};
use proto::{Bounded, Status, frame};

use crate::accounts::{Accounts, Progress};
use crate::checks::{CheckedOperation, CheckedSponsorship};
use crate::keys::{AccountKey, PaymasterKey};
use crate::ports::{Attestor, Entropy, MonotonicCounter, NoAttestation, Platform, SecureStore};
use crate::secret::Secret;
use crate::state::State;
use crate::system::System;
use crate::webauthn::verify_registration;
use crate::{admin, batch};

/// The trusted core over its platform. What it holds in memory is a copy of the sealed records: it
/// may be dropped at any moment.
pub struct Core<S, E, C, A = NoAttestation> {
    store: S,
    entropy: E,
    counter: C,
    attestor: A,
    platform: Platform,
    /// `None` after a write that failed, until the store has told what is there: nothing is served
    /// in doubt.
    state: Option<State>,
    accounts: Accounts,
}

impl<S: SecureStore, E: Entropy, C: MonotonicCounter> Core<S, E, C> {
    /// Opens the core over what the store holds, which takes two writes: its version and the
    /// counter move on. At the first start there are two more, for the TEE's id.
    ///
    /// # Errors
    /// `StorageFailed`, `StorageCorrupt`, `CounterFailed`: a store in doubt is never taken for an
    /// empty one. `RollbackDetected`: what the store holds is older than the counter.
    /// `EntropyFailed`: no id could be drawn.
    pub fn open(mut store: S, mut entropy: E, mut counter: C, platform: Platform) -> Result<Self, Status> {
        let state = Some(State::open(&mut store, &mut counter, &mut entropy)?);
        let (attestor, accounts) = (NoAttestation, Accounts::default());
        Ok(Self { store, entropy, counter, attestor, platform, state, accounts })
    }

    /// The same core on a platform that can attest.
    pub fn attested_by<A: Attestor>(self, attestor: A) -> Core<S, E, C, A> {
        let Self { store, entropy, counter, platform, state, accounts, .. } = self;
        Core { store, entropy, counter, attestor, platform, state, accounts }
    }
}

impl<S: SecureStore, E: Entropy, C: MonotonicCounter, A: Attestor> Core<S, E, C, A> {
    /// Answers one frame. There is always a reply: a refusal is one too.
    ///
    /// After an admin command that failed with `StorageFailed` or `CounterFailed`, its effect may
    /// be in place: the core opens the store again before it answers anything else, and refuses
    /// every frame as long as it can't.
    pub fn handle(&mut self, frame: &[u8]) -> Vec<u8> {
        self.settle().and_then(|()| self.dispatch(frame)).unwrap_or_else(frame::encode_refusal)
    }

    fn settle(&mut self) -> Result<(), Status> {
        if self.state.is_none() {
            self.state = Some(State::open(&mut self.store, &mut self.counter, &mut self.entropy)?);
        }
        Ok(())
    }

    fn dispatch(&mut self, frame: &[u8]) -> Result<Vec<u8>, Status> {
        let (opcode, payload) = frame::split_request(frame)?;
        match opcode {
            Opcode::Hello => answer(payload, |Hello| Ok(hello())),
            Opcode::Echo => answer(payload, |Echo { bytes }| Ok(Echoed { bytes })),
            Opcode::GetVersion => answer(payload, |GetVersion| self.version()),
            Opcode::VerifySecurityState => answer(payload, |VerifySecurityState| self.security_state()),
            Opcode::Attest => answer(payload, |command| self.attest(&command)),
            Opcode::Batch => answer(payload, |command: Batch| batch::answer(&command, |frame| self.handle(frame))),
            Opcode::Provision => answer(payload, |command| self.provision(command)),
            _ if self.state()?.system().is_none() => Err(Status::NotProvisioned),
            Opcode::GetWalletInfo => answer(payload, |command| self.wallet_info(&command)),
            Opcode::CreateHybridAccount => answer(payload, |command| self.create_account(&command)),
            Opcode::SignWithHybridKey => answer(payload, |command| self.sign(&command)),
            Opcode::Sponsor => answer(payload, |command| self.sponsor(&command)),
            Opcode::AuthorizeSigner => {
                answer(payload, |command| self.administer(&command, |now| admin::authorize(now, &command)))
            }
            Opcode::RevokeSigner => {
                answer(payload, |command| self.administer(&command, |now| admin::revoke(now, &command)))
            }
            Opcode::RotateSigner => answer(payload, |command| self.rotate(&command)),
            Opcode::SetCeilings => {
                answer(payload, |command| self.administer(&command, |now| admin::set_ceilings(now, &command)))
            }
            Opcode::PreparePaymasterKey => answer(payload, |command| self.prepare_paymaster_key(&command)),
            Opcode::RotatePaymasterKey => answer(payload, |command| self.rotate_paymaster_key(&command)),
        }
    }

    fn version(&self) -> Result<TaVersion, Status> {
        let (version, measurement) = (self.platform.version.clone(), self.platform.measurement);
        Ok(TaVersion { tee_id: self.state()?.tee_id(), version, measurement })
    }

    fn security_state(&self) -> Result<SecurityState, Status> {
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

    fn attest(&mut self, command: &Attest) -> Result<AttestReply, Status> {
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

    fn provision(&mut self, command: Provision) -> Result<(), Status> {
        let state = self.state()?;
        if state.system().is_some() {
            return Err(Status::AlreadyProvisioned);
        }
        admin::check_turn(&command, state.tee_id(), state.admin_counter())?;
        admin::check_admin(&command, &command.admin)?;
        admin::check_provision(&command)?;
        let paymaster_key = PaymasterKey::draw(&mut self.entropy)?;
        let counter = command.counter;
        let provisioned = admin::provision(command, paymaster_key.address());
        self.commit(|state| state.provisioned(counter, System::new(paymaster_key, provisioned)))
    }

    /// Checks everything, that the effect is possible included, before anything changes.
    fn administer<R: AdminRequest>(
        &mut self,
        command: &R,
        effect: impl FnOnce(&Provisioned) -> Result<Provisioned, Status>,
    ) -> Result<(), Status> {
        let next = effect(self.admitted(command)?)?;
        self.commit(|state| state.commanded(command.counter(), |system| system.with(next)))
    }

    /// Who must sign a rotation depends on the key that leaves.
    fn rotate(&mut self, command: &RotateSigner) -> Result<(), Status> {
        let state = self.state()?;
        let now = state.system().ok_or(Status::NotProvisioned)?.provisioned();
        let next = admin::rotate(now, command, state.tee_id())?;
        self.commit(|state| state.changed(|system| system.with(next)))
    }

    fn prepare_paymaster_key(&mut self, command: &PreparePaymasterKey) -> Result<(), Status> {
        self.admitted(command)?;
        let key = PaymasterKey::draw(&mut self.entropy)?;
        self.commit(|state| state.commanded(command.counter, |system| system.with_standby(key)))
    }

    fn rotate_paymaster_key(&mut self, command: &RotatePaymasterKey) -> Result<(), Status> {
        admin::check_standby(self.admitted(command)?, command)?;
        self.commit(|state| state.commanded(command.counter, System::with_standby_in_use))
    }

    /// The provisioned state, if the command is the admin's next one to this TEE.
    fn admitted(&self, command: &impl AdminRequest) -> Result<&Provisioned, Status> {
        let state = self.state()?;
        let now = state.system().ok_or(Status::NotProvisioned)?.provisioned();
        admin::check_turn(command, state.tee_id(), state.admin_counter())?;
        admin::check_admin(command, &now.admin)?;
        Ok(now)
    }

    /// Gone from memory until the next one is sealed: after a failed write only the store knows
    /// which one holds.
    fn commit(&mut self, change: impl FnOnce(State) -> State) -> Result<(), Status> {
        let state = self.state.take().ok_or(IN_DOUBT)?;
        self.state = Some(change(state).seal(&mut self.store, &mut self.counter)?);
        Ok(())
    }

    fn state(&self) -> Result<&State, Status> {
        self.state.as_ref().ok_or(IN_DOUBT)
    }

    fn wallet_info(&mut self, command: &GetWalletInfo) -> Result<WalletInfo, Status> {
        let account = self.accounts.find(&mut self.store, &command.account_id)?;
        Ok(account.ok_or(Status::AccountUnknown)?.info())
    }

    fn create_account(&mut self, command: &CreateHybridAccount) -> Result<WalletInfo, Status> {
        let system = ready(self.state.as_ref())?;
        let provisioned = system.provisioned();
        let passkey = verify_registration(&command.registration, &provisioned.relying_parties)?;
        let is_counted = match self.accounts.progress(&mut self.store, command, &passkey)? {
            Progress::Made(info) => return Ok(info),
            Progress::Begun => true,
            Progress::New if provisioned.accounts >= provisioned.ceilings.max_accounts => {
                return Err(Status::TooManyAccounts);
            }
            Progress::New => false,
        };
        let entropy = Secret::draw(&mut self.entropy)?;
        // Before anything of the account is there: an interrupted creation is counted without an
        // account, never the reverse.
        if !is_counted {
            self.commit(|state| state.changed(System::with_account))?;
        }
        self.accounts.create(&mut self.store, command, passkey, entropy)
    }

    fn sponsor(&mut self, command: &Sponsor) -> Result<SponsorReply, Status> {
        let system = ready(self.state.as_ref())?;
        let account = match command.passkey {
            Some(_) => self.accounts.find(&mut self.store, &command.account_id)?,
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
        let system = ready(self.state.as_ref())?;
        let account = self.accounts.find(&mut self.store, &command.account_id)?;
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

/// Not met: every frame settles the state first.
const IN_DOUBT: Status = Status::StorageFailed;

/// The system, which the handlers of the phase `Ready` need.
fn ready(state: Option<&State>) -> Result<&System, Status> {
    state.ok_or(IN_DOUBT)?.system().ok_or(Status::NotProvisioned)
}

fn answer<R: Request>(payload: &[u8], handler: impl FnOnce(R) -> Result<R::Reply, Status>) -> Result<Vec<u8>, Status> {
    frame::encode_reply::<R>(&handler(frame::decode_payload(payload)?)?)
}

#[expect(clippy::cast_possible_truncation, reason = "both are far below 2^32")]
fn hello() -> TaHello {
    TaHello { wire_version: frame::VERSION, max_frame: MAX_FRAME as u32, max_reply: MAX_REPLY as u32 }
}
