//! Requests: the client, which addresses may be used, redirects, and what an error of the client means.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderName, IF_RANGE, LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::{Client, Method, Response, StatusCode, Url};

use super::super::catalogue::{CatalogueFile, Source};
use super::super::digest::Sha256Digest;
use super::super::error::StoreError;
use super::options::{DownloadOptions, ProxyMode};

const MAX_REDIRECTS: usize = 10;
const MAX_URL_LEN: usize = 8 << 10;
/// Headers in which the hub says size and SHA-256 of a file that it keeps in large-file storage.
const LINKED_SIZE: HeaderName = HeaderName::from_static("x-linked-size");
const LINKED_ETAG: HeaderName = HeaderName::from_static("x-linked-etag");

/// A failed attempt: what went wrong, and whether another attempt may help.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: StoreError,
    pub(super) retry: bool,
}

impl Failure {
    pub(super) fn last(error: StoreError) -> Self {
        Self { error, retry: false }
    }

    pub(super) fn again(error: StoreError) -> Self {
        Self { error, retry: true }
    }
}

/// What the hub says of a file in large-file storage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Linked {
    pub(super) size: Option<u64>,
    pub(super) sha256: Option<Sha256Digest>,
}

impl Linked {
    fn absorb(&mut self, headers: &HeaderMap) {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        self.size = self.size.or_else(|| text(LINKED_SIZE)?.trim().parse().ok());
        // A file outside large-file storage has a git object id here, which is no SHA-256 of its content.
        self.sha256 = self
            .sha256
            .or_else(|| Sha256Digest::from_hex(text(LINKED_ETAG)?.trim().trim_start_matches("W/").trim_matches('"')));
    }
}

/// An answer, after redirects.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) linked: Linked,
}

/// Where a request for the rest of a file starts, and what the file must still be for that to make sense.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    pub(super) offset: u64,
    pub(super) etag: Option<String>,
}

/// Makes requests.
#[derive(Debug)]
pub(super) struct Transport {
    client: Client,
    base: Url,
    allow_plain_http: bool,
    stall_timeout: Duration,
}

impl Transport {
    /// A client for the catalogue's hub or its mirror.
    pub(super) fn new(hub: &str, options: &DownloadOptions) -> Result<Self, StoreError> {
        let (what, address) = match &options.mirror {
            Some(mirror) => ("the mirror address", mirror.as_str()),
            None => ("the hub address in the catalogue", hub),
        };
        let base = base_url(address).map_err(|reason| StoreError::BadOption { what, reason })?;
        check_scheme(&base, options.allow_plain_http)?;
        // Whoever installed a provider before us is welcome: reqwest takes the one that is there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = client(&base, options)?;
        Ok(Self { client, base, allow_plain_http: options.allow_plain_http, stall_timeout: options.stall_timeout })
    }

    /// Address of a file: `<base>/<owner>/<name>/resolve/<revision>/<path>`.
    pub(super) fn url_of(&self, source: &Source, file: &CatalogueFile) -> Result<Url, StoreError> {
        let mut url = self.base.clone();
        let pieces = source
            .repository
            .split('/')
            .chain(["resolve", source.revision.as_str()])
            .chain(file.remote_path().as_str().split('/'));
        url.path_segments_mut()
            .map_err(|()| StoreError::BadOption { what: "the mirror address", reason: "it can't have a path".into() })?
            .pop_if_empty()
            .extend(pieces);
        Ok(url)
    }

    /// Asks for a file or its rest and follows redirects.
    pub(super) async fn get(&self, url: &Url, rest: Option<&Rest>) -> Result<Answer, Failure> {
        let answer = self.request(Method::GET, url, rest, false).await?;
        let encoding = answer.response.headers().get(CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            let detail = "it is compressed although that was not asked for".into();
            return Err(Failure::again(StoreError::BadAnswer { url: shown(url), detail }));
        }
        Ok(answer)
    }

    /// Asks for the size of a file; `None` where the source does not say.
    pub(super) async fn size(&self, url: &Url) -> Result<Option<u64>, Failure> {
        let answer = self.request(Method::HEAD, url, None, true).await?;
        if answer.linked.size.is_some() {
            return Ok(answer.linked.size);
        }
        let status = answer.response.status();
        if status == StatusCode::METHOD_NOT_ALLOWED || status == StatusCode::NOT_IMPLEMENTED {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(self.status_failure(&answer.response, url));
        }
        // The body of an answer to HEAD is empty whatever its length field says, so the field is read as text.
        let length =
            answer.response.headers().get(reqwest::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        Ok(length.and_then(|length| length.trim().parse().ok()))
    }

    async fn request(
        &self,
        method: Method,
        start: &Url,
        rest: Option<&Rest>,
        stop_when_linked: bool,
    ) -> Result<Answer, Failure> {
        let mut url = start.clone();
        let mut linked = Linked::default();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.client.request(method.clone(), url.clone()).header(ACCEPT_ENCODING, "identity");
            if let Some(rest) = rest {
                request = request.header(RANGE, format!("bytes={}-", rest.offset));
                if let Some(etag) = &rest.etag {
                    request = request.header(IF_RANGE, etag);
                }
            }
            let response = match tokio::time::timeout(self.stall_timeout, request.send()).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(self.client_failure(&error, &url)),
                Err(_) => {
                    return Err(Failure::again(StoreError::Stalled { url: shown(&url), after: self.stall_timeout }));
                }
            };
            // Only the hub itself knows what its large-file storage should hold.
            if url.host() == self.base.host() {
                linked.absorb(response.headers());
            }
            let moved = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if !moved || (stop_when_linked && linked.size.is_some()) {
                return Ok(Answer { response, linked });
            }
            url = self.redirect_target(&url, response.headers())?;
        }
        Err(Failure::last(StoreError::TooManyRedirects { url: shown(start) }))
    }

    fn redirect_target(&self, from: &Url, headers: &HeaderMap) -> Result<Url, Failure> {
        let target =
            headers.get(LOCATION).and_then(|value| value.to_str().ok()).filter(|text| text.len() <= MAX_URL_LEN);
        let to = target.and_then(|target| from.join(target).ok()).ok_or_else(|| {
            Failure::again(StoreError::BadAnswer {
                url: shown(from),
                detail: "it redirects without a usable address".into(),
            })
        })?;
        check_redirect(from, &to, self.allow_plain_http).map_err(Failure::last)?;
        Ok(to)
    }

    /// What an answer with a status other than success means.
    pub(super) fn status_failure(&self, response: &Response, url: &Url) -> Failure {
        let status = response.status().as_u16();
        let error = StoreError::Status { url: shown(url), status, retry_after: retry_after(response.headers()) };
        Failure { error, retry: matches!(status, 408 | 425 | 429 | 500..=599) && status != 501 && status != 505 }
    }

    /// What an error of the HTTP client means.
    pub(super) fn client_failure(&self, error: &reqwest::Error, url: &Url) -> Failure {
        let host = url.host_str().unwrap_or("the source").to_owned();
        let chain = causes(error);
        let detail = chain.last().cloned().unwrap_or_default();
        if let Some(tls) = tls_error(error) {
            // A bad certificate stays bad; a broken record in the middle of a transfer may be a bit that flipped.
            return Failure { error: StoreError::Tls { host, detail: tls }, retry: !error.is_connect() };
        }
        if chain.iter().any(|cause| cause.contains("dns error")) {
            return Failure::again(StoreError::Dns { host });
        }
        if chain.iter().any(|cause| cause.contains("proxy authorization required")) {
            return Failure::last(StoreError::Status { url: shown(url), status: 407, retry_after: None });
        }
        if error.is_timeout() && error.is_connect() {
            return Failure::again(StoreError::Connect { host, detail: "it took too long".into() });
        }
        if error.is_connect() {
            return Failure::again(StoreError::Connect { host, detail });
        }
        if chain.iter().any(|cause| cause.starts_with("invalid HTTP") || cause.contains("message head is too large")) {
            return Failure::again(StoreError::BadAnswer { url: shown(url), detail });
        }
        Failure::again(StoreError::Interrupted { url: shown(url), detail })
    }
}

fn client(base: &Url, options: &DownloadOptions) -> Result<Client, StoreError> {
    let builder = || -> Result<reqwest::ClientBuilder, StoreError> {
        let builder = Client::builder()
            .user_agent(concat!("infernet/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .tcp_keepalive(Duration::from_secs(30));
        Ok(match &options.proxy {
            ProxyMode::System if is_this_computer(base) => builder.no_proxy(),
            ProxyMode::System => builder,
            ProxyMode::Direct => builder.no_proxy(),
            ProxyMode::Address(address) => {
                // The error of the library may quote the address with its password, so it is not passed on.
                let bad = || StoreError::BadOption {
                    what: "the proxy address",
                    reason: "it is no address like http://host:port".into(),
                };
                let parsed = Url::parse(address)
                    .ok()
                    .filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
                builder.no_proxy().proxy(reqwest::Proxy::all(parsed.ok_or_else(bad)?).map_err(|_| bad())?)
            }
        })
    };
    match builder()?.build() {
        Ok(client) => Ok(client),
        // A system without root certificates can still reach a plain address on this computer or network.
        Err(_) if base.scheme() == "http" => {
            builder()?.tls_certs_only([]).build().map_err(|error| StoreError::Client { detail: innermost(&error) })
        }
        Err(error) => Err(StoreError::Client { detail: innermost(&error) }),
    }
}

fn base_url(address: &str) -> Result<Url, String> {
    if address.len() > MAX_URL_LEN {
        return Err("it is too long".into());
    }
    let url = Url::parse(address).map_err(|error| format!("it is no web address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("it must start with https://".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it must not have '?' or '#' in it".into());
    }
    Ok(url)
}

/// An address as it may be shown and logged: without name, password and query, which may hold a key.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

fn is_this_computer(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

fn check_scheme(url: &Url, allow_plain_http: bool) -> Result<(), StoreError> {
    if url.scheme() == "https" || (url.scheme() == "http" && (allow_plain_http || is_this_computer(url))) {
        return Ok(());
    }
    Err(StoreError::InsecureSource { url: shown(url) })
}

/// From HTTPS only to HTTPS; from plain HTTP to where plain HTTP is allowed.
fn check_redirect(from: &Url, to: &Url, allow_plain_http: bool) -> Result<(), StoreError> {
    let downgrade = from.scheme() == "https" && to.scheme() != "https";
    if downgrade || check_scheme(to, allow_plain_http).is_err() {
        return Err(StoreError::InsecureRedirect { from: shown(from), to: shown(to) });
    }
    Ok(())
}

/// The number of seconds in a `Retry-After` field; its other form, a date, is taken as no wish.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// The texts of an error and of all that caused it.
fn causes(error: &reqwest::Error) -> Vec<String> {
    std::iter::successors(error.source(), |&cause| cause.source()).map(ToString::to_string).collect()
}

fn innermost(error: &reqwest::Error) -> String {
    causes(error).pop().unwrap_or_else(|| "no reason is given".into())
}

/// The TLS error among the causes. An `io::Error` hides what it wraps from `source()`, so it is opened by hand, and
/// one may wrap another.
fn tls_error(error: &reqwest::Error) -> Option<String> {
    std::iter::successors(error.source(), |&cause| cause.source()).find_map(|cause| {
        let opened = std::iter::successors(Some(cause), |&cause| {
            let inner = cause.downcast_ref::<std::io::Error>()?.get_ref()?;
            Some(inner as &(dyn std::error::Error + 'static))
        });
        opened.filter_map(|cause| cause.downcast_ref::<rustls::Error>()).next().map(ToString::to_string)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn plain_http_is_for_this_computer_only() {
        for good in ["https://hub.example", "http://localhost:1", "http://127.9.9.9", "http://[::1]:80"] {
            assert!(check_scheme(&url(good), false).is_ok(), "{good}");
        }
        for bad in [
            "http://hub.example",
            "http://localhost.example",
            "http://10.0.0.1",
            "ftp://localhost",
            "file:///etc/passwd",
        ] {
            assert!(check_scheme(&url(bad), false).is_err(), "{bad}");
        }
        assert!(check_scheme(&url("http://10.0.0.1"), true).is_ok());
        assert!(check_scheme(&url("ftp://10.0.0.1"), true).is_err());
    }

    #[test]
    fn a_redirect_never_leaves_https() {
        let (secure, local, other) = (url("https://a.example/x"), url("http://127.0.0.1/x"), url("http://b.example/x"));
        assert!(check_redirect(&secure, &url("https://b.example"), false).is_ok());
        for target in [&local, &other] {
            for allow in [false, true] {
                let error = check_redirect(&secure, target, allow).unwrap_err();
                assert_eq!(error.code(), "net.insecure_redirect");
            }
        }
        assert!(check_redirect(&local, &secure, false).is_ok());
        assert!(check_redirect(&local, &local, false).is_ok());
        assert!(check_redirect(&local, &other, false).is_err());
        assert!(check_redirect(&local, &other, true).is_ok());
    }

    #[test]
    fn addresses_are_built_under_the_base_and_shown_without_secrets() {
        let options =
            DownloadOptions { mirror: Some("https://me:pw@mirror.example/hub/".into()), ..Default::default() };
        let transport = Transport::new("https://unused.example", &options).unwrap();
        let source = Source { repository: "owner/name".into(), revision: "abc".into(), also_known_as: Vec::new() };
        let file = CatalogueFile {
            path: super::super::super::names::RelPath::parse("unet/a %2f#b.bin").unwrap(),
            remote: None,
            size: None,
            approx_size: None,
            sha256: None,
        };
        let url = transport.url_of(&source, &file).unwrap();
        assert_eq!(url.path(), "/hub/owner/name/resolve/abc/unet/a%20%252f%23b.bin");
        assert!(!shown(&url).contains("pw"));
        assert_eq!(shown(&Url::parse("https://u:p@h.example/x?key=secret#f").unwrap()), "https://h.example/x");
    }

    #[test]
    fn bad_addresses_are_refused_without_showing_passwords() {
        let error = |mirror: &str, proxy: &str| {
            let proxy = if proxy.is_empty() { ProxyMode::Direct } else { ProxyMode::Address(proxy.into()) };
            let options = DownloadOptions { mirror: Some(mirror.into()), proxy, ..Default::default() };
            Transport::new("https://unused.example", &options).unwrap_err()
        };
        for mirror in ["", "mirror", "/x", "ftp://x", "https://x/?q=1", "https://x/#f", "https://"] {
            assert_eq!(error(mirror, "").code(), "option.bad", "{mirror}");
        }
        assert_eq!(error("http://mirror.example", "").code(), "net.insecure_source");
        for proxy in ["x:hunter2@y", "ftp://u:hunter2@h", "http://u:hunter2@h:999999"] {
            let error = error("https://mirror.example", proxy);
            assert_eq!(error.code(), "option.bad", "{proxy}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn only_a_sha256_counts_as_one() {
        let linked = |etag: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LINKED_ETAG, etag.parse().unwrap());
            headers.insert(LINKED_SIZE, "17".parse().unwrap());
            let mut linked = Linked::default();
            linked.absorb(&headers);
            assert_eq!(linked.size, Some(17));
            linked.sha256
        };
        let hex = "ab".repeat(32);
        let digest = Sha256Digest::from_hex(&hex);
        assert_eq!(linked(&format!("\"{hex}\"")), digest);
        assert_eq!(linked(&hex), digest);
        assert_eq!(linked(&format!("W/\"{hex}\"")), digest);
        assert_eq!(linked("\"0123456789012345678901234567890123456789\""), None);
    }
}
