//! Requests that two programs could read differently. There is one program here, and each request is checked for itself; still
//! none may be read as two, and none may get past the checks.

use crate::world::{World, authorization, parse};

/// A second request that must never be carried out.
const HIDDEN: &str = "POST /v1/mining/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";

fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

/// The request must be refused with one of these statuses, as the connection's only answer, and without asking the node.
async fn refused(world: &World, request: &str, statuses: &[u16]) {
    let request = request.replace("TOKEN", &authorization());
    let answer = world.raw(&request).await;
    let status = parse(answer.as_bytes()).status;
    assert!(statuses.contains(&status), "{request:?}: {answer}");
    assert_eq!(answers(&answer), 1, "{request:?}: {answer}");
    assert_eq!(world.node.calls(), [""; 0], "{request:?}");
}

#[tokio::test]
async fn ambiguous_lengths_are_refused() {
    let world = World::start();
    let post = "POST /v1/mining/start HTTP/1.1\r\nHost: localhost\r\nTOKEN\r\n";
    let hidden = HIDDEN.replace("Host: localhost\r\n", &format!("Host: localhost\r\n{}\r\n", authorization()));
    for lengths in ["Content-Length: 0\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length: 0"] {
        refused(&world, &format!("{post}{lengths}\r\n\r\n{hidden}"), &[400]).await;
    }
    for length in ["+5", "-1", "0x5", "5 5", "5,6", "1e1", "", "99999999999999999999999"] {
        refused(&world, &format!("{post}Content-Length: {length}\r\n\r\nhello"), &[400, 413]).await;
    }
    let both = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 0\r\ntransfer-encoding: CHUNKED",
    ];
    for lengths in both {
        refused(&world, &format!("{post}{lengths}\r\n\r\n0\r\n\r\n{hidden}"), &[400, 411]).await;
    }
    for encoding in ["chunked", "identity", "gzip, chunked", "xchunked", "chunked, identity", "\x0bchunked"] {
        refused(&world, &format!("{post}Transfer-Encoding: {encoding}\r\n\r\n0\r\n\r\n{hidden}"), &[400, 411]).await;
    }
}

#[tokio::test]
async fn malformed_headers_are_refused() {
    let world = World::start();
    let start = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nTOKEN\r\n";
    // Folded lines, a space before the colon, no colon, control characters, and a line that ends in a return alone.
    for line in
        ["X: a\r\n b", "X: a\r\n\tb", " X: a", "X : a", "X", ": a", "X: a\0b", "X: a\x01b", "X\0: a", "X: a\rY: b"]
    {
        refused(&world, &format!("{start}{line}\r\n\r\n"), &[400]).await;
    }
    for start in
        ["GET", "GET /v1/status", "GET  /v1/status HTTP/1.1", "GET /v1/status HTTP/9.9", "\x16\x03\x01\x02", "{}"]
    {
        refused(&world, &format!("{start}\r\nHost: localhost\r\nTOKEN\r\n\r\n"), &[400, 505]).await;
    }
}

#[tokio::test]
async fn lone_line_feeds_get_no_further_than_others() {
    // RFC 9112, section 2.2 lets a server take a lone LF as the end of a line, and this one does.
    let world = World::start();
    let answer = world.raw("GET /v1/status HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
    assert_eq!(parse(answer.as_bytes()).refusal(), (401, "unauthorized"));
    let host = format!("GET /v1/status HTTP/1.1\nHost: evil.example\n{}\nConnection: close\n\n", authorization());
    assert_eq!(parse(world.raw(&host).await.as_bytes()).refusal(), (403, "host_refused"));
    assert_eq!(world.node.calls(), [""; 0]);
}

#[tokio::test]
async fn every_request_of_a_connection_is_checked() {
    let world = World::start();
    let first = format!("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", authorization());
    let second = "POST /v1/mining/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let answer = world.raw(format!("{first}{second}")).await;
    assert_eq!(answers(&answer), 2, "{answer}");
    assert!(answer.contains("HTTP/1.1 200") && answer.contains("HTTP/1.1 401"), "{answer}");
    assert_eq!(world.node.calls(), ["status"]);
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_no_request() {
    let world = World::start();
    let hidden = HIDDEN.replace("Host: localhost\r\n", &format!("Host: localhost\r\n{}\r\n", authorization()));
    let length = hidden.len();
    for start in [
        format!("POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"),
        format!("POST /v1/jobs HTTP/1.1\r\nHost: evil.example\r\nContent-Length: {length}\r\n\r\n"),
        format!("GET /v1/no-such HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"),
    ] {
        let end = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let answer = world.raw(format!("{start}{hidden}{end}")).await;
        assert!(answers(&answer) >= 1, "{answer}");
        assert_eq!(world.node.calls(), [""; 0], "{answer}");
    }
}

#[tokio::test]
async fn headers_have_a_bound() {
    let world = World::start();
    let start = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nTOKEN\r\n";
    let many: String = (0..200).map(|number| format!("X-{number}: y\r\n")).collect();
    refused(&world, &format!("{start}{many}\r\n"), &[400, 431]).await;
    refused(&world, &format!("{start}X: {}\r\n\r\n", "y".repeat(100_000)), &[400, 431]).await;
    refused(&world, &format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "y".repeat(100_000)), &[400, 414, 431])
        .await;
}
