//! A valid command of each kind that an admin signs, for tests that apply to all of them.

use proto::command::{AdminRequest, Opcode, RevokeSigner, RotateSigner, SignedCommand};
use proto::{EntryPointVersion, Hash, Permissions, Signature, frame};

use crate::support::world::{
    authorize, ceilings, prepare_paymaster_key, provision, rotate_paymaster_key, set_allowance, set_ceilings,
};
use crate::support::{EthKey, World, deployment};

/// A command that still needs the admin's signature.
pub struct AdminCase {
    pub opcode: Opcode,
    /// What the admin signs.
    pub digest: Hash,
    frame: Box<dyn Fn(Signature) -> Vec<u8>>,
}

impl AdminCase {
    fn new<R: AdminRequest + Clone + 'static>(command: R) -> Self {
        Self::with(command, AdminRequest::set_signature)
    }

    fn with<R: SignedCommand + Clone + 'static>(command: R, put: impl Fn(&mut R, Signature) + 'static) -> Self {
        let (opcode, digest) = (R::OPCODE, command.digest());
        let frame = move |signature| {
            let mut command = command.clone();
            put(&mut command, signature);
            frame::encode_request(&command).unwrap()
        };
        Self { opcode, digest, frame: Box::new(frame) }
    }

    pub fn signed(&self, signature: Signature) -> Vec<u8> {
        (self.frame)(signature)
    }

    pub fn signed_by(&self, key: &EthKey) -> Vec<u8> {
        self.signed(key.sign(&self.digest))
    }
}

/// One of each kind that this world accepts next, if signed for that count; `Provision` is for a
/// new world.
pub fn admin_cases(world: &mut World, counter: u64) -> Vec<AdminCase> {
    let (id, relay, newcomer) = (world.tee_id, world.relay.clone(), EthKey::numbered(9));
    let provisioned = world.state().provisioned;
    let standby = provisioned.and_then(|provisioned| provisioned.standby_paymaster_signer).unwrap_or_default();
    let rotation: RotateSigner = world.rotation(&relay, &newcomer, None);
    let cases = vec![
        AdminCase::new(provision(id, world.admin.address(), counter)),
        AdminCase::new(authorize(id, newcomer.address(), Permissions::SPONSOR, counter)),
        AdminCase::new(RevokeSigner { counter, ..world.revocation(relay.address()) }),
        AdminCase::with(rotation, |command, signature| command.admin_signature = Some(signature)),
        AdminCase::new(set_ceilings(id, ceilings(), counter)),
        AdminCase::new(prepare_paymaster_key(id, counter)),
        AdminCase::new(rotate_paymaster_key(id, standby, counter)),
        AdminCase::new(set_allowance(id, deployment(EntryPointVersion::V07), 1, counter)),
    ];
    let signed = Opcode::ALL.iter().filter(|opcode| opcode.typed_data().is_some());
    assert!(signed.eq(cases.iter().map(|case| &case.opcode)), "a case for each");
    cases
}
