//! Properties 6 and 11: ceilings hold whatever the relay and the host say, and no clock matters.

use proto::bytes::BoundedList;
use proto::command::{Ceilings, Deployment, SignatureScheme, Sponsor};
use proto::limits::MAX_GAS_FIELD;
use proto::paymaster::{MAX_TIMESTAMP, WINDOW_SLACK};
use proto::{Address, Bounded, EntryPointVersion, Init, Status, Terms, Wei, worst_case_cost};

use crate::support::requests::{NOW, sign, sponsor};
use crate::support::world::{MAX_COST, MAX_WINDOW, ceilings, no_signature, provision, relying_party, signed};
use crate::support::{Draft, World, deployment};

const YEARS: u64 = 365 * 24 * 3600;

/// The status of a sponsorship that both approve after it was modified.
fn attempt(world: &mut World, version: EntryPointVersion, bend: impl FnOnce(&mut Sponsor)) -> Option<Status> {
    let passkey = crate::support::Passkey::numbered(0x41);
    let relay = world.relay.clone();
    let mut command = sponsor(version, "alice", 0);
    bend(&mut command);
    world.call(&command.approved(&passkey, &relay)).err()
}

fn world() -> World {
    World::with_account(SignatureScheme::Eip191).0
}

#[test]
pub fn only_the_deployments_of_the_ceilings_are_signed_for() {
    let mut world = world();
    for version in EntryPointVersion::ALL {
        let other = if version == EntryPointVersion::V07 { EntryPointVersion::V08 } else { EntryPointVersion::V07 };
        let bends: [fn(&mut Sponsor, EntryPointVersion); 4] = [
            |command, _| command.entry_point.chain_id = 1,
            |command, _| command.entry_point.address = Address([0x99; 20]),
            |command, _| command.terms.paymaster = Address([0x99; 20]),
            |command, other| command.entry_point.version = other,
        ];
        for bend in bends {
            let status = attempt(&mut world, version, |command| {
                command.terms.verification_gas_limit = 0;
                bend(command, other);
            });
            assert_eq!(status, Some(Status::DeploymentNotAllowed), "{version}");
        }
        assert_eq!(attempt(&mut world, version, |_| {}), None);
    }
}

#[test]
pub fn an_account_signs_only_for_entry_points_of_the_ceilings() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let relay = world.relay.clone();
    let mut elsewhere = sign(EntryPointVersion::V07, "alice", 0);
    elsewhere.entry_point.chain_id = 1;
    let mut otherwise = sign(EntryPointVersion::V07, "alice", 0);
    otherwise.entry_point.version = EntryPointVersion::V08;
    for command in [elsewhere, otherwise] {
        assert_eq!(world.call(&command.approved(&passkey, &relay)), Err(Status::DeploymentNotAllowed));
    }
}

#[test]
pub fn the_worst_case_may_cost_the_ceiling_and_not_a_wei_more() {
    let mut world = world();
    for version in EntryPointVersion::ALL {
        let honest = sponsor(version, "alice", 0);
        let Wei(cost) = worst_case_cost(&honest.op, version, &honest.terms).unwrap();
        assert!(cost < MAX_COST);
        for (max_cost, refusal) in [(cost, None), (cost - 1, Some(Status::CostAboveCeiling))] {
            world.set_ceilings(Ceilings { max_cost: Wei(max_cost), ..ceilings() }).unwrap();
            assert_eq!(attempt(&mut world, version, |_| {}), refusal, "{version}");
        }
        world.set_ceilings(Ceilings { max_cost: Wei(u128::MAX), ..ceilings() }).unwrap();
        let overflowing = attempt(&mut world, version, |command| {
            command.op.call_gas_limit = MAX_GAS_FIELD;
            command.op.max_fee_per_gas = MAX_GAS_FIELD;
        });
        assert_eq!(overflowing, Some(Status::CostAboveCeiling), "{version}");
    }
}

#[test]
pub fn the_window_contains_the_relay_s_time_and_is_no_wider_than_the_ceiling() {
    let mut world = world();
    let width = u64::from(MAX_WINDOW);
    let cases = [
        ((NOW - 60, NOW + width), None),
        ((NOW, NOW), None),
        ((NOW + 1 - width - WINDOW_SLACK, NOW + 1), None),
        ((NOW - width - WINDOW_SLACK, NOW + 1), Some(Status::WindowTooWide)),
        ((0, NOW + 1), Some(Status::WindowTooWide)),
        ((NOW - 61, NOW + width), Some(Status::WindowTooWide)),
        ((NOW - 60, NOW + width + 1), Some(Status::WindowTooWide)),
        ((NOW - 60, MAX_TIMESTAMP), Some(Status::WindowTooWide)),
        ((NOW + 1, NOW + 60), Some(Status::WindowInvalid)),
        ((NOW - 60, NOW - 1), Some(Status::WindowInvalid)),
        ((NOW - 60, 0), Some(Status::WindowInvalid)),
        ((NOW - 60, MAX_TIMESTAMP + 1), Some(Status::WindowInvalid)),
        ((NOW - 60, u64::MAX), Some(Status::WindowInvalid)),
        ((u64::MAX, NOW + 60), Some(Status::WindowInvalid)),
    ];
    for version in EntryPointVersion::ALL {
        for ((valid_after, valid_until), refusal) in cases {
            let status = attempt(&mut world, version, |command| {
                command.terms = Terms { valid_after, valid_until, ..command.terms };
            });
            assert_eq!(status, refusal, "{version} {valid_after} to {valid_until}");
        }
        // "Forever" is a validUntil of 0, which no timestamp makes valid.
        let forever = attempt(&mut world, version, |command| {
            command.terms = Terms { valid_after: 0, valid_until: 0, ..command.terms };
            command.approval.timestamp = 0;
        });
        assert_eq!(forever, Some(Status::WindowInvalid));
    }
}

/// Property 14: without the bound, a relay key could obtain signatures for windows of decades,
/// usable at any time in them.
#[test]
pub fn no_window_is_wider_than_the_ceiling_wherever_it_lies_on_the_time_axis() {
    let mut world = world();
    let widest = u64::from(MAX_WINDOW) + WINDOW_SLACK;
    for version in EntryPointVersion::ALL {
        for end in [NOW + 1, NOW + 30 * YEARS, MAX_TIMESTAMP] {
            for (width, refusal) in
                [(widest, None), (widest + 1, Some(Status::WindowTooWide)), (end, Some(Status::WindowTooWide))]
            {
                let status = attempt(&mut world, version, |command| {
                    command.approval.timestamp = end;
                    command.terms = Terms { valid_after: end - width, valid_until: end, ..command.terms };
                });
                assert_eq!(status, refusal, "{version}: {width} s until {end}");
            }
        }
    }
}

#[test]
pub fn a_time_ten_years_off_changes_no_authorisation() {
    let mut world = world();
    for off in [NOW - 10 * YEARS, NOW + 10 * YEARS, 0, u64::MAX] {
        // The relay's approval covers its timestamp: with another one, the recovered signer
        // differs.
        let passkey = crate::support::Passkey::numbered(0x41);
        let approved = sponsor(EntryPointVersion::V07, "alice", 0).approved(&passkey, &world.relay.clone());
        assert!(world.call(&approved.at(off)).is_err(), "{off}");
        // A relay whose clock is wrong still gets only the narrow window around its timestamp.
        let status = attempt(&mut world, EntryPointVersion::V07, |command| command.approval.timestamp = off);
        assert_eq!(status, Some(Status::WindowInvalid), "{off}");
    }
    let past = NOW - 10 * YEARS;
    let status = attempt(&mut world, EntryPointVersion::V07, |command| {
        command.approval.timestamp = past;
        command.terms = Terms { valid_after: past, valid_until: past + 60, ..command.terms };
    });
    assert_eq!(status, None, "a window that ended ten years ago: the EntryPoint refuses it");
}

#[test]
pub fn terms_and_operations_that_the_entry_point_cannot_represent_are_refused() {
    let mut world = world();
    world.set_ceilings(Ceilings { max_cost: Wei(u128::MAX), ..ceilings() }).unwrap();
    let terms: [fn(&mut Terms); 2] =
        [|terms| terms.verification_gas_limit = 1 << 120, |terms| terms.post_op_gas_limit = 1 << 120];
    for version in EntryPointVersion::ALL {
        for bend in terms {
            let status = attempt(&mut world, version, |command| bend(&mut command.terms));
            assert_eq!(status, Some(Status::TermsInvalid), "{version}");
        }
        let overflow = attempt(&mut world, version, |command| command.op.call_gas_limit = 1 << 120);
        assert_eq!(overflow, Some(Status::OperationInvalid), "{version}");
        let present = attempt(&mut world, version, |command| command.op.paymaster = Some(command.terms.unsigned()));
        assert_eq!(present, Some(Status::PaymasterPresent), "{version}");
    }
    for gas in [1, MAX_GAS_FIELD] {
        let v06 = EntryPointVersion::V06;
        assert_eq!(
            attempt(&mut world, v06, |command| command.terms.verification_gas_limit = gas),
            Some(Status::TermsInvalid)
        );
        assert_eq!(
            attempt(&mut world, v06, |command| command.terms.post_op_gas_limit = gas),
            Some(Status::TermsInvalid)
        );
    }
    for version in [EntryPointVersion::V06, EntryPointVersion::V07] {
        let delegated = attempt(&mut world, version, |command| {
            command.op.init = Init::Eip7702 { delegate: Address([1; 20]), data: Bounded::default() };
        });
        assert_eq!(delegated, Some(Status::OperationInvalid), "{version}");
    }
}

#[test]
pub fn ceilings_that_allow_nothing_or_contradict_themselves_are_refused() {
    let mut world = world();
    let deployments = |list: Vec<Deployment>| Ceilings { deployments: BoundedList::new(list).unwrap(), ..ceilings() };
    let one = deployment(EntryPointVersion::V07);
    let mut as_v08 = Deployment { paymaster: Address([0x58; 20]), ..one };
    as_v08.entry_point.version = EntryPointVersion::V08;
    let mut nowhere = one;
    nowhere.entry_point.address = Address::default();
    let refused = [
        deployments(vec![]),
        deployments(vec![one, one]),
        deployments(vec![one, as_v08]),
        Ceilings { max_cost: Wei(0), ..ceilings() },
        Ceilings { max_window: 0, ..ceilings() },
        deployments(vec![Deployment { paymaster: Address::default(), ..one }]),
        deployments(vec![nowhere]),
    ];
    let counter = world.state().counter;
    for ceilings in refused {
        assert_eq!(world.set_ceilings(ceilings.clone()), Err(Status::CeilingsInvalid), "{ceilings:?}");
        let mut fresh = World::new();
        let mut command = provision(fresh.tee_id, fresh.admin.address(), 1);
        command.ceilings = ceilings;
        assert_eq!(fresh.call(&signed(command, &fresh.admin.clone())), Err(Status::CeilingsInvalid));
    }
    assert_eq!(world.state().counter, counter, "a refused command spends no count");
    let second = Deployment { paymaster: Address([0x58; 20]), ..one };
    assert_eq!(world.set_ceilings(deployments(vec![one, second])), Ok(()));
    assert_eq!(attempt(&mut world, EntryPointVersion::V06, |_| {}), Some(Status::DeploymentNotAllowed));
}

#[test]
pub fn relying_parties_that_no_passkey_could_come_from_are_refused() {
    let many: Vec<String> = (0..16).map(|index| format!("https://{index}.{}", "a".repeat(250))).collect();
    let origins: Vec<&str> = many.iter().map(String::as_str).collect();
    let crowd = (0..16).map(|index| relying_party(&format!("{index}.example"), &origins)).collect();
    let cases = [
        (vec![], Status::CeilingsInvalid),
        (vec![relying_party("a.example", &[])], Status::CeilingsInvalid),
        (vec![relying_party("", &["https://a.example"])], Status::CeilingsInvalid),
        (vec![relying_party("a.example", &[""])], Status::CeilingsInvalid),
        (vec![relying_party("a.example", &["https://a.example"]); 2], Status::CeilingsInvalid),
        // They would leave no room in the reply that lists them.
        (crowd, Status::TooLarge),
    ];
    for (parties, status) in cases {
        let mut world = World::new();
        let mut command = provision(world.tee_id, world.admin.address(), 1);
        command.relying_parties = BoundedList::new(parties).unwrap();
        command.signature = no_signature();
        assert_eq!(world.call(&signed(command, &world.admin.clone())), Err(status));
        assert_eq!(world.provision(), Ok(()));
    }
}
