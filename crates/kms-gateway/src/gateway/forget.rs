//! Starting over with another TEE: for an operator who knows that the one before is gone.

use std::path::Path;

use proto::Address;
use thiserror::Error;
use uuid::Uuid;

use super::{DATABASE, Gateway};
use crate::clock::{Clock as _, SystemClock};
use crate::store::{Action, AuditRecord, Decision, Store, StoreError};

/// There is nothing to forget.
#[derive(Debug, Error)]
pub enum ForgetError {
    /// No gateway has its data there.
    #[error("there is no gateway's database in that folder (kms.data_dir)")]
    NoDatabase,
    /// No TEE was served yet.
    #[error("this gateway has served no TEE: whichever it finds is served")]
    NoTee,
    /// Another TEE was served.
    #[error("this gateway has served the TEE of paymaster signer {served}, not that one")]
    Another {
        /// Its paymaster signer.
        served: Address,
    },
    /// The database can't be opened or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Gateway {
    /// Has the gateway whose data is there forget the TEE that it served: from its next start on it serves whichever it
    /// finds. Whoever wants that has to say which TEE is forgotten.
    ///
    /// # Errors
    /// When it served another one or none.
    pub async fn forget_tee(data_dir: &Path, paymaster_signer: Address) -> Result<(), ForgetError> {
        let database = data_dir.join(DATABASE);
        if !database.is_file() {
            return Err(ForgetError::NoDatabase);
        }
        let store = Store::open(&database).await?;
        let outcome = forget(&store, paymaster_signer).await;
        store.close().await;
        outcome
    }
}

async fn forget(store: &Store, paymaster_signer: Address) -> Result<(), ForgetError> {
    match store.served_tee().await? {
        None => return Err(ForgetError::NoTee),
        Some(served) if served != paymaster_signer => return Err(ForgetError::Another { served }),
        Some(_) => {}
    }
    let row = AuditRecord {
        at: SystemClock.now(),
        request_id: Uuid::new_v4().to_string(),
        action: Action::ForgetTee,
        account_id: None,
        signer: Some(paymaster_signer),
        user_op_hash: None,
        context_hash: None,
        counters: None,
        decision: Decision::Allowed,
        reason: "ok",
    };
    // The row first: better one of something that was about to be done than none of what was.
    store.append_audit(row).await?;
    Ok(store.forget_tee().await?)
}
