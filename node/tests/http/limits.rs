//! What clients may take: bytes, time, connections.

use std::time::Duration;

use infernet_api::Digest;
use infernet_node::http::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::memory::MemoryNode;
use crate::world::{PATIENCE, World, authorization, parse, read_to_end};

/// Everything within a second.
fn hasty() -> Limits {
    Limits { header_secs: 1, request_secs: 1, stalled_write_secs: 1, ..Limits::default() }
}

fn get_status() -> String {
    format!("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n{}\r\nConnection: close\r\n\r\n", authorization())
}

#[tokio::test]
async fn large_bodies_are_refused_before_they_are_sent() {
    let world = World::start();
    let token = authorization();
    let header = |length: u64| format!("Content-Length: {length}");
    let ask = async |length: &str| {
        world.ask("POST", "/v1/jobs", &["Host: localhost", &token, "Content-Type: application/json", length]).await
    };
    for length in [(1 << 20) + 1, u64::MAX / 2] {
        let reply = ask(&header(length)).await;
        assert_eq!(reply.refusal(), (413, "body_too_large"), "{length}");
        assert_eq!(reply.header("connection"), Some("close"));
    }
    assert_eq!(ask(&header(u64::MAX)).await.status, 431, "hyper's own answer to what no length can be");
    assert_eq!(world.node.calls(), [""; 0]);
    let order = r#"{"prompt":"x","model":"starter"}"#;
    let fits = format!("{order}{}", " ".repeat((1 << 20) - order.len()));
    assert_eq!(world.send("POST", "/v1/jobs", &["Content-Type: application/json"], &fits).await.status, 201);
    let larger = format!("{fits} ");
    let reply = world.send("POST", "/v1/jobs", &["Content-Type: application/json"], &larger).await;
    assert_eq!(reply.refusal(), (413, "body_too_large"));
}

#[tokio::test]
async fn headers_that_trickle_end_the_connection() {
    let world = World::with(MemoryNode::new(), hasty());
    let mut stream = world.connect().await;
    let (mut reader, mut writer) = stream.split();
    let trickle = async {
        // A byte now and then keeps no connection open.
        for byte in get_status().bytes().cycle() {
            if writer.write_all(&[byte.max(b'a')]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = trickle => {}
        result = timeout(PATIENCE, reader.read_to_end(&mut answer)) => drop(result.expect("the server ends the connection")),
    }
    assert_eq!(world.node.calls(), [""; 0]);
}

#[tokio::test]
async fn idle_connections_are_ended() {
    let world = World::with(MemoryNode::new(), hasty());
    let mut silent = world.connect().await;
    assert!(read_to_end(&mut silent).await.is_empty());
    let mut after_one = world.connect().await;
    let request = format!("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", authorization());
    after_one.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(parse(&read_to_end(&mut after_one).await).status, 200);
}

#[tokio::test]
async fn bodies_that_do_not_come_are_not_waited_for() {
    let world = World::with(MemoryNode::new(), hasty());
    let headers = ["Host: localhost", &authorization(), "Content-Type: application/json", "Content-Length: 100"];
    let reply = world.ask_with("POST", "/v1/jobs", &headers, "{\"prompt\":").await;
    assert_eq!(reply.refusal(), (408, "request_timeout"));
    assert_eq!(world.node.calls(), [""; 0]);
}

#[tokio::test]
async fn a_node_that_hangs_is_not_waited_for() {
    let world = World::with(MemoryNode::with_slow_doctor(PATIENCE * 10), hasty());
    assert_eq!(world.get("/v1/doctor", &[]).await.refusal(), (408, "request_timeout"));
    assert_eq!(world.get("/v1/status", &[]).await.status, 200);
}

#[tokio::test]
async fn connections_have_a_bound() {
    let world = World::with(MemoryNode::new(), Limits { connections: 2, ..Limits::default() });
    let (first, second) = (world.connect().await, world.connect().await);
    // They count once the server has taken them; the third shows that it has.
    let mut third = world.connect().await;
    assert!(read_to_end(&mut third).await.is_empty(), "ended without an answer");
    drop(first);
    let answered = async {
        loop {
            let mut next = world.connect().await;
            let _ = next.write_all(get_status().as_bytes()).await;
            let answer = read_to_end(&mut next).await;
            if !answer.is_empty() {
                return parse(&answer).status;
            }
        }
    };
    assert_eq!(timeout(PATIENCE, answered).await.unwrap(), 200);
    drop(second);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clip.mp4");
    // More than the buffers of both sides hold.
    std::fs::File::create(&file).unwrap().set_len(256 << 20).unwrap();
    let world = World::with(MemoryNode::new(), Limits { connections: 1, ..hasty() });
    world.node.store(file, Digest([1; 32]));
    let mut stalled = world.connect().await;
    let path = format!("/v1/jobs/{}/clip.mp4", "02".repeat(16));
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", authorization());
    stalled.write_all(request.as_bytes()).await.unwrap();
    stalled.readable().await.unwrap();
    // The only connection is taken until the server gives the stalled one up.
    let answered = async {
        loop {
            let mut next = world.connect().await;
            let _ = next.write_all(get_status().as_bytes()).await;
            if !read_to_end(&mut next).await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, answered).await.unwrap();
}
