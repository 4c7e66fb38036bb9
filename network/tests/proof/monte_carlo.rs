//! Detection over whole jobs against the formula.

use infernet_network::proof::{Check, check_structure, detection_probability};

use super::world::{DDIM, Options, World};

/// Jobs per case.
const JOBS: u64 = 400;

/// Runs many jobs with `tampered` of `total` steps wrong and `checked` checked, each audited whole; the caught share must
/// lie within four standard deviations of the formula.
fn check(total: u32, tampered: u32, checked: u32) {
    let mut caught = 0_u32;
    for number in 0..JOBS {
        let options = Options { sampler: DDIM, steps: total, checked, frames_checked: 1, number, ..Options::default() };
        let world = World::new(&options);
        // Which steps are tampered differs from job to job.
        let is_tampered = |step: u32| (step + number as u32) % total < tampered;
        let evidence = world.run_with(|step, _, mut honest| {
            if is_tampered(step) {
                honest.conditional.iter_mut().for_each(|value| *value *= 0.9);
            }
            honest
        });
        let bundle = world.bundle(&world.commit(evidence));
        let drawn = check_structure(&bundle).unwrap().opened.unwrap().draw.steps;
        let verdict = world.audit(&bundle).unwrap().verdict;
        let hit = drawn.iter().find(|&&step| is_tampered(step)).copied();
        // Every audit that draws a tampered step rejects there; every other accepts.
        let failure = verdict.failure().map(|failure| (failure.check, failure.leaf));
        assert_eq!(failure, hit.map(|step| (Check::ModelOutput, Some(step))), "job {number}");
        caught += u32::from(hit.is_some());
    }
    let expected = detection_probability(total, tampered, checked);
    let measured = f64::from(caught) / JOBS as f64;
    let deviation = (expected * (1.0 - expected) / JOBS as f64).sqrt();
    assert!(
        (measured - expected).abs() <= 4.0 * deviation + 1e-12,
        "{tampered} of {total} steps, {checked} checked: {measured} for {expected}"
    );
}

#[test]
fn detection_is_what_the_formula_says() {
    check(10, 1, 3);
    check(10, 5, 2);
    check(25, 12, 2);
    check(25, 3, 8);
    check(12, 12, 1);
    check(12, 0, 4);
}

#[test]
fn every_step_and_pair_of_steps_is_drawn_alike() {
    let world = World::new(&Options { steps: 6, checked: 2, frames_checked: 1, ..Options::default() });
    let committed = world.commit(world.honest());
    let mut pairs = std::collections::BTreeMap::new();
    let draws = 15_000_u64;
    for number in 0..draws {
        let nonce = infernet_network::proof::AuditNonce(super::world::bytes("draw", number));
        let draw =
            infernet_network::proof::Draw::new(&world.job, &world.challenge.body.terms, &nonce, committed.commitment());
        *pairs.entry(draw.steps).or_insert(0_u32) += 1;
    }
    assert_eq!(pairs.len(), 15);
    // Chi-squared with 14 degrees of freedom: above 45 less than once in 25 000.
    let expected = draws as f64 / 15.0;
    let chi_squared: f64 = pairs.values().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
    assert!(chi_squared < 45.0, "{chi_squared}: {pairs:?}");
}
