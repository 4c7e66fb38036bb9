//! The task that owns the swarm: it starts here, and here is its loop. What it does about connections, questions, news,
//! and commands is in the files below.

mod commands;
mod connections;
mod hello;
mod news;
mod questions;
mod table;
mod upkeep;

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{InboundRequestId, OutboundRequestId, ResponseChannel};
use libp2p::swarm::{Config as SwarmSettings, ConnectionId, Swarm, SwarmEvent as Libp2pEvent};
use libp2p::{Multiaddr, PeerId, kad};
use libp2p_stream::IncomingStreams;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use self::table::{Book, Events, Outstanding, Peer, Waiting};
use self::upkeep::{Bootstrap, Reservations};
use super::bans::Bans;
use super::behaviour::{Behaviour, BehaviourEvent};
use super::blob::{BLOB_PROTOCOL, BlobService};
use super::codec::Carried;
use super::config::{COMMAND_QUEUE, EVENT_RESERVE, MAX_KNOWN, STREAM_QUEUE, SwarmConfig};
use super::error::{DialFailure, StartError};
use super::event::SwarmEvent;
use super::handle::{Command, SwarmHandle, SwarmStats};
use super::reach::{Evidence, Reachability};
use super::score::Scores;
use super::transport;
use crate::identity::Identity;
use crate::wire::{Hello, Message, Request, Response};

/// Bans, deadlines and redials are looked after this often.
const TICK: Duration = Duration::from_secs(1);
/// Connections stay: a miner without a job says little. Dead ones are found by ping.
const IDLE_CONNECTION: Duration = Duration::from_secs(30 * 86_400);

pub(super) struct Task {
    swarm: Swarm<Behaviour>,
    config: SwarmConfig,
    /// Our hello, as question and as answer.
    hello: Hello,
    commands: mpsc::Receiver<Command>,
    events: Events,
    streams: mpsc::Receiver<(PeerId, libp2p::Stream)>,
    blobs: BlobService,
    /// Streams whose first message is awaited; at most `blobs_per_peer` of each peer.
    greetings: JoinSet<Option<SwarmEvent>>,
    /// With at least one connection; bounded by the connection limits.
    peers: HashMap<PeerId, Peer>,
    book: Book,
    scores: Scores,
    bans: Bans,
    bans_unsaved: bool,
    bans_checked_ms: u64,
    /// Our questions under way; at most `requests_per_peer` of each peer.
    outstanding: HashMap<OutboundRequestId, Outstanding>,
    /// Questions that the node is answering; at most `requests_per_peer` of each peer.
    answers: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// Which of the peers' questions reached the node.
    delivered: HashMap<InboundRequestId, PeerId>,
    /// Who waits for which dial; at most `MAX_WAITING`.
    dials: HashMap<ConnectionId, oneshot::Sender<Result<PeerId, DialFailure>>>,
    /// What waits for a peer; at most `MAX_WAITING` altogether.
    waiting: HashMap<PeerId, Vec<Waiting>>,
    waiting_count: usize,
    lookups: HashMap<kad::QueryId, PeerId>,
    bootstrap: Vec<Bootstrap>,
    reservations: Reservations,
    evidence: Evidence,
    reachability: Reachability,
    started_ms: u64,
    refused_messages: u64,
    ended: Option<oneshot::Sender<()>>,
}

struct Answer {
    peer: PeerId,
    channel: ResponseChannel<Carried<Response>>,
    /// `None`: dropped without one.
    response: Option<Response>,
}

/// Takes file streams off libp2p's hands at once: it holds one, and drops what comes while that waits for a busy swarm.
fn collect(mut streams: IncomingStreams) -> mpsc::Receiver<(PeerId, libp2p::Stream)> {
    let (send, receive) = mpsc::channel(STREAM_QUEUE);
    tokio::spawn(async move {
        while let Some(stream) = streams.next().await {
            if send.send(stream).await.is_err() {
                break;
            }
        }
    });
    receive
}

/// Starts a swarm on the current tokio runtime. It ends with the last handle, or with
/// [`SwarmHandle::shutdown`].
///
/// # Errors
/// The configuration can't be used, or an address can't be listened on.
pub fn start(
    identity: &Identity,
    config: SwarmConfig,
) -> Result<(SwarmHandle, mpsc::Receiver<SwarmEvent>), StartError> {
    let hello = Hello {
        protocol: Hello::PROTOCOL,
        network: config.network,
        roles: config.roles,
        software: config.software.clone(),
    };
    // So that it can be sent whenever it has to be.
    Request::Hello(hello.clone()).to_bytes()?;
    let bootstrap = config.bootstrap.iter().map(Bootstrap::new).collect::<Result<Vec<_>, _>>()?;
    let keypair = identity.keypair();
    let peer_id = keypair.public().to_peer_id();
    let (transport, relay_client) = transport::build(&keypair, config.swarm_key.as_ref())?;
    let behaviour = Behaviour::new(&keypair, &config, relay_client)?;
    let settings = SwarmSettings::with_tokio_executor().with_idle_connection_timeout(IDLE_CONNECTION);
    let mut swarm = Swarm::new(transport, behaviour, peer_id, settings);
    let now_ms = unix_ms();
    let bans = config.bans_file.as_deref().map(|path| Bans::load(path, now_ms)).unwrap_or_default();
    for ban in bans.list(now_ms) {
        swarm.behaviour_mut().blocked.block_peer(ban.peer);
    }
    for address in &config.listen {
        if config.swarm_key.is_some() && address.iter().any(|part| matches!(part, Protocol::Udp(_))) {
            return Err(StartError::KeyNeedsTcp { address: address.clone() });
        }
        swarm
            .listen_on(address.clone())
            .map_err(|error| StartError::Listen { address: address.clone(), reason: error.to_string() })?;
    }
    let mut evidence = Evidence::default();
    for address in &config.external {
        swarm.add_external_address(address.clone());
        evidence.confirmed.insert(address.clone());
    }
    let mut control = swarm.behaviour().streams.new_control();
    let streams = control
        .accept(BLOB_PROTOCOL)
        .map_err(|error| StartError::Part { part: "file streams", reason: error.to_string() })?;
    let streams = collect(streams);
    let (sender, commands) = mpsc::channel(COMMAND_QUEUE);
    let (events, receiver) = mpsc::channel(config.limits.event_queue.max(2 * EVENT_RESERVE));
    let blobs =
        BlobService::new(control, config.limits.blob_timeouts, config.limits.blobs_per_peer, sender.downgrade());
    let handle = SwarmHandle {
        commands: sender,
        peer_id,
        key: identity.public_key(),
        request_timeout: config.limits.request_timeout,
        blobs: blobs.clone(),
    };
    let task = Task {
        swarm,
        hello,
        commands,
        events: Events::new(events),
        streams,
        blobs,
        greetings: JoinSet::new(),
        peers: HashMap::new(),
        book: Book::new(MAX_KNOWN),
        scores: Scores::new(4 * MAX_KNOWN),
        bans,
        bans_unsaved: false,
        bans_checked_ms: now_ms,
        outstanding: HashMap::new(),
        answers: FuturesUnordered::new(),
        delivered: HashMap::new(),
        dials: HashMap::new(),
        waiting: HashMap::new(),
        waiting_count: 0,
        lookups: HashMap::new(),
        bootstrap,
        reservations: Reservations::default(),
        reachability: evidence.verdict(),
        evidence,
        started_ms: now_ms,
        refused_messages: 0,
        ended: None,
        config,
    };
    tokio::spawn(task.run());
    Ok((handle, receiver))
}

/// Milliseconds since 1970 UTC; 0 for clocks before that.
pub(in crate::swarm) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Task {
    async fn run(mut self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.ended.is_none() {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => break,
                },
                event = self.swarm.select_next_some() => self.on_event(event),
                Some(answer) = self.answers.next(), if !self.answers.is_empty() => self.on_answer(answer),
                Some((peer, stream)) = self.streams.recv() => self.on_stream(peer, stream),
                Some(greeted) = self.greetings.join_next(), if !self.greetings.is_empty() => {
                    if let Ok(Some(event)) = greeted
                        && self.events.offer(event).is_err()
                    {
                        tracing::debug!("the node does not keep up; a file stream was closed");
                    }
                }
                _ = ticks.tick() => self.on_tick(),
            }
        }
        let peers: Vec<_> = self.peers.keys().copied().collect();
        for peer in peers {
            // Already gone is as good.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        // Lets the connections say goodbye.
        let goodbye = async {
            while !self.peers.is_empty() {
                if let Libp2pEvent::ConnectionClosed { peer_id, num_established: 0, .. } =
                    self.swarm.select_next_some().await
                {
                    self.peers.remove(&peer_id);
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
        self.save_bans().await;
        if let Some(ended) = self.ended.take() {
            let _ = ended.send(());
        }
    }

    fn on_event(&mut self, event: Libp2pEvent<BehaviourEvent>) {
        match event {
            Libp2pEvent::Behaviour(event) => self.on_behaviour(event),
            Libp2pEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(peer_id, connection_id, &endpoint);
            }
            Libp2pEvent::ConnectionClosed { peer_id, connection_id, num_established, cause, .. } => {
                let reason = cause.map_or_else(|| "closed".to_owned(), |cause| cause.to_string());
                self.on_disconnected(peer_id, connection_id, num_established, &reason);
            }
            Libp2pEvent::OutgoingConnectionError { connection_id, peer_id, error } => {
                self.on_dial_failed(connection_id, peer_id, &error);
            }
            Libp2pEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(from = %send_back_addr, %error, "a connection was not made");
            }
            Libp2pEvent::NewListenAddr { address, .. } => {
                let address = self.own(address);
                tracing::info!(%address, "listening");
                self.events.note(SwarmEvent::Listening { address });
            }
            Libp2pEvent::ListenerClosed { listener_id, reason, .. } => self.on_listener_closed(listener_id, &reason),
            Libp2pEvent::ExternalAddrConfirmed { address } => {
                self.evidence.confirmed.insert(address);
                self.reconsider();
            }
            Libp2pEvent::ExternalAddrExpired { address } => {
                self.evidence.confirmed.remove(&address);
                self.reconsider();
            }
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Requests(event) => self.on_requests(event),
            BehaviourEvent::Gossip(event) => self.on_gossip(event),
            BehaviourEvent::Identify(event) => self.on_identify(event),
            BehaviourEvent::Ping(event) => self.on_ping(event),
            BehaviourEvent::Kademlia(event) => self.on_kademlia(event),
            BehaviourEvent::Mdns(event) => self.on_mdns(event),
            BehaviourEvent::AutonatClient(event) => self.on_autonat(&event),
            BehaviourEvent::Upnp(event) => self.on_upnp(&event),
            BehaviourEvent::RelayClient(event) => self.on_relay(&event),
            BehaviourEvent::Dcutr(event) => match event.result {
                Ok(_) => tracing::info!(peer = %event.remote_peer_id, "a hole was punched"),
                Err(error) => tracing::debug!(peer = %event.remote_peer_id, %error, "no hole was punched"),
            },
            _ => {}
        }
    }

    /// An address of ours, with our name at its end.
    fn own(&self, address: Multiaddr) -> Multiaddr {
        let peer = *self.swarm.local_peer_id();
        address.with_p2p(peer).unwrap_or_else(|address| address)
    }

    fn stats(&self) -> SwarmStats {
        SwarmStats {
            peers: self.peers.values().filter(|peer| peer.hello().is_some()).count(),
            connections: self.peers.values().map(|peer| peer.connections.len()).sum(),
            requests_out: self.outstanding.len(),
            requests_in: self.answers.len(),
            waiting: self.waiting_count,
            known: self.book.len(),
            scored: self.scores.len(),
            refused_messages: self.refused_messages,
            missed_events: self.events.missed(),
        }
    }
}
