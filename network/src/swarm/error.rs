//! What can go wrong with peers.

use std::path::PathBuf;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};

use crate::proof::Digest;
use crate::wire::{Refusal, WireError};

/// The swarm does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address can't be listened on.
    #[error("can't listen on {address}: {reason}; choose another port or address")]
    Listen {
        /// Address.
        address: Multiaddr,
        /// Why.
        reason: String,
    },
    /// With a swarm key there is TCP only.
    #[error(
        "can't listen on {address}: a swarm with a pre-shared key speaks TCP only, because the key can't be put into \
         QUIC; listen on a /tcp/ address"
    )]
    KeyNeedsTcp {
        /// Address.
        address: Multiaddr,
    },
    /// A bootstrap address names no peer.
    #[error("the bootstrap address {address} does not end in /p2p/ and the peer's id; without it anyone could answer")]
    Bootstrap {
        /// Address.
        address: Multiaddr,
    },
    /// A part of the stack can't be set up.
    #[error("can't set up {part}: {reason}")]
    Part {
        /// Which one.
        part: &'static str,
        /// Why.
        reason: String,
    },
    /// The configuration can't be told to peers.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl StartError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "network.listen",
            Self::KeyNeedsTcp { .. } => "network.key_needs_tcp",
            Self::Bootstrap { .. } => "network.bootstrap",
            Self::Part { .. } => "network.setup",
            Self::Wire(error) => error.code(),
        }
    }
}

/// No connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialFailure {
    /// Nobody there, or nobody who speaks this.
    #[error("can't connect to {to}: {reason}")]
    Unreachable {
        /// Address or peer.
        to: String,
        /// Why.
        reason: String,
    },
    /// Somebody there who does not belong here.
    #[error("{peer} was sent away: {reason}")]
    Refused {
        /// Peer.
        peer: PeerId,
        /// Why.
        reason: String,
    },
    /// The peer is banned here.
    #[error("{peer} is banned: {reason}; lift the ban first")]
    Banned {
        /// Peer.
        peer: PeerId,
        /// Why.
        reason: String,
    },
    /// Too many dials at once.
    #[error("too many connections are being made; try again in a moment")]
    Overloaded,
    /// The swarm has ended.
    #[error("the node's network is stopped")]
    Stopped,
}

impl DialFailure {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "network.unreachable",
            Self::Refused { .. } => "network.peer_refused",
            Self::Banned { .. } => "network.banned",
            Self::Overloaded => "network.overloaded",
            Self::Stopped => "network.stopped",
        }
    }
}

/// No answer, or none that fits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The question can't be sent.
    #[error(transparent)]
    Invalid(#[from] WireError),
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialFailure),
    /// No answer in time.
    #[error("no answer to {request} within {timeout:?}")]
    Timeout {
        /// Name of the question.
        request: &'static str,
        /// How long was waited.
        timeout: Duration,
    },
    /// The connection ended before the answer. Whether the question arrived is not known.
    #[error("the connection ended before the answer to {request}; whether it was received is not known")]
    Closed {
        /// Name of the question.
        request: &'static str,
    },
    /// The peer said no.
    #[error("the peer refused: {} ({})", .0.message, .0.code)]
    Refused(Refusal),
    /// The peer can't, now.
    #[error("the peer can't answer now: {} ({})", .0.message, .0.code)]
    Remote(Refusal),
    /// The answer can't be read or does not fit the question; the peer's score suffers.
    #[error("the answer to {request} can't be used: {reason}")]
    BadAnswer {
        /// Name of the question.
        request: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Too much is under way.
    #[error("too many questions are under way; try again in a moment")]
    Overloaded,
}

impl RequestError {
    /// Stable code.
    pub fn code(&self) -> &str {
        match self {
            Self::Invalid(error) => error.code(),
            Self::Dial(error) => error.code(),
            Self::Timeout { .. } => "network.timeout",
            Self::Closed { .. } => "network.closed",
            Self::Refused(refusal) | Self::Remote(refusal) => &refusal.code,
            Self::BadAnswer { .. } => "network.bad_answer",
            Self::Overloaded => "network.overloaded",
        }
    }
}

/// News that is not spread.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Can't be sent.
    #[error(transparent)]
    Invalid(#[from] WireError),
    /// Nobody listens.
    #[error("nobody is there to hear it; it can be published when a peer is connected")]
    NoPeers,
    /// Gossip refuses.
    #[error("can't publish: {0}")]
    Gossip(String),
    /// The swarm has ended.
    #[error("the node's network is stopped")]
    Stopped,
}

impl PublishError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(error) => error.code(),
            Self::NoPeers => "network.no_peers",
            Self::Gossip(_) => "network.publish",
            Self::Stopped => "network.stopped",
        }
    }
}

/// A file that did not get across. What is on disk is either whole and verified, or a `.part` file that the next transfer
/// takes up.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialFailure),
    /// A message around the file is wrong, or the header is above its bound.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The other side said no.
    #[error("the peer refused the file: {} ({})", .0.message, .0.code)]
    Refused(Refusal),
    /// The other side said something out of turn.
    #[error("expected {expected} from the peer, got {found}")]
    OutOfTurn {
        /// What would have been right.
        expected: &'static str,
        /// What came.
        found: &'static str,
    },
    /// The other side offers another file than the one asked for.
    #[error("asked for {expected}, the peer sends {found}")]
    OtherFile {
        /// What was asked for.
        expected: String,
        /// What came.
        found: String,
    },
    /// The content is not what the header promised.
    #[error("the file's SHA-256 is {found}, {expected} was promised; what came is thrown away")]
    WrongDigest {
        /// Promised.
        expected: Digest,
        /// Found.
        found: Digest,
    },
    /// Too many bytes.
    #[error("the peer sends more than the {promised} bytes it promised")]
    TooLong {
        /// Promised.
        promised: u64,
    },
    /// Nothing for too long.
    #[error("nothing came or went for {after:?} at byte {at}; the transfer can be taken up again")]
    Idle {
        /// How long.
        after: Duration,
        /// Where it stopped.
        at: u64,
    },
    /// Too slow altogether.
    #[error("the transfer was not done within {after:?}; it can be taken up again")]
    Deadline {
        /// How long it had.
        after: Duration,
    },
    /// The connection ended.
    #[error("the connection ended during the transfer ({0}); it can be taken up again")]
    Connection(String),
    /// The source is not what its header says.
    #[error("the file to send has {found} bytes, its header says {expected}; make the header again")]
    SourceChanged {
        /// In the header.
        expected: u64,
        /// On disk.
        found: u64,
    },
    /// The disk.
    #[error("can't {action} {}: {reason}", .path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The same file is being received already.
    #[error("{} is being received already; wait for it", .path.display())]
    Busy {
        /// Where.
        path: PathBuf,
    },
    /// Too many files under way with this peer.
    #[error("too many files are under way with this peer; wait for one of them")]
    Overloaded,
}

impl BlobError {
    /// Stable code.
    pub fn code(&self) -> &str {
        match self {
            Self::Dial(error) => error.code(),
            Self::Wire(error) => error.code(),
            Self::Refused(refusal) => &refusal.code,
            Self::OutOfTurn { .. } => "blob.out_of_turn",
            Self::OtherFile { .. } => "blob.other_file",
            Self::WrongDigest { .. } => "blob.wrong_digest",
            Self::TooLong { .. } => "blob.too_long",
            Self::Idle { .. } => "blob.idle",
            Self::Deadline { .. } => "blob.deadline",
            Self::Connection(_) => "blob.connection",
            Self::SourceChanged { .. } => "blob.source_changed",
            Self::Disk { .. } => "blob.disk",
            Self::Busy { .. } => "blob.busy",
            Self::Overloaded => "blob.overloaded",
        }
    }

    /// Whether the same transfer may succeed when tried again.
    pub fn can_resume(&self) -> bool {
        matches!(
            self,
            Self::Dial(_) | Self::Idle { .. } | Self::Deadline { .. } | Self::Connection(_) | Self::Overloaded
        )
    }
}
