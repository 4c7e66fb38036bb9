//! Whole heat maps at once, quickly enough to follow a slider.

use serde::{Deserialize, Serialize};

use super::value::Shares;
use super::{ModelParameters, ModelValue};
use crate::check;
use crate::error::{EconomicsError, Result};
use crate::stake::required_stake;

/// Most cells of a map.
const MOST_CELLS: usize = 250_000;

/// A parameter along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeatMapAxis {
    /// Share of a job's steps that are checked, alpha: `max(1, ceil(alpha T))` checks.
    AuditRate,
    /// Share of the stake that is slashed.
    Slash,
    /// Share of the weight that is lost, gamma.
    TrustDecay,
    /// Stake locked for a job.
    Stake,
    /// Fee of a job.
    Fee,
    /// Emission of an epoch.
    Emission,
    /// Share of ordinary jobs that are audited.
    AuditedJobShare,
}

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeatMapQuantity {
    /// Discounted value of the best cheat.
    Cheat,
    /// Discounted honest value minus the best cheat's.
    HonestMinusCheat,
    /// Expected value of the best cheat in one job.
    CheatPerJob,
    /// Required stake.
    RequiredStake,
}

/// A heat map to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeatMapRequest {
    /// Everything that is not on an axis.
    pub base: ModelParameters,
    /// Horizontal axis.
    pub x_axis: HeatMapAxis,
    /// Its values.
    pub x: Vec<f64>,
    /// Vertical axis.
    pub y_axis: HeatMapAxis,
    /// Its values.
    pub y: Vec<f64>,
    /// What is shown.
    pub quantity: HeatMapQuantity,
}

/// A computed heat map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeatMap {
    /// Horizontal axis.
    pub x: Vec<f64>,
    /// Vertical axis.
    pub y: Vec<f64>,
    /// `(y, x)`; none where no answer exists (no stake suffices).
    pub cells: Vec<Vec<Option<f64>>>,
}

/// Computes a whole map. A map of 11 x 13 cells of 30-step jobs takes milliseconds (see the crate's bench).
///
/// # Errors
/// When a parameter is out of range, an axis is empty or given twice, or the map is too large.
pub fn heat_map(request: &HeatMapRequest) -> Result<HeatMap> {
    for (name, values) in [("x", &request.x), ("y", &request.y)] {
        if values.is_empty() {
            return Err(EconomicsError::parameter(name, "an empty list", "at least one value"));
        }
    }
    if request.x_axis == request.y_axis {
        return Err(EconomicsError::parameter("y_axis", "the same as x_axis", "another parameter"));
    }
    check::work("this heat map", &[request.x.len(), request.y.len()], MOST_CELLS as u128)?;
    let mut shares = Shares::default();
    let mut cells = Vec::with_capacity(request.y.len());
    for &y in &request.y {
        let mut row = Vec::with_capacity(request.x.len());
        for &x in &request.x {
            let mut model = request.base;
            set(&mut model, request.y_axis, y)?;
            set(&mut model, request.x_axis, x)?;
            model.check()?;
            row.push(cell(&mut shares, &model, request.quantity)?);
        }
        cells.push(row);
    }
    Ok(HeatMap { x: request.x.clone(), y: request.y.clone(), cells })
}

fn cell(shares: &mut Shares, model: &ModelParameters, quantity: HeatMapQuantity) -> Result<Option<f64>> {
    let of = |pick: fn(&ModelValue) -> f64, shares: &mut Shares| Some(pick(&shares.values(model)));
    Ok(match quantity {
        HeatMapQuantity::Cheat => of(|value| value.best_cheat.value, shares),
        HeatMapQuantity::HonestMinusCheat => of(|value| value.honest_advantage, shares),
        HeatMapQuantity::CheatPerJob => Some(model.job.best_cheat(model.slashed()).1),
        HeatMapQuantity::RequiredStake => match required_stake(&model.job) {
            Ok(requirement) => Some(requirement.stake),
            Err(EconomicsError::NoStakeSuffices { .. }) => None,
            Err(other) => return Err(other),
        },
    })
}

fn set(model: &mut ModelParameters, axis: HeatMapAxis, value: f64) -> Result<()> {
    match axis {
        HeatMapAxis::AuditRate => {
            check::share("audit_rate", value)?;
            let steps = model.job.steps;
            // As the network's policy: never fewer checks than the rate says.
            model.job.audit.checks = ((value * f64::from(steps) - 1e-9).ceil().max(1.0) as u32).min(steps);
        }
        HeatMapAxis::Slash => model.job.slash = value,
        HeatMapAxis::TrustDecay => model.gamma = value,
        HeatMapAxis::Stake => model.stake = value,
        HeatMapAxis::Fee => model.job.fee = value,
        HeatMapAxis::Emission => model.emission = value,
        HeatMapAxis::AuditedJobShare => model.job.audit.audited_job_share = value,
    }
    Ok(())
}
