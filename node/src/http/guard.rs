//! What every request must show before anything else is looked at, and what every answer carries.
//!
//! A page in a browser must not be able to use the node of the computer it is shown on: its requests carry its own
//! `Host` (DNS rebinding) or its own `Origin`, and never the token.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY,
    TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use infernet_api::{ApiError, ApiToken, ErrorCode};
use subtle::ConstantTimeEq as _;

use super::answer::Refused;
use super::refusals::{Reason, Refusals};

/// Paths that need no token: they say nothing about this node.
const OPEN_PATHS: [&str; 2] = ["/healthz", "/openapi.json"];
/// Set by browsers; says where a request comes from even where `Origin` is missing.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What one listener asks of requests.
pub(super) struct Guard {
    pub(super) token: ApiToken,
    /// Lower-case names and addresses that `Host` may have; ports do not matter (tunnels change them).
    pub(super) hosts: BTreeSet<String>,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    pub(super) body_bytes: usize,
    pub(super) request: Duration,
    pub(super) refusals: Arc<Refusals>,
}

impl Guard {
    /// By what programs of this computer call it.
    pub(super) fn local_hosts() -> BTreeSet<String> {
        ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).into()
    }

    /// A name as it is compared: lower case, IPv6 addresses in brackets.
    pub(super) fn normal_host(host: &str) -> String {
        let host = host.trim().to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<std::net::Ipv6Addr>().map_or(host.clone(), |address| format!("[{address}]"))
    }

    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
        let host = self.check_host(uri, headers)?;
        self.check_origin(&host, headers)?;
        if !OPEN_PATHS.contains(&uri.path()) {
            self.check_token(headers)?;
        }
        self.check_body(headers)
    }

    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<Authority, Refused> {
        let refuse = |found: &str| {
            self.refusals.note(Reason::Host, format_args!("Host `{}`", found.escape_debug()));
            let next_step =
                "call this node by localhost or 127.0.0.1; names for remote access are in `api.remote_hosts`";
            ApiError::new(ErrorCode::HostRefused, "the header Host names none of this node's addresses", next_step)
                .at("Host")
        };
        let found = only(headers, &HOST).ok_or_else(|| refuse("missing or repeated"))?;
        let authority = found.parse::<Authority>().map_err(|_| refuse(found))?;
        // A target in absolute form has an authority of its own, which would count instead (RFC 9112, section 3.2.2).
        let named = [Some(&authority), uri.authority()].into_iter().flatten();
        for named in named {
            if named.as_str().contains('@') || !self.hosts.contains(&Self::normal_host(named.host())) {
                return Err(refuse(named.as_str()).into());
            }
        }
        Ok(authority)
    }

    fn check_origin(&self, host: &Authority, headers: &HeaderMap) -> Result<(), Refused> {
        let site = headers.get(&FETCH_SITE).map(HeaderValue::as_bytes);
        let foreign_site = site.is_some_and(|site| site != b"same-origin" && site != b"none");
        let own = format!("{}://{host}", self.scheme);
        let foreign_origin =
            headers.get_all(ORIGIN).iter().any(|origin| !origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()));
        if !foreign_site && !foreign_origin {
            return Ok(());
        }
        self.refusals.note(Reason::Origin, format_args!("Origin {:?}", headers.get(ORIGIN)));
        let message = "the request comes from a web page of another origin";
        Err(ApiError::new(ErrorCode::OriginRefused, message, "use the program, not a web page").at("Origin").into())
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let given = only(headers, &AUTHORIZATION).and_then(|value| value.split_once(' '));
        let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let right = given.is_some_and(|given| given.as_bytes().ct_eq(self.token.reveal().as_bytes()).into());
        if right {
            return Ok(());
        }
        let (message, what) = match headers.contains_key(AUTHORIZATION) {
            true => ("the token is not this node's", "wrong token"),
            false => ("the request has no token", "no token"),
        };
        self.refusals.note(Reason::Token, what);
        let next_step = format!(
            "send `Authorization: Bearer TOKEN` with the content of the file {} in the node's data folder",
            infernet_api::TOKEN_FILE
        );
        Err(ApiError::new(ErrorCode::Unauthorized, message, next_step).at("Authorization").into())
    }

    /// Bodies have one length, known before they are read: nothing can be hidden behind another one.
    fn check_body(&self, headers: &HeaderMap) -> Result<(), Refused> {
        if headers.contains_key(TRANSFER_ENCODING) {
            self.refusals.note(Reason::Body, "Transfer-Encoding");
            let message = "bodies are taken only with a Content-Length, not with a Transfer-Encoding";
            let error = ApiError::new(ErrorCode::LengthRequired, message, "send the body's length");
            return Err(error.at("Transfer-Encoding").into());
        }
        // hyper has refused what is not one number.
        let length =
            headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
        if length <= self.body_bytes as u64 {
            return Ok(());
        }
        self.refusals.note(Reason::Body, format_args!("{length} bytes"));
        let message = format!("the body has {length} bytes; at most {} are taken", self.body_bytes);
        Err(ApiError::new(ErrorCode::BodyTooLarge, message, "send less").at("Content-Length").into())
    }
}

/// A header that must be there once, as text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Checks a request, and lets it take only so long.
pub(super) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let checked = guard.check(request.uri(), request.headers());
    let mut response = match checked {
        Err(refused) => refused.into_response(),
        Ok(()) => match tokio::time::timeout(guard.request, next.run(request)).await {
            Ok(response) => response,
            Err(_) => {
                guard.refusals.note(Reason::Timeout, "the answer took too long");
                let message = format!("the request took longer than {} seconds", guard.request.as_secs());
                let next_step = "look whether it was done all the same before repeating it";
                Refused(ApiError::new(ErrorCode::RequestTimeout, message, next_step)).into_response()
            }
        },
    };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
