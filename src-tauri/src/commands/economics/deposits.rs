//! `infernet economics deposits`.

use infernet_economics::deposits::network_deposits;
use infernet_economics::figure;
use infernet_economics::parameters::{NetworkParameters, TypicalJob};
use infernet_economics::reference::{DepositBounds, ReferenceStudy};
use infernet_economics::report::{Table, short_number};
use infernet_economics::stake::JobTerms;
use serde_json::json;

use super::security::one_or_all;
use super::{report, study};
use crate::cli::DepositsArgs;
use crate::failure::Result;

pub(super) fn run(arguments: &DepositsArgs) -> Result {
    report::check(&arguments.report)?;
    if arguments.reference { reference(arguments) } else { network(arguments) }
}

fn reference(arguments: &DepositsArgs) -> Result {
    let mut parameters = study::parameters(&arguments.study, arguments.steps);
    parameters.deposit_split = arguments.deposit_split.unwrap_or(parameters.deposit_split);
    let grid = study::grid(&parameters, arguments.alpha, arguments.slash, arguments.gamma);
    let study = ReferenceStudy::new(parameters)?;
    let bounds = study.deposits(study.sweep(&grid)?);
    let mut table = Table::new(&[
        ("gamma", ""),
        ("alpha", ""),
        ("slash", ""),
        ("miner_term", "TAO"),
        ("validator_term", "TAO"),
        ("floor", "TAO"),
        ("ceiling", "TAO"),
        ("viable", ""),
    ]);
    for row in &bounds {
        let point = &row.security.point;
        table.push(vec![
            point.gamma.into(),
            point.alpha.into(),
            point.slash.into(),
            row.miner_term.into(),
            row.validator_term.into(),
            row.floor.into(),
            row.ceiling.into(),
            row.viable.into(),
        ]);
    }
    let viable = bounds.iter().filter(|row| row.viable).count();
    let notes = [format!(
        "published study, stage 2: {viable} of {} points are viable; rank share of an honest miner {}",
        bounds.len(),
        short_number(study.rank_share())
    )];
    let json = one_or_all(&bounds, |bounds: &[DepositBounds]| json!({ "points": bounds }))?;
    report::emit(&arguments.report, &json, &notes, &table, || Ok(figure::deposit_maps(&bounds)))
}

fn network(arguments: &DepositsArgs) -> Result {
    let mut network = NetworkParameters::default();
    network.deposit_split = arguments.deposit_split.unwrap_or(network.deposit_split);
    let shipped = TypicalJob::default();
    let job = TypicalJob {
        steps: arguments.steps.unwrap_or(shipped.steps),
        cost: arguments.cost.unwrap_or(shipped.cost),
        settlement: arguments.study.gas.unwrap_or(shipped.settlement),
    };
    let bounds: infernet_economics::Result<Vec<_>> = [0.0, 0.25, 0.5, 0.75, 0.9]
        .into_iter()
        .map(|trust| network_deposits(&network, &job, trust, arguments.stake))
        .collect();
    let bounds = bounds?;
    let unit = "µcredits";
    let mut table = Table::new(&[
        ("trust", ""),
        ("checks", "steps"),
        ("miner_term", unit),
        ("validator_term", unit),
        ("floor", unit),
        ("suggested", unit),
        ("ceiling", unit),
        ("stake", unit),
        ("viable", ""),
    ]);
    for row in &bounds {
        table.push(vec![
            row.trust.into(),
            row.checks.into(),
            row.miner_term.into(),
            row.validator_term.into(),
            row.floor.into(),
            row.suggested.into(),
            row.ceiling.into(),
            row.stake.into(),
            row.viable.into(),
        ]);
    }
    let notes = [format!(
        "a job of {} steps that costs its miner {} micro-credits; the miner gets {:.0} % of the deposit",
        job.steps,
        short_number(job.cost),
        100.0 * network.deposit_split
    )];
    let json = json!({ "job": job, "network": network, "levels": bounds });
    report::emit(&arguments.report, &json, &notes, &table, || {
        let terms = JobTerms::of_network(&network, &job, 1.0);
        Ok(figure::required_stake_figure(&terms, &[0.1, 0.25, 0.5, 1.0])?)
    })
}
