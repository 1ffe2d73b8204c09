//! Property 13: the sum of the worst cases that are signed for a deployment is never above what the
//! admin granted, whatever relay and host say, over kills and restarts at any point.

use std::collections::{HashMap, HashSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proto::bytes::BoundedList;
use proto::command::{
    Allowances, Ceilings, Deployment, GetAllowances, SealAllowances, SetAllowance, SignatureScheme, Sponsor,
    SponsorReply,
};
use proto::limits::{MAX_ALLOWANCES, MAX_DEPLOYMENTS};
use proto::{
    Address, EntryPointVersion, IntentList, Permissions, Signature, Status, TeeId, Wei, frame, worst_case_cost,
};
use ta::RecordName;
use ta::memory::Fault;

use crate::cases::cases;
use crate::support::requests::{batch, sponsor};
use crate::support::world::{ceilings, set_allowance, signed};
use crate::support::{Draft, EthKey, Passkey, World, deployment};

const V07: EntryPointVersion = EntryPointVersion::V07;

fn cost(command: &Sponsor) -> u128 {
    worst_case_cost(&command.op, command.entry_point.version, &command.terms).unwrap().0
}

/// A sponsorship without a passkey, one of many that cost the same, unless it costs more gas.
fn numbered(version: EntryPointVersion, number: u32, more_gas: u128) -> Sponsor {
    let mut command = sponsor(version, "alice", 0);
    command.op.nonce = u128::from(number).into();
    command.op.call_gas_limit += more_gas;
    command.relay_approves(&EthKey::numbered(0x01))
}

/// A world in which the relay key may sponsor without a passkey.
fn ready() -> World {
    let mut world = World::new();
    world.provision().unwrap();
    let permissions = Permissions::SPONSOR | Permissions::SPONSOR_WITHOUT_PASSKEY;
    world.authorize(world.relay.address(), permissions).unwrap();
    world
}

fn status(world: &mut World, command: &Sponsor) -> Status {
    world.call(command).err().unwrap_or(Status::Ok)
}

/// How many of these are signed until the first is refused.
fn signed_of(world: &mut World, numbers: impl Iterator<Item = u32>) -> usize {
    let mut count = 0;
    for number in numbers {
        match status(world, &numbered(V07, number, 0)) {
            Status::Ok => count += 1,
            refusal => {
                assert_eq!(refusal, Status::AllowanceExhausted);
                break;
            }
        }
    }
    count
}

#[test]
pub fn without_an_allowance_nothing_is_counted_and_with_one_every_deployment_needs_one() {
    let mut world = ready();
    let writes = world.device.writes();
    assert_eq!(signed_of(&mut world, 0..20), 20);
    assert_eq!((world.call(&GetAllowances), world.device.writes()), (Ok(Allowances::default()), writes));
    world.set_allowance(deployment(V07), u128::MAX).unwrap();
    assert_eq!(signed_of(&mut world, 0..20), 20);
    for version in EntryPointVersion::ALL.into_iter().filter(|version| *version != V07) {
        assert_eq!(status(&mut world, &numbered(version, 0, 0)), Status::AllowanceExhausted, "{version}");
        world.set_allowance(deployment(version), cost(&numbered(version, 0, 0))).unwrap();
        assert_eq!(status(&mut world, &numbered(version, 0, 0)), Status::Ok, "{version}");
        assert_eq!(status(&mut world, &numbered(version, 1, 0)), Status::AllowanceExhausted, "{version}");
    }
    world.restart().unwrap();
    assert_eq!(status(&mut world, &numbered(EntryPointVersion::V08, 2, 0)), Status::AllowanceExhausted);
}

#[test]
pub fn an_allowance_is_spent_to_the_last_wei_on_every_entry_point() {
    for version in EntryPointVersion::ALL {
        let (mut world, deployment) = (ready(), deployment(version));
        let (small, large) = (cost(&numbered(version, 0, 0)), cost(&numbered(version, 0, 1)));
        // Enough for many chunks, for whole ones and for the remainder.
        world.set_allowance(deployment, 30 * small + 2 * large).unwrap();
        for number in 0..30 {
            assert_eq!(status(&mut world, &numbered(version, number, 0)), Status::Ok, "{version} {number}");
        }
        assert_eq!(world.allowance(deployment).remaining(), Wei(2 * large));
        assert_eq!(status(&mut world, &numbered(version, 30, 1)), Status::Ok);
        assert_eq!(status(&mut world, &numbered(version, 31, 2)), Status::AllowanceExhausted, "a unit of gas more");
        assert_eq!(status(&mut world, &numbered(version, 31, 1)), Status::Ok, "the last wei");
        assert_eq!(world.allowance(deployment).remaining(), Wei(0));
        assert_eq!(status(&mut world, &numbered(version, 32, 0)), Status::AllowanceExhausted);
        world.restart().unwrap();
        assert_eq!(status(&mut world, &numbered(version, 33, 0)), Status::AllowanceExhausted);
        world.set_allowance(deployment, 31 * small + 2 * large).unwrap();
        assert_eq!(status(&mut world, &numbered(version, 33, 0)), Status::Ok, "a larger total");
    }
}

#[test]
fn a_chunk_lasts_for_sixty_four_operations_of_a_large_allowance() {
    let (mut world, cost) = (ready(), cost(&numbered(V07, 0, 0)));
    world.set_allowance(deployment(V07), 100_000 * cost).unwrap();
    let writes = world.device.writes();
    assert_eq!(signed_of(&mut world, 0..640), 640);
    assert_eq!(world.device.writes() - writes, 2 * 10, "record and counter for each chunk");
}

#[test]
pub fn a_total_is_no_increment_and_one_below_what_is_spent_ends_everything() {
    let (mut world, deployment, cost) = (ready(), deployment(V07), cost(&numbered(V07, 0, 0)));
    world.set_allowance(deployment, 5 * cost).unwrap();
    assert_eq!(signed_of(&mut world, 0..9), 5);
    world.set_allowance(deployment, 5 * cost).unwrap();
    assert_eq!(signed_of(&mut world, 10..19), 0, "the same total again");
    let spent = world.allowance(deployment).spent;
    for total in [0, 5 * cost - 1] {
        world.set_allowance(deployment, total).unwrap();
        let allowance = world.allowance(deployment);
        assert_eq!((allowance.spent, allowance.sealed, allowance.remaining()), (spent, spent, Wei(0)));
        assert_eq!(status(&mut world, &numbered(V07, 0, 0)), Status::AllowanceExhausted, "nor is anything repeated");
    }
    world.set_allowance(deployment, 7 * cost).unwrap();
    assert_eq!(signed_of(&mut world, 20..29), 2);
}

/// With a passkey, without one, in a list, in a batch.
#[test]
pub fn every_way_to_a_signature_is_charged() {
    for version in EntryPointVersion::ALL {
        let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
        let other = EthKey::numbered(0x02);
        let permissions = Permissions::SPONSOR | Permissions::SPONSOR_WITHOUT_PASSKEY;
        world.authorize(other.address(), permissions).unwrap();
        let relay = world.relay.clone();
        let with_passkey = sponsor(version, "alice", 0).approved(&passkey, &relay);
        let without = sponsor(version, "alice", 1).relay_approves(&other);
        let mut listed = sponsor(version, "alice", 2);
        let intents = vec![listed.intent_hash(), sponsor(version, "alice", 3).intent_hash()];
        listed.passkey = Some(passkey.assert_all(&IntentList::new(intents).unwrap()));
        let ways = [with_passkey, without, listed.relay_approves(&relay)];
        let (deployment, cost) = (deployment(version), cost(&ways[0]));
        for in_a_batch in [false, true] {
            let mut world = world.fork();
            world.set_allowance(deployment, 2 * cost).unwrap();
            let statuses: Vec<_> = if in_a_batch {
                let frames: Vec<_> = ways.iter().map(|way| frame::encode_request(way).unwrap()).collect();
                let replies = world.call(&batch(&frames)).unwrap().replies;
                replies
                    .iter()
                    .map(|reply| Status::from_code(u32::from_be_bytes(reply[..4].try_into().unwrap())))
                    .collect()
            } else {
                ways.iter().map(|way| Some(status(&mut world, way))).collect()
            };
            let expected = [Status::Ok, Status::Ok, Status::AllowanceExhausted].map(Some);
            assert_eq!(statuses, expected, "{version}");
            for way in &ways {
                let mut world = world.fork();
                world.set_allowance(deployment, 3 * cost).unwrap();
                assert_eq!(status(&mut world, way), Status::Ok);
                assert_eq!(world.allowance(deployment).remaining(), Wei(0));
            }
        }
    }
}

#[test]
fn what_is_refused_costs_nothing() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
    let relay = world.relay.clone();
    world.set_allowance(deployment(V07), u128::MAX).unwrap();
    let (before, writes) = (world.allowance(deployment(V07)), world.device.writes());
    let approved = sponsor(V07, "alice", 0).approved(&passkey, &relay);
    let refused = [
        Sponsor { passkey: None, ..approved.clone() }.relay_approves(&relay),
        sponsor(V07, "alice", 0).approved(&passkey, &EthKey::numbered(8)),
        sponsor(V07, "alice", 0).approved(&Passkey::numbered(0x42), &relay),
        sponsor(V07, "nobody", 0).approved(&passkey, &relay),
    ];
    for command in refused {
        assert!(world.call(&command).is_err());
    }
    assert_eq!((world.allowance(deployment(V07)), world.device.writes()), (before, writes));
}

#[test]
pub fn a_repetition_is_charged_once_until_the_core_forgets_it() {
    let (mut world, deployment, cost) = (ready(), deployment(V07), cost(&numbered(V07, 0, 0)));
    world.set_allowance(deployment, 1000 * cost).unwrap();
    let spent = |world: &mut World| world.allowance(deployment).spent.0 / cost;
    let first = world.call(&numbered(V07, 0, 0)).unwrap();
    for _ in 0..3 {
        assert_eq!(world.call(&numbered(V07, 0, 0)).as_ref(), Ok(&first));
    }
    // Another approval of the same terms gives the same signature.
    let again = Sponsor {
        approval: proto::command::RelayApproval { nonce: 9, ..numbered(V07, 0, 0).approval },
        ..numbered(V07, 0, 0)
    };
    assert_eq!(world.call(&again.relay_approves(&world.relay.clone())).as_ref(), Ok(&first));
    assert_eq!(spent(&mut world), 1);
    // 512 are remembered.
    assert_eq!(signed_of(&mut world, 1..512), 511);
    assert_eq!(world.call(&numbered(V07, 0, 0)).as_ref(), Ok(&first));
    assert_eq!(spent(&mut world), 512);
    assert_eq!(signed_of(&mut world, 512..513), 1);
    assert_eq!(world.call(&numbered(V07, 0, 0)).as_ref(), Ok(&first));
    assert_eq!(spent(&mut world), 514, "it was forgotten");
    world.call(&SealAllowances).unwrap();
    world.restart().unwrap();
    assert_eq!(world.call(&numbered(V07, 0, 0)).as_ref(), Ok(&first));
    assert_eq!(spent(&mut world), 515);
    let standby = world.prepare_paymaster_key().unwrap();
    world.rotate_paymaster_key(standby).unwrap();
    assert_ne!(world.call(&numbered(V07, 0, 0)).as_ref(), Ok(&first));
    assert_eq!(spent(&mut world), 516, "another key's signature is another signature");
}

#[test]
pub fn what_was_spent_on_a_deployment_stays_while_the_ceilings_lack_it() {
    let (mut world, cost) = (ready(), cost(&numbered(V07, 0, 0)));
    world.set_allowance(deployment(V07), 2 * cost).unwrap();
    assert_eq!(signed_of(&mut world, 0..2), 2);
    let others = EntryPointVersion::ALL.into_iter().filter(|version| *version != V07).map(deployment);
    let without = Ceilings { deployments: BoundedList::new(others.collect()).unwrap(), ..ceilings() };
    world.set_ceilings(without).unwrap();
    assert_eq!(status(&mut world, &numbered(V07, 2, 0)), Status::DeploymentNotAllowed);
    assert_eq!(world.set_allowance(deployment(V07), 9 * cost), Err(Status::DeploymentNotAllowed));
    assert_eq!(world.allowance(deployment(V07)).spent, Wei(2 * cost), "still reported");
    world.restart().unwrap();
    world.set_ceilings(ceilings()).unwrap();
    assert_eq!(status(&mut world, &numbered(V07, 2, 0)), Status::AllowanceExhausted);
}

#[test]
fn an_allowance_is_for_a_deployment_of_the_ceilings_and_for_a_bounded_number_of_them() {
    let mut world = ready();
    let known = deployment(V07);
    let mut elsewhere = known;
    elsewhere.entry_point.chain_id += 1;
    let mut otherwise = known;
    otherwise.entry_point.version = EntryPointVersion::V08;
    for unknown in [elsewhere, otherwise, Deployment { paymaster: Address([0x58; 20]), ..known }] {
        assert_eq!(world.set_allowance(unknown, 1), Err(Status::DeploymentNotAllowed));
    }
    let numbered = |number: usize| Deployment { paymaster: Address([u8::try_from(number).unwrap(); 20]), ..known };
    let among = |from: usize| {
        let deployments = (from..from + MAX_DEPLOYMENTS).map(numbered).collect();
        Ceilings { deployments: BoundedList::new(deployments).unwrap(), ..ceilings() }
    };
    for from in [1, 1 + MAX_DEPLOYMENTS] {
        world.set_ceilings(among(from)).unwrap();
        for number in from..from + MAX_DEPLOYMENTS {
            assert_eq!(world.set_allowance(numbered(number), 7), Ok(()));
        }
    }
    assert_eq!(world.call(&GetAllowances).unwrap().allowances.len(), MAX_ALLOWANCES);
    world.set_ceilings(among(2 + MAX_DEPLOYMENTS)).unwrap();
    let counter = world.next_counter();
    assert_eq!(world.set_allowance(numbered(1 + MAX_ALLOWANCES), 7), Err(Status::TooManyAllowances));
    assert_eq!(world.next_counter(), counter, "a refused command spends no count");
    assert_eq!(world.set_allowance(numbered(MAX_ALLOWANCES), 8), Ok(()), "one that has an allowance");
    world.restart().unwrap();
    assert_eq!(world.allowance(numbered(MAX_ALLOWANCES)).granted, Wei(8));
}

#[test]
fn the_admin_s_signature_covers_every_field() {
    let mut world = ready();
    let counter = world.next_counter();
    let command = signed(set_allowance(world.tee_id, deployment(V07), 5, counter), &world.admin);
    let other = |version| deployment(version);
    let mut elsewhere = deployment(V07);
    elsewhere.entry_point.chain_id = 1;
    let mut contract = deployment(V07);
    contract.entry_point.address = Address([9; 20]);
    let mut ceilings = ceilings();
    let listed = ceilings.deployments.iter().copied().chain([elsewhere, contract]).collect();
    ceilings.deployments = BoundedList::new(listed).unwrap();
    let altered = [
        (SetAllowance { tee_id: TeeId([1; 32]), ..command }, Status::TeeIdMismatch),
        (SetAllowance { counter: counter + 1, ..command }, Status::CounterMismatch),
        (SetAllowance { total: Wei(6), ..command }, Status::AdminSignatureInvalid),
        (SetAllowance { deployment: other(EntryPointVersion::V08), ..command }, Status::AdminSignatureInvalid),
        (SetAllowance { deployment: elsewhere, ..command }, Status::AdminSignatureInvalid),
        (SetAllowance { deployment: contract, ..command }, Status::AdminSignatureInvalid),
        (
            SetAllowance { signature: Signature { v: 55 - command.signature.v, ..command.signature }, ..command },
            Status::AdminSignatureInvalid,
        ),
    ];
    for (command, refusal) in altered {
        assert_eq!(world.call(&command), Err(refusal), "{command:?}");
    }
    // Every bit of the frame.
    let frame = frame::encode_request(&command).unwrap();
    for bit in 24..8 * frame.len() {
        let mut altered = frame.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(world.status_of(&altered), Status::Ok, "bit {bit}");
    }
    assert_eq!(world.call(&command), Ok(()));
    assert_eq!(world.call(&command), Err(Status::CounterMismatch), "it takes effect once");
    world.set_ceilings(ceilings).unwrap();
}

#[test]
fn a_kill_forfeits_a_sixteenth_at_most_and_a_seal_before_it_nothing() {
    let (deployment, cost) = (deployment(V07), cost(&numbered(V07, 0, 0)));
    for total in [1, 17, 100, 2000] {
        for seals in [false, true] {
            let mut world = ready();
            world.set_allowance(deployment, total * cost).unwrap();
            let (mut number, mut forfeited) = (0, 0);
            for signed in [1, 1, 3, 9] {
                signed_of(&mut world, number..number + signed);
                number += signed;
                let before = world.allowance(deployment);
                if seals {
                    world.call(&SealAllowances).unwrap();
                }
                world.restart().unwrap();
                let after = world.allowance(deployment);
                assert_eq!(after.spent, if seals { before.spent } else { before.sealed });
                let lost = after.spent.0 - before.spent.0;
                assert!(lost <= before.remaining().0 / 16 && lost < 64 * cost);
                forfeited += lost / cost;
            }
            assert_eq!(forfeited > 0, !seals && total >= 100, "{total}");
            // The rest can be spent.
            let rest = world.allowance(deployment).remaining().0 / cost;
            assert_eq!(signed_of(&mut world, 100_000..), usize::try_from(rest).unwrap());
        }
    }
}

#[test]
fn sealing_again_writes_nothing_and_changes_nothing() {
    let (mut world, deployment, cost) = (ready(), deployment(V07), cost(&numbered(V07, 0, 0)));
    world.call(&SealAllowances).unwrap();
    world.set_allowance(deployment, 200 * cost).unwrap();
    signed_of(&mut world, 0..3);
    world.call(&SealAllowances).unwrap();
    let (before, writes) = (world.allowance(deployment), world.device.writes());
    assert_eq!((before.spent, before.sealed), (Wei(3 * cost), Wei(3 * cost)));
    for _ in 0..3 {
        world.call(&SealAllowances).unwrap();
    }
    assert_eq!((world.allowance(deployment), world.device.writes()), (before, writes));
    // At will, between any two sponsorships.
    let mut signed = 3;
    for number in 3..300 {
        signed += signed_of(&mut world, number..number + 1);
        world.call(&SealAllowances).unwrap();
    }
    assert_eq!(signed, 200);
}

/// Spends in several chunks, with changed totals and seals in between.
fn run(world: &mut World, books: &mut Books) -> Result<(), Status> {
    let cost = cost(&numbered(V07, 0, 0));
    for (round, total) in (0u32..).zip([40, 8, 20]) {
        books.may_grant(total * cost);
        world.set_allowance(deployment(V07), total * cost)?;
        books.granted(total * cost);
        for number in 0..12 {
            let command = numbered(V07, round * 100 + number, 0);
            match world.call(&command) {
                Ok(reply) => books.note(&command, &reply),
                Err(Status::AllowanceExhausted) => break,
                Err(failure) => return Err(failure),
            }
        }
        world.call(&SealAllowances)?;
    }
    Ok(())
}

/// What was granted and signed for one deployment.
#[derive(Clone, Default)]
struct Books {
    /// The totals that may be in effect: a command without an answer may be, or not.
    totals: Vec<u128>,
    signatures: HashSet<Signature>,
    sum: u128,
}

impl Books {
    fn may_grant(&mut self, total: u128) {
        self.totals.push(total);
    }

    fn granted(&mut self, total: u128) {
        self.totals = vec![total];
    }

    fn note(&mut self, command: &Sponsor, reply: &SponsorReply) {
        if self.signatures.insert(reply.paymaster_signature) {
            self.sum += cost(command);
            let total = self.totals.iter().max().unwrap();
            assert!(self.sum <= *total, "{} wei were signed, and {total} granted", self.sum);
        }
    }
}

#[test]
fn killed_at_any_write_no_more_is_signed_than_was_granted() {
    let writes = {
        let mut world = ready();
        let before = world.device.writes();
        run(&mut world, &mut Books::default()).unwrap();
        world.device.writes() - before
    };
    assert!(writes >= 20, "{writes}");
    for at in 0..writes {
        for fault in [Fault::Before, Fault::After, Fault::Refused] {
            let (mut world, mut books) = (ready(), Books::default());
            world.fail_after(at, fault);
            assert!(run(&mut world, &mut books).unwrap_err().is_failure());
            if fault != Fault::Refused {
                world.restart().unwrap();
            }
            let Some(allowance) = world.call(&GetAllowances).unwrap().allowances.first().copied() else {
                assert!(at < 2, "the first command had no effect");
                continue;
            };
            assert!(books.totals.contains(&allowance.granted.0));
            books.granted(allowance.granted.0);
            // All that is left, on other operations.
            for number in 1000.. {
                let command = numbered(V07, number, 0);
                match world.call(&command) {
                    Ok(reply) => books.note(&command, &reply),
                    Err(refusal) => {
                        assert_eq!(refusal, Status::AllowanceExhausted);
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn a_record_that_was_never_acknowledged_restores_no_allowance() {
    let (deployment, cost) = (deployment(V07), cost(&numbered(V07, 0, 0)));
    let mut world = ready();
    world.set_allowance(deployment, 40 * cost).unwrap();
    signed_of(&mut world, 0..3);
    let before = world.device.records();
    // The host keeps the record in which the exact amount is sealed, and pretends that it was lost.
    world.device.fail_after(1, Fault::Before);
    assert_eq!(world.call(&SealAllowances), Err(Status::CounterFailed));
    let kept = world.device.records();
    world.device.restore(&before);
    world.restart().unwrap();
    let mut signed = 3;
    for restored in [false, true] {
        if restored {
            world.device.restore(&kept);
            if world.restart().is_err() {
                break;
            }
        }
        signed += signed_of(&mut world, 100..200);
    }
    assert!(signed <= 40, "{signed}");
}

#[derive(Clone, Debug)]
enum Step {
    Sponsor {
        number: u32,
        version: u8,
        more_gas: u128,
    },
    Set {
        version: u8,
        operations: u128,
        honest: bool,
    },
    Seal,
    Restart,
    Fail {
        after: u64,
        fault: Fault,
    },
    /// Keeps the store, or restores what was kept: the counter stays.
    Keep,
    RollBack,
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![Just(Fault::Before), Just(Fault::After), Just(Fault::Refused)];
    prop_oneof![
        12 => (0..40u32, 0..2u8, prop_oneof![3 => Just(0u128), 1 => 0..900_000u128])
            .prop_map(|(number, version, more_gas)| Step::Sponsor { number, version, more_gas }),
        3 => (0..2u8, 0..40u128, prop::bool::weighted(0.9))
            .prop_map(|(version, operations, honest)| Step::Set { version, operations, honest }),
        1 => Just(Step::Seal),
        2 => Just(Step::Restart),
        1 => (0..3u64, fault).prop_map(|(after, fault)| Step::Fail { after, fault }),
        1 => Just(Step::Keep),
        1 => Just(Step::RollBack),
    ]
}

#[test]
fn no_sequence_of_a_hostile_host_gets_more_signed_than_was_granted() {
    let base = {
        let mut world = ready();
        for version in [V07, EntryPointVersion::V06] {
            world.set_allowance(deployment(version), 0).unwrap();
        }
        world
    };
    let signed_at_all = std::cell::Cell::new(0);
    let config = cases(600, 20);
    let sequences = config.cases;
    proptest!(config, |(steps in vec(step(), 10..60))| {
        let mut world = base.fork();
        let versions = [V07, EntryPointVersion::V06];
        let mut books: HashMap<Deployment, Books> =
            versions.map(|version| (deployment(version), Books { totals: vec![0], ..Books::default() })).into();
        let mut kept: Option<Vec<(RecordName, Vec<u8>)>> = None;
        for step in steps {
            match step {
                Step::Sponsor { number, version, more_gas } => {
                    let version = versions[usize::from(version)];
                    let command = numbered(version, number, more_gas);
                    if let Ok(reply) = world.call(&command) {
                        books.get_mut(&deployment(version)).unwrap().note(&command, &reply);
                        signed_at_all.set(signed_at_all.get() + 1);
                    }
                }
                Step::Set { version, operations, honest } => {
                    let deployment = deployment(versions[usize::from(version)]);
                    let total = operations * cost(&numbered(V07, 0, 0));
                    let Ok(state) = world.call(&proto::command::VerifySecurityState) else { continue };
                    let command = set_allowance(world.tee_id, deployment, total, state.counter + 1);
                    let key = if honest { world.admin.clone() } else { world.relay.clone() };
                    let books = books.get_mut(&deployment).unwrap();
                    match world.call(&signed(command, &key)) {
                        Ok(()) => books.granted(total),
                        Err(status) if status.is_failure() && honest => books.may_grant(total),
                        Err(_) => {}
                    }
                }
                Step::Seal => drop(world.call(&SealAllowances)),
                Step::Restart => world.restart().unwrap(),
                Step::Fail { after, fault } => world.fail_after(after, fault),
                Step::Keep => kept = Some(world.device.records()),
                Step::RollBack => {
                    let Some(kept) = &kept else { continue };
                    let newest = world.device.records();
                    world.device.restore(kept);
                    if let Err(refusal) = world.restart() {
                        prop_assert_eq!(refusal, Status::RollbackDetected);
                        world.device.restore(&newest);
                        world.restart().unwrap();
                    }
                }
            }
            if let Ok(Allowances { allowances }) = world.call(&GetAllowances) {
                for allowance in &*allowances {
                    let books = books.get_mut(&allowance.deployment).unwrap();
                    prop_assert!(books.totals.contains(&allowance.granted.0));
                    books.granted(allowance.granted.0);
                    prop_assert!(allowance.spent <= allowance.sealed && books.sum <= allowance.spent.0);
                    let forfeitable = allowance.sealed.0 - allowance.spent.0;
                    prop_assert!(forfeitable <= allowance.remaining().0 / 16);
                }
            }
        }
    });
    assert!(signed_at_all.get() > sequences, "too little was signed to prove anything");
}
