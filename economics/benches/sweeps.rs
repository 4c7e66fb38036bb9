//! The sweeps that people wait for: the published grid, a live heat map, populations.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use infernet_economics::model::{HeatMapAxis, HeatMapQuantity, HeatMapRequest, ModelParameters, heat_map};
use infernet_economics::optimise::{OptimiseRequest, optimise};
use infernet_economics::parameters::{NetworkParameters, StudyParameters, TypicalJob};
use infernet_economics::population::{PopulationParameters, simulate};
use infernet_economics::reference::{ReferenceStudy, SecurityGrid};
use infernet_economics::stake::{JobTerms, required_stake};

fn sweeps(criterion: &mut Criterion) {
    let published = SecurityGrid::published(0.005, 6.2e-6);
    criterion.bench_function("stage 1, 572 points", |bencher| {
        bencher.iter(|| ReferenceStudy::new(StudyParameters::default()).unwrap().sweep(black_box(&published)).unwrap());
    });
    let one_gamma = SecurityGrid { gamma: vec![0.8], ..published.clone() };
    criterion.bench_function("stage 1, one heat map", |bencher| {
        bencher.iter(|| ReferenceStudy::new(StudyParameters::default()).unwrap().sweep(black_box(&one_gamma)).unwrap());
    });
    let request = HeatMapRequest {
        base: ModelParameters::of_study(&StudyParameters::default(), 0.3, 0.1, 0.8).unwrap(),
        x_axis: HeatMapAxis::AuditRate,
        x: published.alpha.clone(),
        y_axis: HeatMapAxis::Slash,
        y: published.slash.clone(),
        quantity: HeatMapQuantity::HonestMinusCheat,
    };
    criterion.bench_function("model, one heat map", |bencher| bencher.iter(|| heat_map(black_box(&request)).unwrap()));
    criterion.bench_function("optimise", |bencher| bencher.iter(|| optimise(&OptimiseRequest::default()).unwrap()));
    let terms = JobTerms::of_network(&NetworkParameters::default(), &TypicalJob::default(), 1.0);
    criterion.bench_function("required stake", |bencher| bencher.iter(|| required_stake(black_box(&terms)).unwrap()));
}

fn populations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("population");
    group.sample_size(10);
    for (miners, epochs) in [(100, 1000), (1000, 100), (1000, 1000), (10_000, 100)] {
        let parameters = PopulationParameters { miners, epochs, ..PopulationParameters::default() };
        group.bench_function(BenchmarkId::from_parameter(format!("{miners} x {epochs}")), |bencher| {
            bencher.iter(|| simulate(black_box(&parameters)).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, sweeps, populations);
criterion_main!(benches);
