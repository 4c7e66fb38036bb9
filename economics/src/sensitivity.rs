//! What the published study's conclusions owe to the emission and to the cost of a step.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::parameters::StudyParameters;
use crate::reference::{DepositBounds, ReferenceStudy, SecurityGrid, SecurityPoint};

/// The whole grid at one emission and step cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EconomyRow {
    /// Emission in TAO per block.
    pub emission: f64,
    /// Cost of a step in TAO.
    pub cost_per_step: f64,
    /// Discounted value of honest work without deposits.
    pub ev_honest: f64,
    /// Emission at which honest work breaks even at this step cost.
    pub break_even_emission: f64,
    /// Share of the grid where cheating is a loss.
    pub deterred_share: f64,
    /// Share of the grid that is viable: cheating a loss, and a deposit between floor and ceiling exists.
    pub viable_share: f64,
    /// Smallest and largest value of cheating on the grid.
    pub ev_cheat: [f64; 2],
    /// Smallest and largest deposit floor on the grid.
    pub floor: [f64; 2],
    /// The point that was asked for.
    pub at: DepositBounds,
}

/// Stages 1 and 2 over the grid for every emission and step cost.
///
/// # Errors
/// When a parameter is out of range or the grid is too large.
pub fn by_economy(
    parameters: &StudyParameters,
    emissions: &[f64],
    step_costs: &[f64],
    at: &SecurityPoint,
) -> Result<Vec<EconomyRow>> {
    let study = ReferenceStudy::new(parameters.clone())?;
    let grid = SecurityGrid {
        emission: emissions.to_vec(),
        cost_per_step: step_costs.to_vec(),
        ..SecurityGrid::published(parameters.emission, parameters.cost_per_step)
    };
    let points = grid.len() / (emissions.len() * step_costs.len()).max(1);
    let bounds = study.deposits(study.sweep(&grid)?);
    bounds.chunks(points.max(1)).map(|bounds| row(&study, bounds, at)).collect()
}

fn row(study: &ReferenceStudy, bounds: &[DepositBounds], at: &SecurityPoint) -> Result<EconomyRow> {
    // A chunk of a grid that was swept is never empty.
    let SecurityPoint { emission, cost_per_step, .. } = bounds[0].security.point;
    let value = study.security(&SecurityPoint { emission, cost_per_step, ..*at })?;
    let share = |fits: &dyn Fn(&DepositBounds) -> bool| {
        bounds.iter().filter(|bounds| fits(bounds)).count() as f64 / bounds.len() as f64
    };
    let range = |of: &dyn Fn(&DepositBounds) -> f64| {
        bounds
            .iter()
            .map(of)
            .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| [low.min(value), high.max(value)])
    };
    let parameters = StudyParameters { cost_per_step, ..study.parameters().clone() };
    Ok(EconomyRow {
        emission,
        cost_per_step,
        ev_honest: value.ev_honest,
        break_even_emission: parameters.break_even_emission(),
        deterred_share: share(&|bounds| bounds.security.ev_cheat < 0.0),
        viable_share: share(&|bounds| bounds.viable),
        ev_cheat: range(&|bounds| bounds.security.ev_cheat),
        floor: range(&|bounds| bounds.floor),
        at: study.deposits(vec![value]).remove(0),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_what_their_points_say() {
        let parameters = StudyParameters::default();
        let study = ReferenceStudy::new(parameters.clone()).unwrap();
        let at = study.point(0.3, 0.1, 0.8);
        let rows = by_economy(&parameters, &SecurityGrid::EMISSIONS, &SecurityGrid::STEP_COSTS, &at).unwrap();
        assert_eq!(rows.len(), 20);
        let row = rows
            .iter()
            .find(|row| row.emission > 0.0049 && row.emission < 0.0051 && row.cost_per_step < 4.5e-6)
            .unwrap();
        let alone = study.security(&SecurityPoint { cost_per_step: 4e-6, ..at }).unwrap();
        assert_eq!(row.at.security, alone);
        assert!(row.ev_cheat[0] <= alone.ev_cheat && alone.ev_cheat <= row.ev_cheat[1]);
        // Honest work gets better with emission and worse with cost; break-even is where it is 0.
        assert!(rows.windows(2).take(4).all(|pair| pair[1].ev_honest < pair[0].ev_honest));
        assert!((parameters.honest_value(parameters.break_even_emission(), parameters.cost_per_step)).abs() < 1e-15);
    }
}
