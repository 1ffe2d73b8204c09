//! The answers of `/readyz`, `/livez` and `/status`, from the start of the process on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kms_gateway::{Gateway, GatewayError};
use paymaster_relay::status::Check;
use proto::Permissions;
use proto::command::SecurityState;
use serve::Pulse;
use tokio::time::{Instant as Deadline, timeout_at};

use crate::ops::Readiness;

const STOPPING: &str = "it is stopping";

/// Answers according to the stage that the process has reached.
pub struct Stages {
    now: RwLock<Arc<dyn Readiness>>,
    stopping: AtomicBool,
}

impl Stages {
    pub fn new() -> Self {
        Self { now: RwLock::new(Arc::new(Starting::new("it is starting"))), stopping: AtomicBool::new(false) }
    }

    pub fn reach(&self, stage: impl Readiness + 'static) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(stage);
    }

    /// Makes the process not ready from now on, regardless of its stage.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn now(&self) -> Arc<dyn Readiness> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Readiness for Stages {
    async fn ready(&self) -> Result<(), String> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(STOPPING.into());
        }
        self.now().ready().await
    }

    async fn status(&self) -> Vec<Check> {
        let process = if self.stopping.load(Ordering::Relaxed) { Err(STOPPING.into()) } else { Ok(()) };
        let mut checks = vec![Check::of("process", process)];
        checks.extend(self.now().status().await);
        checks
    }

    fn alive(&self) -> Result<(), String> {
        self.now().alive()
    }
}

/// A part that is being started.
pub struct Starting {
    what: &'static str,
    since: Instant,
    /// The time after which the start counts as failed.
    longest: Option<Duration>,
}

impl Starting {
    pub fn new(what: &'static str) -> Self {
        Self { what, since: Instant::now(), longest: None }
    }

    pub fn at_most(self, longest: Duration) -> Self {
        Self { longest: Some(longest), ..self }
    }
}

#[async_trait]
impl Readiness for Starting {
    async fn ready(&self) -> Result<(), String> {
        Err(format!("{}, for {} s now", self.what, self.since.elapsed().as_secs()))
    }

    async fn status(&self) -> Vec<Check> {
        vec![Check::of("start", self.ready().await)]
    }

    fn alive(&self) -> Result<(), String> {
        let took = self.since.elapsed();
        match self.longest {
            Some(longest) if took >= longest => Err(format!("{}, for {} s now", self.what, took.as_secs())),
            _ => Ok(()),
        }
    }
}

/// Below the second that most supervisors wait for a probe. The database has its own, shorter
/// limit.
const LONGEST: Duration = Duration::from_millis(900);

async fn gateway_ready(gateway: &Gateway) -> Result<(), String> {
    let deadline = Deadline::now() + LONGEST;
    answers(deadline, gateway.database_ready(), gateway.tee_ready()).await?;
    // Its failures do not count, so its slowness must not either.
    let _ = timeout_at(deadline, gateway.watch_admin_counter()).await;
    Ok(())
}

/// Runs both concurrently, so that neither uses up the other's time.
async fn answers<T>(
    deadline: Deadline,
    database: impl Future<Output = Result<(), GatewayError>>,
    tee: impl Future<Output = Result<T, GatewayError>>,
) -> Result<(), String> {
    let (database, tee) = tokio::join!(timeout_at(deadline, database), timeout_at(deadline, tee));
    let silent = |what| format!("{what}: no answer within {} ms", LONGEST.as_millis());
    let database = database.map_err(|_| silent("the gateway's database"))?;
    let tee = tee.map_err(|_| silent("the TEE"))?;
    database.and(tee.map(drop)).map_err(|problem| problem.to_string())
}

/// The readiness of a node that serves.
pub struct RelayReadiness {
    pub relay: Arc<paymaster_relay::Readiness>,
    pub gateway: Option<Gateway>,
    pub ports: Vec<(&'static str, Pulse)>,
}

#[async_trait]
impl Readiness for RelayReadiness {
    async fn ready(&self) -> Result<(), String> {
        accepting(&self.ports)?;
        let relay = async { self.relay.ready().await.map_err(|problem| format!("relay.database: {problem}")) };
        let gateway = async {
            match &self.gateway {
                Some(gateway) => gateway_ready(gateway).await,
                None => Ok(()),
            }
        };
        // Concurrently: a probe waits only a second.
        let (relay, gateway) = tokio::join!(relay, gateway);
        relay.and(gateway)
    }

    async fn status(&self) -> Vec<Check> {
        let mut checks = vec![Check::of("ports", accepting(&self.ports))];
        checks.extend(self.relay.status().await);
        if let Some(gateway) = &self.gateway {
            checks.push(relying_party(gateway, &gateway.tee_ready().await));
        }
        checks
    }

    fn alive(&self) -> Result<(), String> {
        self.gateway.as_ref().map_or(Ok(()), alive)
    }
}

/// The readiness of a gateway that serves.
pub struct GatewayReadiness {
    pub gateway: Gateway,
    pub ports: Vec<(&'static str, Pulse)>,
}

#[async_trait]
impl Readiness for GatewayReadiness {
    async fn ready(&self) -> Result<(), String> {
        accepting(&self.ports)?;
        gateway_ready(&self.gateway).await
    }

    async fn status(&self) -> Vec<Check> {
        let (database, ready) = tokio::join!(self.gateway.database_ready(), self.gateway.tee_ready());
        let signers = match &ready {
            Err(_) => Err("unknown: see tee".to_owned()),
            Ok(state) => may_sponsor(state),
        };
        let provisioned = match &ready {
            Ok(SecurityState { provisioned: None, .. }) => Err("the TEE is not provisioned".to_owned()),
            Ok(_) => Ok(()),
            Err(problem) => Err(problem.to_string()),
        };
        vec![
            Check::of("ports", accepting(&self.ports)),
            Check::of("store", database.map_err(|problem| problem.to_string())),
            Check::of("tee", provisioned),
            Check::of("relay_keys", signers),
            relying_party(&self.gateway, &ready),
        ]
    }

    fn alive(&self) -> Result<(), String> {
        alive(&self.gateway)
    }
}

/// Whether the TEE accepts the passkeys that the gateway registers; other checks report everything
/// else.
fn relying_party(gateway: &Gateway, state: &Result<SecurityState, GatewayError>) -> Check {
    let provisioned = state.as_ref().ok().and_then(|state| state.provisioned.as_ref());
    let outcome = provisioned.map_or(Ok(()), |provisioned| gateway.check_relying_party(provisioned));
    Check::of("relying_party", outcome.map_err(|missing| missing.to_string()))
}

fn may_sponsor(state: &SecurityState) -> Result<(), String> {
    let mut signers = state.provisioned.iter().flat_map(|provisioned| provisioned.signers.iter());
    match signers.any(|signer| signer.permissions.contains(Permissions::SPONSOR)) {
        true => Ok(()),
        false => Err("the TEE authorises no relay key to sponsor: super-relay admin authorize".to_owned()),
    }
}

fn accepting(ports: &[(&'static str, Pulse)]) -> Result<(), String> {
    ports.iter().try_for_each(|(name, pulse)| pulse.check().map_err(|problem| format!("{name}: {problem}")))
}

fn alive(gateway: &Gateway) -> Result<(), String> {
    gateway.alive().map_err(|took| format!("a call to the TEE has not returned for {} s", took.as_secs()))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_part_that_did_not_answer_in_time_is_named() {
        let deadline = Deadline::now();
        let database = answers(deadline, pending(), ready(Ok(()))).await.unwrap_err();
        assert_eq!(database, "the gateway's database: no answer within 900 ms");
        let tee = answers(deadline, ready(Ok(())), pending::<Result<(), _>>()).await.unwrap_err();
        assert_eq!(tee, "the TEE: no answer within 900 ms");
        let failed = answers(deadline, ready(Err(GatewayError::StoreUnavailable)), ready(Ok(()))).await.unwrap_err();
        assert_eq!(failed, GatewayError::StoreUnavailable.to_string());
    }
}
