//! `infernet demo`: a whole network on this computer, in real processes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use infernet_adversary::Attack;
use infernet_api::ModelId;
use infernet_api::client::Client;
use infernet_api::types::job::NewJob;
use infernet_ledger::{AccountId, Entry, Journal, Outcome, Receipt};
use infernet_network::identity::Identity;
use infernet_network::swarm::SwarmConfig;
use infernet_network::wire::{Invitation, JobId, JobStage, Roles};
use infernet_node::miner::Policy;
use infernet_node::node::{Node, NodeConfig};
use infernet_node::worker::WorkerConfig;
use serde::{Deserialize, Serialize};

use crate::cli::DemoArgs;
use crate::connection;
use crate::failure::{Failure, Result};
use crate::{interrupt, output, paths};

const MODEL: &str = "starter";
const PROMPTS: [&str; 5] = [
    "a red circle moving right on a white background",
    "a blue star growing on a navy background",
    "a green triangle moving up on a black background",
    "a yellow square shrinking on a grey background",
    "a purple circle moving left on a white background",
];
/// Of the whole demonstration.
const DEADLINE: Duration = Duration::from_secs(600);
/// For one node to start, and for its miner to stake and be heard.
const NODE_START: Duration = Duration::from_secs(60);
const PRICE: u64 = 300;
const REFRESH: Duration = Duration::from_millis(250);

#[derive(Serialize)]
struct Report {
    jobs: Vec<JobRow>,
    miners: Vec<MinerRow>,
    ledger_sum_ok: bool,
    journal_ok: bool,
    entries: u64,
    seconds: f64,
}

#[derive(Serialize)]
struct JobRow {
    id: String,
    prompt: String,
    stage: JobStage,
    attempts: u32,
    clip: Option<PathBuf>,
    seconds: f64,
}

#[derive(Serialize)]
struct MinerRow {
    id: String,
    honest: bool,
    attack: Option<String>,
    earned_microcredits: u64,
    slashed_microcredits: u64,
    trust: f64,
    /// The checks that its slashed runs failed.
    failed_checks: Vec<String>,
}

/// What a node says when it is up.
#[derive(Deserialize)]
struct Up {
    node: String,
    invitation: String,
}

/// A node in a process of its own, ended with this value.
struct NodeProcess {
    child: Child,
    up: Up,
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // Gone already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Actors {
    validator: NodeProcess,
    miners: Vec<(NodeProcess, Option<String>)>,
}

impl Actors {
    /// Fails once a node's process is over: its jobs would wait for nothing.
    fn check_alive(&mut self) -> Result {
        let validator = ("the validator".to_owned(), &mut self.validator);
        let miners = self.miners.iter_mut().enumerate();
        let miners = miners.map(|(number, (miner, _))| (format!("miner {}", number + 1), miner));
        for (name, node) in std::iter::once(validator).chain(miners) {
            if let Some(status) = node.child.try_wait()? {
                return Err(Failure::Failed(anyhow::anyhow!(
                    "{name} ended before the demonstration ({status}); its messages are above"
                )));
            }
        }
        Ok(())
    }
}

pub(super) fn run(arguments: &DemoArgs) -> Result {
    let attack: Attack = arguments.attack.parse().map_err(|error| Failure::Input(anyhow::Error::new(error)))?;
    std::fs::create_dir_all(&arguments.out)?;
    let interrupted = interrupt::flag();
    let start = Instant::now();
    let scratch = tempfile::tempdir()?;
    let say = |text: &str| {
        if !arguments.json {
            eprintln!("{text}");
        }
    };
    say("starting a validator, its miners and a requester, each with an identity of its own, on 127.0.0.1");
    let mut actors = start_all(arguments, &attack, scratch.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ledger = scratch.path().join("validator").join("validator").join("ledger.sqlite");
    let jobs = runtime.block_on(order_all(arguments, &mut actors, scratch.path(), &ledger, &interrupted, start))?;
    let report = conclude(arguments, &actors, &ledger, jobs, start)?;
    drop(actors);
    if arguments.json {
        output::json(&report)?;
    } else {
        show(&report)?;
    }
    let settled = report.jobs.iter().filter(|job| job.stage == JobStage::Settled).count();
    if settled == report.jobs.len() && report.ledger_sum_ok && report.journal_ok {
        return Ok(());
    }
    Err(Failure::Failed(anyhow::anyhow!("{settled} of {} jobs were settled", report.jobs.len())))
}

fn start_all(arguments: &DemoArgs, attack: &Attack, scratch: &Path) -> Result<Actors> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let each = (threads / (usize::from(arguments.miners) + 1)).max(1).to_string();
    let validator =
        start_node(&scratch.join("validator"), &["--found", "demo", "--roles", "validator", "--threads", &each])?;
    let price = PRICE.to_string();
    let mut miners = Vec::new();
    for number in 0..=arguments.miners {
        let cheats = number == arguments.miners;
        let folder = scratch.join(format!("miner-{number}"));
        let mut options = vec!["--join", &validator.up.invitation, "--roles", "miner", "--threads", &each];
        options.extend(["--price", &price]);
        if cheats {
            options.extend(["--attack", attack.name()]);
        }
        let miner = start_node(&folder, &options)?;
        miners.push((miner, cheats.then(|| attack.name().to_owned())));
    }
    Ok(Actors { validator, miners })
}

fn start_node(folder: &Path, options: &[&str]) -> Result<NodeProcess> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["node", "--json", "--loopback", "--api-listen", "127.0.0.1:0", "--data"])
        .arg(folder)
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let Some(out) = child.stdout.take() else { return Err(Failure::Failed(anyhow::anyhow!("a node has no output"))) };
    // Its one JSON object ends with a line that is a closing brace.
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(out.take(1 << 20)).lines();
        let mut text = String::new();
        while let Some(Ok(line)) = lines.next() {
            text.push_str(&line);
            if line == "}" {
                break;
            }
        }
        // The demonstration may have ended.
        let _ = send.send(text);
    });
    let text = receive.recv_timeout(NODE_START).unwrap_or_default();
    match serde_json::from_str::<Up>(&text) {
        Ok(up) => Ok(NodeProcess { child, up }),
        Err(_) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(Failure::Failed(anyhow::anyhow!(
                "a node did not start in {} s; its messages are above",
                NODE_START.as_secs()
            )))
        }
    }
}

/// The requester runs in this process: orders all jobs at once and waits for them.
async fn order_all(
    arguments: &DemoArgs,
    actors: &mut Actors,
    scratch: &Path,
    ledger: &Path,
    interrupted: &Arc<AtomicBool>,
    start: Instant,
) -> Result<Vec<JobRow>> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(anyhow::anyhow!("{error}"));
    let invitation = Invitation::parse(&actors.validator.up.invitation).map_err(|error| failed(&error))?;
    let mut swarm = SwarmConfig::loopback(invitation.network);
    swarm.roles = Roles::REQUESTER;
    swarm.bootstrap = invitation.bootstrap.iter().filter_map(|address| address.parse().ok()).collect();
    let config = NodeConfig {
        data: scratch.join("requester"),
        swarm,
        validator: invitation.validator,
        welcome_microcredits: 0,
        worker: WorkerConfig {
            program: std::env::current_exe()?,
            arguments: vec!["worker".to_owned()],
            environment: Vec::new(),
            stall_timeout: DEADLINE,
        },
        policy: Policy::default(),
        threads: None,
        stake_microcredits: 0,
        attack: None,
        clip_model: None,
        usual_price_per_step: PRICE,
    };
    let identity = Identity::generate().map_err(|error| failed(&error))?;
    let node = Node::start(identity, paths::model_store()?, &config).map_err(|error| failed(&error))?;
    let Some(requester) = node.roles().requester.clone() else { return Err(failed(&"the node takes no orders")) };
    wait_for_miners(actors, &connection::client(&scratch.join("validator"))?, ledger, interrupted).await?;
    let model: ModelId = MODEL.parse().map_err(|error| failed(&error))?;
    let mut ordered: Vec<(JobId, String, Instant)> = Vec::new();
    for number in 0..usize::from(arguments.jobs) {
        let prompt = PROMPTS[number % PROMPTS.len()];
        let mut new = NewJob::new(model.clone(), prompt);
        new.steps = Some(arguments.steps);
        let id = order_when_connected(&requester, &new).await?;
        ordered.push((id, prompt.to_owned(), Instant::now()));
    }
    let mut done: BTreeMap<JobId, Duration> = BTreeMap::new();
    let mut screen = Screen::new(arguments.json);
    loop {
        let orders = requester.orders();
        for (id, _, since) in &ordered {
            let over = orders.get(id).is_some_and(|order| order.state.is_over());
            if over {
                done.entry(*id).or_insert_with(|| since.elapsed());
            }
        }
        screen.draw(&ordered, &orders, actors, ledger);
        if done.len() == ordered.len() {
            break;
        }
        if interrupted.load(Ordering::SeqCst) {
            return Err(Failure::Interrupted);
        }
        actors.check_alive()?;
        if start.elapsed() > DEADLINE {
            break;
        }
        tokio::time::sleep(REFRESH).await;
    }
    let orders = requester.orders();
    let mut rows = Vec::new();
    for (number, (id, prompt, since)) in ordered.iter().enumerate() {
        let Some(order) = orders.get(id) else { continue };
        let clip = match &order.state.clip {
            Some(clip) => {
                let to = arguments.out.join(format!("demo-{}.mp4", number + 1));
                std::fs::copy(clip, &to)?;
                Some(to)
            }
            None => None,
        };
        rows.push(JobRow {
            id: id.to_string(),
            prompt: prompt.clone(),
            stage: order.state.stage,
            attempts: order.state.attempt,
            clip,
            seconds: done.get(id).copied().unwrap_or_else(|| since.elapsed()).as_secs_f64(),
        });
    }
    node.stop().await;
    Ok(rows)
}

/// Jobs are ordered when every miner has its stake and the validator knows that it takes jobs: otherwise the first ones would get them
/// all.
async fn wait_for_miners(
    actors: &mut Actors,
    validator: &Client,
    ledger: &Path,
    interrupted: &Arc<AtomicBool>,
) -> Result {
    let start = Instant::now();
    loop {
        if interrupted.load(Ordering::SeqCst) {
            return Err(Failure::Interrupted);
        }
        actors.check_alive()?;
        let staked = Journal::open_read_only(ledger).is_ok_and(|journal| {
            actors.miners.iter().all(|(miner, _)| {
                let account = miner.up.node.parse::<AccountId>().ok().and_then(|id| journal.ledger().account(&id));
                account.is_some_and(|account| account.stake.free > 0)
            })
        });
        if staked {
            let peers = validator.peers().await?.peers;
            let accepting = |node: &str| {
                peers
                    .iter()
                    .any(|peer| peer.id.to_string() == node && peer.offer.as_ref().is_some_and(|offer| offer.accepting))
            };
            if actors.miners.iter().all(|(miner, _)| accepting(&miner.up.node)) {
                return Ok(());
            }
        }
        if start.elapsed() > NODE_START {
            let what = if staked { "did not offer to work" } else { "did not stake" };
            return Err(Failure::Failed(anyhow::anyhow!("the miners {what} in {} s", NODE_START.as_secs())));
        }
        tokio::time::sleep(REFRESH).await;
    }
}

async fn order_when_connected(requester: &infernet_node::requester::Requester, new: &NewJob) -> Result<JobId> {
    let start = Instant::now();
    loop {
        match requester.order(new).await {
            Ok(id) => return Ok(id),
            Err(error) if start.elapsed() > NODE_START => return Err(Failure::Failed(error.into())),
            Err(_) => tokio::time::sleep(REFRESH).await,
        }
    }
}

/// The live table: redrawn in place on a terminal, a line per change elsewhere.
struct Screen {
    quiet: bool,
    in_place: bool,
    lines: usize,
    last: String,
}

impl Screen {
    fn new(quiet: bool) -> Self {
        Self { quiet, in_place: std::io::stderr().is_terminal(), lines: 0, last: String::new() }
    }

    fn draw(
        &mut self,
        ordered: &[(JobId, String, Instant)],
        orders: &BTreeMap<JobId, infernet_node::requester::Order>,
        actors: &Actors,
        ledger: &Path,
    ) {
        if self.quiet {
            return;
        }
        let mut lines = Vec::new();
        for (number, (id, prompt, _)) in ordered.iter().enumerate() {
            let Some(order) = orders.get(id) else { continue };
            let stage = format!("{:?}", order.state.stage).to_lowercase();
            let percent = order.state.progress_ppm / 10_000;
            lines.push(format!(
                "  job {}  {stage:<10} {percent:>3} %  attempt {}  {prompt}",
                number + 1,
                order.state.attempt
            ));
        }
        if let Ok(journal) = Journal::open_read_only(ledger) {
            for (number, (miner, attack)) in actors.miners.iter().enumerate() {
                let Some(account) =
                    miner.up.node.parse::<AccountId>().ok().and_then(|id| journal.ledger().account(&id))
                else {
                    continue;
                };
                let kind = attack.as_deref().unwrap_or("honest");
                let standing = &account.standing;
                lines.push(format!(
                    "  miner {}  {kind:<14} trust {:>4.1} %  paid {}  slashed {}  earned {}",
                    number + 1,
                    f64::from(standing.trust_ppm) / 1e4,
                    standing.paid,
                    standing.slashed,
                    account.claimable
                ));
            }
        }
        let text = lines.join("\n");
        if text == self.last {
            return;
        }
        if self.in_place {
            if self.lines > 0 {
                eprint!("\x1b[{}A\x1b[J", self.lines);
            }
            eprintln!("{text}");
            self.lines = lines.len();
        } else {
            let old: Vec<&str> = self.last.lines().collect();
            for line in text.lines().filter(|line| !old.contains(line)) {
                eprintln!("{line}");
            }
        }
        self.last = text;
    }
}

fn conclude(arguments: &DemoArgs, actors: &Actors, ledger: &Path, jobs: Vec<JobRow>, start: Instant) -> Result<Report> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(anyhow::anyhow!("{error}"));
    let journal = Journal::open_read_only(ledger).map_err(|error| failed(&error))?;
    let verified = journal.verify();
    let receipts = journal.receipts(0..journal.head().0 + 1, 10_000).map_err(|error| failed(&error))?;
    let mut miners = Vec::new();
    for (miner, attack) in &actors.miners {
        let id: AccountId = miner.up.node.parse().map_err(|error| failed(&error))?;
        let standing = journal.ledger().account(&id).map(|account| account.standing).unwrap_or_default();
        let failed_checks = failed_checks(&receipts, &id);
        miners.push(MinerRow {
            id: miner.up.node.clone(),
            honest: attack.is_none(),
            attack: attack.clone(),
            earned_microcredits: standing.earned_microcredits,
            slashed_microcredits: standing.slashed_microcredits,
            trust: f64::from(standing.trust_ppm) / 1e6,
            failed_checks,
        });
    }
    let copy = arguments.out.join("ledger.jsonl");
    let mut export = Vec::new();
    journal.export(&mut export).map_err(|error| failed(&error))?;
    infernet_engine::video::write_atomically(&copy, &export)?;
    Ok(Report {
        jobs,
        miners,
        ledger_sum_ok: journal.ledger().totals().conserved(),
        journal_ok: verified.is_ok(),
        entries: journal.ledger().entries(),
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// The checks that a miner's runs failed.
fn failed_checks(receipts: &[Receipt], miner: &AccountId) -> Vec<String> {
    let check = |receipt: &Receipt| match &receipt.entry {
        Entry::Audited(audited) if audited.miner == *miner => match &audited.outcome {
            Outcome::Rejected { check, .. } => Some(check.to_string()),
            Outcome::Accepted { .. } => None,
        },
        _ => None,
    };
    receipts.iter().filter_map(check).collect()
}

fn show(report: &Report) -> Result {
    output::line("")?;
    for (number, job) in report.jobs.iter().enumerate() {
        let clip = job.clip.as_ref().map_or_else(|| "no clip".to_owned(), |clip| clip.display().to_string());
        let stage = format!("{:?}", job.stage).to_lowercase();
        output::line(&format!(
            "job {}: {stage} after {} attempts, {:.1} s: {clip}",
            number + 1,
            job.attempts,
            job.seconds
        ))?;
    }
    for miner in &report.miners {
        let name = miner.id.get(..12).unwrap_or_default();
        match &miner.attack {
            None => output::line(&format!(
                "miner {name} (honest): earned {} micro-credits, trust {:.1} %",
                miner.earned_microcredits,
                100.0 * miner.trust
            ))?,
            Some(attack) => output::line(&format!(
                "miner {name} ({attack}): earned {}, slashed {} micro-credits for {}, trust {:.1} %",
                miner.earned_microcredits,
                miner.slashed_microcredits,
                if miner.failed_checks.is_empty() { "nothing".to_owned() } else { miner.failed_checks.join(", ") },
                100.0 * miner.trust
            ))?,
        }
    }
    let holds = |ok: bool| if ok { "holds" } else { "DOES NOT HOLD" };
    output::line(&format!(
        "the ledger's sum {}, its journal of {} entries {}; {:.1} s in all",
        holds(report.ledger_sum_ok),
        report.entries,
        holds(report.journal_ok),
        report.seconds
    ))
}
