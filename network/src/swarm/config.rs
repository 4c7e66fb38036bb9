//! What a swarm is told at its start, and every bound it keeps.

use std::path::PathBuf;
use std::time::Duration;

use libp2p::Multiaddr;

use super::blob::BlobTimeouts;
use super::rate::Rates;
use crate::proof::Digest;
use crate::wire::{Roles, SwarmKey};

/// How a swarm is to be.
#[derive(Clone, Debug)]
pub struct SwarmConfig {
    /// Which network. Peers of another one are sent away.
    pub network: Digest,
    /// What this node does, as told to peers.
    pub roles: Roles,
    /// Name and version of the program, as told to peers; at most 64 bytes.
    pub software: String,
    /// Where to listen: `/ip4/0.0.0.0/udp/4001/quic-v1`, `/ip4/0.0.0.0/tcp/4001`.
    pub listen: Vec<Multiaddr>,
    /// Addresses at which others reach this node, where its operator knows them.
    pub external: Vec<Multiaddr>,
    /// Peers to begin with, each ending in `/p2p/...`. They are dialled again for as long as they are not connected.
    pub bootstrap: Vec<Multiaddr>,
    /// Pre-shared key. With one there is TCP only: the key wraps a byte stream, and QUIC brings its own encryption of
    /// datagrams, into which it can't be put.
    pub swarm_key: Option<SwarmKey>,
    /// Look for peers on the local network.
    pub mdns: bool,
    /// Ask the router for an open port.
    pub upnp: bool,
    /// Use relaying peers, and punch holes through NATs, while nobody can dial us.
    pub relay_client: bool,
    /// Relay for peers behind NATs; wants a public address.
    pub relay_server: bool,
    /// Where bans are kept; without a path they end with the process.
    pub bans_file: Option<PathBuf>,
    /// Bounds.
    pub limits: Limits,
}

impl SwarmConfig {
    /// A swarm on all interfaces and any free port, with everything on that needs no other's leave.
    pub fn new(network: Digest) -> Self {
        // Parsed from literals in a test, too.
        let listen = ["/ip4/0.0.0.0/udp/0/quic-v1", "/ip4/0.0.0.0/tcp/0"];
        Self {
            network,
            roles: Roles::NONE,
            software: concat!("infernet/", env!("CARGO_PKG_VERSION")).to_owned(),
            listen: listen.iter().filter_map(|address| address.parse().ok()).collect(),
            external: Vec::new(),
            bootstrap: Vec::new(),
            swarm_key: None,
            mdns: true,
            upnp: true,
            relay_client: true,
            relay_server: false,
            bans_file: None,
            limits: Limits::default(),
        }
    }

    /// A swarm that keeps to 127.0.0.1: for tests and the demonstration.
    pub fn loopback(network: Digest) -> Self {
        let listen = ["/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"];
        Self {
            listen: listen.iter().filter_map(|address| address.parse().ok()).collect(),
            mdns: false,
            upnp: false,
            relay_client: false,
            ..Self::new(network)
        }
    }
}

/// Bounds of a swarm. Worst-case memory of one peer: `connections_per_peer` x `MAX_STREAMS` x 256 KiB of unread stream
/// data (yamux's smallest window; QUIC: 8 MiB a connection), and `requests_per_peer` decoded messages.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Established connections, in and out.
    pub connections: u32,
    /// Of these, established by others.
    pub incoming_connections: u32,
    /// Handshakes under way, in each direction.
    pub pending_connections: u32,
    /// To one peer: QUIC, TCP, relayed, and what AutoNAT and hole punching open.
    pub connections_per_peer: u32,
    /// No new connections while the process is larger than this, in bytes.
    pub process_bytes: Option<usize>,
    /// One peer's questions that wait for our answer, and ours that wait for its.
    pub requests_per_peer: usize,
    /// Longest time for an answer. [`SwarmHandle::request`](super::SwarmHandle::request) takes shorter ones.
    pub request_timeout: Duration,
    /// A peer says hello within this or is sent away.
    pub hello_timeout: Duration,
    /// Without word of whether others reach us, relays are asked after this.
    pub relay_after: Duration,
    /// Files under way, in and out, with one peer.
    pub blobs_per_peer: usize,
    /// Deadlines of files.
    pub blob_timeouts: BlobTimeouts,
    /// Messages a second.
    pub rates: Rates,
    /// Events that wait for the node: beyond this, questions are answered with an error and news is dropped.
    pub event_queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            incoming_connections: 384,
            pending_connections: 64,
            connections_per_peer: 6,
            // A node without worker is far below; a leak must not take the desktop with it.
            process_bytes: Some(4 << 30),
            requests_per_peer: 24,
            request_timeout: Duration::from_secs(60),
            hello_timeout: Duration::from_secs(15),
            relay_after: Duration::from_secs(20),
            blobs_per_peer: 4,
            blob_timeouts: BlobTimeouts::default(),
            rates: Rates::default(),
            event_queue: 1024,
        }
    }
}

/// Streams of one connection: gossip, Kademlia, ping and the like take about ten, the rest is for questions and files.
pub(super) const MAX_STREAMS: usize = 128;
/// Commands that wait for the swarm's task; callers wait when it is full.
pub(super) const COMMAND_QUEUE: usize = 256;
/// File streams that wait for the swarm's task.
pub(super) const STREAM_QUEUE: usize = 64;
/// Places in the event queue kept for what must not get lost: peers coming and going.
pub(super) const EVENT_RESERVE: usize = 64;
/// Questions of ours that wait for a connection, over all peers.
pub(super) const MAX_WAITING: usize = 1024;
/// Messages held of a peer while its answer to our hello is on the way.
pub(super) const MAX_HELD: usize = 8;
/// Addresses remembered of one peer.
pub(super) const MAX_ADDRESSES: usize = 16;
/// Peers known without a connection.
pub(super) const MAX_KNOWN: usize = 1024;
