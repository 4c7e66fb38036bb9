//! Exact values: the cheater's expected weight by backward induction.
//!
//! With even weights elsewhere the cheater's share of the weight, `x`, is all that matters. An epoch is worth
//! `(1-p)(R + E x) - c (T-m) - g - p f s`, and `x` moves to one of two places: all of the money is linear in `x`, so that
//! everything but the expected discounted share is a closed form, and that share depends on `p` and gamma alone.

use serde::{Deserialize, Serialize};

use super::ModelParameters;
use crate::error::Result;

/// Points of the share's grid; the value is concave and nearly straight in between (tested against four times as many).
const GRID: usize = 65;

/// Discounted value of one strategy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StrategyValue {
    /// Tampered steps in every job; 0 is honest.
    pub tampered: u32,
    /// Chance to be caught in a job.
    pub detection: f64,
    /// Expected value of one job at the start's weight.
    pub per_job: f64,
    /// Discounted value over the horizon.
    pub value: f64,
}

/// Every strategy's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelValue {
    /// The honest miner.
    pub honest: StrategyValue,
    /// The cheater that tampers with m steps, for m from 1 to T.
    pub cheating: Vec<StrategyValue>,
    /// The best of [`Self::cheating`].
    pub best_cheat: StrategyValue,
    /// Honest value minus the best cheat's.
    pub honest_advantage: f64,
}

/// Values of all strategies with even weights at the start.
///
/// # Errors
/// When a parameter is out of range.
pub fn expected_values(model: &ModelParameters) -> Result<ModelValue> {
    model.check()?;
    Ok(Shares::default().values(model))
}

/// Discounted expected shares, remembered by what they depend on.
#[derive(Debug, Default)]
pub(super) struct Shares {
    key: Option<[u64; 6]>,
    known: std::collections::HashMap<u64, f64>,
}

impl Shares {
    /// Values of all strategies of a checked model.
    pub(super) fn values(&mut self, model: &ModelParameters) -> ModelValue {
        let honest = self.strategy(model, 0);
        let cheating: Vec<_> = (1..=model.job.steps).map(|tampered| self.strategy(model, tampered)).collect();
        let best = cheating.iter().fold(cheating[0], |best, next| if next.value > best.value { *next } else { best });
        ModelValue { honest, best_cheat: best, honest_advantage: honest.value - best.value, cheating }
    }

    fn strategy(&mut self, model: &ModelParameters, tampered: u32) -> StrategyValue {
        let detection = model.job.audit.detection(model.job.steps, tampered);
        let fees = model.job.value(tampered, model.slashed());
        let emission = (1.0 - detection) * model.emission;
        let per_job = fees + emission / model.miners as f64;
        let shares = if model.emission > 0.0 { self.discounted(model, detection) } else { 0.0 };
        StrategyValue { tampered, detection, per_job, value: fees * model.discounted_epochs() + emission * shares }
    }

    /// The sum over epochs of `discount^t E[x_t]`, from an even start.
    fn discounted(&mut self, model: &ModelParameters, detection: f64) -> f64 {
        let key = [
            model.gamma.to_bits(),
            model.drift.to_bits(),
            model.drift_target.to_bits(),
            model.discount.to_bits(),
            model.miners as u64,
            model.epochs as u64,
        ];
        if self.key != Some(key) {
            self.known.clear();
            self.key = Some(key);
        }
        *self.known.entry(detection.to_bits()).or_insert_with(|| discounted_shares(model, detection, GRID))
    }
}

/// Backward induction on `points` shares from 0 to the even one (a cheater is never above it, since honest miners drift too).
fn discounted_shares(model: &ModelParameters, detection: f64, points: usize) -> f64 {
    let even = 1.0 / model.miners as f64;
    let others = |share: f64| {
        (1.0 - model.drift) * (1.0 - share) + model.drift * model.drift_target * even * (model.miners - 1) as f64
    };
    let normalised = |own: f64, share: f64| if own > 0.0 { own / (own + others(share)) } else { 0.0 };
    let spacing = even / (points - 1) as f64;
    let share_at = |index: usize| index as f64 * spacing;
    // Where each point goes, as (index below, weight of the one above).
    let place = |share: f64| {
        let position = (share / spacing).clamp(0.0, (points - 1) as f64);
        let below = (position as usize).min(points - 2);
        (below, position - below as f64)
    };
    let moves: Vec<_> = (0..points)
        .map(|index| {
            let share = share_at(index);
            let caught = normalised(share * (1.0 - model.gamma), share);
            let drifted = (1.0 - model.drift) * share + model.drift * model.drift_target * even;
            (place(caught), place(normalised(drifted, share)))
        })
        .collect();
    let mut value = vec![0.0; points];
    let mut next = vec![0.0; points];
    let mut left = 1.0;
    for _ in 0..model.epochs {
        for (index, (caught, free)) in moves.iter().enumerate() {
            let at = |(below, weight): (usize, f64)| value[below] + weight * (value[below + 1] - value[below]);
            next[index] = share_at(index) + model.discount * (detection * at(*caught) + (1.0 - detection) * at(*free));
        }
        std::mem::swap(&mut value, &mut next);
        left *= model.discount;
        // What further epochs add is below any digit that is shown.
        if left < 1e-15 {
            break;
        }
    }
    value[points - 1]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::parameters::StudyParameters;

    fn model(alpha: f64, slash: f64, gamma: f64) -> ModelParameters {
        ModelParameters::of_study(&StudyParameters::default(), alpha, slash, gamma).unwrap()
    }

    #[test]
    fn the_grid_is_fine_enough() {
        for gamma in [0.0, 0.3, 0.8, 1.0] {
            for detection in [0.0, 0.05, 0.4, 0.9, 1.0] {
                let model = model(0.3, 0.1, gamma);
                let (coarse, fine) =
                    (discounted_shares(&model, detection, GRID), discounted_shares(&model, detection, 4 * GRID));
                assert!((coarse / fine - 1.0).abs() < 1e-4, "gamma {gamma}, p {detection}: {coarse} {fine}");
            }
        }
    }

    #[test]
    fn never_caught_or_never_punished_keeps_the_even_share() {
        let expected = model(0.3, 0.1, 0.0).discounted_epochs() / 10.0;
        assert!((discounted_shares(&model(0.3, 0.1, 1.0), 0.0, GRID) / expected - 1.0).abs() < 1e-9);
        let lost = discounted_shares(&model(0.3, 0.1, 1.0), 1.0, GRID);
        assert!((lost - 0.1).abs() < 1e-9, "everything but the first epoch is lost: {lost}");
    }

    #[test]
    fn an_honest_miner_gets_the_geometric_sum() {
        let study = StudyParameters::default();
        let value = expected_values(&model(0.3, 0.1, 0.8)).unwrap();
        let expected = study.honest_value(study.emission, study.cost_per_step);
        assert!((value.honest.value / expected - 1.0).abs() < 1e-6, "{} {expected}", value.honest.value);
    }

    #[test]
    fn remembered_shares_are_not_used_for_another_model() {
        let (first, second) = (model(0.3, 0.1, 0.2), model(0.3, 0.1, 0.9));
        let mut shares = Shares::default();
        shares.values(&first);
        assert_eq!(shares.values(&second), Shares::default().values(&second));
    }
}
