//! Starting over with another TEE: for an operator who knows that the one before is gone.

use std::path::Path;

use proto::Address;
use thiserror::Error;

use super::{DATABASE, Gateway};
use crate::store::{Store, StoreError};

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
        let served = store.served_tee().await?;
        let outcome = match served {
            Some(served) if served == paymaster_signer => store.forget_tee().await.map_err(ForgetError::from),
            Some(served) => Err(ForgetError::Another { served }),
            None => Err(ForgetError::NoTee),
        };
        store.close().await;
        outcome
    }
}
