//! Whole networks of real processes on loopback: the demonstration, and what is left after a kill -9.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use infernet_api::types::job::NewJob;
use infernet_ledger::Journal;
use infernet_network::identity::Identity;
use infernet_network::swarm::SwarmConfig;
use infernet_network::wire::{Invitation, JobId, JobStage, Roles};
use infernet_node::miner::Policy;
use infernet_node::node::{Node, NodeConfig};
use infernet_node::requester::Requester;
use infernet_node::worker::WorkerConfig;
use serde_json::Value;

const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets");
const PROGRAM: &str = env!("CARGO_BIN_EXE_infernet");
/// Longer than any of these takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    command.env("INFERNET_ASSETS_DIR", ASSETS);
    command
}

/// A node in a process of its own.
struct Process {
    child: Child,
    up: Value,
}

impl Process {
    fn start(folder: &Path, options: &[&str]) -> Self {
        let mut child = program()
            .args(["node", "--json", "--loopback", "--threads", "1", "--api-listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .args(options)
            .env("INFERNET_DATA_DIR", folder.join("models"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut text = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            text.push_str(&line);
            if line == "}" {
                break;
            }
        }
        Self { child, up: serde_json::from_str(&text).unwrap() }
    }

    fn invitation(&self) -> &str {
        self.up["invitation"].as_str().unwrap()
    }

    /// SIGKILL: nothing can be tidied up.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free port: the validator has to come back where it was.
fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

struct Network {
    folder: tempfile::TempDir,
    listen: String,
}

impl Network {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), listen: format!("/ip4/127.0.0.1/tcp/{}", port()) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn validator(&self) -> Process {
        let options = ["--found", "test", "--roles", "validator", "--listen", &self.listen];
        Process::start(&self.path("validator"), &options)
    }

    fn miner(&self, name: &str, invitation: &str) -> Process {
        Process::start(&self.path(name), &["--join", invitation, "--roles", "miner"])
    }

    fn requester(&self, invitation: &str) -> (Node, Requester) {
        let invitation = Invitation::parse(invitation).unwrap();
        let mut swarm = SwarmConfig::loopback(invitation.network);
        swarm.roles = Roles::REQUESTER;
        swarm.bootstrap = invitation.bootstrap.iter().map(|address| address.parse().unwrap()).collect();
        let config = NodeConfig {
            data: self.path("requester"),
            swarm,
            validator: invitation.validator,
            welcome_microcredits: 0,
            worker: WorkerConfig {
                program: PROGRAM.into(),
                arguments: vec!["worker".to_owned()],
                environment: Vec::new(),
                stall_timeout: PATIENCE,
            },
            policy: Policy::default(),
            threads: None,
            stake_microcredits: 0,
            attack: None,
            clip_model: None,
            usual_price_per_step: 300,
        };
        let store =
            infernet_engine::store::ModelStore::new(self.path("models"), vec![Path::new(ASSETS).join("models")]);
        let identity = Identity::from_seed(&[77; 32]);
        let node = Node::start(identity, store.unwrap(), &config).unwrap();
        let requester = node.roles().requester.clone().unwrap();
        (node, requester)
    }

    fn journal(&self) -> Option<Journal> {
        Journal::open_read_only(self.path("validator").join("validator").join("ledger.sqlite")).ok()
    }

    /// The books hold: every hash, signature and entry, and the sum of all credits.
    fn check_books(&self) {
        let verified = self.journal().unwrap().verify().unwrap();
        assert!(verified.totals.conserved());
        assert_eq!(verified.totals.escrow, 0, "a deposit is stuck");
    }
}

fn small_job(steps: u32) -> NewJob {
    let mut job = NewJob::new("starter".parse().unwrap(), "a red circle moving right on a white background");
    job.steps = Some(steps);
    job.frames = Some(8);
    job
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn order(requester: &Requester, job: &NewJob) -> JobId {
    let start = Instant::now();
    loop {
        match requester.order(job).await {
            Ok(id) => return id,
            Err(error) => assert!(start.elapsed() < PATIENCE, "no order: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn stage(requester: &Requester, id: JobId) -> JobStage {
    requester.orders()[&id].state.stage
}

async fn settled(requester: &Requester, id: JobId) -> PathBuf {
    until("the clip", || requester.orders()[&id].state.is_over()).await;
    let order = &requester.orders()[&id];
    assert_eq!(order.state.stage, JobStage::Settled, "{}", order.state.message);
    order.state.clip.clone().unwrap()
}

#[test]
fn the_demonstration_pays_the_honest_and_slashes_the_cheat() {
    let folder = tempfile::tempdir().unwrap();
    let output = program()
        .args(["demo", "--json", "--jobs", "4", "--miners", "2", "--steps", "8", "--attack", "cached-outputs", "--out"])
        .arg(folder.path())
        .env("INFERNET_DATA_DIR", folder.path().join("data"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["ledger_sum_ok"], &report["journal_ok"]), (&Value::from(true), &Value::from(true)));
    let jobs = report["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 4);
    for job in jobs {
        assert_eq!(job["stage"], "settled", "{report}");
        let clip = std::fs::read(job["clip"].as_str().unwrap()).unwrap();
        assert_eq!(&clip[4..8], b"ftyp");
    }
    let miners = report["miners"].as_array().unwrap();
    assert_eq!(miners.len(), 3);
    for miner in miners {
        let (earned, slashed) = (&miner["earned_microcredits"], miner["slashed_microcredits"].as_u64().unwrap());
        if miner["honest"] == true {
            assert_eq!(slashed, 0, "{report}");
        } else {
            // Three jobs at once for three miners: the cheat got one.
            assert!(slashed > 0 && earned == 0, "{report}");
            assert_eq!(miner["failed_checks"][0], "model_output");
            assert_eq!(miner["trust"], 0.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_is_killed_in_the_middle_goes_on() {
    let network = Network::new();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let _miner = network.miner("miner", &invitation);
    let (node, requester) = network.requester(&invitation);
    let id = order(&requester, &small_job(60)).await;
    until("the run", || stage(&requester, id) == JobStage::Running).await;
    validator.kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let again = network.validator();
    assert_eq!(again.up["node"], Invitation::parse(&invitation).unwrap().validator.to_string());
    let clip = settled(&requester, id).await;
    assert!(clip.is_file());
    node.stop().await;
    network.check_books();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_miner_that_is_killed_loses_the_job_to_another() {
    let network = Network::new();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let first = network.miner("first", &invitation);
    let (node, requester) = network.requester(&invitation);
    let id = order(&requester, &small_job(80)).await;
    until("the run", || stage(&requester, id) == JobStage::Running).await;
    first.kill();
    // It comes back and says that its run is lost; the job goes to whoever is there.
    let _second = network.miner("second", &invitation);
    let _first = network.miner("first", &invitation);
    settled(&requester, id).await;
    node.stop().await;
    network.check_books();
    let journal = network.journal().unwrap();
    let slashed: u64 = journal.ledger().accounts().map(|(_, account)| account.standing.slashed).sum();
    assert_eq!(slashed, 0, "nobody is slashed for a crash");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requester_that_was_gone_gets_its_clip() {
    let network = Network::new();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let _miner = network.miner("miner", &invitation);
    let (node, requester) = network.requester(&invitation);
    let id = order(&requester, &small_job(20)).await;
    node.stop().await;
    drop((node, requester));
    let paid = || network.journal().is_some_and(|journal| journal.ledger().totals().claimable > 0);
    until("the payment", paid).await;
    let (node, requester) = network.requester(&invitation);
    settled(&requester, id).await;
    node.stop().await;
    network.check_books();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_takes_is_refunded() {
    let network = Network::new();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let (node, requester) = network.requester(&invitation);
    let mut job = small_job(20);
    job.deadline_secs = Some(12);
    let id = order(&requester, &job).await;
    // No order for more than there is.
    let mut dear = small_job(20);
    dear.deposit_microcredits = Some(1 << 50);
    let refused = requester.order(&dear).await.unwrap_err();
    assert!(refused.to_string().contains("balance") || refused.to_string().contains("micro-credits"), "{refused}");
    until("the refund", || requester.orders()[&id].state.is_over()).await;
    assert_eq!(stage(&requester, id), JobStage::Refunded);
    node.stop().await;
    network.check_books();
}
