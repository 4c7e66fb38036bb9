//! Figures of cost.

use super::types::{Axis, Bar, Bars, Figure, Lines, Panel, PanelKind, Series, Stroke};
use crate::cost::{ClipCost, CostComparison};

/// Cost of a clip on every GPU and in every cloud, by parts, in US cents.
pub fn cost_bars(comparison: &CostComparison) -> Figure {
    let bar = |cost: &ClipCost| Bar {
        name: format!("{} ({})", cost.name, cost.figures.name()),
        parts: cost.parts().iter().map(|part| 100.0 * part).collect(),
        colour: if cost.cloud { 1 } else { 0 },
    };
    let bars = |costs: &[ClipCost]| costs.iter().map(bar).collect::<Vec<_>>();
    let most = comparison.network.iter().chain(&comparison.cloud).map(|cost| 100.0 * cost.total).fold(0.0, f64::max);
    let panel = |title: &str, costs: &[ClipCost], parts: &[&str]| Panel {
        title: title.to_owned(),
        kind: PanelKind::Bars(Bars {
            x: Axis::linear("US cents a clip").within(0.0, most * 1.02),
            bars: bars(costs),
            parts: parts.iter().map(|&part| part.to_owned()).collect(),
        }),
    };
    Figure {
        title: "A clip on the network and in the cloud".to_owned(),
        subtitle: format!(
            "{} steps of {}; electricity at {:.2} USD/kWh. Prices and most step times are estimates, labelled as such.",
            comparison.steps, comparison.model, comparison.usd_per_kwh
        ),
        panels: vec![
            panel(
                "Network: what the requester pays",
                &comparison.network,
                &["electricity", "miner's margin", "validators' checks", "validators' margin", "settlement"],
            ),
            panel("Cloud: rent", &comparison.cloud, &["rent"]),
        ],
        columns: 1,
    }
}

/// Cost by number of steps: `(steps, network, cloud)` in US dollars.
pub fn cost_steps(rows: &[(u32, f64, f64)], gpu: &str) -> Figure {
    let curve = |of: fn(&(u32, f64, f64)) -> f64| rows.iter().map(|row| [f64::from(row.0), 100.0 * of(row)]).collect();
    Figure {
        title: "Cost of a clip by its number of steps".to_owned(),
        subtitle: format!(
            "{gpu} on the network, with fee and checks, against the cheapest cloud offer of the table. Whole steps are checked: a staircase."
        ),
        panels: vec![Panel {
            title: String::new(),
            kind: PanelKind::Lines(Lines {
                x: Axis::linear("denoising steps T").within(0.0, rows.last().map_or(1.0, |row| f64::from(row.0))),
                y: Axis::linear("US cents a clip"),
                series: vec![
                    Series::line("network", 0, curve(|row| row.1)).with(Stroke::Steps),
                    Series::line("cheapest cloud", 1, curve(|row| row.2)).with(Stroke::Steps),
                ],
            }),
        }],
        columns: 1,
    }
}
