//! What gateway and TEE report about themselves.

mod health;

use proto::command::{Phase, Protection, SecurityState};
use proto::{Hash, TeeId};
use serde::{Deserialize, Serialize};

pub use health::HealthStatus;

/// How a gateway names itself.
pub const SERVICE: &str = "super-relay-kms";

/// Asks for [`Health`].
#[derive(Clone, Copy, Debug)]
pub struct GetHealth;

/// With HTTP status 200 when the TEE answers and protects what it must, else with 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// What every version of the gateway answers.
    #[serde(flatten)]
    pub service: ServiceStatus,
    /// Which TEE it is; this and the following are `None` when the TEE does not answer.
    pub tee_id: Option<TeeId>,
    /// `simulator` or `optee`.
    pub tee_mode: String,
    /// Whose key signed the trusted application, as far as it says.
    pub ta_key: Option<TaKey>,
    /// The TEE's own report.
    pub protection: Option<ProtectionReport>,
    /// Which commands the TEE takes.
    pub phase: Option<Phase>,
    /// The gateway's.
    pub version: String,
}

/// Which service it is, and how it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// How it is.
    pub status: HealthStatus,
    /// [`SERVICE`].
    pub service: String,
}

impl ServiceStatus {
    /// Of a KMS gateway.
    #[must_use]
    pub fn new(status: HealthStatus) -> Self {
        Self { status, service: SERVICE.to_owned() }
    }

    /// Whether it is a KMS gateway's. Other services have `/health` too.
    #[must_use]
    pub fn is_of_kms(&self) -> bool {
        self.service == SERVICE
    }
}

/// What the TEE says that it protects, and how well. No quote covers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectionReport {
    /// Confidentiality and integrity of what is stored.
    pub storage: Protection,
    /// Whether an older snapshot of the storage is refused.
    pub rollback: Protection,
    /// Of the clock; the trusted application uses none.
    pub time: Protection,
}

impl From<&SecurityState> for ProtectionReport {
    fn from(state: &SecurityState) -> Self {
        Self { storage: state.storage, rollback: state.rollback, time: state.time }
    }
}

/// Whose key the trusted application was signed with, as its build noted down in it.
///
/// A note and no proof: it keeps operators from mistakes. That nothing else is loaded is for the
/// key that the secure world was built with, and who doubts it asks for an attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TaKey {
    /// The operator's.
    Own,
    /// The development kit's, which is public.
    Development,
}

impl TaKey {
    /// As in docs/api.md.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Development => "development",
        }
    }

    /// From the build metadata of a version (Semantic Versioning 2.0.0, item 10): `0.1.0+own-key`.
    /// `None` where nothing is signed, as in the simulator.
    #[must_use]
    pub fn of_version(version: &str) -> Option<Self> {
        match version.split_once('+')?.1 {
            "own-key" => Some(Self::Own),
            "development-key" => Some(Self::Development),
            _ => None,
        }
    }
}

/// Asks for [`Version`].
#[derive(Clone, Copy, Debug)]
pub struct GetVersion;

/// Gateway and trusted application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// [`SERVICE`].
    pub service: String,
    /// The gateway's.
    pub version: String,
    /// The trusted application.
    pub tee: TeeVersion,
}

/// Which TEE it is, and what runs there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeeVersion {
    /// Which TEE it is.
    pub id: TeeId,
    /// `simulator` or `optee`.
    pub mode: String,
    /// Semantic version of the trusted application.
    pub version: String,
    /// Of the code that runs.
    pub measurement: Hash,
    /// The TEE's own report.
    pub protection: ProtectionReport,
}

/// Asks for [`Stats`].
#[derive(Clone, Copy, Debug)]
pub struct GetStats;

/// Counts for operators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Accounts made through this gateway, as of 5 s ago at most.
    pub accounts: u64,
    /// The audit.
    pub audit: AuditStats,
    /// The queue to the TEE.
    pub queue: QueueStatus,
}

/// The newest row of the audit: kept elsewhere, it shows rows cut off at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditStats {
    /// Rows.
    pub rows: u64,
    /// The hash of the last one, which follows from all before it.
    pub head: Hash,
}

/// Asks for [`QueueStatus`].
#[derive(Clone, Copy, Debug)]
pub struct GetQueueStatus;

/// The queue to the TEE.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// Calls waiting or being answered.
    pub queue_depth: usize,
    /// How long a call sent now waits for its reply.
    pub estimated_wait_seconds: f64,
    /// How long one call waited, of late.
    pub average_wait_seconds: f64,
    /// Whether calls are refused at once: the TEE is stuck or gone, or was and has not answered
    /// since.
    pub circuit_breaker_open: bool,
    /// Calls without a reply since the last one that had a reply.
    pub consecutive_failures: u64,
    /// Sessions opened in place of one that was lost.
    pub reopened: u64,
}

/// Asks for [`RollbackCounter`].
#[derive(Clone, Copy, Debug)]
pub struct GetRollbackCounter;

/// Admin commands that took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackCounter {
    /// The next admin command is signed for one more.
    pub counter: u64,
}
