//! A small HTTP server on loopback whose answers a test decides, down to the bytes and the pauses between them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One thing the server does on a connection, in order; after the last it closes.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Send(Vec<u8>),
    Pause(Duration),
    /// Keeps the connection open and sends nothing more.
    Hang,
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The target of the request line: a path, or a whole address when the server is used as a proxy.
    pub(crate) target: String,
    pub(crate) headers: HashMap<String, String>,
    /// How many requests with this method for this target came before.
    pub(crate) nth: usize,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Path inside the model: what follows `/resolve/<revision>/`.
    pub(crate) fn file(&self) -> &str {
        self.target.split_once("/resolve/").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, file)| file)
    }

    /// Start of the range that is asked for.
    pub(crate) fn offset(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

type Handler = dyn Fn(&Request) -> Vec<Step> + Send + Sync;

/// The running server; it ends when dropped.
pub(crate) struct Server {
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<Request>>>,
    most_at_once: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    pub(crate) async fn start(handler: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let most_at_once = Arc::new(AtomicUsize::new(0));
        let handler: Arc<Handler> = Arc::new(handler);
        let (log, most) = (requests.clone(), most_at_once.clone());
        let now = Arc::new(AtomicUsize::new(0));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (handler, log, now, most) = (handler.clone(), log.clone(), now.clone(), most.clone());
                tokio::spawn(async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let _ = answer(stream, &*handler, &log).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, requests, most_at_once, accepting }
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The GET requests for one file of the model.
    pub(crate) fn gets(&self, file: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.method == "GET" && request.file() == file).collect()
    }

    pub(crate) fn forget_requests(&self) {
        self.requests.lock().unwrap().clear();
    }

    /// The most connections that were open at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }
}

async fn answer(mut stream: TcpStream, handler: &Handler, log: &Mutex<Vec<Request>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 || head.len() > 64 << 10 {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (first.next().unwrap_or_default().to_owned(), first.next().unwrap_or_default().to_owned());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let request = {
        let mut log = log.lock().unwrap();
        let nth = log.iter().filter(|before: &&Request| before.method == method && before.target == target).count();
        let request = Request { method, target, headers, nth };
        log.push(request.clone());
        request
    };
    for step in handler(&request) {
        match step {
            Step::Send(bytes) => stream.write_all(&bytes).await?,
            Step::Pause(pause) => tokio::time::sleep(pause).await,
            Step::Hang => {
                // Until the client goes away.
                let mut byte = [0];
                while stream.read(&mut byte).await? > 0 {}
            }
        }
    }
    stream.shutdown().await
}

/// An answer with a status line, header lines and a body.
pub(crate) fn reply(status: &str, headers: &[&str], body: &[u8]) -> Vec<Step> {
    let mut bytes = format!("HTTP/1.1 {status}\r\nConnection: close\r\n").into_bytes();
    for header in headers {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    vec![Step::Send(bytes)]
}

/// An answer that is only a status.
pub(crate) fn status(status: &str) -> Vec<Step> {
    reply(status, &["Content-Length: 0"], b"")
}

/// What a good server answers: the file or the rest of it, with an ETag, `If-Range` respected.
pub(crate) fn good(files: &BTreeMap<String, Vec<u8>>, request: &Request) -> Vec<Step> {
    files.get(request.file()).map_or_else(|| status("404 Not Found"), |content| serve(content, "\"v1\"", request))
}

/// One file with an ETag, as a good server sends it.
pub(crate) fn serve(content: &[u8], etag: &str, request: &Request) -> Vec<Step> {
    let unchanged = request.header("if-range").is_none_or(|if_range| if_range == etag);
    let etag = format!("ETag: {etag}");
    let body: &[u8] = if request.method == "HEAD" { b"" } else { content };
    match request.offset().filter(|_| unchanged) {
        Some(offset) if offset >= content.len() => {
            let range = format!("Content-Range: bytes */{}", content.len());
            reply("416 Range Not Satisfiable", &[&range, "Content-Length: 0"], b"")
        }
        Some(offset) => {
            let range = format!("Content-Range: bytes {offset}-{}/{}", content.len() - 1, content.len());
            let length = format!("Content-Length: {}", content.len() - offset);
            reply("206 Partial Content", &[&range, &length, &etag], &body[offset..])
        }
        None => reply("200 OK", &[&format!("Content-Length: {}", content.len()), &etag, "Accept-Ranges: bytes"], body),
    }
}

/// Only the first bytes of the body of an answer, then `after`.
pub(crate) fn cut(steps: Vec<Step>, body_len: usize, after: Option<Step>) -> Vec<Step> {
    let mut bytes: Vec<u8> =
        steps.into_iter().flat_map(|step| if let Step::Send(bytes) = step { bytes } else { Vec::new() }).collect();
    let body_at = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    bytes.truncate(body_at + body_len);
    std::iter::once(Step::Send(bytes)).chain(after).collect()
}
