//! Counting what a member sends, receives and waits for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a member has exchanged; payloads only, without headers and checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Bytes handed over for others.
    pub bytes_sent: u64,
    /// Bytes taken from others.
    pub bytes_received: u64,
    /// Messages handed over.
    pub messages_sent: u64,
    /// Times this member needed something of others to go on.
    pub rounds: u64,
    /// Time spent waiting for others, in nanoseconds.
    pub waited_nanos: u64,
}

impl Traffic {
    /// What came after `earlier`.
    #[must_use]
    pub fn since(self, earlier: Traffic) -> Traffic {
        Traffic {
            bytes_sent: self.bytes_sent.saturating_sub(earlier.bytes_sent),
            bytes_received: self.bytes_received.saturating_sub(earlier.bytes_received),
            messages_sent: self.messages_sent.saturating_sub(earlier.messages_sent),
            rounds: self.rounds.saturating_sub(earlier.rounds),
            waited_nanos: self.waited_nanos.saturating_sub(earlier.waited_nanos),
        }
    }

    /// Time spent waiting for others.
    #[must_use]
    pub fn waited(self) -> Duration {
        Duration::from_nanos(self.waited_nanos)
    }
}

/// Counters that a [`Collective`](super::Collective) keeps.
#[derive(Debug, Default)]
pub struct TrafficCounters {
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
    messages_sent: AtomicU64,
    rounds: AtomicU64,
    waited_nanos: AtomicU64,
}

impl TrafficCounters {
    /// Counts a message handed over.
    pub fn sent(&self, bytes: usize) {
        self.bytes_sent.fetch_add(bytes as u64, Ordering::Relaxed);
        self.messages_sent.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message taken.
    pub fn received(&self, bytes: usize) {
        self.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts waiting time.
    pub fn waited(&self, time: Duration) {
        self.waited_nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts a round.
    pub fn round(&self) {
        self.rounds.fetch_add(1, Ordering::Relaxed);
    }

    /// The numbers now.
    #[must_use]
    pub fn now(&self) -> Traffic {
        Traffic {
            bytes_sent: self.bytes_sent.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
            messages_sent: self.messages_sent.load(Ordering::Relaxed),
            rounds: self.rounds.load(Ordering::Relaxed),
            waited_nanos: self.waited_nanos.load(Ordering::Relaxed),
        }
    }
}
