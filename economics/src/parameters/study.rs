//! Constants of the published study (a prototype on a Bittensor subnet, May 2025). Money in TAO.

use serde::{Deserialize, Serialize};

use crate::check;
use crate::error::Result;

/// Which of its two values the study gives the validators of the emission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidatorShare {
    /// Its cost study: as much as the miners, 0.41.
    #[default]
    CostStudy,
    /// Its sensitivity study: what the miners leave, 1 - 0.41.
    SensitivityStudy,
}

/// Everything the reference mode needs but a point of the grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StudyParameters {
    /// Denoising steps of a job, T.
    pub steps: u32,
    /// Cost of a step in TAO (3.3 s of an A100).
    pub cost_per_step: f64,
    /// Gas of a settlement in TAO.
    pub gas: f64,
    /// Emission of the subnet in TAO per block, E.
    pub emission: f64,
    /// Miners' share of the emission.
    pub miner_share: f64,
    /// Validators' share of the emission.
    pub validator_share: ValidatorShare,
    /// Miners, N.
    pub miners: usize,
    /// Validators, V.
    pub validators: usize,
    /// Learning rate of an honest miner's weight, eta.
    pub drift: f64,
    /// Where an honest miner's weight drifts to, in units of 1 / N.
    pub drift_target: f64,
    /// Discount of an epoch, beta.
    pub discount: f64,
    /// Epochs that are computed before the geometric tail.
    pub epochs: usize,
    /// Epochs of honest drift before an honest miner's rank is read.
    pub drift_epochs: usize,
    /// Miner's share of a deposit; the rest is the validator's.
    pub deposit_split: f64,
    /// Stake majority at which weights are clipped, kappa.
    pub kappa: f64,
    /// Stake of every miner at the start, in TAO.
    pub initial_stake: f64,
    /// US dollars for one TAO.
    pub tao_usd: f64,
}

impl Default for StudyParameters {
    fn default() -> Self {
        Self {
            steps: 30,
            cost_per_step: 6.2e-6,
            gas: 0.0002,
            emission: 0.005,
            miner_share: 0.41,
            validator_share: ValidatorShare::CostStudy,
            miners: 10,
            validators: 5,
            drift: 0.01,
            drift_target: 1.5,
            discount: 0.95,
            epochs: 60,
            drift_epochs: 200,
            deposit_split: 0.9,
            kappa: 0.5,
            initial_stake: 1.0,
            tao_usd: 436.0,
        }
    }
}

impl StudyParameters {
    /// Checks ranges.
    ///
    /// # Errors
    /// Names the field and its range.
    pub fn check(&self) -> Result<()> {
        check::steps(self.steps)?;
        check::amount("cost_per_step", self.cost_per_step)?;
        check::amount("gas", self.gas)?;
        check::amount("emission", self.emission)?;
        check::share("miner_share", self.miner_share)?;
        check::count("miners", self.miners as u64, 1, 10_000)?;
        check::count("validators", self.validators as u64, 1, 256)?;
        check::share("drift", self.drift)?;
        check::within("drift_target", self.drift_target, 0.0, 1e6)?;
        check::within("discount", self.discount, 0.0, 0.9999)?;
        check::count("epochs", self.epochs as u64, 1, 10_000)?;
        check::count("drift_epochs", self.drift_epochs as u64, 0, 100_000)?;
        check::inner_share("deposit_split", self.deposit_split)?;
        check::share("kappa", self.kappa)?;
        check::amount("initial_stake", self.initial_stake)?;
        check::positive("tao_usd", self.tao_usd)?;
        Ok(())
    }

    /// The validators' share of the emission, as a number.
    pub fn validator_emission_share(&self) -> f64 {
        match self.validator_share {
            ValidatorShare::CostStudy => 0.41,
            ValidatorShare::SensitivityStudy => 1.0 - self.miner_share,
        }
    }

    /// Discounted value of mining honestly for ever with an even share of the emission and no deposits.
    pub fn honest_value(&self, emission: f64, cost_per_step: f64) -> f64 {
        (self.miner_share * emission / self.miners as f64 - f64::from(self.steps) * cost_per_step - self.gas)
            / (1.0 - self.discount)
    }

    /// The emission from which on [`Self::honest_value`] is not negative.
    pub fn break_even_emission(&self) -> f64 {
        (f64::from(self.steps) * self.cost_per_step + self.gas) * self.miners as f64 / self.miner_share
    }
}
