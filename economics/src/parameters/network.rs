//! What the network ships with, in one place. `docs/economics.md` shows why with numbers.

use serde::{Deserialize, Serialize};

use crate::check;
use crate::detection::AuditPolicy;
use crate::error::Result;

/// Parameters of the network.
///
/// [`Default`] is what ships; [`NetworkParameters::prototype`] is what the published prototype used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkParameters {
    /// How many steps are checked.
    pub audit: AuditPolicy,
    /// Share of the stake locked for a job that is slashed when the job is found tampered with.
    pub slash: f64,
    /// Share of trust that is lost when caught, gamma.
    pub trust_decay: f64,
    /// Share of the way to full trust that an honest job brings, eta.
    pub honest_drift: f64,
    /// Stake majority at which validators' weights are clipped, kappa.
    pub kappa: f64,
    /// Miner's share of a deposit; the rest pays the validators' checks.
    pub deposit_split: f64,
    /// What a miner earns above its cost when fees are suggested, as a share of the cost.
    pub fee_margin: f64,
    /// How far below 0 the expected value of every way to cheat must be, as a share of the fee.
    pub security_margin: f64,
    /// What a slash must at least bring in, in fees: the harmed requester is repaid from it.
    pub restitution_fees: f64,
    /// How long the stake of a job stays locked after it: the longest challenge window, in seconds.
    pub lock_secs: u64,
    /// Quality below which a job earns no bonus (0 to 1).
    pub quality_threshold: f64,
    /// Share of the reward that depends on quality.
    pub quality_weight: f64,
    /// Weight of the newest job in a miner's average quality.
    pub quality_moving_average: f64,
    /// Weights of prompt fidelity, visual quality and temporal consistency in the quality score.
    pub quality_weights: [f64; 3],
}

impl Default for NetworkParameters {
    fn default() -> Self {
        Self {
            audit: AuditPolicy {
                // The protocol's figure for miners that nobody knows, and the prototype's for all.
                unknown_rate: 0.30,
                // With one check of up to 25 steps and two of up to 50, and the full audits below, a trusted miner's
                // re-execution stays under 10 % for every job of 12 steps or more (tested).
                trusted_rate: 0.04,
                // 22 honest jobs at the drift below.
                trusted_from: 0.9,
                min_checks: 1,
                // 1.6 % of all work. Spot checks alone deter as well for the same money; full audits are kept since they
                // see what lies between the steps, and nobody can prepare for them.
                full_audit_one_in: 64,
                audited_job_share: 1.0,
            },
            // The optimum lies at 1 (less stake to lock for the same loss); half leaves a miner that is caught by
            // a defect of its card something to go on with, and a second verdict something to slash.
            slash: 0.5,
            // The prototype's; near the optimum, which is flat (docs/economics.md).
            trust_decay: 0.8,
            honest_drift: 0.1,
            kappa: 0.5,
            // A validator's part covers the checks of a miner that nobody knows (31 % of a job) with a third to spare.
            deposit_split: 0.75,
            fee_margin: 0.25,
            security_margin: 0.05,
            restitution_fees: 1.0,
            lock_secs: 24 * 3600,
            quality_threshold: 0.7,
            quality_weight: 0.3,
            quality_moving_average: 0.1,
            quality_weights: [0.4, 0.3, 0.3],
        }
    }
}

impl NetworkParameters {
    /// The published prototype's network defaults: every job of every miner audited at 30 %, a tenth slashed.
    pub fn prototype() -> Self {
        Self {
            audit: AuditPolicy {
                unknown_rate: 0.30,
                trusted_rate: 0.30,
                trusted_from: 1.0,
                min_checks: 1,
                full_audit_one_in: 0,
                audited_job_share: 1.0,
            },
            slash: 0.10,
            deposit_split: 0.70,
            ..Self::default()
        }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// Names the field and its range.
    pub fn check(&self) -> Result<()> {
        self.audit.check()?;
        check::share("slash", self.slash)?;
        check::share("trust_decay", self.trust_decay)?;
        check::share("honest_drift", self.honest_drift)?;
        check::share("kappa", self.kappa)?;
        check::inner_share("deposit_split", self.deposit_split)?;
        check::within("fee_margin", self.fee_margin, 0.0, 1e6)?;
        check::within("security_margin", self.security_margin, 0.0, 1e6)?;
        check::within("restitution_fees", self.restitution_fees, 0.0, 1e6)?;
        check::share("quality_threshold", self.quality_threshold)?;
        check::share("quality_weight", self.quality_weight)?;
        check::share("quality_moving_average", self.quality_moving_average)?;
        for weight in self.quality_weights {
            check::share("quality_weights", weight)?;
        }
        check::within("quality_weights (sum)", self.quality_weights.iter().sum(), 1.0 - 1e-9, 1.0 + 1e-9)?;
        Ok(())
    }
}

/// The job that examples, defaults and plots are about. Amounts in micro-credits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TypicalJob {
    /// Denoising steps.
    pub steps: u32,
    /// Cost of all steps to the miner.
    pub cost: f64,
    /// Cost of the settlement to the miner; the ledger of a private swarm takes none.
    pub settlement: f64,
}

impl Default for TypicalJob {
    /// The study's 30 steps; the electricity of an RTX 4090 for them, about 0.7 US cents, when a credit is a dollar
    /// (an estimate, see `data/prices.toml`). Only ratios matter to the conditions, so no conclusion hangs on it.
    fn default() -> Self {
        Self { steps: 30, cost: 7000.0, settlement: 0.0 }
    }
}

impl TypicalJob {
    /// Checks ranges.
    ///
    /// # Errors
    /// Names the field and its range.
    pub fn check(&self) -> Result<()> {
        check::steps(self.steps)?;
        check::amount("cost", self.cost)?;
        check::amount("settlement", self.settlement)?;
        Ok(())
    }

    /// The fee that covers the cost and the network's margin.
    pub fn fee(&self, network: &NetworkParameters) -> f64 {
        (self.cost + self.settlement) * (1.0 + network.fee_margin)
    }
}
