//! The epochs.

use serde::{Deserialize, Serialize};

use super::miner::{Event, Miner, MinerKind, Rules};
use super::parameters::PopulationParameters;
use crate::error::Result;
use crate::parallel;
use crate::statistics::{Accumulator, Estimate};

/// Samples over time that are kept.
const MAX_SAMPLES: usize = 200;
/// Miners of one piece of work. Fixed, so that sums are in the same order on any number of cores.
const BLOCK: usize = 1024;

/// One kind at one time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KindSample {
    /// Which.
    pub kind: MinerKind,
    /// Mean trust.
    pub trust: f64,
    /// Mean of what was earned so far, in fees.
    pub net_fees: f64,
    /// Mean balance, stake included, in fees.
    pub balance_fees: f64,
    /// Share that can still lock the stake for a job.
    pub working_share: f64,
    /// Jobs per miner since the sample before.
    pub jobs_per_miner: f64,
}

/// All kinds at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochSample {
    /// Epochs so far.
    pub epoch: usize,
    /// Kinds with at least one miner.
    pub kinds: Vec<KindSample>,
    /// Share of the paid jobs since the sample before that were tampered with.
    pub bad_share: f64,
}

/// One kind over the whole simulation; per miner.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KindSummary {
    /// Which.
    pub kind: MinerKind,
    /// Miners.
    pub miners: usize,
    /// Trust at the end, with the interval of its mean.
    pub trust: Estimate,
    /// What was earned, in fees: the change of the balance less the cost of the work.
    pub net_fees: Estimate,
    /// Balance at the end, stake included, in fees.
    pub balance_fees: Estimate,
    /// Jobs.
    pub jobs: Estimate,
    /// Share of the jobs that were found at fault.
    pub caught_share: f64,
    /// Share of the jobs that were tampered with and paid.
    pub bad_passed_share: f64,
    /// Share of the jobs that were dropped.
    pub dropped_share: f64,
    /// Share of the miners that can still lock the stake for a job.
    pub working_share: f64,
}

/// What became of a population.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Population {
    /// Over time.
    pub samples: Vec<EpochSample>,
    /// In the end.
    pub summaries: Vec<KindSummary>,
    /// Jobs in all.
    pub jobs: u64,
    /// Share of all paid jobs that were tampered with.
    pub bad_share: f64,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    jobs: [u64; 4],
    paid: u64,
    bad: u64,
    weight: f64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.jobs.iter_mut().zip(other.jobs) {
            *mine += theirs;
        }
        self.paid += other.paid;
        self.bad += other.bad;
        self.weight += other.weight;
    }

    fn record(&mut self, kind: usize, event: Event) {
        self.jobs[kind] += 1;
        self.paid += u64::from(matches!(event, Event::Good | Event::BadPassed));
        self.bad += u64::from(event == Event::BadPassed);
    }

    fn bad_share(&self) -> f64 {
        if self.paid == 0 { 0.0 } else { self.bad as f64 / self.paid as f64 }
    }
}

/// Simulates a population. The same parameters give the same numbers on any machine.
///
/// # Errors
/// When a parameter is out of range, or no stake suffices for the network's parameters.
pub fn simulate(parameters: &PopulationParameters) -> Result<Population> {
    parameters.check()?;
    let rules = Rules::new(parameters)?;
    let counts = parameters.mix.counts(parameters.miners);
    let kinds = MinerKind::ALL.iter().zip(counts).flat_map(|(&kind, count)| std::iter::repeat_n(kind, count));
    let mut miners: Vec<Miner> = kinds.enumerate().map(|(index, kind)| Miner::new(kind, index, &rules)).collect();
    let mut weight: f64 = miners.iter().map(|miner| miner.weight(&rules)).sum();
    let every = parameters.epochs.div_ceil(MAX_SAMPLES);
    let (mut samples, mut since, mut all) = (Vec::new(), Counts::default(), Counts::default());
    for epoch in 1..=parameters.epochs {
        let wanted = parameters.demand * parameters.miners as f64;
        let chance_per_weight = if weight > 0.0 { wanted / weight } else { 0.0 };
        let blocks = parallel::map_blocks(&mut miners, BLOCK, |block| epoch_of(block, &rules, chance_per_weight));
        let mut counts = Counts::default();
        blocks.iter().for_each(|block| counts.add(block));
        weight = counts.weight;
        since.add(&counts);
        all.add(&counts);
        if epoch % every == 0 || epoch == parameters.epochs {
            samples.push(sample(epoch, &miners, &rules, &since));
            since = Counts::default();
        }
    }
    let summaries = of_each_kind(&miners).map(|(kind, miners)| summary(kind, miners, &rules)).collect();
    Ok(Population { samples, summaries, jobs: all.jobs.iter().sum(), bad_share: all.bad_share() })
}

fn epoch_of(block: &mut [Miner], rules: &Rules, chance_per_weight: f64) -> Counts {
    let mut counts = Counts::default();
    for miner in block {
        if let Some(event) = miner.epoch(rules, chance_per_weight) {
            counts.record(miner.kind as usize, event);
        }
        counts.weight += miner.weight(rules);
    }
    counts
}

/// Miners of each kind that has any: kinds lie one after the other.
fn of_each_kind(miners: &[Miner]) -> impl Iterator<Item = (MinerKind, &[Miner])> {
    miners.chunk_by(|a, b| a.kind == b.kind).map(|chunk| (chunk[0].kind, chunk))
}

fn working_share(miners: &[Miner], rules: &Rules) -> f64 {
    miners.iter().filter(|miner| miner.can_work(rules)).count() as f64 / miners.len() as f64
}

fn sample(epoch: usize, miners: &[Miner], rules: &Rules, since: &Counts) -> EpochSample {
    let kinds = of_each_kind(miners).map(|(kind, miners)| {
        let count = miners.len() as f64;
        KindSample {
            kind,
            trust: miners.iter().map(|miner| miner.trust).sum::<f64>() / count,
            net_fees: miners.iter().map(Miner::net).sum::<f64>() / count / rules.fee,
            balance_fees: miners.iter().map(|miner| miner.balance).sum::<f64>() / count / rules.fee,
            working_share: working_share(miners, rules),
            jobs_per_miner: since.jobs[kind as usize] as f64 / count,
        }
    });
    EpochSample { epoch, kinds: kinds.collect(), bad_share: since.bad_share() }
}

fn summary(kind: MinerKind, miners: &[Miner], rules: &Rules) -> KindSummary {
    let estimate = |of: &dyn Fn(&Miner) -> f64| {
        let mut accumulator = Accumulator::default();
        miners.iter().for_each(|miner| accumulator.add(of(miner)));
        accumulator.estimate()
    };
    let jobs: u64 = miners.iter().map(|miner| miner.jobs).sum();
    let share = |of: fn(&Miner) -> u64| miners.iter().map(of).sum::<u64>() as f64 / (jobs as f64).max(1.0);
    KindSummary {
        kind,
        miners: miners.len(),
        trust: estimate(&|miner| miner.trust),
        net_fees: estimate(&|miner| miner.net() / rules.fee),
        balance_fees: estimate(&|miner| miner.balance / rules.fee),
        jobs: estimate(&|miner| miner.jobs as f64),
        caught_share: share(|miner| miner.caught),
        bad_passed_share: share(|miner| miner.bad_passed),
        dropped_share: share(|miner| miner.dropped),
        working_share: working_share(miners, rules),
    }
}
