//! Questions and answers, in both directions; and streams.

use futures::FutureExt;
use libp2p::PeerId;
use libp2p::request_response::{
    Event, InboundFailure, InboundRequestId, Message as Carrier, OutboundFailure, OutboundRequestId, ResponseChannel,
};
use tokio::sync::oneshot;

use super::hello::hello_failure;
use super::table::{Held, Outstanding, State, Waiting};
use super::{Answer, Task, unix_ms};
use crate::swarm::codec::{Carried, Unreadable};
use crate::swarm::config::{MAX_HELD, MAX_WAITING};
use crate::swarm::error::{DialFailure, RequestError};
use crate::swarm::event::{IncomingRequest, Responder, SwarmEvent};
use crate::swarm::rate::MessageClass;
use crate::swarm::score::Action;
use crate::wire::{Message, Request, Response, WireError};

type Channel = ResponseChannel<Carried<Response>>;

impl Task {
    pub(super) fn on_requests(&mut self, event: Event<Carried<Request>, Carried<Response>>) {
        match event {
            Event::Message { peer, message: Carrier::Request { request_id, request, channel }, .. } => {
                match request {
                    Carried::Message(request) => self.on_question(peer, request_id, request, channel),
                    Carried::Unreadable(why) => self.on_junk(peer, channel, &why),
                    // Bytes are for writing.
                    Carried::Encoded(_) => {}
                }
            }
            Event::Message { message: Carrier::Response { request_id, response }, .. } => {
                let Carried::Message(response) = response else { return };
                self.on_response(request_id, response);
            }
            Event::OutboundFailure { request_id, error, .. } => self.on_no_response(request_id, &error),
            Event::InboundFailure { peer, request_id, error, .. } => {
                let delivered = self.delivered.remove(&request_id).is_some();
                if delivered && matches!(error, InboundFailure::Timeout) {
                    tracing::warn!(%peer, "a question was not answered in time");
                }
            }
            Event::ResponseSent { request_id, .. } => {
                self.delivered.remove(&request_id);
            }
        }
    }

    pub(super) fn on_question(&mut self, peer: PeerId, id: InboundRequestId, request: Request, channel: Channel) {
        let now_ms = unix_ms();
        // Gone meanwhile.
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if !known.buckets.take(MessageClass::of(&request), now_ms) {
            self.refuse(peer, channel, Action::RateExceeded, "network.rate_limited", "too many messages; slow down");
            return;
        }
        if let Request::Hello(hello) = request {
            let response = self.on_hello(peer, hello);
            self.respond(channel, &response);
            return;
        }
        match &known.state {
            State::Ready { .. } => {}
            // Its answer to our hello is on the way on another stream.
            State::Greeted { .. } if known.held.len() < MAX_HELD => {
                known.held.push(Held::Request { id, request, channel });
                return;
            }
            State::Leaving { .. } => return,
            State::Silent { .. } | State::Greeted { .. } => {
                self.refuse(peer, channel, Action::InvalidMessage, "network.hello_first", "say hello first");
                return;
            }
        }
        if known.requests_in >= self.config.limits.requests_per_peer {
            self.refuse(peer, channel, Action::RateExceeded, "network.busy", "too many questions at once");
            return;
        }
        let (answer, answered) = oneshot::channel();
        let event = IncomingRequest { peer, request, responder: Responder { answer } };
        if self.events.offer(SwarmEvent::Request(event)).is_err() {
            // Our fault, not the peer's.
            self.respond(channel, &Response::error("network.busy", "this node does not keep up; try again later"));
            return;
        }
        if let Some(known) = self.peers.get_mut(&peer) {
            known.requests_in += 1;
        }
        self.delivered.insert(id, peer);
        self.answers.push(answered.map(move |response| Answer { peer, channel, response: response.ok() }).boxed());
    }

    /// What came is no question. The sender is told: it may be an honest program of another version.
    fn on_junk(&mut self, peer: PeerId, channel: Channel, why: &Unreadable) {
        tracing::debug!(%peer, error = %why, "a question can't be read");
        let (action, code) = match why {
            Unreadable::Wire(error) => (Action::of(error), error.code()),
            Unreadable::Stalled(_) => (Action::Timeout, "network.stalled"),
        };
        self.refuse(peer, channel, action, code, &why.to_string());
    }

    fn refuse(&mut self, peer: PeerId, channel: Channel, action: Action, code: &str, message: &str) {
        self.refused_messages += 1;
        self.respond(channel, &Response::error(code, message));
        self.note(peer, action);
    }

    pub(super) fn on_answer(&mut self, answer: Answer) {
        let Answer { peer, channel, response } = answer;
        if let Some(known) = self.peers.get_mut(&peer) {
            known.requests_in = known.requests_in.saturating_sub(1);
        }
        let nothing = || Response::error("network.no_answer", "this node has no answer; try again later");
        self.respond(channel, &response.unwrap_or_else(nothing));
    }

    fn respond(&mut self, channel: Channel, response: &Response) {
        let bytes = response.to_bytes().or_else(|error| {
            tracing::error!(%error, "an answer of this node can't be sent");
            Response::error("network.bad_answer", "this node's answer is out of bounds").to_bytes()
        });
        if let Ok(bytes) = bytes {
            // A peer that is gone needs no answer.
            let _ = self.swarm.behaviour_mut().requests.send_response(channel, Carried::Encoded(bytes));
        }
    }

    /// Sends a question of ours, or puts it in the peer's queue, or has the peer connected first.
    pub(super) fn ask(&mut self, peer: PeerId, waiting: Waiting) {
        let Waiting::Request { bytes, expects, name, reply } = waiting else { return };
        let limit = self.config.limits.requests_per_peer;
        let Some(known) = self.peers.get_mut(&peer) else {
            self.wait(peer, Waiting::Request { bytes, expects, name, reply });
            self.reach(peer);
            return;
        };
        match &known.state {
            State::Ready { .. } if known.requests_out < limit => {
                known.requests_out += 1;
                let id = self.swarm.behaviour_mut().requests.send_request(&peer, Carried::Encoded(bytes));
                self.outstanding.insert(id, Outstanding { peer, expects, name, reply: Some(reply) });
            }
            State::Ready { .. } if self.waiting_count >= MAX_WAITING => {
                let _ = reply.send(Err(RequestError::Overloaded));
            }
            State::Ready { .. } => {
                self.waiting_count += 1;
                known.queue.push_back(Waiting::Request { bytes, expects, name, reply });
            }
            State::Leaving { reason, .. } => {
                let _ = reply.send(Err(DialFailure::Refused { peer, reason: reason.clone() }.into()));
            }
            State::Silent { .. } | State::Greeted { .. } => {
                self.wait(peer, Waiting::Request { bytes, expects, name, reply });
            }
        }
    }

    fn on_response(&mut self, id: OutboundRequestId, response: Response) {
        let Some(Outstanding { peer, expects, name, reply }) = self.outstanding.remove(&id) else { return };
        let fits = expects.is_met_by(&response);
        if !fits {
            self.note(peer, Action::InvalidMessage);
        }
        let Some(reply) = reply else { return self.on_hello_answer(peer, Ok(response)) };
        self.next_question(peer);
        if !fits {
            let reason = format!("{} is no answer to it", response.name());
            let _ = reply.send(Err(RequestError::BadAnswer { request: name, reason }));
            return;
        }
        // A refusal is an answer, too, but no merit.
        if !matches!(response, Response::Refused(_) | Response::Error(_)) && !reply.is_closed() {
            self.note(peer, Action::GoodAnswer);
        }
        let _ = reply.send(Ok(response));
    }

    fn on_no_response(&mut self, id: OutboundRequestId, failure: &OutboundFailure) {
        let Some(Outstanding { peer, name, reply, .. }) = self.outstanding.remove(&id) else { return };
        let Some(reply) = reply else {
            if let Some(reason) = hello_failure(failure) {
                self.on_hello_answer(peer, Err(reason));
            }
            return;
        };
        self.next_question(peer);
        let error = match failure {
            OutboundFailure::Timeout => {
                // Otherwise the asker has noted it already.
                if !reply.is_closed() {
                    self.note(peer, Action::Timeout);
                }
                RequestError::Timeout { request: name, timeout: self.config.limits.request_timeout }
            }
            OutboundFailure::Io(error) => match WireError::of(error) {
                Some(error) => {
                    self.refused_messages += 1;
                    self.note(peer, Action::of(error));
                    RequestError::BadAnswer { request: name, reason: error.to_string() }
                }
                None => RequestError::Closed { request: name },
            },
            OutboundFailure::UnsupportedProtocols => {
                RequestError::BadAnswer { request: name, reason: "the peer does not speak this protocol".to_owned() }
            }
            OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => RequestError::Closed { request: name },
        };
        let _ = reply.send(Err(error));
    }

    fn next_question(&mut self, peer: PeerId) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        known.requests_out = known.requests_out.saturating_sub(1);
        while let Some(next) = known.queue.pop_front() {
            self.waiting_count -= 1;
            if !next.is_abandoned() {
                return self.ask(peer, next);
            }
        }
    }

    /// A peer has opened a file stream.
    pub(super) fn on_stream(&mut self, peer: PeerId, stream: libp2p::Stream) {
        let now_ms = unix_ms();
        let Some(known) = self.peers.get_mut(&peer) else { return };
        match &known.state {
            State::Ready { .. } => {}
            State::Greeted { .. } if known.held.len() < MAX_HELD => return known.held.push(Held::Stream(stream)),
            State::Leaving { .. } => return,
            State::Silent { .. } | State::Greeted { .. } => return self.note(peer, Action::InvalidMessage),
        }
        if !known.buckets.take(MessageClass::Blob, now_ms) {
            self.refused_messages += 1;
            return self.note(peer, Action::RateExceeded);
        }
        match self.blobs.place(peer) {
            Ok(permit) => drop(self.greetings.spawn(self.blobs.clone().greet(peer, stream, permit))),
            Err(_) => {
                self.refused_messages += 1;
                self.note(peer, Action::RateExceeded);
            }
        }
    }
}
