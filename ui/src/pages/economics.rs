//! Economics: the simulator, computed anew while a slider moves.

use egui::{Align2, FontId, Rect, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};
use egui_plot::{HLine, Line, PlotPoints};
use infernet_api::Problem;
use infernet_economics::EconomicsError;
use infernet_economics::cost::{CostComparison, CostRequest, PriceTable, compare};
use infernet_economics::deposits::{NetworkDeposits, network_deposits};
use infernet_economics::detection::detection_by_tampering;
use infernet_economics::model::{
    HeatMap, HeatMapAxis, HeatMapQuantity, HeatMapRequest, ModelParameters, ModelValue, expected_values, heat_map,
};
use infernet_economics::parameters::{NetworkParameters, TypicalJob};

use crate::format;
use crate::state::UiState;
use crate::theme::{icons, palette, tokens};
use crate::widgets::{
    Slot, card_titled, chart, digits, empty, fact, flow, legend, loading, muted, page_header, pill, problem_state,
    progress, scroll_page, secondary, slider, small, split_row,
};

/// What the sliders say.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Inputs {
    trust: f64,
    audit_rate: f64,
    slash: f64,
    decay: f64,
    steps: f64,
    cost: f64,
    margin: f64,
    emission: f64,
    usd_per_kwh: f64,
}

impl Default for Inputs {
    fn default() -> Self {
        let (network, job) = (NetworkParameters::default(), TypicalJob::default());
        Self {
            trust: 0.9,
            audit_rate: network.audit.trusted_rate,
            slash: network.slash,
            decay: network.trust_decay,
            steps: f64::from(job.steps),
            cost: job.cost,
            margin: network.fee_margin,
            emission: 0.0,
            usd_per_kwh: 0.30,
        }
    }
}

/// What follows from them.
#[derive(Clone, Debug)]
struct Results {
    map: HeatMap,
    value: ModelValue,
    deposits: NetworkDeposits,
    detection: Vec<(u32, Vec<f64>)>,
    cost: CostComparison,
}

/// Sliders and results; results are computed when a slider moved.
#[derive(Clone, Debug, Default)]
pub struct EconomicsState {
    inputs: Inputs,
    computed: Option<(Inputs, Result<Results, Problem>)>,
}

impl EconomicsState {
    /// A state in which the results could not be computed, for tests of how that looks.
    #[doc(hidden)]
    pub fn failing(problem: Problem) -> Self {
        let inputs = Inputs::default();
        Self { inputs, computed: Some((inputs, Err(problem))) }
    }
}

fn compute(inputs: &Inputs) -> Result<Results, EconomicsError> {
    let mut network = NetworkParameters {
        slash: inputs.slash,
        trust_decay: inputs.decay,
        fee_margin: inputs.margin,
        ..NetworkParameters::default()
    };
    network.audit.trusted_rate = inputs.audit_rate;
    network.audit.unknown_rate = network.audit.unknown_rate.max(inputs.audit_rate);
    let steps = inputs.steps.round().max(1.0) as u32;
    let job = TypicalJob { steps, cost: inputs.cost, settlement: 0.0 };
    let mut base = ModelParameters::of_network(&network, &job, inputs.trust)?;
    base.emission = inputs.emission;
    let request = HeatMapRequest {
        base,
        x_axis: HeatMapAxis::AuditRate,
        x: (0..15).map(|index| 0.02 + 0.04 * f64::from(index)).collect(),
        y_axis: HeatMapAxis::Slash,
        y: (0..11).map(|index| 0.1 * f64::from(index)).collect(),
        quantity: HeatMapQuantity::HonestMinusCheat,
    };
    let checks = network.audit.checks(inputs.trust, steps);
    let mut curves = vec![1, checks, (checks * 2).min(steps), (steps * 3).div_ceil(10)];
    curves.sort_unstable();
    curves.dedup();
    let mut table = PriceTable::shipped()?;
    if let Some(first) = table.electricity.first_mut() {
        first.usd_per_kwh = inputs.usd_per_kwh;
    }
    Ok(Results {
        map: heat_map(&request)?,
        value: expected_values(&base)?,
        deposits: network_deposits(&network, &job, inputs.trust, None)?,
        detection: curves
            .into_iter()
            .map(|checks| Ok((checks, detection_by_tampering(steps, checks)?)))
            .collect::<Result<_, EconomicsError>>()?,
        cost: compare(
            &table,
            &CostRequest { steps: Some(steps), network, trust: inputs.trust, ..CostRequest::default() },
        )?,
    })
}

/// Draws the page.
pub(crate) fn economics(ui: &mut Ui, state: &mut UiState) {
    let state = &mut state.economics;
    scroll_page(ui, |ui| {
        page_header(
            ui,
            "Economics",
            "Is cheating ever worth it, what must be deposited, and is it cheaper than a cloud?",
            |ui| {
                if secondary(ui, icons::ARROW_CLOCKWISE, "As shipped").clicked() {
                    state.inputs = Inputs::default();
                }
            },
        );
        flow(ui, "simulator", &[0.72, 1.28], 330.0, |ui, index, slot| match index {
            0 => sliders(ui, slot, &mut state.inputs),
            _ => {
                if state.computed.as_ref().is_none_or(|(inputs, _)| *inputs != state.inputs) {
                    let result = compute(&state.inputs).map_err(|error| Problem {
                        code: error.code().to_owned(),
                        message: error.to_string(),
                        next_step: error.next_step().to_owned(),
                    });
                    state.computed = Some((state.inputs, result));
                }
                match &state.computed {
                    None => loading(ui, "the simulation"),
                    Some((_, Ok(results))) => map_card(ui, slot, results, &state.inputs),
                    Some((_, Err(problem))) => {
                        if problem_state(ui, "this simulation", problem) {
                            state.computed = None;
                        }
                    }
                }
            }
        });
        if let Some((inputs, Ok(results))) = &state.computed {
            flow(ui, "curves", &[1.0, 1.0, 1.0], 330.0, |ui, index, slot| match index {
                0 => detection_card(ui, slot, results, inputs),
                1 => deposit_card(ui, slot, results),
                _ => cost_card(ui, slot, &results.cost),
            });
        }
    });
}

fn percent(value: f64) -> String {
    format!("{:.0} %", value * 100.0)
}

/// Thousandths of a credit; these are estimates, not balances.
fn amount(microcredits: f64) -> String {
    format!("{:.5} cr", microcredits / 1e6)
}

fn sliders(ui: &mut Ui, slot: &mut Slot, inputs: &mut Inputs) {
    card_titled(
        ui,
        slot,
        "Assumptions",
        |_| {},
        |ui| {
            slider(ui, "Trust of the miner", &mut inputs.trust, 0.0..=1.0, 0.05, false, percent);
            slider(ui, "Audit rate, trusted miner", &mut inputs.audit_rate, 0.01..=0.6, 0.01, false, percent);
            slider(ui, "Slashed share of the stake", &mut inputs.slash, 0.0..=1.0, 0.05, false, percent);
            slider(ui, "Trust decay when caught", &mut inputs.decay, 0.0..=1.0, 0.05, false, percent);
            slider(ui, "Steps of a job", &mut inputs.steps, 4.0..=200.0, 1.0, false, |v| format!("{v:.0} steps"));
            slider(ui, "Cost of a job to its miner", &mut inputs.cost, 100.0..=1_000_000.0, 0.0, true, amount);
            slider(ui, "Margin of the fee", &mut inputs.margin, 0.0..=2.0, 0.05, false, percent);
            slider(
                ui,
                "Emission for all miners, an epoch",
                &mut inputs.emission,
                0.0..=200_000.0,
                1000.0,
                false,
                amount,
            );
            slider(ui, "Price of electricity", &mut inputs.usd_per_kwh, 0.0..=1.0, 0.01, false, |v| {
                format!("{v:.2} USD/kWh")
            });
        },
    );
}

fn map_card(ui: &mut Ui, slot: &mut Slot, results: &Results, inputs: &Inputs) {
    let colours = palette(ui);
    let safe = results.value.best_cheat.per_job < 0.0;
    let (word, colour) = if safe { ("Cheating is a loss", colours.good) } else { ("Cheating pays", colours.bad) };
    card_titled(
        ui,
        slot,
        "Honest minus best cheat, over 300 jobs",
        |ui| drop(pill(ui, word, colour)),
        |ui| {
            heat(ui, &results.map, inputs);
            flow(ui, "values", &[1.0, 1.0], 220.0, |ui, index, _| match index {
                0 => {
                    fact(ui, "Honest, a job", amount(results.value.honest.per_job));
                    fact(ui, "Best cheat, a job", amount(results.value.best_cheat.per_job));
                }
                _ => {
                    fact(
                        ui,
                        "Best cheat tampers with",
                        format!("{} of {:.0} steps", results.value.best_cheat.tampered, inputs.steps),
                    );
                    fact(ui, "And is caught with", format::percent(results.value.best_cheat.detection));
                }
            });
        },
    );
}

/// The map: audit rate to the right, slash upwards; a ring shows where the sliders stand.
fn heat(ui: &mut Ui, map: &HeatMap, inputs: &Inputs) {
    let colours = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 300.0), Sense::hover());
    let grid = Rect::from_min_max(rect.min + vec2(48.0, 4.0), rect.max - vec2(4.0, 38.0));
    let (columns, rows) = (map.x.len(), map.y.len());
    let largest = map.cells.iter().flatten().flatten().fold(0.0_f64, |most, value| most.max(value.abs())).max(1e-9);
    let cell = vec2(grid.width() / columns as f32, grid.height() / rows as f32);
    let place = |x: usize, y: usize| {
        let min = pos2(grid.left() + cell.x * x as f32, grid.bottom() - cell.y * (y + 1) as f32);
        Rect::from_min_size(min, cell - vec2(1.5, 1.5))
    };
    let painter = ui.painter();
    let small = FontId::proportional(11.0);
    for (y, row) in map.cells.iter().enumerate() {
        for (x, value) in row.iter().enumerate() {
            let fill = value.map_or(colours.line, |value| tokens::diverging(colours, value / largest));
            painter.rect_filled(place(x, y), 2.0, fill);
        }
        if y % 2 == 0 {
            let at = pos2(grid.left() - 8.0, place(0, y).center().y);
            painter.text(at, Align2::RIGHT_CENTER, percent(map.y[y]), small.clone(), colours.muted);
        }
    }
    for (x, value) in map.x.iter().enumerate().step_by(2) {
        let at = pos2(place(x, 0).center().x, grid.bottom() + 10.0);
        painter.text(at, Align2::CENTER_CENTER, percent(*value), small.clone(), colours.muted);
    }
    let below = pos2(grid.center().x, grid.bottom() + 28.0);
    let axes = "to the right: audit rate · upwards: slashed share of the stake";
    painter.text(below, Align2::CENTER_CENTER, axes, small.clone(), colours.muted);
    let here = pos2(
        grid.left()
            + grid.width() * ((inputs.audit_rate - map.x[0] + 0.02) / (0.04 * columns as f64)).clamp(0.0, 1.0) as f32,
        grid.bottom() - grid.height() * ((inputs.slash + 0.05) / (0.1 * rows as f64)).clamp(0.0, 1.0) as f32,
    );
    painter.circle_stroke(here, 7.0, Stroke::new(2.5, colours.text));
    response.widget_info(|| {
        WidgetInfo::labeled(Role::Image, true, "Heat map: honest minus cheat value over audit rate and slash")
    });
    if let Some(at) = response.hover_pos().filter(|at| grid.contains(*at)) {
        let x = (((at.x - grid.left()) / cell.x) as usize).min(columns - 1);
        let y = (((grid.bottom() - at.y) / cell.y) as usize).min(rows - 1);
        let value = map.cells[y][x].map_or_else(|| "no stake suffices".to_owned(), amount);
        response.on_hover_text(format!("audit rate {}, slash {}: {value}", percent(map.x[x]), percent(map.y[y])));
    }
    ui.horizontal_wrapped(|ui| {
        legend(ui, colours.good, "honest work is worth more");
        legend(ui, colours.bad, "cheating is worth more");
    });
}

fn detection_card(ui: &mut Ui, slot: &mut Slot, results: &Results, inputs: &Inputs) {
    card_titled(
        ui,
        slot,
        "How soon is a cheater caught?",
        |_| {},
        |ui| {
            let colours = palette(ui);
            let steps = inputs.steps;
            let plot = chart(ui, "detection", 210.0, move |name, x, y| {
                format!("{name}: {y:.1} % at {:.0} of {steps:.0} steps", x * steps / 100.0)
            })
            .include_y(0.0)
            .include_y(100.0)
            .y_axis_formatter(|mark, _| format!("{:.0} %", mark.value))
            .x_axis_formatter(|mark, _| format!("{:.0} %", mark.value))
            .y_axis_min_width(44.0);
            plot.show(ui, |plot| {
                for (index, (checks, chances)) in results.detection.iter().enumerate() {
                    let each =
                        |(tampered, chance): (usize, &f64)| [(tampered + 1) as f64 / steps * 100.0, chance * 100.0];
                    let line: PlotPoints<'_> = chances.iter().enumerate().map(each).collect();
                    let name = format!("{checks} checked");
                    plot.line(Line::new(name, line).color(colours.series(index)).width(2.0));
                }
                plot.hline(HLine::new("", 100.0).color(colours.line).width(1.0));
            });
            ui.horizontal_wrapped(|ui| {
                for (index, (checks, _)) in results.detection.iter().enumerate() {
                    legend(ui, colours.series(index), &format!("{checks} checked"));
                }
            });
            small(ui, "Right: share of the steps tampered with. Up: chance to be caught in one job.");
        },
    );
}

fn deposit_card(ui: &mut Ui, slot: &mut Slot, results: &Results) {
    let deposits = &results.deposits;
    let colours = palette(ui);
    let (word, colour) = if deposits.viable { ("Viable", colours.good) } else { ("Not viable", colours.bad) };
    card_titled(
        ui,
        slot,
        "Deposit and stake",
        |ui| drop(pill(ui, word, colour)),
        |ui| {
            fact(ui, "Deposit, floor", amount(deposits.floor));
            fact(ui, "Deposit, suggested", amount(deposits.suggested));
            fact(ui, "Deposit, ceiling", deposits.ceiling.map_or_else(|| "none".to_owned(), amount));
            let most = deposits.ceiling.unwrap_or(deposits.suggested * 1.5).max(deposits.suggested) * 1.15;
            let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 34.0), Sense::hover());
            let bar = Rect::from_min_size(pos2(rect.left(), rect.center().y - 4.0), vec2(rect.width(), 8.0));
            let x = |value: f64| bar.left() + bar.width() * (value / most).clamp(0.0, 1.0) as f32;
            ui.painter().rect_filled(bar, 4.0, colours.line);
            let window = Rect::from_x_y_ranges(x(deposits.floor)..=x(deposits.ceiling.unwrap_or(most)), bar.y_range());
            ui.painter().rect_filled(window, 4.0, tokens::tint(colours.good));
            ui.painter().vline(x(deposits.floor), rect.y_range(), Stroke::new(2.0, colours.warn));
            ui.painter().vline(x(deposits.ceiling.unwrap_or(most)), rect.y_range(), Stroke::new(2.0, colours.blue));
            ui.painter().circle_filled(pos2(x(deposits.suggested), bar.center().y), 6.0, colours.good);
            response
                .widget_info(|| WidgetInfo::labeled(Role::Meter, true, "Suggested deposit between floor and ceiling"));
            ui.horizontal_wrapped(|ui| {
                legend(ui, colours.warn, "floor");
                legend(ui, colours.good, "suggested");
                legend(ui, colours.blue, "ceiling");
            });
            fact(ui, "Checks of a job", format!("{}", deposits.checks));
            fact(ui, "Stake to lock", amount(deposits.stake));
            fact(ui, "Lost of it when caught", amount(deposits.required.slashed));
            muted(ui, "Below the floor a miner works at a loss; above the ceiling its stake no longer deters it.");
        },
    );
}

fn cost_card(ui: &mut Ui, slot: &mut Slot, cost: &CostComparison) {
    let colours = palette(ui);
    let ratio = format!("{:.1} × cheaper", cost.cheapest_ratio);
    card_titled(
        ui,
        slot,
        "Here and in the cloud",
        |ui| drop(pill(ui, &ratio, colours.good)),
        |ui| {
            let most = cost.network.iter().chain(&cost.cloud).map(|each| each.total).fold(1e-9, f64::max);
            if cost.network.is_empty() {
                empty(ui, icons::TAG, "No prices", "The table of prices has no home GPU.", None);
            }
            for (list, colour) in [(&cost.network, colours.accent), (&cost.cloud, colours.blue)] {
                for each in list.iter().take(5) {
                    split_row(
                        ui,
                        17.0,
                        |ui| {
                            small(ui, each.name.as_str()).on_hover_text(format!(
                                "{} · {} · {}",
                                each.figures.name(),
                                each.source,
                                each.date
                            ));
                        },
                        |ui| drop(digits(ui, format!("{:.2} US¢", each.total * 100.0))),
                    );
                    progress(ui, each.total / most, colour, &format!("Cost with {}", each.name));
                }
            }
            ui.horizontal_wrapped(|ui| {
                legend(ui, colours.accent, "on the network");
                legend(ui, colours.blue, "rented");
            });
            if let Some(even) = cost.break_even_usd_per_kwh {
                fact(ui, "Both cost the same at", format!("{even:.2} USD/kWh"));
            }
            small(ui, "Estimates, not measurements: hover a name for its source.");
        },
    );
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_deters_and_a_moved_slider_changes_the_answer() {
        let shipped = compute(&Inputs::default()).unwrap();
        assert!(shipped.value.honest_advantage > 0.0 && shipped.deposits.viable);
        let audited = compute(&Inputs { audit_rate: 0.3, ..Inputs::default() }).unwrap();
        assert!(audited.deposits.stake < shipped.deposits.stake, "more checks need less stake");
        assert!(compute(&Inputs { slash: 0.0, ..Inputs::default() }).is_err(), "without a slash no stake suffices");
    }

    #[test]
    fn every_end_of_every_slider_is_computed_or_refused() {
        for inputs in [
            Inputs { trust: 0.0, steps: 4.0, ..Inputs::default() },
            Inputs { trust: 1.0, steps: 200.0, audit_rate: 0.6, ..Inputs::default() },
            Inputs { cost: 100.0, margin: 0.0, emission: 200_000.0, usd_per_kwh: 0.0, ..Inputs::default() },
        ] {
            compute(&inputs).unwrap();
        }
    }
}
