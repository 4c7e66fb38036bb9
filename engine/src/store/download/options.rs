//! What a user may choose about downloads.

use std::fmt;
use std::time::Duration;

use super::super::error::StoreError;

/// Most files fetched at once.
const MAX_PARALLEL_FILES: usize = 16;

/// How to reach the source.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum ProxyMode {
    /// The system's proxy setting, or the usual environment variables. Not used for addresses of this computer.
    #[default]
    System,
    /// No proxy.
    Direct,
    /// The proxy at this address, `http://[name:password@]host:port` or with `https`.
    Address(String),
}

/// Never shows the address, which may hold a password.
impl fmt::Debug for ProxyMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Direct => "Direct",
            Self::Address(_) => "Address(..)",
        })
    }
}

/// How a model is downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadOptions {
    /// Address of a mirror of the hub, in place of the catalogue's.
    pub mirror: Option<String>,
    /// How to reach the source.
    pub proxy: ProxyMode,
    /// Allows plain http to other computers. Files whose SHA-256 is known are still checked against it.
    pub allow_plain_http: bool,
    /// Files fetched at once, 1 to 16.
    pub parallel_files: usize,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long no byte may come before the transfer counts as stalled and is started anew.
    pub stall_timeout: Duration,
    /// Attempts in a row on one file that bring (nearly) nothing before giving up.
    pub max_attempts: u32,
    /// Wait before the second attempt; it doubles from attempt to attempt.
    pub first_wait: Duration,
    /// Longest wait between attempts of our own choosing.
    pub longest_wait: Duration,
    /// Longest wait that is accepted from a source that asks to wait.
    pub longest_asked_wait: Duration,
    /// Bytes that stay free on the disk after the download.
    pub reserve_bytes: u64,
}

impl Default for DownloadOptions {
    fn default() -> Self {
        Self {
            mirror: None,
            proxy: ProxyMode::System,
            allow_plain_http: false,
            parallel_files: 4,
            connect_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(30),
            max_attempts: 8,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            longest_asked_wait: Duration::from_secs(300),
            reserve_bytes: 256 << 20,
        }
    }
}

impl DownloadOptions {
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let bad = |what, reason: &str| Err(StoreError::BadOption { what, reason: reason.into() });
        if !(1..=MAX_PARALLEL_FILES).contains(&self.parallel_files) {
            return bad("the number of files at once", "it must be 1 to 16");
        }
        if self.max_attempts == 0 {
            return bad("the number of attempts", "it must be 1 or more");
        }
        if self.stall_timeout.is_zero() || self.connect_timeout.is_zero() {
            return bad("the timeout", "it must be longer than nothing");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_password_is_never_shown() {
        let options =
            DownloadOptions { proxy: ProxyMode::Address("http://me:hunter2@proxy:3128".into()), ..Default::default() };
        assert!(!format!("{options:?}").contains("hunter2"));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert!(DownloadOptions::default().check().is_ok());
        for options in [
            DownloadOptions { parallel_files: 0, ..Default::default() },
            DownloadOptions { parallel_files: 17, ..Default::default() },
            DownloadOptions { max_attempts: 0, ..Default::default() },
            DownloadOptions { stall_timeout: Duration::ZERO, ..Default::default() },
        ] {
            assert!(matches!(options.check(), Err(StoreError::BadOption { .. })));
        }
    }
}
