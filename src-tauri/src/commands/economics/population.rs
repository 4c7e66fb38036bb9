//! `infernet economics population`.

use std::time::Instant;

use infernet_economics::figure;
use infernet_economics::parameters::NetworkParameters;
use infernet_economics::population::{Mix, Population, PopulationParameters, simulate};
use infernet_economics::report::Table;
use serde::Serialize;
use serde_json::json;

use super::report;
use crate::cli::PopulationArgs;
use crate::failure::Result;

/// One timing of `--scaling`.
#[derive(Serialize)]
struct Timing {
    miners: usize,
    epochs: usize,
    seconds: f64,
    bad_share: f64,
}

pub(super) fn run(arguments: &PopulationArgs) -> Result {
    report::check(&arguments.report)?;
    let parameters = parameters(arguments);
    let (population, seconds) = timed(&parameters)?;
    if arguments.scaling {
        return scaling(arguments, &parameters, &population, seconds);
    }
    let mut table = Table::new(&[
        ("kind", ""),
        ("miners", ""),
        ("trust", "0 to 1"),
        ("earned", "fees"),
        ("low", "fees"),
        ("high", "fees"),
        ("balance", "fees"),
        ("jobs", "per miner"),
        ("caught", "of jobs"),
        ("bad_paid", "of jobs"),
        ("dropped", "of jobs"),
        ("working", "of miners"),
    ]);
    for kind in &population.summaries {
        table.push(vec![
            kind.kind.name().into(),
            kind.miners.into(),
            kind.trust.mean.into(),
            kind.net_fees.mean.into(),
            kind.net_fees.low.into(),
            kind.net_fees.high.into(),
            kind.balance_fees.mean.into(),
            kind.jobs.mean.into(),
            kind.caught_share.into(),
            kind.bad_passed_share.into(),
            kind.dropped_share.into(),
            kind.working_share.into(),
        ]);
    }
    let notes = [format!(
        "{} miners, {} epochs, {} jobs in {seconds:.2} s; {:.3} % of all paid clips were bad",
        parameters.miners,
        parameters.epochs,
        population.jobs,
        100.0 * population.bad_share
    )];
    let json = json!({ "parameters": parameters, "seconds": seconds, "population": population });
    report::emit(&arguments.report, &json, &notes, &table, || Ok(figure::population_figure(&population, &parameters)))
}

fn timed(parameters: &PopulationParameters) -> Result<(Population, f64)> {
    let start = Instant::now();
    let population = simulate(parameters)?;
    Ok((population, start.elapsed().as_secs_f64()))
}

/// Tenths and hundredths of the population and of the epochs.
fn scaling(
    arguments: &PopulationArgs,
    parameters: &PopulationParameters,
    population: &Population,
    seconds: f64,
) -> Result {
    let mut timings = Vec::new();
    for (fewer_miners, fewer_epochs) in [(100, 1), (10, 1), (1, 100), (1, 10)] {
        let smaller = PopulationParameters {
            miners: (parameters.miners / fewer_miners).max(1),
            epochs: (parameters.epochs / fewer_epochs).max(1),
            ..*parameters
        };
        let (population, seconds) = timed(&smaller)?;
        timings.push(Timing {
            miners: smaller.miners,
            epochs: smaller.epochs,
            seconds,
            bad_share: population.bad_share,
        });
    }
    timings.push(Timing {
        miners: parameters.miners,
        epochs: parameters.epochs,
        seconds,
        bad_share: population.bad_share,
    });
    let mut table = Table::new(&[
        ("miners", ""),
        ("epochs", ""),
        ("time", "s"),
        ("per_miner_epoch", "ns"),
        ("bad_paid", "of paid jobs"),
    ]);
    for timing in &timings {
        let each = 1e9 * timing.seconds / (timing.miners * timing.epochs) as f64;
        table.push(vec![
            timing.miners.into(),
            timing.epochs.into(),
            timing.seconds.into(),
            each.into(),
            timing.bad_share.into(),
        ]);
    }
    let notes = ["time grows with miners times epochs; small runs are all overhead".to_owned()];
    let json = json!({ "parameters": parameters, "timings": timings });
    report::emit(&arguments.report, &json, &notes, &table, || Ok(figure::population_figure(population, parameters)))
}

fn parameters(arguments: &PopulationArgs) -> PopulationParameters {
    let shipped = PopulationParameters::default();
    let mut behaviour = shipped.behaviour;
    behaviour.lazy_tampered_share = arguments.lazy_tampered.unwrap_or(behaviour.lazy_tampered_share);
    behaviour.friendly_validators = arguments.friendly_validators.unwrap_or(behaviour.friendly_validators);
    behaviour.second_opinion_chance = arguments.second_opinions.unwrap_or(behaviour.second_opinion_chance);
    let (lazy, flaky, colluding) = (arguments.lazy, arguments.flaky, arguments.colluding);
    PopulationParameters {
        miners: arguments.miners,
        epochs: arguments.epochs,
        mix: Mix { honest: 1.0 - lazy - flaky - colluding, lazy, flaky, colluding },
        behaviour,
        network: if arguments.prototype { NetworkParameters::prototype() } else { shipped.network },
        demand: arguments.demand,
        initial_stakes: arguments.initial_stakes,
        seed: arguments.seed,
        ..shipped
    }
}
