//! The host: runs its steps against the real core, by frames, and checks every reply against the
//! model.

use std::collections::{HashMap, HashSet};

use proptest::sample::Index;
use proto::command::{
    AccountDomain, CreateHybridAccount, MessageForm, PasskeyAssertion, Request, RevokeSigner, SealAllowances,
    SignMessage, SignWithHybridKey, SignatureScheme, Sponsor, VerifySecurityState,
};
use proto::{Address, Bounded, EntryPointVersion, IntentHash, IntentList, Permissions, UserOpHash, frame};

use super::model::{Model, Signers};
use super::steps::{Operation, Step, Text};
use super::tally::Tally;
use super::verdict::decode;
use crate::support::requests::{account_domain, batch, message, message_approved, sign, sponsor};
use crate::support::world::{
    MAX_COST, MAX_WINDOW, authorize, ceilings, prepare_paymaster_key, rotate_paymaster_key, set_allowance,
    set_ceilings, signed,
};
use crate::support::{Draft, EthKey, Passkey, World, deployment};

const YEARS: u64 = 30 * 365 * 24 * 3600;
/// EntryPoint v0.9 reads a window as block numbers when both of its ends have this bit.
const BLOCK_NUMBER_FLAG: u64 = 1 << 47;
/// Enough for any sequence, in chunks of a few operations.
const ALLOWANCE: u128 = 1_000 * MAX_COST;
const ACCOUNTS: [&str; 4] = ["alice", "bob", "carol", "dave"];

pub struct Host {
    pub(super) world: World,
    pub(super) model: Model,
    frames: Vec<Vec<u8>>,
    count: u32,
    pub tally: Tally,
}

fn relay(number: u8) -> EthKey {
    EthKey::numbered(number + 1)
}

fn passkey(number: u8) -> Passkey {
    Passkey::numbered(0x41 + number)
}

impl Host {
    /// Two accounts, and relays that may sponsor and sign, sponsor without a passkey, and rotate.
    pub fn new() -> Self {
        let mut world = World::ready();
        let both = Permissions::SPONSOR | Permissions::SIGN_USER_OPERATION;
        let granted = [both, Permissions::SPONSOR | Permissions::SPONSOR_WITHOUT_PASSKEY, both | Permissions::ROTATE];
        for (number, permissions) in (1..).zip(&granted[1..]) {
            world.authorize(relay(number).address(), *permissions).unwrap();
        }
        world.prepare_paymaster_key().unwrap();
        for version in EntryPointVersion::ALL {
            world.set_allowance(deployment(version), ALLOWANCE).unwrap();
        }
        let state = world.state();
        let signers = state.provisioned.unwrap().signers.iter().map(|signer| (signer.address, *signer)).collect();
        let schemes = [SignatureScheme::Eip191, SignatureScheme::Raw];
        let wallets = (0..).zip(schemes).map(|(number, scheme)| {
            let name = ACCOUNTS[usize::from(number)];
            (name.parse().unwrap(), world.create(name, &passkey(number), scheme).unwrap())
        });
        let wallets = wallets.collect();
        let model = Model {
            paymaster_signer: world.state().provisioned.unwrap().paymaster_signer,
            ceilings: ceilings(),
            signers,
            in_doubt: Vec::new(),
            paymaster_signers_in_doubt: Vec::new(),
            digests_of_operations: HashSet::new(),
            user_approved: HashSet::new(),
            user_approved_lists: HashSet::new(),
            relay_approved: HashSet::new(),
            wallets,
            replies: HashMap::new(),
            counts: HashMap::new(),
        };
        Self { world, model, frames: Vec::new(), count: 0, tally: Tally::default() }
    }

    pub fn fork(&self) -> Self {
        let (world, model) = (self.world.fork(), self.model.clone());
        Self { world, model, frames: self.frames.clone(), count: 0, tally: Tally::default() }
    }

    pub fn take(&mut self, step: &Step) {
        self.count += 1;
        match step {
            Step::Operation(operation) => self.operate(operation),
            Step::Message { .. } => self.sign_message(step),
            Step::Replay(index) => {
                if let Some(frame) = self.recorded(index) {
                    self.send(frame);
                }
            }
            Step::Batch(indices) => self.batch(indices),
            Step::Mutate { frame, at, change } => {
                if let Some(mut frame) = self.recorded(frame) {
                    let at = at.index(frame.len());
                    frame[at] ^= change;
                    self.send(frame);
                }
            }
            Step::Mix { into, from, part } => self.mix(into, from, *part),
            Step::Create { account, passkey: number, thief, raw } => {
                let mut passkey = passkey(*number);
                if *thief {
                    passkey.key = Passkey::numbered(0x61 + number).key;
                }
                self.request(&CreateHybridAccount {
                    account_id: ACCOUNTS[usize::from(*account)].parse().unwrap(),
                    signature_scheme: if *raw { SignatureScheme::Raw } else { SignatureScheme::Eip191 },
                    registration: passkey.register(),
                });
            }
            Step::Admin { .. } => self.administer(step),
            Step::Restart => self.restart(),
            Step::Fail { after, fault } => {
                self.tally.faults += 1;
                self.world.fail_after(*after, *fault);
            }
        }
    }

    /// Sends recorded frames together. Every third batch contains a nested batch.
    fn batch(&mut self, indices: &[Index]) {
        let mut frames: Vec<_> = indices.iter().filter_map(|index| self.recorded(index)).collect();
        if self.count.is_multiple_of(3) {
            frames.push(frame::encode_request(&batch(&frames)).unwrap());
        }
        self.send_together(&frames);
    }

    fn operate(&mut self, operation: &Operation) {
        let version = EntryPointVersion::ALL[usize::from(operation.version)];
        let account = ACCOUNTS[usize::from(operation.account)];
        let (relay, mut passkey) = (relay(operation.relay), passkey(operation.passkey));
        passkey.count = self.sign_count(operation.passkey);
        let others = operation.variant + 1..=operation.variant + operation.listed_with;
        if operation.sponsor {
            let mut command = sponsor(version, account, operation.variant);
            bend(&mut command, operation.terms);
            self.model.note_operation(&command.op.hash(&command.entry_point));
            if operation.user_approves {
                let others = others.map(|variant| sponsor(version, account, variant).intent_hash());
                command.passkey = Some(self.user_approves(&passkey, command.intent_hash(), others));
            }
            if operation.relay_approves {
                command = command.relay_approves(&relay);
                self.model.relay_approved.insert((relay.address(), command.request_digest()));
            }
            self.request(&command);
        } else {
            let mut command = sign(version, account, operation.variant);
            self.model.note_operation(&command.op.hash(&command.entry_point));
            if operation.user_approves {
                let others = others.map(|variant| sign(version, account, variant).intent_hash());
                command.passkey = self.user_approves(&passkey, command.intent_hash(), others);
            }
            if operation.relay_approves {
                command = command.relay_approves(&relay);
                self.model.relay_approved.insert((relay.address(), command.request_digest()));
            }
            self.request(&command);
        }
    }

    fn sign_message(&mut self, step: &Step) {
        let Step::Message { account, passkey: number, text, length, form, user_approves } = step else {
            return;
        };
        let mut text = match text {
            Text::Plain => vec![0x32; *length],
            Text::HashOfOperation(index) => self.operation(index).map_or(Vec::new(), |(hash, _)| hash.0.to_vec()),
            Text::Intent(index) => self.operation(index).map_or(Vec::new(), |(_, intent)| intent.0.to_vec()),
        };
        text.resize(*length, 0);
        let mut command = message(ACCOUNTS[usize::from(*account)], &text);
        command.form = match form {
            0..=2 => MessageForm::Eip191,
            3 => MessageForm::PersonalSign(account_domain(0)),
            4 => MessageForm::PersonalSign(AccountDomain {
                verifying_contract: EntryPointVersion::V08.canonical_address(),
                ..account_domain(0)
            }),
            _ => MessageForm::PersonalSign(AccountDomain {
                name: Bounded::new("ERC4337".into()).unwrap(),
                ..account_domain(0)
            }),
        };
        if *user_approves {
            let mut passkey = passkey(*number);
            passkey.count = self.sign_count(*number);
            self.model.user_approved.insert((passkey.public_key(), command.intent_hash()));
            command = message_approved(command, &passkey);
        }
        self.request(&command);
    }

    /// Two passkeys count, each with a clone that repeats its counts; two are synced.
    fn sign_count(&self, passkey: u8) -> u32 {
        if passkey % 2 == 1 { self.count / 4 + 1 } else { 0 }
    }

    /// Hash and intent of a recorded operation.
    fn operation(&self, index: &Index) -> Option<(UserOpHash, IntentHash)> {
        let sponsorships = self.decoded::<Sponsor>().into_iter();
        let sponsorships = sponsorships.map(|command| (command.op.hash(&command.entry_point), command.intent_hash()));
        let operations = self.decoded::<SignWithHybridKey>().into_iter();
        let operations = operations.map(|command| (command.op.hash(&command.entry_point), command.intent_hash()));
        let all: Vec<_> = sponsorships.chain(operations).collect();
        (!all.is_empty()).then(|| *index.get(&all))
    }

    /// The gesture for this operation, or for it and the others.
    fn user_approves(
        &mut self,
        passkey: &Passkey,
        intent: IntentHash,
        others: impl Iterator<Item = IntentHash>,
    ) -> PasskeyAssertion {
        let key = passkey.public_key();
        let Ok(list) = IntentList::new(others.chain([intent]).collect()) else {
            self.model.user_approved.insert((key, intent));
            return passkey.assert(&intent.0);
        };
        self.model.user_approved_lists.insert((key, list.clone()));
        passkey.assert_all(&list)
    }

    /// Inserts a part of one recorded command into another. Every second time a relay signs the
    /// result, because the host holds its key.
    fn mix(&mut self, into: &Index, from: &Index, part: u8) {
        let sponsorships: Vec<Sponsor> = self.decoded();
        let operations: Vec<SignWithHybridKey> = self.decoded();
        if sponsorships.is_empty() || operations.is_empty() {
            return;
        }
        if part == 8 {
            return self.mix_messages(into, from);
        }
        let relay = relay(part % 3);
        let (mut command, other) = (into.get(&sponsorships).clone(), from.get(&sponsorships));
        match part {
            0 => command.op = other.op.clone(),
            1 => command.terms = other.terms,
            2 => command.passkey = other.passkey.clone(),
            3 => command.approval = other.approval,
            4 => command.account_id = other.account_id.clone(),
            5 => command.passkey = Some(from.get(&operations).passkey.clone()),
            _ => {
                let intent = command.intent_hash();
                if let (Some(passkey), Some(other)) = (&mut command.passkey, &other.passkey) {
                    mix_lists(passkey, other, intent, part);
                }
            }
        }
        if self.count.is_multiple_of(2) {
            command = command.relay_approves(&relay);
            self.model.relay_approved.insert((relay.address(), command.request_digest()));
        }
        self.request(&command);
        let (mut command, other) = (into.get(&operations).clone(), from.get(&operations));
        match part {
            0 => command.op = other.op.clone(),
            1 => command.op.paymaster = Some(from.get(&sponsorships).terms.unsigned()),
            2 => command.passkey = other.passkey.clone(),
            3 => command.approval = from.get(&sponsorships).approval,
            4 => command.account_id = other.account_id.clone(),
            5 => command.op = from.get(&sponsorships).op.clone(),
            _ => {
                let intent = command.intent_hash();
                mix_lists(&mut command.passkey, &other.passkey, intent, part);
            }
        }
        if self.count.is_multiple_of(2) {
            command = command.relay_approves(&relay);
            self.model.relay_approved.insert((relay.address(), command.request_digest()));
        }
        self.request(&command);
    }

    /// Inserts the approval of an operation into a message, and the reverse.
    fn mix_messages(&mut self, into: &Index, from: &Index) {
        let messages: Vec<SignMessage> = self.decoded();
        let (sponsorships, operations): (Vec<Sponsor>, Vec<SignWithHybridKey>) = (self.decoded(), self.decoded());
        if messages.is_empty() || sponsorships.is_empty() || operations.is_empty() {
            return;
        }
        let (message, relay) = (from.get(&messages), relay(0));
        let sponsorship = Sponsor { passkey: Some(message.passkey.clone()), ..into.get(&sponsorships).clone() };
        let operation = SignWithHybridKey { passkey: message.passkey.clone(), ..into.get(&operations).clone() };
        let (sponsorship, operation) = (sponsorship.relay_approves(&relay), operation.relay_approves(&relay));
        self.model.relay_approved.insert((relay.address(), sponsorship.request_digest()));
        self.model.relay_approved.insert((relay.address(), operation.request_digest()));
        self.request(&sponsorship);
        self.request(&operation);
        let message = into.get(&messages).clone();
        self.request(&SignMessage { passkey: from.get(&operations).passkey.clone(), ..message.clone() });
        self.request(&SignMessage { account_id: from.get(&operations).account_id.clone(), ..message.clone() });
        let (mut listed, intent) = (from.get(&operations).passkey.clone(), message.intent_hash());
        listed.intents = IntentList::new(vec![intent, from.get(&operations).intent_hash()]).ok();
        self.request(&SignMessage { passkey: listed, ..message });
    }

    fn administer(&mut self, step: &Step) {
        let Step::Admin { kind, signer, next, permissions, honest, ahead } = step else {
            return;
        };
        // A core in an unknown state does not report its counter; the host remembers the last one.
        let known = self.world.call(&VerifySecurityState).ok();
        let counter = known.as_ref().map_or(0, |state| state.counter) + 1 + ahead;
        let standby = known.and_then(|state| state.provisioned?.standby_paymaster_signer).unwrap_or_default();
        let key = if *honest { self.world.admin.clone() } else { relay(*next) };
        let (id, current, newcomer) = (self.world.tee_id, relay(*signer), relay(*next));
        match kind {
            0 => self.request(&signed(authorize(id, current.address(), Permissions(*permissions), counter), &key)),
            1 => {
                let revoke = RevokeSigner { counter, ..self.world.revocation(current.address()) };
                self.request(&signed(revoke, &key));
            }
            2 => {
                let rotation = self.world.rotation(&current, &newcomer, honest.then_some(&key));
                self.request(&rotation);
            }
            3 => {
                let mut ceilings = ceilings();
                ceilings.max_window = MAX_WINDOW + permissions;
                ceilings.max_accounts = *permissions;
                self.request(&signed(set_ceilings(id, ceilings, counter), &key));
            }
            4 => self.request(&signed(prepare_paymaster_key(id, counter), &key)),
            5 => {
                let deployment = deployment(EntryPointVersion::ALL[usize::from(*signer % 4)]);
                let total = ALLOWANCE + u128::from(*permissions);
                self.request(&signed(set_allowance(id, deployment, total, counter), &key));
            }
            6 => self.request(&SealAllowances),
            _ => self.request(&signed(rotate_paymaster_key(id, standby, counter), &key)),
        }
    }

    fn restart(&mut self) {
        self.tally.restarts += 1;
        self.world.restart().unwrap();
        self.settle();
    }

    /// Updates the model from the core's state, once the core reports it.
    pub(super) fn settle(&mut self) {
        let Ok(state) = self.world.call(&VerifySecurityState) else {
            return;
        };
        let provisioned = state.provisioned.unwrap();
        let signers: Signers = provisioned.signers.iter().map(|signer| (signer.address, *signer)).collect();
        let doubts = std::mem::take(&mut self.model.in_doubt);
        assert!(signers == self.model.signers || doubts.contains(&signers), "unexpected signers");
        self.model.signers = signers;
        let paymaster_signer = provisioned.paymaster_signer;
        let doubts = std::mem::take(&mut self.model.paymaster_signers_in_doubt);
        assert!(paymaster_signer == self.model.paymaster_signer || doubts.contains(&paymaster_signer));
        self.model.paymaster_signer = paymaster_signer;
        assert!(
            self.model.wallets.len() <= usize::try_from(provisioned.accounts).unwrap(),
            "an account is not counted"
        );
        // Any window is acceptable here: an admin signed it.
        self.model.ceilings = provisioned.ceilings;
    }

    fn recorded(&self, index: &Index) -> Option<Vec<u8>> {
        (!self.frames.is_empty()).then(|| index.get(&self.frames).clone())
    }

    fn decoded<R: Request>(&self) -> Vec<R> {
        self.frames.iter().filter_map(|frame| decode(frame)).collect()
    }

    fn request<R: Request>(&mut self, request: &R) {
        let frame = frame::encode_request(request).unwrap();
        self.frames.push(frame.clone());
        self.send(frame);
    }
}

/// Gives an assertion the list of another, or another assertion a list with this intent.
fn mix_lists(passkey: &mut PasskeyAssertion, other: &PasskeyAssertion, intent: IntentHash, part: u8) {
    if part == 6 {
        passkey.intents = other.intents.clone();
        return;
    }
    let listed = other.intents.iter().flat_map(|list| list.to_vec()).filter(|listed| *listed != intent);
    let intents = IntentList::new(listed.chain([intent]).collect()).ok();
    *passkey = PasskeyAssertion { intents, ..other.clone() };
}

/// Exceeds a ceiling, in one of several ways.
fn bend(command: &mut Sponsor, how: u8) {
    match how {
        1 => command.terms.valid_until += 10_000,
        2 => command.terms.paymaster = Address([0x99; 20]),
        3 => command.entry_point.chain_id += 1,
        4 => command.op.max_fee_per_gas *= 1000,
        5 => command.approval.timestamp += 1_000,
        6 => command.terms.valid_after = 0,
        7 => {
            // A relay key asked to sign for years ahead: its timestamp is the end of the window.
            command.terms.valid_until += YEARS;
            command.approval.timestamp = command.terms.valid_until;
        }
        8 => (command.terms.valid_until, command.terms.valid_after, command.approval.timestamp) = (0, 0, 0),
        9 => {
            command.terms.valid_until |= BLOCK_NUMBER_FLAG;
            command.terms.valid_after |= BLOCK_NUMBER_FLAG;
            command.approval.timestamp |= BLOCK_NUMBER_FLAG;
        }
        _ => {}
    }
}
