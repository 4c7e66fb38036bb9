//! Stage 2: what a user must deposit.

use serde::{Deserialize, Serialize};

use super::{ReferenceStudy, SecurityValue};
use crate::consensus::Consensus;
use crate::parameters::StudyParameters;
use crate::random::Pcg64;

/// Bounds of a user's deposit for one job, in TAO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DepositBounds {
    /// Stage 1 at the point.
    #[serde(flatten)]
    pub security: SecurityValue,
    /// Rank share of one honest miner after drift, R.
    pub rank_share: f64,
    /// Least deposit that covers a miner's cost beyond the emission; negative when the emission does.
    pub miner_term: f64,
    /// Least deposit that covers a validator's checks beyond the emission.
    pub validator_term: f64,
    /// The larger of both, at least 0.
    pub floor: f64,
    /// Largest deposit that leaves cheating a loss; none when every step is checked, since then any does.
    pub ceiling: Option<f64>,
    /// Whether cheating is a loss and the floor is not above the ceiling.
    pub viable: bool,
}

impl ReferenceStudy {
    /// R: the rank share of one honest miner whose weight drifted while the others' stayed. The study reads it from
    /// a stream of its own (weights first, no stakes), without a clip. An honest miner is never caught, so gamma has no part.
    pub fn rank_share(&self) -> f64 {
        let StudyParameters { miners, validators, kappa, drift, drift_target, drift_epochs, .. } = self.parameters;
        let mut consensus = Consensus::draw_even_stakes(&mut Pcg64::new(0), miners, validators, kappa);
        for _ in 0..drift_epochs {
            consensus.drift_one(0, drift, drift_target / consensus.miners() as f64);
        }
        consensus.mean_weight(0)
    }

    /// Stage 2 from stage 1's values.
    pub fn deposits(&self, values: Vec<SecurityValue>) -> Vec<DepositBounds> {
        let rank_share = self.rank_share();
        values.into_iter().map(|value| self.bounds(value, rank_share)).collect()
    }

    fn bounds(&self, security: SecurityValue, rank_share: f64) -> DepositBounds {
        let parameters = &self.parameters;
        let point = &security.point;
        let (steps, checks) = (f64::from(parameters.steps), f64::from(security.checks));
        let split = parameters.deposit_split;
        let miner_term = (steps * point.cost_per_step + parameters.gas
            - parameters.miner_share * point.emission * rank_share)
            / split;
        let per_validator = parameters.validator_emission_share() * point.emission / parameters.validators as f64;
        let validator_term = ((checks * point.cost_per_step - per_validator) / (1.0 - split)).max(0.0);
        let floor = miner_term.max(validator_term).max(0.0);
        let unchecked = 1.0 - checks / steps;
        let ceiling = (unchecked > 0.0).then(|| -security.ev_cheat / (unchecked * split));
        let viable = security.ev_cheat < 0.0 && ceiling.is_none_or(|ceiling| floor <= ceiling);
        DepositBounds { security, rank_share, miner_term, validator_term, floor, ceiling, viable }
    }
}
