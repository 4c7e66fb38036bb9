//! Other samplers, and jobs without guidance.

use infernet_adversary::{Attack, AttackError, Parameters};
use infernet_engine::pipeline::Precision;
use infernet_engine::schedulers::SchedulerKind;
use infernet_network::proof::{Check, check_structure, rms_levels};

use crate::case::{Case, depth, parameters, scheduler, table};

#[test]
fn what_is_solved_for_passes_every_check_without_the_model_on_every_sampler() {
    let case = Case::new(Precision::F32);
    for kind in SchedulerKind::ALL {
        let asked = Parameters { scheduler: scheduler(Some(kind)), ..parameters(5) };
        let exchange = case.exchange(5, &asked).with_audits(depth(5), 0, table_digest()).unwrap();
        let setting = case.setting(&exchange);
        let old = setting.old_run().unwrap();
        for attack in [Attack::MadeUpPairs, Attack::SteeredToOldClip, Attack::NoisedOldClip, Attack::SplicedRun] {
            let run = match attack.run(&setting) {
                Err(AttackError::NotApplicable { .. }) => {
                    let looks_back = attack == Attack::SplicedRun && kind == SchedulerKind::DpmSolverPlusPlus;
                    let pure_noise = attack == Attack::NoisedOldClip && kind == SchedulerKind::Ddim;
                    assert!(looks_back || pure_noise, "{kind} {}", attack.name());
                    continue;
                }
                run => run.unwrap(),
            };
            let apart =
                |frames: &[_]| frames.iter().zip(&old.frames).map(|(a, b)| rms_levels(a, b)).fold(0.0, f64::max);
            let errors = apart(&run.evidence.frames);
            if matches!(attack, Attack::MadeUpPairs | Attack::SplicedRun) {
                assert!(errors < 3.0, "{kind} {}: {errors} levels from the old clip", attack.name());
            }
            let committed = exchange.commit(run.evidence).unwrap();
            let found = check_structure(&exchange.bundle(&committed, 0).unwrap()).unwrap().failure();
            let expected = (attack == Attack::NoisedOldClip).then_some(Check::InitialNoise);
            assert_eq!(found.map(|failure| failure.check), expected, "{kind} {}", attack.name());
        }
    }
}

fn table_digest() -> infernet_network::proof::Digest {
    infernet_network::proof::Digest([3; 32])
}

#[test]
fn without_guidance_attacks_on_it_do_not_apply() {
    let case = Case::new(Precision::F32);
    let calibrating = case.exchange(6, &Parameters { guidance: 1.0, ..parameters(4) });
    let table = table(case.tolerance(&calibrating));
    let exchange = calibrating.with_audits(depth(4), 0, table.digest()).unwrap();
    let setting = case.setting(&exchange);
    let mut validator = case.validator();
    for attack in Attack::all() {
        let on_guidance = matches!(
            attack,
            Attack::SkippedUnconditional
                | Attack::RareUnconditional
                | Attack::OtherNegativePrompt
                | Attack::OtherGuidance
                | Attack::HiddenGuidance
        );
        assert_eq!(
            attack.applies_to(&exchange.job).is_err(),
            on_guidance || matches!(attack.name(), "run-in-f32" | "noised-old-clip")
        );
    }
    for attack in [Attack::CachedOutputs, Attack::FewerSteps, Attack::MadeUpPairs, Attack::SplicedRun] {
        let run = attack.run(&setting).unwrap();
        let saved = 1.0 - run.evaluations as f64 / 4.0;
        assert!((saved - attack.evaluations_saved(&exchange.job)).abs() < 1e-9, "{} saved {saved}", attack.name());
        let committed = exchange.commit(run.evidence).unwrap();
        let audited = crate::case::audit_one(Some(&attack), &exchange, &committed, 0, &table, &mut validator);
        assert!(audited.shows && !audited.audit.verdict.accepted(), "{}", attack.name());
    }
}

#[test]
fn names_are_unique_and_read_back() {
    let all = Attack::all();
    for (index, attack) in all.iter().enumerate() {
        assert_eq!(attack.name().parse(), Ok(*attack));
        assert!(all[..index].iter().all(|other| other.name() != attack.name()));
        assert!(attack.name().chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        assert!(!attack.description().is_empty());
    }
    let unknown = "none".parse::<Attack>().unwrap_err();
    assert!(unknown.to_string().contains("cached-once"));
}
