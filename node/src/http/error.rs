//! Why the server can't start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use infernet_api::TokenFileError;

/// Why the server can't start.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Without TLS only programs of this computer may connect.
    #[error("{listen} is not a loopback address")]
    NotLoopback {
        /// Where it should listen.
        listen: SocketAddr,
    },
    /// The address can't be had.
    #[error("can't listen at {listen}: {source}")]
    Bind {
        /// Where it should listen.
        listen: SocketAddr,
        /// Cause.
        source: io::Error,
    },
    /// Remote access is on and no name is allowed.
    #[error("remote access is on, but `api.remote_hosts` names nothing by which other computers call this one")]
    NoRemoteHosts,
    /// The token can't be read or written.
    #[error(transparent)]
    Token(#[from] TokenFileError),
    /// Certificate or key can't be used.
    #[error("can't use the certificate at {file}: {reason}", file = file.display())]
    Certificate {
        /// The file at fault.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers: {reason}")]
    Random {
        /// Cause.
        reason: String,
    },
}

impl HttpError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotLoopback { .. } => "api_not_loopback",
            Self::Bind { .. } => "api_bind",
            Self::NoRemoteHosts => "api_no_remote_hosts",
            Self::Token(error) => error.code(),
            Self::Certificate { .. } => "api_certificate",
            Self::Random { .. } => "no_random_numbers",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            Self::NotLoopback { .. } => "listen at 127.0.0.1 and switch on `api.remote` for other computers".to_owned(),
            Self::Bind { listen, source } if source.kind() == io::ErrorKind::AddrInUse => {
                format!("another node may be running; end it, or listen at another port than {}", listen.port())
            }
            Self::Bind { .. } => "choose an address of this computer and a port above 1023".to_owned(),
            Self::NoRemoteHosts => "add this computer's name or address to `api.remote_hosts`".to_owned(),
            Self::Token(error) => error.next_step(),
            Self::Certificate { file, .. } => {
                format!(
                    "delete {} and the file beside it; the next start writes new ones with a new fingerprint",
                    file.display()
                )
            }
            Self::Random { .. } => "restart the computer".to_owned(),
        }
    }
}
