//! The caller of a request, from its headers. Each kind of route extracts the type that may call
//! it, and ignores other credentials. A handler takes it as a `Result` if a body that does not
//! parse has to be reported first.

use std::fmt::Display;
use std::str::FromStr;

use api_keys::{Presented, X_API_KEY};
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use kms_api::headers::{PAYMASTER_ADDRESS, PAYMASTER_SIGNATURE};
use proto::Signature;

use super::error::ApiError;
use super::request_id::RequestId;
use crate::gateway::{Caller, Gateway, GatewayError, Principal};
use crate::http::client_address::client;

/// Any caller.
pub(super) struct Anyone(pub Caller);

/// Any caller, with or without an API key.
pub(super) struct KeyHolder(pub Caller);

/// A relay, with its signature over the request digest.
pub(super) struct Relay {
    pub caller: Caller,
    pub signature: Signature,
}

/// The sender of a signed command.
pub(super) struct Admin(pub Caller);

impl FromRequestParts<Gateway> for Anyone {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, ApiError> {
        caller(parts, gateway, Principal::Anonymous).map(Self)
    }
}

impl FromRequestParts<Gateway> for KeyHolder {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, ApiError> {
        caller(parts, gateway, key_holder(&parts.headers)?).map(Self)
    }
}

impl FromRequestParts<Gateway> for Relay {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, ApiError> {
        let signer = Principal::RelaySigner(required(&parts.headers, PAYMASTER_ADDRESS)?);
        let signature = required(&parts.headers, PAYMASTER_SIGNATURE)?;
        Ok(Self { caller: caller(parts, gateway, signer)?, signature })
    }
}

impl FromRequestParts<Gateway> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, ApiError> {
        caller(parts, gateway, Principal::Admin).map(Self)
    }
}

fn caller(parts: &Parts, gateway: &Gateway, principal: Principal) -> Result<Caller, ApiError> {
    let RequestId(request_id) = parts.extensions.get().ok_or(GatewayError::Internal)?;
    Ok(Caller::new(request_id.clone(), client(parts, gateway), principal))
}

/// If an API key is sent twice, both must be equal.
fn key_holder(headers: &HeaderMap) -> Result<Principal, ApiError> {
    let Presented { keys, has_other_scheme } = Presented::by(headers);
    if has_other_scheme {
        return Err(ApiError::invalid_field("Authorization", "expected Bearer <key>"));
    }
    let Some((first, others)) = keys.split_first() else { return Ok(Principal::Anonymous) };
    if others.iter().any(|other| other != first) {
        return Err(ApiError::invalid_field(X_API_KEY.as_str(), "differs from another key of the request: send one"));
    }
    Ok(Principal::ApiKey(*first))
}

fn required<T: FromStr<Err: Display>>(headers: &HeaderMap, name: &str) -> Result<T, ApiError> {
    let value = headers.get(name).ok_or_else(|| ApiError::invalid_field(name, "missing"))?;
    let text = value.to_str().map_err(|_| ApiError::invalid_field(name, "not ASCII"))?;
    text.parse().map_err(|problem| ApiError::invalid_field(name, problem))
}
