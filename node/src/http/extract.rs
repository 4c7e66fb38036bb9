//! What comes with a request: identifiers in the path, parameters in the query, JSON in the body.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use infernet_api::{ApiError, ErrorCode};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::answer::Refused;

/// An identifier in the path.
pub(super) struct Id<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Id<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(rejection) => {
                let next_step = "take the id from a list of the API";
                Err(ApiError::new(ErrorCode::InvalidId, rejection.body_text(), next_step).at("id").into())
            }
        }
    }
}

/// Parameters in the query; unknown ones are refused.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(rejection) => {
                let next_step = "see /openapi.json for the parameters of this endpoint";
                Err(ApiError::new(ErrorCode::InvalidQuery, rejection.body_text(), next_step).into())
            }
        }
    }
}

/// JSON in the body.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let (headers, bytes) = bytes(request, state).await?;
        check_type(&headers)?;
        read(&bytes).map(Self)
    }
}

/// JSON in the body, or nothing.
pub(super) struct OptionalBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let (headers, bytes) = bytes(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        check_type(&headers)?;
        read(&bytes).map(Self)
    }
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<(HeaderMap, Bytes), Refused> {
    let headers = request.headers().clone();
    // The guard has compared the announced length with the bound; hyper reads no more than was announced.
    match Bytes::from_request(request, state).await {
        Ok(bytes) => Ok((headers, bytes)),
        Err(rejection) => {
            let next_step = "send the whole body that Content-Length announces";
            Err(ApiError::new(ErrorCode::InvalidRequest, rejection.body_text(), next_step).into())
        }
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Refused> {
    let found = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = found.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || essence == "application/merge-patch+json" {
        return Ok(());
    }
    let message = match found {
        "" => "the body has no Content-Type".to_owned(),
        found => format!("the body's Content-Type is `{}`", found.chars().take(64).collect::<String>()),
    };
    let next_step = "send JSON with Content-Type: application/json";
    Err(ApiError::new(ErrorCode::UnsupportedMediaType, message, next_step).at("Content-Type").into())
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (code, next_step) = match error.classify() {
            Category::Data => (ErrorCode::InvalidRequest, "see /openapi.json for the fields of this request"),
            Category::Syntax | Category::Eof | Category::Io => (ErrorCode::MalformedJson, "send one JSON value"),
        };
        ApiError::new(code, format!("the body can't be read: {error}"), next_step).into()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use infernet_api::types::status::PauseRequest;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            if let Err(Refused(error)) = read::<PauseRequest>(&bytes) {
                prop_assert!(matches!(error.code, ErrorCode::InvalidRequest | ErrorCode::MalformedJson));
            }
        }
    }

    #[test]
    fn deep_json_is_refused() {
        let Refused(error) = read::<serde_json::Value>("[".repeat(100_000).as_bytes()).unwrap_err();
        assert_eq!(error.code, ErrorCode::MalformedJson);
    }
}
