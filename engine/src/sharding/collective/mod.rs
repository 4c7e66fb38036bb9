//! How members of a group exchange bytes: [`Collective`] and its implementations.
//!
//! [`local_group`] connects threads, [`StreamCollective`] processes and machines over any byte streams, [`Emulated`] wraps either
//! in the bandwidth and delay of a link. What is exchanged is the same for all of them.

mod inbox;
mod link;
mod local;
mod stream;
mod tcp;
mod traffic;
mod wire;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

pub use link::{Emulated, Link};
pub use local::{LocalCollective, local_group};
pub use stream::{Duplex, StreamCollective, StreamOptions};
pub use traffic::{Traffic, TrafficCounters};

use super::error::CollectiveError;

/// Result of an exchange.
pub type Result<T, E = CollectiveError> = std::result::Result<T, E>;

/// Independent queues between two members: what is sent on one never stands before what is sent on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(pub u16);

impl Channel {
    /// Commands and answers between the leader and the others.
    pub const CONTROL: Channel = Channel(0);
    /// Activations.
    pub const ACTIVATIONS: Channel = Channel(1);
    /// Questions for weights.
    pub const WEIGHT_REQUESTS: Channel = Channel(2);
    /// Weights.
    pub const WEIGHTS: Channel = Channel(3);
}

/// How long to wait and how much to take.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// When to give up.
    pub until: Instant,
    /// Largest message that may come, in bytes.
    pub bytes: usize,
}

impl Bound {
    /// A wait of `timeout` from now for at most `bytes`.
    #[must_use]
    pub fn new(timeout: Duration, bytes: usize) -> Self {
        Self { until: Instant::now() + timeout, bytes }
    }
}

/// A member's connections to the others of its group. Messages between two members on one channel arrive in order, whole and once.
///
/// The provided operations are among `members`, ranks in an order that all of them use; this member is one of them. Everybody
/// in `members` makes the same call. All of them count one round and give up at the bound's deadline.
pub trait Collective: Send + Sync {
    /// This member, from 0.
    fn rank(&self) -> usize;

    /// Members in the group.
    fn world(&self) -> usize;

    /// Hands a message over for `to`. Returns when it is queued, not when it has arrived.
    ///
    /// # Errors
    /// The connection has ended, or the queue stays full until the deadline.
    fn post(&self, to: usize, channel: Channel, message: Vec<u8>, until: Instant) -> Result<()>;

    /// Waits for the next message of `from`, counting its bytes but neither a round nor the wait: for who listens without
    /// needing anything. Others use [`recv`](Self::recv).
    ///
    /// # Errors
    /// The connection has ended, the member gave up, nothing came in time, or what came is too large.
    fn take(&self, from: usize, channel: Channel, bound: Bound) -> Result<Vec<u8>>;

    /// Tells all others that this member gives up; whatever they wait for from it fails at once.
    fn abort(&self, reason: &str);

    /// Counters of this member.
    fn counters(&self) -> &TrafficCounters;

    /// Sends to one member.
    ///
    /// # Errors
    /// As [`post`](Self::post).
    fn send(&self, to: usize, channel: Channel, message: Vec<u8>, until: Instant) -> Result<()> {
        self.post(to, channel, message, until)
    }

    /// Receives from one member.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    fn recv(&self, from: usize, channel: Channel, bound: Bound) -> Result<Vec<u8>> {
        self.counters().round();
        waiting(self.counters(), || self.take(from, channel, bound))
    }

    /// Gives each member its own part of `parts` (in the order of `members`) and returns what each has for this one.
    ///
    /// # Errors
    /// As [`take`](Self::take) and [`post`](Self::post).
    fn all_to_all(
        &self,
        members: &[usize],
        channel: Channel,
        mut parts: Vec<Vec<u8>>,
        bound: Bound,
    ) -> Result<Vec<Vec<u8>>> {
        self.counters().round();
        let own = self.rank();
        // Starting behind oneself, so that not everybody sends to the same member first.
        let here = members.iter().position(|&member| member == own).unwrap_or(0);
        for i in (here + 1..members.len()).chain(0..here) {
            let part = parts.get_mut(i).map(std::mem::take).unwrap_or_default();
            self.post(members[i], channel, part, bound.until)?;
        }
        let own_part = parts.get_mut(here).map(std::mem::take).unwrap_or_default();
        let mut received: Vec<Vec<u8>> = members.iter().map(|_| Vec::new()).collect();
        for (i, &member) in members.iter().enumerate() {
            if i != here {
                received[i] = waiting(self.counters(), || self.take(member, channel, bound))?;
            }
        }
        if let Some(place) = received.get_mut(here) {
            *place = own_part;
        }
        Ok(received)
    }

    /// Gives every member this one's message and returns all of them, this one's included.
    ///
    /// # Errors
    /// As [`all_to_all`](Self::all_to_all).
    fn all_gather(&self, members: &[usize], channel: Channel, own: Vec<u8>, bound: Bound) -> Result<Vec<Vec<u8>>> {
        let parts = vec![own; members.len()];
        self.all_to_all(members, channel, parts, bound)
    }

    /// Gives every member the message of `root`; the others' `message` is not looked at.
    ///
    /// # Errors
    /// As [`take`](Self::take) and [`post`](Self::post).
    fn broadcast(
        &self,
        members: &[usize],
        root: usize,
        channel: Channel,
        message: Vec<u8>,
        bound: Bound,
    ) -> Result<Vec<u8>> {
        self.counters().round();
        if self.rank() != root {
            return waiting(self.counters(), || self.take(root, channel, bound));
        }
        for &member in members.iter().filter(|&&member| member != root) {
            self.post(member, channel, message.clone(), bound.until)?;
        }
        Ok(message)
    }

    /// Returns when every member has called it.
    ///
    /// # Errors
    /// As [`all_to_all`](Self::all_to_all).
    fn barrier(&self, members: &[usize], channel: Channel, until: Instant) -> Result<()> {
        self.all_gather(members, channel, Vec::new(), Bound { until, bytes: 0 }).map(drop)
    }
}

/// Counts the time that `run` takes as waiting.
fn waiting<T>(counters: &TrafficCounters, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    counters.waited(start.elapsed());
    result
}
