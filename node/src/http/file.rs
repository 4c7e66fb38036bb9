//! Files: as a whole, in part, or not again.

use std::io::SeekFrom;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use infernet_api::{ApiError, ErrorCode};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::StoredFile;
use super::answer::{Handled, Refused};
use super::range::{self, Range};

/// Bytes read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// What a file is to a client.
pub(super) struct Kind {
    pub(super) content_type: &'static str,
    /// Name to save it under, plain ASCII.
    pub(super) name: String,
    /// What is answered when it is gone from the disk.
    pub(super) missing: ErrorCode,
}

/// Serves a file as the request's headers ask for it.
pub(super) async fn serve(file: &StoredFile, kind: &Kind, request: &HeaderMap) -> Handled<Response> {
    let gone = |error: std::io::Error| {
        tracing::warn!(%error, path = %file.path.display(), "a file that should be there can't be read");
        Refused(ApiError::new(
            kind.missing,
            "the file is not on this computer any more",
            "nothing can bring it back here",
        ))
    };
    let mut opened = File::open(&file.path).await.map_err(gone)?;
    let metadata = opened.metadata().await.map_err(gone)?;
    if !metadata.is_file() {
        return Err(gone(std::io::Error::other("not a file")));
    }
    let length = metadata.len();
    let tag = format!("\"{}\"", file.sha256);
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(ETAG, value(&tag)?);
    // Private to its owner, and never changes under its name.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if is_known(request, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind.content_type));
    headers.insert(CONTENT_DISPOSITION, value(&format!("inline; filename=\"{}\"", kind.name))?);
    let (status, first, count) = match asked(request, &tag, length) {
        Range::Whole => (StatusCode::OK, 0, length),
        Range::Part { first, last } => {
            headers.insert(CONTENT_RANGE, value(&format!("bytes {first}-{last}/{length}"))?);
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
        Range::Unsatisfiable => {
            let message = format!("the file has {length} bytes, none of them in this range");
            let error = ApiError::new(ErrorCode::RangeNotSatisfiable, message, "ask for bytes that the file has");
            let mut response = Refused(error.at("Range")).into_response();
            response.headers_mut().insert(CONTENT_RANGE, value(&format!("bytes */{length}"))?);
            return Ok(response);
        }
    };
    opened.seek(SeekFrom::Start(first)).await.map_err(gone)?;
    headers.insert(CONTENT_LENGTH, HeaderValue::from(count));
    let stream = ReaderStream::with_capacity(opened.take(count), CHUNK_BYTES);
    Ok((status, headers, Body::from_stream(stream)).into_response())
}

/// Whether the client has this very file.
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    let tags =
        request.get_all(IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok()).flat_map(|tags| tags.split(','));
    // Weak comparison: RFC 9110, section 13.1.2.
    tags.map(str::trim).any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag)
}

/// The range that is asked for, if it is meant for this very file.
fn asked(request: &HeaderMap, tag: &str, length: u64) -> Range {
    // Strong comparison: RFC 9110, section 13.1.5. Dates are never equal: files are told apart by digest.
    let other_file = request.get(IF_RANGE).is_some_and(|given| given.as_bytes() != tag.as_bytes());
    let header = request.get(RANGE).and_then(|range| range.to_str().ok());
    header.filter(|_| !other_file).map_or(Range::Whole, |header| range::parse(header, length))
}

fn value(text: &str) -> Handled<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| Refused(ApiError::internal("a file has a name that no header can carry")))
}
