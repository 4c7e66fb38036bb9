//! The node's clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 UTC; 0 on a clock before that.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The validator's clock as it is known here. Deadlines are the validator's: a computer whose clock is off keeps them all the same.
#[derive(Debug, Default)]
pub(crate) struct ValidatorClock {
    ahead_ms: AtomicI64,
}

impl ValidatorClock {
    /// Notes what it said just now. The way of the answer is neglected: deadlines are seconds at least.
    pub(crate) fn note(&self, theirs_ms: u64) {
        self.ahead_ms.store(signed(theirs_ms).saturating_sub(signed(now_ms())), Ordering::Relaxed);
    }

    /// Milliseconds since 1970 UTC by the validator's clock; this computer's until it has said something.
    pub(crate) fn now_ms(&self) -> u64 {
        now_ms().saturating_add_signed(self.ahead_ms.load(Ordering::Relaxed))
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// Bytes of the operating system's randomness.
///
/// # Errors
/// It has none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_validators_time_is_kept() {
        let clock = ValidatorClock::default();
        assert!(clock.now_ms().abs_diff(now_ms()) < 1_000);
        for off_ms in [-600_000_i64, 600_000] {
            clock.note(now_ms().saturating_add_signed(off_ms));
            assert!(clock.now_ms().abs_diff(now_ms().saturating_add_signed(off_ms)) < 1_000);
        }
        // Nonsense neither panics nor sticks.
        clock.note(u64::MAX);
        clock.note(0);
        assert!(clock.now_ms() < 1_000);
        clock.note(now_ms());
        assert!(clock.now_ms().abs_diff(now_ms()) < 1_000);
    }
}
