//! What a parameter set costs per job.

use serde::{Deserialize, Serialize};

use super::OptimiseRequest;
use crate::check;
use crate::detection::AuditLevel;
use crate::error::Result;
use crate::stake::{JobTerms, required_stake};

const SECS_PER_YEAR: f64 = 365.25 * 86_400.0;

/// What running the network costs besides the work itself. Every figure here is an assumption; the sensitivity analysis
/// shows which of them matter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OperatingCosts {
    /// A validator's cost of repeating a step, in units of the miner's cost of it.
    pub verification_cost_ratio: f64,
    /// Yearly rate that locked stake costs its owner.
    pub capital_rate: f64,
    /// How long stake is locked for a job, in seconds.
    pub lock_secs: f64,
    /// Chance that a check finds fault with an honest step. Zero faults in n checks bound it at 3 / n only.
    pub false_positive_per_check: f64,
    /// Share of miners that tamper although it does not pay: defects, modified programs, spite.
    pub lazy_share: f64,
    /// Share of the steps they tamper with.
    pub lazy_tampered_share: f64,
    /// Learning rate of trust: how quickly it comes back.
    pub honest_drift: f64,
}

impl Default for OperatingCosts {
    fn default() -> Self {
        Self {
            verification_cost_ratio: 1.0,
            capital_rate: 0.20,
            lock_secs: 24.0 * 3600.0,
            // 3 / n for 300,000 honest checks.
            false_positive_per_check: 1e-5,
            lazy_share: 0.01,
            lazy_tampered_share: 0.25,
            honest_drift: 0.1,
        }
    }
}

impl OperatingCosts {
    /// Checks ranges.
    ///
    /// # Errors
    /// Names the field and its range.
    pub fn check(&self) -> Result<()> {
        check::within("verification_cost_ratio", self.verification_cost_ratio, 0.0, 1e6)?;
        check::within("capital_rate", self.capital_rate, 0.0, 1e6)?;
        check::within("lock_secs", self.lock_secs, 0.0, 1e10)?;
        check::share("false_positive_per_check", self.false_positive_per_check)?;
        check::share("lazy_share", self.lazy_share)?;
        check::positive_share("lazy_tampered_share", self.lazy_tampered_share)?;
        check::positive_share("honest_drift", self.honest_drift)?;
        Ok(())
    }
}

/// A parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Checked steps of an ordinary job.
    pub checks: u32,
    /// One job in this many is checked at every step; 0 for never.
    pub full_audit_one_in: u32,
    /// Slashed share of the locked stake.
    pub slash: f64,
    /// Share of trust lost when caught.
    pub gamma: f64,
}

impl Candidate {
    /// The audit it means.
    pub fn audit(&self) -> AuditLevel {
        let full_audit_share = if self.full_audit_one_in == 0 { 0.0 } else { 1.0 / f64::from(self.full_audit_one_in) };
        AuditLevel { checks: self.checks, audited_job_share: 1.0, full_audit_share }
    }
}

/// A parameter set with what it requires and costs. Costs in units of a job's own compute cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PricedCandidate {
    /// The parameters.
    #[serde(flatten)]
    pub candidate: Candidate,
    /// Share of the model evaluations that are repeated.
    pub reexecution_share: f64,
    /// Required stake for a job, in fees.
    pub stake_fees: f64,
    /// Value of the best way to cheat at that stake, in fees.
    pub best_cheat_fees: f64,
    /// Checks.
    pub audit_cost: f64,
    /// Locked capital.
    pub capital_cost: f64,
    /// Honest miners slashed by mistake, and the trust they lose.
    pub false_positive_cost: f64,
    /// Bad clips that pass and are paid for.
    pub bad_clip_cost: f64,
    /// All of it.
    pub total_cost: f64,
}

/// Why a parameter set is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Unfit {
    Reexecution,
    Stake,
    HonestLoses,
}

/// Stage one and the price of stage two. `Err` is a parameter set that does not meet the conditions.
pub(super) fn price(request: &OptimiseRequest, candidate: &Candidate) -> std::result::Result<PricedCandidate, Unfit> {
    let job = &request.job;
    let costs = &request.costs;
    let audit = candidate.audit();
    let reexecution_share = audit.reexecution_share(job.steps);
    if reexecution_share > request.reexecution_budget {
        return Err(Unfit::Reexecution);
    }
    let cost = job.cost + job.settlement;
    let fee = cost * (1.0 + request.fee_margin);
    let terms = JobTerms {
        steps: job.steps,
        cost_per_step: job.cost / f64::from(job.steps),
        settlement: job.settlement,
        fee,
        slash: candidate.slash,
        audit,
        margin: request.security_margin,
        restitution: request.restitution_fees * fee,
    };
    let requirement = required_stake(&terms).map_err(|_| Unfit::Stake)?;
    let stake_fees = requirement.stake / fee;
    if stake_fees > request.max_stake_fees {
        return Err(Unfit::Stake);
    }
    let checked_steps = reexecution_share * f64::from(job.steps);
    let mistaken = 1.0 - (1.0 - costs.false_positive_per_check).powf(checked_steps);
    // Trust that was lost by gamma comes back by the drift; until then that share of the jobs goes elsewhere.
    let jobs_lost = candidate.gamma / costs.honest_drift;
    let false_positive_cost = mistaken * (requirement.slashed + jobs_lost * (fee - cost)) / cost;
    let tampered = (costs.lazy_tampered_share * f64::from(job.steps)).round().max(1.0) as u32;
    let caught = audit.detection(job.steps, tampered);
    let bad_clip_cost =
        costs.lazy_share * settled_trust(caught, candidate.gamma, costs.honest_drift) * (1.0 - caught) * fee / cost;
    let audit_cost = reexecution_share * costs.verification_cost_ratio;
    let capital_cost = requirement.stake / cost * costs.capital_rate * costs.lock_secs / SECS_PER_YEAR;
    // What is left of the margin for an honest miner.
    if fee - cost - (capital_cost + false_positive_cost) * cost <= 0.0 {
        return Err(Unfit::HonestLoses);
    }
    Ok(PricedCandidate {
        candidate: *candidate,
        reexecution_share,
        stake_fees,
        best_cheat_fees: terms.best_cheat(requirement.slashed).1 / fee,
        audit_cost,
        capital_cost,
        false_positive_cost,
        bad_clip_cost,
        total_cost: audit_cost + capital_cost + false_positive_cost + bad_clip_cost,
    })
}

/// Where the trust of a miner settles that is caught with this chance: `(1-p) eta (1-t) = p gamma t`.
pub fn settled_trust(caught: f64, gamma: f64, drift: f64) -> f64 {
    let rises = (1.0 - caught) * drift;
    let falls = caught * gamma;
    if rises + falls > 0.0 { rises / (rises + falls) } else { 1.0 }
}
