//! What the task remembers: peers, addresses, what waits.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use libp2p::request_response::{InboundRequestId, ResponseChannel};
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use crate::proof::PublicKey;
use crate::swarm::codec::Carried;
use crate::swarm::config::{EVENT_RESERVE, MAX_ADDRESSES};
use crate::swarm::error::DialFailure;
use crate::swarm::event::SwarmEvent;
use crate::swarm::handle::Reply;
use crate::swarm::peer::{Path, PeerInfo};
use crate::swarm::rate::Buckets;
use crate::wire::{Expectation, Hello, Request, Response};

/// Somebody with a connection.
pub(super) struct Peer {
    pub(super) key: PublicKey,
    pub(super) connections: HashMap<ConnectionId, Connection>,
    pub(super) state: State,
    /// What came before its answer to our hello.
    pub(super) held: Vec<Held>,
    pub(super) buckets: Buckets,
    /// Its questions that the node is answering.
    pub(super) requests_in: usize,
    /// Our questions that it is answering.
    pub(super) requests_out: usize,
    /// Our questions beyond that.
    pub(super) queue: VecDeque<Waiting>,
    pub(super) rtt: Option<Duration>,
    pub(super) claimed: Vec<Multiaddr>,
    /// Who waits for it to be gone.
    pub(super) farewell: Vec<oneshot::Sender<()>>,
}

pub(super) struct Connection {
    pub(super) address: Multiaddr,
    pub(super) relayed: bool,
    /// Pings that failed in a row.
    pub(super) silent: u32,
}

pub(super) enum State {
    /// It dialled us and has said nothing yet.
    Silent { deadline_ms: u64 },
    /// We have said hello.
    Greeted { deadline_ms: u64 },
    /// One of ours.
    Ready { hello: Hello, since_ms: u64 },
    /// Sent away; the connection stays a moment so that it can read why.
    Leaving { reason: String, deadline_ms: u64 },
}

/// What came too early.
pub(super) enum Held {
    Request { id: InboundRequestId, request: Request, channel: ResponseChannel<Carried<Response>> },
    Stream(libp2p::Stream),
}

impl Peer {
    pub(super) fn hello(&self) -> Option<&Hello> {
        match &self.state {
            State::Ready { hello, .. } => Some(hello),
            _ => None,
        }
    }

    pub(super) fn path(&self) -> Path {
        if self.connections.values().any(|connection| !connection.relayed) { Path::Direct } else { Path::Relayed }
    }

    /// What others are told; `None` before hello.
    pub(super) fn info(&self, id: PeerId, score: f64) -> Option<PeerInfo> {
        let State::Ready { hello, since_ms } = &self.state else { return None };
        let mut addresses: Vec<_> = self.connections.values().map(|connection| connection.address.clone()).collect();
        for address in &self.claimed {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        Some(PeerInfo {
            id,
            key: self.key,
            addresses,
            path: self.path(),
            rtt: self.rtt,
            score,
            roles: hello.roles,
            software: hello.software.clone(),
            connected_unix_ms: *since_ms,
        })
    }
}

/// Our question to somebody.
pub(super) struct Outstanding {
    pub(super) peer: PeerId,
    pub(super) expects: Expectation,
    pub(super) name: &'static str,
    /// `None`: our hello.
    pub(super) reply: Option<Reply>,
}

/// What waits for a connection or for its turn.
pub(super) enum Waiting {
    Connect(oneshot::Sender<Result<(), DialFailure>>),
    Dial(oneshot::Sender<Result<PeerId, DialFailure>>),
    Request { bytes: Vec<u8>, expects: Expectation, name: &'static str, reply: Reply },
}

impl Waiting {
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::Connect(reply) => reply.is_closed(),
            Self::Dial(reply) => reply.is_closed(),
            Self::Request { reply, .. } => reply.is_closed(),
        }
    }

    pub(super) fn fail(self, error: DialFailure) {
        // Who has stopped waiting does not mind.
        match self {
            Self::Connect(reply) => drop(reply.send(Err(error))),
            Self::Dial(reply) => drop(reply.send(Err(error))),
            Self::Request { reply, .. } => drop(reply.send(Err(error.into()))),
        }
    }
}

/// Where peers may be found. The ones longest unheard of are forgotten first.
pub(super) struct Book {
    entries: HashMap<PeerId, (u64, Vec<Multiaddr>)>,
    capacity: usize,
    clock: u64,
}

impl Book {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), capacity, clock: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Notes an address, the newest first.
    pub(super) fn add(&mut self, peer: PeerId, address: Multiaddr) {
        self.clock += 1;
        if !self.entries.contains_key(&peer) && self.entries.len() >= self.capacity {
            let oldest = self.entries.iter().min_by_key(|(_, (at, _))| *at).map(|(peer, _)| *peer);
            oldest.map(|peer| self.entries.remove(&peer));
        }
        let (at, addresses) = self.entries.entry(peer).or_default();
        *at = self.clock;
        addresses.retain(|known| known != &address);
        addresses.insert(0, address);
        addresses.truncate(MAX_ADDRESSES);
    }

    pub(super) fn addresses(&self, peer: &PeerId) -> Vec<Multiaddr> {
        self.entries.get(peer).map(|(_, addresses)| addresses.clone()).unwrap_or_default()
    }
}

/// The way to the node.
pub(super) struct Events {
    sender: mpsc::Sender<SwarmEvent>,
    missed: u64,
    untold: u64,
}

impl Events {
    pub(super) fn new(sender: mpsc::Sender<SwarmEvent>) -> Self {
        Self { sender, missed: 0, untold: 0 }
    }

    pub(super) fn missed(&self) -> u64 {
        self.missed
    }

    /// What the node should not miss: it may use the reserve.
    pub(super) fn note(&mut self, event: SwarmEvent) {
        self.catch_up();
        if self.untold > 0 || self.sender.try_send(event).is_err() {
            self.missed += 1;
            self.untold += 1;
        }
    }

    /// What a peer can send as often as it likes: it may not. Gives the event back.
    #[allow(clippy::result_large_err)] // Handed back, not propagated.
    pub(super) fn offer(&mut self, event: SwarmEvent) -> Result<(), SwarmEvent> {
        self.catch_up();
        if self.untold > 0 || self.sender.capacity() <= EVENT_RESERVE {
            self.missed += 1;
            return Err(event);
        }
        self.sender.try_send(event).map_err(|error| {
            self.missed += 1;
            match error {
                mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event) => event,
            }
        })
    }

    /// Says what was missed before anything else is said.
    pub(super) fn catch_up(&mut self) {
        if self.untold > 0 && self.sender.try_send(SwarmEvent::Lagged { missed: self.untold }).is_ok() {
            self.untold = 0;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_book_is_bounded_in_both_directions() {
        let mut book = Book::new(3);
        let first = PeerId::random();
        for port in 1..100 {
            book.add(first, format!("/ip4/1.2.3.4/tcp/{port}").parse().unwrap());
        }
        let addresses = book.addresses(&first);
        assert_eq!(addresses.len(), MAX_ADDRESSES);
        assert_eq!(addresses[0].to_string(), "/ip4/1.2.3.4/tcp/99");
        for _ in 0..3 {
            book.add(PeerId::random(), "/ip4/1.2.3.4/tcp/1".parse().unwrap());
        }
        assert_eq!(book.len(), 3);
        assert!(book.addresses(&first).is_empty());
    }

    #[tokio::test]
    async fn a_slow_node_hears_what_it_missed() {
        let (sender, mut receiver) = mpsc::channel(2 * EVENT_RESERVE);
        let mut events = Events::new(sender);
        let gone = || SwarmEvent::PeerDisconnected { peer: PeerId::random(), reason: String::new() };
        // What peers can cause stops at the reserve, what must not get lost at the end.
        while events.offer(gone()).is_ok() {}
        assert_eq!(receiver.len(), EVENT_RESERVE);
        for _ in 0..EVENT_RESERVE + 5 {
            events.note(gone());
        }
        assert_eq!(events.missed(), 6);
        while receiver.try_recv().is_ok() {}
        events.note(gone());
        assert!(matches!(receiver.recv().await.unwrap(), SwarmEvent::Lagged { missed: 5 }));
        assert!(matches!(receiver.recv().await.unwrap(), SwarmEvent::PeerDisconnected { .. }));
    }
}
