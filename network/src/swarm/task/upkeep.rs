//! What is looked after once a second.

use std::collections::HashMap;
use std::io;

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use super::table::State;
use super::{Task, unix_ms};
use crate::identity::{Mode, write_atomically};
use crate::swarm::error::StartError;
use crate::swarm::peer::Path;
use crate::swarm::reach::is_relayed;
use crate::wire::Roles;

const FIRST_REDIAL_MS: u64 = 2_000;
const LONGEST_REDIAL_MS: u64 = 60_000;
const RELAYS: usize = 2;
const RELAY_RETRY_MS: u64 = 120_000;

/// A peer to begin with, and when to try again.
pub(super) struct Bootstrap {
    address: Multiaddr,
    peer: PeerId,
    next_ms: u64,
    pause_ms: u64,
}

impl Bootstrap {
    pub(super) fn new(address: &Multiaddr) -> Result<Self, StartError> {
        match address.iter().last() {
            Some(Protocol::P2p(peer)) => {
                Ok(Self { address: address.clone(), peer, next_ms: 0, pause_ms: FIRST_REDIAL_MS })
            }
            _ => Err(StartError::Bootstrap { address: address.clone() }),
        }
    }
}

/// Relays that we have asked to be reached over.
#[derive(Default)]
pub(super) struct Reservations {
    listeners: HashMap<ListenerId, PeerId>,
    retry_ms: HashMap<PeerId, u64>,
}

impl Task {
    pub(super) fn on_tick(&mut self) {
        let now_ms = unix_ms();
        for peer in self.bans.ended(self.bans_checked_ms, now_ms) {
            tracing::info!(%peer, "a ban has ended");
            self.swarm.behaviour_mut().blocked.unblock_peer(peer);
            self.scores.clear(&peer);
        }
        self.bans_checked_ms = now_ms;
        self.end_overdue(now_ms);
        self.drop_abandoned();
        self.redial(now_ms);
        self.drop_detours();
        if self.config.relay_client {
            self.reserve(now_ms);
        }
        if self.bans_unsaved {
            self.bans_unsaved = false;
            if let Some(save) = self.saving() {
                tokio::task::spawn_blocking(save);
            }
        }
        self.events.catch_up();
    }

    fn end_overdue(&mut self, now_ms: u64) {
        let mut overdue = Vec::new();
        for (peer, known) in &self.peers {
            match &known.state {
                State::Silent { deadline_ms } | State::Greeted { deadline_ms } if *deadline_ms <= now_ms => {
                    overdue.push((*peer, "it did not say hello in time".to_owned()));
                }
                State::Leaving { reason, deadline_ms } if *deadline_ms <= now_ms => {
                    overdue.push((*peer, reason.clone()));
                }
                _ => {}
            }
        }
        for (peer, reason) in overdue {
            self.part(peer, reason);
        }
    }

    fn redial(&mut self, now_ms: u64) {
        let mut due = Vec::new();
        for bootstrap in &mut self.bootstrap {
            if self.peers.contains_key(&bootstrap.peer) {
                (bootstrap.next_ms, bootstrap.pause_ms) = (0, FIRST_REDIAL_MS);
            } else if bootstrap.next_ms <= now_ms {
                bootstrap.next_ms = now_ms + bootstrap.pause_ms;
                bootstrap.pause_ms = (2 * bootstrap.pause_ms).min(LONGEST_REDIAL_MS);
                due.push((bootstrap.peer, bootstrap.address.clone()));
            }
        }
        let own = *self.swarm.local_peer_id();
        for (peer, address) in due.into_iter().filter(|(peer, _)| *peer != own) {
            self.book.add(peer, address);
            self.reach(peer);
        }
    }

    /// With a direct connection the relayed one is a detour; it ends when nothing is under way.
    fn drop_detours(&mut self) {
        let mut detours = Vec::new();
        for known in self.peers.values() {
            if known.path() == Path::Direct && known.requests_in == 0 && known.requests_out == 0 {
                detours.extend(known.connections.iter().filter(|(_, c)| c.relayed).map(|(id, _)| *id));
            }
        }
        for connection in detours {
            self.swarm.close_connection(connection);
        }
    }

    fn reserve(&mut self, now_ms: u64) {
        let waited = u128::from(now_ms.saturating_sub(self.started_ms)) >= self.config.limits.relay_after.as_millis();
        if self.evidence.is_direct() || (self.evidence.failed_probe.is_none() && !waited) {
            return;
        }
        let asked: Vec<_> = self.reservations.listeners.values().copied().collect();
        let mut candidates = Vec::new();
        for (peer, known) in &self.peers {
            let relays = known.hello().is_some_and(|hello| hello.roles.has(Roles::RELAY));
            let rested = self.reservations.retry_ms.get(peer).is_none_or(|retry_ms| *retry_ms <= now_ms);
            if relays && rested && !asked.contains(peer) {
                let address = known.connections.values().find(|connection| !connection.relayed);
                candidates.extend(address.map(|connection| (*peer, connection.address.clone())));
            }
        }
        for (peer, address) in candidates.into_iter().take(RELAYS.saturating_sub(asked.len())) {
            self.reservations.retry_ms.insert(peer, now_ms + RELAY_RETRY_MS);
            let circuit = address.with_p2p(peer).map(|address| address.with(Protocol::P2pCircuit));
            let Ok(circuit) = circuit else { continue };
            debug_assert!(is_relayed(&circuit), "a circuit's address says so");
            match self.swarm.listen_on(circuit) {
                Ok(listener) => drop(self.reservations.listeners.insert(listener, peer)),
                Err(error) => tracing::debug!(relay = %peer, %error, "can't ask a relay"),
            }
        }
        self.reservations.retry_ms.retain(|_, retry_ms| *retry_ms > now_ms);
    }

    pub(super) fn on_listener_closed(&mut self, listener: ListenerId, reason: &Result<(), io::Error>) {
        match self.reservations.listeners.remove(&listener) {
            Some(relay) => {
                tracing::info!(%relay, ?reason, "no longer reachable over a relay");
                self.evidence.relays.remove(&relay);
                self.reconsider();
            }
            None => tracing::warn!(?reason, "no longer listening"),
        }
    }

    /// Writes the bans, if there is a file for them.
    fn saving(&self) -> Option<impl FnOnce() + Send + 'static> {
        let path = self.config.bans_file.clone()?;
        let json = self.bans.to_json();
        Some(move || {
            if let Err(error) = write_atomically(&path, json.as_bytes(), Mode::Private, true) {
                tracing::warn!(path = %path.display(), %error, "can't keep the bans");
            }
        })
    }

    // Exclusive, because the swarm can't be shared between threads.
    pub(super) async fn save_bans(&mut self) {
        if let Some(save) = self.saving() {
            let _ = tokio::task::spawn_blocking(save).await;
        }
    }
}
