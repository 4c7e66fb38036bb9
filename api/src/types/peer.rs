//! The nodes this one is connected to.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::status::{Reachability, Role};
use crate::NodeId;

/// The nodes this one is connected to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PeerList {
    /// Connected peers, longest first.
    pub peers: Vec<Peer>,
    /// Peers that are not spoken to for a time.
    pub banned: Vec<BannedPeer>,
    /// Whether others can connect to this node.
    pub reachability: Reachability,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Who.
    pub id: NodeId,
    /// What it does; empty until it said hello.
    pub roles: BTreeSet<Role>,
    /// Its software and version.
    pub agent: String,
    /// The address in use (multiaddress).
    pub address: String,
    /// How it is connected.
    pub connection: PeerConnection,
    /// Round trip.
    pub rtt_ms: Option<f64>,
    /// Received from it in the last seconds.
    pub received_bytes_per_sec: Option<u64>,
    /// Sent to it in the last seconds.
    pub sent_bytes_per_sec: Option<u64>,
    /// How well it behaves; it is banned below a bound.
    pub score: f64,
    /// Since when, milliseconds since 1970 UTC.
    pub connected_unix_ms: u64,
    /// On a validator: what the miner says it can do now.
    pub offer: Option<PeerOffer>,
}

/// How a peer is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeerConnection {
    /// Directly.
    Direct,
    /// Through a relay.
    Relayed,
}

/// What a miner says it can do now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerOffer {
    /// Whether it takes jobs.
    pub accepting: bool,
    /// Memory for models.
    pub memory_bytes: u64,
    /// How many models it has.
    pub models: u32,
    /// When it said so, milliseconds since 1970 UTC.
    pub time_unix_ms: u64,
}

/// A peer that is not spoken to for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BannedPeer {
    /// Who.
    pub id: NodeId,
    /// Why, one sentence.
    pub reason: String,
    /// Until when, milliseconds since 1970 UTC.
    pub until_unix_ms: u64,
}

/// A link by which others join this node's network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvitationLink {
    /// `infernet://join/...`. With a private swarm it holds the swarm's key: who has it is in.
    pub uri: String,
    /// Addresses of this node in it, newest knowledge.
    pub addresses: Vec<String>,
}
