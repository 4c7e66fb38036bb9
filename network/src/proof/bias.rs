//! Signed errors of a miner over many audits. Rounding has no direction; a miner that steers within tolerance has one.

use serde::{Deserialize, Serialize};

/// Signed errors of one audited output, each relative to the output's own size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BiasSample {
    /// Mean error over the output's root mean square.
    pub mean: f64,
    /// Projection on the output itself: 0.01 is 1 % too strong.
    pub gain: f64,
    /// Projection on the difference of the two branches: 0.01 is 1 % more guidance.
    pub guidance: f64,
}

/// Running mean and variance (Welford, 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BiasStatistic {
    /// Audited outputs.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Sum of squared deviations from the mean.
    pub squares: f64,
}

impl BiasStatistic {
    fn add(&mut self, value: f64) {
        self.count += 1;
        let deviation = value - self.mean;
        self.mean += deviation / self.count as f64;
        self.squares += deviation * (value - self.mean);
    }

    /// Mean in units of its standard error: about standard normal for an honest miner. Without any spread, 0 for a mean of zero
    /// and the largest finite number otherwise.
    pub fn score(&self) -> f64 {
        if self.count < 2 || self.mean == 0.0 {
            return 0.0;
        }
        let count = self.count as f64;
        let score = self.mean / (self.squares / (count - 1.0) / count).sqrt();
        if score.is_finite() { score } else { f64::MAX.copysign(self.mean) }
    }
}

/// Statistics of one miner on one model and pair of formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BiasLedger {
    /// Of [`BiasSample::mean`].
    pub mean: BiasStatistic,
    /// Of [`BiasSample::gain`].
    pub gain: BiasStatistic,
    /// Of [`BiasSample::guidance`].
    pub guidance: BiasStatistic,
}

/// What the statistics say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BiasReport {
    /// Direction with the largest score.
    pub direction: &'static str,
    /// Its score.
    pub score: f64,
    /// Its mean.
    pub mean: f64,
    /// Samples.
    pub count: u64,
    /// Whether this is beyond chance and beyond what honest calibration runs show.
    pub biased: bool,
}

impl BiasLedger {
    /// Samples before anything is said.
    pub const LEAST_SAMPLES: u64 = 32;
    /// Score that counts as beyond chance. Looking after every audit, an honest miner passes 6 less than once in a million
    /// histories of ten thousand samples.
    pub const SCORE: f64 = 6.0;

    /// Adds an audited output.
    pub fn add(&mut self, sample: BiasSample) {
        self.mean.add(sample.mean);
        self.gain.add(sample.gain);
        self.guidance.add(sample.guidance);
    }

    /// The verdict so far. `honest_floor` is the largest mean that honest devices show against each other (their
    /// rounding need not be symmetric); from calibration.
    pub fn report(&self, honest_floor: f64) -> BiasReport {
        let all = [("mean", &self.mean), ("gain", &self.gain), ("guidance", &self.guidance)];
        let first = all[0];
        let (direction, statistic) = all
            .into_iter()
            .fold(first, |best, next| if next.1.score().abs() > best.1.score().abs() { next } else { best });
        let score = statistic.score();
        let biased =
            statistic.count >= Self::LEAST_SAMPLES && score.abs() > Self::SCORE && statistic.mean.abs() > honest_floor;
        BiasReport { direction, score, mean: statistic.mean, count: statistic.count, biased }
    }
}
