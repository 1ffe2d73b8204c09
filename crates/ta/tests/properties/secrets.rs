//! Properties 7 and 10: no reply carries key material, the host cannot influence a key, and no key
//! serves two purposes.

use std::collections::HashSet;

use proto::command::{
    AccountDomain, Attest, CreateHybridAccount, Echo, GetAllowances, GetVersion, GetWalletInfo, Hello, MessageForm,
    Opcode, Request, SealAllowances, SignatureScheme, VerifySecurityState,
};
use proto::digest::personal_message_hash;
use proto::{Address, Bounded, EntryPointVersion, Hash, Status, Uint256, frame};
use ta::memory::SeededEntropy;
use ta::{Entropy, RecordName};

use crate::admin_cases::admin_cases;
use crate::support::keys::recover;
use crate::support::requests::{account_domain, batch, message, message_approved, personal_sign, sign, sponsor};
use crate::support::world::{authorize, prepare_paymaster_key, provision, rotate_paymaster_key, signed};
use crate::support::{Draft, Passkey, World};

const VERSION: EntryPointVersion = EntryPointVersion::V07;

/// The first draws of the entropy: the TEE's id, the paymaster's key, each account's, then the
/// paymaster's next key.
fn draws(seed: [u8; 32]) -> [[u8; 32]; 5] {
    let mut entropy = SeededEntropy::new(seed);
    [(); 5].map(|()| {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes).unwrap();
        bytes
    })
}

fn account_secret(entropy: &[u8; 32]) -> [u8; 32] {
    let path: bip32::DerivationPath = "m/44'/60'/0'/0/0".parse().unwrap();
    bip32::XPrv::derive_from_path(entropy, &path).unwrap().to_bytes()
}

/// A reply to a frame of every opcode, accepted and refused.
fn replies(world: &mut World) -> Vec<(Opcode, Vec<u8>)> {
    fn send<R: Request>(world: &mut World, replies: &mut Vec<(Opcode, Vec<u8>)>, request: &R) {
        send_frame(world, replies, R::OPCODE, &frame::encode_request(request).unwrap());
    }
    fn send_frame(world: &mut World, replies: &mut Vec<(Opcode, Vec<u8>)>, opcode: Opcode, frame: &[u8]) {
        for frame in [frame, &frame[..frame.len() - 1], &[frame, &[0]].concat()] {
            replies.push((opcode, world.core.handle(frame)));
        }
    }
    let (mut replies, passkey, relay) = (Vec::new(), Passkey::numbered(0x41), world.relay.clone());
    let admin = world.admin.clone();
    let r = &mut replies;
    let id = world.tee_id;
    send(world, r, &signed(provision(id, admin.address(), 1), &admin));
    for (counter, permissions) in [(2, proto::Permissions::ALL), (3, proto::Permissions::ALL)] {
        let signer = relay.address();
        send(world, r, &signed(authorize(id, signer, permissions, counter), &admin));
    }
    send(world, r, &Hello);
    send(world, r, &Echo { bytes: Bounded::new(vec![5; 40]).unwrap() });
    send(world, r, &GetVersion);
    send(world, r, &VerifySecurityState);
    send(world, r, &GetAllowances);
    send(world, r, &SealAllowances);
    send(world, r, &Attest { nonce: [6; 32] });
    for account in ["alice", "bob"] {
        let account_id: proto::AccountId = account.parse().unwrap();
        let passkey = if account == "alice" { passkey.clone() } else { Passkey::numbered(0x42) };
        let registration = passkey.register();
        let signature_scheme = SignatureScheme::Raw;
        let create = CreateHybridAccount { account_id: account_id.clone(), signature_scheme, registration };
        send(world, r, &create);
        send(world, r, &GetWalletInfo { account_id });
        send(world, r, &sponsor(VERSION, account, 0).approved(&passkey, &relay));
        send(world, r, &sign(VERSION, account, 0).approved(&passkey, &relay));
        send(world, r, &message_approved(message(account, b"sign in"), &passkey));
    }
    let look_up = frame::encode_request(&GetWalletInfo { account_id: "alice".parse().unwrap() }).unwrap();
    let sponsorship = frame::encode_request(&sponsor(VERSION, "bob", 0).approved(&Passkey::numbered(0x42), &relay));
    send(world, r, &batch(&[look_up, sponsorship.unwrap()]));
    send(world, r, &signed(prepare_paymaster_key(id, 3), &admin));
    for case in admin_cases(world, 4) {
        send_frame(&mut world.fork(), r, case.opcode, &case.signed_by(&admin));
    }
    let standby = world.state().provisioned.unwrap().standby_paymaster_signer.unwrap();
    send(world, r, &signed(rotate_paymaster_key(id, standby, 4), &admin));
    replies
}

#[test]
pub fn no_reply_carries_entropy_or_key_material() {
    let mut world = World::new();
    let replies = replies(&mut world);
    let taken: HashSet<Opcode> =
        replies.iter().filter(|(_, reply)| reply[..4] == [0; 4]).map(|(opcode, _)| *opcode).collect();
    assert_eq!(taken.len(), Opcode::ALL.len(), "every opcode must have answered: {taken:?}");

    let [id, paymaster, alice, bob, standby] = draws([7; 32]);
    assert_eq!(world.state().tee_id.0, id, "which is not secret");
    let secrets = [standby, alice, bob, paymaster, account_secret(&alice), account_secret(&bob)];
    let sealed: Vec<u8> = world.device.records().into_iter().flat_map(|(_, bytes)| bytes).collect();
    assert!(secrets[..3].iter().all(|secret| contains(&sealed, secret)), "the predicted draws must match");
    assert!(!contains(&sealed, &paymaster), "the key that was rotated is gone");
    for secret in secrets {
        for window in secret.windows(8) {
            let text = hex::encode(window).into_bytes();
            let leak = replies.iter().find(|(_, reply)| contains(reply, window) || contains(reply, &text));
            assert_eq!(leak, None);
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
pub fn keys_come_from_the_platform_s_entropy_and_from_nothing_else() {
    let owner = |seed: u8, passkey: u8, account: &str| {
        let mut world = World::with_entropy([seed; 32]);
        world.provision().unwrap();
        let wallet = world.create(account, &Passkey::numbered(passkey), SignatureScheme::Raw).unwrap();
        (wallet.owner, world.state().provisioned.unwrap().paymaster_signer)
    };
    let (account_key, paymaster_key) = owner(7, 0x41, "alice");
    // The host chooses names and ceremonies, and the key stays the same.
    assert_eq!(owner(7, 0x42, "bob"), (account_key, paymaster_key));
    // With other platform entropy the key differs.
    let other = owner(8, 0x41, "alice");
    assert_ne!(other.0, account_key);
    assert_ne!(other.1, paymaster_key);
    // Computed from the third draw by another BIP-32 implementation.
    assert_eq!(account_key.to_string().to_ascii_lowercase(), "0x44e13851fa164d384d962c7f1a6664eed65d88de");
}

#[test]
fn a_source_without_entropy_makes_no_key() {
    struct Silent;
    impl Entropy for Silent {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), ta::EntropyError> {
            Ok(())
        }
    }
    let device = ta::memory::MemoryDevice::default();
    let platform = crate::support::world::platform();
    let opened = ta::Core::open(device.store(), Silent, device.counter(), platform);
    assert_eq!(opened.err(), Some(Status::EntropyFailed), "no TEE id either");
    assert_eq!(device.writes(), 0);
    let attempt = |world: &World, frame: Result<Vec<u8>, Status>| {
        let (device, platform) = (&world.device, crate::support::world::platform());
        let mut core = ta::Core::open(device.store(), Silent, device.counter(), platform).unwrap();
        let writes = device.writes();
        assert_eq!(core.handle(&frame.unwrap()), frame::encode_refusal(Status::EntropyFailed));
        assert_eq!(device.writes(), writes);
    };
    let world = World::new();
    attempt(&world, frame::encode_request(&signed(provision(world.tee_id, world.admin.address(), 1), &world.admin)));
    let create = CreateHybridAccount {
        account_id: "alice".parse().unwrap(),
        signature_scheme: SignatureScheme::Raw,
        registration: Passkey::numbered(0x41).register(),
    };
    attempt(&World::ready(), frame::encode_request(&create));
}

#[test]
fn a_sealed_record_of_one_kind_is_refused_as_another() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
    world.create("bob", &Passkey::numbered(0x42), SignatureScheme::Raw).unwrap();
    let relay = world.relay.clone();
    let records = world.device.records();
    for (name, own) in &records {
        for (_, bytes) in records.iter().filter(|(other, _)| other != name) {
            world.device.plant(*name, bytes.clone());
            let reply = match world.restart() {
                Err(status) => Err(status),
                Ok(()) if matches!(name, RecordName::Credential(_)) => {
                    // Only the creation of an account reads the pointer.
                    let passkeys = [passkey.clone(), Passkey::numbered(0x42)];
                    let all = ["alice", "bob"].iter().zip(passkeys);
                    all.map(|(id, passkey)| world.create(id, &passkey, SignatureScheme::Raw))
                        .find_map(Result::err)
                        .map_or(Ok(()), Err)
                }
                Ok(()) => {
                    let alice = world.call(&sign(VERSION, "alice", 0).approved(&passkey, &relay));
                    let bob = world.call(&sign(VERSION, "bob", 0).approved(&Passkey::numbered(0x42), &relay));
                    alice.and(bob).map(|_| ())
                }
            };
            assert_eq!(reply, Err(Status::StorageCorrupt), "{name:?}");
        }
        world.device.plant(*name, own.clone());
    }
    assert_eq!(world.restart(), Ok(()));
}

#[test]
pub fn no_command_signs_a_digest_of_the_host_s_choosing() {
    let (mut world, passkey, wallet) = World::with_account(SignatureScheme::Raw);
    let relay = world.relay.clone();
    let paymaster = world.state().provisioned.unwrap().paymaster_signer;
    // A digest the host would like signed, placed wherever 32 bytes fit.
    let chosen = [0xc4; 32];
    let mut sponsorship = sponsor(EntryPointVersion::V08, "alice", 0);
    sponsorship.op.nonce = Uint256(chosen);
    sponsorship.op.call_data = Bounded::new(chosen.to_vec()).unwrap();
    let mut operation = sign(EntryPointVersion::V08, "alice", 0);
    operation.op.nonce = Uint256(chosen);
    operation.op.call_data = Bounded::new(chosen.to_vec()).unwrap();
    let messages =
        [message("alice", &[chosen, chosen].concat()), personal_sign("alice", &[chosen, chosen].concat(), 0)];
    let mut domain = personal_sign("alice", b"sign in", 0);
    domain.form = MessageForm::PersonalSign(AccountDomain { salt: Some(Hash(chosen)), ..account_domain(0) });
    let signatures = {
        let sponsored = world.call(&sponsorship.approved(&passkey, &relay)).unwrap();
        let signed = world.call(&operation.approved(&passkey, &relay)).unwrap();
        let messages = messages.into_iter().chain([domain]);
        let messages = messages.map(|command| world.call(&message_approved(command, &passkey)).unwrap().signature);
        let of_messages: Vec<_> = messages.collect();
        let of_operations = [sponsored.paymaster_signature, sponsored.account_signature.unwrap(), signed.signature];
        [&of_operations[..], &of_messages].concat()
    };
    let keccak = proto::primitives::keccak256(chosen);
    for Hash(digest) in [Hash(chosen), keccak, personal_message_hash(&chosen), personal_message_hash(&keccak.0)] {
        for signature in &signatures {
            let signer: Option<Address> = recover(&digest, signature);
            assert!(signer != Some(wallet.owner) && signer != Some(paymaster));
        }
    }
    // Neither key acts as a relay key or as the admin's.
    assert!(paymaster != wallet.owner && paymaster != relay.address() && wallet.owner != relay.address());
}
