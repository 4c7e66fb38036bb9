//! `infernet economics security`.

use std::time::Instant;

use infernet_economics::figure::{self, Scale};
use infernet_economics::model::{
    HeatMapAxis, HeatMapQuantity, HeatMapRequest, ModelParameters, SimulatedValue, SimulationRequest, expected_values,
    heat_map, simulate,
};
use infernet_economics::parameters::{NetworkParameters, StudyParameters, TypicalJob};
use infernet_economics::reference::{ReferenceStudy, SecurityGrid, SecurityValue};
use infernet_economics::report::{Cell, Table, short_number};
use infernet_economics::stake::required_stake;
use serde_json::{Value, json};

use super::{report, study};
use crate::cli::{Preset, SecurityArgs};
use crate::failure::{Failure, Result};

pub(super) fn run(arguments: &SecurityArgs) -> Result {
    report::check(&arguments.report)?;
    if arguments.reference {
        reference(arguments)
    } else if arguments.map {
        map(arguments)
    } else {
        model(arguments)
    }
}

fn reference(arguments: &SecurityArgs) -> Result {
    let parameters = study::parameters(&arguments.study, arguments.steps);
    let grid = study::grid(&parameters, arguments.alpha, arguments.slash, arguments.gamma);
    let start = Instant::now();
    let values = ReferenceStudy::new(parameters.clone())?.sweep(&grid)?;
    let seconds = start.elapsed().as_secs_f64();
    let mut table = Table::new(&[
        ("gamma", ""),
        ("alpha", ""),
        ("slash", ""),
        ("checks", "steps"),
        ("worst_m", "steps"),
        ("ev_cheat", "TAO"),
        ("ev_honest", "TAO"),
    ]);
    for value in &values {
        let point = &value.point;
        table.push(vec![
            point.gamma.into(),
            point.alpha.into(),
            point.slash.into(),
            value.checks.into(),
            value.tampered.into(),
            value.ev_cheat.into(),
            value.ev_honest.into(),
        ]);
    }
    let pays = values.iter().filter(|value| value.ev_cheat >= 0.0).count();
    let notes = [
        format!(
            "published study, stage 1: {} points in {:.1} ms; cheating pays at {pays} of them",
            values.len(),
            1000.0 * seconds
        ),
        format!(
            "emission {} TAO per block, {} TAO a step; honest work breaks even at {} TAO per block",
            short_number(parameters.emission),
            short_number(parameters.cost_per_step),
            short_number(parameters.break_even_emission())
        ),
    ];
    let json = one_or_all(&values, |values: &[SecurityValue]| json!({ "points": values, "seconds": seconds }))?;
    report::emit(&arguments.report, &json, &notes, &table, || Ok(figure::security_maps(&values)))
}

/// A single point is an object of its own, so that programs need not unpack a list.
pub(super) fn one_or_all<T: serde::Serialize>(values: &[T], all: impl FnOnce(&[T]) -> Value) -> Result<Value> {
    match values {
        [one] => Ok(serde_json::to_value(one).map_err(anyhow::Error::from)?),
        values => Ok(all(values)),
    }
}

/// The model with everything that was asked for, and the unit of its money.
fn parameters(arguments: &SecurityArgs) -> Result<(ModelParameters, &'static str)> {
    let mut network = NetworkParameters::default();
    if let Some(gamma) = arguments.gamma {
        network.trust_decay = gamma;
    }
    if let Some(slash) = arguments.slash {
        network.slash = slash;
    }
    if let Some(share) = arguments.audited_share {
        network.audit.audited_job_share = share;
    }
    if let Some(one_in) = arguments.full_audit_one_in {
        network.audit.full_audit_one_in = one_in;
    }
    let studied = study::parameters(&arguments.study, arguments.steps);
    let (mut model, unit) = match arguments.preset {
        Preset::Network => {
            if let Some(alpha) = arguments.alpha {
                // One rate for everybody.
                (network.audit.unknown_rate, network.audit.trusted_rate) = (alpha, alpha);
            }
            let mut job = TypicalJob { steps: studied.steps, ..TypicalJob::default() };
            if let Some(cost_per_step) = arguments.study.cost_per_step {
                job.cost = cost_per_step * f64::from(job.steps);
            }
            job.settlement = arguments.study.gas.unwrap_or(job.settlement);
            (of_network(arguments, &network, &job)?, "micro-credits")
        }
        Preset::Study => {
            let alpha = arguments.alpha.unwrap_or(0.30);
            let slash = arguments.slash.unwrap_or(NetworkParameters::prototype().slash);
            let gamma = arguments.gamma.unwrap_or(0.8);
            let mut model = ModelParameters::of_study(&studied, alpha, slash, gamma)?;
            model.job.fee = arguments.fee.unwrap_or(model.job.fee);
            model.stake = arguments.stake.unwrap_or(model.stake);
            model.job.audit.audited_job_share = arguments.audited_share.unwrap_or(1.0);
            model.job.audit.full_audit_share =
                arguments.full_audit_one_in.filter(|&one_in| one_in > 0).map_or(0.0, |one_in| 1.0 / f64::from(one_in));
            (model, "TAO")
        }
    };
    let given = &arguments.study;
    model.miners = given.miners.unwrap_or(model.miners);
    model.validators = given.validators.unwrap_or(model.validators);
    model.discount = given.discount.unwrap_or(model.discount);
    if arguments.preset == Preset::Network {
        model.emission = given.emission.map_or(0.0, |emission| emission * studied.miner_share);
    }
    model.check()?;
    Ok((model, unit))
}

fn of_network(arguments: &SecurityArgs, network: &NetworkParameters, job: &TypicalJob) -> Result<ModelParameters> {
    // With a stake of its own the required one is not asked for, and need not exist.
    let mut model = ModelParameters::of_network(&NetworkParameters::default(), job, arguments.trust)?;
    network.check()?;
    model.job = infernet_economics::stake::JobTerms::of_network(network, job, arguments.trust);
    model.gamma = network.trust_decay;
    model.job.fee = arguments.fee.unwrap_or(model.job.fee);
    model.job.restitution = network.restitution_fees * model.job.fee;
    model.stake = match arguments.stake {
        Some(stake) => stake,
        None => required_stake(&model.job)?.stake,
    };
    Ok(model)
}

fn model(arguments: &SecurityArgs) -> Result {
    let (model, unit) = parameters(arguments)?;
    let exact = expected_values(&model)?;
    let steps = model.job.steps;
    let mut shown = vec![1, 2, steps.div_ceil(4), steps.div_ceil(2), steps, exact.best_cheat.tampered];
    shown.retain(|&tampered| tampered <= steps);
    shown.sort_unstable();
    shown.dedup();
    let simulated: infernet_economics::Result<Vec<SimulatedValue>> = shown
        .iter()
        .map(|&tampered| simulate(&model, &SimulationRequest { tampered, runs: arguments.runs, seed: arguments.seed }))
        .collect();
    let simulated = simulated?;
    let mut table = Table::new(&[
        ("m", "steps"),
        ("caught", "per job"),
        ("job", unit),
        ("value", unit),
        ("simulated", unit),
        ("low", unit),
        ("high", unit),
        ("honest_minus_cheat", unit),
    ]);
    for cheat in &exact.cheating {
        let run = simulated.iter().find(|run| run.tampered == cheat.tampered);
        table.push(vec![
            cheat.tampered.into(),
            cheat.detection.into(),
            cheat.per_job.into(),
            cheat.value.into(),
            run.map(|run| run.cheat.mean).into(),
            run.map(|run| run.cheat.low).into(),
            run.map(|run| run.cheat.high).into(),
            Cell::from(exact.honest.value - cheat.value),
        ]);
    }
    let best = &exact.best_cheat;
    let verdict = if best.value < 0.0 { "cheating never pays" } else { "CHEATING PAYS" };
    let notes = [
        format!(
            "{verdict}: the best way, {} of {steps} steps in every job, is worth {} {unit}; honest work {}",
            best.tampered,
            short_number(best.value),
            short_number(exact.honest.value)
        ),
        format!(
            "{} of {steps} steps checked ({:.1} % re-executed), stake {} {unit}, slash {}, gamma {}; {} simulated networks, 95 % intervals",
            model.job.audit.checks,
            100.0 * model.job.audit.reexecution_share(steps),
            short_number(model.stake),
            short_number(model.job.slash),
            short_number(model.gamma),
            arguments.runs
        ),
    ];
    let json = json!({
        "parameters": model,
        "unit": unit,
        "ev_honest": exact.honest.value,
        "ev_cheat": best.value,
        "worst_m": best.tampered,
        "honest_advantage": exact.honest_advantage,
        "strategies": exact.cheating,
        "simulated": simulated,
    });
    let subtitle = notes[1].clone();
    report::emit(&arguments.report, &json, &notes, &table, || {
        Ok(figure::strategy_values(&exact, &simulated, unit, &format!("{subtitle}.")))
    })
}

fn map(arguments: &SecurityArgs) -> Result {
    if arguments.alpha.is_some() || arguments.slash.is_some() {
        return Err(Failure::input("--map has alpha and slash on its axes; leave --alpha and --slash out"));
    }
    let (base, unit) = parameters(arguments)?;
    let axes = SecurityGrid::published(StudyParameters::default().emission, StudyParameters::default().cost_per_step);
    let request = HeatMapRequest {
        base,
        x_axis: HeatMapAxis::AuditRate,
        x: axes.alpha,
        y_axis: HeatMapAxis::Slash,
        y: axes.slash,
        quantity: HeatMapQuantity::HonestMinusCheat,
    };
    let start = Instant::now();
    let map = heat_map(&request)?;
    let seconds = start.elapsed().as_secs_f64();
    let mut table = Table::new(&[("alpha", ""), ("slash", ""), ("honest_minus_cheat", unit)]);
    for (row, &slash) in map.cells.iter().zip(&map.y) {
        for (cell, &alpha) in row.iter().zip(&map.x) {
            table.push(vec![alpha.into(), slash.into(), (*cell).into()]);
        }
    }
    let cells = map.x.len() * map.y.len();
    let notes = [
        format!(
            "{cells} cells in {:.1} ms; positive: honest work is worth more than the best way to cheat",
            1000.0 * seconds
        ),
        format!("stake {} {unit} for every cell", short_number(base.stake)),
    ];
    let json = json!({ "parameters": base, "unit": unit, "map": map, "seconds": seconds });
    report::emit(&arguments.report, &json, &notes, &table, || {
        let subtitle = format!(
            "Discounted honest value minus the best cheat's, for one cheater among {} miners, trust loss γ = {}, stake {} {unit}.",
            base.miners,
            short_number(base.gamma),
            short_number(base.stake)
        );
        let labels = ["audit rate α", "slashed share f", &format!("honest minus cheat, {unit}")];
        Ok(figure::model_map(&map, "How much better is honest work?", &subtitle, labels, Scale::Sequential))
    })
}
