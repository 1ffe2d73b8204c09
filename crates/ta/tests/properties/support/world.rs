//! A core over a platform in memory, driven only by frames.

use proto::bytes::BoundedList;
use proto::command::{
    AdminRequest, Allowance, AuthorizeSigner, Ceilings, CreateHybridAccount, Deployment, GetAllowances,
    PreparePaymasterKey, Protection, Provision, RelyingParty, Request, RevokeSigner, RotatePaymasterKey, RotateSigner,
    SecurityState, SetAllowance, SetCeilings, SignatureScheme, VerifySecurityState, WalletInfo,
};
use proto::signers::AuthorisedSigner;
use proto::typed_data::TypedData;
use proto::{Address, Bounded, EntryPointVersion, Hash, Permissions, Signature, Status, TeeId, Wei, frame};
use ta::memory::{Fault, MemoryCounter, MemoryDevice, MemoryStore, SeededEntropy};
use ta::{Core, Platform};

use super::passkey::{ORIGIN, RP_ID};
use super::tape::{self, Event, Track};
use super::{EthKey, Passkey, deployment};

pub type TestCore = Core<MemoryStore, SeededEntropy, MemoryCounter>;

pub const MAX_COST: u128 = 2_000_000_000_000_000;
pub const MAX_WINDOW: u32 = 600;
pub const MAX_ACCOUNTS: u32 = 1000;

/// A core whose frames and replies are recorded if a recorder is active.
pub struct RecordedCore {
    core: TestCore,
    track: Track,
}

impl RecordedCore {
    /// Powers on, with this entropy seed.
    fn open(device: &MemoryDevice, seed: [u8; 32], track: Track) -> Result<Self, Status> {
        track.note(|| Event::Open { seed });
        Ok(Self { core: open(device, SeededEntropy::new(seed))?, track })
    }

    /// The TEE's id; this query is not recorded.
    fn tee_id(&mut self) -> TeeId {
        let frame = frame::encode_request(&VerifySecurityState).unwrap();
        frame::decode_reply::<VerifySecurityState>(&self.core.handle(&frame)).unwrap().unwrap().tee_id
    }

    pub fn handle(&mut self, frame: &[u8]) -> Vec<u8> {
        let reply = self.core.handle(frame);
        self.track.note(|| Event::Frame { frame: frame.to_vec(), reply: reply.clone() });
        reply
    }
}

pub struct World {
    pub device: MemoryDevice,
    pub core: RecordedCore,
    pub tee_id: TeeId,
    pub admin: EthKey,
    /// A key that may sponsor and have operations signed.
    pub relay: EthKey,
    entropy: SeededEntropy,
}

pub fn platform() -> Platform {
    Platform {
        version: Bounded::new("0.1.0".into()).unwrap(),
        measurement: Hash([0x3e; 32]),
        storage: Protection::None,
        rollback: Protection::None,
        time: Protection::None,
    }
}

pub fn open(device: &MemoryDevice, entropy: SeededEntropy) -> Result<TestCore, Status> {
    let platform = tape::platform().unwrap_or_else(platform);
    Core::open(device.store(), entropy, device.counter(), platform)
}

/// Fresh bytes on every call, as from a real source.
fn reseed(entropy: &mut SeededEntropy) -> [u8; 32] {
    let mut seed = [0; 32];
    ta::Entropy::fill(entropy, &mut seed).unwrap();
    seed
}

impl World {
    pub fn new() -> Self {
        Self::with_entropy([7; 32])
    }

    pub fn with_entropy(seed: [u8; 32]) -> Self {
        let (device, entropy) = (MemoryDevice::default(), SeededEntropy::new(seed));
        let mut core = RecordedCore::open(&device, seed, Track::new()).unwrap();
        Self {
            tee_id: core.tee_id(),
            core,
            device,
            admin: EthKey::numbered(0xad),
            relay: EthKey::numbered(0x01),
            entropy,
        }
    }

    /// Opens a world on a device that was used before.
    pub fn over(device: MemoryDevice) -> Result<Self, Status> {
        let mut entropy = SeededEntropy::new([8; 32]);
        let mut core = RecordedCore::open(&device, reseed(&mut entropy), Track::new())?;
        Ok(Self {
            tee_id: core.tee_id(),
            core,
            device,
            admin: EthKey::numbered(0xad),
            relay: EthKey::numbered(0x01),
            entropy,
        })
    }

    /// A provisioned world, with one relay key that may sponsor and sign.
    pub fn ready() -> Self {
        let mut world = Self::new();
        world.provision().unwrap();
        world.authorize(world.relay.address(), Permissions::SPONSOR | Permissions::SIGN_USER_OPERATION).unwrap();
        world
    }

    /// A ready world with the passkey's account, named `alice`.
    pub fn with_account(scheme: SignatureScheme) -> (Self, Passkey, WalletInfo) {
        let (mut world, passkey) = (Self::ready(), Passkey::numbered(0x41));
        let wallet = world.create("alice", &passkey, scheme).unwrap();
        (world, passkey, wallet)
    }

    /// Another world with a copy of this device's current state.
    pub fn fork(&self) -> Self {
        let (device, mut entropy) = (self.device.fork(), self.entropy.clone());
        let core = RecordedCore::open(&device, reseed(&mut entropy), self.core.track.branch()).unwrap();
        let (tee_id, admin, relay) = (self.tee_id, self.admin.clone(), self.relay.clone());
        Self { device, core, tee_id, admin, relay, entropy }
    }

    /// Power cycle: only what was sealed remains.
    pub fn restart(&mut self) -> Result<(), Status> {
        self.device.revive();
        self.core = RecordedCore::open(&self.device, reseed(&mut self.entropy), self.core.track)?;
        Ok(())
    }

    /// The write after this many more fails.
    pub fn fail_after(&self, writes: u64, fault: Fault) {
        self.core.track.note(|| Event::Fail { after: writes, fault });
        self.device.fail_after(writes, fault);
    }

    pub fn call<R: Request>(&mut self, request: &R) -> Result<R::Reply, Status> {
        let frame = frame::encode_request(request).unwrap();
        frame::decode_reply::<R>(&self.core.handle(&frame)).unwrap()
    }

    /// The status of the reply to the frame.
    pub fn status_of(&mut self, frame: &[u8]) -> Status {
        let code = self.core.handle(frame)[..4].try_into().unwrap();
        Status::from_code(u32::from_be_bytes(code)).unwrap()
    }

    pub fn state(&mut self) -> SecurityState {
        self.call(&VerifySecurityState).unwrap()
    }

    pub fn next_counter(&mut self) -> u64 {
        self.state().counter + 1
    }

    pub fn provision(&mut self) -> Result<(), Status> {
        let counter = self.next_counter();
        let command = signed(provision(self.tee_id, self.admin.address(), counter), &self.admin);
        self.call(&command)
    }

    pub fn authorize(&mut self, signer: Address, permissions: Permissions) -> Result<(), Status> {
        let counter = self.next_counter();
        let command = authorize(self.tee_id, signer, permissions, counter);
        self.call(&signed(command, &self.admin.clone()))
    }

    pub fn revoke(&mut self, signer: Address) -> Result<(), Status> {
        let command = self.revocation(signer);
        self.call(&signed(command, &self.admin.clone()))
    }

    pub fn set_ceilings(&mut self, ceilings: Ceilings) -> Result<(), Status> {
        let counter = self.next_counter();
        let command = set_ceilings(self.tee_id, ceilings, counter);
        self.call(&signed(command, &self.admin.clone()))
    }

    pub fn set_allowance(&mut self, deployment: Deployment, total: u128) -> Result<(), Status> {
        let counter = self.next_counter();
        let command = set_allowance(self.tee_id, deployment, total, counter);
        self.call(&signed(command, &self.admin.clone()))
    }

    /// The allowance of a deployment that has one.
    pub fn allowance(&mut self, deployment: Deployment) -> Allowance {
        let listed = self.call(&GetAllowances).unwrap().allowances;
        *listed.iter().find(|allowance| allowance.deployment == deployment).unwrap()
    }

    pub fn prepare_paymaster_key(&mut self) -> Result<Address, Status> {
        let command = prepare_paymaster_key(self.tee_id, self.next_counter());
        self.call(&signed(command, &self.admin.clone()))?;
        Ok(self.state().provisioned.unwrap().standby_paymaster_signer.unwrap())
    }

    pub fn rotate_paymaster_key(&mut self, next: Address) -> Result<(), Status> {
        let command = rotate_paymaster_key(self.tee_id, next, self.next_counter());
        self.call(&signed(command, &self.admin.clone()))
    }

    /// The record of this key, or a record that does not exist if the key has none.
    pub fn record_of(&mut self, address: Address) -> AuthorisedSigner {
        let state = self.call(&VerifySecurityState).ok();
        let signers = state.and_then(|state| state.provisioned).map(|provisioned| provisioned.signers);
        let nobody = AuthorisedSigner {
            record: 0,
            authorised_as: address,
            address,
            permissions: Permissions::default(),
            rotations: 0,
        };
        signers.iter().flat_map(|list| list.iter()).find(|signer| signer.address == address).copied().unwrap_or(nobody)
    }

    /// An unsigned revocation of this key's record.
    pub fn revocation(&mut self, signer: Address) -> RevokeSigner {
        let AuthorisedSigner { record, authorised_as, .. } = self.record_of(signer);
        let counter = self.call(&VerifySecurityState).map_or(0, |state| state.counter) + 1;
        RevokeSigner { tee_id: self.tee_id, record, authorised_as, counter, signature: no_signature() }
    }

    /// A rotation signed by both keys, and by the admin if one is given.
    pub fn rotation(&mut self, current: &EthKey, next: &EthKey, admin: Option<&EthKey>) -> RotateSigner {
        let record = self.record_of(current.address());
        rotation(self.tee_id, &record, current, next, admin)
    }

    pub fn create(
        &mut self,
        account_id: &str,
        passkey: &Passkey,
        signature_scheme: SignatureScheme,
    ) -> Result<WalletInfo, Status> {
        self.call(&CreateHybridAccount {
            account_id: account_id.parse().unwrap(),
            signature_scheme,
            registration: passkey.register(),
        })
    }
}

pub fn no_signature() -> Signature {
    Signature { r: [1; 32], s: [1; 32], v: 27 }
}

pub fn ceilings() -> Ceilings {
    Ceilings {
        deployments: BoundedList::new(EntryPointVersion::ALL.map(deployment).to_vec()).unwrap(),
        max_cost: Wei(MAX_COST),
        max_window: MAX_WINDOW,
        max_accounts: MAX_ACCOUNTS,
    }
}

pub fn relying_party(id: &str, origins: &[&str]) -> RelyingParty {
    let name = |text: &str| Bounded::new(text.into()).unwrap();
    RelyingParty {
        id: name(id),
        origins: BoundedList::new(origins.iter().map(|origin| name(origin)).collect()).unwrap(),
    }
}

pub fn provision(tee_id: TeeId, admin: Address, counter: u64) -> Provision {
    let parties = vec![
        relying_party(RP_ID, &[ORIGIN, "https://app.wallet.example"]),
        relying_party("other.example", &["https://other.example"]),
    ];
    Provision {
        tee_id,
        admin,
        relying_parties: BoundedList::new(parties).unwrap(),
        ceilings: ceilings(),
        counter,
        signature: no_signature(),
    }
}

pub fn authorize(tee_id: TeeId, signer: Address, permissions: Permissions, counter: u64) -> AuthorizeSigner {
    AuthorizeSigner { tee_id, signer, permissions, counter, signature: no_signature() }
}

pub fn set_ceilings(tee_id: TeeId, ceilings: Ceilings, counter: u64) -> SetCeilings {
    SetCeilings { tee_id, ceilings, counter, signature: no_signature() }
}

pub fn set_allowance(tee_id: TeeId, deployment: Deployment, total: u128, counter: u64) -> SetAllowance {
    SetAllowance { tee_id, deployment, total: Wei(total), counter, signature: no_signature() }
}

pub fn prepare_paymaster_key(tee_id: TeeId, counter: u64) -> PreparePaymasterKey {
    PreparePaymasterKey { tee_id, counter, signature: no_signature() }
}

pub fn rotate_paymaster_key(tee_id: TeeId, next: Address, counter: u64) -> RotatePaymasterKey {
    RotatePaymasterKey { tee_id, next, counter, signature: no_signature() }
}

pub fn signed<R: AdminRequest>(mut command: R, key: &EthKey) -> R {
    command.set_signature(key.sign(&command.digest()));
    command
}

/// The next rotation of that record, signed by both keys, and by the admin if one is given.
pub fn rotation(
    tee_id: TeeId,
    record: &AuthorisedSigner,
    current: &EthKey,
    next: &EthKey,
    admin: Option<&EthKey>,
) -> RotateSigner {
    let command = RotateSigner {
        tee_id,
        record: record.record,
        rotation: record.rotations + 1,
        current: current.address(),
        next: next.address(),
        current_signature: no_signature(),
        next_signature: no_signature(),
        admin_signature: None,
    };
    countersigned(command, current, next, admin)
}

/// The same rotation, signed with these keys.
pub fn countersigned(
    mut command: RotateSigner,
    current: &EthKey,
    next: &EthKey,
    admin: Option<&EthKey>,
) -> RotateSigner {
    let digest = command.digest();
    command.current_signature = current.sign(&digest);
    command.next_signature = next.sign(&digest);
    command.admin_signature = admin.map(|admin| admin.sign(&digest));
    command
}
