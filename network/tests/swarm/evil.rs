//! A peer that writes whatever it likes, and what becomes of it.

use std::io;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use infernet_network::proof::Digest;
use infernet_network::swarm::{
    BLOB_PROTOCOL, DialFailure, Limits, Multiaddr, PeerId, REQUEST_PROTOCOL, RequestError, SwarmConfig,
};
use infernet_network::wire::{HEADER_BYTES, Hello, JobId, JobStatus, Message, Request, Response, Roles, VERSION};
use libp2p::swarm::SwarmEvent as Libp2pEvent;
use libp2p::{Stream, SwarmBuilder, noise, tcp, yamux};
use tokio::sync::mpsc;

use crate::world::{NETWORK, Node, Over, PATIENCE, ack, config, heartbeat, node, patiently, plain, until};

/// It speaks libp2p and nothing of ours but what a test makes it say.
pub(crate) struct Evil {
    pub(crate) peer: PeerId,
    pub(crate) address: Multiaddr,
    control: libp2p_stream::Control,
    dials: mpsc::Sender<Multiaddr>,
    connected: mpsc::Receiver<bool>,
}

impl Evil {
    pub(crate) async fn new() -> Self {
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_| libp2p_stream::Behaviour::new())
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(PATIENCE))
            .build();
        let control = swarm.behaviour().new_control();
        let peer = *swarm.local_peer_id();
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
        let address = loop {
            if let Libp2pEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address.with_p2p(peer).unwrap();
            }
        };
        let (dials, mut to_dial) = mpsc::channel::<Multiaddr>(1);
        let (tell, connected) = mpsc::channel(16);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    address = to_dial.recv() => match address {
                        Some(address) => swarm.dial(address).unwrap(),
                        None => break,
                    },
                    event = swarm.select_next_some() => match event {
                        Libp2pEvent::ConnectionEstablished { .. } => {
                            let _ = tell.try_send(true);
                        }
                        Libp2pEvent::ConnectionClosed { .. } | Libp2pEvent::OutgoingConnectionError { .. } => {
                            let _ = tell.try_send(false);
                        }
                        _ => {}
                    },
                }
            }
        });
        Self { peer, address, control, dials, connected }
    }

    /// Connects; `false` where the node does not let it.
    pub(crate) async fn dial(&mut self, node: &Node) -> bool {
        self.dials.send(node.address(Over::Tcp).await).await.unwrap();
        patiently(self.connected.recv()).await.unwrap()
    }

    /// Whether a new connection is refused, which may come to light just after its handshake.
    pub(crate) async fn is_kept_out(&mut self, node: &Node) -> bool {
        !self.dial(node).await || self.is_thrown_out().await
    }

    /// Whether the connection is or was closed.
    pub(crate) async fn is_thrown_out(&mut self) -> bool {
        patiently(async { while self.connected.recv().await.unwrap() {} }).await;
        true
    }

    pub(crate) async fn open(&self, node: &Node, protocol: libp2p::StreamProtocol) -> Result<Stream, String> {
        let opened = self.control.clone().open_stream(node.id(), protocol).await;
        opened.map_err(|error| error.to_string())
    }

    /// Writes something as a question and reads what comes.
    pub(crate) async fn say(&self, node: &Node, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut stream = self.open(node, REQUEST_PROTOCOL).await?;
        let exchange = async {
            stream.write_all(bytes).await?;
            stream.close().await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            io::Result::Ok(answer)
        };
        exchange.await.map_err(|error| error.to_string())
    }

    pub(crate) async fn ask(&self, node: &Node, request: &Request) -> Result<Response, String> {
        let answer = self.say(node, &request.to_bytes().unwrap()).await?;
        Response::from_bytes(&answer).map_err(|error| error.to_string())
    }

    /// Connects and says hello like an honest peer.
    pub(crate) async fn blend_in(&mut self, node: &mut Node) {
        assert!(self.dial(node).await);
        let answer = self.ask(node, &hello(NETWORK)).await.unwrap();
        assert!(matches!(answer, Response::Hello(_)), "{answer:?}");
        assert_eq!(node.connected().await.id, self.peer);
    }

    /// Answers every question with these bytes.
    fn answer(&self, answer: Vec<u8>) {
        let mut streams = self.control.clone().accept(REQUEST_PROTOCOL).unwrap();
        tokio::spawn(async move {
            while let Some((_, mut stream)) = streams.next().await {
                let mut question = Vec::new();
                let _ = stream.read_to_end(&mut question).await;
                let hello = Request::from_bytes(&question).is_ok_and(|request| matches!(request, Request::Hello(_)));
                let answer = if hello { friendly() } else { answer.clone() };
                let _ = stream.write_all(&answer).await;
                let _ = stream.close().await;
            }
        });
    }
}

pub(crate) fn hello(network: Digest) -> Request {
    let software = "evil/1".to_owned();
    Request::Hello(Hello { protocol: Hello::PROTOCOL, network, roles: Roles::NONE, software })
}

fn friendly() -> Vec<u8> {
    let Request::Hello(hello) = hello(NETWORK) else { unreachable!() };
    Response::Hello(hello).to_bytes().unwrap()
}

/// Things that are no message, one for each way of not being one.
pub(crate) fn junk() -> Vec<Vec<u8>> {
    let good = heartbeat().to_bytes().unwrap();
    let mut other_version = good.clone();
    other_version[0] = 9;
    let mut no_kind = good.clone();
    no_kind[1] = 200;
    let mut garbled = good.clone();
    garbled[HEADER_BYTES] = 0xff;
    vec![b"GET / HTTP/1.1\r\n\r\n".to_vec(), no_kind, garbled, good[..good.len() - 1].to_vec(), other_version]
}

/// A header that promises four gigabytes.
pub(crate) fn oversized() -> Vec<u8> {
    let mut bytes = vec![VERSION, heartbeat().kind()];
    bytes.extend(u32::MAX.to_le_bytes());
    bytes
}

fn quick() -> Limits {
    let short = Duration::from_secs(1);
    Limits { hello_timeout: short, request_timeout: short, ..Limits::default() }
}

#[tokio::test]
async fn without_hello_nobody_stays() {
    let mut node = node(SwarmConfig { limits: quick(), ..config() });
    let mut evil = Evil::new().await;
    assert!(evil.dial(&node).await);
    assert_eq!(node.refused().await, (evil.peer, "it did not say hello in time".to_owned()));
    assert!(evil.is_thrown_out().await);
    // Asked by us, it does not answer hello either: it does not know the protocol.
    let failure = patiently(node.handle.dial(evil.address.clone())).await.unwrap_err();
    assert!(failure.to_string().contains("does not speak InferNet's protocol"), "{failure}");
}

#[tokio::test]
async fn nothing_is_answered_before_hello() {
    let mut node = plain();
    let mut evil = Evil::new().await;
    assert!(evil.dial(&node).await);
    let status = Request::JobStatus(JobStatus { job_id: JobId([1; 16]) });
    for _ in 0..5 {
        match evil.ask(&node, &status).await {
            Ok(Response::Error(refusal)) => assert_eq!(refusal.code, "network.hello_first"),
            // The last one is its ban.
            other => assert!(other.is_err(), "{other:?}"),
        }
    }
    assert_eq!(node.banned().await.0, evil.peer);
    assert!(evil.is_thrown_out().await);
    assert!(evil.is_kept_out(&node).await);
}

#[tokio::test]
async fn a_hello_of_another_network_is_told_why() {
    let mut node = plain();
    let mut evil = Evil::new().await;
    assert!(evil.dial(&node).await);
    let answer = evil.ask(&node, &hello(Digest([8; 32]))).await.unwrap();
    assert!(
        matches!(&answer, Response::Refused(refusal) if refusal.message.contains("different networks")),
        "{answer:?}"
    );
    node.refused().await;
    assert!(evil.is_thrown_out().await);
}

#[tokio::test]
async fn junk_is_counted_and_its_sender_banned() {
    for bytes in junk() {
        let mut node = plain();
        let mut evil = Evil::new().await;
        evil.blend_in(&mut node).await;
        let answer = Response::from_bytes(&evil.say(&node, &bytes).await.unwrap()).unwrap();
        assert!(matches!(&answer, Response::Error(refusal) if refusal.code.starts_with("wire.")), "{answer:?}");
        until(|| async { node.handle.stats().await.refused_messages == 1 }).await;
        let score = node.score(evil.peer).await;
        // An older or newer program is not an attacker, but it should not insist.
        let points = if bytes[0] != VERSION { -5.0 } else { -20.0 };
        assert!((score - points).abs() < 0.1, "{score} for {bytes:?}");
        for _ in 0..20 {
            let _ = evil.say(&node, &bytes).await;
        }
        let (peer, reason) = node.banned().await;
        assert!(peer == evil.peer && reason.contains("score"), "{reason}");
        assert!(evil.is_thrown_out().await);
        assert!(evil.is_kept_out(&node).await);
        assert!(matches!(node.handle.connect(evil.peer).await, Err(DialFailure::Banned { .. })));
    }
}

#[tokio::test]
async fn oversized_frames_are_refused_by_their_header() {
    let mut node = plain();
    let mut evil = Evil::new().await;
    evil.blend_in(&mut node).await;
    let _ = evil.say(&node, &oversized()).await;
    until(|| async { node.score(evil.peer).await < -45.0 }).await;
    let _ = evil.say(&node, &oversized()).await;
    assert_eq!(node.banned().await.0, evil.peer);
}

#[tokio::test]
async fn a_slow_loris_costs_itself() {
    let mut node = node(SwarmConfig { limits: quick(), ..config() });
    let mut evil = Evil::new().await;
    evil.blend_in(&mut node).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = evil.open(&node, REQUEST_PROTOCOL).await.unwrap();
        stream.write_all(&heartbeat().to_bytes().unwrap()[..3]).await.unwrap();
        stream.flush().await.unwrap();
        streams.push(stream);
    }
    until(|| async { node.score(evil.peer).await < -14.0 }).await;
}

#[tokio::test]
async fn bad_answers_are_errors_and_cost_the_peer() {
    let cases: [(Vec<u8>, f64); 3] =
        [(b"\x01junk, nothing else".to_vec(), -20.0), (oversized_answer(), -50.0), (Vec::new(), 0.0)];
    for (bytes, points) in cases {
        let node = plain();
        let evil = Evil::new().await;
        evil.answer(bytes.clone());
        patiently(node.handle.dial(evil.address.clone())).await.unwrap();
        let error = patiently(node.handle.request(evil.peer, heartbeat(), PATIENCE)).await.unwrap_err();
        if points == 0.0 {
            assert_eq!(error, RequestError::Closed { request: "MinerOffer" });
        } else {
            assert!(matches!(&error, RequestError::BadAnswer { .. }), "{error}");
        }
        let score = node.score(evil.peer).await;
        assert!((score - points).abs() < 0.1, "{score} for {bytes:?}");
    }
}

fn oversized_answer() -> Vec<u8> {
    let mut bytes = oversized();
    bytes[1] = ack().kind();
    bytes
}

#[tokio::test]
async fn file_streams_need_a_hello_too() {
    let node = plain();
    let mut evil = Evil::new().await;
    assert!(evil.dial(&node).await);
    let mut stream = evil.open(&node, BLOB_PROTOCOL).await.unwrap();
    let mut answer = Vec::new();
    let ended = patiently(stream.read_to_end(&mut answer)).await;
    assert!(ended.is_err() || answer.is_empty());
}
