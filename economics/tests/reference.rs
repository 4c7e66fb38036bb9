//! The reference mode against the published table, and against NumPy at random points.
#![allow(clippy::unwrap_used)]

use infernet_economics::EconomicsError;
use infernet_economics::detection::detection_probability;
use infernet_economics::parameters::{StudyParameters, ValidatorShare};
use infernet_economics::random::Pcg64;
use infernet_economics::reference::{ReferenceStudy, SecurityGrid, SecurityPoint};
use serde_json::Value;

const PUBLISHED: &str = include_str!("fixtures/published_study.json");
const NUMPY_POINTS: &str = include_str!("fixtures/numpy_points.json");
const NUMPY_STREAMS: &str = include_str!("fixtures/numpy_streams.json");

#[track_caller]
fn close(got: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    let error = (got - expected).abs();
    assert!(error <= 1e-9 * expected.abs(), "{what}: got {got}, expected {expected}");
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name} in {value}"))
}

#[test]
fn numpys_stream_bit_for_bit() {
    // Read from the text: serde_json may be off by the last bit.
    let list = PUBLISHED.split_once("first_doubles\": [").unwrap().1.split_once(']').unwrap().0;
    let published: Vec<f64> = list.split(',').map(|number| number.trim().parse().unwrap()).collect();
    assert_eq!(published.len(), 8);
    let mut random = Pcg64::new(0);
    for expected in published {
        assert_eq!(random.next_f64().to_bits(), expected.to_bits());
    }
    let streams: Value = serde_json::from_str(NUMPY_STREAMS).unwrap();
    let streams = streams.as_array().unwrap();
    assert!(streams.len() >= 8);
    let word = |value: &Value| -> u64 { value.as_str().unwrap().parse().unwrap() };
    let double = |value: &Value| -> f64 { value.as_str().unwrap().parse().unwrap() };
    for stream in streams {
        let entropy: Vec<u64> = stream["entropy"].as_array().unwrap().iter().map(word).collect();
        let mut random = Pcg64::from_numbers(&entropy);
        let words: Vec<u64> = (0..1_000_000).map(|_| random.next_u64()).collect();
        for (got, expected) in words.iter().zip(stream["first_words"].as_array().unwrap()) {
            assert_eq!(*got, word(expected), "{entropy:?}");
        }
        assert_eq!(words[999_999], word(&stream["word_999999"]), "{entropy:?}");
        assert_eq!(words.iter().fold(0, |all, word| all ^ word), word(&stream["xor_of_a_million"]), "{entropy:?}");
        assert_eq!(random.uniform(1.0, 2.0).to_bits(), double(&stream["uniform_1_2_after"]).to_bits());
        let mut random = Pcg64::from_numbers(&entropy);
        for expected in stream["first_doubles"].as_array().unwrap() {
            assert_eq!(random.next_f64().to_bits(), double(expected).to_bits());
        }
    }
}

#[test]
fn published_detection_chances() {
    let published: Value = serde_json::from_str(PUBLISHED).unwrap();
    let cases = published["p_detect"].as_array().unwrap();
    assert!(cases.len() >= 7);
    for case in cases {
        let integer = |name: &str| case[name].as_u64().unwrap() as u32;
        let p = detection_probability(integer("T"), integer("m"), integer("k")).unwrap();
        close(p, &case["p"], &case.to_string());
    }
}

#[test]
fn published_points() {
    let published: Value = serde_json::from_str(PUBLISHED).unwrap();
    let study = ReferenceStudy::new(StudyParameters::default()).unwrap();
    for expected in published["R_gamma"].as_object().unwrap().values() {
        close(study.rank_share(), expected, "R");
    }
    let cases = published["points"].as_array().unwrap();
    assert!(cases.len() >= 8);
    for case in cases {
        let point = SecurityPoint {
            emission: number(case, "E"),
            ..study.point(number(case, "alpha"), number(case, "slash"), number(case, "gamma"))
        };
        let value = study.security(&point).unwrap();
        close(value.ev_cheat, &case["ev_cheat"], "ev_cheat");
        close(value.ev_honest, &case["ev_honest"], "ev_honest");
        let bounds = study.deposits(vec![value]).remove(0);
        close(bounds.miner_term, &case["miner_term"], "miner_term");
        close(bounds.validator_term, &case["validator_term"], "validator_term");
        close(bounds.floor, &case["floor_core"], "floor");
        close(bounds.ceiling.unwrap(), &case["ceiling"], "ceiling");
    }
}

#[test]
fn numpy_at_random_points_and_constants() {
    let cases: Value = serde_json::from_str(NUMPY_POINTS).unwrap();
    let cases = cases.as_array().unwrap();
    assert!(cases.len() >= 60);
    for case in cases {
        let mut parameters: StudyParameters = serde_json::from_value(case["study"].clone()).unwrap();
        if case["sensitivity_study"].as_bool().unwrap() {
            parameters.validator_share = ValidatorShare::SensitivityStudy;
        }
        let study = ReferenceStudy::new(parameters).unwrap();
        let point = study.point(number(case, "alpha"), number(case, "slash"), number(case, "gamma"));
        let bounds = study.deposits(vec![study.security(&point).unwrap()]).remove(0);
        let what = case.to_string();
        close(bounds.rank_share, &case["rank_share"], &what);
        close(bounds.security.ev_cheat, &case["ev_cheat"], &what);
        close(bounds.security.ev_honest, &case["ev_honest"], &what);
        close(bounds.miner_term, &case["miner_term"], &what);
        close(bounds.validator_term, &case["validator_term"], &what);
        close(bounds.floor, &case["floor"], &what);
        close(bounds.ceiling.unwrap(), &case["ceiling"], &what);
    }
}

#[test]
fn the_whole_grid_equals_its_points() {
    let study = ReferenceStudy::new(StudyParameters::default()).unwrap();
    let mut grid = SecurityGrid::published(0.005, 6.2e-6);
    let values = study.sweep(&grid).unwrap();
    assert_eq!((grid.len(), values.len()), (572, 572));
    for value in values.iter().step_by(41) {
        assert_eq!(*value, study.security(&value.point).unwrap());
    }
    grid.emission = SecurityGrid::EMISSIONS.to_vec();
    grid.cost_per_step = SecurityGrid::STEP_COSTS.to_vec();
    let all = study.sweep(&grid).unwrap();
    assert_eq!(all.len(), 20 * 572);
    // Emission runs slowest: the second emission's third step cost is the study's own pair.
    assert_eq!(all[(5 + 2) * 572..(5 + 3) * 572], values[..]);
}

#[test]
fn bad_parameters_are_named() {
    let study = ReferenceStudy::new(StudyParameters::default()).unwrap();
    for (point, name) in [
        (study.point(1.5, 0.1, 0.5), "alpha"),
        (study.point(f64::NAN, 0.1, 0.5), "alpha"),
        (study.point(0.1, -0.1, 0.5), "slash"),
        (study.point(0.1, 0.1, 2.0), "gamma"),
        (SecurityPoint { emission: f64::INFINITY, ..study.point(0.1, 0.1, 0.5) }, "emission"),
    ] {
        let error = study.security(&point).unwrap_err();
        assert!(error.to_string().starts_with(name), "{error}");
        assert_eq!(error.code(), "economics.parameter");
    }
    let bad = |change: fn(&mut StudyParameters)| {
        let mut parameters = StudyParameters::default();
        change(&mut parameters);
        ReferenceStudy::new(parameters).unwrap_err().to_string()
    };
    assert!(bad(|study| study.steps = 0).starts_with("steps is 0"));
    assert!(bad(|study| study.miners = 0).starts_with("miners is 0"));
    assert!(bad(|study| study.validators = 1000).starts_with("validators"));
    assert!(bad(|study| study.deposit_split = 1.0).starts_with("deposit_split"));
    assert!(bad(|study| study.discount = 1.0).starts_with("discount"));
    let huge = SecurityGrid { slash: vec![0.1; 100_000], ..SecurityGrid::published(0.005, 6.2e-6) };
    let huge = SecurityGrid { alpha: vec![0.1; 10_000], ..huge };
    assert!(matches!(study.sweep(&huge), Err(EconomicsError::TooLarge { .. })));
    assert!(study.sweep(&SecurityGrid { gamma: vec![], ..SecurityGrid::published(0.005, 6.2e-6) }).is_err());
}

/// What the study's model says about its own axes: cheating falls with the audit rate and with the slash, and gamma has no
/// effect, since all miners cheat and only shares move between them.
#[test]
fn directions_of_the_published_study() {
    let study = ReferenceStudy::new(StudyParameters::default()).unwrap();
    let grid = SecurityGrid::published(0.005, 6.2e-6);
    let values = study.sweep(&grid).unwrap();
    let (alphas, slashes) = (grid.alpha.len(), grid.slash.len());
    let at = |gamma: usize, alpha: usize, slash: usize| values[(gamma * alphas + alpha) * slashes + slash].ev_cheat;
    for gamma in 0..grid.gamma.len() {
        for alpha in 0..alphas {
            for slash in 0..slashes {
                let here = at(gamma, alpha, slash);
                assert!((here / at(0, alpha, slash) - 1.0).abs() < 1e-12);
                assert!(slash == 0 || here < at(gamma, alpha, slash - 1));
                assert!(alpha == 0 || slash == 0 || here < at(gamma, alpha - 1, slash));
            }
        }
    }
}
