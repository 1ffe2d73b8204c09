//! The layout of the system record.

use proto::TeeId;
use serde::{Deserialize, Serialize};

use crate::allowances::AllowanceRecords;
use crate::system::SystemRecord;

/// The system record as sealed, in the current layout.
#[derive(Serialize, Deserialize)]
pub(crate) struct StateRecord {
    /// Equals the monotonic counter while this record is the newest.
    pub(crate) version: u64,
    /// Drawn at the first start.
    pub(crate) tee_id: TeeId,
    /// Admin commands that took effect.
    pub(crate) admin_counter: u64,
    /// Absent before provisioning.
    pub(crate) system: Option<SystemRecord>,
    /// Follows the other fields in the layout that has them. Absent until the admin sets the first.
    #[serde(skip)]
    pub(crate) allowances: Option<AllowanceRecords>,
}

impl StateRecord {
    /// The record of a new TEE.
    pub(crate) fn new(tee_id: TeeId) -> Self {
        Self { version: 0, tee_id, admin_counter: 0, system: None, allowances: None }
    }
}
