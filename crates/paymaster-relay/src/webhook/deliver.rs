//! Tells a webhook what became of its sponsorships: at least once each, until it acknowledges or
//! too much time has passed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Webhook, Webhooks, event};
use crate::error::RelayError;
use crate::outage::{Needs, Outage, rounds};
use crate::store::{Event, Outcome, Store, StoreError};

/// Between two searches for events.
const EVERY: Duration = Duration::from_secs(2);
/// Seconds between the first two attempts; doubled each time.
const FIRST_PAUSE: u64 = 5;
/// Seconds between two attempts, at most.
const LONGEST_PAUSE: u64 = 3600;

/// Delivers the events of one webhook.
pub struct Deliverer {
    webhook: Arc<Webhook>,
    store: Arc<dyn Store>,
}

impl Deliverer {
    /// One for each webhook. They do nothing yet.
    #[must_use]
    pub fn of_all(webhooks: &Webhooks, store: &Arc<dyn Store>) -> Vec<Self> {
        webhooks.iter().map(|webhook| Self { webhook: Arc::clone(webhook), store: Arc::clone(store) }).collect()
    }

    /// Delivers until stopped.
    pub async fn run(&self, stop: CancellationToken) {
        let (mut ticks, mut outage) = (rounds(EVERY), Outage::new(format!("delivery to {}", self.webhook.what())));
        let needs = Needs { chain: None, store: self.store.outages() };
        let mut round = async || {
            ticks.tick().await;
            outage.note(self.deliver().await.map_err(RelayError::from), needs);
        };
        while stop.run_until_cancelled(round()).await.is_some() {}
    }

    /// Delivers what is due now; returns the number of events that the webhook acknowledged. While
    /// it does not answer, none is sent.
    ///
    /// # Errors
    /// [`StoreError`]: events may be delivered again.
    pub async fn deliver(&self) -> Result<u64, StoreError> {
        let (webhook, name) = (&self.webhook, &self.webhook.name);
        let mut delivered = 0;
        loop {
            let now = webhook.clock.now();
            let dropped = self.store.drop_events(name, now.saturating_sub(webhook.deliver_for)).await?;
            webhook.metrics.webhooks.dropped(name, dropped);
            if dropped > 0 {
                tracing::warn!(dropped, "{} did not take events in time, and they are dropped", webhook.what());
            }
            let due = self.store.due_events(name, now, webhook.deliveries).await?;
            let taken = if webhook.endpoint.is_out() {
                Vec::new()
            } else {
                join_all(due.iter().map(|event| self.tell(event))).await
            };
            let (told, missed): (Vec<_>, Vec<_>) = due.iter().zip(&taken).partition(|(_, is_taken)| **is_taken);
            let told: Vec<_> = told.into_iter().map(|(event, _)| (event.id.clone(), event.outcome)).collect();
            let number = told.len();
            if number > 0 {
                self.store.forget_events(told).await?;
            }
            for (event, _) in &missed {
                let due_at = webhook.clock.now().saturating_add(pause(event.attempts));
                self.store.postpone_event(&event.id, event.outcome, due_at).await?;
            }
            delivered += u64::try_from(number).unwrap_or(u64::MAX);
            let (count, oldest) = self.store.waiting_events(name).await?;
            webhook.metrics.webhooks.waiting(name, count, oldest.map_or(0, |begun| now.saturating_sub(begun)));
            if number < usize::try_from(webhook.deliveries).unwrap_or(usize::MAX) {
                return Ok(delivered);
            }
        }
    }

    async fn tell(&self, event: &Event) -> bool {
        // The same each time, so that the signature of a repetition differs by its time only.
        let body = event::document(event::FINALISED, event.begun_at, data(event));
        let id = format!("finalised_{}_{}", event.id, event.outcome.as_str());
        self.webhook.tell(&id, &body).await.is_ok()
    }
}

/// Seconds until the next attempt.
fn pause(attempts: u32) -> u64 {
    FIRST_PAUSE.saturating_mul(1 << attempts.min(20)).min(LONGEST_PAUSE)
}

fn data(event: &Event) -> Value {
    let Event { contracts, mined, .. } = event;
    let mined = mined.as_ref().filter(|_| event.outcome != Outcome::Released);
    json!({
        "sponsorshipId": event.id.as_str(),
        "outcome": event.outcome.as_str(),
        "policyId": event.policy_id,
        "chainId": contracts.chain_id.to_string(),
        "entryPoint": contracts.entry_point.to_string(),
        "paymaster": contracts.paymaster.to_string(),
        "sender": event.sender.to_string(),
        "accountId": event.account_id,
        "intent": event.intent.to_string(),
        "worstCaseWei": event.max_cost.to_wei().0.to_string(),
        "costWei": mined.map(|mined| mined.cost.0.to_string()),
        "transactionHash": mined.and_then(|mined| mined.transaction).map(|hash| hash.to_string()),
        "block": mined.map(|mined| mined.block),
        "success": mined.and_then(|mined| mined.succeeded),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_at_most_an_hour_apart() {
        assert_eq!([0, 1, 2, 9, 10, u32::MAX].map(pause), [5, 10, 20, 2560, 3600, 3600]);
    }
}
