//! Who belongs here. Whoever dials says hello, whoever was dialled answers; until then nobody is a peer.

use libp2p::PeerId;
use libp2p::request_response::OutboundFailure;

use super::table::{Held, Outstanding, State, Waiting};
use super::{Task, unix_ms};
use crate::swarm::codec::Carried;
use crate::swarm::error::DialFailure;
use crate::swarm::event::SwarmEvent;
use crate::wire::{Expectation, Hello, Request, Response};

/// Time for a peer to read why it is sent away.
const GOODBYE_MS: u64 = 2_000;

impl Task {
    pub(super) fn greet(&mut self, peer: PeerId, deadline_ms: u64) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        known.state = State::Greeted { deadline_ms };
        let hello = Carried::Message(Request::Hello(self.hello.clone()));
        let id = self.swarm.behaviour_mut().requests.send_request(&peer, hello);
        self.outstanding.insert(id, Outstanding { peer, expects: Expectation::Hello, name: "Hello", reply: None });
    }

    /// Their hello: the answer, and what becomes of them.
    pub(super) fn on_hello(&mut self, peer: PeerId, hello: Hello) -> Response {
        match self.misfit(&hello) {
            Some(reason) => {
                self.send_away(peer, reason.clone());
                Response::refused("network.misfit", reason)
            }
            None => {
                self.admit(peer, hello);
                Response::Hello(self.hello.clone())
            }
        }
    }

    /// Their answer to our hello.
    pub(super) fn on_hello_answer(&mut self, peer: PeerId, answer: Result<Response, String>) {
        match answer {
            Ok(Response::Hello(hello)) => match self.misfit(&hello) {
                Some(reason) => self.part(peer, reason),
                None => self.admit(peer, hello),
            },
            Ok(Response::Refused(refusal)) => self.part(peer, format!("it refuses: {}", refusal.message)),
            Ok(_) => self.part(peer, "its answer to hello is something else".to_owned()),
            Err(reason) => self.part(peer, reason),
        }
    }

    fn misfit(&self, theirs: &Hello) -> Option<String> {
        let ours = &self.hello;
        if theirs.network != ours.network {
            let [ours, theirs] = [ours, theirs].map(|hello| hello.network.to_string()[..16].to_owned());
            return Some(format!("different networks: {ours}... here, {theirs}... there; join with an invitation"));
        }
        if theirs.protocol != ours.protocol {
            let (ours, theirs) = (ours.protocol, theirs.protocol);
            return Some(format!("different protocols: {ours} here, {theirs} there; update the older program"));
        }
        None
    }

    fn admit(&mut self, peer: PeerId, hello: Hello) {
        let since_ms = unix_ms();
        let Some(known) = self.peers.get_mut(&peer) else { return };
        match &mut known.state {
            // A second hello, of another connection.
            State::Ready { hello: old, .. } => {
                *old = hello;
                return;
            }
            State::Leaving { .. } => return,
            state => *state = State::Ready { hello, since_ms },
        }
        let claimed = known.claimed.clone();
        let score = self.scores.score(&peer, since_ms);
        if let Some(info) = self.peers.get(&peer).and_then(|known| known.info(peer, score)) {
            tracing::debug!(%peer, roles = %info.roles, software = info.software, "a peer is here");
            self.events.note(SwarmEvent::PeerConnected(Box::new(info)));
        }
        self.remember(peer, &claimed);
        self.on_ready(peer);
    }

    /// Everything that waited for the peer goes on.
    pub(super) fn on_ready(&mut self, peer: PeerId) {
        for waiting in self.take_waiting(&peer) {
            match waiting {
                Waiting::Connect(reply) => drop(reply.send(Ok(()))),
                Waiting::Dial(reply) => drop(reply.send(Ok(peer))),
                request @ Waiting::Request { .. } => self.ask(peer, request),
            }
        }
        let held = self.peers.get_mut(&peer).map(|known| std::mem::take(&mut known.held)).unwrap_or_default();
        for held in held {
            match held {
                Held::Request { id, request, channel } => self.on_question(peer, id, request, channel),
                Held::Stream(stream) => self.on_stream(peer, stream),
            }
        }
    }

    /// Ends it at once.
    pub(super) fn part(&mut self, peer: PeerId, reason: String) {
        self.send_away(peer, reason);
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    /// Ends it as soon as the peer has had time to read why.
    fn send_away(&mut self, peer: PeerId, reason: String) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if matches!(known.state, State::Leaving { .. }) {
            return;
        }
        let was_ready = known.hello().is_some();
        known.state = State::Leaving { reason: reason.clone(), deadline_ms: unix_ms() + GOODBYE_MS };
        known.held.clear();
        tracing::info!(%peer, reason, "a peer is sent away");
        self.forsake(&peer, &DialFailure::Refused { peer, reason: reason.clone() });
        self.events.note(if was_ready {
            SwarmEvent::PeerDisconnected { peer, reason }
        } else {
            SwarmEvent::PeerRefused { peer, reason }
        });
    }
}

/// Why there was no answer to our hello; `None` where the end of the connection says it.
pub(super) fn hello_failure(failure: &OutboundFailure) -> Option<String> {
    match failure {
        OutboundFailure::UnsupportedProtocols => Some("it does not speak InferNet's protocol".to_owned()),
        OutboundFailure::Timeout => Some("it does not answer hello".to_owned()),
        OutboundFailure::Io(error) => Some(format!("its answer to hello can't be read: {error}")),
        OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => None,
    }
}
