//! Other computers: only with TLS, only by the names that were allowed.

use std::sync::Arc;

use infernet_api::client::{Client, ClientConfig, ClientError, ServerTrust};
use infernet_api::types::event::EventKind;
use infernet_api::{ApiToken, Digest};
use infernet_node::http::{
    Backend as _, CERTIFICATE_FILE, HttpConfig, HttpError, HttpServer, RemoteConfig, TlsIdentity, serve,
};
use prometheus_client::registry::Registry;

use crate::fixtures;
use crate::memory::MemoryNode;
use crate::world::token;

struct Rig {
    node: Arc<MemoryNode>,
    server: HttpServer,
    fingerprint: Digest,
    certificate: String,
    port: u16,
}

fn rig(hosts: &[&str]) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<_> = ["localhost", "127.0.0.1"].map(str::to_owned).into();
    let tls = TlsIdentity::load_or_create(folder.path(), &names).unwrap();
    let certificate = std::fs::read_to_string(folder.path().join(CERTIFICATE_FILE)).unwrap();
    let hosts = hosts.iter().copied().map(str::to_owned).collect();
    let remote = Some(RemoteConfig { listen: "127.0.0.1:0".parse().unwrap(), hosts, tls });
    let config = HttpConfig { listen: "127.0.0.1:0".parse().unwrap(), remote, ..HttpConfig::local(token()) };
    let node = Arc::new(MemoryNode::new());
    let server = serve(config, Arc::clone(&node), Registry::default()).unwrap();
    let (address, fingerprint) = server.remote_address().unwrap();
    Rig { node, server, fingerprint, certificate, port: address.port() }
}

impl Rig {
    fn client(&self, host: &str, trust: ServerTrust) -> Client {
        let url = format!("https://{host}:{}", self.port);
        Client::new(&ClientConfig { url, token: token(), trust }).unwrap()
    }
}

#[tokio::test]
async fn a_node_is_recognised_by_its_fingerprint() {
    let rig = rig(&["127.0.0.1"]);
    let right = rig.client("127.0.0.1", ServerTrust::Fingerprint(rig.fingerprint));
    assert_eq!(right.status().await.unwrap(), fixtures::status());
    let wrong = rig.client("127.0.0.1", ServerTrust::Fingerprint(Digest([0; 32])));
    let error = wrong.status().await.unwrap_err();
    assert!(matches!(error, ClientError::Certificate { found, .. } if found == Some(rig.fingerprint)), "{error:?}");
    let calls = rig.node.calls();
    assert_eq!(calls, ["status"], "nothing was sent to a node that was not recognised");
}

#[tokio::test]
async fn a_node_is_recognised_by_its_certificate() {
    let rig = rig(&["localhost"]);
    let client = rig.client("localhost", ServerTrust::Authority(rig.certificate.clone()));
    assert_eq!(client.status().await.unwrap(), fixtures::status());
    let other = rcgen_certificate();
    let error = rig.client("localhost", ServerTrust::Authority(other)).status().await.unwrap_err();
    assert!(matches!(error, ClientError::Certificate { found: None, .. }), "{error:?}");
    let trust = ServerTrust::Authority("nonsense".to_owned());
    let config = ClientConfig { url: "https://localhost:1".to_owned(), token: token(), trust };
    assert_eq!(Client::new(&config).unwrap_err().code(), "bad_authority");
}

/// Somebody else's certificate for the same name.
fn rcgen_certificate() -> String {
    let folder = tempfile::tempdir().unwrap();
    TlsIdentity::load_or_create(folder.path(), &["localhost".to_owned()]).unwrap();
    std::fs::read_to_string(folder.path().join(CERTIFICATE_FILE)).unwrap()
}

#[tokio::test]
async fn other_names_and_tokens_are_refused() {
    let rig = rig(&["rig.example"]);
    let pinned = ServerTrust::Fingerprint(rig.fingerprint);
    assert_eq!(rig.client("127.0.0.1", pinned.clone()).status().await.unwrap_err().code(), "host_refused");
    let wrong = ClientConfig {
        url: format!("https://127.0.0.1:{}", rig.port),
        token: ApiToken::from_bytes([1; 32]),
        trust: pinned,
    };
    assert_eq!(Client::new(&wrong).unwrap().status().await.unwrap_err().code(), "host_refused");
    assert_eq!(rig.node.calls(), [""; 0]);
}

#[tokio::test]
async fn the_remote_listener_speaks_nothing_but_tls() {
    let rig = rig(&["127.0.0.1"]);
    let url = format!("http://127.0.0.1:{}", rig.port);
    let client = Client::new(&ClientConfig { url, token: token(), trust: ServerTrust::ThisComputer }).unwrap();
    let error = client.status().await.unwrap_err();
    assert!(!matches!(error, ClientError::Api(_)), "{error:?}");
    assert_eq!(rig.node.calls(), [""; 0]);
    // And the local one stays as it was.
    let local = ClientConfig { url: rig.server.url(), token: token(), trust: ServerTrust::ThisComputer };
    assert_eq!(Client::new(&local).unwrap().status().await.unwrap(), fixtures::status());
}

#[tokio::test]
async fn events_come_through_tls() {
    use infernet_api::client::Update;
    let rig = rig(&["127.0.0.1"]);
    let mut stream = rig.client("127.0.0.1", ServerTrust::Fingerprint(rig.fingerprint)).events(None);
    assert!(matches!(stream.next().await, Update::Connected));
    rig.node.events().publish(EventKind::ShuttingDown);
    assert!(matches!(stream.next().await, Update::Event(event) if event.kind == EventKind::ShuttingDown));
}

#[tokio::test]
async fn nothing_listens_openly() {
    let everywhere = HttpConfig { listen: "0.0.0.0:0".parse().unwrap(), ..HttpConfig::local(token()) };
    let error = serve(everywhere, Arc::new(MemoryNode::new()), Registry::default()).unwrap_err();
    assert!(matches!(error, HttpError::NotLoopback { .. }), "{error:?}");
    let folder = tempfile::tempdir().unwrap();
    let tls = TlsIdentity::load_or_create(folder.path(), &["x".to_owned()]).unwrap();
    let remote = Some(RemoteConfig { listen: "127.0.0.1:0".parse().unwrap(), hosts: Vec::new(), tls });
    let nameless = HttpConfig { listen: "127.0.0.1:0".parse().unwrap(), remote, ..HttpConfig::local(token()) };
    let error = serve(nameless, Arc::new(MemoryNode::new()), Registry::default()).unwrap_err();
    assert_eq!(error.code(), "api_no_remote_hosts");
    let taken = crate::world::World::start();
    let listen = taken.server.local_address();
    let second = HttpConfig { listen, ..HttpConfig::local(token()) };
    let error = serve(second, Arc::new(MemoryNode::new()), Registry::default()).unwrap_err();
    assert!(error.code() == "api_bind" && error.next_step().contains("another node"), "{error}");
}
