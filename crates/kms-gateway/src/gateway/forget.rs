//! Starting over with another TEE: for an operator who knows that the one before is gone.

use std::path::Path;

use thiserror::Error;
use uuid::Uuid;

use super::{DATABASE, Gateway};
use crate::clock::{Clock as _, SystemClock};
use crate::store::{Action, AuditRecord, Decision, SqliteStore, Store, StoreError};
use crate::transport::TeeName;

/// There is nothing to forget.
#[derive(Debug, Error)]
pub enum ForgetError {
    /// No gateway has its data there.
    #[error("there is no gateway's database in that folder (kms.data_dir)")]
    NoDatabase,
    /// No TEE was served yet.
    #[error("this gateway has served no TEE yet, so there is none to forget")]
    NoTee,
    /// Another TEE was served.
    #[error("this gateway has served {served}, not that one")]
    Another {
        /// What that one is known by.
        served: TeeName,
    },
    /// The database can't be opened or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Gateway {
    /// Has the gateway whose data is there forget the TEE that it served: from its next start on it
    /// serves whichever it finds. Whoever wants that has to say which TEE is forgotten.
    ///
    /// # Errors
    /// When it served another one or none.
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
    let row = AuditRecord {
        at: SystemClock.now(),
        request_id: Uuid::new_v4().to_string(),
        action: Action::ForgetTee,
        account_id: None,
        signer: Some(served.paymaster_signer),
        user_op_hash: None,
        context_hash: None,
        counters: None,
        left_out: 0,
        decision: Decision::Allowed,
        reason: "ok",
    };
    // The row first: better one of something that was about to be done than none of what was.
    store.append_audit(row).await?;
    Ok(store.forget_tee().await?)
}
