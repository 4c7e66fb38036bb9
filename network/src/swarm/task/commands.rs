//! What the node asks for.

use std::time::{Duration, UNIX_EPOCH};

use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, PeerId, gossipsub};
use tokio::sync::oneshot;

use super::connections::dial_reason;
use super::table::{State, Waiting};
use super::{Task, unix_ms};
use crate::swarm::behaviour::Topic;
use crate::swarm::config::MAX_WAITING;
use crate::swarm::error::{DialFailure, PublishError};
use crate::swarm::event::SwarmEvent;
use crate::swarm::handle::Command;
use crate::swarm::score::{Action, Scores};

impl Task {
    pub(super) fn on_command(&mut self, command: Command) {
        // Whoever has stopped waiting for a reply does not mind.
        match command {
            Command::Dial { address, reply } => self.dial(address, reply),
            Command::Connect { peer, reply } => self.connect(peer, Waiting::Connect(reply)),
            Command::Request { peer, bytes, expects, name, reply } => {
                self.ask(peer, Waiting::Request { bytes, expects, name, reply });
            }
            Command::Publish { topic, bytes, reply } => drop(reply.send(self.publish(topic, bytes))),
            Command::Peers { reply } => {
                let now_ms = unix_ms();
                let info = |(id, peer): (&PeerId, &super::table::Peer)| peer.info(*id, self.scores.score(id, now_ms));
                let mut peers: Vec<_> = self.peers.iter().filter_map(info).collect();
                peers.sort_by_key(|peer| peer.connected_unix_ms);
                let _ = reply.send(peers);
            }
            Command::Reachability { reply } => drop(reply.send(self.reachability.clone())),
            Command::Addresses { reply } => {
                let listen = self.swarm.listeners().cloned().map(|address| self.own(address)).collect();
                let external = self.swarm.external_addresses().cloned().map(|address| self.own(address)).collect();
                let _ = reply.send((listen, external));
            }
            Command::Ban { peer, until, reason, reply } => {
                let until = until.duration_since(UNIX_EPOCH).unwrap_or_default();
                let until_ms = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
                self.ban(peer, until_ms, &reason);
                match self.peers.get_mut(&peer) {
                    Some(known) => known.farewell.push(reply),
                    None => drop(reply.send(())),
                }
            }
            Command::Unban { peer, reply } => {
                let lifted = self.bans.lift(&peer, unix_ms());
                self.bans_unsaved |= lifted;
                self.scores.clear(&peer);
                self.swarm.behaviour_mut().blocked.unblock_peer(peer);
                let _ = reply.send(lifted);
            }
            Command::Bans { reply } => drop(reply.send(self.bans.list(unix_ms()))),
            Command::Disconnect { peer, reason } => {
                if self.peers.contains_key(&peer) {
                    self.part(peer, reason);
                }
            }
            Command::Note { peer, action } => self.note(peer, action),
            Command::AddAddress { peer, address } => self.book.add(peer, address),
            Command::Stats { reply } => drop(reply.send(self.stats())),
            Command::Shutdown { reply } => self.ended = Some(reply),
        }
    }

    fn dial(&mut self, address: Multiaddr, reply: oneshot::Sender<Result<PeerId, DialFailure>>) {
        if let Some(Protocol::P2p(peer)) = address.iter().last() {
            if peer == *self.swarm.local_peer_id() {
                let reason = "that is this node itself".to_owned();
                let _ = reply.send(Err(DialFailure::Unreachable { to: address.to_string(), reason }));
                return;
            }
            self.book.add(peer, address);
            return self.connect(peer, Waiting::Dial(reply));
        }
        if self.dials.len() >= MAX_WAITING {
            let _ = reply.send(Err(DialFailure::Overloaded));
            return;
        }
        let options = DialOpts::from(address.clone());
        let id = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => drop(self.dials.insert(id, reply)),
            Err(error) => {
                let to = address.to_string();
                let _ = reply.send(Err(DialFailure::Unreachable { to, reason: dial_reason(&error) }));
            }
        }
    }

    fn connect(&mut self, peer: PeerId, waiting: Waiting) {
        self.wait(peer, waiting);
        match self.peers.get(&peer).map(|known| &known.state) {
            None => self.reach(peer),
            Some(State::Ready { .. }) => self.on_ready(peer),
            Some(State::Leaving { reason, .. }) => {
                let failure = DialFailure::Refused { peer, reason: reason.clone() };
                self.forsake(&peer, &failure);
            }
            Some(State::Silent { .. } | State::Greeted { .. }) => {}
        }
    }

    fn publish(&mut self, topic: Topic, bytes: Vec<u8>) -> Result<(), PublishError> {
        let topic = topic.topic(&self.config.network);
        match self.swarm.behaviour_mut().gossip.publish(topic, bytes) {
            // The same again within a moment: it is being spread.
            Ok(_) | Err(gossipsub::PublishError::Duplicate) => Ok(()),
            Err(gossipsub::PublishError::NoPeersSubscribedToTopic) => Err(PublishError::NoPeers),
            Err(error) => Err(PublishError::Gossip(error.to_string())),
        }
    }

    /// Notes what a peer did, with the consequence.
    pub(super) fn note(&mut self, peer: PeerId, action: Action) {
        let now_ms = unix_ms();
        let score = self.scores.note(peer, action, now_ms);
        if score <= Scores::BAN && self.bans.reason(&peer, now_ms).is_none() {
            let until_ms = now_ms.saturating_add(self.bans.next_duration_ms(&peer));
            self.ban(peer, until_ms, &format!("its score fell to {score:.0}, last for {action:?}"));
        }
    }

    fn ban(&mut self, peer: PeerId, until_ms: u64, reason: &str) {
        tracing::warn!(%peer, reason, "a peer is banned");
        self.bans.ban(peer, until_ms, reason, unix_ms());
        self.bans_unsaved = true;
        self.swarm.behaviour_mut().blocked.block_peer(peer);
        self.forsake(&peer, &DialFailure::Banned { peer, reason: reason.to_owned() });
        // The list of blocked peers closes what is open, too; the reason is given here.
        if self.peers.contains_key(&peer) {
            self.part(peer, format!("banned: {reason}"));
        }
        let until = UNIX_EPOCH.checked_add(Duration::from_millis(until_ms)).unwrap_or(UNIX_EPOCH);
        self.events.note(SwarmEvent::Banned { peer, reason: reason.to_owned(), until });
    }
}
