//! Who may ask: token, Host, Origin, and what an identifier may be.

use std::io;
use std::sync::{Arc, Mutex};

use crate::world::{World, authorization, token};

const STATUS: &str = "/v1/status";

#[tokio::test]
async fn requests_without_the_token_are_refused() {
    let world = World::start();
    let right = token().reveal().to_owned();
    let wrong = [
        String::new(),
        "Authorization: Bearer".to_owned(),
        "Authorization: Bearer ".to_owned(),
        format!("Authorization: Bearer {}", "0".repeat(64)),
        format!("Authorization: Bearer {}", &right[..63]),
        format!("Authorization: Bearer {right}0"),
        format!("Authorization: Bearer {}", right.to_uppercase().replace('4', "5")),
        format!("Authorization: Basic {right}"),
        format!("Authorization: {right}"),
        format!("Authorization: Bearer {}\r\nAuthorization: Bearer {right}", "0".repeat(64)),
        format!("Authorization: Bearer {right}\r\nAuthorization: Bearer {}", "0".repeat(64)),
        format!("Cookie: token={right}"),
    ];
    for header in &wrong {
        let headers: Vec<_> = ["Host: localhost", header].into_iter().filter(|header| !header.is_empty()).collect();
        for path in [STATUS, "/metrics", "/v1/no-such-thing", "/"] {
            let reply = world.ask("GET", path, &headers).await;
            assert_eq!(reply.refusal(), (401, "unauthorized"), "{header} {path}");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
            assert!(!String::from_utf8_lossy(&reply.body).contains(&right));
        }
    }
    let reply = world.ask("GET", &format!("{STATUS}?token={right}"), &["Host: localhost"]).await;
    assert_eq!(reply.status, 401, "a token in a URL would end up in logs");
    assert_eq!(world.node.calls(), [""; 0], "the node was not asked");
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let header = format!("Authorization: {scheme} {right}");
        assert_eq!(world.ask("GET", STATUS, &["Host: localhost", &header]).await.status, 200);
    }
}

#[tokio::test]
async fn what_says_nothing_about_the_node_needs_no_token() {
    let world = World::start();
    let reply = world.ask("GET", "/healthz", &["Host: localhost"]).await;
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"ok"[..]));
    let reply = world.ask("GET", "/openapi.json", &["Host: localhost"]).await;
    let document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(document["openapi"].as_str().unwrap().split('.').next(), Some("3"));
}

#[tokio::test]
async fn other_hosts_are_refused() {
    let world = World::start();
    let token = authorization();
    let others = [
        "evil.example",
        "evil.example:7420",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost.",
        "0.0.0.0",
        "127.0.0.2",
        "[::]",
        "localhost@evil.example",
        "evil.example@localhost",
        "localhost, evil.example",
        "",
    ];
    for host in others {
        let host = format!("Host: {host}");
        for path in [STATUS, "/healthz", "/openapi.json"] {
            let reply = world.ask("GET", path, &[&host, &token]).await;
            assert_eq!(reply.refusal(), (403, "host_refused"), "{host} {path}");
        }
    }
    let twice = world.ask("GET", STATUS, &["Host: localhost", "Host: evil.example", &token]).await;
    assert_eq!(twice.refusal(), (403, "host_refused"));
    let none = world.ask("GET", STATUS, &[&token]).await;
    assert!([400, 403].contains(&none.status), "{none:?}");
    let absolute = world.ask("GET", "http://evil.example/v1/status", &["Host: localhost", &token]).await;
    assert_eq!(absolute.refusal(), (403, "host_refused"), "the target's authority counts, too");
    assert_eq!(world.node.calls(), [""; 0]);
    for host in ["localhost", "LocalHost", "127.0.0.1", "[::1]", "localhost:7420", "127.0.0.1:1", "[::1]:7420"] {
        let reply = world.ask("GET", STATUS, &[&format!("Host: {host}"), &token]).await;
        assert_eq!(reply.status, 200, "{host}");
    }
}

#[tokio::test]
async fn web_pages_are_refused() {
    let world = World::start();
    let refused = [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: https://localhost:7420",
        "Origin: http://localhost",
        "Origin: http://localhost:8080",
        "Origin: http://localhost:7420.evil.example",
        "Origin: http://localhost:7420\r\nOrigin: http://evil.example",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ];
    let token = authorization();
    for header in refused {
        for method in ["GET", "OPTIONS"] {
            let headers = ["Host: localhost:7420", &token, header, "Access-Control-Request-Method: POST"];
            let reply = world.ask(method, STATUS, &headers).await;
            assert_eq!(reply.refusal(), (403, "origin_refused"), "{header}");
            assert!(reply.headers.iter().all(|(name, _)| !name.starts_with("access-control")), "{reply:?}");
        }
    }
    assert_eq!(world.node.calls(), [""; 0]);
    for header in ["Origin: http://localhost:7420", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none"] {
        let reply = world.ask("GET", STATUS, &["Host: localhost:7420", &token, header]).await;
        assert_eq!(reply.status, 200, "{header}");
    }
}

#[tokio::test]
async fn identifiers_can_not_leave_their_place() {
    let world = World::start();
    let good = "02".repeat(16);
    let ids = [
        "..".to_owned(),
        "%2e%2e".to_owned(),
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd".to_owned(),
        "..%2f..%2fetc%2fpasswd".to_owned(),
        "..%5c..%5cwindows".to_owned(),
        "%252e%252e%252f".to_owned(),
        "%00".to_owned(),
        format!("{good}%00"),
        format!("{good}%2f.."),
        format!("{good}%20"),
        format!("{good}0"),
        good[1..].to_owned(),
        "0A".repeat(16),
        "%ff%fe".to_owned(),
        "%c0%ae%c0%ae".to_owned(),
        "~".to_owned(),
        "a".repeat(8000),
    ];
    for id in &ids {
        for rest in ["", "/clip.mp4", "/preview", "/proof", "/proof/bundle"] {
            let reply = world.get(&format!("/v1/jobs/{id}{rest}"), &[]).await;
            assert_eq!(reply.refusal(), (404, "invalid_id"), "{id}{rest}");
        }
    }
    for id in ["..", "%2e%2e%2fx", ".hidden", "A", "a%2fb", "a%5cb", "%00"] {
        let reply = world.send("POST", &format!("/v1/models/{id}"), &["Content-Type: application/json"], "{}").await;
        assert_eq!(reply.refusal(), (404, "invalid_id"), "{id}");
    }
    for path in
        ["/v1/jobs/../settings", "/v1/jobs//clip.mp4", "/v1/../../etc/passwd", "//etc/passwd", "/v1/jobs/a/b/clip.mp4"]
    {
        let reply = world.get(path, &[]).await;
        assert_eq!(reply.status, 404, "{path}: paths are taken as they are");
    }
    assert_eq!(world.node.calls(), [""; 0]);
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn refusals_are_logged_without_secrets() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // The server's tasks run on this thread.
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::start();
    let nearly = format!("{}0", &token().reveal()[..63]);
    world.ask("GET", STATUS, &["Host: localhost", &format!("Authorization: Bearer {nearly}")]).await;
    world.ask("GET", STATUS, &["Host: evil.example", &authorization()]).await;
    world.ask("GET", STATUS, &["Host: localhost", &authorization(), "Origin: http://evil.example"]).await;
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for what in ["wrong token", "Host `evil.example`", "http://evil.example"] {
        assert!(logged.contains(what), "{what} is not in: {logged}");
    }
    assert!(!logged.contains(&nearly) && !logged.contains(token().reveal()), "{logged}");
}
