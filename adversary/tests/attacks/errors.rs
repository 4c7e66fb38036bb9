//! How large the errors are that attacks leave, beside honest ones.
//! `cargo nextest run -p infernet-adversary --run-ignored all --no-capture errors` prints them.
#![allow(clippy::print_stdout)]

use infernet_adversary::{Attack, Kind, Parameters};
use infernet_engine::pipeline::{Precision, TensorDevice, VideoModel};
use infernet_network::inference::{Calibration, ModelAuditor, SIGMA_EDGES};

use crate::case::{Case, DIGEST, on, parameters, short};

type Bins = [Option<f64>; SIGMA_EDGES.len() + 1];

fn print(name: &str, bins: &Bins) {
    let cells: String =
        bins.iter().map(|bin| bin.map_or(format!("{:>10}", "-"), |error| format!("{error:>10.1e}"))).collect();
    println!("{name:<28}{cells}");
}

fn print_head(title: &str) {
    println!("\n{title}; noise levels below");
    let edges: String = SIGMA_EDGES.iter().map(|edge| format!("{edge:>10}")).collect();
    println!("{:<28}{edges}{:>10}", "", "inf");
}

fn largest(calibration: &Calibration) -> Bins {
    let mut bins = Bins::default();
    for measured in &calibration.steps {
        let bin = SIGMA_EDGES.iter().position(|edge| measured.sigma < *edge).unwrap_or(SIGMA_EDGES.len());
        bins[bin] = Some(bins[bin].unwrap_or(0.0).max(measured.whole));
    }
    bins
}

fn honest(case: &Case, parameters: &Parameters, validator: &dyn VideoModel) -> Calibration {
    let exchange = case.exchange(9, parameters);
    let mut calibration = Calibration::default();
    let run = case.setting(&exchange).honest_run().unwrap().clone();
    calibration.measure(&run, &exchange.opening, &mut ModelAuditor::new(validator, DIGEST)).unwrap();
    calibration
}

/// Smallest errors of each attack, by range of noise levels, for each validator.
fn smallest(
    case: &Case,
    parameters: &Parameters,
    validators: &[(&str, &dyn VideoModel)],
    attacks: &[Attack],
) -> Vec<Vec<Bins>> {
    let exchange = case.exchange(9, parameters);
    let setting = case.setting(&exchange);
    let measure = |attack: &Attack| {
        let run = attack.run(&setting).unwrap();
        let by = |(validator, model): &(&str, &dyn VideoModel)| {
            let errors =
                run.tampered_errors(attack, &exchange.opening, &mut ModelAuditor::new(*model, DIGEST)).unwrap();
            assert_eq!(errors.steps.len(), attack.tampered_steps(&exchange.job).len());
            print(&format!("{} {validator}", attack.name()), &errors.smallest());
            errors.smallest()
        };
        validators.iter().map(by).collect()
    };
    attacks.iter().map(measure).collect()
}

fn check_f32(parameters: &Parameters, half_formats: bool) {
    let case = Case::new(Precision::F32);
    let tensors = on(TensorDevice::CpuTensors, Precision::F32);
    print_head("largest honest error, f32 jobs");
    let same_kernels = largest(&honest(&case, parameters, case.model.as_ref()));
    print("same kernels", &same_kernels);
    assert!(same_kernels.iter().flatten().all(|error| *error == 0.0));
    let other_kernels = largest(&honest(&case, parameters, tensors.as_ref()));
    print("other kernels", &other_kernels);
    print_head("smallest error of a tampered step, f32 jobs");
    let mut attacks = Attack::all();
    attacks.retain(|attack| match attack {
        Attack::OtherPrecision(precision) => half_formats && *precision != Precision::F32,
        attack => attack.kind() == Kind::Substitution,
    });
    let errors = smallest(&case, parameters, &[("", case.model.as_ref())], &attacks);
    for (attack, errors) in attacks.iter().zip(errors) {
        for (error, honest) in errors[0].iter().zip(&other_kernels) {
            if let (Some(error), Some(honest)) = (error, honest) {
                assert!(*error > 25.0 * honest, "{}: {error:.1e} beside {honest:.1e}", attack.name());
            }
        }
    }
}

#[test]
fn errors_of_attacks_are_far_from_honest_ones_in_f32() {
    check_f32(&parameters(6), false);
}

#[test]
#[ignore = "minutes: half precision is emulated on CPUs, and more steps show more noise levels"]
fn errors_of_all_attacks_in_f32() {
    check_f32(&parameters(20), true);
}

/// A miner that computes in f32 where less was asked is as good as a validator in f32: there is nothing to catch. A validator
/// that computes as was asked is apart from both.
#[test]
fn computing_better_than_asked_leaves_no_error() {
    let f32 = on(TensorDevice::Cpu, Precision::F32);
    let case = Case::new(Precision::F16);
    let validators = [("by f32", f32.as_ref()), ("by f16", case.model.as_ref())];
    let errors = smallest(&case, &short(2), &validators, &[Attack::OtherPrecision(Precision::F32)]);
    assert!(errors[0][0].iter().flatten().all(|error| *error == 0.0));
    assert!(errors[0][1].iter().flatten().all(|error| *error > 1e-4));
}

#[test]
#[ignore = "minutes: half precision is emulated on CPUs"]
fn errors_in_half_precision() {
    let asked = short(6);
    let f32 = on(TensorDevice::Cpu, Precision::F32);
    for precision in [Precision::F16, Precision::Bf16] {
        let case = Case::new(precision);
        let name = precision.name();
        print_head(&format!("largest honest error, {name} jobs"));
        print("validator in f32", &largest(&honest(&case, &asked, f32.as_ref())));
        let same = largest(&honest(&case, &asked, case.model.as_ref()));
        print(&format!("validator in {name}"), &same);
        assert!(same.iter().flatten().all(|error| *error == 0.0));
        let attacks: Vec<Attack> = Attack::all()
            .into_iter()
            .filter(|attack| match attack {
                Attack::OtherPrecision(other) => *other != precision,
                attack => matches!(
                    attack,
                    Attack::Int8Weights
                        | Attack::Int4Weights
                        | Attack::RareUnconditional
                        | Attack::CachedOutputs
                        | Attack::FewerSteps
                ),
            })
            .collect();
        print_head(&format!("smallest error of a tampered step, {name} jobs"));
        let by_own = format!("by {name}");
        smallest(&case, &asked, &[("by f32", f32.as_ref()), (&by_own, case.model.as_ref())], &attacks);
    }
}
