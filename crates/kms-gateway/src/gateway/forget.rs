//! Switching to another TEE, for an operator who knows that the previous one is gone.

use std::path::Path;

use thiserror::Error;
use uuid::Uuid;

use super::decision::OK;
use super::{DATABASE, Gateway};
use crate::clock::{Clock as _, SystemClock};
use crate::store::{Action, AuditRecord, Counters, Decision, SqliteStore, Store, StoreError};
use crate::transport::TeeName;

/// Why there is nothing to forget.
#[derive(Debug, Error)]
pub enum ForgetError {
    /// No gateway has its data in that folder.
    #[error("there is no gateway's database in that folder (kms.data_dir)")]
    NoDatabase,
    /// No TEE was served yet.
    #[error("this gateway has served no TEE yet, so there is none to forget")]
    NoTee,
    /// Another TEE was served.
    #[error("this gateway has served {served}, not that one")]
    Another {
        /// The name of the TEE that was served.
        served: TeeName,
    },
    /// The database cannot be opened or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Gateway {
    /// Makes the gateway with this data forget the TEE that it served: from its next start it
    /// serves any TEE it finds. The caller has to name the TEE to forget.
    ///
    /// # Errors
    /// If it served another one, or none.
    pub async fn forget_tee(data_dir: &Path, name: TeeName) -> Result<(), ForgetError> {
        let database = data_dir.join(DATABASE);
        if !database.is_file() {
            return Err(ForgetError::NoDatabase);
        }
        let store = SqliteStore::open(&database).await?;
        let outcome = forget(&store, name).await;
        store.close().await;
        outcome
    }
}

async fn forget(store: &dyn Store, name: TeeName) -> Result<(), ForgetError> {
    let served = store.served_tee().await?.ok_or(ForgetError::NoTee)?;
    if served.name != name {
        return Err(ForgetError::Another { served: served.name });
    }
    // The next TEE begins at 0, which is no rollback.
    let from = store.audited_admin_counter().await?;
    let row = AuditRecord {
        at: SystemClock.now(),
        request_id: Uuid::new_v4().to_string(),
        action: Action::ForgetTee,
        account_id: None,
        signer: Some(served.paymaster_signer),
        user_op_hash: None,
        context_hash: None,
        counters: (from > 0).then_some(Counters { from, to: 0 }),
        left_out: 0,
        decision: Decision::Allowed,
        reason: OK,
    };
    // The row is written first: a row without its action is better than an action without a row.
    store.append_audit(row).await?;
    Ok(store.forget_tee().await?)
}
