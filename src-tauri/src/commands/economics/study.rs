//! The published study with the constants that were asked for.

use infernet_economics::parameters::{StudyParameters, ValidatorShare};
use infernet_economics::reference::SecurityGrid;

use crate::cli::{StudyArgs, ValidatorShareArg};

impl From<ValidatorShareArg> for ValidatorShare {
    fn from(share: ValidatorShareArg) -> Self {
        match share {
            ValidatorShareArg::CostStudy => ValidatorShare::CostStudy,
            ValidatorShareArg::SensitivityStudy => ValidatorShare::SensitivityStudy,
        }
    }
}

pub(super) fn parameters(arguments: &StudyArgs, steps: Option<u32>) -> StudyParameters {
    let published = StudyParameters::default();
    StudyParameters {
        steps: steps.unwrap_or(published.steps),
        cost_per_step: arguments.cost_per_step.unwrap_or(published.cost_per_step),
        gas: arguments.gas.unwrap_or(published.gas),
        emission: arguments.emission.unwrap_or(published.emission),
        miner_share: arguments.miner_share.unwrap_or(published.miner_share),
        validator_share: arguments.validator_share.map_or(published.validator_share, Into::into),
        miners: arguments.miners.unwrap_or(published.miners),
        validators: arguments.validators.unwrap_or(published.validators),
        discount: arguments.discount.unwrap_or(published.discount),
        ..published
    }
}

/// The study's grid, with the axes that were given cut to that value.
pub(super) fn grid(
    parameters: &StudyParameters,
    alpha: Option<f64>,
    slash: Option<f64>,
    gamma: Option<f64>,
) -> SecurityGrid {
    let mut grid = SecurityGrid::published(parameters.emission, parameters.cost_per_step);
    for (axis, value) in [(&mut grid.alpha, alpha), (&mut grid.slash, slash), (&mut grid.gamma, gamma)] {
        if let Some(value) = value {
            *axis = vec![value];
        }
    }
    grid
}
