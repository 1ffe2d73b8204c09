//! `/health`, `/version`, `/stats`, `/QueueStatus`, `/RollbackCounter`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kms_api::Reason;
use kms_api::status::{
    AuditStats, GetQueueStatus, GetRollbackCounter, GetStats, GetVersion, Health, HealthStatus, QueueStatus,
    RollbackCounter, SERVICE, ServiceStatus, Stats, TaKey, TeeVersion, Version,
};
use proto::command::{Phase, SecurityState};

use super::Answered;
use crate::gateway::{Gateway, GatewayError};
use crate::transport::QueueStats;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// 200 if the TEE answers and has the required protection, provisioned or not, and the database
/// accepts writes; otherwise 503.
pub(super) async fn health(State(gateway): State<Gateway>) -> (StatusCode, Json<Health>) {
    let (state, database) = tokio::join!(gateway.recent_security_state(), gateway.recent_database_ready());
    let status = match state.as_deref() {
        Ok(state) if gateway.settings().required_protection.check(state).is_err() => {
            HealthStatus::Unhealthy(Reason::TeeProtectionInsufficient.into())
        }
        Ok(_) if database.is_err() => HealthStatus::Unhealthy(Reason::StoreUnavailable.into()),
        Ok(SecurityState { phase: Phase::Uninitialised, .. }) => HealthStatus::Uninitialised,
        Ok(_) => HealthStatus::Healthy,
        Err(error) => HealthStatus::Unhealthy(unhealthy(error).into()),
    };
    let code = match status {
        HealthStatus::Unhealthy(_) => StatusCode::SERVICE_UNAVAILABLE,
        HealthStatus::Healthy | HealthStatus::Uninitialised => StatusCode::OK,
    };
    let state = state.as_deref().ok();
    let health = Health {
        service: ServiceStatus::new(status),
        tee_id: state.map(|state| state.tee_id),
        tee_mode: gateway.tee_mode().to_owned(),
        ta_key: state.and_then(|state| TaKey::of_version(&state.version)),
        protection: state.map(Into::into),
        phase: state.map(|state| state.phase),
        version: VERSION.to_owned(),
    };
    (code, Json(health))
}

fn unhealthy(error: &GatewayError) -> Reason {
    match error {
        GatewayError::TeeBusy(_)
        | GatewayError::TeeBusyBefore
        | GatewayError::TeeBusyInTurn { .. }
        | GatewayError::TeeProtectionInsufficient(_)
        | GatewayError::TeeStateLost(_) => error.reason(),
        _ => Reason::TeeUnavailable,
    }
}

pub(super) async fn version(State(gateway): State<Gateway>) -> Answered<GetVersion> {
    let state = gateway.recent_security_state().await?;
    Ok(Json(Version {
        service: SERVICE.to_owned(),
        version: VERSION.to_owned(),
        tee: TeeVersion {
            id: state.tee_id,
            mode: gateway.tee_mode().to_owned(),
            version: (*state.version).clone(),
            measurement: state.measurement,
            protection: (&*state).into(),
        },
    }))
}

pub(super) async fn stats(State(gateway): State<Gateway>) -> Answered<GetStats> {
    let stats = gateway.stats().await?;
    Ok(Json(Stats {
        accounts: stats.accounts,
        audit: AuditStats { rows: stats.audit.rows.unsigned_abs(), head: stats.audit.hash },
        queue: queue(&stats.queue),
    }))
}

pub(super) async fn queue_status(State(gateway): State<Gateway>) -> Answered<GetQueueStatus> {
    Ok(Json(queue(&gateway.queue_stats())))
}

pub(super) async fn rollback_counter(State(gateway): State<Gateway>) -> Answered<GetRollbackCounter> {
    let counter = gateway.recent_security_state().await?.counter;
    Ok(Json(RollbackCounter { counter }))
}

fn queue(stats: &QueueStats) -> QueueStatus {
    QueueStatus {
        queue_depth: stats.depth,
        estimated_wait_seconds: stats.estimated_wait().as_secs_f64(),
        average_wait_seconds: stats.average_wait.as_secs_f64(),
        circuit_breaker_open: stats.breaker_open,
        consecutive_failures: stats.consecutive_failures,
        reopened: stats.reopened,
    }
}
