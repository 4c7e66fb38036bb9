//! Why a node could not be asked.

use crate::{ApiError, Digest, ErrorCode};

/// Why a node could not be asked, or what it answered instead.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL can't be a node's.
    #[error("`{url}` is not a node's URL: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The token would go over the network for everyone to read.
    #[error("{url} is another computer, and `http` would send the token unencrypted")]
    Unencrypted {
        /// What was given.
        url: String,
    },
    /// An `https` URL without anything to recognise the node by.
    #[error("nothing says how to recognise the node at {url}")]
    NoTrust {
        /// What was given.
        url: String,
    },
    /// The certificate to trust can't be read.
    #[error("the certificate to trust can't be used: {reason}")]
    Authority {
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing listens there.
    #[error("no node is running at {url}")]
    NoNode {
        /// Where.
        url: String,
    },
    /// The node has another certificate than the one that is trusted.
    #[error("the node at {url} has another certificate than expected{}", found.map_or_else(String::new, |found| format!(": its fingerprint is {found}")))]
    Certificate {
        /// Where.
        url: String,
        /// The fingerprint it has, when a fingerprint was expected.
        found: Option<Digest>,
    },
    /// No answer in time.
    #[error("the node at {url} did not answer in time")]
    Timeout {
        /// Where.
        url: String,
    },
    /// The connection failed, or broke.
    #[error("the connection to the node at {url} failed: {reason}")]
    Connection {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// The node refused.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// An answer that no node gives.
    #[error("{url} does not answer as a node does: {reason}")]
    Unexpected {
        /// Where.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that arrived with other bytes than the node announced.
    #[error("the file arrived damaged: expected SHA-256 {expected}, found {found}")]
    Damaged {
        /// What the node announced.
        expected: Digest,
        /// What arrived.
        found: Digest,
    },
    /// What arrived can't be written.
    #[error("can't write the file: {0}")]
    Write(std::io::Error),
}

impl ClientError {
    /// Stable code; that of the node where it refused.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url { .. } => "bad_url",
            Self::Unencrypted { .. } => "unencrypted",
            Self::NoTrust { .. } => "no_trust",
            Self::Authority { .. } => "bad_authority",
            Self::NoNode { .. } => "no_node",
            Self::Certificate { .. } => "wrong_certificate",
            Self::Timeout { .. } => "no_answer",
            Self::Connection { .. } => "connection_failed",
            Self::Api(error) => error.code.name(),
            Self::Unexpected { .. } => "not_a_node",
            Self::Damaged { .. } => "damaged_file",
            Self::Write(_) => "not_written",
        }
    }

    /// What to do about it, one sentence.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            Self::Url { .. } => format!("give one such as {}", crate::DEFAULT_URL),
            Self::Unencrypted { .. } => "use https:// with the fingerprint that the node shows".to_owned(),
            Self::NoTrust { .. } => "give the fingerprint that the node shows, or its certificate".to_owned(),
            Self::Authority { .. } => "give a PEM file with the node's certificate or that of its authority".to_owned(),
            Self::NoNode { .. } => "start it with: infernet node".to_owned(),
            Self::Certificate { .. } => {
                "compare with the fingerprint that the node shows on its own computer; if it differs, someone is in between"
                    .to_owned()
            }
            Self::Timeout { .. } | Self::Connection { .. } => "try again; if it stays, look into the node's log".to_owned(),
            Self::Api(error) if error.code == ErrorCode::Unauthorized => {
                format!("give the token of that node: the file {} in its data folder", crate::TOKEN_FILE)
            }
            Self::Api(error) => error.next_step.clone(),
            Self::Unexpected { .. } => "check the URL, and that program and node are of the same version".to_owned(),
            Self::Damaged { .. } => "fetch it again".to_owned(),
            Self::Write(_) => "check the folder and the room on the disk".to_owned(),
        }
    }

    /// Whether the same request may succeed by itself a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoNode { .. } | Self::Timeout { .. } | Self::Connection { .. } => true,
            Self::Api(error) => {
                matches!(error.code, ErrorCode::Busy | ErrorCode::ShuttingDown | ErrorCode::RequestTimeout)
            }
            _ => false,
        }
    }
}
