//! Parameters of the model.

use serde::{Deserialize, Serialize};

use crate::check;
use crate::detection::{AuditLevel, checks_of_rate};
use crate::error::Result;
use crate::parameters::{NetworkParameters, StudyParameters, TypicalJob};
use crate::stake::{JobTerms, required_stake};

/// Weights that the validators give at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// All the same: where an honest network settles.
    #[default]
    Even,
    /// Drawn, as in the published study.
    Drawn,
}

/// A network with one cheater.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ModelParameters {
    /// What a job is worth and how it is audited.
    pub job: JobTerms,
    /// Stake locked for each job.
    pub stake: f64,
    /// Emission for all miners in an epoch, shared out by rank; 0 for a network that lives of its fees.
    pub emission: f64,
    /// Share of its weight that a caught miner loses, gamma.
    pub gamma: f64,
    /// Learning rate of an honest miner's weight, eta.
    pub drift: f64,
    /// Where an honest miner's weight drifts to, in units of 1 / N.
    pub drift_target: f64,
    /// Miners, N: one cheater, the others honest.
    pub miners: usize,
    /// Validators.
    pub validators: usize,
    /// Stake majority at which weights are clipped.
    pub kappa: f64,
    /// Discount of an epoch.
    pub discount: f64,
    /// Epochs that are summed; at 0.95, 300 leave 2e-7 of the value out.
    pub epochs: usize,
    /// Weights at the start.
    pub start: Start,
}

impl ModelParameters {
    /// The published study's constants in our model, at an audit rate, slash and gamma; every job is audited, and the stake
    /// locked for a job is the study's whole stake.
    ///
    /// # Errors
    /// When a parameter is out of range.
    pub fn of_study(study: &StudyParameters, alpha: f64, slash: f64, gamma: f64) -> Result<Self> {
        study.check()?;
        let job = JobTerms {
            steps: study.steps,
            cost_per_step: study.cost_per_step,
            settlement: study.gas,
            fee: 0.0,
            slash,
            audit: AuditLevel::always(checks_of_rate(alpha, study.steps)?),
            margin: 0.0,
            restitution: 0.0,
        };
        let model = Self {
            job,
            stake: study.initial_stake,
            emission: study.miner_share * study.emission,
            gamma,
            drift: study.drift,
            drift_target: study.drift_target,
            miners: study.miners,
            validators: study.validators,
            kappa: study.kappa,
            discount: study.discount,
            epochs: 300,
            start: Start::Even,
        };
        model.check()?;
        Ok(model)
    }

    /// The network's parameters for a miner of this trust, with the required stake locked and no emission.
    ///
    /// # Errors
    /// When a parameter is out of range or no stake suffices.
    pub fn of_network(network: &NetworkParameters, job: &TypicalJob, trust: f64) -> Result<Self> {
        network.check()?;
        job.check()?;
        check::share("trust", trust)?;
        let job = JobTerms::of_network(network, job, trust);
        let study = StudyParameters::default();
        Ok(Self {
            job,
            stake: required_stake(&job)?.stake,
            emission: 0.0,
            gamma: network.trust_decay,
            drift: network.honest_drift,
            drift_target: study.drift_target,
            miners: study.miners,
            validators: study.validators,
            kappa: network.kappa,
            discount: study.discount,
            epochs: 300,
            start: Start::Even,
        })
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// Names the field and its range.
    pub fn check(&self) -> Result<()> {
        self.job.check()?;
        check::amount("stake", self.stake)?;
        check::amount("emission", self.emission)?;
        check::share("gamma", self.gamma)?;
        check::share("drift", self.drift)?;
        check::within("drift_target", self.drift_target, 0.0, 1e6)?;
        check::count("miners", self.miners as u64, 2, 10_000)?;
        check::count("validators", self.validators as u64, 1, 256)?;
        check::share("kappa", self.kappa)?;
        check::within("discount", self.discount, 0.0, 0.9999)?;
        check::count("epochs", self.epochs as u64, 1, 100_000)?;
        Ok(())
    }

    /// What a caught cheater loses of its stake.
    pub fn slashed(&self) -> f64 {
        self.job.slash * self.stake
    }

    /// Discounted number of epochs: the sum of `discount^t`.
    pub(super) fn discounted_epochs(&self) -> f64 {
        (1.0 - self.discount.powi(i32::try_from(self.epochs).unwrap_or(i32::MAX))) / (1.0 - self.discount)
    }
}
