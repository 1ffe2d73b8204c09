//! `/attestation`: which keys live in which trusted application, for whoever asks with a nonce of their own.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use proto::json::{bytes, hex_bytes};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client_address::ClientAddress;
use super::error::ApiError;
use super::status::protection;
use crate::gateway::Gateway;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    nonce: String,
}

/// The protection levels are the TEE's own report, which no quote covers.
pub(super) async fn show(
    State(gateway): State<Gateway>,
    ClientAddress(client): ClientAddress,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(Question { nonce }) =
        question.map_err(|problem| ApiError::invalid_field("nonce", problem.body_text()))?;
    let nonce = parse(&nonce).map_err(|problem| ApiError::invalid_field("nonce", problem))?;
    let turn = gateway.quote_turn(client).await?;
    // Before the quote: those are rationed, and none must be lost to a question that finds the TEE busy.
    let state = gateway.recent_security_state().await?;
    let attestation = gateway.attest(nonce, turn).await?;
    let statement = &attestation.reply.statement;
    let quote = attestation.reply.quote.as_ref();
    let standby = statement.provisioned.and_then(|keys| keys.standby_paymaster_signer);
    let quote_status = if quote.is_some() { "present" } else { "unavailable: this platform has no attestation" };
    Ok(Json(json!({
        "nonce": hex_bytes(&nonce),
        "teeId": statement.tee_id.to_string(),
        "teeMode": gateway.tee_mode(),
        "version": *statement.version,
        "measurement": statement.measurement.to_string(),
        "counter": statement.counter,
        "admin": statement.provisioned.map(|keys| keys.admin.to_string()),
        "paymasterSigner": statement.provisioned.map(|keys| keys.paymaster_signer.to_string()),
        "standbyPaymasterSigner": standby.map(|standby| standby.to_string()),
        "challenge": attestation.challenge.to_string(),
        "quote": quote.map(|quote| hex_bytes(quote)),
        "quoteStatus": quote_status,
        "taKey": attestation.ta_key,
        "protection": protection(&state),
    })))
}

fn parse(nonce: &str) -> Result<[u8; 32], String> {
    let nonce = bytes::<32>(nonce).map_err(|problem| problem.to_string())?;
    <[u8; 32]>::try_from(nonce.as_slice()).map_err(|_| format!("expected 32 bytes, not {}", nonce.len()))
}
