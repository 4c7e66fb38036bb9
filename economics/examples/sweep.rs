//! The published sweep, for `tools/economics/compare.sh`: the best of a few runs in this process, and the sum of all values.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use infernet_economics::parameters::StudyParameters;
use infernet_economics::reference::{ReferenceStudy, SecurityGrid};

const RUNS: u32 = 20;

fn main() -> infernet_economics::Result<()> {
    let parameters = StudyParameters::default();
    let grid = SecurityGrid::published(parameters.emission, parameters.cost_per_step);
    let (mut best, mut sum, mut points) = (f64::INFINITY, 0.0, 0);
    let start = Instant::now();
    for _ in 0..RUNS {
        let start = Instant::now();
        let values = ReferenceStudy::new(parameters.clone())?.sweep(&grid)?;
        best = best.min(start.elapsed().as_secs_f64());
        sum = values.iter().map(|value| value.ev_cheat).sum();
        points = values.len();
    }
    let mean = start.elapsed().as_secs_f64() / f64::from(RUNS);
    println!(
        "{{ \"points\": {points}, \"runs\": {RUNS}, \"best_wall_seconds\": {best}, \"mean_wall_seconds\": {mean}, \"sum_of_values\": {sum} }}"
    );
    Ok(())
}
