//! Figure of a population.

use super::types::{Axis, Figure, Lines, Panel, PanelKind, Series};
use crate::population::{KindSample, MinerKind, Population, PopulationParameters};

/// Trust, earnings, jobs and solvency of every kind over time.
pub fn population_figure(population: &Population, parameters: &PopulationParameters) -> Figure {
    let colour = |kind: MinerKind| [2, 1, 4, 3][kind as usize];
    let epochs = parameters.epochs as f64;
    let curves = |of: &dyn Fn(&KindSample, f64) -> f64| {
        let series = population.summaries.iter().map(|summary| {
            let mut before = 0.0;
            let points = population.samples.iter().filter_map(|sample| {
                let epoch = sample.epoch as f64;
                let kind = sample.kinds.iter().find(|kind| kind.kind == summary.kind)?;
                let value = of(kind, epoch - before);
                before = epoch;
                Some([epoch, value])
            });
            Series::line(summary.kind.name(), colour(summary.kind), points.collect())
        });
        series.collect::<Vec<_>>()
    };
    let panel = |title: &str, y: Axis, of: &dyn Fn(&KindSample, f64) -> f64| Panel {
        title: title.to_owned(),
        kind: PanelKind::Lines(Lines { x: Axis::linear("epoch").within(0.0, epochs), y, series: curves(of) }),
    };
    let counts: Vec<String> =
        population.summaries.iter().map(|summary| format!("{} {}", summary.miners, summary.kind.name())).collect();
    Figure {
        title: format!("{} miners over {} epochs", parameters.miners, parameters.epochs),
        subtitle: format!(
            "Means of each kind: {}. {:.2} % of all paid clips were bad.",
            counts.join(", "),
            100.0 * population.bad_share
        ),
        panels: vec![
            panel("Trust", Axis::linear("mean trust").within(0.0, 1.0), &|kind, _| kind.trust),
            panel("Earnings after the cost of work", Axis::linear("fees per miner"), &|kind, _| kind.net_fees),
            panel("Work", Axis::linear("jobs per miner and epoch"), &|kind, epochs| {
                kind.jobs_per_miner / epochs.max(1.0)
            }),
            panel("Can still lock the stake", Axis::linear("% of miners").within(0.0, 100.0), &|kind, _| {
                100.0 * kind.working_share
            }),
        ],
        columns: 2,
    }
}
