//! How long to wait before a worker is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Doubles from one second to a minute with every crash in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    crashes: u32,
}

impl Backoff {
    /// Crashes since the last success.
    pub fn crashes(&self) -> u32 {
        self.crashes
    }

    /// Counts a crash and says how long to wait.
    pub fn crashed(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.crashes).unwrap_or(u32::MAX);
        self.crashes = self.crashes.saturating_add(1);
        FIRST.checked_mul(factor).map_or(LONGEST, |wait| wait.min(LONGEST))
    }

    /// A task went well.
    pub fn succeeded(&mut self) {
        self.crashes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_start_over() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..9).map(|_| backoff.crashed().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        for _ in 0..100 {
            assert_eq!(backoff.crashed(), LONGEST);
        }
        backoff.succeeded();
        assert_eq!(backoff.crashed(), FIRST);
    }
}
