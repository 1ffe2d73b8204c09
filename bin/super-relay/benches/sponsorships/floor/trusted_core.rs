//! The trusted core alone: provisioned in memory, with one account, and a frame that requests a
//! sponsorship.

use std::time::{SystemTime, UNIX_EPOCH};

use devkit::SoftPasskey;
use k256::ecdsa::SigningKey;
use proto::bytes::{Bounded, BoundedList};
use proto::command::{
    AuthorizeSigner, Ceilings, CreateHybridAccount, Deployment, GetVersion, PasskeyPublicKey, Protection, Provision,
    Registration, RelayApproval, RelyingParty, Request, SignatureScheme, Sponsor, SponsorReply,
};
use proto::json::passkey::{base64url, parse_assertion};
use proto::typed_data::TypedData as _;
use proto::{AccountId, Address, EntryPoint, Hash, Permissions, Signature, TeeId, Terms, Wei, frame};
use serde_json::{Value, json};
use ta::memory::{MemoryCounter, MemoryDevice, MemoryStore, SeededEntropy};
use ta::{Core, Platform};

use super::cryptography::{address, personal_sign, sign};
use crate::Outcome;
use crate::operation::{self, CHAIN_ID, ORIGIN, RP_ID};
use crate::world::text;

const PAYMASTER: Address = Address([0x9a; 20]);
const SENDER: devkit::Address = devkit::Address::repeat_byte(0x11);
const WINDOW_SECONDS: u32 = 600;

/// The core, the frame, and the frame's parts.
pub struct TrustedCore {
    core: Core<MemoryStore, SeededEntropy, MemoryCounter>,
    frame: Vec<u8>,
    pub command: Sponsor,
    pub relay: SigningKey,
    pub passkey: PasskeyPublicKey,
}

impl TrustedCore {
    /// Prepares the core through frames, up to the sponsorship frame.
    pub fn with_a_frame() -> Outcome<Self> {
        let (admin, relay) = (SigningKey::from_slice(&[0xad; 32])?, SigningKey::from_slice(&[0x01; 32])?);
        let device = MemoryDevice::default();
        let mut core = Core::open(device.store(), SeededEntropy::new([7; 32]), device.counter(), platform()?)?;
        let tee_id = call(&mut core, &GetVersion)?.tee_id;
        call(&mut core, &provision(tee_id, &admin)?)?;
        call(&mut core, &authorize(tee_id, &admin, &relay))?;

        let mut passkey = SoftPasskey::create(RP_ID, ORIGIN)?;
        let account_id: AccountId = "bench".parse()?;
        let wallet = call(
            &mut core,
            &CreateHybridAccount {
                account_id: account_id.clone(),
                signature_scheme: SignatureScheme::Eip191,
                registration: register(&mut passkey)?,
            },
        )?;
        let first = wallet.passkeys.first().ok_or("an account without a passkey")?.public_key;
        let command = sponsor(account_id, &mut passkey, &relay)?;
        Ok(Self { core, frame: frame::encode_request(&command)?, command, relay, passkey: first })
    }

    /// Has the frame answered; the same frame gets the same reply.
    pub fn handle(&mut self) -> Outcome<SponsorReply> {
        Ok(frame::decode_reply::<Sponsor>(&self.core.handle(&self.frame))??)
    }
}

fn call<R: Request>(core: &mut Core<MemoryStore, SeededEntropy, MemoryCounter>, request: &R) -> Outcome<R::Reply> {
    Ok(frame::decode_reply::<R>(&core.handle(&frame::encode_request(request)?))??)
}

fn platform() -> Outcome<Platform> {
    Ok(Platform {
        version: Bounded::new("0.1.0".to_owned())?,
        measurement: Hash([0x3e; 32]),
        storage: Protection::None,
        rollback: Protection::None,
        time: Protection::None,
    })
}

fn entry_point() -> Outcome<EntryPoint> {
    let version = operation::proto_version()?;
    Ok(EntryPoint { chain_id: CHAIN_ID, address: version.canonical_address(), version })
}

fn provision(tee_id: TeeId, admin: &SigningKey) -> Outcome<Provision> {
    let origins = BoundedList::new(vec![Bounded::new(ORIGIN.to_owned())?])?;
    let relying_party = RelyingParty { id: Bounded::new(RP_ID.to_owned())?, origins };
    let deployments = BoundedList::new(vec![Deployment { entry_point: entry_point()?, paymaster: PAYMASTER }])?;
    let mut command = Provision {
        tee_id,
        admin: address(admin.verifying_key()),
        relying_parties: BoundedList::new(vec![relying_party])?,
        ceilings: Ceilings {
            deployments,
            max_cost: Wei(u128::MAX),
            max_window: WINDOW_SECONDS,
            max_accounts: u32::MAX,
        },
        counter: 1,
        signature: Signature::UNSIGNED,
    };
    command.signature = sign(admin, &command.digest());
    Ok(command)
}

fn authorize(tee_id: TeeId, admin: &SigningKey, relay: &SigningKey) -> AuthorizeSigner {
    let mut command = AuthorizeSigner {
        tee_id,
        signer: address(relay.verifying_key()),
        permissions: Permissions::SPONSOR,
        counter: 2,
        signature: Signature::UNSIGNED,
    };
    command.signature = sign(admin, &command.digest());
    command
}

fn register(passkey: &mut SoftPasskey) -> Outcome<Registration> {
    let credential = passkey.register(&json!({
        "rp": { "id": RP_ID },
        "user": { "id": "AAAA" },
        "challenge": "AAAA",
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
    }))?;
    let response: &Value = &credential["response"];
    Ok(Registration {
        authenticator_data: base64url(text(response, "authenticatorData")?)?,
        client_data_json: base64url(text(response, "clientDataJSON")?)?,
    })
}

/// The same operation as in the load, with both approvals.
fn sponsor(account_id: AccountId, passkey: &mut SoftPasskey, relay: &SigningKey) -> Outcome<Sponsor> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut command = Sponsor {
        entry_point: entry_point()?,
        account_id,
        op: operation::parsed(&operation::draft(SENDER, 1).to_json(operation::VERSION))?,
        terms: Terms {
            paymaster: PAYMASTER,
            verification_gas_limit: 60_000,
            post_op_gas_limit: 0,
            valid_until: now + u64::from(WINDOW_SECONDS),
            valid_after: now - 60,
        },
        passkey: None,
        approval: RelayApproval { nonce: 1, timestamp: now, signature: Signature::UNSIGNED },
    };
    command.passkey = Some(parse_assertion(&passkey.assert_challenge(&command.intent_hash().0)?)?);
    command.approval.signature = personal_sign(relay, &command.request_digest().0);
    Ok(command)
}
