//! A core over a platform in memory, driven by frames alone.

use proto::bytes::BoundedList;
use proto::command::{
    AdminRequest, AuthorizeSigner, Ceilings, CreateHybridAccount, Protection, Provision, RelyingParty, Request,
    RevokeSigner, RotateSigner, SecurityState, SetCeilings, SignatureScheme, VerifySecurityState, WalletInfo,
};
use proto::{Address, Bounded, EntryPointVersion, Hash, Permissions, Signature, Status, Wei, frame};
use ta::memory::{Fault, MemoryCounter, MemoryDevice, MemoryStore, SeededEntropy};
use ta::{Core, Platform};

use super::passkey::{ORIGIN, RP_ID};
use super::tape::{self, Event, Track};
use super::{EthKey, Passkey, deployment};

pub type TestCore = Core<MemoryStore, SeededEntropy, MemoryCounter>;

pub const MAX_COST: u128 = 2_000_000_000_000_000;
pub const MAX_WINDOW: u32 = 600;

/// A core whose frames and replies are written down where somebody records them.
pub struct RecordedCore {
    core: TestCore,
    track: Track,
}

impl RecordedCore {
    /// Power on, with this seed of entropy.
    fn open(device: &MemoryDevice, seed: [u8; 32], track: Track) -> Result<Self, Status> {
        track.note(|| Event::Open { seed });
        Ok(Self { core: open(device, SeededEntropy::new(seed))?, track })
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
    pub admin: EthKey,
    /// May sponsor and have operations signed.
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

/// Other bytes than ever before, as a real source gives.
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
        Self {
            core: RecordedCore::open(&device, seed, Track::new()).unwrap(),
            device,
            admin: EthKey::numbered(0xad),
            relay: EthKey::numbered(0x01),
            entropy,
        }
    }

    /// Over a device that was used before.
    pub fn over(device: MemoryDevice) -> Result<Self, Status> {
        let mut entropy = SeededEntropy::new([8; 32]);
        let core = RecordedCore::open(&device, reseed(&mut entropy), Track::new())?;
        Ok(Self { core, device, admin: EthKey::numbered(0xad), relay: EthKey::numbered(0x01), entropy })
    }

    /// Provisioned, with one relay key that may sponsor and sign.
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

    /// The same device in another world, as it is now.
    pub fn fork(&self) -> Self {
        let (device, mut entropy) = (self.device.fork(), self.entropy.clone());
        let core = RecordedCore::open(&device, reseed(&mut entropy), self.core.track.branch()).unwrap();
        Self { device, core, admin: self.admin.clone(), relay: self.relay.clone(), entropy }
    }

    /// Power off and on again: all that is left is what was sealed.
    pub fn restart(&mut self) -> Result<(), Status> {
        self.device.revive();
        self.core = RecordedCore::open(&self.device, reseed(&mut self.entropy), self.core.track)?;
        Ok(())
    }

    /// The write after so many more fails.
    pub fn fail_after(&self, writes: u64, fault: Fault) {
        self.core.track.note(|| Event::Fail { after: writes, fault });
        self.device.fail_after(writes, fault);
    }

    pub fn call<R: Request>(&mut self, request: &R) -> Result<R::Reply, Status> {
        let frame = frame::encode_request(request).unwrap();
        frame::decode_reply::<R>(&self.core.handle(&frame)).unwrap()
    }

    pub fn state(&mut self) -> SecurityState {
        self.call(&VerifySecurityState).unwrap()
    }

    pub fn next_counter(&mut self) -> u64 {
        self.state().counter + 1
    }

    pub fn provision(&mut self) -> Result<(), Status> {
        let counter = self.next_counter();
        let command = signed(provision(self.admin.address(), counter), &self.admin);
        self.call(&command)
    }

    pub fn authorize(&mut self, signer: Address, permissions: Permissions) -> Result<(), Status> {
        let counter = self.next_counter();
        let command = AuthorizeSigner { signer, permissions, counter, signature: no_signature() };
        self.call(&signed(command, &self.admin.clone()))
    }

    pub fn revoke(&mut self, signer: Address) -> Result<(), Status> {
        let counter = self.next_counter();
        let command = RevokeSigner { signer, counter, signature: no_signature() };
        self.call(&signed(command, &self.admin.clone()))
    }

    pub fn set_ceilings(&mut self, ceilings: Ceilings) -> Result<(), Status> {
        let counter = self.next_counter();
        let command = SetCeilings { ceilings, counter, signature: no_signature() };
        self.call(&signed(command, &self.admin.clone()))
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
    }
}

pub fn relying_party(id: &str, origins: &[&str]) -> RelyingParty {
    let name = |text: &str| Bounded::new(text.into()).unwrap();
    RelyingParty {
        id: name(id),
        origins: BoundedList::new(origins.iter().map(|origin| name(origin)).collect()).unwrap(),
    }
}

pub fn provision(admin: Address, counter: u64) -> Provision {
    let parties = vec![
        relying_party(RP_ID, &[ORIGIN, "https://app.wallet.example"]),
        relying_party("other.example", &["https://other.example"]),
    ];
    Provision {
        admin,
        relying_parties: BoundedList::new(parties).unwrap(),
        ceilings: ceilings(),
        counter,
        signature: no_signature(),
    }
}

/// Admin commands whose main signature can be put in.
pub trait AdminSigned: AdminRequest {
    fn set_signature(&mut self, signature: Signature);
}

macro_rules! admin_signed {
    ($($command:ty),*) => {
        $(impl AdminSigned for $command {
            fn set_signature(&mut self, signature: Signature) {
                self.signature = signature;
            }
        })*
    };
}

admin_signed!(Provision, AuthorizeSigner, RevokeSigner, SetCeilings);

pub fn signed<R: AdminSigned>(mut command: R, key: &EthKey) -> R {
    command.set_signature(key.personal(&command.challenge().0));
    command
}

/// A rotation signed by both keys, and by the admin if one is given.
pub fn rotation(current: &EthKey, next: &EthKey, counter: u64, admin: Option<&EthKey>) -> RotateSigner {
    let mut command = RotateSigner {
        current: current.address(),
        next: next.address(),
        counter,
        current_signature: no_signature(),
        next_signature: no_signature(),
        admin_signature: None,
    };
    let challenge = command.challenge().0;
    command.current_signature = current.personal(&challenge);
    command.next_signature = next.personal(&challenge);
    command.admin_signature = admin.map(|admin| admin.personal(&challenge));
    command
}
