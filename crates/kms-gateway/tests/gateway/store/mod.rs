//! One suite for every implementation of the gateway's storage: a test for each guarantee of the
//! ports in `kms_gateway::store`. Another implementation is a [`Storage`] and one more line of
//! `promises!` at the end.

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

/// The storage of one test.
#[async_trait]
pub trait Storage: Sync {
    /// Opens a store on the existing data, as after a restart: the previous one is closed.
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

/// The tests of one implementation: every guarantee, by file.
macro_rules! promises {
    ($implementation:ident, $storage:expr) => {
        mod $implementation {
            use super::{SqliteFile, Storage as _};

            promises! { @tests $storage;
                nonces:
                    a_nonce_is_valid_once_while_it_is_held,
                    nonces_of_different_keys_are_independent,
                    of_equal_concurrent_claims_one_is_fresh,
                    a_released_nonce_is_valid_again,
                    a_nonce_is_released_only_by_its_own_claim,
                    a_nonce_stays_used_after_a_restart_and_after_the_clock_was_ahead;
                accounts:
                    an_account_is_found_by_its_id_and_by_its_credential,
                    entries_of_the_index_never_change,
                    a_new_account_has_one_row_in_the_audit,
                    accounts_saved_concurrently_are_all_there_after_a_restart;
                creations:
                    a_creation_is_found_until_its_account_is_in_the_index,
                    a_creation_is_kept_once_for_each_registration,
                    a_creation_is_forgotten_by_its_registration,
                    creations_are_found_when_their_registrations_expired_or_the_clock_was_ahead,
                    a_limited_number_is_found_least_recently_tried_first,
                    creations_survive_a_restart;
                permits:
                    an_authoriser_creates_accounts_up_to_its_limit,
                    permission_for_one_credential_is_counted_once,
                    an_invitation_can_be_used_up_to_its_maximum,
                    concurrent_requests_share_a_limit_and_an_invitation,
                    permissions_granted_while_the_clock_was_ahead_do_not_count_now,
                    uses_are_remembered_after_a_restart;
                audit:
                    each_row_follows_from_the_one_before_it,
                    the_same_decisions_have_the_same_hashes_everywhere,
                    decisions_recorded_concurrently_form_one_chain,
                    a_decision_and_its_nonce_are_recorded_together_or_neither_is,
                    the_admin_counter_follows_from_the_last_effect,
                    the_chain_continues_after_a_restart;
                keys:
                    the_key_of_registrations_is_random_and_stays,
                    the_first_tee_stays_until_it_is_forgotten;
                all:
                    a_store_that_is_closed_writes_nothing,
                    a_working_store_passes_its_probe;
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
