//! The server: its listeners, and its end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use infernet_api::Digest;
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::backend::Backend;
use super::config::{HttpConfig, Limits};
use super::error::HttpError;
use super::gate::Gate;
use super::guard::Guard;
use super::metrics::Metrics;
use super::refusals::Refusals;
use super::routes::{App, router};

/// Most headers of a request.
const MAX_HEADERS: usize = 64;
/// Largest header of a request, all fields together.
const MAX_HEADER_BYTES: usize = 32 << 10;

/// A running server.
#[derive(Debug)]
pub struct HttpServer {
    local: SocketAddr,
    remote: Option<(SocketAddr, Digest)>,
    handles: Vec<Handle<SocketAddr>>,
    tasks: Vec<JoinHandle<io::Result<()>>>,
    ending: CancellationToken,
}

/// Starts serving a node. The server's own counters are added to `registry`, which `/metrics` shows.
///
/// # Errors
/// An address can't be had, or the configuration would let others in without TLS.
pub fn serve<B: Backend>(config: HttpConfig, backend: Arc<B>, mut registry: Registry) -> Result<HttpServer, HttpError> {
    let HttpConfig { listen, token, remote, limits } = config;
    if !listen.ip().is_loopback() {
        return Err(HttpError::NotLoopback { listen });
    }
    if remote.as_ref().is_some_and(|remote| remote.hosts.is_empty()) {
        return Err(HttpError::NoRemoteHosts);
    }
    let refusals = Arc::new(Refusals::default());
    let metrics = Arc::new(Metrics::register(&mut registry, &refusals));
    let ending = CancellationToken::new();
    let openapi = infernet_api::openapi::document().to_json().unwrap_or_else(|error| {
        tracing::error!(%error, "the API's description can't be written as JSON");
        String::new()
    });
    let app = Arc::new(App { backend, registry, metrics, limits, openapi, ending: ending.clone() });
    let guard = |hosts, scheme| Guard {
        token: token.clone(),
        hosts,
        scheme,
        body_bytes: limits.body_bytes,
        request: limits.request(),
        refusals: Arc::clone(&refusals),
    };
    let gate = || Gate::new(limits.connections, limits.stalled_write(), Arc::clone(&refusals));

    // Both listeners before the first task: either everything listens or nothing does.
    let (local_listener, local) = bind(listen)?;
    let remote_listener = remote.map(|remote| bind(remote.listen).map(|bound| (remote, bound))).transpose()?;

    let mut server = HttpServer { local, remote: None, handles: Vec::new(), tasks: Vec::new(), ending };
    let routes = router(Arc::clone(&app), guard(Guard::local_hosts(), "http"));
    let plain =
        axum_server::from_tcp(local_listener).map_err(|source| HttpError::Bind { listen, source })?.acceptor(gate());
    let (plain, handle) = bounded(plain, &limits);
    server.handles.push(handle);
    server.tasks.push(tokio::spawn(plain.serve(routes.into_make_service())));
    if let Some((remote, (listener, address))) = remote_listener {
        let fail = |source| HttpError::Bind { listen: remote.listen, source };
        let hosts = remote.hosts.iter().map(|host| Guard::normal_host(host)).collect();
        let routes = router(app, guard(hosts, "https"));
        let tls = RustlsAcceptor::new(RustlsConfig::from_config(remote.tls.config()))
            .handshake_timeout(limits.header())
            .acceptor(gate());
        let (encrypted, handle) = bounded(axum_server::from_tcp(listener).map_err(fail)?.acceptor(tls), &limits);
        server.handles.push(handle);
        server.tasks.push(tokio::spawn(encrypted.serve(routes.into_make_service())));
        server.remote = Some((address, remote.tls.fingerprint()));
    }
    Ok(server)
}

fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), HttpError> {
    let fail = |source| HttpError::Bind { listen, source };
    let listener = TcpListener::bind(listen).map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    Ok((listener, address))
}

impl HttpServer {
    /// Where programs of this computer connect.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// The URL for programs of this computer.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.local)
    }

    /// Where other computers connect, and the fingerprint they recognise this node by.
    #[must_use]
    pub fn remote_address(&self) -> Option<(SocketAddr, Digest)> {
        self.remote
    }

    /// Takes no new connections, ends streams of events, and gives requests that are on their way this long.
    pub async fn shutdown(self, grace: Duration) {
        self.ending.cancel();
        for handle in &self.handles {
            handle.graceful_shutdown(Some(grace));
        }
        for task in self.tasks {
            match task.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the API's server ended with an error"),
                Err(error) => tracing::error!(%error, "the API's server ended unexpectedly"),
            }
        }
    }
}

/// A listener with its bounds, and what ends it.
fn bounded<A>(server: Server<SocketAddr, A>, limits: &Limits) -> (Server<SocketAddr, A>, Handle<SocketAddr>) {
    let handle = Handle::new();
    let mut server =
        server.http1_only().handle(handle.clone()).first_request_timeout(limits.header()).accept_error_handler(
            |peer, error| tracing::debug!(?peer, %error, "a connection to the API was not accepted"),
        );
    server
        .http_builder()
        .http1()
        .header_read_timeout(limits.header())
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES);
    (server, handle)
}
