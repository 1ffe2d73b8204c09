//! Property 12: the same frames give the same bytes. The frames that the properties below send are
//! recorded with every reply, and sent again to another core. `scripts/optee/tests/conformance`
//! writes the recording to a file and sends it to OP-TEE.

use std::collections::HashMap;

use proto::command::Protection;
use proto::{Bounded, Hash};
use ta::Platform;
use ta::memory::{MemoryDevice, SeededEntropy};

use crate::support::tape::{Chapter, Event, Recording, Tape, record};
use crate::support::world::{TestCore, platform};
use crate::{
    accounts, admin, allowances, approvals, batch, binding, ceilings, durability, fuzz, hostile_host, lists, messages,
    paymaster_keys, rollback, rotation, secrets, webauthn,
};

/// The file that the recording is written to, if any.
const FILE: &str = "RECORDING";
/// Version and measurement, in hex, of the trusted application that the file is for.
const BUILD: &str = "RECORDING_BUILD";

macro_rules! rules {
    ($($module:ident: $($rule:ident),+;)+) => {
        &[$($((concat!(stringify!($module), ": ", stringify!($rule)), $module::$rule)),+),+]
    };
}

/// Properties that touch the platform only through frames, and through faults, which are recorded
/// too.
const RULES: &[(&str, fn())] = rules! {
    accounts: the_same_registration_gives_the_same_account_and_writes_nothing,
        a_credential_has_one_account_and_one_key_and_an_account_id_one_credential,
        accounts_are_limited_by_the_ceiling,
        an_interrupted_creation_is_counted_and_frees_no_room,
        an_unknown_account_signs_nothing, an_account_signs_final_operations_in_its_own_scheme;
    admin: before_provisioning_only_queries_and_provisioning_are_accepted, it_is_provisioned_once_by_the_admin_it_names,
        only_the_admin_commands, a_relay_key_is_authorised_once_and_with_permissions,
        a_relay_key_has_no_other_role,
        relay_keys_are_limited_and_all_listed,
        a_revoked_key_approves_nothing_even_after_a_restart,
        a_rotation_needs_both_keys_and_the_permission_or_the_admin,
        a_key_with_the_permission_rotates_itself_but_not_with_a_false_admin_signature;
    allowances: without_an_allowance_nothing_is_counted_and_with_one_every_deployment_needs_one,
        an_allowance_is_spent_to_the_last_wei_on_every_entry_point,
        a_total_is_no_increment_and_one_below_what_is_spent_ends_everything,
        every_way_to_a_signature_is_charged, a_repetition_is_charged_once_until_the_core_forgets_it,
        what_was_spent_on_a_deployment_stays_while_the_ceilings_lack_it;
    approvals: the_admin_s_signature_for_one_opcode_is_invalid_for_another, an_admin_command_works_once,
        a_gesture_for_sponsoring_signs_no_self_paid_operation,
        nothing_is_signed_with_the_zero_address_as_paymaster, a_gesture_for_another_s_paymaster_gets_no_sponsorship,
        a_relay_s_approval_to_sponsor_does_not_approve_signing, a_registration_is_not_an_approval,
        a_replay_gives_the_same_bytes_and_writes_nothing, the_relay_alone_signs_nothing, the_user_alone_signs_nothing,
        a_relay_key_may_do_only_what_the_admin_permitted, a_relay_signature_has_one_form;
    batch: each_frame_gets_the_reply_it_gets_alone,
        irreversible_commands_in_a_batch_are_refused_and_the_rest_answered,
        a_batch_whose_replies_might_not_fit_is_refused_before_anything_is_done,
        a_batch_is_bounded_in_frames_and_in_bytes;
    binding: an_approval_for_one_entry_point_or_chain_is_invalid_for_another, an_approval_for_one_account_is_invalid_for_another;
    ceilings: only_the_deployments_of_the_ceilings_are_signed_for,
        an_account_signs_only_for_entry_points_of_the_ceilings,
        the_worst_case_may_cost_the_ceiling_and_not_a_wei_more,
        the_window_contains_the_relay_s_time_and_is_no_wider_than_the_ceiling,
        a_time_ten_years_off_changes_no_authorisation,
        terms_and_operations_that_the_entry_point_cannot_represent_are_refused,
        ceilings_that_allow_nothing_or_contradict_themselves_are_refused,
        relying_parties_that_no_passkey_could_come_from_are_refused;
    durability: killed_at_any_write_it_keeps_what_it_acknowledged_and_recovers,
        a_failed_command_takes_effect_once_then_or_when_repeated, no_signature_is_returned_before_the_count_is_sealed;
    fuzz: random_frames_get_a_refusal, mutated_frames_of_every_opcode_get_a_reply,
        mutated_frames_in_a_batch_get_the_replies_they_get_alone, invalid_frames_are_refused_as_such;
    messages: a_message_is_signed_in_the_form_that_was_approved,
        a_message_of_the_length_of_an_operation_s_hash_is_refused_in_every_form,
        messages_without_a_byte_and_with_too_many_are_refused, the_domain_of_an_entry_point_is_refused,
        no_digest_of_a_message_is_one_that_an_account_checks_for_an_operation,
        an_approval_of_a_message_signs_no_operation, an_approval_of_an_operation_signs_no_message,
        an_approval_of_one_message_form_domain_or_account_is_invalid_for_another,
        a_message_needs_an_account_and_its_passkey,
        a_replayed_approval_of_a_message_gives_the_same_bytes_and_a_count_is_used_once;
    lists: one_gesture_approves_every_operation_of_its_list_on_every_entry_point,
        an_operation_that_is_not_in_the_list_is_refused, a_list_that_the_passkey_did_not_approve_is_refused,
        the_approval_of_one_operation_approves_no_list_and_the_hash_of_a_list_no_operation,
        a_list_approves_no_message, a_list_approves_only_for_the_account_of_each_operation,
        the_relay_approves_each_operation_of_a_list_by_itself,
        once_another_count_approved_the_rest_of_a_list_is_refused,
        a_list_of_another_length_or_with_duplicates_does_not_parse;
    paymaster_keys: a_standby_is_attested_and_signs_nothing_before_it_takes_over,
        only_the_standby_that_was_named_takes_over,
        killed_at_any_write_there_is_one_paymaster_key_and_it_is_the_old_one_or_the_new_one;
    rollback: an_admin_s_signature_stays_valid_over_a_restart;
    rotation: a_stolen_key_cannot_outrun_its_revocation, pending_admin_signatures_stay_valid_while_keys_rotate,
        replicas_rotate_their_keys_at_the_same_time,
        a_rotation_is_valid_once_even_after_the_key_was_removed_and_added_again, a_record_s_number_is_never_used_again,
        a_revocation_names_the_record_and_the_key_it_was_made_for;
    secrets: no_reply_carries_entropy_or_key_material, keys_come_from_the_platform_s_entropy_and_from_nothing_else,
        no_command_signs_a_digest_of_the_host_s_choosing;
    webauthn: flags_and_origins_that_do_not_prove_the_user_s_approval_are_refused,
        extensions_and_every_origin_of_the_relying_party_are_fine, a_passkey_that_may_be_synced_stays_so,
        extra_client_data_keys_are_ignored_and_cross_origin_frames_refused,
        client_data_that_no_browser_writes_is_refused, escapes_in_client_data_are_read_as_json_reads_them,
        a_challenge_has_one_encoding,
        only_the_account_s_key_signs_for_it, either_form_of_s_is_accepted_and_gives_the_same_bytes,
        a_count_never_decreases_even_over_a_restart,
        a_repeated_count_is_a_clone_with_another_challenge_and_a_replay_with_the_same,
        the_registration_s_count_is_not_valid_for_an_approval, a_count_is_stored_only_if_every_other_check_passed,
        a_registration_must_be_consistent, only_canonical_es256_keys_on_the_curve_are_keys;
    hostile_host: nothing_is_signed_that_was_not_approved;
};

#[test]
fn the_same_frames_give_another_core_s_bytes() {
    let platform = std::env::var(BUILD).map_or_else(|_| platform(), |build| optee(&build));
    let chapters = RULES.iter().map(|(name, rule)| {
        let tapes = record(platform.clone(), rule);
        Chapter { name: (*name).to_owned(), tapes }
    });
    let recording = Recording(chapters.collect());
    let bytes = recording.encode();
    let recording = Recording::decode(&bytes);

    for Chapter { name, tapes } in &recording.0 {
        let mut kept = HashMap::new();
        let frames: usize = tapes.iter().map(|tape| play(tape, &platform, &mut kept)).sum();
        assert!(frames > 0, "{name} sends nothing");
    }
    assert!(recording.0.last().unwrap().tapes.len() > hostile_host::RECORDED as usize);
    if let Some(file) = std::env::var_os(FILE) {
        std::fs::write(file, bytes).unwrap();
    }
}

/// The platform facts of OP-TEE in QEMU for that build.
fn optee(build: &str) -> Platform {
    let (version, measurement) = build.split_once(' ').unwrap();
    let measurement = hex::decode(measurement.trim_start_matches("0x")).unwrap();
    Platform {
        version: Bounded::new(version.to_owned()).unwrap(),
        measurement: Hash(measurement.try_into().unwrap()),
        storage: Protection::SecureWorld,
        rollback: Protection::None,
        time: Protection::Hardware,
    }
}

/// Replays the tape on another core and compares the replies; returns how many frames it took.
fn play(tape: &Tape, platform: &Platform, kept: &mut HashMap<u32, MemoryDevice>) -> usize {
    let (mut device, mut core, mut frames) = (MemoryDevice::default(), None::<TestCore>, 0);
    for event in tape {
        match event {
            Event::Empty => device = MemoryDevice::default(),
            Event::Restore(number) => device = kept[number].fork(),
            Event::Keep(number) => drop(kept.insert(*number, device.fork())),
            Event::Open { seed } => {
                device.revive();
                let (entropy, platform) = (SeededEntropy::new(*seed), platform.clone());
                core = Some(ta::Core::open(device.store(), entropy, device.counter(), platform).unwrap());
            }
            Event::Fail { after, fault } => device.fail_after(*after, *fault),
            Event::Frame { frame, reply } => {
                frames += 1;
                assert_eq!(core.as_mut().unwrap().handle(frame), *reply);
            }
        }
    }
    frames
}
