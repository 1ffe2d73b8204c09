//! The example's part that the end-to-end tests run against a node.

use std::error::Error;

use jsonrpsee_ws_client::WsClient;
use relay_api::{CredentialRequest, Param, RelayApiClient as _, SponsoredOperation};
use serde_json::Value;

/// Has an operation sponsored; `approve` asks the account's passkey for an assertion. Gas and fees
/// have to be final.
///
/// # Errors
/// `ClientError::Call` has the relay's refusal: its `data` has `reason` and `retryable`.
pub async fn sponsor(
    relay: &WsClient,
    operation: &Value,
    account_id: &str,
    approve: impl FnOnce(&CredentialRequest) -> Result<Value, Box<dyn Error>>,
) -> Result<SponsoredOperation, Box<dyn Error>> {
    let intent = relay.intent(operation.clone().into(), account_id.into(), Param::absent()).await?;
    let passkey = approve(&intent.webauthn)?;
    Ok(relay.sponsor(operation.clone().into(), account_id.into(), passkey.into(), Param::absent()).await?)
}
