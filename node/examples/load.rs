//! A whole network under load, in one process with its workers: 50 peers over real sockets, 1,000 jobs, a worker whose model costs
//! nothing, so that what is measured is everything else: messages, commitments, openings, audits, ledger, API.
//!
//! `cargo run --release -p infernet-node --example load -- ASSETS [JOBS] [PEERS]`

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use infernet_api::client::{Client, ClientConfig, ServerTrust};
use infernet_api::types::job::{JobFilter, NewJob};
use infernet_api::types::settings::Settings;
use infernet_engine::Result as EngineResult;
use infernet_engine::pipeline::{Branch, Denoiser, LatentShape, Precision, TextStates, VideoModel, latent_shape};
use infernet_engine::store::ModelStore;
use infernet_engine::video::mp4;
use infernet_network::identity::Identity;
use infernet_network::inference::{ModelAuditor, RunOptions, run_job};
use infernet_network::proof::{Bundle, Digest, PublicKey, Signable, audit};
use infernet_network::swarm::SwarmConfig;
use infernet_network::wire::{Invitation, JobStage, Roles};
use infernet_node::backend::{BackendConfig, NodeBackend, SettingsStore};
use infernet_node::http::{HttpConfig, load_or_create_token, serve};
use infernet_node::miner::Policy;
use infernet_node::node::{Node, NodeConfig};
use infernet_node::runner::{DecodedRun, failure, keep};
use infernet_node::validator::Desk;
use infernet_node::worker::{AuditCommand, Audited, Failure, Ran, Reporter, RunCommand, Runner, WorkerConfig};
use prometheus_client::registry::Registry;

const NETWORK: Digest = Digest([42; 32]);
const REQUESTERS: usize = 9;
const STEPS: u32 = 4;

/// A model that costs nothing: its outputs are a tenth of its inputs.
struct Toy {
    folder: PathBuf,
}

struct Tenth;

impl Denoiser for Tenth {
    fn evaluate(&self, _: Branch, sample: &[f32], _: f64) -> EngineResult<Vec<f32>> {
        Ok(sample.iter().map(|x| 0.1 * x).collect())
    }
}

impl VideoModel for Toy {
    fn encode_text(&self, prompt: &str) -> EngineResult<TextStates> {
        Ok(TextStates { tokens: vec![prompt.len() as u32], states: vec![1.0; 4], width: 4, truncated: false })
    }

    fn latent_shape(&self, width: usize, height: usize, frames: usize) -> EngineResult<LatentShape> {
        latent_shape(&self.folder, width, height, frames)
    }

    fn denoiser(&self, _: LatentShape, _: &TextStates, _: Option<&TextStates>) -> EngineResult<Box<dyn Denoiser + '_>> {
        Ok(Box::new(Tenth))
    }

    fn decode(&self, latents: &[f32], shape: LatentShape, frames: Range<usize>) -> EngineResult<Vec<f32>> {
        let pixels = 64 * 64 * 3;
        let value = |frame: usize, at: usize| latents[(frame * 7 + at / 48) % shape.elements()] * 0.1;
        Ok(frames.flat_map(|frame| (0..pixels).map(move |at| value(frame, at))).collect())
    }

    fn working_bytes(&self, _: LatentShape) -> (u64, u64) {
        (0, 0)
    }

    fn precision(&self) -> Precision {
        Precision::F32
    }
}

struct ToyRunner;

impl Runner for ToyRunner {
    fn run(&mut self, command: &RunCommand, report: &Reporter<'_>) -> Result<Ran, Failure> {
        let start = Instant::now();
        let run = DecodedRun::of(command)?;
        let model = Toy { folder: command.model.clone() };
        let mut options = RunOptions {
            progress: &mut |_| {},
            cancelled: report.cancelled(),
            encoding: mp4::EncodeOptions::default(),
            preview: None,
        };
        let evidence = run_job(&model, &run.job, &run.opening, &run.challenge, &mut options)
            .map_err(|error| failure("toy.run", error))?;
        keep(&evidence, &command.evidence, start)
    }

    fn audit(&mut self, command: &AuditCommand, _: &Reporter<'_>) -> Result<Audited, Failure> {
        let bytes = std::fs::read(&command.bundle).map_err(|error| failure("toy.disk", error))?;
        let bundle = Bundle::from_bytes(&bytes).map_err(|error| failure("toy.bundle", error))?;
        let model = Toy { folder: command.model.clone() };
        let mut auditor = ModelAuditor::new(&model, Digest(command.digest));
        let audit = audit(&bundle, &command.table, &mut auditor).map_err(|error| failure("toy.audit", error))?;
        Ok(Audited {
            verdict: audit.verdict.canonical_bytes(),
            evaluations: audit.evaluations,
            bias: Vec::new(),
            quality: None,
            not_authentic: None,
            seconds: 0.0,
        })
    }
}

struct World {
    folder: PathBuf,
    assets: PathBuf,
    validator: PublicKey,
}

impl World {
    fn node(&self, number: usize, roles: Roles, bootstrap: &[String]) -> Node {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let identity = Identity::from_seed(&seed);
        let mut swarm = SwarmConfig::loopback(NETWORK);
        swarm.roles = roles;
        swarm.bootstrap = bootstrap.iter().map(|address| address.parse().unwrap()).collect();
        let config = NodeConfig {
            data: self.folder.join(format!("node-{number}")),
            swarm,
            validator: self.validator,
            welcome_microcredits: 1 << 40,
            worker: WorkerConfig {
                program: std::env::current_exe().unwrap(),
                arguments: vec!["worker".to_owned()],
                environment: Vec::new(),
                stall_timeout: Duration::from_secs(60),
            },
            policy: Policy { price_microcredits_per_step: 300, ..Policy::default() },
            threads: Some(1),
            stake_microcredits: if roles.has(Roles::MINER) { 1 << 30 } else { 0 },
            attack: None,
            clip_model: None,
            chain: None,
            usual_price_per_step: 300,
        };
        let store = ModelStore::new(self.folder.join("models"), vec![self.assets.join("models")]).unwrap();
        Node::start(identity, store, &config).unwrap()
    }
}

fn percentile(sorted: &[Duration], part: f64) -> f64 {
    1e3 * sorted[((sorted.len() - 1) as f64 * part) as usize].as_secs_f64()
}

fn resident_mib(kind: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(kind)).unwrap_or("x 0");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|argument| argument == "worker") {
        infernet_node::worker::serve(std::io::stdin(), std::io::stdout(), &mut ToyRunner, "toy").unwrap();
        return;
    }
    let Some(assets) = arguments.first() else {
        println!("usage: load ASSETS [JOBS] [PEERS]");
        return;
    };
    let number = |at: usize, usual: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (jobs, peers) = (number(1, 1000), number(2, 50).max(REQUESTERS + 2));
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr).init();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(load(
        assets.into(),
        jobs,
        peers,
    ));
}

async fn load(assets: PathBuf, jobs: usize, peers: usize) {
    let scratch = tempfile::tempdir().unwrap();
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&0_u64.to_le_bytes());
    let world = World { folder: scratch.path().to_owned(), assets, validator: Identity::from_seed(&seed).public_key() };
    let validator = world.node(0, Roles::VALIDATOR, &[]);
    let bootstrap = loop {
        let addresses = validator.addresses().await;
        if !addresses.is_empty() {
            break addresses;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let miners: Vec<Node> =
        (1..peers - REQUESTERS).map(|number| world.node(number, Roles::MINER, &bootstrap)).collect();
    let requesters: Vec<Node> =
        (peers - REQUESTERS..peers).map(|number| world.node(number, Roles::REQUESTER, &bootstrap)).collect();
    println!("{} nodes: 1 validator, {} miners, {REQUESTERS} requesters", peers, miners.len());
    while validator.swarm().peers().await.len() + 1 < peers {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!("connected; {:.0} MiB resident", resident_mib("VmRSS:"));

    let api = serve_api(&requesters[0], &world.folder).await;
    let start = Instant::now();
    let watching = tokio::spawn(latencies(api, start));
    let mut orders = Vec::new();
    for (number, node) in requesters.iter().enumerate() {
        let requester = node.roles().requester.clone().unwrap();
        let share = jobs / REQUESTERS + usize::from(number < jobs % REQUESTERS);
        orders.push(tokio::spawn(async move {
            let mut job = NewJob::new("starter".parse().unwrap(), "a red circle moving right");
            (job.steps, job.frames) = (Some(STEPS), Some(4));
            let mut posted = 0;
            while posted < share {
                match requester.order(&job).await {
                    Ok(_) => posted += 1,
                    Err(error) => {
                        tracing::warn!("{error}");
                        tokio::time::sleep(Duration::from_millis(500)).await;
                    }
                }
            }
        }));
    }
    for order in orders {
        order.await.unwrap();
    }
    println!("{jobs} jobs posted in {:.1} s", start.elapsed().as_secs_f64());
    let mut said = Instant::now();
    let desk = validator.roles().validator.clone().unwrap();
    loop {
        let (settled, over) = desk
            .look(|desk| {
                let settled = desk.settled_count();
                (settled, desk.over_count())
            })
            .await
            .unwrap();
        if said.elapsed() > Duration::from_secs(30) {
            let stages = desk.look(Desk::open_stages).await.unwrap();
            println!("{over} of {jobs} jobs over, {settled} of them paid; the others: {stages:?}");
            said = Instant::now();
        }
        if over >= jobs {
            let seconds = start.elapsed().as_secs_f64();
            println!("{settled} of {jobs} jobs settled in {seconds:.1} s: {:.1} jobs/s", jobs as f64 / seconds);
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // The clips are on their way for a little longer.
    for node in &requesters {
        let requester = node.roles().requester.clone().unwrap();
        while requester.orders().values().any(|order| !order.state.is_over()) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert!(requester.orders().values().all(|order| order.state.stage == JobStage::Settled));
    }
    println!("all clips at their requesters after {:.1} s", start.elapsed().as_secs_f64());
    watching.abort();
    println!("largest memory of all {peers} nodes together: {:.0} MiB", resident_mib("VmHWM:"));
    for node in requesters.iter().chain(&miners).chain([&validator]) {
        node.stop().await;
    }
    let journal =
        infernet_ledger::Journal::open_read_only(world.folder.join("node-0").join("validator").join("ledger.sqlite"))
            .unwrap();
    let verified = journal.verify().unwrap();
    assert!(verified.totals.conserved() && verified.totals.escrow == 0);
    println!("{} entries: every hash, signature and sum holds; nothing in escrow", verified.entries);
}

async fn serve_api(node: &Node, folder: &Path) -> Client {
    let data = folder.join("api");
    std::fs::create_dir_all(&data).unwrap();
    let config = BackendConfig {
        data: data.clone(),
        network: Invitation {
            network: NETWORK,
            name: "load".to_owned(),
            validator: node.roles().validator_key,
            bootstrap: Vec::new(),
            swarm_key: None,
            chain: None,
        },
        roles: Roles::REQUESTER,
        identity_file: None,
        worker_device: "none".to_owned(),
        device_probe: None,
    };
    let settings = SettingsStore::open(&data, Settings::default()).unwrap();
    let backend = NodeBackend::start(node.clone(), settings, config).unwrap();
    let token = load_or_create_token(&data.join("token")).unwrap();
    let mut http = HttpConfig::local(token.clone());
    http.listen = "127.0.0.1:0".parse().unwrap();
    let server = serve(http, Arc::new(backend), Registry::default()).unwrap();
    let client = Client::new(&ClientConfig { url: server.url(), token, trust: ServerTrust::ThisComputer }).unwrap();
    // It serves for as long as the process runs.
    std::mem::forget(server);
    client
}

/// What a window asks for, for as long as the load is on; prints after every minute and once at the end of the first ten seconds.
async fn latencies(client: Client, start: Instant) {
    let (mut status, mut jobs) = (Vec::new(), Vec::new());
    let mut next = start + Duration::from_secs(10);
    loop {
        let before = Instant::now();
        client.status().await.unwrap();
        status.push(before.elapsed());
        let before = Instant::now();
        client.jobs(&JobFilter::default()).await.unwrap();
        jobs.push(before.elapsed());
        if Instant::now() > next {
            for (name, times) in [("/v1/status", &mut status), ("/v1/jobs", &mut jobs)] {
                times.sort_unstable();
                println!(
                    "{:>4.0} s  {name}: {} requests, p50 {:.1} ms, p99 {:.1} ms",
                    start.elapsed().as_secs_f64(),
                    times.len(),
                    percentile(times, 0.5),
                    percentile(times, 0.99)
                );
                times.clear();
            }
            next += Duration::from_secs(30);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
