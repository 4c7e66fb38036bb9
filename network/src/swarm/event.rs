//! What the swarm tells the node.

use std::time::SystemTime;

use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;

use super::blob::{BlobDemand, BlobOffer};
use super::peer::PeerInfo;
use super::reach::Reachability;
use crate::wire::{Announcement, Request, Response};

/// Something happened.
#[derive(Debug)]
pub enum SwarmEvent {
    /// We can be dialled here.
    Listening {
        /// Address, ending in our own `/p2p/...`.
        address: Multiaddr,
    },
    /// A peer of this network is there and has said hello.
    PeerConnected(Box<PeerInfo>),
    /// It is gone.
    PeerDisconnected {
        /// Peer.
        peer: PeerId,
        /// Why, as far as is known.
        reason: String,
    },
    /// Somebody was sent away before becoming a peer: another network, another protocol, no hello.
    PeerRefused {
        /// Peer.
        peer: PeerId,
        /// Why.
        reason: String,
    },
    /// A question. Without an answer within [`Limits::request_timeout`](super::Limits::request_timeout) the peer gives up.
    Request(IncomingRequest),
    /// News.
    Announcement {
        /// Who signed it.
        author: PeerId,
        /// Who passed it on.
        from: PeerId,
        /// What it says.
        announcement: Announcement,
    },
    /// A peer wants to send a file.
    BlobOffered(BlobOffer),
    /// A peer wants a file.
    BlobRequested(BlobDemand),
    /// Others reach us differently now.
    Reachability(Reachability),
    /// A peer is kept out from now on.
    Banned {
        /// Peer.
        peer: PeerId,
        /// Why.
        reason: String,
        /// Until when.
        until: SystemTime,
    },
    /// The node did not keep up and missed this many events; [`SwarmHandle::peers`](super::SwarmHandle::peers) has the
    /// present state.
    Lagged {
        /// How many.
        missed: u64,
    },
}

/// A question and the means to answer it.
#[derive(Debug)]
pub struct IncomingRequest {
    /// Who asks.
    pub peer: PeerId,
    /// What.
    pub request: Request,
    /// Answers. Dropped without an answer, the peer gets [`Response::Error`] with `network.no_answer`.
    pub responder: Responder,
}

/// Answers one question.
#[derive(Debug)]
pub struct Responder {
    pub(super) answer: oneshot::Sender<Response>,
}

impl Responder {
    /// Answers. A peer that has given up by now hears nothing; that is not an error of ours.
    pub fn respond(self, response: Response) {
        // The receiver is gone only with the swarm.
        let _ = self.answer.send(response);
    }
}
