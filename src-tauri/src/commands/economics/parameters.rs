//! `infernet economics parameters`.

use infernet_economics::figure;
use infernet_economics::optimise::viability;
use infernet_economics::parameters::{NetworkParameters, StudyParameters, TypicalJob};
use infernet_economics::report::{Table, short_number};
use infernet_economics::stake::JobTerms;
use serde_json::json;

use super::report;
use crate::cli::ParametersArgs;
use crate::failure::Result;

pub(super) fn run(arguments: &ParametersArgs) -> Result {
    report::check(&arguments.report)?;
    let network = if arguments.prototype { NetworkParameters::prototype() } else { NetworkParameters::default() };
    let job = TypicalJob { steps: arguments.steps, ..TypicalJob::default() };
    let found = viability(&network, &job)?;
    let mut table = Table::new(&[
        ("trust", ""),
        ("checks", "steps"),
        ("reexecuted", "share"),
        ("one_step", "caught"),
        ("a_quarter", "caught"),
        ("stake", "fees"),
        ("best_cheat", "fees"),
        ("honest", "fees"),
        ("validators_get", "of cost"),
        ("validators_spend", "of cost"),
    ]);
    for level in &found.levels {
        table.push(vec![
            level.trust.into(),
            level.checks.into(),
            level.reexecution_share.into(),
            level.detects_one_step.into(),
            level.detects_a_quarter.into(),
            level.stake_fees.into(),
            level.best_cheat_fees.into(),
            level.honest_fees.into(),
            level.validators_income.into(),
            level.validators_cost.into(),
        ]);
    }
    let audit = &network.audit;
    let mut notes = vec![
        format!(
            "audit: {:.0} % of the steps for unknown miners, {:.0} % from trust {} on, at least {}; one job in {} in full",
            100.0 * audit.unknown_rate,
            100.0 * audit.trusted_rate,
            audit.trusted_from,
            audit.min_checks,
            audit.full_audit_one_in
        ),
        format!(
            "slash {}, trust decay {}, honest drift {}, kappa {}, deposit split {}, fee margin {}, security margin {}",
            network.slash,
            network.trust_decay,
            network.honest_drift,
            network.kappa,
            network.deposit_split,
            network.fee_margin,
            network.security_margin
        ),
        if found.problems.is_empty() {
            "viable".to_owned()
        } else {
            format!("NOT VIABLE: {}", found.problems.join("; "))
        },
    ];
    if arguments.prototype {
        let study = StudyParameters::default();
        notes.push(format!(
            "its study's honest miner earns {} TAO (discounted, without deposits); it breaks even at {} TAO per block, not {}",
            short_number(study.honest_value(study.emission, study.cost_per_step)),
            short_number(study.break_even_emission()),
            short_number(study.emission)
        ));
    }
    let json = json!({ "network": network, "job": job, "viability": found, "viable": found.problems.is_empty() });
    report::emit(&arguments.report, &json, &notes, &table, || {
        Ok(figure::required_stake_figure(&JobTerms::of_network(&network, &job, 1.0), &[0.1, 0.25, 0.5, 1.0])?)
    })
}
