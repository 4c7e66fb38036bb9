//! How long to wait between attempts.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// Wait before the attempt that follows `failures` failures in a row (1 or more): `first` doubled each time up to
/// `longest`, of which `jitter` (0 to 1) leaves between half and all, so that many clients do not come back at once.
pub(super) fn wait(failures: u32, first: Duration, longest: Duration, jitter: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    let full = first.saturating_mul(1 << doublings).min(longest);
    full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

/// A number from 0 to 1 from the seed that the standard library draws for its hash maps: no secret depends on it.
pub(super) fn jitter() -> f64 {
    let drawn = std::collections::hash_map::RandomState::new().build_hasher().finish();
    (drawn >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_jitter_takes_at_most_half() {
        let (first, longest) = (Duration::from_millis(500), Duration::from_secs(30));
        let full: Vec<_> = (1..=8).map(|failures| wait(failures, first, longest, 1.0).as_millis()).collect();
        assert_eq!(full, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(wait(3, first, longest, 0.0), Duration::from_secs(1));
        assert_eq!(wait(u32::MAX, first, longest, 1.0), longest);
        assert!((0..1000).map(|_| jitter()).all(|drawn| (0.0..1.0).contains(&drawn)));
        assert_ne!(jitter(), jitter());
    }
}
