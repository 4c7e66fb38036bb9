//! How miners' rank shares move over the epochs when all of them cheat.
//!
//! They depend on the chance to be caught and on gamma alone, not on money: one trajectory serves every slash, emission
//! and step cost. That, and not parallel work, is what makes the sweep fast.

use crate::consensus::Consensus;
use crate::parameters::StudyParameters;
use crate::random::Pcg64;

/// What is drawn from the stream, once for all points since the stream restarts for each.
#[derive(Debug, Clone)]
pub(super) struct Draws {
    start: Consensus,
    /// `(epochs, miners)`.
    uniforms: Vec<f64>,
}

impl Draws {
    pub(super) fn new(parameters: &StudyParameters) -> Self {
        let mut random = Pcg64::new(0);
        let start = Consensus::draw(&mut random, parameters.miners, parameters.validators, parameters.kappa);
        let uniforms = (0..parameters.epochs * parameters.miners).map(|_| random.next_f64()).collect();
        Self { start, uniforms }
    }

    /// Shares `(epochs, miners)` when each miner is caught with this chance in every epoch.
    pub(super) fn shares(&self, parameters: &StudyParameters, caught: f64, gamma: f64) -> Vec<f64> {
        let miners = parameters.miners;
        let target = parameters.drift_target / miners as f64;
        let mut consensus = self.start.clone();
        let mut shares = vec![0.0; self.uniforms.len()];
        for (row, uniforms) in shares.chunks_exact_mut(miners).zip(self.uniforms.chunks_exact(miners)) {
            consensus.shares(row);
            consensus.update(|miner| uniforms[miner] < caught, gamma, parameters.drift, target);
        }
        shares
    }
}
