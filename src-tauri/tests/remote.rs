//! The commands that ask a node, as processes, against a node in memory.
#![allow(clippy::unwrap_used)]

#[path = "../../node/tests/http/fixtures.rs"]
mod fixtures;
#[path = "../../node/tests/http/memory.rs"]
#[allow(dead_code, reason = "written for the tests of the server, which use all of it")]
mod memory;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use infernet_api::types::event::EventKind;
use infernet_api::types::job::{JobProgress, JobStage};
use infernet_api::{Digest, JobId, TOKEN_FILE};
use infernet_node::http::{Backend as _, HttpConfig, HttpServer, announce_url, load_or_create_token, serve};
use memory::MemoryNode;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::runtime::Runtime;

/// A node in memory, and a data folder that says where it is.
struct Rig {
    folder: tempfile::TempDir,
    node: Arc<MemoryNode>,
    _runtime: Runtime,
    _server: HttpServer,
}

impl Rig {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token = load_or_create_token(&folder.path().join(TOKEN_FILE)).unwrap();
        let node = Arc::new(MemoryNode::new());
        let runtime = Runtime::new().unwrap();
        let config = HttpConfig { listen: "127.0.0.1:0".parse().unwrap(), ..HttpConfig::local(token) };
        let server = runtime.block_on(async { serve(config, Arc::clone(&node), Registry::default()).unwrap() });
        announce_url(folder.path(), &server.url()).unwrap();
        Self { folder, node, _runtime: runtime, _server: server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_infernet"));
        command
            .args(arguments)
            .env("INFERNET_DATA_DIR", self.folder.path())
            .env_remove("INFERNET_URL")
            .env_remove("INFERNET_TOKEN_FILE")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// The command must fail with this code and say this.
    fn fails(&self, arguments: &[&str], code: i32, said: &str) {
        let output = self.run(arguments);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
        assert!(
            message.contains(said) && !message.contains("panicked"),
            "{arguments:?}: `{said}` is not in: {message}"
        );
    }
}

fn id(number: u8) -> String {
    JobId([number; 16]).to_string()
}

#[test]
fn a_node_is_shown() {
    let rig = Rig::start();
    let status = rig.text(&["status"]);
    for said in ["rig", "mining      working", "relayed", "1 credits", "trust       65.0 %", "phrase"] {
        assert!(status.contains(said), "`{said}` is not in: {status}");
    }
    assert_eq!(rig.json(&["status"])["balance_microcredits"], 1_000_000);
    assert!(rig.text(&["peers"]).contains("validator"));
    assert_eq!(rig.json(&["peers"])["peers"][0]["connection"], "direct");
    assert!(rig.text(&["doctor"]).starts_with("ok "));
    assert_eq!(rig.json(&["doctor"])["checks"][0]["outcome"], "ok");
}

#[test]
fn jobs_are_listed() {
    let rig = Rig::start();
    let list = rig.text(&["jobs"]);
    assert_eq!(list.lines().count(), 6, "{list}");
    let page = rig.json(&["jobs", "--limit", "2"]);
    assert_eq!((page["jobs"].as_array().unwrap().len(), page["total"].as_u64()), (2, Some(5)));
    let rest = rig.json(&["jobs", "--before", page["next"].as_str().unwrap()]);
    assert_eq!(rest["jobs"].as_array().unwrap().len(), 3);
    assert_eq!(rig.json(&["jobs", "--stage", "settled"])["total"], 2);
    assert_eq!(rig.json(&["jobs", "--open"])["total"], 3);
    assert!(rig.text(&["jobs", &id(2)]).contains("a red circle"));
    assert_eq!(rig.json(&["jobs", &id(2)])["stage"], "settled");
    rig.fails(&["jobs", &id(99)], 2, "job_not_found");
    rig.fails(&["jobs", "../x"], 2, "is not a job id");
    rig.fails(&["jobs", "--stage", "asleep"], 2, "expected one of posted");
}

#[test]
fn a_clip_is_ordered_and_fetched() {
    let rig = Rig::start();
    let stored = rig.path("stored.mp4");
    std::fs::write(&stored, b"a clip").unwrap();
    // SHA-256 of `a clip`, computed with sha256sum.
    let sha256 = "e899537b4c9149cd5edb2000ea1e14f1d8eb76be0ceec7868ad01c7e389eb5b9";
    rig.node.store(stored.clone(), sha256.parse::<Digest>().unwrap());
    assert_eq!(rig.json(&["submit", "a blue star", "--quote"])["miners_able"], 3);
    // The node's sixth job is finished at once.
    let out = rig.path("out.mp4");
    let done = rig.json(&["submit", "a blue star", "--steps", "4", "--out", out.to_str().unwrap()]);
    assert_eq!((done["stage"].as_str(), done["prompt"].as_str()), (Some("settled"), Some("a blue star")));
    assert_eq!(std::fs::read(&out).unwrap(), b"a clip");
    let calls = rig.node.calls().len();
    rig.fails(&["submit", "x", "--out", out.to_str().unwrap()], 2, "exists");
    rig.fails(&["submit", " "], 2, "prompt is nothing");
    rig.fails(&["submit", "x", "--width", "0"], 2, "width is 0");
    rig.fails(&["submit", "x", "--deposit", "0"], 2, "--deposit");
    assert_eq!(rig.node.calls().len(), calls, "nothing was ordered");
    // A clip with other bytes than announced is not kept.
    std::fs::write(&stored, b"another").unwrap();
    let damaged = rig.path("damaged.mp4");
    rig.fails(&["watch", &id(6), "--out", damaged.to_str().unwrap()], 1, "arrived damaged");
    assert!(!damaged.exists());
}

#[test]
fn a_job_is_followed_to_its_end() {
    let rig = Rig::start();
    let watch =
        rig.command(&["watch", &id(1), "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It asks for the job once it listens.
    while !rig.node.calls().contains(&"job") {
        std::thread::sleep(Duration::from_millis(10));
    }
    let events = rig.node.events();
    events.publish(EventKind::JobProgress { id: JobId([1; 16]), progress: JobProgress::default() });
    let mut job = fixtures::job(1);
    events.publish(EventKind::Job { job: Box::new(fixtures::job(2)) });
    job.stage = JobStage::Refunded;
    job.problem = Some(fixtures::problem());
    events.publish(EventKind::Job { job: Box::new(job) });
    let output = watch.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((shown["id"].as_str(), shown["stage"].as_str()), (Some(id(1).as_str()), Some("refunded")));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the driver is too old"));
}

#[test]
fn money_moves_only_after_a_yes() {
    let rig = Rig::start();
    assert!(rig.text(&["stake"]).contains("free       0.05 credits"));
    rig.fails(&["stake", "add", "5"], 2, "add --yes");
    rig.fails(&["stake", "add", "--yes"], 2, "say how much");
    rig.fails(&["stake", "add", "0", "--yes"], 2, "0");
    rig.fails(&["refund", &id(2)], 2, "add --yes");
    rig.fails(&["cancel", &id(2)], 2, "add --yes");
    let calls = rig.node.calls();
    assert!(!calls.contains(&"change_stake") && !calls.contains(&"refund") && !calls.contains(&"cancel"), "{calls:?}");
    assert_eq!(rig.json(&["stake", "add", "5", "--yes"])["receipt"]["kind"], "stake");
    rig.fails(&["stake", "add", "2000000", "--yes"], 1, "insufficient_balance");
    assert!(rig.text(&["claim"]).contains("claimed 0.0075 credits"));
    assert_eq!(rig.json(&["claim", "5"])["claimed_microcredits"], 5);
    assert_eq!(rig.json(&["cancel", &id(2), "--yes"])["id"], id(2));
    assert_eq!(rig.json(&["refund", &id(2), "--yes"])["state"], "done");
    assert!(rig.text(&["refund"]).contains("done"));
}

#[test]
fn a_node_is_steered() {
    let rig = Rig::start();
    assert!(rig.text(&["pause", "--for", "60"]).contains("paused (manual, too hot)"));
    assert_eq!(rig.json(&["resume"])["state"], "starting");
    assert!(rig.text(&["settings"]).contains("mining.user_idle_secs = 300"));
    assert_eq!(rig.json(&["settings", "mining.user_idle_secs", "60"]), 60);
    assert_eq!(rig.text(&["settings", "mining.user_idle_secs"]), "mining.user_idle_secs = 60\n");
    assert_eq!(rig.json(&["settings"])["revision"], 1);
    rig.fails(&["settings", "mining.user_idle_secs", "1"], 2, "expected 10 to 86400");
    rig.fails(&["settings", "mining.nonsense", "1"], 2, "nonsense");
    rig.fails(&["settings", "mining.nonsense"], 2, "there is no setting");
}

#[test]
fn what_is_missing_is_said() {
    let rig = Rig::start();
    rig.fails(&["status", "--url", "http://127.0.0.1:9"], 1, "start it with: infernet node");
    rig.fails(&["status", "--url", "http://192.0.2.1:7420"], 2, "unencrypted");
    rig.fails(&["status", "--url", "https://192.0.2.1:7443"], 2, "fingerprint");
    rig.fails(&["status", "--url", "nonsense"], 2, "bad_url");
    let other = rig.path("other-token");
    load_or_create_token(&other).unwrap();
    rig.fails(&["status", "--token-file", other.to_str().unwrap()], 1, "unauthorized");
    rig.fails(&["status", "--token-file", "nowhere"], 2, "there is no token at nowhere");
}
