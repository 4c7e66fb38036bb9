//! `infernet economics stake`.

use infernet_economics::detection::AuditLevel;
use infernet_economics::figure;
use infernet_economics::parameters::{NetworkParameters, TypicalJob};
use infernet_economics::report::Table;
use infernet_economics::stake::{ExactTerms, JobTerms, StakeRule, required_stake, required_stake_microcredits};
use serde_json::json;

use super::report;
use crate::cli::StakeArgs;
use crate::failure::Result;

pub(super) fn run(arguments: &StakeArgs) -> Result {
    report::check(&arguments.report)?;
    let network = network(arguments);
    let job =
        TypicalJob { steps: arguments.steps, cost: arguments.cost as f64, settlement: arguments.settlement as f64 };
    let fee = arguments.fee.unwrap_or_else(|| job.fee(&network).round() as u64);
    let mut exact =
        ExactTerms::of_network(&network, arguments.trust, arguments.steps, fee, arguments.cost, arguments.settlement)?;
    exact.checks = arguments.checks.unwrap_or(exact.checks);
    let terms = in_floating_point(&exact);
    let required = required_stake_microcredits(&exact)?;
    // The same in floating point, for a check by eye, and per number of tampered steps.
    let real = required_stake(&terms)?;
    let mut table =
        Table::new(&[("m", "steps"), ("caught", "per job"), ("no_stake", "µcredits"), ("with_stake", "µcredits")]);
    for tampered in 1..=terms.steps {
        table.push(vec![
            tampered.into(),
            terms.audit.detection(terms.steps, tampered).into(),
            terms.value(tampered, 0.0).into(),
            terms.value(tampered, required.slashed_microcredits as f64).into(),
        ]);
    }
    let notes = [
        format!(
            "required stake: {} micro-credits, {:.2} fees, of which {} are slashed",
            required.stake_microcredits,
            required.stake_microcredits as f64 / terms.fee,
            required.slashed_microcredits
        ),
        match required.rule {
            StakeRule::Restitution => "decided by restitution: the slash must repay the requester".to_owned(),
            rule => format!("decided by {} of {} tampered steps ({})", required.tampered, terms.steps, in_words(rule)),
        },
        "below: expected value of a job with m tampered steps, without stake and with it".to_owned(),
    ];
    let json = json!({ "terms": exact, "required": required, "required_in_floating_point": real });
    report::emit(&arguments.report, &json, &notes, &table, || {
        Ok(figure::required_stake_figure(&terms, &[0.1, 0.25, 0.5, 1.0])?)
    })
}

fn in_words(rule: StakeRule) -> &'static str {
    match rule {
        StakeRule::Loss => "cheating must be a loss",
        StakeRule::BelowHonest => "cheating must be worth less than honest work",
        StakeRule::SavedWork => "the saved work must be lost on average",
        StakeRule::Restitution => "the requester must be repaid",
    }
}

/// The network's parameters with what was asked for.
fn network(arguments: &StakeArgs) -> NetworkParameters {
    let mut network = NetworkParameters::default();
    network.slash = arguments.slash.unwrap_or(network.slash);
    network.security_margin = arguments.margin.unwrap_or(network.security_margin);
    network.audit.audited_job_share = arguments.audited_share.unwrap_or(network.audit.audited_job_share);
    network.audit.full_audit_one_in = arguments.full_audit_one_in.unwrap_or(network.audit.full_audit_one_in);
    network
}

/// The same terms in floating point.
fn in_floating_point(exact: &ExactTerms) -> JobTerms {
    let share = |ppm: u32| f64::from(ppm) / 1e6;
    JobTerms {
        steps: exact.steps,
        cost_per_step: exact.cost_microcredits as f64 / f64::from(exact.steps),
        settlement: exact.settlement_microcredits as f64,
        fee: exact.fee_microcredits as f64,
        slash: share(exact.slash_ppm),
        audit: AuditLevel {
            checks: exact.checks,
            audited_job_share: share(exact.audited_job_share_ppm),
            full_audit_share: share(exact.full_audit_share_ppm),
        },
        margin: share(exact.margin_ppm),
        restitution: exact.restitution_microcredits as f64,
    }
}
