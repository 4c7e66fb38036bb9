//! `infernet economics optimise`.

use std::time::Instant;

use infernet_economics::figure;
use infernet_economics::optimise::{
    Candidate, OptimiseRequest, PricedCandidate, frontier, optimise, priced, sensitivity_of_optimum,
};
use infernet_economics::parameters::{NetworkParameters, TypicalJob};
use infernet_economics::report::{Cell, Table};
use serde_json::json;

use super::report;
use crate::cli::OptimiseArgs;
use crate::failure::Result;

pub(super) fn run(arguments: &OptimiseArgs) -> Result {
    report::check(&arguments.report)?;
    let request = request(arguments);
    let start = Instant::now();
    let found = optimise(&request)?;
    let edge = frontier(&request)?;
    let sensitivity = sensitivity_of_optimum(&request)?;
    let seconds = start.elapsed().as_secs_f64();
    let network = NetworkParameters::default();
    let shipped = Candidate {
        checks: network.audit.checks(1.0, request.job.steps),
        full_audit_one_in: network.audit.full_audit_one_in,
        slash: network.slash,
        gamma: network.trust_decay,
    };
    // Shipped parameters may be outside the limits that were asked for.
    let open = OptimiseRequest { reexecution_budget: 1.0, max_stake_fees: f64::MAX, ..request };
    let shipped = priced(&open, &shipped)?;
    let mut table = Table::new(&[
        ("what", ""),
        ("value", ""),
        ("checks", "steps"),
        ("full_1_in", "jobs"),
        ("slash", ""),
        ("gamma", ""),
        ("reexecuted", "share"),
        ("stake", "fees"),
        ("best_cheat", "fees"),
        ("audit", "of cost"),
        ("capital", "of cost"),
        ("mistakes", "of cost"),
        ("bad_clips", "of cost"),
        ("total", "of cost"),
    ]);
    table.push(row("optimum", None, Some(&found.best)));
    table.push(row("shipped", None, Some(&shipped)));
    for changed in sensitivity.iter().skip(1) {
        table.push(row(&changed.assumption, Some(changed.value), changed.optimum.as_ref()));
    }
    for point in edge.points.iter().filter(|point| point.efficient).take(20) {
        table.push(row("frontier", None, Some(&point.point)));
    }
    let notes = [
        format!("{} of {} parameter sets meet all conditions; searched in {seconds:.2} s", found.feasible, found.searched),
        "cost of deterrence per job, in units of its compute cost; rows with a value: the optimum when that assumption is changed".to_owned(),
    ];
    let json = json!({
        "request": request,
        "optimum": found,
        "shipped": shipped,
        "sensitivity": sensitivity,
        "frontier": edge.points,
    });
    report::emit(&arguments.report, &json, &notes, &table, || Ok(figure::frontier_figure(&edge, &found.best, &shipped)))
}

fn row(what: &str, value: Option<f64>, candidate: Option<&PricedCandidate>) -> Vec<Cell> {
    let mut row = vec![what.into(), value.into()];
    if let Some(priced) = candidate {
        let candidate = &priced.candidate;
        row.extend([
            candidate.checks.into(),
            candidate.full_audit_one_in.into(),
            candidate.slash.into(),
            candidate.gamma.into(),
            priced.reexecution_share.into(),
            priced.stake_fees.into(),
            priced.best_cheat_fees.into(),
            priced.audit_cost.into(),
            priced.capital_cost.into(),
            priced.false_positive_cost.into(),
            priced.bad_clip_cost.into(),
            priced.total_cost.into(),
        ]);
    }
    row
}

fn request(arguments: &OptimiseArgs) -> OptimiseRequest {
    let shipped = OptimiseRequest::default();
    let mut costs = shipped.costs;
    costs.capital_rate = arguments.capital_rate.unwrap_or(costs.capital_rate);
    costs.false_positive_per_check = arguments.false_positives.unwrap_or(costs.false_positive_per_check);
    costs.lazy_share = arguments.lazy_share.unwrap_or(costs.lazy_share);
    OptimiseRequest {
        job: TypicalJob { steps: arguments.steps, ..shipped.job },
        fee_margin: arguments.fee_margin.unwrap_or(shipped.fee_margin),
        security_margin: arguments.margin.unwrap_or(shipped.security_margin),
        reexecution_budget: arguments.reexecution_budget,
        max_stake_fees: arguments.max_stake,
        max_slash: arguments.max_slash,
        full_audit_at_least_one_in: arguments.full_audit_at_least_one_in,
        costs,
        ..shipped
    }
}
