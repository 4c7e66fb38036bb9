//! Answers: JSON, and errors as JSON.

use axum::body::Body;
use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use infernet_api::{ApiError, ErrorCode};
use serde::Serialize;

/// An error as it is sent.
#[derive(Debug)]
pub(super) struct Refused(pub(super) ApiError);

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

/// Result of a handler.
pub(super) type Handled<T> = Result<T, Refused>;

/// A value as JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        with_status(StatusCode::OK, &self.0)
    }
}

/// A value as JSON, made by this request.
pub(super) struct Created<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        with_status(StatusCode::CREATED, &self.0)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let error = self.0;
        if error.code == ErrorCode::Internal {
            tracing::error!(%error, "a request failed inside the node");
        }
        let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = with_status(status, &error);
        let headers = response.headers_mut();
        match error.code {
            ErrorCode::Unauthorized => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // What follows on this connection may be the rest of a body.
            ErrorCode::LengthRequired | ErrorCode::BodyTooLarge | ErrorCode::RequestTimeout => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}

fn with_status(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => {
            // Plain structs with text keys always can; this is for the day someone adds one that can't.
            tracing::error!(%error, "an answer can't be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// No endpoint at this path.
pub(super) async fn not_found() -> Refused {
    ApiError::new(ErrorCode::NotFound, "there is no endpoint at this path", "see /openapi.json for those there are")
        .into()
}

/// The endpoint has no such method. The router adds `Allow`.
pub(super) async fn method_not_allowed() -> Refused {
    let next_step = format!("use one of the methods in the header {ALLOW}");
    ApiError::new(ErrorCode::MethodNotAllowed, "this endpoint has no such method", next_step).into()
}
