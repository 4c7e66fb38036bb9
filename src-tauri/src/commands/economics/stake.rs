//! `infernet economics stake`.

use infernet_economics::figure;
use infernet_economics::parameters::{NetworkParameters, TypicalJob};
use infernet_economics::report::Table;
use infernet_economics::stake::{ExactTerms, JobTerms, StakeRule, required_stake, required_stake_microcredits};
use serde_json::json;

use super::report;
use crate::cli::StakeArgs;
use crate::failure::{Failure, Result};

pub(super) fn run(arguments: &StakeArgs) -> Result {
    report::check(&arguments.report)?;
    let terms = terms(arguments)?;
    let exact = exact_terms(arguments, &terms)?;
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

fn terms(arguments: &StakeArgs) -> Result<JobTerms> {
    let mut network = NetworkParameters::default();
    network.slash = arguments.slash.unwrap_or(network.slash);
    network.security_margin = arguments.margin.unwrap_or(network.security_margin);
    network.audit.audited_job_share = arguments.audited_share.unwrap_or(network.audit.audited_job_share);
    network.audit.full_audit_one_in = arguments.full_audit_one_in.unwrap_or(network.audit.full_audit_one_in);
    network.check()?;
    let job =
        TypicalJob { steps: arguments.steps, cost: arguments.cost as f64, settlement: arguments.settlement as f64 };
    job.check()?;
    if !(0.0..=1.0).contains(&arguments.trust) {
        return Err(Failure::input(format!("trust is {}; it must be between 0 and 1", arguments.trust)));
    }
    let mut terms = JobTerms::of_network(&network, &job, arguments.trust);
    terms.fee = arguments.fee.map_or(terms.fee.round(), |fee| fee as f64);
    terms.restitution = (network.restitution_fees * terms.fee).round();
    terms.audit.checks = arguments.checks.unwrap_or(terms.audit.checks);
    terms.check()?;
    Ok(terms)
}

/// Whole micro-credits and parts per million; shares are rounded to what deters less, so that stakes are never too small.
fn exact_terms(arguments: &StakeArgs, terms: &JobTerms) -> Result<ExactTerms> {
    let ppm = |share: f64| (share * 1e6 + 1e-6).floor() as u32;
    if terms.margin > 1.0 {
        return Err(Failure::input(format!("margin is {}; it must be between 0 and 1", terms.margin)));
    }
    Ok(ExactTerms {
        steps: terms.steps,
        checks: terms.audit.checks,
        audited_job_share_ppm: ppm(terms.audit.audited_job_share),
        full_audit_share_ppm: ppm(terms.audit.full_audit_share),
        fee_microcredits: terms.fee as u64,
        cost_microcredits: arguments.cost,
        settlement_microcredits: arguments.settlement,
        slash_ppm: ppm(terms.slash),
        margin_ppm: (terms.margin * 1e6).ceil() as u32,
        restitution_microcredits: terms.restitution as u64,
    })
}
