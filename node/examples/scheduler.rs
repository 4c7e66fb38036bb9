//! The choice of miners and trust, without sockets: how many jobs reach cheats, and how the cost of a choice grows.
//!
//! `cargo run --release -p infernet-node --example scheduler`

use std::time::Instant;

use infernet_ledger::LedgerParameters;
use infernet_network::proof::{AuditPolicy, PublicKey, detection_probability};
use infernet_node::validator::choose::{Candidate, choose};

const STEPS: u32 = 25;
/// One miner in twenty skips this many steps of every job.
const SKIPPED: u32 = 5;
const CHEATS_ONE_IN: usize = 20;
/// Jobs that are given out, for each miner.
const JOBS_EACH: usize = 20;

/// A generator of numbers that look random (SplitMix64): the figures are the same at every run.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[allow(clippy::print_stdout)]
fn main() {
    let rules = LedgerParameters::default();
    let policy = AuditPolicy::default();
    println!("miners   jobs     microseconds/choice  jobs to cheats: first fifth, last fifth   busiest miner / mean");
    for miners in [100, 1_000, 10_000] {
        let mut random = Random(1);
        let cheats = |miner: usize| miner.is_multiple_of(CHEATS_ONE_IN);
        let mut candidates: Vec<Candidate> = (0..miners)
            .map(|number: usize| {
                let mut key = [0; 32];
                key[..8].copy_from_slice(&(number as u64).to_le_bytes());
                Candidate {
                    miner: PublicKey(key),
                    trust_ppm: 0,
                    quality_ppm: 500_000,
                    // Home GPUs differ by a factor of eight.
                    seconds: 10.0 * 8.0_f64.powf(random.uniform()),
                    fee_microcredits: 7_500,
                    available_stake_microcredits: 1 << 40,
                    required_stake_microcredits: 1,
                }
            })
            .collect();
        let jobs = JOBS_EACH * miners;
        let mut given = vec![0_u32; miners];
        let (mut first, mut last, mut choosing) = (0, 0, 0.0);
        for job in 0..jobs {
            let start = Instant::now();
            let draw = random.uniform();
            let Some(chosen) = choose(&candidates, draw) else { continue };
            let mut number = [0; 8];
            number.copy_from_slice(&chosen.miner.0[..8]);
            choosing += start.elapsed().as_secs_f64();
            let miner = u64::from_le_bytes(number) as usize;
            given[miner] += 1;
            let trust = candidates[miner].trust_ppm;
            let full = policy.full_one_in > 0 && random.uniform() < 1.0 / f64::from(policy.full_one_in);
            let checked = if full { STEPS } else { policy.steps(trust / 1000, STEPS) };
            let caught = cheats(miner) && random.uniform() < detection_probability(STEPS, SKIPPED, checked);
            let whole = u64::from(infernet_ledger::parameters::PPM);
            let trust = u64::from(trust);
            let next = if caught {
                trust * (whole - u64::from(rules.trust_decay_ppm)) / whole
            } else {
                trust + (whole - trust) * u64::from(rules.honest_drift_ppm) / whole
            };
            candidates[miner].trust_ppm = u32::try_from(next).unwrap_or(rules.trusted_from_ppm);
            if cheats(miner) {
                first += u32::from(job < jobs / 5);
                last += u32::from(job >= jobs - jobs / 5);
            }
        }
        let busiest = f64::from(given.iter().copied().max().unwrap_or(0)) / JOBS_EACH as f64;
        let share = |count: u32| 100.0 * f64::from(count) / (jobs / 5) as f64;
        println!(
            "{miners:6} {jobs:8} {:12.1} {:28.2} % {:10.2} % {busiest:22.1}",
            1e6 * choosing / jobs as f64,
            share(first),
            share(last)
        );
    }
}
