//! Where to listen, for whom, and the bounds of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use infernet_api::{ApiToken, DEFAULT_PORT};

use super::TlsIdentity;

/// Where to listen and for whom.
#[derive(Debug)]
pub struct HttpConfig {
    /// Where programs of this computer connect; must be a loopback address. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// What requests must carry.
    pub token: ApiToken,
    /// Other computers, when the owner switched that on.
    pub remote: Option<RemoteConfig>,
    /// Bounds.
    pub limits: Limits,
}

impl HttpConfig {
    /// This computer only, at the usual port.
    #[must_use]
    pub fn local(token: ApiToken) -> Self {
        let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT);
        Self { listen, token, remote: None, limits: Limits::default() }
    }
}

/// Listening for other computers, always with TLS.
#[derive(Clone, Debug)]
pub struct RemoteConfig {
    /// Where.
    pub listen: SocketAddr,
    /// Names and addresses by which they call this computer; any other `Host` is refused.
    pub hosts: Vec<String>,
    /// Certificate and key.
    pub tls: TlsIdentity,
}

/// Bounds on what clients may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, on each listener. Every reader of events holds one.
    pub connections: usize,
    /// From the beginning of a request, or of waiting for the next one, to the end of its header.
    pub header_secs: u64,
    /// From the end of the header to the answer; the body must arrive within it.
    pub request_secs: u64,
    /// For how long a client may take nothing of what is sent to it.
    pub stalled_write_secs: u64,
    /// Largest body.
    pub body_bytes: usize,
    /// Silence on a stream of events after which a comment is sent, so that both ends notice a dead connection.
    pub keep_alive_secs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            header_secs: 10,
            request_secs: 30,
            stalled_write_secs: 30,
            // The largest body is a patch with every list of the settings full, about 4 x 256 x 512 characters.
            body_bytes: 1 << 20,
            keep_alive_secs: 15,
        }
    }
}

impl Limits {
    pub(super) fn header(&self) -> Duration {
        Duration::from_secs(self.header_secs)
    }

    pub(super) fn request(&self) -> Duration {
        Duration::from_secs(self.request_secs)
    }

    pub(super) fn stalled_write(&self) -> Duration {
        Duration::from_secs(self.stalled_write_secs)
    }

    pub(super) fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive_secs)
    }
}
