//! Grids of points.

use serde::{Deserialize, Serialize};

use super::SecurityPoint;
use crate::check;
use crate::error::{EconomicsError, Result};

/// Values along every axis; the grid is their product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecurityGrid {
    /// Emissions in TAO per block.
    pub emission: Vec<f64>,
    /// Step costs in TAO.
    pub cost_per_step: Vec<f64>,
    /// Trust losses.
    pub gamma: Vec<f64>,
    /// Audit rates.
    pub alpha: Vec<f64>,
    /// Slashed shares.
    pub slash: Vec<f64>,
}

impl SecurityGrid {
    /// The study's 4 x 11 x 13 points at one emission and step cost.
    pub fn published(emission: f64, cost_per_step: f64) -> Self {
        // Whole hundredths divided, so that 0.15 is the number 0.15 and not its neighbour, whose 4.5 checks round otherwise.
        let hundredths = |from: u32, count: u32| (0..count).map(|index| f64::from(from + 5 * index) / 100.0).collect();
        Self {
            emission: vec![emission],
            cost_per_step: vec![cost_per_step],
            gamma: vec![0.0, 0.5, 0.8, 1.0],
            alpha: hundredths(10, 11),
            slash: hundredths(0, 13),
        }
    }

    /// The emissions of the study's sensitivity analysis, in TAO per block.
    pub const EMISSIONS: [f64; 4] = [0.003, 0.005, 0.007, 0.010];

    /// The step costs of the study's sensitivity analysis, in TAO.
    pub const STEP_COSTS: [f64; 5] = [4e-6, 5e-6, 6.2e-6, 8e-6, 10e-6];

    /// One point.
    pub fn of_point(point: &SecurityPoint) -> Self {
        Self {
            emission: vec![point.emission],
            cost_per_step: vec![point.cost_per_step],
            gamma: vec![point.gamma],
            alpha: vec![point.alpha],
            slash: vec![point.slash],
        }
    }

    /// Points of the grid.
    #[allow(clippy::len_without_is_empty)] // a grid without points does not pass `check`
    pub fn len(&self) -> usize {
        self.emission.len() * self.cost_per_step.len() * self.gamma.len() * self.alpha.len() * self.slash.len()
    }

    pub(super) fn check(&self) -> Result<()> {
        let axes: [(&'static str, &Vec<f64>, bool); 5] = [
            ("emission", &self.emission, false),
            ("cost_per_step", &self.cost_per_step, false),
            ("gamma", &self.gamma, true),
            ("alpha", &self.alpha, true),
            ("slash", &self.slash, true),
        ];
        for (name, values, is_share) in axes {
            if values.is_empty() {
                return Err(EconomicsError::parameter(name, "an empty list", "at least one value"));
            }
            for &value in values {
                if is_share {
                    check::share(name, value)?
                } else {
                    check::amount(name, value)?
                };
            }
        }
        Ok(())
    }
}
