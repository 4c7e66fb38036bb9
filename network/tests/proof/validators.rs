//! Validators that cheat.

use infernet_network::proof::{
    AuditError, AuditNonce, Bundle, Check, CheckResult, Failure, Proof, PublicKey, Review, Signed, Verdict, audit,
    check_structure, review,
};

use super::fake::Fake;
use super::world::{DDIM, Options, World, bytes};

fn world() -> World {
    World::new(&Options { sampler: DDIM, steps: 12, checked: 3, frames_checked: 2, ..Options::default() })
}

/// A miner whose every output is wrong.
fn cheating_bundle(world: &World) -> Bundle {
    let evidence = world.run_with(|_, _, mut honest| {
        honest.conditional.iter_mut().for_each(|value| *value *= 0.9);
        honest
    });
    world.bundle(&world.commit(evidence))
}

fn honest_bundle(world: &World) -> Bundle {
    world.bundle(&world.commit(world.honest()))
}

fn validator_error(world: &World, bundle: &Bundle) -> (&'static str, &'static str) {
    match world.audit(bundle) {
        Err(AuditError::Validator { what, reason }) => (what, reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn grinding_indices_needs_another_nonce_than_announced() {
    let world = world();
    let committed = world.commit(world.honest());
    let good = world.bundle(&committed);
    // It would like step 0 to be drawn, and looks for a nonce that does it.
    let terms = &world.challenge.body.terms;
    let draw =
        |nonce: &AuditNonce| infernet_network::proof::Draw::new(&world.job, terms, nonce, committed.commitment()).steps;
    let found = (0..1000).map(|number| AuditNonce(bytes("ground", number))).find(|nonce| draw(nonce).contains(&0));
    let ground = Bundle { nonce: found.unwrap(), ..good };
    assert_eq!(validator_error(&world, &ground).0, "nonce");
    assert!(committed.reveal(world.first(), &found.unwrap()).is_err(), "an honest miner does not answer");
}

#[test]
fn terms_can_not_be_changed_after_the_run() {
    let world = world();
    let committed = world.commit(world.honest());
    // The same challenge with more steps, signed again: the miner never saw it, and is not blamed.
    let mut changed = world.challenge.body.clone();
    changed.terms.steps = 12;
    let challenge = Signed::sign(changed, &world.validator).unwrap();
    let bundle = Bundle { challenge, ..world.bundle(&committed) };
    let failure = world.audit(&bundle).unwrap().verdict.failure().unwrap();
    assert_eq!((failure.check, failure.check.proof()), (Check::CommitmentSession, Proof::Attested));
    // The same with a second validator's pledge: the miner's signature is under the answer to the other one.
    let mut bundle = world.second_opinion(&committed);
    let mut pledge = world.pledge().body;
    pledge.terms.steps = 12;
    bundle.pledge = Some(Signed::sign(pledge, &world.second).unwrap());
    let failure = world.audit(&bundle).unwrap().verdict.failure().unwrap();
    assert_eq!((failure.check, failure.check.proof()), (Check::RevealSignature, Proof::Attested));
}

#[test]
fn damaged_evidence_blames_nobody() {
    let world = world();
    let mut bundle = honest_bundle(&world);
    bundle.reveal.as_mut().unwrap().bytes[500] ^= 1;
    let failure = world.audit(&bundle).unwrap().verdict.failure().unwrap();
    assert_eq!((failure.check, failure.check.proof()), (Check::RevealSignature, Proof::Attested));
}

#[test]
fn what_a_validator_says_must_be_sound() {
    let world = world();
    let good = honest_bundle(&world);
    type Change = fn(&World, &mut Bundle);
    let cases: &[(&str, Change)] = &[
        ("challenge", |_, bundle| bundle.challenge.signature.0[0] ^= 1),
        ("challenge", |world, bundle| {
            let mut body = world.challenge.body.clone();
            body.job.0[0] ^= 1;
            bundle.challenge = Signed::sign(body, &world.validator).unwrap();
        }),
        ("challenge", |world, bundle| {
            let mut body = world.challenge.body.clone();
            body.terms.steps = 0;
            bundle.challenge = Signed::sign(body, &world.validator).unwrap();
        }),
        ("challenge", |world, bundle| {
            let mut body = world.challenge.body.clone();
            body.commit_by_unix_ms = world.job.deadline_unix_ms + 1;
            bundle.challenge = Signed::sign(body, &world.validator).unwrap();
        }),
        ("pledge", |world, bundle| {
            let mut pledge = world.pledge();
            pledge.signature.0[0] ^= 1;
            bundle.pledge = Some(pledge);
        }),
        // A second validator that copies the first one's nonce commitment can't open it, even when the nonce is public.
        ("nonce", |world, bundle| {
            let mut body = world.pledge().body;
            body.terms.nonce_commitment = world.challenge.body.terms.nonce_commitment;
            bundle.pledge = Some(Signed::sign(body, &world.second).unwrap());
        }),
        ("nonce", |_, bundle| bundle.nonce.0[0] ^= 1),
    ];
    for (index, (what, change)) in cases.iter().enumerate() {
        let mut bundle = good.clone();
        change(&world, &mut bundle);
        assert_eq!(validator_error(&world, &bundle).0, *what, "case {index}");
    }
    let mut other_prompt = good.clone();
    other_prompt.opening.prompt.push('!');
    assert_eq!(world.audit(&other_prompt).unwrap_err().code(), "proof.audit.opening");
    let mut table = world.tolerances.clone();
    table.pairs[0].bins[0].whole_bound = 1.0;
    let error = audit(&good, &table, &mut Fake::exact()).unwrap_err();
    assert_eq!(error.code(), "proof.audit.tolerance_table", "bounds are not widened after the run");
}

fn signed(world: &World, verdict: Verdict) -> Signed<Verdict> {
    Signed::sign(verdict, &world.validator).unwrap()
}

fn reviewed(world: &World, bundle: &Bundle, verdict: &Signed<Verdict>) -> Review {
    review(bundle, verdict, &world.tolerances, &mut Fake::exact()).unwrap()
}

#[test]
fn true_verdicts_are_confirmed() {
    let world = world();
    for bundle in [honest_bundle(&world), cheating_bundle(&world)] {
        let verdict = signed(&world, world.audit(&bundle).unwrap().verdict);
        assert_eq!(reviewed(&world, &bundle, &verdict), Review::Confirmed);
        // Another device of the same honesty agrees.
        let other = review(&bundle, &verdict, &world.tolerances, &mut Fake::with_rounding(1e-5)).unwrap();
        assert_eq!(other, Review::Confirmed);
    }
}

#[test]
fn false_verdicts_are_caught_by_anyone() {
    let world = world();
    let (honest, cheating) = (honest_bundle(&world), cheating_bundle(&world));
    let rows = |bundle: &Bundle| world.audit(bundle).unwrap().verdict.checks;
    let false_claims: Vec<(&str, &Bundle, Vec<CheckResult>)> = vec![
        ("accepts a cheat with an honest run's checks", &cheating, rows(&honest)),
        ("rejects an honest run with a cheat's checks", &honest, rows(&cheating)),
        ("accepts without checking", &cheating, Vec::new()),
        ("rejects an honest run at the noise", &honest, {
            let mut rows = rows(&honest);
            let at = rows.iter().position(|row| row.check == Check::InitialNoise).unwrap();
            rows.truncate(at + 1);
            rows[at].passed = false;
            rows
        }),
        ("accepts a cheat with a bound of its own", &cheating, {
            let mut made = rows(&honest);
            for row in &mut made {
                row.bound = row.bound.map(|_| 1.0);
            }
            made
        }),
    ];
    for (name, bundle, checks) in false_claims {
        let verdict = Verdict { checks, ..world.audit(bundle).unwrap().verdict };
        let review = reviewed(&world, bundle, &signed(&world, verdict));
        assert!(matches!(review, Review::False { .. }), "{name}: {review:?}");
    }
}

#[test]
fn a_verdict_is_about_one_bundle_and_one_validator() {
    let world = world();
    let (honest, cheating) = (honest_bundle(&world), cheating_bundle(&world));
    let verdict = world.audit(&honest).unwrap().verdict;
    let elsewhere = review(&cheating, &signed(&world, verdict.clone()), &world.tolerances, &mut Fake::exact());
    assert_eq!(elsewhere.unwrap_err().code(), "proof.audit.verdict");
    let mut forged = signed(&world, verdict.clone());
    forged.body.checks.pop();
    let unsigned = review(&honest, &forged, &world.tolerances, &mut Fake::exact());
    assert_eq!(unsigned.unwrap_err().code(), "proof.audit.verdict");
    let mut in_anothers_name = verdict;
    in_anothers_name.validator = PublicKey::from(&world.second);
    assert!(Signed::sign(in_anothers_name, &world.validator).is_err());
}

#[test]
fn a_validators_word_is_not_a_proof() {
    let world = world();
    let silent = Bundle { reveal: None, ..honest_bundle(&world) };
    let verdict = world.audit(&silent).unwrap().verdict;
    assert_eq!(verdict.proof(), Some(Proof::Attested));
    let claim = Failure { check: Check::RevealPresent, leaf: None };
    assert_eq!(reviewed(&world, &silent, &signed(&world, verdict)), Review::Attested(claim));
}

#[test]
fn errors_near_the_bound_are_nobodys_lie() {
    let world = world();
    let bundle = honest_bundle(&world);
    // A validator whose own arithmetic is off by twice the bound rejects; one in the middle can't say who is right.
    let off = audit(&bundle, &world.tolerances, &mut Fake::with_rounding(2e-3)).unwrap().verdict;
    assert!(!off.accepted());
    let verdict = signed(&world, off);
    let middle = review(&bundle, &verdict, &world.tolerances, &mut Fake::with_rounding(6e-4)).unwrap();
    assert!(matches!(middle, Review::Inconclusive { .. }), "{middle:?}");
    let exact = reviewed(&world, &bundle, &verdict);
    assert!(matches!(exact, Review::False { .. }), "{exact:?}");
}

#[test]
fn a_leaked_nonce_helps_against_one_validator_only() {
    // The first validator tells its friend the nonce; the friend grinds its signature until only honest steps are drawn.
    let (mut escaped_first, mut escaped_second) = (0, 0);
    for number in 0..40 {
        let world = World::new(&Options {
            sampler: DDIM,
            steps: 12,
            checked: 3,
            frames_checked: 1,
            number,
            ..Options::default()
        });
        // The draw depends on what is committed, which the friend varies by a clip that shows the same.
        let ground = (0..200_u32).find_map(|salt| {
            let mut evidence = world.run_with(|step, _, mut honest| {
                if step % 2 == 0 {
                    honest.conditional.iter_mut().for_each(|value| *value *= 0.9);
                }
                honest
            });
            // Eight pixels one level off: no viewer and no bound notices.
            for (bit, pixel) in evidence.frames[0].pixels.iter_mut().take(8).enumerate() {
                *pixel ^= (salt >> bit & 1) as u8;
            }
            let committed = world.commit(evidence);
            let draw = infernet_network::proof::Draw::new(
                &world.job,
                &world.challenge.body.terms,
                &world.nonce,
                committed.commitment(),
            );
            draw.steps.iter().all(|step| step % 2 == 1).then_some(committed)
        });
        let Some(committed) = ground else { continue };
        escaped_first += u32::from(world.audit(&world.bundle(&committed)).unwrap().verdict.accepted());
        escaped_second += u32::from(world.audit(&world.second_opinion(&committed)).unwrap().verdict.accepted());
    }
    // A second draw misses six of twelve steps with probability C(6, 3) / C(12, 3) = 1 / 11.
    assert!(escaped_first >= 36, "grinding with the nonce works: {escaped_first}");
    assert!(escaped_second <= 12, "and does not help against the next: {escaped_second}");
    let world = world();
    assert!(check_structure(&honest_bundle(&world)).unwrap().failure().is_none());
}
