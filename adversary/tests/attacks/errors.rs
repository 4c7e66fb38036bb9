//! How large the errors are that attacks leave, beside honest ones.
//! `cargo nextest run -p infernet-adversary errors --no-capture` prints them.
#![allow(clippy::print_stdout)]

use infernet_adversary::{Attack, Kind};
use infernet_engine::pipeline::{Precision, TensorDevice, VideoModel};
use infernet_network::inference::{Calibration, ModelAuditor, SIGMA_EDGES};

use crate::case::{Case, DIGEST, on, parameters};

type Bins = [Option<f64>; SIGMA_EDGES.len() + 1];

fn print(name: &str, bins: &Bins) {
    let cells: String =
        bins.iter().map(|bin| bin.map_or(format!("{:>10}", "-"), |error| format!("{error:>10.1e}"))).collect();
    println!("{name:<24}{cells}");
}

fn print_head(title: &str) {
    println!("\n{title}; noise levels below");
    let edges: String = SIGMA_EDGES.iter().map(|edge| format!("{edge:>10}")).collect();
    println!("{:<24}{edges}{:>10}", "", "inf");
}

fn largest(calibration: &Calibration) -> Bins {
    let mut bins = Bins::default();
    for measured in &calibration.steps {
        let bin = SIGMA_EDGES.iter().position(|edge| measured.sigma < *edge).unwrap_or(SIGMA_EDGES.len());
        bins[bin] = Some(bins[bin].unwrap_or(0.0).max(measured.whole));
    }
    bins
}

fn honest(case: &Case, steps: u32, validator: &dyn VideoModel) -> Calibration {
    let exchange = case.exchange(9, &parameters(steps));
    let mut calibration = Calibration::default();
    let run = case.setting(&exchange).honest_run().unwrap().clone();
    calibration.measure(&run, &exchange.opening, &mut ModelAuditor::new(validator, DIGEST)).unwrap();
    calibration
}

/// Smallest errors of each substitution, by range of noise levels.
fn smallest(case: &Case, steps: u32, validator: &dyn VideoModel, attacks: &[Attack]) -> Vec<Bins> {
    let exchange = case.exchange(9, &parameters(steps));
    let setting = case.setting(&exchange);
    let mut auditor = ModelAuditor::new(validator, DIGEST);
    let measure = |attack: &Attack| {
        let run = attack.run(&setting).unwrap();
        let errors = run.tampered_errors(attack, &exchange.opening, &mut auditor).unwrap();
        assert_eq!(errors.steps.len(), attack.tampered_steps(&exchange.job).len());
        let smallest = errors.smallest();
        print(attack.name(), &smallest);
        smallest
    };
    attacks.iter().map(measure).collect()
}

#[test]
fn errors_of_attacks_are_far_from_honest_ones_in_f32() {
    const STEPS: u32 = 20;
    let case = Case::new(Precision::F32);
    let tensors = on(TensorDevice::CpuTensors, Precision::F32);
    print_head("largest honest error, f32 jobs");
    print("same kernels", &largest(&honest(&case, STEPS, case.model.as_ref())));
    let other_kernels = largest(&honest(&case, STEPS, tensors.as_ref()));
    print("other kernels", &other_kernels);
    print_head("smallest error of a tampered step, f32 jobs");
    let mut attacks = Attack::all();
    let asked = Attack::OtherPrecision(Precision::F32);
    attacks.retain(|attack| attack.kind() == Kind::Substitution && *attack != asked);
    for (attack, errors) in attacks.iter().zip(smallest(&case, STEPS, case.model.as_ref(), &attacks)) {
        for (error, honest) in errors.iter().zip(&other_kernels) {
            if let (Some(error), Some(honest)) = (error, honest) {
                assert!(*error > 25.0 * honest, "{}: {error:.1e} beside {honest:.1e}", attack.name());
            }
        }
    }
}

#[test]
fn errors_in_half_precision() {
    const STEPS: u32 = 6;
    let f32 = on(TensorDevice::Cpu, Precision::F32);
    for precision in [Precision::F16, Precision::Bf16] {
        let case = Case::new(precision);
        let name = precision.name();
        print_head(&format!("largest honest error, {name} jobs"));
        print("validator in f32", &largest(&honest(&case, STEPS, f32.as_ref())));
        let same = largest(&honest(&case, STEPS, case.model.as_ref()));
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
                        | Attack::SmallerModel
                        | Attack::RareUnconditional
                        | Attack::CachedOutputs
                ),
            })
            .collect();
        print_head(&format!("smallest error of a tampered step, {name} jobs, validator in f32"));
        let by_f32 = smallest(&case, STEPS, f32.as_ref(), &attacks);
        // A miner that computes in f32 where less was asked is as good as the validator: there is nothing to catch.
        let exact = attacks.iter().position(|attack| *attack == Attack::OtherPrecision(Precision::F32)).unwrap();
        assert!(by_f32[exact].iter().flatten().all(|error| *error == 0.0));
        print_head(&format!("smallest error of a tampered step, {name} jobs, validator in {name}"));
        let by_same = smallest(&case, STEPS, case.model.as_ref(), &attacks);
        assert!(by_same[exact].iter().flatten().all(|error| *error > 1e-4));
    }
}
