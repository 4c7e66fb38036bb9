//! PCG64: a 128-bit linear congruential generator with the XSL-RR output, as in NumPy's `default_rng`.
//!
//! M. E. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number
//! Generation" (2014).

use super::SeedSequence;

const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;
/// 2^-53.
const DOUBLE_UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;

/// The stream of `numpy.random.default_rng(seed)`.
#[derive(Debug, Clone)]
pub struct Pcg64 {
    state: u128,
    increment: u128,
}

impl Pcg64 {
    /// The stream of `default_rng(seed)`.
    pub fn new(seed: u64) -> Self {
        Self::from_sequence(&SeedSequence::new(&[seed]))
    }

    /// The stream of `default_rng([a, b, ...])`: streams with different numbers are independent.
    pub fn from_numbers(numbers: &[u64]) -> Self {
        Self::from_sequence(&SeedSequence::new(numbers))
    }

    fn from_sequence(sequence: &SeedSequence) -> Self {
        let words: [u64; 4] = sequence.state();
        let wide = |high: u64, low: u64| (u128::from(high) << 64) | u128::from(low);
        let increment = (wide(words[2], words[3]) << 1) | 1;
        let mut generator = Self { state: 0, increment };
        generator.step();
        generator.state = generator.state.wrapping_add(wide(words[0], words[1]));
        generator.step();
        generator
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
    }

    /// Next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// Next double in [0, 1): the top 53 bits.
    pub fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * DOUBLE_UNIT
    }

    /// Next double in [low, high), as NumPy's `uniform(low, high)`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next_f64()
    }

    /// Whether an event of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.next_f64() < probability
    }

    /// Draws `checks` different steps out of `steps` and tells whether one of the first `tampered` is among them.
    ///
    /// Draws as a validator does: one step after the other, without replacement. The outcome of each draw depends only on
    /// how many tampered and untouched steps are left, and the first tampered one decides.
    pub fn audit_hits(&mut self, steps: u32, tampered: u32, checks: u32) -> bool {
        (0..checks.min(steps)).any(|drawn| self.next_f64() * f64::from(steps - drawn) < f64::from(tampered))
    }
}
