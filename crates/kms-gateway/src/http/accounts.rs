//! `/kms/create-deterministic-account` and `/kms/accounts/{accountId}`.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::{Extension, Json};
use proto::AccountId;
use proto::command::SignatureScheme;
use proto::json::invitation::SignedInvitation;
use proto::json::passkey::to_base64url;
use proto::primitives::keccak256;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api_key;
use super::body::JsonBody;
use super::client_address::ClientAddress;
use super::error::ApiError;
use super::request_id::RequestId;
use super::wire::{Text, public_key_text};
use crate::gateway::{Caller, CreatedAccount, Gateway, Inquirer};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Create {
    registration_id: String,
    account_id: Option<AccountId>,
    signature_scheme: Option<SignatureScheme>,
    invitation: Option<Text<SignedInvitation>>,
}

pub(super) async fn create(
    State(gateway): State<Gateway>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Create>,
) -> Result<Json<Value>, ApiError> {
    let proof = api_key::proof(&headers, body.invitation.map(|Text(invitation)| invitation))?;
    let caller = Caller { proof, ..Caller::new(request_id) };
    let created =
        gateway.create_account(&body.registration_id, body.account_id, body.signature_scheme, &caller).await?;
    let CreatedAccount { wallet, registration, sender, salt } = created;
    Ok(Json(json!({
        "accountId": wallet.account_id,
        "ownerAddress": wallet.owner.to_string(),
        "credentialId": to_base64url(&registration.credential_id),
        "publicKey": public_key_text(&registration.public_key),
        "signatureScheme": wallet.signature_scheme,
        "sender": sender.map(|known| known.sender.to_string()),
        "factory": sender.map(|known| known.factory.to_string()),
        "salt": salt.to_string(),
    })))
}

pub(super) async fn show(
    State(gateway): State<Gateway>,
    ClientAddress(client): ClientAddress,
    Path(account_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let account_id: AccountId = account_id.parse().map_err(|problem| ApiError::invalid_field("accountId", problem))?;
    let wallet = gateway.wallet(&account_id, Inquirer::Client(client)).await?;
    let salt = wallet.passkeys.first().map(|first| keccak256(&*first.credential_id).to_string());
    let passkeys: Vec<Value> = wallet
        .passkeys
        .iter()
        .map(|passkey| {
            json!({
                "credentialId": to_base64url(&passkey.credential_id),
                "publicKey": public_key_text(&passkey.public_key),
            })
        })
        .collect();
    Ok(Json(json!({
        "accountId": wallet.account_id,
        "ownerAddress": wallet.owner.to_string(),
        "signatureScheme": wallet.signature_scheme,
        "factory": gateway.factory().map(|factory| factory.to_string()),
        "salt": salt,
        "passkeys": passkeys,
    })))
}
