//! Requests and answers.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::tls::Seen;
use super::{ClientError, ServerTrust};
use crate::{ApiError, ApiToken};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take in all; a node itself gives up after 30 seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(40);
/// Silence after which a file or a stream of events counts as broken; a node sends a comment every 15 seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(45);
/// Largest answer that is held in memory.
const MAX_ANSWER_BYTES: usize = 32 << 20;

/// Where a node is and what to show it.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Its URL: `http` for this computer, `https` for others.
    pub url: String,
    /// Its token.
    pub token: ApiToken,
    /// How to recognise it, for `https`.
    pub trust: ServerTrust,
}

/// A node's client. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    base: Url,
    /// For answers that are read as a whole.
    calls: reqwest::Client,
    /// For files and events, which may take as long as something comes.
    streams: reqwest::Client,
    seen: Seen,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client; connects with the first request.
    ///
    /// # Errors
    /// A URL that can't be a node's, `http` to another computer, `https` without anything to recognise the node by, or a
    /// certificate that can't be read.
    pub fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        let base = check_url(&config.url, &config.trust)?;
        let mut headers = HeaderMap::new();
        let mut token = HeaderValue::try_from(format!("Bearer {}", config.token.reveal()))
            .map_err(|_| ClientError::Url { url: config.url.clone(), reason: "the token can't be sent".to_owned() })?;
        token.set_sensitive(true);
        headers.insert(AUTHORIZATION, token);
        let (tls, seen) = config.trust.config()?;
        let builder = || {
            reqwest::Client::builder()
                .default_headers(headers.clone())
                .connect_timeout(CONNECT_TIMEOUT)
                // Neither a proxy nor another server shall see the token.
                .no_proxy()
                .redirect(redirect::Policy::none())
                .http1_only()
                .user_agent(concat!("infernet/", env!("CARGO_PKG_VERSION")))
                .tls_backend_preconfigured(tls.clone())
        };
        let failed = |error: reqwest::Error| ClientError::Url { url: config.url.clone(), reason: error.to_string() };
        Ok(Self {
            base,
            calls: builder().timeout(REQUEST_TIMEOUT).build().map_err(failed)?,
            streams: builder().read_timeout(READ_TIMEOUT).build().map_err(failed)?,
            seen,
        })
    }

    /// Where the node is.
    #[must_use]
    pub fn url(&self) -> &str {
        self.base.as_str()
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.answer(self.request(Method::GET, path)).await
    }

    pub(super) async fn get_with<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
    ) -> Result<T, ClientError> {
        let mut url = self.join(path);
        let fields = serde_json::to_value(query).map_err(|error| self.unexpected(error.to_string()))?;
        for (name, value) in fields.as_object().into_iter().flatten() {
            // Filters are flat: texts, numbers and yes or no.
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            url.query_pairs_mut().append_pair(name, &text);
        }
        self.answer(self.calls.get(url)).await
    }

    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.answer(self.request(Method::POST, path)).await
    }

    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.unexpected(error.to_string()))?;
        self.answer(self.request(method, path).header(CONTENT_TYPE, "application/json").body(body)).await
    }

    pub(super) async fn bytes(&self, path: &str) -> Result<(HeaderMap, Vec<u8>), ClientError> {
        let response = self.open(self.request(Method::GET, path)).await?;
        let headers = response.headers().clone();
        Ok((headers, self.body(response).await?))
    }

    pub(super) fn stream(&self, path: &str, accept: &'static str) -> RequestBuilder {
        self.streams.get(self.join(path)).header(ACCEPT, accept)
    }

    /// Sends a request; a refusal becomes an error.
    pub(super) async fn open(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.body(response).await?;
        Err(match serde_json::from_slice::<ApiError>(&body) {
            Ok(error) => error.into(),
            Err(_) => self.unexpected(refusal(status)),
        })
    }

    /// What a failed request means.
    pub(super) fn failed(&self, error: &reqwest::Error) -> ClientError {
        let url = self.base.to_string();
        let mut reason = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            let io = cause.downcast_ref::<io::Error>();
            if io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
                return ClientError::NoNode { url };
            }
            if let Some(rustls::Error::InvalidCertificate(_)) = cause.downcast_ref() {
                let found = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                return ClientError::Certificate { url, found };
            }
            reason = cause.to_string();
            // An input or output error passes over what it wraps when it is asked for its source.
            next = match io.and_then(io::Error::get_ref) {
                Some(wrapped) => Some(wrapped),
                None => cause.source(),
            };
        }
        if error.is_timeout() { ClientError::Timeout { url } } else { ClientError::Connection { url, reason } }
    }

    pub(super) fn unexpected(&self, reason: String) -> ClientError {
        ClientError::Unexpected { url: self.base.to_string(), reason }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.calls.request(method, self.join(path))
    }

    /// Paths are ours: plain words and identifiers.
    fn join(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let prefix = self.base.path().trim_end_matches('/').to_owned();
        url.set_path(&(prefix + path));
        url
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = self.open(request.header(ACCEPT, "application/json")).await?;
        let body = self.body(response).await?;
        serde_json::from_slice(&body).map_err(|error| self.unexpected(format!("its answer can't be read: {error}")))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(self.unexpected(format!("its answer is larger than {} MiB", MAX_ANSWER_BYTES >> 20)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn refusal(status: StatusCode) -> String {
    format!("status {status} without one of a node's errors")
}

/// The URL, if a token may be sent to it.
fn check_url(text: &str, trust: &ServerTrust) -> Result<Url, ClientError> {
    let bad = |reason: &str| ClientError::Url { url: text.to_owned(), reason: reason.to_owned() };
    let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ClientError::Url { url: "...@...".to_owned(), reason: "it has a password in it".to_owned() });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it has a query or a fragment"));
    }
    let host = url.host_str().ok_or_else(|| bad("it names no computer"))?;
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "http" if here => Ok(url),
        "http" => Err(ClientError::Unencrypted { url: text.to_owned() }),
        "https" if *trust == ServerTrust::ThisComputer => Err(ClientError::NoTrust { url: text.to_owned() }),
        "https" => Ok(url),
        _ => Err(bad("expected http or https")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Digest;

    fn code(url: &str, trust: &ServerTrust) -> &'static str {
        check_url(url, trust).map_or_else(|error| error.code(), |_| "fine")
    }

    #[test]
    fn tokens_go_nowhere_unencrypted() {
        let (none, pin) = (ServerTrust::ThisComputer, ServerTrust::Fingerprint(Digest([0; 32])));
        for url in ["http://127.0.0.1:7420", "http://localhost", "http://[::1]:1/", "http://127.8.9.1"] {
            assert_eq!(code(url, &none), "fine", "{url}");
        }
        for url in ["http://192.168.0.7:7420", "http://localhost.example.org", "http://0.0.0.0:7420", "http://rig"] {
            assert_eq!((code(url, &none), code(url, &pin)), ("unencrypted", "unencrypted"), "{url}");
        }
        assert_eq!((code("https://rig:7443", &none), code("https://rig:7443", &pin)), ("no_trust", "fine"));
        for url in [
            "",
            "rig",
            "ftp://localhost",
            "http://",
            "http://me:secret@localhost",
            "http://localhost?x=1",
            "file:///etc",
        ] {
            assert_eq!(code(url, &none), "bad_url", "{url}");
        }
        let error = check_url("http://me:secret@localhost", &none).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
