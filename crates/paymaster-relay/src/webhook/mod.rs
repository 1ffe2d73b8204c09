//! Webhooks: servers of the operator that decide about sponsorships of some policies, and are told
//! what became of them.

mod deliver;
mod event;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use serve::LineRation;
use thiserror::Error;
use tokio::sync::Semaphore;
use uuid::Uuid;

pub use deliver::Deliverer;

use crate::metrics::{Metrics, WebhookOutcome};
use crate::ports::Clock;
use crate::settings::{OnError, Settings, SettingsError, WebhookSettings};
use crate::signed_http::{Answer, Manner, Secrets, SignedEndpoint, Unanswered, Weight};

/// The webhooks of the settings, by name.
#[derive(Default)]
pub struct Webhooks(HashMap<String, Arc<Webhook>>);

/// One of them.
pub(crate) struct Webhook {
    name: String,
    endpoint: SignedEndpoint,
    /// For previews, so that those who cause them leave room for sponsorships.
    previews: Semaphore,
    on_error: OnError,
    /// Seconds.
    deliver_for: u64,
    /// Number of events that are delivered at once.
    deliveries: u32,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    log: LineRation,
}

/// What a webhook is asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question<'a> {
    /// A sponsorship with that id, which is reserved.
    Requested(&'a str),
    /// One that may be requested later.
    Previewed,
}

/// A webhook did not approve.
#[derive(Debug, Error)]
pub(crate) enum WebhookError {
    /// It denied.
    #[error("denied")]
    Denied {
        /// Its own reason.
        reason: Option<String>,
    },
    /// It gave no valid answer.
    #[error("{detail}")]
    Unavailable {
        /// For the log.
        detail: String,
        /// Whether it may have received the question.
        may_be_received: bool,
    },
}

/// What a webhook answers to a question.
#[derive(Deserialize)]
struct Decision {
    approve: bool,
    #[serde(default)]
    reason: Option<String>,
}

impl Webhooks {
    /// Reads the secrets, and creates the clients; they make no request yet.
    ///
    /// # Errors
    /// [`SettingsError`] names the webhook.
    pub fn open(settings: &Settings, clock: &Arc<dyn Clock>, metrics: &Arc<Metrics>) -> Result<Self, SettingsError> {
        let open = |webhook: &WebhookSettings| {
            let opened = Webhook::open(webhook, Arc::clone(clock), Arc::clone(metrics))?;
            Ok((webhook.name.clone(), Arc::new(opened)))
        };
        settings.webhooks.iter().map(open).collect::<Result<_, _>>().map(Self)
    }

    /// The webhook of that name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Webhook>> {
        self.0.get(name)
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<Webhook>> {
        self.0.values()
    }
}

impl Webhook {
    fn open(settings: &WebhookSettings, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Result<Self, SettingsError> {
        let (name, what) = (settings.name.clone(), format!("the webhook {:?} (relay.webhooks)", settings.name));
        let secrets = Secrets::read(&settings.secrets);
        let secrets = secrets.map_err(|problem| settings.invalid("webhooks.secrets", problem))?;
        let manner = Manner {
            patience: Duration::from_millis(settings.timeout_milliseconds),
            retries: settings.retries,
            max_calls: settings.max_calls,
        };
        let endpoint = SignedEndpoint::new(what.clone(), settings.url()?, secrets, &manner, Arc::clone(&clock));
        let endpoint = endpoint.map_err(|_| settings.invalid("webhooks.url", "no HTTP client could be made"))?;
        Ok(Self {
            name,
            endpoint,
            previews: Semaphore::new((settings.max_calls / 2).max(1)),
            on_error: settings.on_error,
            deliver_for: settings.deliver_for_seconds,
            deliveries: u32::try_from(settings.max_calls / 4).unwrap_or(u32::MAX).clamp(1, 8),
            clock,
            metrics,
            log: LineRation::new(what),
        })
    }

    /// Its name in the log.
    fn what(&self) -> &str {
        self.endpoint.what()
    }

    /// Has it decide. While it gives no valid answer, its setting `on_error` decides.
    pub(crate) async fn ask(&self, question: Question<'_>, data: Value) -> Result<(), WebhookError> {
        let kind = question.kind();
        let begun = Instant::now();
        let decided = self.decision(question, data).await;
        let outcome = match &decided {
            Ok(Decision { approve: true, .. }) => WebhookOutcome::Approved,
            Ok(Decision { approve: false, .. }) => WebhookOutcome::Denied,
            Err(_) => WebhookOutcome::Failed,
        };
        self.metrics.webhooks.request(&self.name, kind, outcome, begun.elapsed());
        match decided {
            Ok(Decision { approve: true, .. }) => Ok(()),
            Ok(Decision { approve: false, reason }) => Err(WebhookError::Denied { reason }),
            Err(error) => {
                self.note_failure(kind, &error);
                match self.on_error {
                    OnError::Allow => Ok(()),
                    OnError::Refuse => {
                        let Unanswered { detail, may_be_received } = error;
                        Err(WebhookError::Unavailable { detail, may_be_received })
                    }
                }
            }
        }
    }

    async fn decision(&self, question: Question<'_>, data: Value) -> Result<Decision, Unanswered> {
        let _room = match question {
            Question::Requested(_) => None,
            Question::Previewed => Some(self.previews.try_acquire().map_err(|_| Unanswered {
                detail: format!("{}: too many previews wait for its answer", self.endpoint.what()),
                may_be_received: false,
            })?),
        };
        let body = event::document(question.kind(), self.clock.now(), data);
        let answer = self.endpoint.post(&question.id(), &body, question.weight()).await?;
        let invalid = |problem: String| Unanswered {
            detail: format!("{}: {problem}", self.endpoint.what()),
            may_be_received: true,
        };
        match answer {
            Answer { status: StatusCode::OK, body } => serde_json::from_slice(&body)
                .map_err(|_| invalid("the answer is not {\"approve\": true or false, \"reason\"?: text}".to_owned())),
            Answer { status, .. } => Err(invalid(format!("HTTP status {}, expected 200", status.as_u16()))),
        }
    }

    /// Tells it what became of a sponsorship; it acknowledges with a status of 200 to 299.
    async fn tell(&self, id: &str, body: &Bytes) -> Result<(), Unanswered> {
        let begun = Instant::now();
        let told = match self.endpoint.post(id, body, Weight::Outage).await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(Answer { status, .. }) => Err(Unanswered {
                detail: format!("{}: HTTP status {}", self.endpoint.what(), status.as_u16()),
                may_be_received: true,
            }),
            Err(error) => Err(error),
        };
        let outcome = if told.is_ok() { WebhookOutcome::Delivered } else { WebhookOutcome::Failed };
        self.metrics.webhooks.request(&self.name, event::FINALISED, outcome, begun.elapsed());
        told.inspect_err(|error| self.note_failure(event::FINALISED, error))
    }

    fn note_failure(&self, kind: &str, error: &Unanswered) {
        // The breaker logs the begin and the end of an outage.
        if !self.endpoint.is_out() && self.log.admits_line() {
            tracing::warn!(kind, "a webhook failed: {error}");
        }
    }
}

impl Question<'_> {
    /// The sponsorship's id, if it is reserved.
    pub(crate) const fn sponsorship(&self) -> Option<&str> {
        match self {
            Self::Requested(id) => Some(id),
            Self::Previewed => None,
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Requested(_) => event::REQUESTED,
            Self::Previewed => event::PREVIEWED,
        }
    }

    /// The same each time that a sponsorship is asked about, also after a restart.
    fn id(self) -> String {
        match self {
            Self::Requested(id) => format!("requested_{id}"),
            Self::Previewed => format!("previewed_{}", Uuid::new_v4()),
        }
    }

    const fn weight(self) -> Weight {
        match self {
            Self::Requested(_) => Weight::Outage,
            Self::Previewed => Weight::Doubt,
        }
    }
}
