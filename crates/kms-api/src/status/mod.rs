//! The reports of gateway and TEE about themselves.

mod health;

use proto::command::{Phase, Protection, SecurityState};
use proto::{Hash, TeeId};
use serde::{Deserialize, Serialize};

pub use health::HealthStatus;

/// The gateway's service name.
pub const SERVICE: &str = "super-relay-kms";

/// Requests [`Health`].
#[derive(Clone, Copy, Debug)]
pub struct GetHealth;

/// HTTP status 200 if the TEE answers and has the required protection, otherwise 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The fields that every version of the gateway sends.
    #[serde(flatten)]
    pub service: ServiceStatus,
    /// The TEE's id. This and the following are `None` if the TEE does not answer.
    pub tee_id: Option<TeeId>,
    /// `simulator` or `optee`.
    pub tee_mode: String,
    /// The key that signed the trusted application, if it says so.
    pub ta_key: Option<TaKey>,
    /// The TEE's own report.
    pub protection: Option<ProtectionReport>,
    /// The phase, which decides the commands that the TEE accepts.
    pub phase: Option<Phase>,
    /// The gateway's version.
    pub version: String,
}

/// The service's name and health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its health.
    pub status: HealthStatus,
    /// [`SERVICE`].
    pub service: String,
}

impl ServiceStatus {
    /// The status of a KMS gateway.
    #[must_use]
    pub fn new(status: HealthStatus) -> Self {
        Self { status, service: SERVICE.to_owned() }
    }

    /// Whether it comes from a KMS gateway: other services serve `/health` too.
    #[must_use]
    pub fn is_of_kms(&self) -> bool {
        self.service == SERVICE
    }
}

/// The TEE's own claims about its protection. No quote covers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectionReport {
    /// Confidentiality and integrity of stored data.
    pub storage: Protection,
    /// Whether an older snapshot of the storage is refused.
    pub rollback: Protection,
    /// Protection of the clock, which the trusted application does not use.
    pub time: Protection,
}

impl From<&SecurityState> for ProtectionReport {
    fn from(state: &SecurityState) -> Self {
        Self { storage: state.storage, rollback: state.rollback, time: state.time }
    }
}

/// The key that signed the trusted application, as recorded in it by its build.
///
/// This is a note, not a proof: it protects operators from mistakes. The key built into the secure
/// world decides what is loaded; for a proof, request an attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TaKey {
    /// The operator's key.
    Own,
    /// The development kit's key, which is public.
    Development,
}

impl TaKey {
    /// The name used in docs/api.md.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Development => "development",
        }
    }

    /// Parses the build metadata of a version (Semantic Versioning 2.0.0, item 10):
    /// `0.1.0+own-key`. `None` if nothing is signed, as in the simulator.
    #[must_use]
    pub fn of_version(version: &str) -> Option<Self> {
        match version.split_once('+')?.1 {
            "own-key" => Some(Self::Own),
            "development-key" => Some(Self::Development),
            _ => None,
        }
    }
}

/// Requests [`Version`].
#[derive(Clone, Copy, Debug)]
pub struct GetVersion;

/// The versions of gateway and trusted application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// [`SERVICE`].
    pub service: String,
    /// The gateway's version.
    pub version: String,
    /// The trusted application.
    pub tee: TeeVersion,
}

/// The TEE's id and its trusted application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeeVersion {
    /// The TEE's id.
    pub id: TeeId,
    /// `simulator` or `optee`.
    pub mode: String,
    /// Semantic version of the trusted application.
    pub version: String,
    /// Measurement of the running code.
    pub measurement: Hash,
    /// The TEE's own report.
    pub protection: ProtectionReport,
}

/// Requests [`Stats`].
#[derive(Clone, Copy, Debug)]
pub struct GetStats;

/// Counts for operators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Accounts created through this gateway, at most 5 s old.
    pub accounts: u64,
    /// The audit.
    pub audit: AuditStats,
    /// The queue to the TEE.
    pub queue: QueueStatus,
}

/// The newest row of the audit. A copy kept elsewhere reveals rows removed from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditStats {
    /// Number of rows.
    pub rows: u64,
    /// The hash of the last row, which depends on all rows before it.
    pub head: Hash,
}

/// Requests [`QueueStatus`].
#[derive(Clone, Copy, Debug)]
pub struct GetQueueStatus;

/// The queue to the TEE.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// Calls waiting or in progress.
    pub queue_depth: usize,
    /// Estimated time that a call sent now waits for its reply.
    pub estimated_wait_seconds: f64,
    /// Recent average waiting time of a call.
    pub average_wait_seconds: f64,
    /// Whether calls are refused immediately: the TEE is stuck or gone, or was and has not answered
    /// since.
    pub circuit_breaker_open: bool,
    /// Calls without a reply since the last reply.
    pub consecutive_failures: u64,
    /// Sessions opened to replace a lost one.
    pub reopened: u64,
}

/// Requests [`RollbackCounter`].
#[derive(Clone, Copy, Debug)]
pub struct GetRollbackCounter;

/// Admin commands that took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackCounter {
    /// The next admin command is signed for one more.
    pub counter: u64,
}
