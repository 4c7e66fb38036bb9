//! How many messages a peer may send. Pure: the clock is passed in.

use crate::wire::Request;

/// Messages that share a bucket: what an honest peer sends at the same pace and what costs the same to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageClass {
    /// Hello.
    Hello,
    /// Heartbeats and progress: a miner's steady stream.
    Progress,
    /// Questions about state.
    Query,
    /// What makes a ledger entry or work: posting, offers, commitments, settlements.
    Work,
    /// Gossip, by whoever passes it on.
    News,
    /// Files opened in either direction.
    Blob,
}

impl MessageClass {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Hello, Self::Progress, Self::Query, Self::Work, Self::News, Self::Blob];

    /// Of a question.
    pub const fn of(request: &Request) -> Self {
        match request {
            Request::Hello(_) => Self::Hello,
            Request::MinerOffer(_) | Request::JobProgress(_) => Self::Progress,
            Request::JobStatus(_)
            | Request::Account(_)
            | Request::Receipts(_)
            | Request::ModelOffer(_)
            | Request::MemberQuery(_)
            | Request::JobPreview(_) => Self::Query,
            Request::PostJob(_)
            | Request::CancelJob(_)
            | Request::OfferJob(_)
            | Request::Commit(_)
            | Request::JobFailed(_)
            | Request::LedgerRequest(_)
            | Request::CoSign(_)
            | Request::Settled(_) => Self::Work,
        }
    }
}

/// A burst and a pace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Messages at once.
    pub burst: u32,
    /// Messages a second in the long run.
    pub per_second: f64,
}

/// A pace for each class.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// [`MessageClass::Hello`].
    pub hello: Rate,
    /// [`MessageClass::Progress`].
    pub progress: Rate,
    /// [`MessageClass::Query`].
    pub query: Rate,
    /// [`MessageClass::Work`].
    pub work: Rate,
    /// [`MessageClass::News`].
    pub news: Rate,
    /// [`MessageClass::Blob`].
    pub blob: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        let rate = |burst, per_second| Rate { burst, per_second };
        Self {
            // One for each connection.
            hello: rate(8, 0.5),
            // A heartbeat every few seconds, and a step of a small model takes tens of milliseconds.
            progress: rate(60, 20.0),
            // A dashboard that asks for twenty jobs once a second.
            query: rate(100, 25.0),
            // A requester's script that posts a batch.
            work: rate(64, 8.0),
            // A peer passes on everybody's news.
            news: rate(200, 50.0),
            // A model of a hundred files.
            blob: rate(128, 4.0),
        }
    }
}

impl Rates {
    /// The pace of a class.
    pub const fn of(&self, class: MessageClass) -> Rate {
        match class {
            MessageClass::Hello => self.hello,
            MessageClass::Progress => self.progress,
            MessageClass::Query => self.query,
            MessageClass::Work => self.work,
            MessageClass::News => self.news,
            MessageClass::Blob => self.blob,
        }
    }
}

/// A token bucket.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    rate: Rate,
    tokens: f64,
    at_ms: u64,
}

impl TokenBucket {
    /// A full one.
    pub fn new(rate: Rate, now_ms: u64) -> Self {
        Self { rate, tokens: f64::from(rate.burst), at_ms: now_ms }
    }

    /// Takes a token; `false` where there is none.
    pub fn take(&mut self, now_ms: u64) -> bool {
        let elapsed_ms = now_ms.saturating_sub(self.at_ms) as f64;
        // Also when the clock went backwards: from there on it goes forward again.
        self.at_ms = now_ms;
        self.tokens = (self.tokens + self.rate.per_second * elapsed_ms / 1000.0).min(f64::from(self.rate.burst));
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

/// One peer's buckets.
pub(super) struct Buckets([TokenBucket; MessageClass::ALL.len()]);

impl Buckets {
    pub(super) fn new(rates: &Rates, now_ms: u64) -> Self {
        Self(MessageClass::ALL.map(|class| TokenBucket::new(rates.of(class), now_ms)))
    }

    pub(super) fn take(&mut self, class: MessageClass, now_ms: u64) -> bool {
        // A class is its own index.
        self.0[class as usize].take(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn classes_are_their_own_indices() {
        for (index, class) in MessageClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, index);
        }
    }

    #[test]
    fn a_burst_then_a_pace() {
        let mut bucket = TokenBucket::new(Rate { burst: 3, per_second: 2.0 }, 0);
        assert_eq!([0; 5].map(|now| bucket.take(now)), [true, true, true, false, false]);
        assert!(!bucket.take(499));
        assert!(bucket.take(500));
        assert!(!bucket.take(501));
        // A clock that goes backwards gives nothing.
        assert!(!bucket.take(0));
    }

    proptest! {
        /// Whatever the times, nobody gets more than the burst and the pace.
        #[test]
        fn never_more_than_agreed(gaps in prop::collection::vec(0_u64..700, 1..400)) {
            let rate = Rate { burst: 5, per_second: 3.0 };
            let mut bucket = TokenBucket::new(rate, 0);
            let (mut now, mut taken) = (0, 0_u32);
            for gap in gaps {
                now += gap;
                taken += u32::from(bucket.take(now));
                let most = f64::from(rate.burst) + rate.per_second * now as f64 / 1000.0;
                prop_assert!(f64::from(taken) <= most + 1e-6);
            }
        }
    }
}
