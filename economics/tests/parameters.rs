//! What ships, by our own model; and the search that it is held against.
#![allow(clippy::unwrap_used)]

use infernet_economics::EconomicsError;
use infernet_economics::optimise::{OptimiseRequest, frontier, optimise, sensitivity_of_optimum, viability};
use infernet_economics::parameters::{NetworkParameters, StudyParameters, TypicalJob};

#[test]
fn the_shipped_defaults_are_viable() {
    let network = NetworkParameters::default();
    network.check().unwrap();
    for steps in [12, 20, 25, 26, 30, 40, 50, 51, 100, 1000] {
        let found = viability(&network, &TypicalJob { steps, ..TypicalJob::default() }).unwrap();
        assert!(found.problems.is_empty(), "{steps} steps: {:?}", found.problems);
    }
}

#[test]
fn trusted_miners_are_reexecuted_for_less_than_a_tenth() {
    let audit = NetworkParameters::default().audit;
    for steps in 12..=2000 {
        let share = audit.level(audit.trusted_from, steps).reexecution_share(steps);
        assert!(share < 0.10, "{steps} steps: {share}");
    }
    // The known limit: shorter jobs can't have less than one check.
    assert!(audit.level(1.0, 11).reexecution_share(11) > 0.10);
    // Nobody starts trusted: 22 honest jobs.
    let network = NetworkParameters::default();
    let trust_after = |jobs: i32| 1.0 - (1.0 - network.honest_drift).powi(jobs);
    assert!(trust_after(21) < audit.trusted_from && trust_after(22) >= audit.trusted_from);
    assert!((audit.rate(0.0) - 0.30).abs() < 1e-12);
}

#[test]
fn the_prototypes_defaults_are_not_viable_and_the_reasons_are_named() {
    let found = viability(&NetworkParameters::prototype(), &TypicalJob::default()).unwrap();
    assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
    assert!(found.problems[0].contains("30.0 %"), "{:?}", found.problems);
    // And its study's honest miner loses money at its own constants.
    let study = StudyParameters::default();
    assert!(study.honest_value(study.emission, study.cost_per_step) < 0.0);
    assert!(study.break_even_emission() > 0.0094 && study.break_even_emission() < 0.0095);
}

#[test]
fn every_problem_is_reported() {
    let bad =
        NetworkParameters { fee_margin: 0.0, deposit_split: 0.9, security_margin: 0.0, ..NetworkParameters::default() };
    let problems = viability(&bad, &TypicalJob::default()).unwrap().problems.join("\n");
    assert!(problems.contains("honest work is worth 0.000") && problems.contains("validators are paid"), "{problems}");
    assert!(viability(&NetworkParameters { slash: 0.0, ..bad }, &TypicalJob::default()).is_err());
}

#[test]
fn the_optimum_meets_its_conditions_and_nothing_feasible_is_cheaper() {
    let request = OptimiseRequest::default();
    let found = optimise(&request).unwrap();
    let best = found.best;
    assert!(best.best_cheat_fees <= -request.security_margin * (1.0 - 1e-9), "{best:?}");
    assert!(best.reexecution_share <= request.reexecution_budget && best.stake_fees <= request.max_stake_fees);
    assert!(found.feasible > 100 && found.searched > found.feasible);
    let parts = best.audit_cost + best.capital_cost + best.false_positive_cost + best.bad_clip_cost;
    assert!((parts - best.total_cost).abs() < 1e-12);
    let frontier = frontier(&request).unwrap();
    assert!(frontier.points.iter().filter(|point| point.efficient).count() > 3);
    for point in &frontier.points {
        let allowed = point.point.reexecution_share <= request.reexecution_budget
            && point.point.stake_fees <= request.max_stake_fees
            && point.point.candidate.full_audit_one_in != 0
            && point.point.candidate.full_audit_one_in <= request.full_audit_at_least_one_in;
        assert!(!allowed || point.point.total_cost >= best.total_cost - 1e-12, "{point:?}");
        // Of two efficient points the one that re-executes more needs less stake.
        for other in frontier.points.iter().filter(|other| other.efficient && point.efficient) {
            let more = other.point.reexecution_share > point.point.reexecution_share;
            assert!(!more || other.point.stake_fees < point.point.stake_fees);
        }
    }
}

#[test]
fn what_ships_costs_little_more_than_the_optimum() {
    let network = NetworkParameters::default();
    let request = OptimiseRequest::default();
    let best = optimise(&request).unwrap().best;
    let shipped = infernet_economics::optimise::Candidate {
        checks: network.audit.checks(1.0, request.job.steps),
        full_audit_one_in: network.audit.full_audit_one_in,
        slash: network.slash,
        gamma: network.trust_decay,
    };
    let priced = infernet_economics::optimise::priced(&request, &shipped).unwrap();
    assert!(priced.total_cost < best.total_cost + 0.05, "{priced:?} {best:?}");
}

#[test]
fn conditions_that_nothing_meets_say_which() {
    let base = OptimiseRequest::default();
    let reason = |request: OptimiseRequest| match optimise(&request).unwrap_err() {
        EconomicsError::Infeasible { reason, .. } => reason,
        other => panic!("{other}"),
    };
    assert!(reason(OptimiseRequest { reexecution_budget: 0.01, ..base }).contains("re-execute"));
    assert!(reason(OptimiseRequest { max_stake_fees: 0.5, ..base }).contains("stake above"));
    assert!(reason(OptimiseRequest { fee_margin: 0.0, ..base }).contains("lose money"));
    assert!(optimise(&OptimiseRequest { max_slash: f64::NAN, ..base }).is_err());
}

#[test]
fn sensitivities_go_the_way_they_must() {
    let request = OptimiseRequest::default();
    let rows = sensitivity_of_optimum(&request).unwrap();
    assert_eq!(rows.len(), 19);
    let cost = |name: &str, above: bool| {
        let row = rows.iter().filter(|row| row.assumption == name).nth(usize::from(above)).unwrap();
        row.optimum.unwrap().total_cost
    };
    let base = rows[0].optimum.unwrap().total_cost;
    for name in ["verification_cost_ratio", "capital_rate", "false_positive_per_check", "lazy_share"] {
        assert!(cost(name, false) <= base && base <= cost(name, true), "{name}");
    }
}
