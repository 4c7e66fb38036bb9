//! Events: in order, resumed without loss, and no patience with slow readers.

use std::time::Duration;

use infernet_api::client::{ClientError, EventStream, Update};
use infernet_api::types::event::{Event, EventId, EventKind, NoticeLevel};
use infernet_api::{ErrorCode, Problem};
use infernet_node::http::{Backend as _, EventLog, Limits};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::memory::MemoryNode;
use crate::world::{PATIENCE, World, authorization, read_to_end};

impl World {
    fn publish(&self, revision: u64) {
        self.node.events().publish(EventKind::Settings { revision });
    }
}

async fn update(stream: &mut EventStream) -> Update {
    timeout(PATIENCE, stream.next()).await.expect("something comes")
}

async fn connected(stream: &mut EventStream) {
    loop {
        match update(stream).await {
            Update::Connected => return,
            Update::Disconnected(error) => assert!(error.is_transient(), "{error}"),
            Update::Event(event) => panic!("{event:?} before the connection"),
        }
    }
}

async fn event(stream: &mut EventStream) -> Event {
    match update(stream).await {
        Update::Event(event) => *event,
        other => panic!("{other:?} instead of an event"),
    }
}

fn revision(event: &Event) -> u64 {
    match event.kind {
        EventKind::Settings { revision } => revision,
        ref other => panic!("{other:?} instead of settings"),
    }
}

#[tokio::test]
async fn events_come_in_order() {
    let world = World::start();
    world.publish(1);
    let mut stream = world.client().events(None);
    connected(&mut stream).await;
    for number in 2..10 {
        world.publish(number);
    }
    for number in 2..10 {
        let event = event(&mut stream).await;
        assert_eq!((event.sequence, revision(&event)), (number, number), "from the connection on");
    }
}

#[tokio::test]
async fn readers_go_on_where_they_were() {
    let world = World::start();
    let mut first = world.client().events(None);
    connected(&mut first).await;
    world.publish(1);
    world.publish(2);
    assert_eq!(revision(&event(&mut first).await), 1);
    let seen = first.seen().unwrap();
    drop(first);
    world.publish(3);
    let mut second = world.client().events(Some(seen));
    connected(&mut second).await;
    for number in 2..=3 {
        assert_eq!(revision(&event(&mut second).await), number);
    }
    world.publish(4);
    assert_eq!(revision(&event(&mut second).await), 4);
}

#[tokio::test]
async fn readers_of_another_run_start_anew() {
    let world = World::start();
    world.publish(1);
    for seen in [EventId { run: 1, sequence: 1 }, EventId { run: 0xabc, sequence: 99 }] {
        let mut stream = world.client().events(Some(seen));
        connected(&mut stream).await;
        let lagged = event(&mut stream).await;
        assert_eq!((lagged.kind, lagged.sequence), (EventKind::Lagged, 1));
        assert_eq!(stream.seen(), Some(EventId { run: 0xabc, sequence: 1 }));
    }
    let reply = tokio::time::timeout(PATIENCE, async {
        let mut socket = world.connect().await;
        let request =
            format!("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n{}\r\nLast-Event-ID: x\r\n\r\n", authorization());
        socket.write_all(request.as_bytes()).await.unwrap();
        // It listens once the answer has begun.
        socket.readable().await.unwrap();
        world.node.events().publish(EventKind::ShuttingDown);
        read_to_end_of_stream(&mut socket).await
    });
    assert!(reply.await.unwrap().contains("event: lagged"), "an id that is none");
}

/// Reads until the stream's last chunk.
async fn read_to_end_of_stream(socket: &mut tokio::net::TcpStream) -> String {
    use tokio::io::AsyncReadExt as _;
    let mut text = Vec::new();
    while !text.ends_with(b"0\r\n\r\n") {
        let mut chunk = [0; 4096];
        let count = socket.read(&mut chunk).await.unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let world = World::start();
    let (address, node, client) = (world.server.local_address(), world.node.clone(), world.client());
    let mut stream = client.events(None);
    connected(&mut stream).await;
    node.events().publish(EventKind::Settings { revision: 1 });
    assert_eq!(revision(&event(&mut stream).await), 1);
    world.server.shutdown(Duration::from_secs(5)).await;
    node.events().publish(EventKind::Settings { revision: 2 });
    assert!(matches!(update(&mut stream).await, Update::Disconnected(error) if error.is_transient()));
    let server = World::serve_at(address, &node, Limits::default());
    connected(&mut stream).await;
    assert_eq!(revision(&event(&mut stream).await), 2, "published while nobody listened");
    server.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_slow_reader_is_told_and_dropped() {
    let world = World::with(MemoryNode::with_events(EventLog::with_capacity(1, 10, 5)), Limits::default());
    let mut socket = world.connect().await;
    let request =
        format!("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n{}\r\nConnection: close\r\n\r\n", authorization());
    socket.write_all(request.as_bytes()).await.unwrap();
    socket.readable().await.unwrap();
    // More than the buffers of both sides hold, while the reader reads nothing.
    let text = "x".repeat(1 << 20);
    for _ in 0..64 {
        let problem = Problem { code: "c".into(), message: text.clone(), next_step: String::new() };
        world.node.events().publish(EventKind::Notice { level: NoticeLevel::Info, problem });
        tokio::task::yield_now().await;
    }
    let answer = read_to_end(&mut socket).await;
    let answer = String::from_utf8_lossy(&answer);
    let last = answer.rfind("event: ").unwrap();
    assert!(answer[last..].starts_with("event: lagged"), "the last event is {}", &answer[last..last + 40]);
    let newest = EventId { run: 1, sequence: 64 };
    assert!(answer.contains(&format!("id: {newest}")), "it goes on from the newest");
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive() {
    let world = World::with(MemoryNode::new(), Limits { keep_alive_secs: 1, ..Limits::default() });
    let mut socket = world.connect().await;
    let request = format!("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", authorization());
    socket.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    world.node.events().publish(EventKind::ShuttingDown);
    let text = timeout(PATIENCE, read_to_end_of_stream(&mut socket)).await.unwrap();
    assert!(text.matches("\n:").count() + text.matches("\r\n:").count() >= 1, "{text}");
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    assert!(text.contains("event: shutting_down"), "{text}");
}

#[tokio::test]
async fn a_refused_reader_learns_why() {
    use infernet_api::ApiToken;
    use infernet_api::client::{Client, ClientConfig, ServerTrust};
    let world = World::start();
    let config = ClientConfig {
        url: world.server.url(),
        token: ApiToken::from_bytes([0; 32]),
        trust: ServerTrust::ThisComputer,
    };
    let mut stream = Client::new(&config).unwrap().events(None);
    match update(&mut stream).await {
        Update::Disconnected(error @ ClientError::Api(_)) => {
            assert_eq!(error.code(), ErrorCode::Unauthorized.name());
            assert!(!error.is_transient() && error.next_step().contains("api-token"), "{}", error.next_step());
        }
        other => panic!("{other:?}"),
    }
}
