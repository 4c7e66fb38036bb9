//! Nodes of a test.

use std::future::Future;
use std::time::Duration;

use infernet_network::identity::Identity;
use infernet_network::proof::Digest;
use infernet_network::swarm::{
    IncomingRequest, Multiaddr, PeerId, PeerInfo, SwarmConfig, SwarmEvent, SwarmHandle, start,
};
use infernet_network::wire::{Ack, Request, Response, Roles};
use tokio::sync::mpsc;

/// Longer than anything here takes, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const NETWORK: Digest = Digest([7; 32]);

pub(crate) struct Node {
    pub(crate) handle: SwarmHandle,
    pub(crate) events: mpsc::Receiver<SwarmEvent>,
}

/// A node on loopback.
pub(crate) fn node(config: SwarmConfig) -> Node {
    let (handle, events) = start(&Identity::generate().unwrap(), config).unwrap();
    Node { handle, events }
}

pub(crate) fn config() -> SwarmConfig {
    SwarmConfig::loopback(NETWORK)
}

pub(crate) fn plain() -> Node {
    node(config())
}

/// Which transport a test goes over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Over {
    Tcp,
    Quic,
}

impl Node {
    pub(crate) fn id(&self) -> PeerId {
        self.handle.peer_id()
    }

    pub(crate) async fn address(&self, over: Over) -> Multiaddr {
        let part = match over {
            Over::Tcp => "/tcp/",
            Over::Quic => "/quic-v1",
        };
        patiently(async {
            loop {
                let addresses = self.handle.listen_addresses().await;
                if let Some(address) = addresses.into_iter().find(|address| address.to_string().contains(part)) {
                    return address;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Dials another node and waits until both know each other.
    pub(crate) async fn meet(&mut self, other: &mut Node, over: Over) {
        let peer = patiently(self.handle.dial(other.address(over).await)).await.unwrap();
        assert_eq!(peer, other.id());
        assert_eq!(self.connected().await.id, other.id());
        assert_eq!(other.connected().await.id, self.id());
    }

    /// The next event that `pick` picks; others are thrown away.
    pub(crate) async fn next<T>(&mut self, mut pick: impl FnMut(SwarmEvent) -> Option<T>) -> T {
        patiently(async {
            loop {
                let event = self.events.recv().await.expect("the swarm has ended");
                if let Some(picked) = pick(event) {
                    return picked;
                }
            }
        })
        .await
    }

    pub(crate) async fn connected(&mut self) -> PeerInfo {
        self.next(|event| match event {
            SwarmEvent::PeerConnected(info) => Some(*info),
            _ => None,
        })
        .await
    }

    pub(crate) async fn disconnected(&mut self) -> (PeerId, String) {
        self.next(|event| match event {
            SwarmEvent::PeerDisconnected { peer, reason } => Some((peer, reason)),
            _ => None,
        })
        .await
    }

    pub(crate) async fn refused(&mut self) -> (PeerId, String) {
        self.next(|event| match event {
            SwarmEvent::PeerRefused { peer, reason } => Some((peer, reason)),
            _ => None,
        })
        .await
    }

    pub(crate) async fn banned(&mut self) -> (PeerId, String) {
        self.next(|event| match event {
            SwarmEvent::Banned { peer, reason, .. } => Some((peer, reason)),
            _ => None,
        })
        .await
    }

    pub(crate) async fn asked(&mut self) -> IncomingRequest {
        self.next(|event| match event {
            SwarmEvent::Request(request) => Some(request),
            _ => None,
        })
        .await
    }

    pub(crate) async fn score(&self, peer: PeerId) -> f64 {
        self.handle.peers().await.into_iter().find(|info| info.id == peer).map_or(f64::NAN, |info| info.score)
    }

    /// Answers every question with an acknowledgement from here on.
    pub(crate) fn acknowledge(mut self) -> SwarmHandle {
        let handle = self.handle.clone();
        tokio::spawn(async move {
            while let Some(event) = self.events.recv().await {
                if let SwarmEvent::Request(IncomingRequest { responder, .. }) = event {
                    responder.respond(ack());
                }
            }
        });
        handle
    }
}

pub(crate) fn ack() -> Response {
    Response::Ack(Ack { now_unix_ms: 1 })
}

/// A question that fits `ack`.
pub(crate) fn heartbeat() -> Request {
    Request::MinerOffer(infernet_network::wire::MinerOffer { accepting: true, ..Default::default() })
}

pub(crate) fn with_roles(roles: Roles) -> SwarmConfig {
    SwarmConfig { roles, ..config() }
}

pub(crate) async fn patiently<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it takes too long")
}

/// Waits until something holds.
pub(crate) async fn until<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) {
    patiently(async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
