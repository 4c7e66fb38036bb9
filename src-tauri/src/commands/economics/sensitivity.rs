//! `infernet economics sensitivity`.

use infernet_economics::figure;
use infernet_economics::parameters::StudyParameters;
use infernet_economics::reference::{SecurityGrid, SecurityPoint};
use infernet_economics::report::Table;
use infernet_economics::sensitivity::by_economy;
use serde_json::json;

use super::report;
use crate::cli::SensitivityArgs;
use crate::failure::Result;

pub(super) fn run(arguments: &SensitivityArgs) -> Result {
    report::check(&arguments.report)?;
    let parameters =
        StudyParameters { validator_share: arguments.validator_share.into(), ..StudyParameters::default() };
    let given =
        |values: &[f64], published: &[f64]| if values.is_empty() { published.to_vec() } else { values.to_vec() };
    let emissions = given(&arguments.emissions, &SecurityGrid::EMISSIONS);
    let step_costs = given(&arguments.step_costs, &SecurityGrid::STEP_COSTS);
    let at = SecurityPoint {
        emission: parameters.emission,
        cost_per_step: parameters.cost_per_step,
        alpha: arguments.alpha,
        slash: arguments.slash,
        gamma: arguments.gamma,
    };
    let rows = by_economy(&parameters, &emissions, &step_costs, &at)?;
    let mut table = Table::new(&[
        ("emission", "TAO/block"),
        ("cost_per_step", "TAO"),
        ("ev_honest", "TAO"),
        ("break_even_emission", "TAO/block"),
        ("ev_cheat", "TAO"),
        ("floor", "TAO"),
        ("ceiling", "TAO"),
        ("deterred", "share of grid"),
        ("viable", "share of grid"),
    ]);
    for row in &rows {
        table.push(vec![
            row.emission.into(),
            row.cost_per_step.into(),
            row.ev_honest.into(),
            row.break_even_emission.into(),
            row.at.security.ev_cheat.into(),
            row.at.floor.into(),
            row.at.ceiling.into(),
            row.deterred_share.into(),
            row.viable_share.into(),
        ]);
    }
    let losing = rows.iter().filter(|row| row.ev_honest < 0.0).count();
    let notes = [
        format!("honest work without deposits loses money in {losing} of {} economies", rows.len()),
        format!(
            "ev_cheat, floor and ceiling at alpha {}, slash {}, gamma {}",
            arguments.alpha, arguments.slash, arguments.gamma
        ),
    ];
    report::emit(&arguments.report, &json!({ "rows": rows }), &notes, &table, || {
        // Curves bend where a floor reaches 0, so they are drawn with more emissions than the table has.
        const POINTS: u32 = 28;
        let (low, high) = emissions
            .iter()
            .fold((f64::INFINITY, 0.0f64), |(low, high), &emission| (low.min(emission), high.max(emission)));
        let between = |index: u32| low + (high - low) * f64::from(index) / f64::from(POINTS);
        let dense: Vec<f64> = (0..=POINTS).map(between).collect();
        Ok(figure::economy_figure(&by_economy(&parameters, &dense, &step_costs, &at)?))
    })
}
