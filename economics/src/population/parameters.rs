//! What a population is made of.

use serde::{Deserialize, Serialize};

use super::MinerKind;
use crate::check;
use crate::error::Result;
use crate::parameters::{NetworkParameters, TypicalJob};

/// Shares of the kinds; they sum to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mix {
    /// Do the work.
    pub honest: f64,
    /// Tamper with some steps of every job.
    pub lazy: f64,
    /// Do the work, but drop out of jobs.
    pub flaky: f64,
    /// Tamper with many steps and have friends among the validators.
    pub colluding: f64,
}

impl Default for Mix {
    fn default() -> Self {
        Self { honest: 0.80, lazy: 0.10, flaky: 0.05, colluding: 0.05 }
    }
}

impl Mix {
    /// Shares in the order of [`MinerKind::ALL`].
    pub fn shares(&self) -> [f64; 4] {
        [self.honest, self.lazy, self.flaky, self.colluding]
    }

    /// Number of miners of each kind: shares of the population rounded so that they add up.
    pub fn counts(&self, miners: usize) -> [usize; 4] {
        let mut upto = 0.0;
        let mut placed = 0;
        let mut counts = self.shares().map(|share| {
            upto += share;
            let end = ((upto * miners as f64).round() as usize).min(miners);
            let count = end - placed.min(end);
            placed = end;
            count
        });
        counts[0] += miners - placed;
        counts
    }
}

/// How the kinds behave.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Share of the steps that lazy miners tamper with.
    pub lazy_tampered_share: f64,
    /// Share of the steps that colluding miners tamper with.
    pub colluding_tampered_share: f64,
    /// Chance that a flaky miner drops out of a job.
    pub flaky_drop_chance: f64,
    /// Share of the cost that a flaky miner has spent when it drops out.
    pub flaky_spent_share: f64,
    /// Share of trust that a missed deadline costs.
    pub drop_trust_loss: f64,
    /// Share of validators that are friends of the colluding miners: they tell them which steps they will check.
    pub friendly_validators: f64,
    /// Chance that another validator audits a job a second time with steps of its own.
    pub second_opinion_chance: f64,
    /// Chance that a check finds fault with an honest step.
    pub false_positive_per_check: f64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            lazy_tampered_share: 0.25,
            colluding_tampered_share: 0.5,
            flaky_drop_chance: 0.1,
            flaky_spent_share: 0.5,
            drop_trust_loss: 0.1,
            friendly_validators: 0.2,
            second_opinion_chance: 0.1,
            false_positive_per_check: 1e-5,
        }
    }
}

/// A population to simulate. Money in the unit of the job.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PopulationParameters {
    /// Miners.
    pub miners: usize,
    /// Epochs.
    pub epochs: usize,
    /// Kinds.
    pub mix: Mix,
    /// Their behaviour.
    pub behaviour: Behaviour,
    /// The network's parameters.
    pub network: NetworkParameters,
    /// The job.
    pub job: TypicalJob,
    /// Jobs in an epoch, per miner.
    pub demand: f64,
    /// What a miner nobody knows counts when jobs are handed out, beside a trusted one's 1.
    pub newcomer_weight: f64,
    /// Balance at the start, in stakes required of a trusted miner.
    pub initial_stakes: f64,
    /// Seed.
    pub seed: u64,
}

impl Default for PopulationParameters {
    fn default() -> Self {
        Self {
            miners: 1000,
            epochs: 1000,
            mix: Mix::default(),
            behaviour: Behaviour::default(),
            network: NetworkParameters::default(),
            job: TypicalJob::default(),
            demand: 0.5,
            newcomer_weight: 0.1,
            initial_stakes: 5.0,
            seed: 0,
        }
    }
}

impl PopulationParameters {
    /// Checks ranges.
    ///
    /// # Errors
    /// Names the field and its range.
    pub fn check(&self) -> Result<()> {
        check::count("miners", self.miners as u64, 1, 1_000_000)?;
        check::count("epochs", self.epochs as u64, 1, 1_000_000)?;
        check::work("this simulation", &[self.miners, self.epochs], 2_000_000_000)?;
        for share in self.mix.shares() {
            check::share("mix", share)?;
        }
        check::within("mix (sum)", self.mix.shares().iter().sum(), 1.0 - 1e-9, 1.0 + 1e-9)?;
        let behaviour = &self.behaviour;
        check::positive_share("lazy_tampered_share", behaviour.lazy_tampered_share)?;
        check::positive_share("colluding_tampered_share", behaviour.colluding_tampered_share)?;
        check::share("flaky_drop_chance", behaviour.flaky_drop_chance)?;
        check::share("flaky_spent_share", behaviour.flaky_spent_share)?;
        check::share("drop_trust_loss", behaviour.drop_trust_loss)?;
        check::share("friendly_validators", behaviour.friendly_validators)?;
        check::share("second_opinion_chance", behaviour.second_opinion_chance)?;
        check::share("false_positive_per_check", behaviour.false_positive_per_check)?;
        self.network.check()?;
        self.job.check()?;
        check::positive("cost", self.job.cost)?;
        check::within("demand", self.demand, 0.0, 1.0)?;
        check::positive_share("newcomer_weight", self.newcomer_weight)?;
        check::amount("initial_stakes", self.initial_stakes)?;
        Ok(())
    }

    /// Tampered steps of a kind's jobs.
    pub fn tampered(&self, kind: MinerKind) -> u32 {
        let share = match kind {
            MinerKind::Honest | MinerKind::Flaky => return 0,
            MinerKind::Lazy => self.behaviour.lazy_tampered_share,
            MinerKind::Colluding => self.behaviour.colluding_tampered_share,
        };
        ((share * f64::from(self.job.steps)).round() as u32).clamp(1, self.job.steps)
    }
}
