//! Our model: Monte-Carlo against the exact values, and directions that must hold.
#![allow(clippy::unwrap_used)]

use infernet_economics::model::{
    HeatMapAxis, HeatMapQuantity, HeatMapRequest, ModelParameters, SimulationRequest, Start, expected_values, heat_map,
    simulate,
};
use infernet_economics::parameters::{NetworkParameters, StudyParameters, TypicalJob};
use proptest::prelude::*;

fn of_study(alpha: f64, slash: f64, gamma: f64) -> ModelParameters {
    ModelParameters::of_study(&StudyParameters::default(), alpha, slash, gamma).unwrap()
}

#[test]
fn monte_carlo_agrees_with_the_exact_values() {
    let mut missed = Vec::new();
    let mut cases = 0;
    for gamma in [0.0, 0.5, 1.0] {
        for (alpha, share, full) in [(0.1, 1.0, 0.0), (0.3, 0.5, 0.0), (0.05, 1.0, 0.1)] {
            for tampered in [1, 4, 30] {
                // Much emission and little stake, so that the moving weight carries the value.
                let mut model = of_study(alpha, 0.1, gamma);
                model.emission = 0.2;
                model.stake = 0.001;
                (model.job.audit.audited_job_share, model.job.audit.full_audit_share) = (share, full);
                model.epochs = 100;
                let exact = expected_values(&model).unwrap();
                let request = SimulationRequest { tampered, runs: 300, seed: cases };
                let found = simulate(&model, &request).unwrap();
                let expected = exact.cheating[tampered as usize - 1];
                cases += 1;
                for (estimate, value) in [(found.cheat, expected.value), (found.detection, expected.detection)] {
                    // A chance of 1, or nothing lost when caught, leaves no spread: equal but for the grid.
                    let slack = 2e-4 * value.abs();
                    if !(estimate.low - slack..=estimate.high + slack).contains(&value) {
                        missed.push(format!("gamma {gamma} alpha {alpha} m {tampered}: {value} not in {estimate:?}"));
                    }
                }
                assert!((found.honest.mean / exact.honest.value - 1.0).abs() < 1e-6, "{found:?} {:?}", exact.honest);
            }
        }
    }
    // 54 intervals of 95 %: more than 8 misses would be a one in 1000 event.
    assert!(cases == 27 && missed.len() <= 8, "{} missed:\n{}", missed.len(), missed.join("\n"));
}

#[test]
fn drawn_weights_matter_less_than_the_interval_promises() {
    let mut model = of_study(0.2, 0.1, 0.8);
    model.start = Start::Drawn;
    let found = simulate(&model, &SimulationRequest { tampered: 5, runs: 200, seed: 1 }).unwrap();
    assert!(found.advantage.low > 0.0, "{found:?}");
    assert_eq!(found, simulate(&model, &SimulationRequest { tampered: 5, runs: 200, seed: 1 }).unwrap());
    assert_ne!(found, simulate(&model, &SimulationRequest { tampered: 5, runs: 200, seed: 2 }).unwrap());
}

#[test]
fn heat_maps_equal_their_points() {
    let base = of_study(0.3, 0.1, 0.8);
    let request = HeatMapRequest {
        base,
        x_axis: HeatMapAxis::AuditRate,
        x: vec![0.1, 0.2, 0.6],
        y_axis: HeatMapAxis::TrustDecay,
        y: vec![0.0, 0.9],
        quantity: HeatMapQuantity::HonestMinusCheat,
    };
    let map = heat_map(&request).unwrap();
    for (row, &gamma) in map.cells.iter().zip(&map.y) {
        for (cell, &alpha) in row.iter().zip(&map.x) {
            let expected = expected_values(&of_study(alpha, 0.1, gamma)).unwrap().honest_advantage;
            assert!((cell.unwrap() - expected).abs() < 1e-12 * expected.abs());
        }
    }
    let never = HeatMapRequest {
        x_axis: HeatMapAxis::Slash,
        x: vec![0.0, 0.5],
        quantity: HeatMapQuantity::RequiredStake,
        ..request.clone()
    };
    let never = HeatMapRequest {
        base: ModelParameters::of_network(&NetworkParameters::default(), &TypicalJob::default(), 1.0).unwrap(),
        ..never
    };
    let map = heat_map(&never).unwrap();
    assert!(map.cells[0][0].is_none() && map.cells[0][1].is_some());
    for (bad, name) in [
        (HeatMapRequest { x: vec![], ..request.clone() }, "x is"),
        (HeatMapRequest { x: vec![1.5], ..request.clone() }, "audit_rate"),
        (HeatMapRequest { y: vec![f64::NAN], ..request.clone() }, "gamma"),
        (HeatMapRequest { y_axis: HeatMapAxis::AuditRate, ..request.clone() }, "y_axis"),
        (HeatMapRequest { x: vec![0.1; 1000], y: vec![0.1; 1000], ..request.clone() }, "this heat map"),
    ] {
        let message = heat_map(&bad).unwrap_err().to_string();
        assert!(message.starts_with(name), "{message}");
    }
}

#[test]
fn the_network_at_its_required_stake_deters() {
    for trust in [0.0, 0.5, 1.0] {
        let model = ModelParameters::of_network(&NetworkParameters::default(), &TypicalJob::default(), trust).unwrap();
        let values = expected_values(&model).unwrap();
        assert!(
            values.honest.value > 0.0 && values.cheating.iter().all(|cheat| cheat.value < 0.0 && cheat.per_job < 0.0)
        );
        let found =
            simulate(&model, &SimulationRequest { tampered: values.best_cheat.tampered, runs: 200, seed: 0 }).unwrap();
        assert!(found.cheat.contains(values.best_cheat.value) || trust > 0.0, "{found:?} {values:?}");
    }
}

#[test]
fn bad_parameters_are_named() {
    let model = of_study(0.3, 0.1, 0.8);
    for (bad, name) in [
        (ModelParameters { gamma: f64::NAN, ..model }, "gamma"),
        (ModelParameters { miners: 1, ..model }, "miners"),
        (ModelParameters { discount: 1.0, ..model }, "discount"),
        (ModelParameters { stake: -1.0, ..model }, "stake"),
    ] {
        assert!(expected_values(&bad).unwrap_err().to_string().starts_with(name));
    }
    assert!(simulate(&model, &SimulationRequest { tampered: 31, runs: 10, seed: 0 }).is_err());
    assert!(simulate(&model, &SimulationRequest { tampered: 1, runs: 10_000_000, seed: 0 }).is_err());
    assert!(ModelParameters::of_study(&StudyParameters { steps: 0, ..Default::default() }, 0.3, 0.1, 0.8).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// More checks, a larger slash and a larger loss of weight never make cheating better.
    #[test]
    fn cheating_falls_with_alpha_slash_and_gamma(
        alpha in 0.03..0.9f64, slash in 0.0..1.0f64, gamma in 0.0..1.0f64, stake in 0.0..1.0f64, emission in 0.0..0.1f64, more in 0.0..1.0f64,
    ) {
        let model = |alpha: f64, slash: f64, gamma: f64| {
            let mut model = of_study(alpha, slash, gamma);
            (model.stake, model.emission, model.epochs) = (stake, emission, 120);
            model
        };
        let raised = |value: f64| value + (1.0 - value) * more;
        let before = expected_values(&model(alpha, slash, gamma)).unwrap();
        for harsher in [model(raised(alpha), slash, gamma), model(alpha, raised(slash), gamma), model(alpha, slash, raised(gamma))] {
            let after = expected_values(&harsher).unwrap();
            for (b, a) in before.cheating.iter().zip(&after.cheating) {
                prop_assert!(a.value <= b.value + 1e-9 * b.value.abs() + 1e-12, "m {}: {} {}", a.tampered, b.value, a.value);
            }
            prop_assert!((after.honest.value - before.honest.value).abs() <= 1e-12 + 1e-9 * before.honest.value.abs());
        }
    }
}
