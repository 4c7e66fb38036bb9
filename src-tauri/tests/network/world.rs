//! A network of real processes on loopback.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use infernet_api::types::job::NewJob;
use infernet_ledger::{Entry, Journal};
use infernet_network::identity::Identity;
use infernet_network::swarm::SwarmConfig;
use infernet_network::wire::{Invitation, JobId, JobStage, Roles};
use infernet_node::miner::Policy;
use infernet_node::node::{Node, NodeConfig};
use infernet_node::requester::Requester;
use infernet_node::worker::WorkerConfig;
use serde_json::Value;

pub(crate) const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets");
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_infernet");
/// Longer than any of these takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    command.env("INFERNET_ASSETS_DIR", ASSETS);
    command
}

/// A node in a process of its own.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) up: Value,
    /// What it logs, as it comes.
    log: Receiver<String>,
}

impl Process {
    pub(crate) fn start(folder: &Path, options: &[&str]) -> Self {
        Self::spawn(program(), folder, &[&["--loopback"], options].concat())
    }

    /// A node by a command of one's own: under another clock, in another namespace.
    pub(crate) fn spawn(mut command: Command, folder: &Path, options: &[&str]) -> Self {
        let mut child = command
            .args(["node", "--json", "--threads", "1", "--api-listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .args(options)
            .env("INFERNET_DATA_DIR", folder.join("models"))
            .env("INFERNET_LOG", "warn,infernet_node=info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, log) = channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                // Shown when a test fails; a test that has ended listens no more.
                eprintln!("{line}");
                let _ = send.send(line);
            }
        });
        let mut text = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            text.push_str(&line);
            if line == "}" {
                break;
            }
        }
        Self { child, up: serde_json::from_str(&text).unwrap(), log }
    }

    /// Waits until it logs a line with this in it.
    pub(crate) fn says(&self, what: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.log.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(what) => return,
                Ok(_) => {}
                Err(error) => panic!("it never said `{what}`: {error}"),
            }
        }
    }

    /// Resident memory in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn invitation(&self) -> &str {
        self.up["invitation"].as_str().unwrap()
    }

    /// SIGKILL: nothing can be tidied up.
    pub(crate) fn kill(mut self) {
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
pub(crate) fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) struct Network {
    folder: tempfile::TempDir,
    listen: String,
}

impl Network {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), listen: format!("/ip4/127.0.0.1/tcp/{}", port()) }
    }

    /// Where the validator listens.
    pub(crate) fn listen_address(&self) -> std::net::SocketAddr {
        let port = self.listen.rsplit('/').next().unwrap();
        format!("127.0.0.1:{port}").parse().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn validator(&self) -> Process {
        let options = ["--found", "test", "--roles", "validator", "--listen", &self.listen];
        Process::start(&self.path("validator"), &options)
    }

    pub(crate) fn miner(&self, name: &str, invitation: &str) -> Process {
        Process::start(&self.path(name), &["--join", invitation, "--roles", "miner"])
    }

    pub(crate) fn requester(&self, invitation: &str) -> (Node, Requester) {
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
            chain: None,
        };
        let store =
            infernet_engine::store::ModelStore::new(self.path("models"), vec![Path::new(ASSETS).join("models")]);
        let identity = Identity::from_seed(&[77; 32]);
        let node = Node::start(identity, store.unwrap(), &config).unwrap();
        let requester = node.roles().requester.clone().unwrap();
        (node, requester)
    }

    pub(crate) fn journal(&self) -> Option<Journal> {
        Journal::open_read_only(self.path("validator").join("validator").join("ledger.sqlite")).ok()
    }

    /// The books hold: every hash, signature and entry, and the sum of all credits.
    pub(crate) fn check_books(&self) {
        let verified = self.journal().unwrap().verify().unwrap();
        assert!(verified.totals.conserved());
        assert_eq!(verified.totals.escrow, 0, "a deposit is stuck");
    }

    /// The books hold, the job was paid for once, and nobody was slashed.
    pub(crate) fn check_paid_once(&self, id: JobId) {
        self.check_books();
        let journal = self.journal().unwrap();
        let history = journal.job_history(&infernet_ledger::JobId(id.0)).unwrap();
        let ends = history.iter().filter(|receipt| matches!(receipt.entry, Entry::Settle(_) | Entry::Refund(_)));
        assert_eq!(ends.count(), 1, "a job ends once");
        assert!(!history.iter().any(|receipt| matches!(receipt.entry, Entry::Slash(_))), "nobody cheated");
    }
}

pub(crate) fn small_job(steps: u32) -> NewJob {
    let mut job = NewJob::new("starter".parse().unwrap(), "a red circle moving right on a white background");
    job.steps = Some(steps);
    job.frames = Some(8);
    job
}

pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) async fn order(requester: &Requester, job: &NewJob) -> JobId {
    let start = Instant::now();
    loop {
        match requester.order(job).await {
            Ok(id) => return id,
            Err(error) => assert!(start.elapsed() < PATIENCE, "no order: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

pub(crate) fn stage(requester: &Requester, id: JobId) -> JobStage {
    requester.orders()[&id].state.stage
}

pub(crate) async fn settled(requester: &Requester, id: JobId) -> PathBuf {
    until("the clip", || requester.orders()[&id].state.is_over()).await;
    let order = &requester.orders()[&id];
    assert_eq!(order.state.stage, JobStage::Settled, "{}", order.state.message);
    order.state.clip.clone().unwrap()
}
