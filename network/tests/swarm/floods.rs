//! Too much of everything: rates, bans, memory.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use infernet_network::identity::Identity;
use infernet_network::swarm::{
    DialFailure, IncomingRequest, Limits, REQUEST_PROTOCOL, Rate, Rates, SwarmConfig, SwarmEvent, start,
};
use infernet_network::wire::{JobId, JobStatus, Message, Request, Response};

use crate::evil::{Evil, junk, oversized};
use crate::world::{Node, Over, PATIENCE, config, node, patiently, plain, until};

fn status() -> Request {
    Request::JobStatus(JobStatus { job_id: JobId([1; 16]) })
}

#[tokio::test]
async fn a_peer_above_its_rate_is_told_then_banned_and_others_are_served() {
    let query = Rate { burst: 3, per_second: 0.001 };
    let limits = Limits { rates: Rates { query, ..Rates::default() }, ..Limits::default() };
    let mut b = node(SwarmConfig { limits, ..config() });
    let (mut greedy, mut modest) = (plain(), plain());
    greedy.meet(&mut b, Over::Tcp).await;
    modest.meet(&mut b, Over::Quic).await;
    let address = b.address(Over::Tcp).await;
    let mut served = 0;
    let peer = b.id();
    let Node { handle: b, mut events } = b;
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let SwarmEvent::Request(IncomingRequest { responder, .. }) = event {
                responder.respond(Response::refused("job.unknown", "no such job"));
            }
        }
    });
    for _ in 0..100 {
        match greedy.handle.request(peer, status(), PATIENCE).await.unwrap_err().code() {
            "job.unknown" => served += 1,
            "network.rate_limited" => {}
            // Thrown out.
            _ => break,
        }
    }
    assert_eq!(served, 3);
    until(|| async { b.bans().await.iter().any(|ban| ban.peer == greedy.id() && ban.reason.contains("RateExceeded")) })
        .await;
    assert!(matches!(patiently(greedy.handle.dial(address)).await, Err(DialFailure::Unreachable { .. })));
    let error = modest.handle.request(peer, status(), PATIENCE).await.unwrap_err();
    assert_eq!(error.code(), "job.unknown");
}

#[tokio::test]
async fn bans_end() {
    let (mut a, mut b) = (plain(), plain());
    a.meet(&mut b, Over::Tcp).await;
    let address = b.address(Over::Tcp).await;
    patiently(b.handle.ban(a.id(), Duration::from_secs(2), "for a test")).await;
    assert_eq!(b.banned().await, (a.id(), "for a test".to_owned()));
    assert!(b.handle.peers().await.is_empty());
    a.disconnected().await;
    assert!(patiently(a.handle.dial(address.clone())).await.is_err());
    assert!(
        matches!(b.handle.connect(a.id()).await, Err(DialFailure::Banned { reason, .. }) if reason == "for a test")
    );
    until(|| async { b.handle.bans().await.is_empty() }).await;
    until(|| async { a.handle.dial(address.clone()).await.is_ok() }).await;
    // Lifted before its time.
    patiently(b.handle.ban(a.id(), Duration::MAX, "for ever")).await;
    assert!(b.handle.unban(a.id()).await && !b.handle.unban(a.id()).await);
    until(|| async { a.handle.dial(address.clone()).await.is_ok() }).await;
}

#[tokio::test]
async fn bans_outlive_the_process_where_they_have_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bans.json");
    let with_file = || SwarmConfig { bans_file: Some(path.clone()), ..config() };
    let identity = Identity::generate().unwrap();
    let (handle, _events) = start(&identity, with_file()).unwrap();
    let enemy = plain();
    handle.ban(enemy.id(), Duration::from_secs(3600), "a long one").await;
    patiently(handle.shutdown()).await;
    let (handle, events) = start(&identity, with_file()).unwrap();
    let again = Node { handle, events };
    assert_eq!(again.handle.bans().await[0].reason, "a long one");
    assert!(patiently(enemy.handle.dial(again.address(Over::Tcp).await)).await.is_err());
}

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_junk_messages_leave_memory_bounded() {
    const MESSAGES: u64 = 10_000;
    let mut node = plain();
    let mut evil = Evil::new().await;
    evil.blend_in(&mut node).await;
    let mut forms = junk();
    forms.truncate(4);
    forms.push(oversized());
    let round = async |count: u64| {
        for at in 0..count {
            let bytes = &forms[at as usize % forms.len()];
            let _ = evil.say(&node, bytes).await;
            // Forgiven each time: otherwise it would be out after the fourth.
            node.handle.unban(evil.peer).await;
        }
    };
    round(500).await;
    let before = resident();
    round(MESSAGES - 500).await;
    let grown = resident().saturating_sub(before);
    until(|| async { node.handle.stats().await.refused_messages == MESSAGES }).await;
    let stats = node.handle.stats().await;
    assert_eq!((stats.requests_in, stats.requests_out, stats.waiting), (0, 0, 0));
    assert!(stats.scored <= 1 && stats.known <= 1, "{stats:?}");
    assert!(grown < 32 << 20, "{grown} bytes more after {MESSAGES} messages");
    eprintln!("{grown} bytes more after {MESSAGES} junk messages");
}

/// Good questions, but more than the node takes: it does not look at them at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_keep_up_says_so_and_stays_small() {
    let fast = Rate { burst: 1_000_000, per_second: 1_000_000.0 };
    let rates = Rates { progress: fast, query: fast, ..Rates::default() };
    let limits = Limits { rates, event_queue: 128, requests_per_peer: 200, ..Limits::default() };
    let mut node = node(SwarmConfig { limits, ..config() });
    let mut evil = Evil::new().await;
    evil.blend_in(&mut node).await;
    let bytes = status().to_bytes().unwrap();
    let mut streams = Vec::new();
    // Fills the queue up to what is kept for more important things: 128 places, 64 of them reserved.
    for _ in 0..64 {
        streams.push(tokio::spawn(ask_on(evil.open(&node, REQUEST_PROTOCOL).await, bytes.clone())));
    }
    until(|| async { node.handle.stats().await.requests_in == 64 }).await;
    let before = resident();
    for _ in 0..3000 {
        let answer = evil.ask(&node, &status()).await.unwrap();
        assert!(matches!(&answer, Response::Error(refusal) if refusal.code == "network.busy"), "{answer:?}");
    }
    let grown = resident().saturating_sub(before);
    let stats = node.handle.stats().await;
    assert_eq!((stats.requests_in, stats.missed_events), (64, 3000));
    assert!(grown < 32 << 20, "{grown} bytes more");
    // When the node is back, so is everything else.
    for _ in 0..64 {
        node.asked().await.responder.respond(Response::refused("job.unknown", "no such job"));
    }
    for stream in streams {
        assert!(patiently(stream).await.unwrap() > 0, "an answer");
    }
    until(|| async { node.handle.stats().await.requests_in == 0 }).await;
}

/// Asks on an open stream; the length of the answer.
async fn ask_on(stream: Result<libp2p::Stream, String>, question: Vec<u8>) -> usize {
    let mut stream = stream.unwrap();
    stream.write_all(&question).await.unwrap();
    stream.close().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap_or(0)
}
