//! What a user must deposit for a job on the network, which lives of its fees: the published study's stage 2 without emission.

use serde::{Deserialize, Serialize};

use crate::check;
use crate::error::Result;
use crate::parameters::{NetworkParameters, TypicalJob};
use crate::stake::{JobTerms, StakeRequirement, required_stake};

/// Bounds of a deposit, in the job's unit of money.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NetworkDeposits {
    /// Trust of the miner.
    pub trust: f64,
    /// Checked steps.
    pub checks: u32,
    /// Least deposit whose miner's part covers the work and the settlement.
    pub miner_term: f64,
    /// Least deposit whose validators' part covers the checks.
    pub validator_term: f64,
    /// The larger of both.
    pub floor: f64,
    /// The floor of the miner with the network's margin on top.
    pub suggested: f64,
    /// Largest deposit at which the stake still makes every way to cheat a loss; none when every deposit does.
    pub ceiling: Option<f64>,
    /// The stake that is locked.
    pub stake: f64,
    /// The stake that the suggested deposit requires.
    pub required: StakeRequirement,
    /// Whether the suggested deposit is between floor and ceiling.
    pub viable: bool,
}

/// Bounds of the deposit for a miner of this trust that locks `stake`; the required stake when none.
///
/// # Errors
/// When a parameter is out of range, or no stake suffices.
pub fn network_deposits(
    network: &NetworkParameters,
    job: &TypicalJob,
    trust: f64,
    stake: Option<f64>,
) -> Result<NetworkDeposits> {
    network.check()?;
    job.check()?;
    check::share("trust", trust)?;
    let terms = JobTerms::of_network(network, job, trust);
    let required = required_stake(&terms)?;
    let stake = check::amount("stake", stake.unwrap_or(required.stake))?;
    let split = network.deposit_split;
    let miner_term = (job.cost + job.settlement) / split;
    let validator_term = job.cost * terms.audit.reexecution_share(job.steps) / (1.0 - split);
    let floor = miner_term.max(validator_term);
    let suggested = terms.fee / split;
    let ceiling = largest_fee(&terms, stake * network.slash).map(|fee| fee / split);
    // The ceiling of the required stake is the suggested deposit itself, but for rounding.
    let below = |ceiling: f64| suggested <= ceiling * (1.0 + 1e-9);
    let viable = floor <= suggested && ceiling.is_none_or(below);
    Ok(NetworkDeposits {
        trust,
        checks: terms.audit.checks,
        miner_term,
        validator_term,
        floor,
        suggested,
        ceiling,
        stake,
        required,
        viable,
    })
}

/// The largest fee at which every way to cheat is a loss with the margin: `(1-p+margin) R <= c (T-m) + g + p a` for every m.
fn largest_fee(terms: &JobTerms, slashed: f64) -> Option<f64> {
    let bound = |tampered: u32| {
        let caught = terms.audit.detection(terms.steps, tampered);
        let kept = 1.0 - caught + terms.margin;
        let spent = terms.cost_per_step * f64::from(terms.steps - tampered) + terms.settlement;
        (kept > 0.0).then(|| (spent + caught * slashed) / kept)
    };
    (1..=terms.steps).filter_map(bound).fold(None, |least, fee| Some(least.map_or(fee, |least: f64| least.min(fee))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn at_the_ceiling_cheating_is_worth_the_margin_less_than_nothing() {
        let (network, job) = (NetworkParameters::default(), TypicalJob::default());
        for trust in [0.0, 0.5, 1.0] {
            let bounds = network_deposits(&network, &job, trust, None).unwrap();
            assert!(bounds.viable && bounds.floor < bounds.suggested, "{bounds:?}");
            let mut terms = JobTerms::of_network(&network, &job, trust);
            terms.fee = bounds.ceiling.unwrap() * network.deposit_split;
            let best = terms.best_cheat(bounds.stake * network.slash).1;
            assert!((best + terms.margin * terms.fee).abs() < 1e-6 * terms.fee, "{best} {bounds:?}");
        }
    }

    #[test]
    fn a_smaller_stake_lowers_the_ceiling_and_breaks_viability() {
        let (network, job) = (NetworkParameters::default(), TypicalJob::default());
        let enough = network_deposits(&network, &job, 1.0, None).unwrap();
        let little = network_deposits(&network, &job, 1.0, Some(enough.stake / 2.0)).unwrap();
        assert!(little.ceiling.unwrap() < enough.ceiling.unwrap() && !little.viable);
        assert!(network_deposits(&network, &job, 1.0, Some(f64::NAN)).is_err());
        assert!(network_deposits(&network, &job, -1.0, None).is_err());
    }
}
