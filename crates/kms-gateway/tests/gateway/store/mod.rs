//! One suite for every place the gateway keeps its memory: a test for each promise of the ports in
//! `kms_gateway::store`. Another implementation is a [`Storage`] and one more line of `promises!`
//! at the end.

mod accounts;
mod all;
mod audit;
mod creations;
mod keys;
mod nonces;
mod permits;
mod samples;

use std::sync::Arc;

use async_trait::async_trait;
use kms_gateway::store::{SqliteStore, Store};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// Where one test keeps what it puts into stores.
#[async_trait]
pub trait Storage: Sync {
    /// A store over what is there, as after a restart: the one before is closed.
    async fn open(&self) -> Arc<dyn Store>;
}

struct SqliteFile {
    folder: TempDir,
    open: Mutex<Option<Arc<SqliteStore>>>,
}

impl SqliteFile {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), open: Mutex::default() }
    }
}

#[async_trait]
impl Storage for SqliteFile {
    async fn open(&self) -> Arc<dyn Store> {
        let mut open = self.open.lock().await;
        if let Some(before) = open.take() {
            before.close().await;
        }
        let store = Arc::new(SqliteStore::open(&self.folder.path().join("gateway.sqlite")).await.unwrap());
        *open = Some(Arc::clone(&store));
        store
    }
}

/// The tests of one implementation: every promise, by the file that has it.
macro_rules! promises {
    ($implementation:ident, $storage:expr) => {
        mod $implementation {
            use super::{SqliteFile, Storage as _};

            promises! { @tests $storage;
                nonces:
                    a_nonce_is_good_once_while_it_is_held,
                    nonces_of_one_key_are_none_of_another,
                    of_equal_claims_at_once_one_is_fresh,
                    a_nonce_that_was_given_back_is_good_again,
                    a_nonce_is_given_back_by_its_own_claim_alone,
                    a_nonce_stays_used_after_a_restart_and_after_the_clock_was_ahead;
                accounts:
                    an_account_is_found_by_its_id_and_by_its_credential,
                    what_is_in_the_index_stays_as_it_is,
                    accounts_saved_at_once_are_all_there_after_a_restart;
                creations:
                    a_creation_is_found_until_its_account_is_in_the_index,
                    a_creation_is_kept_once_for_each_registration,
                    a_creation_is_forgotten_by_its_registration,
                    creations_are_found_when_their_registrations_are_over_or_of_a_clock_that_was_ahead,
                    a_few_are_found_at_once_and_those_that_were_tried_come_last,
                    what_was_noted_is_there_after_a_restart;
                permits:
                    an_authoriser_has_its_accounts_made_as_far_as_its_ration_goes,
                    leave_for_one_credential_is_counted_once,
                    an_invitation_is_used_as_often_as_it_is_good_for,
                    requests_at_once_share_a_ration_and_an_invitation,
                    what_was_given_while_the_clock_was_ahead_counts_against_no_ration_of_now,
                    uses_are_remembered_after_a_restart;
                audit:
                    each_row_follows_from_the_one_before_it,
                    the_same_decisions_have_the_same_hashes_everywhere,
                    decisions_recorded_at_once_stand_in_one_chain,
                    the_admin_counter_is_where_the_last_effect_left_it,
                    the_chain_goes_on_after_a_restart;
                keys:
                    the_key_of_registrations_is_random_and_stays,
                    the_first_tee_stays_until_it_is_forgotten;
                all:
                    a_store_that_is_closed_writes_nothing,
                    a_store_that_works_says_so;
            }
        }
    };
    (@tests $storage:expr; $($group:ident: $($promise:ident),+;)+) => {
        $($(
            #[tokio::test]
            async fn $promise() {
                let storage = $storage;
                crate::store::$group::$promise(&storage).await;
                storage.open().await.verify_audit_chain().await.unwrap();
            }
        )+)+
    };
}

promises!(sqlite, SqliteFile::new());
