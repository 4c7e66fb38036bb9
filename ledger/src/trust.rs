//! Trust and quality of miners, in parts per million, and what several validators together make of them.
//!
//! Caught: `w (1 - gamma)`. Paid: `w + eta (1 - w)`. The design's drift is towards 1/n, because there the weights of one
//! validator are shares of an emission and sum to 1. Nothing is emitted here: trust is each miner's own, decides how many of
//! its steps are checked, and must not fall because another miner joined. So it drifts towards 1, as in
//! `economics::population`, and the shares among the miners of one job are made when it is settled.

use crate::error::LedgerError;
use crate::parameters::{LedgerParameters, PPM};

/// Most validators that are heard together.
pub const MAX_VALIDATORS: usize = 256;

/// `value x ppm`, rounded down. Both are at most a million, and so is the result.
fn part(value: u32, ppm: u32) -> u32 {
    (u64::from(value) * u64::from(ppm) / u64::from(PPM)) as u32
}

impl LedgerParameters {
    /// Trust after a job that was accepted and paid.
    pub fn trust_after_paid(&self, trust_ppm: u32) -> u32 {
        let trust = trust_ppm.min(PPM);
        trust + part(PPM - trust, self.honest_drift_ppm)
    }

    /// Trust after a proven cheat.
    pub fn trust_after_caught(&self, trust_ppm: u32) -> u32 {
        part(trust_ppm.min(PPM), PPM - self.trust_decay_ppm.min(PPM))
    }

    /// Trust after a job that the miner took on and did not finish.
    pub fn trust_after_dropped(&self, trust_ppm: u32) -> u32 {
        part(trust_ppm.min(PPM), PPM - self.dropped_loss_ppm.min(PPM))
    }

    /// The average quality with one more clip; the first counts whole.
    pub fn quality_after(&self, average_ppm: Option<u32>, clip_ppm: u32) -> u32 {
        let clip = clip_ppm.min(PPM);
        let Some(average) = average_ppm else { return clip };
        let average = average.min(PPM);
        let weight = self.quality_moving_average_ppm.min(PPM);
        // Parts of two numbers with weights that sum to 1: at most the larger of them.
        let sum = u64::from(average) * u64::from(PPM - weight) + u64::from(clip) * u64::from(weight);
        (sum / u64::from(PPM)) as u32
    }

    /// Share of the full reward for a clip of this quality: `1 - weight`, and from the threshold on `weight x quality` more.
    pub fn quality_factor(&self, clip_ppm: u32) -> u32 {
        let weight = self.quality_weight_ppm.min(PPM);
        let bonus = if clip_ppm >= self.quality_threshold_ppm { part(weight, clip_ppm.min(PPM)) } else { 0 };
        PPM - weight + bonus
    }
}

/// What one validator thinks of the miners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// The validator's stake, which its word weighs.
    pub stake_microcredits: u64,
    /// Trust per miner, in parts per million; every validator has the miners in the same order.
    pub trust_ppm: Vec<u32>,
}

/// What validators think of the miners together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consensus {
    /// Trust per miner: the stake-weighted mean of the clipped opinions, in parts per million, rounded down.
    pub trust_ppm: Vec<u32>,
    /// Share of each miner in all clipped trust, in parts per million, rounded down; zeros when nobody has any.
    pub share_ppm: Vec<u32>,
}

/// Kappa-clipped consensus, as in `economics::consensus`, in integers: what a validator says of a miner counts up to the
/// largest trust that validators with `kappa` of all stake grant the miner. A minority can't praise its friends.
///
/// # Errors
/// There is no validator, or more than [`MAX_VALIDATORS`]; nobody has stake; opinions are of different miners; a trust or
/// `kappa` is above a million.
pub fn consensus(kappa_ppm: u32, opinions: &[Opinion]) -> Result<Consensus, LedgerError> {
    let opinion = |reason| LedgerError::Opinions { reason };
    let miners = opinions.first().ok_or(opinion("there is none"))?.trust_ppm.len();
    let total: u128 = opinions.iter().map(|one| u128::from(one.stake_microcredits)).sum();
    if opinions.len() > MAX_VALIDATORS {
        return Err(opinion("there are more than 256"));
    }
    if total == 0 {
        return Err(opinion("no validator has stake"));
    }
    if opinions.iter().any(|one| one.trust_ppm.len() != miners) {
        return Err(opinion("they are of different numbers of miners"));
    }
    if kappa_ppm > PPM || opinions.iter().flat_map(|one| &one.trust_ppm).any(|&trust| trust > PPM) {
        return Err(opinion("a share is above a million"));
    }
    // Stake has 64 bits and 8 for the number of validators, a share 20.
    let majority = total * u128::from(kappa_ppm);
    let mut order: Vec<usize> = (0..opinions.len()).collect();
    let ranks: Vec<u128> = (0..miners)
        .map(|miner| {
            order.sort_by_key(|&validator| (std::cmp::Reverse(opinions[validator].trust_ppm[miner]), validator));
            let mut cumulated = 0;
            let level = order.iter().find_map(|&validator| {
                cumulated += u128::from(opinions[validator].stake_microcredits) * u128::from(PPM);
                (cumulated >= majority).then_some(opinions[validator].trust_ppm[miner])
            });
            let level = level.unwrap_or(PPM);
            let clipped =
                |one: &Opinion| u128::from(one.trust_ppm[miner].min(level)) * u128::from(one.stake_microcredits);
            opinions.iter().map(clipped).sum()
        })
        .collect();
    let all: u128 = ranks.iter().sum();
    // Parts of their sums: at most a million.
    let trust_ppm = ranks.iter().map(|rank| (rank / total) as u32).collect();
    let share_ppm = ranks.iter().map(|rank| (rank * u128::from(PPM)).checked_div(all).unwrap_or(0) as u32).collect();
    Ok(Consensus { trust_ppm, share_ppm })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opinions(stakes: &[u64], columns: &[&[u32]]) -> Vec<Opinion> {
        let row = |validator: usize| columns.iter().map(|column| column[validator]).collect();
        stakes
            .iter()
            .enumerate()
            .map(|(v, &stake_microcredits)| Opinion { stake_microcredits, trust_ppm: row(v) })
            .collect()
    }

    #[test]
    fn a_minority_that_praises_is_clipped() {
        // The economics crate's known answers: rank 0.5 of a stake of 5, and 3.6 of 5 with the stake on the praising side.
        let praise: &[u32] = &[900_000, 800_000, 100_000];
        let got = consensus(500_000, &opinions(&[1, 1, 3], &[praise])).unwrap();
        assert_eq!(got.trust_ppm, [100_000]);
        let got = consensus(500_000, &opinions(&[3, 1, 1], &[praise])).unwrap();
        assert_eq!(got.trust_ppm, [720_000]);
        // Kappa 0 clips nothing.
        let got = consensus(0, &opinions(&[1, 1], &[&[200_000, 700_000]])).unwrap();
        assert_eq!(got.trust_ppm, [450_000]);
    }

    #[test]
    fn nobody_has_a_share_when_nobody_is_trusted() {
        let got = consensus(500_000, &opinions(&[1, 2], &[&[0, 0], &[0, 0]])).unwrap();
        assert_eq!(got.share_ppm, [0, 0]);
    }

    #[test]
    fn bad_opinions_are_refused() {
        let reasons = [
            consensus(0, &[]),
            consensus(0, &opinions(&[0], &[&[1]])),
            consensus(PPM + 1, &opinions(&[1], &[&[1]])),
            consensus(0, &opinions(&[1], &[&[PPM + 1]])),
            consensus(0, &vec![Opinion { stake_microcredits: 1, trust_ppm: vec![] }; 257]),
        ];
        assert!(reasons.iter().all(Result::is_err), "{reasons:?}");
        let mut uneven = opinions(&[1, 1], &[&[1, 1]]);
        uneven[1].trust_ppm.push(0);
        assert!(consensus(0, &uneven).is_err());
    }

    #[test]
    fn trust_rises_slowly_and_falls_fast() {
        let parameters = LedgerParameters::default();
        // 22 honest jobs to be trusted, as the economics crate says.
        let after = |jobs: usize| (0..jobs).fold(0, |trust, _| parameters.trust_after_paid(trust));
        assert!(after(21) < parameters.trusted_from_ppm && after(22) >= parameters.trusted_from_ppm);
        assert_eq!(parameters.trust_after_caught(900_000), 180_000);
        assert_eq!(parameters.trust_after_dropped(900_000), 810_000);
        assert_eq!(parameters.trust_after_paid(PPM), PPM);
    }

    #[test]
    fn quality_pays_a_bonus_from_the_threshold_on() {
        let parameters = LedgerParameters::default();
        assert_eq!(parameters.quality_factor(PPM), PPM);
        assert_eq!(parameters.quality_factor(699_999), 700_000);
        assert_eq!(parameters.quality_factor(700_000), 910_000);
        assert_eq!(parameters.quality_after(None, 800_000), 800_000);
        assert_eq!(parameters.quality_after(Some(800_000), 0), 720_000);
    }

    /// The same in floating point, written after the economics crate's words.
    fn ranks(kappa: f64, stakes: &[f64], columns: &[Vec<u32>]) -> Vec<f64> {
        let total: f64 = stakes.iter().sum();
        let rank = |column: &Vec<u32>| {
            let mut order: Vec<usize> = (0..stakes.len()).collect();
            order.sort_by(|&a, &b| column[b].cmp(&column[a]));
            let mut cumulated = 0.0;
            let reached = order.iter().find(|&&v| {
                cumulated += stakes[v];
                cumulated >= kappa * total
            });
            let level = reached.map_or(u32::MAX, |&v| column[v]);
            column.iter().zip(stakes).map(|(w, s)| f64::from((*w).min(level)) * s).sum::<f64>() / total
        };
        columns.iter().map(rank).collect()
    }

    proptest! {
        #[test]
        fn consensus_is_that_of_the_economics_crate(
            stakes in proptest::collection::vec(1u64..1 << 40, 5),
            columns in proptest::collection::vec(proptest::collection::vec(0..=PPM, 5), 1..8),
            // Halves and quarters are exact in floating point, so both sides clip at the same validator.
            kappa in prop::sample::select(vec![0.0, 0.25, 0.5, 0.75, 1.0]),
        ) {
            let column_slices: Vec<&[u32]> = columns.iter().map(Vec::as_slice).collect();
            let got = consensus((kappa * 1e6) as u32, &opinions(&stakes, &column_slices)).unwrap();
            let real: Vec<f64> = stakes.iter().map(|&stake| stake as f64).collect();
            for (mine, theirs) in got.trust_ppm.iter().zip(ranks(kappa, &real, &columns)) {
                prop_assert!((f64::from(*mine) - theirs).abs() <= 1.001, "{mine} {theirs}");
            }
            prop_assert!(got.share_ppm.iter().map(|&share| u64::from(share)).sum::<u64>() <= PPM.into());
        }

        #[test]
        fn shares_stay_shares(trust in 0..=PPM, clip in 0..=PPM, average in proptest::option::of(0..=PPM)) {
            let parameters = LedgerParameters::default();
            for value in [
                parameters.trust_after_paid(trust),
                parameters.trust_after_caught(trust),
                parameters.quality_after(average, clip),
                parameters.quality_factor(clip),
            ] {
                prop_assert!(value <= PPM);
            }
            prop_assert!(parameters.trust_after_paid(trust) >= trust && parameters.trust_after_caught(trust) <= trust);
        }
    }
}
