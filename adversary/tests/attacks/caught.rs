//! Which audits reject, and how often.

use infernet_adversary::{Attack, AttackError, Rate};
use infernet_engine::pipeline::Precision;

use crate::case::{Case, audit_one, depth, parameters, table};

#[test]
fn each_attack_is_rejected_where_it_shows_by_the_check_that_is_to_see_it() {
    const AUDITS: u64 = 24;
    let case = Case::new(Precision::F32);
    let calibrating = case.exchange(1, &parameters(6));
    let pair = case.tolerance(&calibrating);
    let table = table(pair.clone());
    let exchange = calibrating.with_audits(depth(2), 0, table.digest()).unwrap();
    let mut setting = case.setting(&exchange);
    setting.bounds = Some(&pair);
    let mut validator = case.validator();

    let honest = exchange.commit(setting.honest_run().unwrap().clone()).unwrap();
    for number in 0..AUDITS {
        let verdict = audit_one(None, &exchange, &honest, number, &table, &mut validator).audit.verdict;
        assert!(verdict.accepted(), "honest, audit {number}: {:?}", verdict.failure());
    }
    let full = 2 * u64::from(exchange.job.steps);
    let mut seen = Rate::default();
    for attack in Attack::all() {
        let name = attack.name();
        // The starter's schedule begins with pure noise.
        if matches!(attack, Attack::OtherPrecision(Precision::F32) | Attack::NoisedOldClip) {
            assert!(matches!(attack.run(&setting), Err(AttackError::NotApplicable { .. })));
            continue;
        }
        let run = attack.run(&setting).unwrap();
        let saved = 1.0 - run.evaluations as f64 / full as f64;
        assert!((saved - attack.evaluations_saved(&exchange.job)).abs() < 1e-9, "{name} saved {saved}");
        let committed = exchange.commit(run.evidence).unwrap();
        for number in 0..AUDITS {
            let audited = audit_one(Some(&attack), &exchange, &committed, number, &table, &mut validator);
            let verdict = audited.audit.verdict;
            assert_eq!(verdict.accepted(), !audited.shows, "{name}, audit {number}: {:?}", verdict.failure());
            seen.add(audited.shows);
            if let Some(failure) = verdict.failure() {
                assert!(attack.expected_checks().contains(&failure.check), "{name}: {failure:?}");
            }
        }
    }
    // Both kinds of audits were there.
    assert!(seen.hits > 200 && seen.of - seen.hits > 50, "{seen}");
    assert!(validator.evaluations_made() < validator.evaluations());
}

#[test]
fn detection_is_as_often_as_tampered_steps_are_drawn() {
    const AUDITS: u64 = 1200;
    let case = Case::new(Precision::F32);
    let calibrating = case.exchange(2, &parameters(8));
    let table = table(case.tolerance(&calibrating));
    let exchange = calibrating.with_audits(depth(2), 0, table.digest()).unwrap();
    let setting = case.setting(&exchange);
    let mut validator = case.validator();
    // C(7, 2) / C(8, 2) is 21 / 28; C(4, 2) is 6.
    for (attack, expected) in
        [(Attack::CachedOnce, 0.25), (Attack::CachedOutputs, 22.0 / 28.0), (Attack::SplicedRun, 1.0)]
    {
        assert!((attack.detection(&exchange.job, exchange.terms()) - expected).abs() < 1e-12);
        let committed = exchange.commit(attack.run(&setting).unwrap().evidence).unwrap();
        let mut rate = Rate::default();
        for number in 0..AUDITS {
            let audited = audit_one(Some(&attack), &exchange, &committed, number, &table, &mut validator);
            assert_eq!(audited.audit.verdict.accepted(), !audited.shows, "{}, audit {number}", attack.name());
            rate.add(!audited.audit.verdict.accepted());
        }
        let (low, high) = rate.interval();
        assert!((low..=high).contains(&expected), "{}: {rate}, expected {expected}", attack.name());
    }
    let honest = exchange.commit(setting.honest_run().unwrap().clone()).unwrap();
    for number in 0..AUDITS {
        assert!(audit_one(None, &exchange, &honest, number, &table, &mut validator).audit.verdict.accepted());
    }
    // Two branches of eight steps of four runs, however many audits.
    assert!(validator.evaluations_made() <= 4 * 2 * 8, "{}", validator.evaluations_made());
}

#[test]
fn terms_with_a_certain_last_step_and_full_checks_are_counted() {
    let case = Case::new(Precision::F32);
    let exchange = case.exchange(3, &parameters(25));
    let detection = |attack: Attack, policy| {
        let exchange = exchange.with_audits(policy, 0, infernet_network::proof::Digest::ZERO).unwrap();
        attack.detection(&exchange.job, exchange.terms())
    };
    let last_step = infernet_network::proof::AuditPolicy { last_step_below: 1, ..depth(2) };
    assert_eq!(detection(Attack::TruncatedSchedule, last_step), 1.0);
    assert!((detection(Attack::CachedOnce, last_step) - 0.08).abs() < 1e-12);
    let mixed = infernet_network::proof::AuditPolicy { full_one_in: 20, unknown_share: 300, ..depth(2) };
    // Eight of 25 steps, and every step of one job in twenty.
    assert!((detection(Attack::CachedOnce, mixed) - (0.95 * 0.32 + 0.05)).abs() < 1e-12);
    assert_eq!(detection(Attack::SwappedClip, depth(1)), 1.0);
    assert_eq!(detection(Attack::Bias { share: 0.5 }, depth(25)), 0.0);
    assert_eq!(detection(Attack::Int4Weights, depth(1)), 1.0);
}
