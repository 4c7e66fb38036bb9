//! Whether a set of network parameters holds by our own model, at every trust.

use serde::{Deserialize, Serialize};

use crate::check;
use crate::error::Result;
use crate::parameters::{NetworkParameters, TypicalJob};
use crate::stake::{JobTerms, StakeRequirement, required_stake};

/// Re-execution that the protocol promises for trusted miners.
const TRUSTED_REEXECUTION: f64 = 0.10;

/// How things stand for a miner of one trust.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrustLevel {
    /// Trust, 0 to 1.
    pub trust: f64,
    /// Checked steps of an ordinary job.
    pub checks: u32,
    /// Expected share of model evaluations that are repeated.
    pub reexecution_share: f64,
    /// Chance to catch a single tampered step.
    pub detects_one_step: f64,
    /// Chance to catch a quarter of the steps.
    pub detects_a_quarter: f64,
    /// Required stake, in the job's unit of money.
    pub required: StakeRequirement,
    /// Required stake, in fees.
    pub stake_fees: f64,
    /// Value of the best way to cheat at that stake, in fees.
    pub best_cheat_fees: f64,
    /// Value of honest work, in fees.
    pub honest_fees: f64,
    /// What validators are paid for the job, in units of its compute cost.
    pub validators_income: f64,
    /// What their checks cost, in the same unit.
    pub validators_cost: f64,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Viability {
    /// By rising trust.
    pub levels: Vec<TrustLevel>,
    /// Deposit that the suggested fee means, in the job's unit of money.
    pub deposit: f64,
    /// What does not hold; empty when viable.
    pub problems: Vec<String>,
}

/// Checks parameters at several levels of trust.
///
/// # Errors
/// When a parameter is out of range, or no stake makes cheating a loss.
pub fn viability(network: &NetworkParameters, job: &TypicalJob) -> Result<Viability> {
    network.check()?;
    job.check()?;
    check::positive("cost", job.cost)?;
    let fee = job.fee(network);
    let deposit = fee / network.deposit_split;
    let mut levels = Vec::new();
    for trust in [0.0, 0.25, 0.5, 0.75, 0.9, 1.0] {
        let terms = JobTerms::of_network(network, job, trust);
        let required = required_stake(&terms)?;
        let quarter = (job.steps / 4).max(1);
        levels.push(TrustLevel {
            trust,
            checks: terms.audit.checks,
            reexecution_share: terms.audit.reexecution_share(job.steps),
            detects_one_step: terms.audit.detection(job.steps, 1),
            detects_a_quarter: terms.audit.detection(job.steps, quarter),
            required,
            stake_fees: required.stake / fee,
            best_cheat_fees: terms.best_cheat(required.slashed).1 / fee,
            honest_fees: terms.honest_value() / fee,
            validators_income: (deposit - fee) / job.cost,
            validators_cost: terms.audit.reexecution_share(job.steps),
        });
    }
    let problems = problems(&levels);
    Ok(Viability { levels, deposit, problems })
}

fn problems(levels: &[TrustLevel]) -> Vec<String> {
    let mut problems = Vec::new();
    for level in levels {
        let trust = level.trust;
        if level.best_cheat_fees >= 0.0 {
            problems.push(format!("at trust {trust} cheating is worth {:.3} fees", level.best_cheat_fees));
        }
        if level.honest_fees <= 0.0 {
            problems.push(format!("at trust {trust} honest work is worth {:.3} fees", level.honest_fees));
        }
        if level.validators_income < level.validators_cost {
            problems.push(format!(
                "at trust {trust} validators are paid {:.2} of a job's cost and spend {:.2}",
                level.validators_income, level.validators_cost
            ));
        }
    }
    if let Some(trusted) = levels.last()
        && trusted.reexecution_share >= TRUSTED_REEXECUTION
    {
        problems.push(format!(
            "{:.1} % of a trusted miner's work is repeated; the protocol promises less than {:.0} %",
            100.0 * trusted.reexecution_share,
            100.0 * TRUSTED_REEXECUTION
        ));
    }
    problems
}
