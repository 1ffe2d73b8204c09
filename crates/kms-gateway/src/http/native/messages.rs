//! `/kms/sign-message`.

use axum::Json;
use axum::extract::State;
use kms_api::messages::{Form, SignMessage, SignedMessage};
use proto::command::{self, MessageForm};

use super::Answered;
use super::body::JsonBody;
use super::caller::Anyone;
use super::error::ApiError;
use super::operations::assertion;
use crate::gateway::Gateway;

pub(super) async fn sign(
    State(gateway): State<Gateway>,
    Anyone(caller): Anyone,
    JsonBody(body): JsonBody<SignMessage>,
) -> Answered<SignMessage> {
    let reply = gateway.sign_message(command(body)?, &caller).await?;
    Ok(Json(SignedMessage {
        success: true,
        signature: reply.signature,
        digest: reply.digest,
        owner_address: reply.owner,
        tee_device_id: gateway.tee_device_id().await?,
    }))
}

fn command(body: SignMessage) -> Result<command::SignMessage, ApiError> {
    let form = match (body.form, body.domain) {
        (Form::Eip191, None) => MessageForm::Eip191,
        (Form::PersonalSign, Some(domain)) => MessageForm::PersonalSign(domain.into()),
        (Form::Eip191, Some(_)) => {
            return Err(ApiError::invalid_field("domain", "found one, expected none: form is eip191"));
        }
        (Form::PersonalSign, None) => return Err(ApiError::invalid_field("domain", "missing: form is personalSign")),
    };
    let passkey = assertion(&body.user_signature)?;
    Ok(command::SignMessage { account_id: body.account_id, message: body.message, form, passkey })
}
