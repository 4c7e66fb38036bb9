//! Members that are threads of one process.

use std::sync::Arc;
use std::time::Instant;

use super::inbox::Inbox;
use super::{Bound, Channel, Collective, Result, TrafficCounters};
use crate::sharding::error::CollectiveError;

/// Bytes of one sender that may wait for one receiver.
const MAX_WAITING_BYTES: usize = 1 << 30;

/// One member of a group of threads.
pub struct LocalCollective {
    rank: usize,
    inboxes: Arc<[Inbox]>,
    counters: TrafficCounters,
}

/// A group of `world` threads, one handle each.
#[must_use]
pub fn local_group(world: usize) -> Vec<LocalCollective> {
    let inboxes: Arc<[Inbox]> = (0..world).map(|_| Inbox::new(world, MAX_WAITING_BYTES)).collect();
    (0..world)
        .map(|rank| LocalCollective { rank, inboxes: Arc::clone(&inboxes), counters: TrafficCounters::default() })
        .collect()
}

impl Collective for LocalCollective {
    fn rank(&self) -> usize {
        self.rank
    }

    fn world(&self) -> usize {
        self.inboxes.len()
    }

    fn post(&self, to: usize, channel: Channel, message: Vec<u8>, until: Instant) -> Result<()> {
        let inbox = self.inboxes.get(to).ok_or(CollectiveError::NoMember { peer: to, world: self.world() })?;
        let bytes = message.len();
        let start = Instant::now();
        // A member that has left takes nothing any more; who waits for it learns why.
        if let Some(ended) = self.inboxes[self.rank].ended(to) {
            return Err(ended);
        }
        if !inbox.push(self.rank, channel, message, Some(until)) {
            return Err(CollectiveError::Deadline { peer: to, waited: start.elapsed(), what: "room for a message" });
        }
        self.counters.sent(bytes);
        Ok(())
    }

    fn take(&self, from: usize, channel: Channel, bound: Bound) -> Result<Vec<u8>> {
        let message = self.inboxes[self.rank].pop(from, channel, bound)?;
        self.counters.received(message.len());
        Ok(message)
    }

    fn abort(&self, reason: &str) {
        let why = CollectiveError::Aborted { peer: self.rank, reason: super::wire::one_line(reason) };
        self.inboxes.iter().for_each(|inbox| inbox.end(self.rank, why.clone()));
    }

    fn counters(&self) -> &TrafficCounters {
        &self.counters
    }
}

impl Drop for LocalCollective {
    fn drop(&mut self) {
        let why = CollectiveError::Gone { peer: self.rank, reason: "it has left the group".to_owned() };
        self.inboxes.iter().for_each(|inbox| inbox.end(self.rank, why.clone()));
    }
}
