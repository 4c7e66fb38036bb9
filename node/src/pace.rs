//! Asking no faster than a peer allows: who asks faster is refused, and in the end banned.

use infernet_network::swarm::{MessageClass, Rate, Rates, TokenBucket};
use infernet_network::wire::Request;
use std::time::Duration;
use tokio::sync::Mutex;

use crate::clock::now_ms;

/// Part of the agreed pace that is used; the rest is for this node's other roles, and for clocks that differ.
const SHARE: f64 = 0.7;
/// How often a turn is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// The pace of one role towards one peer.
pub(crate) struct Pace {
    query: Mutex<TokenBucket>,
    work: Mutex<TokenBucket>,
}

impl Pace {
    /// The part of the agreed pace that one role may use.
    pub(crate) fn new(rates: &Rates) -> Self {
        let part = |rate: Rate| Rate {
            // At least one: a bucket without room never gives.
            burst: ((f64::from(rate.burst) * SHARE) as u32).max(1),
            per_second: rate.per_second * SHARE,
        };
        let bucket = |class| Mutex::new(TokenBucket::new(part(rates.of(class)), now_ms()));
        Self { query: bucket(MessageClass::Query), work: bucket(MessageClass::Work) }
    }

    /// Waits for this question's turn, first come first served.
    pub(crate) async fn turn(&self, request: &Request) {
        let bucket = match MessageClass::of(request) {
            MessageClass::Query => &self.query,
            MessageClass::Work => &self.work,
            _ => return,
        };
        // Held while it waits: those behind wait for it.
        let mut bucket = bucket.lock().await;
        while !bucket.take(now_ms()) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use infernet_network::wire::{JobId, JobStatus};
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn never_faster_than_agreed() {
        let rates = Rates { query: Rate { burst: 10, per_second: 100.0 }, ..Rates::default() };
        let (pace, mut theirs) = (Pace::new(&rates), TokenBucket::new(rates.query, now_ms()));
        let (start, mut refused) = (Instant::now(), 0);
        for _ in 0..60 {
            pace.turn(&Request::JobStatus(JobStatus { job_id: JobId([0; 16]) })).await;
            refused += u32::from(!theirs.take(now_ms()));
        }
        assert_eq!(refused, 0);
        // 53 of them at 70 a second: not all at once.
        assert!(start.elapsed() > Duration::from_millis(500));
    }
}
