//! Connections come and go.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use libp2p::core::ConnectedPoint;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId};

use super::table::{Connection, Peer, State, Waiting};
use super::{Task, unix_ms};
use crate::identity::public_key;
use crate::swarm::config::MAX_WAITING;
use crate::swarm::error::DialFailure;
use crate::swarm::event::SwarmEvent;
use crate::swarm::rate::Buckets;

impl Task {
    pub(super) fn on_connected(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let now_ms = unix_ms();
        if let Some(reply) = self.dials.remove(&id) {
            self.wait(peer, Waiting::Dial(reply));
        }
        let Some(key) = public_key(&peer) else {
            // Its id is a hash: nobody that could have an account.
            self.forsake(&peer, &DialFailure::Refused { peer, reason: "its key is not an Ed25519 key".to_owned() });
            let _ = self.swarm.disconnect_peer_id(peer);
            return;
        };
        let address = endpoint.get_remote_address().clone();
        let connection = Connection { relayed: endpoint.is_relayed(), address: address.clone(), silent: 0 };
        let deadline_ms = now_ms + self.config.limits.hello_timeout.as_millis() as u64;
        let known = match self.peers.entry(peer) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Peer {
                key,
                connections: HashMap::new(),
                state: State::Silent { deadline_ms },
                held: Vec::new(),
                buckets: Buckets::new(&self.config.limits.rates, now_ms),
                requests_in: 0,
                requests_out: 0,
                queue: VecDeque::new(),
                rtt: None,
                claimed: Vec::new(),
                farewell: Vec::new(),
            }),
        };
        let dialled_us = endpoint.is_listener() && !connection.relayed;
        let hole = known.connections.values().any(|connection| connection.relayed);
        known.connections.insert(id, connection);
        let greet = endpoint.is_dialer() && matches!(known.state, State::Silent { .. });
        let ready = known.hello().is_some();
        if dialled_us && !hole {
            self.evidence.dialled_from(&address);
            self.reconsider();
        }
        if endpoint.is_dialer() {
            self.book.add(peer, address);
        }
        if greet {
            self.greet(peer, deadline_ms);
        } else if ready {
            self.on_ready(peer);
        }
    }

    pub(super) fn on_disconnected(&mut self, peer: PeerId, id: ConnectionId, left: u32, reason: &str) {
        let Entry::Occupied(mut entry) = self.peers.entry(peer) else { return };
        entry.get_mut().connections.remove(&id);
        if left > 0 {
            return;
        }
        let gone = entry.remove();
        let failure = match &gone.state {
            State::Leaving { reason, .. } => DialFailure::Refused { peer, reason: reason.clone() },
            _ => DialFailure::Unreachable { to: peer.to_string(), reason: format!("the connection ended: {reason}") },
        };
        for waiting in gone.queue {
            self.waiting_count -= 1;
            waiting.fail(failure.clone());
        }
        for reply in gone.farewell {
            let _ = reply.send(());
        }
        if matches!(gone.state, State::Ready { .. }) {
            tracing::debug!(%peer, reason, "a peer is gone");
            self.events.note(SwarmEvent::PeerDisconnected { peer, reason: reason.to_owned() });
        }
        self.forsake(&peer, &failure);
    }

    pub(super) fn on_dial_failed(&mut self, id: ConnectionId, peer: Option<PeerId>, error: &DialError) {
        let to = peer.map_or_else(|| "the address".to_owned(), |peer| peer.to_string());
        let failure = match peer.and_then(|peer| Some((peer, self.bans.reason(&peer, unix_ms())?.to_owned()))) {
            Some((peer, reason)) => DialFailure::Banned { peer, reason },
            None => DialFailure::Unreachable { to, reason: dial_reason(error) },
        };
        if let Some(reply) = self.dials.remove(&id) {
            let _ = reply.send(Err(failure.clone()));
        }
        // Another dial to the same peer is under way, or it is connected by now: whoever waits for it goes on waiting.
        if let Some(peer) = peer
            && !matches!(error, DialError::DialPeerConditionFalse(_))
            && !self.peers.contains_key(&peer)
        {
            self.forsake(&peer, &failure);
        }
    }

    /// Puts something on the list of what waits for a peer.
    pub(super) fn wait(&mut self, peer: PeerId, waiting: Waiting) {
        if self.waiting_count >= MAX_WAITING {
            self.drop_abandoned();
        }
        if self.waiting_count >= MAX_WAITING {
            waiting.fail(DialFailure::Overloaded);
            return;
        }
        self.waiting_count += 1;
        self.waiting.entry(peer).or_default().push(waiting);
    }

    /// Nothing will come of it: everything that waits for the peer fails.
    pub(super) fn forsake(&mut self, peer: &PeerId, failure: &DialFailure) {
        for waiting in self.take_waiting(peer) {
            waiting.fail(failure.clone());
        }
    }

    pub(super) fn take_waiting(&mut self, peer: &PeerId) -> Vec<Waiting> {
        let waiting = self.waiting.remove(peer).unwrap_or_default();
        self.waiting_count -= waiting.len();
        waiting
    }

    pub(super) fn drop_abandoned(&mut self) {
        let mut dropped = 0;
        let mut keep = |waiting: &Waiting| {
            let keep = !waiting.is_abandoned();
            dropped += usize::from(!keep);
            keep
        };
        self.waiting.retain(|_, list| {
            list.retain(&mut keep);
            !list.is_empty()
        });
        for peer in self.peers.values_mut() {
            peer.queue.retain(&mut keep);
        }
        self.waiting_count -= dropped;
        self.dials.retain(|_, reply| !reply.is_closed());
    }

    /// Connects to a peer that is not connected, unless that is under way; whoever waits is told of a failure.
    pub(super) fn reach(&mut self, peer: PeerId) {
        if let Some(reason) = self.bans.reason(&peer, unix_ms()) {
            let failure = DialFailure::Banned { peer, reason: reason.to_owned() };
            return self.forsake(&peer, &failure);
        }
        let addresses = self.book.addresses(&peer);
        if !addresses.is_empty() {
            self.dial_known(peer, addresses);
        } else if !self.lookups.values().any(|looked| *looked == peer) {
            // Others may know.
            let query = self.swarm.behaviour_mut().kademlia.get_closest_peers(peer);
            self.lookups.insert(query, peer);
        }
    }

    pub(super) fn dial_known(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(addresses)
            .extend_addresses_through_behaviour()
            .build();
        match self.swarm.dial(options) {
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => {
                let failure = DialFailure::Unreachable { to: peer.to_string(), reason: dial_reason(&error) };
                self.forsake(&peer, &failure);
            }
        }
    }
}

pub(super) fn dial_reason(error: &DialError) -> String {
    match error {
        DialError::NoAddresses => "no address of it is known; give one".to_owned(),
        DialError::LocalPeerId { .. } => "that is this node itself".to_owned(),
        DialError::WrongPeerId { obtained, .. } => format!("{obtained} answers there; ask for the present address"),
        DialError::Denied { cause } => format!("a limit of this node: {cause}"),
        DialError::Transport(errors) => {
            let each = errors.iter().take(4).map(|(address, error)| format!("{address}: {}", innermost(error)));
            each.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// The outer layers say "multiple dial errors" and the like.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
