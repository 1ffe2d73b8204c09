//! What `/readyz` and `/livez` answer, from the first moment of the process on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kms_gateway::Gateway;
use paymaster_relay::Relay;

use crate::ops::Readiness;

/// Answers as the stage that the process has reached.
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

    /// From now on it isn't ready, whatever else it is.
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
            return Err("it is stopping".into());
        }
        self.now().ready().await
    }

    fn alive(&self) -> Result<(), String> {
        self.now().alive()
    }
}

/// Something is being started.
pub struct Starting {
    what: &'static str,
    since: Instant,
    /// Then it won't be.
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

    fn alive(&self) -> Result<(), String> {
        let took = self.since.elapsed();
        match self.longest {
            Some(longest) if took >= longest => Err(format!("{}, for {} s now", self.what, took.as_secs())),
            _ => Ok(()),
        }
    }
}

/// A node that serves.
pub struct RelayReadiness {
    pub relay: Arc<Relay>,
    pub gateway: Option<Gateway>,
}

#[async_trait]
impl Readiness for RelayReadiness {
    async fn ready(&self) -> Result<(), String> {
        self.relay.ready().await.map_err(|problem| problem.to_string())
    }

    fn alive(&self) -> Result<(), String> {
        self.gateway.as_ref().map_or(Ok(()), alive)
    }
}

/// A gateway that serves.
pub struct GatewayReadiness(pub Gateway);

#[async_trait]
impl Readiness for GatewayReadiness {
    async fn ready(&self) -> Result<(), String> {
        self.0.ready().await.map(drop).map_err(|problem| problem.to_string())
    }

    fn alive(&self) -> Result<(), String> {
        alive(&self.0)
    }
}

fn alive(gateway: &Gateway) -> Result<(), String> {
    gateway.alive().map_err(|took| format!("a call of the TEE has not come back for {} s", took.as_secs()))
}
