//! The routes of the admin socket and of the admin API.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use paymaster_relay::register::{Change, PolicyError, PolicyRegister, PolicyState, PolicyVersion};

use super::api::{
    ARCHIVE, Apply, ApplyOne, CHECK, Check, Checked, DISABLE, ENABLE, Listed, POLICIES, POLICY, ROLLBACK, Refusal,
    RollBack, Shown, VERSIONS, Why,
};
use crate::admin_socket::Author;

/// Bytes: some thousand targets.
const MAX_BODY: usize = 512 * 1024;

type Register = State<Arc<PolicyRegister>>;
type Body<T> = Result<Json<T>, JsonRejection>;
type Answer<T> = Result<T, Refused>;

/// A refusal with its status.
#[derive(Debug)]
pub struct Refused {
    status: StatusCode,
    reason: &'static str,
    error: String,
}

/// A version, whose number is its `ETag`.
struct Tagged<T>(u64, T);

/// Every route.
pub fn routes(register: Arc<PolicyRegister>) -> Router {
    Router::new()
        .route(POLICIES, get(list).post(apply))
        .route(CHECK, post(check))
        .route(POLICY, get(show).put(apply_one))
        .route(VERSIONS, get(versions))
        .route(ENABLE, post(enable))
        .route(DISABLE, post(disable))
        .route(ARCHIVE, post(archive))
        .route(ROLLBACK, post(roll_back))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(register)
}

async fn list(State(register): Register) -> Answer<Json<Listed>> {
    Ok(Json(Listed { policies: register.list().await.map_err(PolicyError::from)? }))
}

async fn show(State(register): Register, Path(id): Path<String>) -> Answer<Tagged<Shown>> {
    let current = register.show(&id).await?;
    Ok(Tagged(current.version, Shown { current, in_file: register.in_file(&id) }))
}

async fn versions(State(register): Register, Path(id): Path<String>) -> Answer<Json<Listed>> {
    Ok(Json(Listed { policies: register.history(&id).await? }))
}

async fn check(State(register): Register, body: Body<Check>) -> Answer<Json<Checked>> {
    let Json(Check { policies }) = body?;
    let policies = policies.iter().map(|given| register.check(given)).collect::<Result<_, _>>()?;
    Ok(Json(Checked { policies }))
}

async fn apply(
    State(register): Register,
    Extension(author): Extension<Author>,
    body: Body<Apply>,
) -> Answer<Json<Listed>> {
    let Json(Apply { policies, draft, note }) = body?;
    let change = Change { author: author.0, note, expected_version: None };
    Ok(Json(Listed { policies: register.apply(&policies, draft, None, &change).await? }))
}

async fn apply_one(
    State(register): Register,
    Extension(author): Extension<Author>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body<ApplyOne>,
) -> Answer<Tagged<PolicyVersion>> {
    let Json(ApplyOne { mut policy, draft, position, note }) = body?;
    if let Some(fields) = policy.as_object_mut() {
        let found = fields.entry("id").or_insert_with(|| id.clone().into());
        if *found != id {
            return Err(Refused::request(StatusCode::BAD_REQUEST, "policy.id: not the id of the path"));
        }
    }
    let change = Change { author: author.0, note, expected_version: expected(&headers)? };
    let applied = register.apply(&[policy], draft, position, &change).await?;
    let version = applied.into_iter().next().ok_or(PolicyError::Unknown { id })?;
    Ok(Tagged(version.version, version))
}

async fn enable(
    register: Register,
    author: Extension<Author>,
    id: Path<String>,
    headers: HeaderMap,
    body: Body<Why>,
) -> Answer<Tagged<PolicyVersion>> {
    set_state(PolicyState::Enabled, register, author, id, &headers, body).await
}

async fn disable(
    register: Register,
    author: Extension<Author>,
    id: Path<String>,
    headers: HeaderMap,
    body: Body<Why>,
) -> Answer<Tagged<PolicyVersion>> {
    set_state(PolicyState::Disabled, register, author, id, &headers, body).await
}

async fn archive(
    register: Register,
    author: Extension<Author>,
    id: Path<String>,
    headers: HeaderMap,
    body: Body<Why>,
) -> Answer<Tagged<PolicyVersion>> {
    set_state(PolicyState::Archived, register, author, id, &headers, body).await
}

async fn set_state(
    to: PolicyState,
    State(register): Register,
    Extension(author): Extension<Author>,
    Path(id): Path<String>,
    headers: &HeaderMap,
    body: Body<Why>,
) -> Answer<Tagged<PolicyVersion>> {
    let Json(Why { note }) = body?;
    let change = Change { author: author.0, note, expected_version: expected(headers)? };
    let version = register.set_state(&id, to, &change).await?;
    Ok(Tagged(version.version, version))
}

async fn roll_back(
    State(register): Register,
    Extension(author): Extension<Author>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body<RollBack>,
) -> Answer<Tagged<PolicyVersion>> {
    let Json(RollBack { version, note }) = body?;
    let change = Change { author: author.0, note, expected_version: expected(&headers)? };
    let version = register.roll_back(&id, version, &change).await?;
    Ok(Tagged(version.version, version))
}

/// `If-Match: "3"` expects version 3, and `If-None-Match: *` a new policy.
fn expected(headers: &HeaderMap) -> Result<Option<u64>, Refused> {
    let one = |name: &axum::http::HeaderName| {
        let mut values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
        (values.next(), values.next().is_some())
    };
    match (one(&IF_MATCH), one(&IF_NONE_MATCH)) {
        ((None, _), (None, _)) => Ok(None),
        ((None, _), (Some("*"), false)) => Ok(Some(0)),
        ((Some(tag), false), (None, _)) if version_of(tag).is_some() => Ok(version_of(tag)),
        _ => Err(Refused::request(
            StatusCode::BAD_REQUEST,
            "expected If-Match with one version, as in \"3\", or If-None-Match: * for a new policy",
        )),
    }
}

/// An entity tag is quoted (RFC 9110, section 8.8.3).
fn version_of(tag: &str) -> Option<u64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

impl<T: serde::Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        ([(ETAG, format!("\"{}\"", self.0))], Json(self.1)).into_response()
    }
}

impl Refused {
    /// The request itself is wrong.
    pub fn request(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, reason: "invalid_request", error: error.into() }
    }

    /// The reasons of policies, each with its status.
    const fn row(error: &PolicyError) -> (StatusCode, &'static str) {
        match error {
            PolicyError::Invalid { .. } | PolicyError::InvalidId(_) | PolicyError::Set(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid_policy")
            }
            PolicyError::NoteTooLong { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "note_too_long"),
            PolicyError::Unknown { .. } => (StatusCode::NOT_FOUND, "unknown_policy"),
            PolicyError::UnknownVersion { .. } => (StatusCode::NOT_FOUND, "unknown_version"),
            PolicyError::VersionConflict { .. } => (StatusCode::PRECONDITION_FAILED, "version_conflict"),
            PolicyError::StateConflict { .. } => (StatusCode::CONFLICT, "state_conflict"),
            PolicyError::Overtaken => (StatusCode::SERVICE_UNAVAILABLE, "overtaken"),
            PolicyError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
        }
    }
}

impl From<PolicyError> for Refused {
    fn from(error: PolicyError) -> Self {
        let (status, reason) = Self::row(&error);
        Self { status, reason, error: error.to_string() }
    }
}

impl From<JsonRejection> for Refused {
    fn from(rejection: JsonRejection) -> Self {
        Self::request(rejection.status(), rejection.body_text())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self { status, reason, error } = self;
        (status, Json(Refusal { reason: reason.to_owned(), error })).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_expected_by_one_quoted_number() {
        let headers = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
        };
        assert_eq!(expected(&headers(&[])).unwrap(), None);
        assert_eq!(expected(&headers(&[("if-match", "\"12\"")])).unwrap(), Some(12));
        assert_eq!(expected(&headers(&[("if-none-match", "*")])).unwrap(), Some(0));
        for wrong in [
            &[("if-match", "3")][..],
            &[("if-match", "*")],
            &[("if-match", "\"\"")],
            &[("if-match", "\"+3\"")],
            &[("if-match", "W/\"3\"")],
            &[("if-match", "\"99999999999999999999\"")],
            &[("if-match", "\"3\", \"4\"")],
            &[("if-none-match", "\"3\"")],
            &[("if-match", "\"3\""), ("if-none-match", "*")],
        ] {
            assert_eq!(expected(&headers(wrong)).unwrap_err().status, StatusCode::BAD_REQUEST, "{wrong:?}");
        }
        let mut twice = headers(&[("if-match", "\"3\"")]);
        twice.append(IF_MATCH, "\"4\"".parse().unwrap());
        assert!(expected(&twice).is_err());
    }
}
