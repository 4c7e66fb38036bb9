//! The search, its frontier, and how the optimum moves with the assumptions.

use serde::{Deserialize, Serialize};

use super::price::{Candidate, OperatingCosts, PricedCandidate, Unfit, price};
use crate::check;
use crate::error::{EconomicsError, Result};
use crate::parallel;
use crate::parameters::{NetworkParameters, TypicalJob};

/// Distances of full audits that are tried: one in so many jobs.
const FULL_AUDITS: [u32; 9] = [0, 16, 24, 32, 48, 64, 96, 128, 256];

/// What to optimise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimiseRequest {
    /// The job.
    pub job: TypicalJob,
    /// What a miner earns above its cost, as a share of the cost.
    pub fee_margin: f64,
    /// How far below 0 the value of every way to cheat must be, in fees.
    pub security_margin: f64,
    /// What a slash must at least bring in, in fees.
    pub restitution_fees: f64,
    /// Largest share of model evaluations to repeat.
    pub reexecution_budget: f64,
    /// Largest stake for a job, in fees.
    pub max_stake_fees: f64,
    /// Largest slash.
    pub max_slash: f64,
    /// At least one job in this many is checked at every step; 0 leaves it open. Deterrence alone does not ask for full
    /// audits, see the documentation.
    pub full_audit_at_least_one_in: u32,
    /// What running the network costs.
    pub costs: OperatingCosts,
}

impl Default for OptimiseRequest {
    /// Trusted miners of the shipped network.
    fn default() -> Self {
        let network = NetworkParameters::default();
        Self {
            job: TypicalJob::default(),
            fee_margin: network.fee_margin,
            security_margin: network.security_margin,
            restitution_fees: network.restitution_fees,
            reexecution_budget: 0.10,
            max_stake_fees: 100.0,
            max_slash: 0.5,
            full_audit_at_least_one_in: 64,
            costs: OperatingCosts {
                lock_secs: network.lock_secs as f64,
                honest_drift: network.honest_drift,
                ..OperatingCosts::default()
            },
        }
    }
}

impl OptimiseRequest {
    fn check(&self) -> Result<()> {
        self.job.check()?;
        check::count("steps", self.job.steps.into(), 1, 1000)?;
        check::positive("cost", self.job.cost)?;
        check::within("fee_margin", self.fee_margin, 0.0, 1e6)?;
        check::within("security_margin", self.security_margin, 0.0, 1e6)?;
        check::within("restitution_fees", self.restitution_fees, 0.0, 1e6)?;
        check::positive_share("reexecution_budget", self.reexecution_budget)?;
        check::positive("max_stake_fees", self.max_stake_fees)?;
        check::positive_share("max_slash", self.max_slash)?;
        self.costs.check()
    }

    /// Re-execution decides before anything else is computed: only so many checks fit into the budget.
    fn most_checks(&self) -> u32 {
        ((self.reexecution_budget * f64::from(self.job.steps)).floor() as u32).clamp(1, self.job.steps)
    }

    fn full_audits(&self) -> impl Iterator<Item = u32> + Clone {
        let most = self.full_audit_at_least_one_in;
        let own = (most != 0 && !FULL_AUDITS.contains(&most)).then_some(most);
        FULL_AUDITS.into_iter().chain(own).filter(move |&one_in| most == 0 || (1..=most).contains(&one_in))
    }

    fn candidates(&self, slashes: &[f64], gammas: &[f64]) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for checks in 1..=self.most_checks() {
            for full_audit_one_in in self.full_audits() {
                for &slash in slashes {
                    for &gamma in gammas {
                        candidates.push(Candidate { checks, full_audit_one_in, slash, gamma });
                    }
                }
            }
        }
        candidates
    }
}

/// The cheapest parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Optimum {
    /// It.
    pub best: PricedCandidate,
    /// Parameter sets that were priced or ruled out.
    pub searched: usize,
    /// Those that met all conditions.
    pub feasible: usize,
}

/// Searches coarsely, then finely around the best.
///
/// # Errors
/// When a parameter is out of range, or no parameter set meets the conditions.
pub fn optimise(request: &OptimiseRequest) -> Result<Optimum> {
    request.check()?;
    let coarse = request.candidates(&grid(0.05, request.max_slash, 20), &grid(0.0, 1.0, 20));
    let first = search(request, &coarse)?;
    let around =
        |value: f64, reach: f64, low: f64, high: f64| grid((value - reach).max(low), (value + reach).min(high), 20);
    let Candidate { checks, full_audit_one_in, slash, gamma } = first.best.candidate;
    let slashes = around(slash, request.max_slash / 20.0, 0.01f64.min(request.max_slash), request.max_slash);
    let fine: Vec<Candidate> = slashes
        .iter()
        .flat_map(|&slash| {
            around(gamma, 0.05, 0.0, 1.0).into_iter().map(move |gamma| Candidate {
                checks,
                full_audit_one_in,
                slash,
                gamma,
            })
        })
        .collect();
    let second = search(request, &fine)?;
    let best = if second.best.total_cost < first.best.total_cost { second.best } else { first.best };
    Ok(Optimum { best, searched: first.searched + second.searched, feasible: first.feasible + second.feasible })
}

/// One parameter set's requirement and price; what ships can so be held against the optimum.
///
/// # Errors
/// When a parameter is out of range, or the set does not meet the conditions.
pub fn priced(request: &OptimiseRequest, candidate: &Candidate) -> Result<PricedCandidate> {
    request.check()?;
    check::count("checks", candidate.checks.into(), 1, request.job.steps.into())?;
    check::positive_share("slash", candidate.slash)?;
    check::share("gamma", candidate.gamma)?;
    search(request, &[*candidate]).map(|optimum| optimum.best)
}

/// `count + 1` values from `low` to `high`.
fn grid(low: f64, high: f64, count: u32) -> Vec<f64> {
    let low = low.min(high);
    (0..=count).map(|index| low + (high - low) * f64::from(index) / f64::from(count)).collect()
}

fn search(request: &OptimiseRequest, candidates: &[Candidate]) -> Result<Optimum> {
    let priced = parallel::map(candidates, |candidate| price(request, candidate));
    let mut best: Option<PricedCandidate> = None;
    let (mut feasible, mut over_budget, mut over_stake) = (0, 0, 0);
    for outcome in priced {
        match outcome {
            Ok(candidate) => {
                feasible += 1;
                if best.is_none_or(|best| candidate.total_cost < best.total_cost) {
                    best = Some(candidate);
                }
            }
            Err(Unfit::Reexecution) => over_budget += 1,
            Err(Unfit::Stake) => over_stake += 1,
            Err(Unfit::HonestLoses) => {}
        }
    }
    let searched = candidates.len();
    best.map(|best| Optimum { best, searched, feasible }).ok_or_else(|| {
        let reason = if over_budget == searched {
            format!("all re-execute more than {} of the work", request.reexecution_budget)
        } else if over_budget + over_stake == searched {
            format!("all within the re-execution budget need a stake above {} fees", request.max_stake_fees)
        } else {
            "honest miners would lose money; the fee margin is too small".to_owned()
        };
        EconomicsError::Infeasible { searched, reason }
    })
}

/// A point of the frontier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FrontierPoint {
    /// The cheapest parameter set of this audit.
    pub point: PricedCandidate,
    /// Whether no other audit has both less re-execution and less stake.
    pub efficient: bool,
}

/// Audits against the stake they require: less of one costs more of the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frontier {
    /// One point for each audit, by rising re-execution.
    pub points: Vec<FrontierPoint>,
}

/// The trade-off between re-execution and stake, at the optimum's slash and gamma and without a re-execution budget.
///
/// # Errors
/// As [`optimise`].
pub fn frontier(request: &OptimiseRequest) -> Result<Frontier> {
    let best = optimise(request)?.best.candidate;
    let open = OptimiseRequest {
        reexecution_budget: 1.0,
        max_stake_fees: f64::MAX,
        full_audit_at_least_one_in: 0,
        ..*request
    };
    let candidates = open.candidates(&[best.slash], &[best.gamma]);
    let mut points: Vec<FrontierPoint> = parallel::map(&candidates, |candidate| price(&open, candidate))
        .into_iter()
        .flatten()
        .map(|point| FrontierPoint { point, efficient: false })
        .collect();
    points.sort_by(|a, b| {
        a.point
            .reexecution_share
            .total_cmp(&b.point.reexecution_share)
            .then(a.point.stake_fees.total_cmp(&b.point.stake_fees))
    });
    let mut least_stake = f64::INFINITY;
    for point in &mut points {
        point.efficient = point.point.stake_fees < least_stake;
        least_stake = least_stake.min(point.point.stake_fees);
    }
    Ok(Frontier { points })
}

/// The optimum under a changed assumption.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SensitivityRow {
    /// The assumption.
    pub assumption: String,
    /// Its value.
    pub value: f64,
    /// The optimum; none when nothing is feasible.
    pub optimum: Option<PricedCandidate>,
}

/// Halves and doubles every assumption in turn; the first row is the unchanged request.
///
/// # Errors
/// When the request itself is out of range.
pub fn sensitivity_of_optimum(request: &OptimiseRequest) -> Result<Vec<SensitivityRow>> {
    type Field = fn(&mut OptimiseRequest) -> &mut f64;
    let fields: [(&str, Field); 9] = [
        ("fee_margin", |request| &mut request.fee_margin),
        ("security_margin", |request| &mut request.security_margin),
        ("restitution_fees", |request| &mut request.restitution_fees),
        ("max_slash", |request| &mut request.max_slash),
        ("verification_cost_ratio", |request| &mut request.costs.verification_cost_ratio),
        ("capital_rate", |request| &mut request.costs.capital_rate),
        ("false_positive_per_check", |request| &mut request.costs.false_positive_per_check),
        ("lazy_share", |request| &mut request.costs.lazy_share),
        ("lazy_tampered_share", |request| &mut request.costs.lazy_tampered_share),
    ];
    request.check()?;
    let solved = |request: &OptimiseRequest| optimise(request).ok().map(|optimum| optimum.best);
    let mut rows = vec![SensitivityRow { assumption: "as given".to_owned(), value: 1.0, optimum: solved(request) }];
    for (name, field) in fields {
        for factor in [0.5, 2.0] {
            let mut changed = *request;
            *field(&mut changed) *= factor;
            let value = *field(&mut changed);
            rows.push(SensitivityRow { assumption: name.to_owned(), value, optimum: solved(&changed) });
        }
    }
    Ok(rows)
}
