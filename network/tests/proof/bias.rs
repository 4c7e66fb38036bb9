//! Steering within tolerance shows, rounding does not.

use infernet_network::proof::{BiasLedger, BiasReport, Reexecution, audit};

use super::fake::Fake;
use super::world::{DDIM, Options, World};

const HONEST_FLOOR: f64 = 1e-5;

/// The miner's arithmetic is the given one, the validator's exact; every audit accepts.
fn after_audits(miner: impl Fn(u64) -> Fake, jobs: u64) -> BiasReport {
    let mut ledger = BiasLedger::default();
    for number in 0..jobs {
        let world = World::new(&Options { sampler: DDIM, steps: 8, checked: 4, number, ..Options::default() });
        let text = Fake::exact().prepare(&world.job, &world.opening).unwrap();
        let mut model = miner(number);
        model.prepare(&world.job, &world.opening).unwrap();
        let evidence = world.run_from(&mut model, text, &world.first_state(), |_, _, made| made);
        let bundle = world.bundle(&world.commit(evidence));
        let audit = audit(&bundle, &world.tolerances, &mut Fake::exact()).unwrap();
        assert!(audit.verdict.accepted(), "{:?}", audit.verdict.failure());
        audit.bias.into_iter().for_each(|sample| ledger.add(sample));
    }
    ledger.report(HONEST_FLOOR)
}

#[test]
fn rounding_has_no_direction() {
    let report = after_audits(|_| Fake::with_rounding(3e-4), 40);
    assert!(!report.biased && report.count == 320, "{report:?}");
    let same_binary = after_audits(|_| Fake::exact(), 10);
    assert!(!same_binary.biased && same_binary.score == 0.0, "{same_binary:?}");
}

#[test]
fn steering_at_a_fifth_of_the_bound_shows() {
    let steering = |_| Fake::with_steering(2e-4, 3e-4);
    let report = after_audits(steering, 10);
    assert!(report.biased && report.direction == "gain", "{report:?}");
    assert!((report.mean - 2e-4).abs() < 5e-5, "{report:?}");
}

#[test]
fn what_honest_devices_show_against_each_other_is_not_held_against_them() {
    let report = after_audits(|_| Fake::with_steering(5e-6, 0.0), 10);
    assert!(!report.biased && report.score.abs() > BiasLedger::SCORE, "{report:?}");
}

#[test]
fn few_samples_say_nothing() {
    let report = after_audits(|_| Fake::with_steering(5e-4, 0.0), 2);
    assert!(!report.biased && report.count < BiasLedger::LEAST_SAMPLES, "{report:?}");
}
