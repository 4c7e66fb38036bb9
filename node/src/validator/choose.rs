//! Which miner gets a job. Pure.

use infernet_network::proof::PublicKey;

/// A miner that could take a job now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Who.
    pub miner: PublicKey,
    /// Trust, in millionths.
    pub trust_ppm: u32,
    /// Average quality, in millionths.
    pub quality_ppm: u32,
    /// Estimated time of the whole job on its machine.
    pub seconds: f64,
    /// What it asks for, in micro-credits.
    pub fee_microcredits: u64,
    /// Stake that it could lock, in micro-credits.
    pub available_stake_microcredits: u64,
    /// Stake that the job needs.
    pub required_stake_microcredits: u64,
}

/// What newcomers are taken for, so that they get jobs at all: with it a miner without trust weighs an eleventh of one with full
/// trust.
const LEAST_TRUST: f64 = 0.1;

impl Candidate {
    /// How much this miner is worth for the job: trust and quality over time and price.
    fn weight(&self) -> f64 {
        let trust = LEAST_TRUST + f64::from(self.trust_ppm) / 1e6;
        let quality = 0.5 + 0.5 * f64::from(self.quality_ppm) / 1e6;
        let seconds = self.seconds.max(0.1);
        let price = (self.fee_microcredits.max(1)) as f64;
        trust * quality / (seconds * price.sqrt())
    }
}

/// Draws a miner with chances in proportion to its weight: the best get most jobs, all get some, and nobody can count on a job. `draw` is
/// uniform in 0..1. Miners whose stake is too small are left out.
pub fn choose(candidates: &[Candidate], draw: f64) -> Option<&Candidate> {
    let able = || {
        candidates
            .iter()
            .filter(|candidate| candidate.available_stake_microcredits >= candidate.required_stake_microcredits)
    };
    let total: f64 = able().map(Candidate::weight).sum();
    let mut left = draw.clamp(0.0, 1.0) * total;
    let mut last = None;
    for candidate in able() {
        left -= candidate.weight();
        last = Some(candidate);
        if left < 0.0 {
            break;
        }
    }
    last
}

/// Draws up to `count` different miners, each as [`choose`] would among those that are left; `draw` gives numbers uniform in 0..1.
pub fn choose_several(
    mut candidates: Vec<Candidate>,
    count: usize,
    mut draw: impl FnMut() -> Option<f64>,
) -> Vec<Candidate> {
    let mut chosen = Vec::with_capacity(count.min(candidates.len()));
    while chosen.len() < count {
        let Some(next) = draw().and_then(|draw| choose(&candidates, draw)).copied() else { break };
        candidates.retain(|candidate| candidate.miner != next.miner);
        chosen.push(next);
    }
    chosen
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(number: u8, trust_ppm: u32, seconds: f64) -> Candidate {
        Candidate {
            miner: PublicKey([number; 32]),
            trust_ppm,
            quality_ppm: 500_000,
            seconds,
            fee_microcredits: 6000,
            available_stake_microcredits: 100,
            required_stake_microcredits: 100,
        }
    }

    #[test]
    fn trust_and_speed_are_worth_jobs_and_newcomers_get_some() {
        let candidates = [candidate(0, 1_000_000, 10.0), candidate(1, 0, 10.0), candidate(2, 1_000_000, 20.0)];
        let mut counts = [0; 3];
        for step in 0..10_000 {
            let chosen = choose(&candidates, f64::from(step) / 10_000.0).unwrap();
            counts[usize::from(chosen.miner.0[0])] += 1;
        }
        // Weights 1.1, 0.1 and 0.55.
        assert!(
            (6_285_i32 - counts[0]).abs() < 5 && (571 - counts[1]).abs() < 5 && (3_143 - counts[2]).abs() < 5,
            "{counts:?}"
        );
    }

    proptest! {
        #[test]
        fn several_are_different_and_as_many_as_there_are(count in 0_usize..8, there in 0_u8..8, seed in 0.0..1.0f64) {
            let candidates: Vec<Candidate> = (0..there).map(|number| candidate(number, 0, 1.0)).collect();
            let mut draw = seed;
            let chosen = choose_several(candidates, count, || {
                draw = (draw * 7.3).fract();
                Some(draw)
            });
            prop_assert_eq!(chosen.len(), count.min(there.into()));
            let different: std::collections::BTreeSet<_> = chosen.iter().map(|one| one.miner.0).collect();
            prop_assert_eq!(different.len(), chosen.len());
        }

        #[test]
        fn nobody_without_the_stake_is_chosen(stakes in proptest::collection::vec(0_u64..200, 0..20), draw in 0.0..1.0f64) {
            let candidates: Vec<Candidate> = stakes
                .iter()
                .zip(0..)
                .map(|(&stake, number)| Candidate { available_stake_microcredits: stake, ..candidate(number, 0, 1.0) })
                .collect();
            match choose(&candidates, draw) {
                Some(chosen) => prop_assert!(chosen.available_stake_microcredits >= 100),
                None => prop_assert!(stakes.iter().all(|&stake| stake < 100)),
            }
        }
    }
}
