//! `/attestation`: which keys live in which trusted application, for a client with its own nonce.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use kms_api::attestation::{Attestation, GetAttestation};
use proto::Hash;

use super::Answered;
use super::caller::Anyone;
use super::error::ApiError;
use crate::gateway::Gateway;

/// The protection levels are the TEE's own report, not covered by the quote.
pub(super) async fn show(
    State(gateway): State<Gateway>,
    Anyone(caller): Anyone,
    query: Result<Query<GetAttestation>, QueryRejection>,
) -> Answered<GetAttestation> {
    let Query(GetAttestation { nonce }) =
        query.map_err(|problem| ApiError::invalid_field("nonce", problem.body_text()))?;
    let nonce: Hash = nonce.parse().map_err(|problem| ApiError::invalid_field("nonce", problem))?;
    let turn = gateway.quote_turn(caller.client).await?;
    // Before the quote: quotes are rate-limited, and none must be lost because the TEE turns out to
    // be busy.
    let state = gateway.recent_security_state().await?;
    let attestation = gateway.attest(nonce.0, turn).await?;
    let statement = attestation.reply.statement;
    let quote = attestation.reply.quote;
    let quote_status = if quote.is_some() { "present" } else { "unavailable: this platform has no attestation" };
    Ok(Json(Attestation {
        nonce,
        tee_id: statement.tee_id,
        tee_mode: gateway.tee_mode().to_owned(),
        version: statement.version.into_inner(),
        measurement: statement.measurement,
        counter: statement.counter,
        admin: statement.provisioned.map(|keys| keys.admin),
        paymaster_signer: statement.provisioned.map(|keys| keys.paymaster_signer),
        standby_paymaster_signer: statement.provisioned.and_then(|keys| keys.standby_paymaster_signer),
        challenge: attestation.challenge,
        quote,
        quote_status: quote_status.to_owned(),
        ta_key: attestation.ta_key,
        protection: (&*state).into(),
    }))
}
