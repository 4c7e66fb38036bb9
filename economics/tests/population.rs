//! Populations: determinism, books that balance, and who wins.
#![allow(clippy::unwrap_used)]

use infernet_economics::optimise::settled_trust;
use infernet_economics::parameters::NetworkParameters;
use infernet_economics::population::{
    Behaviour, KindSummary, MinerKind, Mix, Population, PopulationParameters, simulate,
};

fn small() -> PopulationParameters {
    PopulationParameters { miners: 2500, epochs: 300, seed: 3, ..PopulationParameters::default() }
}

fn kind(population: &Population, kind: MinerKind) -> KindSummary {
    *population.summaries.iter().find(|summary| summary.kind == kind).unwrap()
}

#[test]
fn honest_miners_earn_and_cheaters_lose() {
    let parameters = PopulationParameters { initial_stakes: 2.0, ..small() };
    let population = simulate(&parameters).unwrap();
    let [honest, lazy, flaky, colluding] = MinerKind::ALL.map(|each| kind(&population, each));
    assert_eq!([honest.miners, lazy.miners, flaky.miners, colluding.miners], [2000, 250, 125, 125]);
    assert!(honest.net_fees.low > 0.0 && flaky.net_fees.low > 0.0, "{honest:?} {flaky:?}");
    assert!(lazy.net_fees.high < 0.0 && colluding.net_fees.high < 0.0, "{lazy:?} {colluding:?}");
    let start = honest.balance_fees.mean - honest.net_fees.mean - 0.8 * honest.jobs.mean;
    assert!((start - 2.0 * 4.810_256).abs() < 0.05, "balance = start + earned + work paid for: {start}");
    assert!(honest.trust.low > 0.9 && lazy.trust.high < 0.5, "{honest:?} {lazy:?}");
    assert!(flaky.trust.mean < honest.trust.mean && (flaky.dropped_share - 0.1).abs() < 0.01);
    assert!(honest.working_share > 0.99 && lazy.working_share < 0.5);
    assert!(population.bad_share < 0.05, "{}", population.bad_share);
}

#[test]
fn same_seed_same_population_on_any_number_of_threads() {
    let parameters = PopulationParameters { epochs: 40, ..small() };
    let first = simulate(&parameters).unwrap();
    assert_eq!(first, simulate(&parameters).unwrap());
    assert_ne!(first, simulate(&PopulationParameters { seed: 4, ..parameters }).unwrap());
}

#[test]
fn jobs_are_handed_out_as_wanted() {
    let parameters =
        PopulationParameters { mix: Mix { honest: 1.0, lazy: 0.0, flaky: 0.0, colluding: 0.0 }, ..small() };
    let population = simulate(&parameters).unwrap();
    let wanted = parameters.demand * 2500.0 * 300.0;
    assert!((population.jobs as f64 / wanted - 1.0).abs() < 0.01, "{} {wanted}", population.jobs);
    assert_eq!(population.summaries.len(), 1);
    assert!(population.bad_share.abs() < 1e-12);
    let by_samples: f64 = population.samples.iter().map(|sample| sample.kinds[0].jobs_per_miner).sum();
    assert!((by_samples * 2500.0 - population.jobs as f64).abs() < 1e-3);
    // Each job earns the margin: 20 % of the fee.
    let summary = population.summaries[0];
    assert!(summary.net_fees.mean <= 0.2 * summary.jobs.mean + 1e-9);
    assert!(summary.net_fees.mean > 0.2 * summary.jobs.mean - 0.1);
}

#[test]
fn a_lazy_miner_is_caught_as_often_as_the_formula_says() {
    let network = NetworkParameters::default();
    let mut parameters = PopulationParameters {
        mix: Mix { honest: 0.0, lazy: 1.0, flaky: 0.0, colluding: 0.0 },
        initial_stakes: 1e6,
        ..small()
    };
    // Trust that never moves leaves one chance.
    parameters.network = NetworkParameters { honest_drift: 0.0, ..network };
    let summary = kind(&simulate(&parameters).unwrap(), MinerKind::Lazy);
    let level = network.audit.level(0.0, parameters.job.steps);
    let expected = level.detection(parameters.job.steps, parameters.tampered(MinerKind::Lazy));
    let jobs = summary.jobs.mean * summary.miners as f64;
    let spread = (expected * (1.0 - expected) / jobs).sqrt();
    assert!((summary.caught_share - expected).abs() < 4.0 * spread, "{} {expected}", summary.caught_share);
}

#[test]
fn more_friends_mean_more_bad_clips_until_second_opinions_come() {
    let bad = |friendly_validators: f64, second_opinion_chance: f64| {
        let behaviour = Behaviour { friendly_validators, second_opinion_chance, ..Behaviour::default() };
        simulate(&PopulationParameters { behaviour, ..small() }).unwrap().bad_share
    };
    assert!(bad(0.0, 0.0) < bad(0.5, 0.0) && bad(0.5, 0.0) < bad(0.9, 0.0));
    assert!(bad(0.9, 0.5) < bad(0.9, 0.0));
}

#[test]
fn odd_sizes_and_bad_parameters() {
    for miners in [1, 2, 3, 7, 1023, 1024, 1025] {
        let population = simulate(&PopulationParameters { miners, epochs: 5, ..small() }).unwrap();
        assert_eq!(population.summaries.iter().map(|summary| summary.miners).sum::<usize>(), miners);
        assert_eq!(population.samples.last().unwrap().epoch, 5);
    }
    let mix = Mix { honest: 0.5, ..Mix::default() };
    for (bad, name) in [
        (PopulationParameters { miners: 0, ..small() }, "miners"),
        (PopulationParameters { epochs: 0, ..small() }, "epochs"),
        (PopulationParameters { mix, ..small() }, "mix (sum)"),
        (PopulationParameters { demand: f64::NAN, ..small() }, "demand"),
        (PopulationParameters { miners: 1_000_000, epochs: 1_000_000, ..small() }, "this simulation"),
    ] {
        let message = simulate(&bad).unwrap_err().to_string();
        assert!(message.starts_with(name), "{message}");
    }
}

/// With one chance at every trust and jobs for everybody, mean trust settles where rises and falls are even.
#[test]
fn trust_settles_where_the_formula_says() {
    let shipped = NetworkParameters::default();
    let mut parameters = PopulationParameters {
        mix: Mix { honest: 0.0, lazy: 1.0, flaky: 0.0, colluding: 0.0 },
        initial_stakes: 1e6,
        newcomer_weight: 1.0,
        ..small()
    };
    parameters.behaviour.lazy_tampered_share = 1.0 / 30.0;
    parameters.network.audit.trusted_rate = shipped.audit.unknown_rate;
    let caught = shipped.audit.level(0.0, 30).detection(30, 1);
    let expected = settled_trust(caught, shipped.trust_decay, shipped.honest_drift);
    let summary = kind(&simulate(&parameters).unwrap(), MinerKind::Lazy);
    let spread = (summary.trust.high - summary.trust.low) / 4.0;
    assert!((summary.trust.mean - expected).abs() < 4.0 * spread, "{:?} {expected}", summary.trust);
    assert!(expected > 0.2 && expected < 0.3 && spread < 0.01);
}
