//! The terms of a job and its required stake, in floating point: for analyses and plots.

use serde::{Deserialize, Serialize};

use crate::check;
use crate::detection::AuditLevel;
use crate::error::{EconomicsError, Result};
use crate::parameters::{NetworkParameters, TypicalJob};

/// What a job is worth to its miner. Amounts in one unit of money, whichever.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct JobTerms {
    /// Denoising steps, T.
    pub steps: u32,
    /// Cost of a step, c.
    pub cost_per_step: f64,
    /// Cost of the settlement, g.
    pub settlement: f64,
    /// What the miner gets for the job, R.
    pub fee: f64,
    /// Share of the locked stake that is slashed, f.
    pub slash: f64,
    /// How the job is audited.
    pub audit: AuditLevel,
    /// How far below 0 the value of cheating must be, in fees.
    pub margin: f64,
    /// What the slash must at least bring in.
    pub restitution: f64,
}

/// Which condition asked for the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StakeRule {
    /// The expected value of cheating must be a loss.
    Loss,
    /// Cheating must be worth less than honest work.
    BelowHonest,
    /// What was saved must be lost on average, without counting the fee.
    SavedWork,
    /// The requester must be repaid.
    Restitution,
}

/// The smallest sufficient stake.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StakeRequirement {
    /// Stake to lock.
    pub stake: f64,
    /// What is slashed of it.
    pub slashed: f64,
    /// The condition that decided.
    pub rule: StakeRule,
    /// The number of tampered steps that decided; 0 for restitution.
    pub tampered: u32,
}

impl JobTerms {
    /// A job under the network's parameters, for a miner of this trust.
    pub fn of_network(network: &NetworkParameters, job: &TypicalJob, trust: f64) -> Self {
        let fee = job.fee(network);
        Self {
            steps: job.steps,
            cost_per_step: job.cost / f64::from(job.steps.max(1)),
            settlement: job.settlement,
            fee,
            slash: network.slash,
            audit: network.audit.level(trust, job.steps),
            margin: network.security_margin,
            restitution: network.restitution_fees * fee,
        }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// Names the field and its range.
    pub fn check(&self) -> Result<()> {
        check::steps(self.steps)?;
        check::amount("cost_per_step", self.cost_per_step)?;
        check::amount("settlement", self.settlement)?;
        check::amount("fee", self.fee)?;
        check::share("slash", self.slash)?;
        check::within("margin", self.margin, 0.0, 1e6)?;
        check::amount("restitution", self.restitution)?;
        self.audit.check(self.steps)
    }

    /// Expected value of a job with `tampered` tampered steps when `slashed` is lost if caught.
    pub fn value(&self, tampered: u32, slashed: f64) -> f64 {
        let caught = self.audit.detection(self.steps, tampered);
        (1.0 - caught) * self.fee
            - self.cost_per_step * f64::from(self.steps - tampered)
            - self.settlement
            - caught * slashed
    }

    /// Expected value of an honest job.
    pub fn honest_value(&self) -> f64 {
        self.value(0, 0.0)
    }

    /// The best way to cheat at this slashed amount: tampered steps and value.
    pub fn best_cheat(&self, slashed: f64) -> (u32, f64) {
        let values = (1..=self.steps).map(|tampered| (tampered, self.value(tampered, slashed)));
        values.fold((0, f64::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best })
    }
}

/// The smallest stake that meets every condition of [`crate::stake`] for every number of tampered steps.
///
/// # Errors
/// When a term is out of range, or no stake suffices (nothing is audited, or nothing is slashed).
pub fn required_stake(terms: &JobTerms) -> Result<StakeRequirement> {
    terms.check()?;
    let mut needed = (terms.restitution, StakeRule::Restitution, 0);
    for tampered in 1..=terms.steps {
        let caught = terms.audit.detection(terms.steps, tampered);
        let saved = terms.cost_per_step * f64::from(tampered);
        let tempting = terms.value(tampered, 0.0) + terms.margin * terms.fee;
        // What must be lost on average when caught, by rule.
        let at_stake = [
            (tempting, StakeRule::Loss),
            (saved - caught * terms.fee, StakeRule::BelowHonest),
            (saved * (1.0 - caught), StakeRule::SavedWork),
        ];
        for (loss, rule) in at_stake {
            // A value of exactly 0 is not yet a loss; saved work of 0 needs no stake.
            if loss < 0.0 || (loss <= 0.0 && rule == StakeRule::SavedWork) {
                continue;
            }
            if caught <= 0.0 {
                let reason = "it is never found out";
                return Err(EconomicsError::NoStakeSuffices { tampered, steps: terms.steps, reason });
            }
            let amount = (loss / caught).max(f64::MIN_POSITIVE);
            if amount > needed.0 {
                needed = (amount, rule, tampered);
            }
        }
    }
    let (slashed, rule, tampered) = needed;
    if slashed > 0.0 && terms.slash <= 0.0 {
        let reason = "nothing is slashed";
        return Err(EconomicsError::NoStakeSuffices { tampered, steps: terms.steps, reason });
    }
    // A hair more than the bound, so that the value is below it and not equal to it but for rounding.
    let slashed = slashed * (1.0 + 1e-12);
    let stake = if slashed > 0.0 { slashed / terms.slash } else { 0.0 };
    Ok(StakeRequirement { stake, slashed, rule, tampered })
}
