//! `/kms/create-deterministic-account` and `/kms/accounts/{accountId}`.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use kms_api::accounts::{self, Account, CreateAccount, GetAccount};
use proto::AccountId;
use proto::primitives::keccak256;

use super::Answered;
use super::body::JsonBody;
use super::caller::{Anyone, KeyHolder};
use super::error::ApiError;
use crate::gateway::{CreatedAccount, Gateway};

pub(super) async fn create(
    State(gateway): State<Gateway>,
    caller: Result<KeyHolder, ApiError>,
    JsonBody(body): JsonBody<CreateAccount>,
) -> Answered<CreateAccount> {
    let KeyHolder(caller) = caller?;
    let caller = caller.invited_by(body.invitation);
    let created =
        gateway.create_account(&body.registration_id, body.account_id, body.signature_scheme, &caller).await?;
    let CreatedAccount { wallet, registration, sender, salt, is_new } = created;
    Ok(Json(accounts::CreatedAccount {
        account_id: wallet.account_id,
        owner_address: wallet.owner,
        credential_id: registration.credential_id,
        public_key: registration.public_key,
        signature_scheme: wallet.signature_scheme,
        sender: sender.map(|known| known.sender),
        factory: sender.map(|known| known.factory),
        salt,
        created: is_new,
    }))
}

pub(super) async fn show(
    State(gateway): State<Gateway>,
    Anyone(caller): Anyone,
    account_id: Result<Path<String>, PathRejection>,
) -> Answered<GetAccount> {
    let Path(account_id) = account_id.map_err(|_| ApiError::invalid_field("accountId", "not UTF-8"))?;
    let account_id: AccountId = account_id.parse().map_err(|problem| ApiError::invalid_field("accountId", problem))?;
    let wallet = gateway.wallet(&account_id, &caller).await?;
    Ok(Json(Account {
        owner_address: wallet.owner,
        signature_scheme: wallet.signature_scheme,
        factory: gateway.factory_of(wallet.signature_scheme),
        salt: wallet.passkeys.first().map(|first| keccak256(&*first.credential_id)),
        passkeys: wallet.passkeys.iter().map(Into::into).collect(),
        account_id: wallet.account_id,
    }))
}
