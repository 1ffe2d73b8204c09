//! JSON bodies: limited in size, and by the listener in time; unknown fields are refused, naming
//! the field.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use proto::json::check_shape;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serve::{BodyTimeout, Turn};

use super::error::ApiError;

/// A parsed body.
pub(super) struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
        if !media_type.trim().eq_ignore_ascii_case("application/json") {
            return Err(ApiError::not_json());
        }
        if let Some(found) =
            request.headers().get_all(header::CONTENT_ENCODING).iter().find(|value| !is_identity(value))
        {
            return Err(ApiError::encoded(&String::from_utf8_lossy(found.as_bytes())));
        }
        let turn = request.extensions().get::<Turn>().cloned();
        let bytes = Bytes::from_request(request, state).await.map_err(|error| not_read(&error))?;
        if let Some(turn) = turn {
            turn.begin().await;
        }
        parse(&bytes).map(Self)
    }
}

fn is_identity(encoding: &HeaderValue) -> bool {
    encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")
}

fn not_read(error: &BytesRejection) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        ApiError::body_too_large()
    } else if BodyTimeout::is_cause_of(error) {
        ApiError::body_not_received()
    } else {
        ApiError::body_malformed()
    }
}

/// Maximum number of values in a body. A provisioning has several for each of its deployments and
/// origins.
const MOST_VALUES: usize = 4096;

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // Includes values inside parts that are parsed as arbitrary JSON, such as an operation.
    check_shape(bytes, MOST_VALUES).map_err(|error| match error.classify() {
        Category::Data => ApiError::invalid_field("body", error),
        _ => ApiError::malformed_json(error),
    })?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        match error.inner().classify() {
            Category::Data if path == "." => ApiError::invalid_field("body", error.inner()),
            Category::Data => ApiError::invalid_field(&path, error.inner()),
            _ => ApiError::malformed_json(error.inner()),
        }
    })?;
    deserializer.end().map_err(ApiError::malformed_json)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use axum::body::Body;
    use serde_json::Value;
    use serve::{Client, Turns};
    use tokio::time::{Duration, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_is_parsed_after_the_previous_one_of_its_client() {
        let turns = Turns::default();
        let [first, second] = [(); 2].map(|()| turns.of(Client::Untold));
        let read = |turn: &Turn| {
            let mut request = Request::new(Body::from("{}"));
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            request.extensions_mut().insert(turn.clone());
            Box::pin(JsonBody::<Value>::from_request(request, &()))
        };
        let mut next = read(&second);
        assert!(read(&first).await.is_ok());
        assert!(timeout(Duration::from_secs(60), next.as_mut()).await.is_err());
        first.until_it_waits(ready(())).await;
        assert!(next.await.is_ok());
    }
}
