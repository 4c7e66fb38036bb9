//! Means with confidence intervals.

use serde::{Deserialize, Serialize};

/// Two-sided normal quantile of 95 %.
const Z_95: f64 = 1.959_963_984_540_054;

/// A mean of independent runs with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Mean.
    pub mean: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
    /// Runs.
    pub runs: u64,
}

impl Estimate {
    /// Whether a value is inside the interval.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The interval of a share: `hits` out of `runs`, by Wilson's score, which stays honest near 0 and 1 where
    /// the normal interval collapses.
    pub fn of_share(hits: u64, runs: u64) -> Self {
        if runs == 0 {
            return Self { mean: 0.0, low: 0.0, high: 1.0, runs };
        }
        let n = runs as f64;
        let share = hits as f64 / n;
        let z2 = Z_95 * Z_95;
        let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z_95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        Self { mean: share, low: (centre - half).max(0.0), high: (centre + half).min(1.0), runs }
    }
}

/// Mean and variance of a stream of numbers (Welford), mergeable (Chan).
#[derive(Debug, Clone, Copy, Default)]
pub struct Accumulator {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Accumulator {
    /// Adds a number.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (value - self.mean);
    }

    /// Adds everything another accumulator saw.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let (mine, theirs) = (self.count as f64, other.count as f64);
        let delta = other.mean - self.mean;
        self.count += other.count;
        self.mean += delta * theirs / (mine + theirs);
        self.squares += other.squares + delta * delta * mine * theirs / (mine + theirs);
    }

    /// Mean of what was added; 0 of nothing.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Mean with its 95 % interval, by Student's t.
    pub fn estimate(&self) -> Estimate {
        if self.count < 2 {
            return Estimate { mean: self.mean, low: f64::MIN, high: f64::MAX, runs: self.count };
        }
        let degrees = (self.count - 1) as f64;
        let half = student_t_95(degrees) * (self.squares / degrees / self.count as f64).sqrt();
        Estimate { mean: self.mean, low: self.mean - half, high: self.mean + half, runs: self.count }
    }
}

/// Two-sided 95 % quantile of Student's t: a table for few degrees of freedom, above it the expansion about the normal
/// quantile (Abramowitz and Stegun 26.7.5), which is within 0.2 % there.
fn student_t_95(degrees: f64) -> f64 {
    const SMALL: [f64; 7] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365];
    if degrees < 7.5 {
        return SMALL[(degrees.round() as usize).clamp(1, 7) - 1];
    }
    let z = Z_95;
    let (z3, z5, z7) = (z.powi(3), z.powi(5), z.powi(7));
    z + (z3 + z) / (4.0 * degrees)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * degrees.powi(2))
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * degrees.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Pcg64;

    #[test]
    fn students_t_as_in_tables() {
        for (degrees, expected) in
            [(1.0, 12.706), (7.0, 2.365), (8.0, 2.306), (10.0, 2.228), (30.0, 2.042), (120.0, 1.980)]
        {
            assert!((student_t_95(degrees) - expected).abs() < 0.003, "{degrees}: {}", student_t_95(degrees));
        }
    }

    #[test]
    fn merging_equals_adding() {
        let mut random = Pcg64::new(1);
        let (mut all, mut first, mut second) = (Accumulator::default(), Accumulator::default(), Accumulator::default());
        for index in 0..1000 {
            let value = random.uniform(-3.0, 9.0);
            all.add(value);
            if index < 321 { first.add(value) } else { second.add(value) }
        }
        first.merge(&second);
        first.merge(&Accumulator::default());
        let (merged, whole) = (first.estimate(), all.estimate());
        assert!((merged.mean - whole.mean).abs() < 1e-12 && (merged.high - whole.high).abs() < 1e-12);
        assert_eq!(merged.runs, 1000);
    }

    /// 95 % intervals must miss about 5 % of the time: neither always right nor often wrong.
    #[test]
    fn intervals_cover_as_often_as_they_claim() {
        let mut random = Pcg64::new(2);
        let (mut mean_hits, mut share_hits) = (0, 0);
        for _ in 0..2000 {
            let (mut sum, mut successes) = (Accumulator::default(), 0);
            for _ in 0..40 {
                sum.add(random.next_f64());
                successes += u64::from(random.happens(0.2));
            }
            mean_hits += u32::from(sum.estimate().contains(0.5));
            share_hits += u32::from(Estimate::of_share(successes, 40).contains(0.2));
        }
        for hits in [mean_hits, share_hits] {
            assert!((1860..=1950).contains(&hits), "{hits} of 2000");
        }
    }

    #[test]
    fn wilson_at_the_ends() {
        let none = Estimate::of_share(0, 100);
        assert!(none.low.abs() < 1e-12 && (none.high - 0.0370).abs() < 5e-4, "{none:?}");
        let empty = Estimate::of_share(0, 0);
        assert!(empty.low.abs() < 1e-12 && (empty.high - 1.0).abs() < 1e-12);
    }
}
