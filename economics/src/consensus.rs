//! Consensus over validators' weights: the kappa-clip and the rank shares it gives.

use crate::random::Pcg64;

/// Weights that validators give to miners, as columns per miner, and the validators' stakes.
#[derive(Debug, Clone)]
pub(crate) struct Consensus {
    miners: usize,
    validators: usize,
    /// Stake at which a column is clipped: kappa of all.
    majority: f64,
    stakes: Vec<f64>,
    /// `(miner, validator)`, miner-major.
    weights: Vec<f64>,
    /// Validators of each column by falling weight. Kept between epochs: an order changes rarely, so sorting is a check.
    order: Vec<u16>,
}

impl Consensus {
    /// The study's start: stakes uniform in 1..2, weight rows uniform and normalised, drawn in this order.
    pub(crate) fn draw(random: &mut Pcg64, miners: usize, validators: usize, kappa: f64) -> Self {
        let stakes: Vec<f64> = (0..validators).map(|_| random.uniform(1.0, 2.0)).collect();
        Self::with_weights(stakes, draw_weights(random, miners, validators), miners, kappa)
    }

    /// Every validator starts with even weights.
    pub(crate) fn even(stakes: Vec<f64>, miners: usize, kappa: f64) -> Self {
        let weights = vec![1.0 / miners as f64; miners * stakes.len()];
        Self::with_weights(stakes, weights, miners, kappa)
    }

    fn with_weights(stakes: Vec<f64>, weights: Vec<f64>, miners: usize, kappa: f64) -> Self {
        let validators = stakes.len();
        let majority = kappa * stakes.iter().sum::<f64>();
        let order = (0..miners).flat_map(|_| 0..validators as u16).collect();
        Self { miners, validators, majority, stakes, weights, order }
    }

    /// Writes every miner's share of the clipped rank, and tells whether anybody has a rank at all.
    ///
    /// When all miners were zeroed (gamma = 1), nobody has weight and all shares are 0.
    pub(crate) fn shares(&mut self, shares: &mut [f64]) -> bool {
        let mut total = 0.0;
        for (miner, share) in shares.iter_mut().enumerate() {
            let range = miner * self.validators..(miner + 1) * self.validators;
            *share = clipped_rank(&self.weights[range.clone()], &mut self.order[range], &self.stakes, self.majority);
            total += *share;
        }
        if total <= 0.0 {
            shares.fill(0.0);
            return false;
        }
        for share in shares {
            *share /= total;
        }
        true
    }

    /// One epoch: each miner's weights are multiplied by `1 - gamma` if `caught(miner)`, and drift to `target` otherwise;
    /// then rows are normalised. A row of zeros stays as it is: such a validator has nobody to rank.
    pub(crate) fn update(&mut self, mut caught: impl FnMut(usize) -> bool, gamma: f64, drift: f64, target: f64) {
        let mut sums = [0.0; 256];
        let sums = &mut sums[..self.validators];
        for (miner, column) in self.weights.chunks_exact_mut(self.validators).enumerate() {
            let (factor, offset) = if caught(miner) { (1.0 - gamma, 0.0) } else { (1.0 - drift, drift * target) };
            for (weight, sum) in column.iter_mut().zip(sums.iter_mut()) {
                *weight = *weight * factor + offset;
                *sum += *weight;
            }
        }
        for sum in sums.iter_mut() {
            *sum = if *sum > 0.0 { 1.0 / *sum } else { 1.0 };
        }
        for column in self.weights.chunks_exact_mut(self.validators) {
            for (weight, scale) in column.iter_mut().zip(sums.iter()) {
                *weight *= scale;
            }
        }
    }

    /// Mean over validators of a miner's weight, in shares of all weight.
    pub(crate) fn mean_weight(&self, miner: usize) -> f64 {
        let column = &self.weights[miner * self.validators..(miner + 1) * self.validators];
        column.iter().sum::<f64>() / self.weights.iter().sum::<f64>()
    }

    /// Miners.
    pub(crate) fn miners(&self) -> usize {
        self.miners
    }

    /// Even stakes and drawn weights, for the study's rank after honest drift.
    pub(crate) fn draw_even_stakes(random: &mut Pcg64, miners: usize, validators: usize, kappa: f64) -> Self {
        Self::with_weights(vec![1.0; validators], draw_weights(random, miners, validators), miners, kappa)
    }

    /// Lets one miner's weights drift while the others' stay, then normalises rows.
    pub(crate) fn drift_one(&mut self, drifting: usize, drift: f64, target: f64) {
        let held = |miner| miner != drifting;
        // "Caught" with gamma = 0 is the identity.
        self.update(held, 0.0, drift, target);
    }
}

/// Uniform rows `(validators, miners)`, row-major as NumPy draws them, normalised and returned as columns.
fn draw_weights(random: &mut Pcg64, miners: usize, validators: usize) -> Vec<f64> {
    let mut weights = vec![0.0; miners * validators];
    for validator in 0..validators {
        let row: Vec<f64> = (0..miners).map(|_| random.next_f64()).collect();
        let sum: f64 = row.iter().sum();
        for (miner, value) in row.into_iter().enumerate() {
            weights[miner * validators + validator] = value / sum;
        }
    }
    weights
}

/// Stake-weighted sum of a column whose weights are clipped at the weight that a majority of stake supports: weights by
/// falling size, stakes cumulated, clipped at the first weight where they reach the majority.
fn clipped_rank(column: &[f64], order: &mut [u16], stakes: &[f64], majority: f64) -> f64 {
    for index in 1..order.len() {
        let mut place = index;
        while place > 0 && column[usize::from(order[place])] > column[usize::from(order[place - 1])] {
            order.swap(place, place - 1);
            place -= 1;
        }
    }
    let mut cumulated = 0.0;
    let mut level = f64::INFINITY;
    for &validator in order.iter() {
        cumulated += stakes[usize::from(validator)];
        if cumulated >= majority {
            level = column[usize::from(validator)];
            break;
        }
    }
    column.iter().zip(stakes).map(|(weight, stake)| weight.min(level) * stake).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(column: &[f64], stakes: &[f64], kappa: f64) -> f64 {
        let mut order: Vec<u16> = (0..column.len() as u16).collect();
        clipped_rank(column, &mut order, stakes, kappa * stakes.iter().sum::<f64>())
    }

    #[test]
    fn a_minority_that_praises_is_clipped() {
        // Stakes 1, 1, 3: the majority of 2.5 is reached at the third-largest weight.
        let got = rank(&[0.9, 0.8, 0.1], &[1.0, 1.0, 3.0], 0.5);
        assert!((got - 0.5).abs() < 1e-12, "{got}");
        // With the stake on the praising side their word stands.
        let got = rank(&[0.9, 0.8, 0.1], &[3.0, 1.0, 1.0], 0.5);
        assert!((got - (0.9 * 3.0 + 0.8 + 0.1)).abs() < 1e-12, "{got}");
    }

    #[test]
    fn kappa_zero_clips_nothing() {
        assert!((rank(&[0.2, 0.7], &[1.0, 1.0], 0.0) - 0.9).abs() < 1e-12);
    }

    #[test]
    fn nobody_has_a_share_when_all_are_zeroed_and_drift_brings_them_back() {
        let mut random = Pcg64::new(3);
        let mut consensus = Consensus::draw(&mut random, 4, 3, 0.5);
        let mut shares = [0.0; 4];
        assert!(consensus.shares(&mut shares));
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        consensus.update(|_| true, 1.0, 0.01, 0.3);
        assert!(!consensus.shares(&mut shares));
        assert!(shares.iter().all(|share| share.abs() < 1e-300));
        consensus.update(|miner| miner != 2, 1.0, 0.01, 0.3);
        assert!(consensus.shares(&mut shares));
        assert!((shares[2] - 1.0).abs() < 1e-12, "{shares:?}");
    }
}
