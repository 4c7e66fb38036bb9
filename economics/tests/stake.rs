//! Required stake: every way to cheat is a loss at it, and not by more than needed.
#![allow(clippy::unwrap_used)]

use infernet_economics::EconomicsError;
use infernet_economics::detection::AuditLevel;
use infernet_economics::parameters::{NetworkParameters, TypicalJob};
use infernet_economics::stake::{ExactTerms, JobTerms, StakeRule, required_stake, required_stake_microcredits};
use proptest::prelude::*;

fn terms() -> impl Strategy<Value = JobTerms> {
    (
        (1u32..80, 0.0..1.0f64, 0.05..1.0f64, 0.0..0.2f64),
        (0.0..10.0f64, 0.0..50.0f64, 0.0..400.0f64),
        (0.01..1.0f64, 0.0..0.5f64, 0.0..2.0f64),
    )
        .prop_map(
            |((steps, rate, share, full), (cost_per_step, settlement, fee), (slash, margin, restitution))| JobTerms {
                steps,
                cost_per_step,
                settlement,
                fee,
                slash,
                audit: AuditLevel {
                    checks: ((rate * f64::from(steps)) as u32).clamp(1, steps),
                    audited_job_share: share,
                    full_audit_share: full,
                },
                margin,
                restitution: restitution * fee,
            },
        )
}

fn exact_terms() -> impl Strategy<Value = ExactTerms> {
    (
        (1u32..60, 0.0..1.0f64, 1u32..=1_000_000, 0u32..=200_000),
        (0u64..2_000_000, 0u64..2_000_000, 0u64..100_000),
        (1u32..=1_000_000, 0u32..=500_000, 0u64..3_000_000),
    )
        .prop_map(|((steps, rate, share, full), (fee, cost, settlement), (slash, margin, restitution))| {
            ExactTerms {
                steps,
                checks: ((rate * f64::from(steps)) as u32).clamp(1, steps),
                audited_job_share_ppm: share,
                full_audit_share_ppm: full,
                fee_microcredits: fee,
                cost_microcredits: cost,
                settlement_microcredits: settlement,
                slash_ppm: slash,
                margin_ppm: margin,
                restitution_microcredits: restitution,
            }
        })
}

/// The same terms in floating point.
fn real(terms: &ExactTerms) -> JobTerms {
    let share = |ppm: u32| f64::from(ppm) / 1e6;
    JobTerms {
        steps: terms.steps,
        cost_per_step: terms.cost_microcredits as f64 / f64::from(terms.steps),
        settlement: terms.settlement_microcredits as f64,
        fee: terms.fee_microcredits as f64,
        slash: share(terms.slash_ppm),
        audit: AuditLevel {
            checks: terms.checks,
            audited_job_share: share(terms.audited_job_share_ppm),
            full_audit_share: share(terms.full_audit_share_ppm),
        },
        margin: share(terms.margin_ppm),
        restitution: terms.restitution_microcredits as f64,
    }
}

/// Whether every condition holds for every m when this amount is lost on being caught.
fn deterred(terms: &JobTerms, slashed: f64) -> bool {
    let honest = terms.honest_value();
    slashed >= terms.restitution * (1.0 - 1e-9)
        && (1..=terms.steps).all(|tampered| {
            let caught = terms.audit.detection(terms.steps, tampered);
            let saved = terms.cost_per_step * f64::from(tampered);
            let value = terms.value(tampered, slashed);
            let tolerance = 1e-9 * (terms.fee + saved + slashed + terms.settlement);
            value + terms.margin * terms.fee <= tolerance
                && value - honest <= tolerance
                && caught * slashed - saved * (1.0 - caught) >= -tolerance
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_way_to_cheat_is_a_loss(terms in terms()) {
        let required = required_stake(&terms).unwrap();
        prop_assert!(deterred(&terms, required.slashed), "{required:?}");
        prop_assert!((required.stake * terms.slash - required.slashed).abs() <= 1e-9 * required.slashed);
    }

    #[test]
    fn and_a_little_less_would_not_do(terms in terms()) {
        let required = required_stake(&terms).unwrap();
        prop_assume!(required.slashed > 1e-6);
        prop_assert!(!deterred(&terms, required.slashed * (1.0 - 1e-5)), "{required:?}");
    }

    #[test]
    fn whole_micro_credits_are_safe_and_tight(terms in exact_terms()) {
        let exact = required_stake_microcredits(&terms).unwrap();
        let same = real(&terms);
        // What a ledger that rounds the slash down takes still deters.
        let slashed = (u128::from(exact.stake_microcredits) * u128::from(terms.slash_ppm) / 1_000_000) as u64;
        prop_assert!(slashed >= exact.slashed_microcredits);
        prop_assert!(deterred(&same, slashed as f64), "{exact:?}");
        let bound = required_stake(&same).unwrap();
        let over = exact.slashed_microcredits as f64 - bound.slashed;
        let chance = same.audit.detection(same.steps, exact.tampered.max(1));
        let slack = (1e-9 + 2e-12 * f64::from(same.steps) / chance) * bound.slashed;
        prop_assert!(over >= -slack, "{} {}", exact.slashed_microcredits, bound.slashed);
        prop_assert!(over <= 1.0 + slack, "{} {}", exact.slashed_microcredits, bound.slashed);
    }

    #[test]
    fn harsher_rules_never_need_more_stake(terms in terms(), more in 0.0..1.0f64) {
        let stake = |terms: &JobTerms| required_stake(terms).unwrap().stake;
        let before = stake(&terms);
        let mut audited = terms;
        audited.audit.checks = (terms.audit.checks + (more * 10.0) as u32).min(terms.steps);
        let mut slashing = terms;
        slashing.slash += (1.0 - terms.slash) * more;
        let mut in_full = terms;
        in_full.audit.full_audit_share += (1.0 - terms.audit.full_audit_share) * more;
        for harsher in [audited, slashing, in_full] {
            prop_assert!(stake(&harsher) <= before * (1.0 + 1e-9));
        }
        let wider = JobTerms { margin: terms.margin + more, ..terms };
        prop_assert!(stake(&wider) >= before * (1.0 - 1e-9));
    }

    #[test]
    fn nothing_wraps_at_the_largest_amounts(mut terms in exact_terms()) {
        terms.fee_microcredits = u64::MAX;
        terms.cost_microcredits = u64::MAX;
        terms.settlement_microcredits = u64::MAX;
        terms.restitution_microcredits = u64::MAX;
        match required_stake_microcredits(&terms) {
            Ok(required) => prop_assert!(terms.slash_ppm == 1_000_000 && required.stake_microcredits == u64::MAX),
            Err(error) => prop_assert_eq!(error.code(), "economics.overflow"),
        }
    }
}

#[test]
fn by_hand() {
    // Two steps, one checked: p(1) = 1/2, p(2) = 1. Fee 10, 4 a step.
    let mut terms = JobTerms {
        steps: 2,
        cost_per_step: 4.0,
        settlement: 0.0,
        fee: 10.0,
        slash: 0.5,
        audit: AuditLevel::always(1),
        margin: 0.0,
        restitution: 0.0,
    };
    // m = 1: 5 - 4 - a/2 < 0 needs a > 2; the protocol's own condition needs a >= 4.
    let required = required_stake(&terms).unwrap();
    assert_eq!((required.rule, required.tampered), (StakeRule::SavedWork, 1));
    assert!((required.slashed - 4.0).abs() < 1e-9 && (required.stake - 8.0).abs() < 1e-9);
    // With a margin of a fee: 5 - 4 + 10 - a/2 <= 0.
    terms.margin = 1.0;
    let required = required_stake(&terms).unwrap();
    assert_eq!((required.rule, required.tampered), (StakeRule::Loss, 1));
    assert!((required.slashed - 22.0).abs() < 1e-9);
    // A fee of nothing: cheating must still be worse than working for nothing; 4 - a/2 < 0.
    terms.fee = 0.0;
    let required = required_stake(&terms).unwrap();
    assert_eq!((required.rule, required.tampered), (StakeRule::BelowHonest, 1));
    assert!((required.slashed - 8.0).abs() < 1e-9);
    terms.restitution = 100.0;
    assert_eq!(required_stake(&terms).unwrap().rule, StakeRule::Restitution);
}

#[test]
fn without_audit_or_slash_there_is_no_stake() {
    let network = NetworkParameters::default();
    let terms = JobTerms::of_network(&network, &TypicalJob::default(), 1.0);
    let never = JobTerms { audit: AuditLevel::always(0), ..terms };
    assert!(matches!(required_stake(&never), Err(EconomicsError::NoStakeSuffices { tampered: 1, .. })));
    let nothing = JobTerms { slash: 0.0, ..terms };
    let error = required_stake(&nothing).unwrap_err();
    assert!(error.to_string().contains("nothing is slashed") && !error.next_step().is_empty());
    let exact = ExactTerms {
        steps: 30,
        checks: 2,
        audited_job_share_ppm: 1_000_000,
        full_audit_share_ppm: 15_625,
        fee_microcredits: 8750,
        cost_microcredits: 7000,
        settlement_microcredits: 0,
        slash_ppm: 500_000,
        margin_ppm: 50_000,
        restitution_microcredits: 8750,
    };
    // The same job as the shipped defaults in floating point.
    let (whole, real) = (required_stake_microcredits(&exact).unwrap(), required_stake(&terms).unwrap());
    assert!((whole.stake_microcredits as f64 - real.stake).abs() <= 3.0, "{whole:?} {real:?}");
    assert_eq!((whole.rule, whole.tampered), (real.rule, real.tampered));
    assert_eq!(ExactTerms::of_network(&network, 1.0, 30, 8750, 7000, 0).unwrap(), exact);
    assert!(ExactTerms::of_network(&network, 1.5, 30, 8750, 7000, 0).is_err());
    let dear = NetworkParameters { restitution_fees: 2.0, ..network };
    let overflow = ExactTerms::of_network(&dear, 1.0, 30, u64::MAX, 7000, 0).unwrap_err();
    assert_eq!(overflow.code(), "economics.overflow");
    for (bad, name) in [
        (ExactTerms { steps: 0, ..exact }, "steps"),
        (ExactTerms { checks: 31, ..exact }, "checks"),
        (ExactTerms { slash_ppm: 1_000_001, ..exact }, "slash_ppm"),
    ] {
        assert!(required_stake_microcredits(&bad).unwrap_err().to_string().starts_with(name));
    }
    let never = ExactTerms { audited_job_share_ppm: 0, full_audit_share_ppm: 0, ..exact };
    assert_eq!(required_stake_microcredits(&never).unwrap_err().code(), "economics.no_stake_suffices");
    let nothing = ExactTerms { slash_ppm: 0, ..exact };
    assert_eq!(required_stake_microcredits(&nothing).unwrap_err().code(), "economics.no_stake_suffices");
}
