//! What is known of a peer.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};

use crate::proof::PublicKey;
use crate::wire::Roles;

/// How a peer is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// Without anybody in between.
    Direct,
    /// Over another peer.
    Relayed,
}

/// A connected peer of this network.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerInfo {
    /// libp2p's name of the peer.
    pub id: PeerId,
    /// The same as a key: miner, validator or account.
    pub key: PublicKey,
    /// Addresses of its connections, then those it says it has.
    pub addresses: Vec<Multiaddr>,
    /// Direct as soon as one connection is.
    pub path: Path,
    /// Last measured round trip.
    pub rtt: Option<Duration>,
    /// From [`Scores::WORST`](super::Scores::WORST) to [`Scores::BEST`](super::Scores::BEST); 0 for a stranger.
    pub score: f64,
    /// What it does, by its own words.
    pub roles: Roles,
    /// Its program, by its own words.
    pub software: String,
    /// When it became a peer, milliseconds since 1970 UTC.
    pub connected_unix_ms: u64,
}
