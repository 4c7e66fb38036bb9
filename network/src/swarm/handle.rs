//! The way in: what the node asks of the swarm.

use std::fmt;
use std::time::{Duration, SystemTime};

use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use super::bans::Ban;
use super::blob::{BlobService, BlobSink, BlobSource, Received};
use super::error::{BlobError, DialFailure, PublishError, RequestError};
use super::peer::PeerInfo;
use super::reach::Reachability;
use super::score::Action;
use crate::proof::PublicKey;
use crate::wire::{Announcement, BlobHeader, BlobSubject, Expectation, Message, Request, Response};

/// Speaks to the swarm's task; cheap to clone. When the last one is dropped, the swarm ends.
#[derive(Clone)]
pub struct SwarmHandle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) peer_id: PeerId,
    pub(super) key: PublicKey,
    pub(super) request_timeout: Duration,
    pub(super) blobs: BlobService,
}

impl fmt::Debug for SwarmHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SwarmHandle({})", self.peer_id)
    }
}

/// Numbers for a dashboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwarmStats {
    /// Peers that have said hello.
    pub peers: usize,
    /// Connections, those without hello included.
    pub connections: usize,
    /// Our questions without answer yet.
    pub requests_out: usize,
    /// Questions that we have not answered yet.
    pub requests_in: usize,
    /// Our questions that wait for a connection.
    pub waiting: usize,
    /// Peers remembered: connected or not.
    pub known: usize,
    /// Peers with a score.
    pub scored: usize,
    /// Messages refused since the start: unreadable, oversized, too many, before hello.
    pub refused_messages: u64,
    /// Events that the node missed since the start.
    pub missed_events: u64,
}

/// What the handle sends to the task.
pub(super) enum Command {
    Dial { address: Multiaddr, reply: oneshot::Sender<Result<PeerId, DialFailure>> },
    Connect { peer: PeerId, reply: oneshot::Sender<Result<(), DialFailure>> },
    Request { peer: PeerId, bytes: Vec<u8>, expects: Expectation, name: &'static str, reply: Reply },
    Publish { topic: super::behaviour::Topic, bytes: Vec<u8>, reply: oneshot::Sender<Result<(), PublishError>> },
    Peers { reply: oneshot::Sender<Vec<PeerInfo>> },
    Reachability { reply: oneshot::Sender<Reachability> },
    Addresses { reply: oneshot::Sender<(Vec<Multiaddr>, Vec<Multiaddr>)> },
    Ban { peer: PeerId, until: SystemTime, reason: String, reply: oneshot::Sender<()> },
    Unban { peer: PeerId, reply: oneshot::Sender<bool> },
    Bans { reply: oneshot::Sender<Vec<Ban>> },
    Disconnect { peer: PeerId, reason: String },
    Note { peer: PeerId, action: Action },
    AddAddress { peer: PeerId, address: Multiaddr },
    Stats { reply: oneshot::Sender<SwarmStats> },
    Shutdown { reply: oneshot::Sender<()> },
}

pub(super) type Reply = oneshot::Sender<Result<Response, RequestError>>;

impl SwarmHandle {
    /// Our own name.
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// Our own key.
    pub fn public_key(&self) -> PublicKey {
        self.key
    }

    /// Connects to an address and waits until the peer there has said hello.
    ///
    /// # Errors
    /// Nobody there, another network, banned.
    pub async fn dial(&self, address: Multiaddr) -> Result<PeerId, DialFailure> {
        self.ask(|reply| Command::Dial { address, reply }).await.unwrap_or(Err(DialFailure::Stopped))
    }

    /// Connects to a known peer, looking its addresses up where need be; returns at once where it is connected.
    ///
    /// # Errors
    /// As [`dial`](Self::dial).
    pub async fn connect(&self, peer: PeerId) -> Result<(), DialFailure> {
        self.ask(|reply| Command::Connect { peer, reply }).await.unwrap_or(Err(DialFailure::Stopped))
    }

    /// Tells where a peer may be found.
    pub async fn add_address(&self, peer: PeerId, address: Multiaddr) {
        // A swarm that has ended needs no addresses.
        let _ = self.commands.send(Command::AddAddress { peer, address }).await;
    }

    /// Asks a peer and waits for the answer, connecting first where need be. `timeout` covers all of it and is at most
    /// [`Limits::request_timeout`](super::Limits::request_timeout).
    ///
    /// A question may have arrived even if there is no answer: askers repeat it, answerers answer the same again.
    ///
    /// # Errors
    /// No connection, no answer, [`Response::Refused`] or [`Response::Error`], or an answer that does not fit.
    pub async fn request(&self, peer: PeerId, request: Request, timeout: Duration) -> Result<Response, RequestError> {
        let (expects, name, bytes) = (request.expects(), request.name(), request.to_bytes()?);
        let timeout = timeout.min(self.request_timeout);
        let answer = self.ask(|reply| Command::Request { peer, bytes, expects, name, reply });
        match tokio::time::timeout(timeout, answer).await {
            Ok(Some(Ok(Response::Refused(refusal)))) => Err(RequestError::Refused(refusal)),
            Ok(Some(Ok(Response::Error(refusal)))) => Err(RequestError::Remote(refusal)),
            Ok(Some(result)) => result,
            Ok(None) => Err(RequestError::Dial(DialFailure::Stopped)),
            Err(_) => {
                self.note(peer, Action::Timeout);
                Err(RequestError::Timeout { request: name, timeout })
            }
        }
    }

    /// Tells everyone.
    ///
    /// # Errors
    /// Nobody listens, or the message can't be sent.
    pub async fn publish(&self, announcement: &Announcement) -> Result<(), PublishError> {
        let bytes = announcement.to_bytes()?;
        let topic = super::behaviour::Topic::of(announcement);
        self.ask(|reply| Command::Publish { topic, bytes, reply }).await.unwrap_or(Err(PublishError::Stopped))
    }

    /// Sends a file and waits until the peer has verified it.
    ///
    /// # Errors
    /// The peer refuses, the connection or the disk fails, or it takes too long.
    pub async fn send_blob(&self, peer: PeerId, header: BlobHeader, source: BlobSource) -> Result<(), BlobError> {
        self.connect(peer).await?;
        self.blobs.send(peer, header, source).await
    }

    /// Gets a file and verifies it. `expected` is the SHA-256 it must have, where the caller knows.
    ///
    /// # Errors
    /// The peer refuses or sends something else, the connection or the disk fails, or it takes too long.
    pub async fn fetch_blob(
        &self,
        peer: PeerId,
        subject: BlobSubject,
        expected: Option<crate::proof::Digest>,
        sink: BlobSink,
    ) -> Result<Received, BlobError> {
        self.connect(peer).await?;
        self.blobs.fetch(peer, subject, expected, sink).await
    }

    /// Connected peers of our network.
    pub async fn peers(&self) -> Vec<PeerInfo> {
        self.ask(|reply| Command::Peers { reply }).await.unwrap_or_default()
    }

    /// How others reach us.
    pub async fn reachability(&self) -> Reachability {
        let stopped = || Reachability::Unreachable { why: DialFailure::Stopped.to_string() };
        self.ask(|reply| Command::Reachability { reply }).await.unwrap_or_else(stopped)
    }

    /// Where we listen, each ending in our own `/p2p/...`.
    pub async fn listen_addresses(&self) -> Vec<Multiaddr> {
        self.ask(|reply| Command::Addresses { reply }).await.map(|(listen, _)| listen).unwrap_or_default()
    }

    /// Where others are known to reach us.
    pub async fn external_addresses(&self) -> Vec<Multiaddr> {
        self.ask(|reply| Command::Addresses { reply }).await.map(|(_, external)| external).unwrap_or_default()
    }

    /// Keeps a peer out for a while. Returns when it is out.
    pub async fn ban(&self, peer: PeerId, duration: Duration, reason: impl Into<String>) {
        let now = SystemTime::now();
        // Longer than the clock can say is for ever as far as anyone can tell.
        let until = now.checked_add(duration).unwrap_or(now + FOR_EVER);
        let reason = reason.into();
        self.ask(|reply| Command::Ban { peer, until, reason, reply }).await;
    }

    /// Lifts a ban; `false` where there was none.
    pub async fn unban(&self, peer: PeerId) -> bool {
        self.ask(|reply| Command::Unban { peer, reply }).await.unwrap_or(false)
    }

    /// Bans in force.
    pub async fn bans(&self) -> Vec<Ban> {
        self.ask(|reply| Command::Bans { reply }).await.unwrap_or_default()
    }

    /// Ends all connections to a peer; it may come back.
    pub async fn disconnect(&self, peer: PeerId, reason: impl Into<String>) {
        let _ = self.commands.send(Command::Disconnect { peer, reason: reason.into() }).await;
    }

    /// Lets a peer's score know what it did: a role that finds an opaque field unreadable says so here.
    pub fn note(&self, peer: PeerId, action: Action) {
        // A full queue loses a note, which is better than a caller that waits for the sake of manners.
        let _ = self.commands.try_send(Command::Note { peer, action });
    }

    /// Numbers.
    pub async fn stats(&self) -> SwarmStats {
        self.ask(|reply| Command::Stats { reply }).await.unwrap_or_default()
    }

    /// Ends the swarm: connections are closed and bans written when this returns.
    pub async fn shutdown(&self) {
        self.ask(|reply| Command::Shutdown { reply }).await;
    }

    /// `None`: the swarm has ended.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }
}

const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);
