//! Honest miners pass, whatever they run.

use infernet_engine::pipeline::Precision;
use infernet_network::proof::{
    Bundle, Check, CheckReport, Evidence, Reveal, Signed, SigningKey, Verdict, audit, check_structure,
};

use super::fake::Fake;
use super::world::{DDIM, DPM, EULER, Options, World, bytes};

#[test]
fn every_sampler_and_format_is_accepted() {
    for sampler in [DDIM, DPM, EULER] {
        for dtype in [Precision::F32, Precision::F16, Precision::Bf16] {
            for guidance in [7.5, 1.0] {
                let options = Options { sampler, dtype, guidance, checked: 3, frames_checked: 2, ..Options::default() };
                let world = World::new(&options);
                let bundle = world.bundle(&world.commit(world.honest()));
                let audit = world.audit(&bundle).unwrap();
                assert!(audit.verdict.accepted(), "{sampler} {dtype:?} {guidance}: {:?}", audit.verdict.failure());
                assert_eq!(audit.evaluations, if guidance > 1.0 { 6 } else { 3 });
                assert!(audit.verdict.checks.iter().all(|row| row.error.unwrap_or(0.0) <= row.bound.unwrap_or(0.0)));
            }
        }
    }
}

#[test]
fn other_arithmetic_within_tolerance_is_accepted_and_beyond_is_not() {
    let world = World::new(&Options::default());
    let bundle = world.bundle(&world.commit(world.honest()));
    let with = |rounding| audit(&bundle, &world.tolerances, &mut Fake::with_rounding(rounding)).unwrap().verdict;
    assert!(with(5e-4).accepted());
    let failure = with(5e-3).failure().unwrap();
    assert_eq!((failure.check, failure.leaf), (Check::ModelOutput, Some(0)));
}

#[test]
fn a_second_opinion_draws_for_itself() {
    let world = World::new(&Options { steps: 20, checked: 3, ..Options::default() });
    let committed = world.commit(world.honest());
    let (first, second) = (world.bundle(&committed), world.second_opinion(&committed));
    assert!(world.audit(&first).unwrap().verdict.accepted());
    let verdict = world.audit(&second).unwrap().verdict;
    assert!(verdict.accepted());
    assert_eq!(verdict.validator, world.pledge().body.validator);
    let drawn = |bundle| check_structure(bundle).unwrap().opened.unwrap().draw.steps;
    assert_ne!(drawn(&first), drawn(&second));
}

#[test]
fn the_last_step_is_checked_where_the_terms_say_so() {
    for number in 0..20 {
        let options = Options { steps: 20, checked: 2, last_step: true, number, ..Options::default() };
        let world = World::new(&options);
        let bundle = world.bundle(&world.commit(world.honest()));
        let steps = check_structure(&bundle).unwrap().opened.unwrap().draw.steps;
        assert!(steps.contains(&19) && (2..=3).contains(&steps.len()), "{steps:?}");
        assert!(world.audit(&bundle).unwrap().verdict.accepted());
    }
}

#[test]
fn the_full_check_is_drawn_as_often_as_announced() {
    let base = World::new(&Options { steps: 10, checked: 1, ..Options::default() });
    let committed = base.commit(base.honest());
    let jobs = 4000;
    let full = (0..jobs)
        .filter(|&number| {
            let nonce = infernet_network::proof::AuditNonce(bytes("many", number));
            let terms =
                infernet_network::proof::AuditTerms { full_one_in: 20, full_steps: 4, ..base.challenge.body.terms };
            let draw = infernet_network::proof::Draw::new(&base.job, &terms, &nonce, committed.commitment());
            assert_eq!(draw.steps.len(), if draw.full { 4 } else { 1 });
            draw.full
        })
        .count();
    // Binomial(4000, 1/20): mean 200, standard deviation 13.8.
    assert!((130..270).contains(&full), "{full} of {jobs}");
}

#[test]
fn all_that_is_kept_comes_back_from_its_bytes() {
    let world = World::new(&Options { checked: 2, ..Options::default() });
    let committed = world.commit(world.honest());
    let bundle = world.second_opinion(&committed);
    assert_eq!(Bundle::from_bytes(&bundle.to_bytes()).unwrap(), bundle);
    let evidence = Evidence::from_bytes(&committed.evidence().to_bytes()).unwrap();
    assert_eq!(&evidence, committed.evidence());
    let resumed = evidence.resume(committed.commitment().clone()).unwrap();
    let reveal = resumed.reveal(world.first(), &world.nonce).unwrap();
    assert_eq!(Reveal::from_bytes(&reveal.to_bytes()).unwrap(), reveal);
    let verdict = Signed::sign(world.audit(&bundle).unwrap().verdict, &world.second).unwrap();
    assert!(verdict.verify());
    assert_eq!(Signed::<Verdict>::from_bytes(&verdict.to_bytes()).unwrap(), verdict);
}

#[test]
fn a_miner_reveals_for_an_announced_nonce_only_and_signs_as_itself() {
    let world = World::new(&Options::default());
    let committed = world.commit(world.honest());
    assert_eq!(committed.reveal(world.first(), &world.second_nonce).unwrap_err().code(), "proof.evidence.nonce");
    let other = SigningKey::from_bytes(&bytes("somebody", 0));
    assert_eq!(world.honest().commit(&other, None).err().unwrap().code(), "proof.evidence.challenge");
    let mut short = world.honest();
    short.steps.pop();
    assert_eq!(short.commit(&world.miner, None).err().unwrap().code(), "proof.evidence.shape");
}

#[test]
fn reports_have_the_promised_fields() {
    let world = World::new(&Options { checked: 2, ..Options::default() });
    let mut bundle = world.bundle(&world.commit(world.honest()));
    let report = serde_json::to_value(world.audit(&bundle).unwrap().verdict.report()).unwrap();
    assert_eq!(report["accepted"], true);
    assert!(report["failed_check"].is_null() && report["leaf"].is_null());
    let row = report["checks"].as_array().unwrap().iter().find(|row| row["name"] == "model_output").unwrap();
    assert_eq!(
        (row["ok"].as_bool(), row["error"].as_f64(), row["bound"].as_f64()),
        (Some(true), Some(0.0), Some(1e-3))
    );
    bundle.clip.push(1);
    let report = serde_json::to_value(world.audit(&bundle).unwrap().verdict.report()).unwrap();
    assert_eq!(report["accepted"], false);
    assert_eq!(report["failed_check"], "clip_delivery");
    assert_eq!(report["leaf"], world.job.leaf_index(infernet_network::proof::LeafPosition::Clip));
    assert_eq!(report["proof"], "attested");
    let structure = check_structure(&bundle).unwrap();
    assert_eq!(CheckReport::new(&structure.rows, false).failed_check, Some("clip_delivery"));
}
