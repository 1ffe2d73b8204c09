//! The decision of the operator's webhook about a sponsorship, for policies that name one.

use std::sync::Arc;

use proto::Terms;
use proto::json::{GasFields, LongExcerpt, hex_bytes};
use serde_json::{Value, json};

use super::quote::cost;
use super::request::DraftRequest;
use super::simulation::{document, is_incomplete};
use crate::clients::ApiKeyId;
use crate::error::RelayError;
use crate::policy::calls::{InnerCall, Kind, inner_calls};
use crate::store::SponsorshipId;
use crate::webhook::{Question, WebhookError, Webhooks};

/// Asks webhooks.
pub(super) struct WebhookApproval(Arc<Webhooks>);

impl WebhookApproval {
    pub(super) const fn new(webhooks: Arc<Webhooks>) -> Self {
        Self(webhooks)
    }

    /// Has the policy's webhook decide about a reserved sponsorship, under the same id each time.
    ///
    /// # Errors
    /// [`RelayError::WebhookDenied`]; [`RelayError::WebhookUnavailable`].
    pub(super) async fn requested(
        &self,
        id: &SponsorshipId,
        draft: &DraftRequest,
        terms: &Terms,
        is_proven: bool,
    ) -> Result<(), RelayError> {
        self.ask(Question::Requested(id.as_str()), draft, terms, is_proven).await
    }

    /// The same before the user is asked. A draft whose gas is still to be estimated has no cost,
    /// and is not asked about.
    ///
    /// # Errors
    /// Those of [`Self::requested`].
    pub(super) async fn previewed(
        &self,
        draft: &DraftRequest,
        terms: &Terms,
        gas: GasFields,
        is_proven: bool,
    ) -> Result<(), RelayError> {
        if is_incomplete(draft, gas) {
            return Ok(());
        }
        self.ask(Question::Previewed, draft, terms, is_proven).await
    }

    async fn ask(
        &self,
        question: Question<'_>,
        draft: &DraftRequest,
        terms: &Terms,
        is_proven: bool,
    ) -> Result<(), RelayError> {
        let Some(name) = draft.policy.webhook() else { return Ok(()) };
        let policy_id = draft.policy.id().to_owned();
        let Some(webhook) = self.0.named(name) else {
            let detail = format!("{name:?} is none of relay.webhooks");
            return Err(RelayError::WebhookUnavailable { policy_id, detail, may_be_received: false });
        };
        webhook.ask(question, data(question, draft, terms, is_proven)).await.map_err(|error| match error {
            WebhookError::Denied { reason } => {
                let reason = reason.filter(|reason| !reason.is_empty());
                RelayError::WebhookDenied { policy_id, reason: reason.map(|text| LongExcerpt(&text).to_string()) }
            }
            WebhookError::Unavailable { detail, may_be_received } => {
                RelayError::WebhookUnavailable { policy_id, detail, may_be_received }
            }
        })
    }
}

/// What is asked about, from the fields and on the terms that will be signed.
fn data(question: Question<'_>, draft: &DraftRequest, terms: &Terms, is_proven: bool) -> Value {
    let entry_point = draft.deployment.entry_point;
    let calls = inner_calls(draft.op.sender, &draft.op.call_data).ok();
    json!({
        "sponsorshipId": question.sponsorship(),
        "preview": question.sponsorship().is_none(),
        "policyId": draft.policy.id(),
        "chainId": entry_point.chain_id.to_string(),
        "entryPoint": entry_point.address.to_string(),
        "entryPointVersion": entry_point.version.as_str(),
        "paymaster": terms.paymaster.to_string(),
        "sender": draft.op.sender.to_string(),
        "accountId": draft.account_id.as_str(),
        "provenByPasskey": is_proven,
        "apiKeyId": draft.caller.key_id().map(ApiKeyId::as_str),
        "intent": draft.intent().to_string(),
        "calls": calls.map(|calls| calls.iter().map(call).collect::<Vec<_>>()),
        "worstCaseWei": cost(draft, terms).0.to_string(),
        "validAfter": terms.valid_after,
        "validUntil": terms.valid_until,
        "userOperation": document(draft, terms),
    })
}

fn call(call: &InnerCall) -> Value {
    let kind = match call.kind {
        Kind::Call => "call",
        Kind::Delegate => "delegatecall",
    };
    json!({ "to": call.target.to_string(), "kind": kind, "data": hex_bytes(&call.data) })
}
