//! Figures of stages 1 and 2 and of the model.

use super::types::{Axis, Figure, HeatPanel, Lines, Panel, PanelKind, Scale, Series, Stroke};
use crate::model::{HeatMap, ModelValue, SimulatedValue};
use crate::reference::{DepositBounds, SecurityValue};
use crate::report::short_number;
use crate::sensitivity::EconomyRow;

/// Values in the order they first appear.
fn distinct(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut found: Vec<f64> = Vec::new();
    for value in values {
        if !found.iter().any(|known| known.to_bits() == value.to_bits()) {
            found.push(value);
        }
    }
    found
}

/// One heat map of alpha and slash for each gamma; of the first emission and step cost in the values.
fn maps<T>(
    values: &[T],
    of: impl Fn(&T) -> (&SecurityValue, Option<f64>),
    value_label: &str,
    scale: Scale,
) -> Vec<Panel> {
    let Some(first) = values.first() else { return Vec::new() };
    let economy = of(first).0.point;
    let here: Vec<_> = values
        .iter()
        .map(of)
        .filter(|(value, _)| {
            value.point.emission.to_bits() == economy.emission.to_bits()
                && value.point.cost_per_step.to_bits() == economy.cost_per_step.to_bits()
        })
        .collect();
    let x = distinct(here.iter().map(|(value, _)| value.point.alpha));
    let y = distinct(here.iter().map(|(value, _)| value.point.slash));
    let at = |gamma: f64, alpha: f64, slash: f64| {
        let fits = |value: &SecurityValue| {
            [(value.point.gamma, gamma), (value.point.alpha, alpha), (value.point.slash, slash)]
                .iter()
                .all(|(a, b)| a.to_bits() == b.to_bits())
        };
        here.iter().find(|(value, _)| fits(value)).and_then(|(_, shown)| *shown)
    };
    let panel = |gamma: f64| {
        let row = |&slash: &f64| x.iter().map(|&alpha| at(gamma, alpha, slash)).collect();
        let map = HeatPanel {
            x_label: "audit rate α".to_owned(),
            y_label: "slashed share f".to_owned(),
            cells: y.iter().map(row).collect(),
            x: x.clone(),
            y: y.clone(),
            value_label: value_label.to_owned(),
            scale,
        };
        Panel { title: format!("trust loss γ = {}", short_number(gamma)), kind: PanelKind::HeatMap(map) }
    };
    distinct(here.iter().map(|(value, _)| value.point.gamma)).into_iter().map(panel).collect()
}

fn economy(value: &SecurityValue) -> String {
    format!(
        "emission {} TAO per block, {} TAO a step",
        short_number(value.point.emission),
        short_number(value.point.cost_per_step)
    )
}

/// Stage 1: value of the best way to cheat.
pub fn security_maps(values: &[SecurityValue]) -> Figure {
    let panels = maps(values, |value| (value, Some(value.ev_cheat)), "value of cheating, TAO", Scale::Diverging);
    let about = values.first().map(economy).unwrap_or_default();
    Figure {
        title: "Published study, stage 1: is cheating ever rational?".to_owned(),
        subtitle: format!(
            "Discounted value of the best way to cheat, all miners cheating at once; below 0 it does not pay; {about}."
        ),
        columns: panels.len().clamp(1, 2),
        panels,
    }
}

/// Stage 2: the room between deposit floor and ceiling.
pub fn deposit_maps(bounds: &[DepositBounds]) -> Figure {
    let panels = maps(
        bounds,
        |bounds| (&bounds.security, bounds.ceiling.map(|ceiling| ceiling - bounds.floor)),
        "ceiling minus floor of the deposit, TAO",
        Scale::Sequential,
    );
    let about = bounds.first().map(|bounds| economy(&bounds.security)).unwrap_or_default();
    Figure {
        title: "Published study, stage 2: which deposits work?".to_owned(),
        subtitle: format!(
            "Room between the least deposit that pays everybody and the largest that leaves cheating a loss; {about}."
        ),
        columns: panels.len().clamp(1, 2),
        panels,
    }
}

/// A heat map of the model.
pub fn model_map(map: &HeatMap, title: &str, subtitle: &str, labels: [&str; 3], scale: Scale) -> Figure {
    let [x_label, y_label, value_label] = labels.map(str::to_owned);
    let panel = HeatPanel {
        x_label,
        x: map.x.clone(),
        y_label,
        y: map.y.clone(),
        cells: map.cells.clone(),
        value_label,
        scale,
    };
    Figure {
        title: title.to_owned(),
        subtitle: subtitle.to_owned(),
        panels: vec![Panel { title: String::new(), kind: PanelKind::HeatMap(panel) }],
        columns: 1,
    }
}

/// Value of every way to cheat against the number of tampered steps, exactly and simulated.
pub fn strategy_values(exact: &ModelValue, simulated: &[SimulatedValue], unit: &str, subtitle: &str) -> Figure {
    let points = exact.cheating.iter().map(|value| [f64::from(value.tampered), value.value]).collect();
    let mut series = vec![Series::line("one miner cheats, exact", 1, points)];
    if !simulated.is_empty() {
        series.push(Series {
            name: "simulated, 95 % interval".to_owned(),
            points: simulated.iter().map(|value| [f64::from(value.tampered), value.cheat.mean]).collect(),
            band: simulated.iter().map(|value| [value.cheat.low, value.cheat.high]).collect(),
            stroke: Stroke::Dots,
            colour: 0,
        });
    }
    let most = exact.cheating.len() as f64;
    let honest = vec![[1.0, exact.honest.value], [most.max(1.0), exact.honest.value]];
    series.push(Series::line("the same miner, honest", 2, honest).with(Stroke::Dashed));
    Figure {
        title: "Value of cheating by the number of tampered steps".to_owned(),
        subtitle: subtitle.to_owned(),
        panels: vec![Panel {
            title: String::new(),
            kind: PanelKind::Lines(Lines {
                x: Axis::linear("tampered steps m"),
                y: Axis::linear(&format!("discounted value, {unit}")),
                series,
            }),
        }],
        columns: 1,
    }
}

/// Honest value and deposit floor by emission, one curve for each step cost.
pub fn economy_figure(rows: &[EconomyRow]) -> Figure {
    let costs = distinct(rows.iter().map(|row| row.cost_per_step));
    let curves = |of: fn(&EconomyRow) -> f64| {
        let series = costs.iter().enumerate().map(|(colour, cost)| {
            let points = rows.iter().filter(|row| row.cost_per_step.to_bits() == cost.to_bits());
            let name = format!("{} TAO a step", short_number(*cost));
            Series::line(&name, colour, points.map(|row| [row.emission, of(row)]).collect())
        });
        series.collect::<Vec<_>>()
    };
    let panel = |title: &str, label: &str, of: fn(&EconomyRow) -> f64| Panel {
        title: title.to_owned(),
        kind: PanelKind::Lines(Lines {
            x: Axis::linear("emission, TAO per block"),
            y: Axis::linear(label),
            series: curves(of),
        }),
    };
    Figure {
        title: "Published study: what emission and step cost change".to_owned(),
        subtitle:
            "Without deposits, honest work pays only where its value is above 0; below, users must make up for it."
                .to_owned(),
        panels: vec![
            panel("Value of honest work", "discounted value, TAO", |row| row.ev_honest),
            panel("Least deposit", "deposit floor, TAO", |row| row.at.floor),
        ],
        columns: 2,
    }
}
