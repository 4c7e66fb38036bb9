//! Figures of required stake and of the optimisation.

use super::types::{Axis, Figure, Lines, Panel, PanelKind, Series, Stroke};
use crate::error::Result;
use crate::optimise::{Frontier, PricedCandidate};
use crate::stake::{JobTerms, required_stake};

/// Required stake by the number of checks, a curve for each slash; in fees.
///
/// # Errors
/// When a term is out of range.
pub fn required_stake_figure(terms: &JobTerms, slashes: &[f64]) -> Result<Figure> {
    terms.check()?;
    let mut series = Vec::new();
    for (colour, &slash) in slashes.iter().enumerate() {
        let mut points = Vec::new();
        for checks in 1..=terms.steps {
            let mut here = JobTerms { slash, ..*terms };
            here.audit.checks = checks;
            if let Ok(requirement) = required_stake(&here) {
                points.push([f64::from(checks), requirement.stake / terms.fee]);
            }
        }
        series.push(Series::line(&format!("slash {slash:.2}"), colour, points).with(Stroke::Steps));
    }
    Ok(Figure {
        title: "Required stake".to_owned(),
        subtitle: format!(
            "Smallest stake, in fees, that makes every way to cheat a loss; jobs of {} steps, {:.1} % of them checked in full.",
            terms.steps,
            100.0 * terms.audit.full_audit_share
        ),
        panels: vec![Panel {
            title: String::new(),
            kind: PanelKind::Lines(Lines {
                x: Axis::linear("checked steps k").within(0.0, f64::from(terms.steps)),
                y: Axis::log("stake, fees"),
                series,
            }),
        }],
        columns: 1,
    })
}

/// Re-execution against required stake and against cost, with the optimum and what ships.
pub fn frontier_figure(frontier: &Frontier, optimum: &PricedCandidate, shipped: &PricedCandidate) -> Figure {
    let share = |point: &PricedCandidate| 100.0 * point.reexecution_share;
    let shown = |point: &&crate::optimise::FrontierPoint| share(&point.point) <= 50.0;
    let panel = |title: &str, y: Axis, of: fn(&PricedCandidate) -> f64, line: &str, stroke: Stroke| {
        let all = frontier.points.iter().filter(shown).map(|point| [share(&point.point), of(&point.point)]).collect();
        let efficient = frontier.points.iter().filter(shown).filter(|point| point.efficient);
        let efficient = efficient.map(|point| [share(&point.point), of(&point.point)]).collect();
        let mark = |name: &str, point: &PricedCandidate, colour| {
            Series::line(name, colour, vec![[share(point), of(point)]]).with(Stroke::Dots)
        };
        Panel {
            title: title.to_owned(),
            kind: PanelKind::Lines(Lines {
                x: Axis::linear("re-executed, % of the work").within(0.0, 50.0),
                y,
                series: vec![
                    Series::line("audits", 5, all).with(Stroke::Dots),
                    Series::line(line, 0, efficient).with(stroke),
                    mark("optimum", optimum, 1),
                    mark("shipped", shipped, 2),
                ],
            }),
        }
    };
    Figure {
        title: "Audits against stake".to_owned(),
        subtitle: "Each dot is one audit rule (k checks, one job in n in full), with the stake that makes every way to cheat a loss.".to_owned(),
        panels: vec![
            panel("Required stake", Axis::log("stake, fees"), |point| point.stake_fees, "least stake", Stroke::Steps),
            panel("Cost of deterrence", Axis::linear("share of a job's cost"), |point| point.total_cost, "cost on that frontier", Stroke::Solid),
        ],
        columns: 2,
    }
}
