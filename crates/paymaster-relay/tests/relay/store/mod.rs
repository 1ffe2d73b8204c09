//! One suite for every store of sponsorships: a test for each guarantee of the port `Store`.
//! Another implementation is a [`Storage`] and one more line of `promises!` at the end.

mod known_blocks;
mod ledger;
mod model;
mod outbox;
mod reserving;
pub mod samples;
mod settling;
mod signing;
pub mod spending;

use std::sync::Arc;

use async_trait::async_trait;
use paymaster_relay::store::{SqliteStore, Store};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// The storage of one test.
#[async_trait]
pub trait Storage: Sync {
    /// Opens a store on the existing data, as after a restart: the previous one is closed.
    async fn open(&self) -> Arc<dyn Store>;

    /// Checks the implementation's redundant data after each test.
    async fn check(&self);
}

struct SqliteFile {
    dir: TempDir,
    open: Mutex<Option<SqliteStore>>,
}

impl SqliteFile {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), open: Mutex::default() }
    }
}

#[async_trait]
impl Storage for SqliteFile {
    async fn open(&self) -> Arc<dyn Store> {
        let mut open = self.open.lock().await;
        if let Some(before) = open.take() {
            before.database().close().await;
        }
        let store = SqliteStore::open(&self.dir.path().join("relay.db")).await.unwrap();
        Arc::new(open.insert(store).clone())
    }

    async fn check(&self) {
        let store = self.open.lock().await.take().expect("the test opened it");
        crate::counters::counters(&store).await;
        crate::counters::monthly_totals(&store).await;
    }
}

/// The tests of one implementation: every guarantee, by file.
macro_rules! promises {
    ($implementation:ident, $storage:expr) => {
        mod $implementation {
            use super::{SqliteFile, Storage as _};

            promises! { @tests $storage;
                reserving:
                    a_reservation_is_found_as_it_was_recorded,
                    a_principal_has_one_open_sponsorship_per_intent,
                    no_principal_takes_the_intent_or_idempotency_key_of_another,
                    a_key_stands_for_one_intent_until_its_sponsorship_is_released,
                    a_key_is_told_to_be_mined_once_its_sponsorship_is,
                    a_key_is_noted_where_there_is_none,
                    a_key_of_another_intent_is_not_noted,
                    a_key_that_a_settled_sponsorship_of_the_intent_has_needs_no_note,
                    shared_principals_have_a_key_space_per_sender,
                    a_key_stays_with_what_was_settled_when_its_intent_is_sponsored_once_more,
                    each_reservation_is_counted_where_it_belongs_and_no_longer_than_it_is_open,
                    a_reservation_is_counted_once_in_each_counter_that_its_limits_name,
                    the_first_limit_that_does_not_hold_is_told,
                    a_refused_request_leaves_no_trace,
                    reservations_at_once_never_exceed_the_deposit,
                    one_of_equal_concurrent_requests_is_recorded,
                    nothing_is_recorded_to_see_what_would_be,
                    a_value_that_cannot_be_recorded_fails_alone,
                    reservations_of_one_deployment_are_none_of_another,
                    the_same_contracts_on_another_chain_are_another_deployment,
                    an_idempotency_key_stands_for_one_intent_on_each_chain,
                    an_answer_survives_a_restart;
                signing:
                    signings_begin_as_often_as_allowed_and_no_more,
                    signings_that_begin_at_once_are_counted,
                    a_signed_sponsorship_is_found_with_its_terms,
                    a_renewed_sponsorship_has_another_window_and_no_answer,
                    signatures_on_other_terms_are_not_recorded,
                    a_signing_without_an_answer_keeps_the_reservation,
                    a_missing_sponsorship_is_neither_signed_nor_renewed_nor_released;
                settling:
                    a_window_lasts_to_its_last_second,
                    only_reservations_of_these_contracts_expire,
                    an_expired_sponsorship_is_listed_and_released_or_settled_once,
                    what_was_mined_at_other_contracts_is_closed_once_it_is_final,
                    an_operation_sponsored_for_several_is_that_of_each,
                    an_operation_is_that_of_its_sponsorship_before_and_after_a_renewal,
                    a_mined_operation_is_counted_until_its_block_is_final,
                    a_signature_from_before_a_renewal_is_settled_too,
                    a_released_sponsorship_is_settled_if_it_is_mined_after_all,
                    the_same_blocks_may_be_recorded_again,
                    settlement_begins_at_the_block_of_the_first_reservation_and_moves_on,
                    a_settled_sponsorship_is_found_while_its_window_lasts,
                    each_chain_settles_and_releases_its_own;
                ledger:
                    a_mined_operation_is_booked_to_the_wei,
                    each_state_is_told_and_asked_for,
                    pages_continue_where_they_ended,
                    an_operation_sponsored_for_several_is_paid_for_once,
                    totals_follow_what_is_settled_again,
                    of_operations_with_one_nonce_that_no_log_shows_one_has_a_cost,
                    bookings_are_found_by_every_hash_that_was_signed,
                    spending_is_summed_by_the_hour_of_the_request,
                    how_operations_of_an_account_ended_is_counted_by_day,
                    the_last_reconciled_block_survives_a_restart,
                    old_sponsorships_are_forgotten_and_stay_in_the_totals,
                    nothing_is_forgotten_that_an_open_reservation_or_a_comparison_may_need,
                    a_key_of_a_forgotten_sponsorship_still_stands_for_its_intent;
                spending:
                    a_policy_spends_no_more_than_its_limit_in_a_window_and_again_in_the_next,
                    a_refused_sponsorship_counts_nowhere_and_a_limit_in_another_unit_names_itself,
                    a_policys_total_is_freed_by_releases_and_not_by_time,
                    what_was_spent_is_the_worst_case_until_the_block_is_final_and_the_cost_from_then_on,
                    dollars_are_rounded_up_at_the_price_of_the_reservation,
                    what_is_released_is_not_spent_unless_it_was_mined_after_all,
                    a_settlement_without_a_log_spends_what_it_says,
                    no_settlement_spends_more_than_was_reserved,
                    a_renewal_and_more_signings_are_spent_once_in_the_first_window,
                    wei_are_spent_on_one_chain_and_operations_on_all,
                    each_policy_sender_and_principal_spends_its_own,
                    concurrent_reservations_never_exceed_a_limit_by_a_unit,
                    a_window_is_forgotten_once_it_is_over_and_nothing_in_it_is_open;
                known_blocks:
                    blocks_are_told_from_the_lowest_on_and_keep_their_hash,
                    blocks_read_from_another_chain_are_reread,
                    blocks_of_one_chain_are_none_of_another;
                outbox:
                    each_end_of_a_sponsorship_with_a_webhook_is_one_event,
                    an_event_is_due_until_it_is_forgotten_or_too_old,
                    of_a_reservation_that_no_webhook_approved_none_is_told;
            }
        }
    };
    (@tests $storage:expr; $($group:ident: $($promise:ident),+;)+) => {
        $($(
            #[tokio::test]
            async fn $promise() {
                let storage = $storage;
                crate::store::$group::$promise(&storage).await;
                storage.open().await.ready().await.unwrap();
                storage.check().await;
            }
        )+)+
    };
}

promises!(sqlite, SqliteFile::new());
