//! Rates of what was counted, with what their number allows to say.

use std::fmt;

/// Two-sided 95 % point of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub hits: u64,
    /// Of how many.
    pub of: u64,
}

impl Rate {
    /// Counts one more.
    pub fn add(&mut self, hit: bool) {
        self.hits += u64::from(hit);
        self.of += 1;
    }

    /// The share; 0 of nothing.
    pub fn share(&self) -> f64 {
        if self.of == 0 { 0.0 } else { self.hits as f64 / self.of as f64 }
    }

    /// The 95 % interval of the share behind it (Wilson, 1927): sound near 0 and 1 too, where a rate from few trials says
    /// little. From 0 to 1 for nothing.
    pub fn interval(&self) -> (f64, f64) {
        if self.of == 0 {
            return (0.0, 1.0);
        }
        let (n, share) = (self.of as f64, self.share());
        let middle = share + Z * Z / (2.0 * n);
        let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        // Exact at the ends, where rounding would leave a remainder.
        let low = if self.hits == 0 { 0.0 } else { (middle - half) / scale };
        let high = if self.hits == self.of { 1.0 } else { (middle + half) / scale };
        (low, high)
    }
}

/// `97.0 % (91.5 to 99.0, n = 100)`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.interval();
        write!(f, "{:.1} % ({:.1} to {:.1}, n = {})", 100.0 * self.share(), 100.0 * low, 100.0 * high, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        // scipy.stats.binomtest(hits, of).proportion_ci(method="wilson").
        let known = [
            (8, 10, 0.490_162_471_536_641_8, 0.943_317_848_545_624_8),
            (0, 20, 0.0, 0.161_125_158_052_819_38),
            (400, 400, 0.990_487_705_665_703_9, 1.0),
            (97, 100, 0.915_480_635_709_472_4, 0.989_745_475_975_967_1),
        ];
        for (hits, of, low, high) in known {
            let (found_low, found_high) = Rate { hits, of }.interval();
            assert!(
                (found_low - low).abs() < 1e-9 && (found_high - high).abs() < 1e-9,
                "{hits} of {of}: {found_low} {found_high}"
            );
        }
        assert_eq!(Rate::default().interval(), (0.0, 1.0));
    }

    #[test]
    fn a_rate_says_its_number() {
        let mut rate = Rate::default();
        (0..100).for_each(|trial| rate.add(trial >= 3));
        assert_eq!(rate.to_string(), "97.0 % (91.5 to 99.0, n = 100)");
    }
}
