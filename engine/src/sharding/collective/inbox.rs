//! What has arrived for a member and was not taken yet; bounded per sender.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{Bound, Channel, Result};
use crate::sharding::error::CollectiveError;

/// Messages of one sender that may wait. A group works in lockstep, so that honest members have few.
const MAX_WAITING_MESSAGES: usize = 64;

#[derive(Default)]
struct Sender {
    queues: HashMap<Channel, VecDeque<Vec<u8>>>,
    messages: usize,
    bytes: usize,
    ended: Option<CollectiveError>,
}

/// Queues of all senders.
pub(super) struct Inbox {
    senders: Mutex<Vec<Sender>>,
    changed: Condvar,
    /// Bytes of one sender that may wait; a message alone always may.
    max_waiting_bytes: usize,
}

impl Inbox {
    pub(super) fn new(world: usize, max_waiting_bytes: usize) -> Self {
        let senders = (0..world).map(|_| Sender::default()).collect();
        Self { senders: Mutex::new(senders), changed: Condvar::new(), max_waiting_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Sender>> {
        // Nothing panics while holding the lock, and queues are whole between statements.
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message, waiting for room until the deadline if there is one. `false` where it passed.
    pub(super) fn push(&self, from: usize, channel: Channel, message: Vec<u8>, until: Option<Instant>) -> bool {
        let mut senders = self.lock();
        loop {
            let Some(sender) = senders.get_mut(from) else { return false };
            if sender.ended.is_some() {
                return true;
            }
            let fits = sender.messages < MAX_WAITING_MESSAGES && sender.bytes + message.len() <= self.max_waiting_bytes;
            if fits || sender.messages == 0 {
                sender.messages += 1;
                sender.bytes += message.len();
                sender.queues.entry(channel).or_default().push_back(message);
                drop(senders);
                self.changed.notify_all();
                return true;
            }
            senders = match until {
                None => self.changed.wait(senders).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let Some(left) = until.checked_duration_since(Instant::now()) else { return false };
                    self.changed.wait_timeout(senders, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Waits for the next message of `from`.
    pub(super) fn pop(&self, from: usize, channel: Channel, bound: Bound) -> Result<Vec<u8>> {
        let start = Instant::now();
        let mut senders = self.lock();
        loop {
            let world = senders.len();
            let sender = senders.get_mut(from).ok_or(CollectiveError::NoMember { peer: from, world })?;
            if let Some(message) = sender.queues.get_mut(&channel).and_then(VecDeque::pop_front) {
                sender.messages -= 1;
                sender.bytes -= message.len();
                drop(senders);
                self.changed.notify_all();
                if message.len() > bound.bytes {
                    let (bytes, limit) = (message.len() as u64, bound.bytes as u64);
                    return Err(CollectiveError::TooLarge { peer: from, bytes, limit });
                }
                return Ok(message);
            }
            // What had arrived before the end is still taken.
            if let Some(ended) = &sender.ended {
                return Err(ended.clone());
            }
            let Some(left) = bound.until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return Err(CollectiveError::Deadline { peer: from, waited: start.elapsed(), what: "a message" });
            };
            senders = self.changed.wait_timeout(senders, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Nothing more will come from `from`. The first reason stays.
    pub(super) fn end(&self, from: usize, why: CollectiveError) {
        if let Some(sender) = self.lock().get_mut(from) {
            sender.ended.get_or_insert(why);
        }
        self.changed.notify_all();
    }

    /// Why nothing more will come from `from`.
    pub(super) fn ended(&self, from: usize) -> Option<CollectiveError> {
        self.lock().get(from).and_then(|sender| sender.ended.clone())
    }
}
