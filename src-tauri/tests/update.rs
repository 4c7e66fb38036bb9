//! Updates from a server of this computer: what is signed comes, everything else is refused and leaves nothing.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Cursor, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use minisign::KeyPair;
use serde_json::{Value, json};

/// A server that gives a list and a package, as they are at the moment.
struct Server {
    address: String,
    served: Arc<Mutex<(Value, Vec<u8>)>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let served = Arc::new(Mutex::new((Value::Null, Vec::new())));
        let shared = Arc::clone(&served);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let request = lines.next().unwrap().unwrap();
                while lines.next().unwrap().unwrap() != "" {}
                let (list, package) = shared.lock().unwrap().clone();
                let body = if request.contains("latest.json") { list.to_string().into_bytes() } else { package };
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                // A client that refuses the length hangs up.
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self { address, served }
    }

    fn offer(&self, version: &str, signature: &str, package: &[u8]) {
        let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        let url = format!("{}/package", self.address);
        let list = json!({
            "version": version,
            "notes": "Faster.",
            "platforms": {platform: {"signature": signature, "url": url}},
        });
        *self.served.lock().unwrap() = (list, package.to_vec());
    }
}

fn update(server: &Server, key: &KeyPair, data: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_infernet"))
        .args(["update", "--json", "--url", &format!("{}/latest.json", server.address)])
        .args(["--key", &key.pk.to_base64()])
        .args(words)
        .env("INFERNET_DATA_DIR", data)
        .output()
        .unwrap()
}

fn signed(key: &KeyPair, name: &str, package: &[u8]) -> String {
    let comment = format!("timestamp:1790000000\tfile:{name}");
    minisign::sign(None, &key.sk, Cursor::new(package), Some(&comment), None).unwrap().into_string()
}

#[test]
fn what_is_signed_comes_and_nothing_else() {
    let server = Server::start();
    let (key, other) =
        (KeyPair::generate_unencrypted_keypair().unwrap(), KeyPair::generate_unencrypted_keypair().unwrap());
    let data = tempfile::tempdir().unwrap();
    let package = b"a package".to_vec();
    let name = "infernet_9.1.0_amd64.deb";

    let good = signed(&key, name, &package);
    server.offer("9.1.0", &good, &package);
    let output = update(&server, &key, data.path(), &["--check"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["newest"].as_str(), report["file"].as_str()), (Some("9.1.0"), None));
    let output = update(&server, &key, data.path(), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["file"].as_str().unwrap().ends_with(name), "{report}");
    let file = data.path().join("updates").join(name);
    assert_eq!(std::fs::read(&file).unwrap(), package);
    std::fs::remove_file(&file).unwrap();

    // The same in base64, as Tauri's tools write it.
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &good);
    server.offer("9.1.0", &encoded, &package);
    assert!(update(&server, &key, data.path(), &[]).status.success());
    std::fs::remove_file(&file).unwrap();

    for (what, version, signature, bytes) in [
        ("another key", "9.1.0", signed(&other, name, &package), package.clone()),
        ("other bytes", "9.1.0", good.clone(), b"b package".to_vec()),
        ("an old one under a new number", "9.2.0", good.clone(), package.clone()),
        (
            "a name that leaves the folder",
            "9.1.0",
            signed(&key, "../infernet_9.1.0_amd64.deb", &package),
            package.clone(),
        ),
        ("no name", "9.1.0", signed(&key, "", &package), package.clone()),
        ("no signature", "9.1.0", "signature".to_owned(), package.clone()),
    ] {
        server.offer(version, &signature, &bytes);
        let output = update(&server, &key, data.path(), &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        assert!(said.contains("refused"), "{what}: {said}");
        assert_eq!(std::fs::read_dir(data.path().join("updates")).unwrap().count(), 0, "{what} left something");
    }

    server.offer("0.0.1", &good, &package);
    let output = update(&server, &key, data.path(), &[]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["newest"], Value::Null, "an older version is none");
}
