//! The API of a node of this computer: for its programs always, for other computers where the owner switched that on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use infernet_api::types::settings::ApiSettings;
use infernet_api::{ApiToken, DEFAULT_REMOTE_PORT, TOKEN_FILE, URL_FILE};
use infernet_node::backend::NodeBackend;
use infernet_node::http::{
    HttpConfig, HttpError, HttpServer, RemoteConfig, TlsIdentity, announce_url, load_or_create_token, serve,
};
use prometheus_client::registry::Registry;
use sysinfo::{NetworkData, Networks, System};

use crate::failure::{Failure, Result};

/// Serves the API, and leaves its address and token (in the file that is given back) where programs of this computer look.
pub(super) fn serve_api(
    listen: Option<SocketAddr>,
    data: &Path,
    settings: &ApiSettings,
    backend: &NodeBackend,
) -> Result<(HttpServer, PathBuf)> {
    let failed = |error: HttpError| {
        let next_step = error.next_step();
        Failure::Failed(anyhow::Error::new(error).context(format!("the API can't be served; {next_step}")))
    };
    let token_file = data.join(TOKEN_FILE);
    let token = load_or_create_token(&token_file).map_err(failed)?;
    let served = if settings.remote {
        remote(settings, data).and_then(|remote| serve_at(listen, data, &token, backend, || Some(remote.clone())))
    } else {
        serve_at(listen, data, &token, backend, || None)
    };
    let server = match served {
        // Better a node that its own computer reaches than none.
        Err(error) if settings.remote => {
            let next_step = error.next_step();
            tracing::error!("other computers don't reach the API: {error}; {next_step}");
            serve_at(listen, data, &token, backend, || None).map_err(failed)?
        }
        served => served.map_err(failed)?,
    };
    announce_url(data, &server.url())?;
    Ok((server, token_file))
}

fn serve_at(
    listen: Option<SocketAddr>,
    data: &Path,
    token: &ApiToken,
    backend: &NodeBackend,
    remote: impl Fn() -> Option<RemoteConfig>,
) -> std::result::Result<HttpServer, HttpError> {
    let usual = HttpConfig::local(token.clone()).listen;
    let at = |listen: SocketAddr| {
        let config = HttpConfig { listen, remote: remote(), ..HttpConfig::local(token.clone()) };
        serve(config, Arc::new(backend.clone()), Registry::default())
    };
    match (at(listen.unwrap_or(usual)), listen) {
        // Another node of this computer has the usual port. Clients read the address in the folder, so any does; that of the
        // last time is the best, for windows that are still open.
        (Err(HttpError::Bind { source, listen: taken }), None)
            if taken == usual && source.kind() == std::io::ErrorKind::AddrInUse =>
        {
            let here = |port: u16| at((Ipv4Addr::LOCALHOST, port).into());
            let last = announced_port(data).and_then(|port| here(port).ok());
            last.map_or_else(|| here(0), Ok)
        }
        (served, _) => served,
    }
}

/// The port at which this folder's node was reached the last time.
fn announced_port(data: &Path) -> Option<u16> {
    let url = std::fs::read_to_string(data.join(URL_FILE)).ok()?;
    url.trim().trim_end_matches('/').rsplit_once(':')?.1.parse().ok()
}

fn remote(settings: &ApiSettings, data: &Path) -> std::result::Result<RemoteConfig, HttpError> {
    let everywhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), DEFAULT_REMOTE_PORT);
    // Settings are checked before they are kept.
    let listen = settings.remote_listen.as_ref().and_then(|text| text.parse().ok()).unwrap_or(everywhere);
    let hosts = if settings.remote_hosts.is_empty() { own_names() } else { settings.remote_hosts.clone() };
    let tls = TlsIdentity::load_or_create(data, &hosts)?;
    Ok(RemoteConfig { listen, hosts, tls })
}

/// The names and addresses by which others of the same network know this computer.
fn own_names() -> Vec<String> {
    let host = System::host_name().ok();
    let local = host.iter().map(|name| format!("{name}.local"));
    let networks = Networks::new_with_refreshed_list().ok();
    let addresses = networks.iter().flat_map(|networks| networks.values()).flat_map(NetworkData::ip_networks);
    let addresses = addresses.map(|network| network.addr).filter(|address| !address.is_loopback());
    let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
    host.iter().cloned().chain(local).chain(addresses).chain(["localhost".to_owned()]).collect()
}
