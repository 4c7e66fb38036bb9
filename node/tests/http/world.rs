//! A running server, and requests byte by byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use infernet_api::client::{Client, ClientConfig, ServerTrust};
use infernet_api::{ApiError, ApiToken};
use infernet_node::http::{HttpConfig, HttpServer, Limits, serve};
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::memory::MemoryNode;

/// More than anything here takes; only a hanging test comes to it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn token() -> ApiToken {
    ApiToken::from_bytes([0x42; 32])
}

/// A server with a node in memory.
pub(crate) struct World {
    pub(crate) node: Arc<MemoryNode>,
    pub(crate) server: HttpServer,
}

/// An answer taken apart.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn error(&self) -> ApiError {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status and code of an error; its parts must be there.
    pub(crate) fn refusal(&self) -> (u16, &'static str) {
        let error = self.error();
        assert!(!error.message.is_empty() && !error.next_step.is_empty(), "{error:?}");
        assert_eq!(error.code.status(), self.status);
        (self.status, error.code.name())
    }
}

impl World {
    pub(crate) fn start() -> Self {
        Self::with(MemoryNode::new(), Limits::default())
    }

    pub(crate) fn with(node: MemoryNode, limits: Limits) -> Self {
        let node = Arc::new(node);
        let server = Self::serve_at("127.0.0.1:0".parse().unwrap(), &node, limits);
        Self { node, server }
    }

    pub(crate) fn serve_at(listen: SocketAddr, node: &Arc<MemoryNode>, limits: Limits) -> HttpServer {
        let config = HttpConfig { listen, limits, ..HttpConfig::local(token()) };
        serve(config, Arc::clone(node), Registry::default()).unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        let trust = ServerTrust::ThisComputer;
        Client::new(&ClientConfig { url: self.server.url(), token: token(), trust }).unwrap()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.server.local_address()).await.unwrap()
    }

    /// Sends bytes and reads until the server ends the connection.
    pub(crate) async fn raw(&self, request: impl AsRef<[u8]>) -> String {
        String::from_utf8_lossy(&self.raw_bytes(request.as_ref()).await).into_owned()
    }

    async fn raw_bytes(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        // A server that refuses may end the connection before it took everything.
        let _ = stream.write_all(request).await;
        read_to_end(&mut stream).await
    }

    /// A request with these header lines; the server ends the connection after its answer.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[&str]) -> Reply {
        self.ask_with(method, path, headers, "").await
    }

    /// The same with a body, whose length is a header of the caller's.
    pub(crate) async fn ask_with(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        for header in headers.iter().chain(&["Connection: close"]) {
            request += &format!("{header}\r\n");
        }
        request += &format!("\r\n{body}");
        parse(&self.raw_bytes(request.as_bytes()).await)
    }

    /// A request with token and host.
    pub(crate) async fn get(&self, path: &str, headers: &[&str]) -> Reply {
        self.send("GET", path, headers, "").await
    }

    /// A request with token, host and length.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
        let (authorization, length) = (authorization(), format!("Content-Length: {}", body.len()));
        let mut all = vec!["Host: localhost", &authorization];
        all.extend(headers);
        if !body.is_empty() {
            all.push(&length);
        }
        self.ask_with(method, path, &all, body).await
    }
}

pub(crate) fn authorization() -> String {
    format!("Authorization: Bearer {}", token().reveal())
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    // A reset after the answer is an end, too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server ends the connection");
    answer
}

pub(crate) fn parse(answer: &[u8]) -> Reply {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(answer)));
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers =
        lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Reply { status, headers: headers.collect(), body: answer[end + 4..].to_vec() }
}
