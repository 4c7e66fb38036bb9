//! The demonstration: nodes are started, jobs ordered and followed, and what became of them is reported.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use infernet_adversary::Attack;
use infernet_api::ModelId;
use infernet_api::client::Client;
use infernet_api::types::job::NewJob;
use infernet_ledger::{AccountId, Entry, Journal, Outcome, Receipt};
use infernet_network::swarm::SwarmConfig;
use infernet_network::wire::{Invitation, JobId, JobStage, Roles};
use infernet_node::miner::Policy;
use infernet_node::node::{Node, NodeConfig};
use infernet_node::worker::WorkerConfig;
use serde::Serialize;

use super::nodes::{NODE_START, NodeProcess, start_node};
use super::on_chain::{self, MEMBERS, OnChain};
use super::sums::{self, ChainReport};
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
const PRICE: u64 = 300;
const REFRESH: Duration = Duration::from_millis(250);

#[derive(Serialize)]
struct Report {
    jobs: Vec<JobRow>,
    miners: Vec<MinerRow>,
    ledger_sum_ok: bool,
    journal_ok: bool,
    entries: u64,
    /// What the contract has done, and the sums of its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<ChainReport>,
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

/// Where the books are.
enum Source<'a> {
    /// The validator's ledger.
    Ledger(&'a Path),
    /// The contract.
    Chain(&'a OnChain),
}

/// A miner by now.
#[derive(Clone, Debug, Default)]
pub(super) struct MinerNow {
    pub(super) trust_ppm: u32,
    pub(super) paid: u64,
    pub(super) slashed: u64,
    pub(super) earned_microcredits: u64,
    pub(super) slashed_microcredits: u64,
    pub(super) failed_checks: Vec<String>,
}

struct Actors {
    validator: NodeProcess,
    /// Other members of the contract.
    members: Vec<NodeProcess>,
    miners: Vec<(NodeProcess, Option<String>)>,
}

impl Actors {
    /// Fails once a node's process is over: its jobs would wait for nothing.
    fn check_alive(&mut self) -> Result {
        let validator = ("the validator".to_owned(), &mut self.validator);
        let miners = self.miners.iter_mut().enumerate();
        let miners = miners.map(|(number, (miner, _))| (format!("miner {}", number + 1), miner));
        let members = self.members.iter_mut().enumerate();
        let members = members.map(|(number, member)| (format!("member {}", number + 1), member));
        for (name, node) in std::iter::once(validator).chain(miners).chain(members) {
            if let Some(status) = node.child.try_wait()? {
                return Err(Failure::Failed(anyhow::anyhow!(
                    "{name} ended before the demonstration ({status}); its messages are above"
                )));
            }
        }
        Ok(())
    }
}

pub(in crate::commands) fn run(arguments: &DemoArgs) -> Result {
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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let world = if arguments.chain {
        let miners = usize::from(arguments.miners) + 1;
        Some(runtime.block_on(OnChain::start(scratch.path(), miners, &say))?)
    } else {
        None
    };
    let mut actors = start_all(arguments, &attack, scratch.path())?;
    let ledger = scratch.path().join("validator").join("validator").join("ledger.sqlite");
    let source = world.as_ref().map_or(Source::Ledger(&ledger), Source::Chain);
    let jobs = runtime.block_on(order_all(arguments, &mut actors, scratch.path(), &source, &interrupted, start))?;
    if let Some(world) = &world {
        say("all jobs are over; waiting until every payment counts on the chain and every slash is handed out");
        runtime.block_on(world.ended(jobs.len()))?;
    }
    let mut report = conclude(arguments, &actors, &ledger, &source, jobs, start)?;
    drop(actors);
    if let Some(world) = &world {
        report.chain = Some(runtime.block_on(world.close())?);
        report.seconds = start.elapsed().as_secs_f64();
    }
    if arguments.json {
        output::json(&report)?;
    } else {
        show(&report)?;
    }
    let settled = report.jobs.iter().filter(|job| job.stage == JobStage::Settled).count();
    let sums = report.ledger_sum_ok && report.journal_ok && report.chain.as_ref().is_none_or(|chain| chain.sum_ok);
    if settled == report.jobs.len() && sums {
        return Ok(());
    }
    let sums = if sums { "hold" } else { "do not hold" };
    Err(Failure::Failed(anyhow::anyhow!("{settled} of {} jobs were settled; the sums {sums}", report.jobs.len())))
}

fn start_all(arguments: &DemoArgs, attack: &Attack, scratch: &Path) -> Result<Actors> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let each = (threads / (usize::from(arguments.miners) + 1)).max(1).to_string();
    let mut options = vec!["--found", "demo", "--roles", "validator", "--threads", &each];
    options.extend(arguments.chain.then_some("--chain"));
    let validator = start_node(&scratch.join("validator"), &options)?;
    let mut members = Vec::new();
    if arguments.chain {
        for number in 0..MEMBERS {
            let options = ["--join", &validator.up.invitation, "--roles", "validator", "--threads", &each];
            members.push(start_node(&scratch.join(format!("member-{number}")), &options)?);
        }
    }
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
    Ok(Actors { validator, members, miners })
}

/// The requester runs in this process: orders all jobs at once and waits for them.
async fn order_all(
    arguments: &DemoArgs,
    actors: &mut Actors,
    scratch: &Path,
    source: &Source<'_>,
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
        chain: match source {
            Source::Ledger(_) => None,
            Source::Chain(world) => Some(world.config.clone()),
        },
    };
    std::fs::create_dir_all(&config.data)?;
    let identity = on_chain::identity(&config.data)?;
    let node = Node::start(identity, paths::model_store()?, &config).map_err(|error| failed(&error))?;
    let Some(requester) = node.roles().requester.clone() else { return Err(failed(&"the node takes no orders")) };
    wait_for_miners(actors, &connection::client(&scratch.join("validator"))?, source, interrupted).await?;
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
        if let Source::Chain(world) = source {
            world.look().await;
        }
        screen.draw(&ordered, &orders, actors, source);
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
    source: &Source<'_>,
    interrupted: &Arc<AtomicBool>,
) -> Result {
    let start = Instant::now();
    loop {
        if interrupted.load(Ordering::SeqCst) {
            return Err(Failure::Interrupted);
        }
        actors.check_alive()?;
        let staked = match source {
            Source::Ledger(ledger) => Journal::open_read_only(ledger).is_ok_and(|journal| {
                actors.miners.iter().all(|(miner, _)| {
                    let account = miner.up.node.parse::<AccountId>().ok().and_then(|id| journal.ledger().account(&id));
                    account.is_some_and(|account| account.stake.free > 0)
                })
            }),
            Source::Chain(world) => world.staked().await,
        };
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
        source: &Source<'_>,
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
        for (number, (now, (_, attack))) in source.miners(actors).iter().zip(&actors.miners).enumerate() {
            let kind = attack.as_deref().unwrap_or("honest");
            lines.push(format!(
                "  miner {}  {kind:<14} trust {:>4.1} %  paid {}  slashed {}  earned {}",
                number + 1,
                f64::from(now.trust_ppm) / 1e4,
                now.paid,
                now.slashed,
                now.earned_microcredits
            ));
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

impl Source<'_> {
    /// Miners by now, in their order; none while the books can't be read.
    fn miners(&self, actors: &Actors) -> Vec<MinerNow> {
        match self {
            Self::Chain(world) => world.miners().map(|miner| sums::miner_now(world, miner)).collect(),
            Self::Ledger(ledger) => {
                let Ok(journal) = Journal::open_read_only(ledger) else { return Vec::new() };
                let receipts = journal.receipts(0..journal.head().0 + 1, 10_000).unwrap_or_default();
                let each = |(miner, _): &(NodeProcess, Option<String>)| {
                    let Ok(id) = miner.up.node.parse::<AccountId>() else { return MinerNow::default() };
                    let standing = journal.ledger().account(&id).map(|account| account.standing).unwrap_or_default();
                    MinerNow {
                        trust_ppm: standing.trust_ppm,
                        paid: standing.paid,
                        slashed: standing.slashed,
                        earned_microcredits: standing.earned_microcredits,
                        slashed_microcredits: standing.slashed_microcredits,
                        failed_checks: failed_checks(&receipts, &id),
                    }
                };
                actors.miners.iter().map(each).collect()
            }
        }
    }
}

fn conclude(
    arguments: &DemoArgs,
    actors: &Actors,
    ledger: &Path,
    source: &Source<'_>,
    jobs: Vec<JobRow>,
    start: Instant,
) -> Result<Report> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(anyhow::anyhow!("{error}"));
    let journal = Journal::open_read_only(ledger).map_err(|error| failed(&error))?;
    let verified = journal.verify();
    let row = |(now, (miner, attack)): (MinerNow, &(NodeProcess, Option<String>))| MinerRow {
        id: miner.up.node.clone(),
        honest: attack.is_none(),
        attack: attack.clone(),
        earned_microcredits: now.earned_microcredits,
        slashed_microcredits: now.slashed_microcredits,
        trust: f64::from(now.trust_ppm) / 1e6,
        failed_checks: now.failed_checks,
    };
    let miners = source.miners(actors).into_iter().zip(&actors.miners).map(row).collect();
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
        chain: None,
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
    if let Some(chain) = &report.chain {
        sums::show(chain)?;
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
