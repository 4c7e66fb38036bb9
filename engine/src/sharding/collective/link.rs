//! Links that are slower than what connects the members: bandwidth and delay on the real bytes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Bound, Channel, Collective, Result, TrafficCounters};
use crate::sharding::error::CollectiveError;

/// Bytes that may leave at once before the bandwidth counts: what a network card queues.
const BURST_BYTES: f64 = 64.0 * 1024.0;
/// Bytes a message takes beside its payload: header and checksums here, and TCP's and Ethernet's for each 1448 bytes.
const FRAME_BYTES: usize = 27;
const SEGMENT_BYTES: usize = 1448;
const SEGMENT_OVERHEAD_BYTES: usize = 90;

/// A member's network connection.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Bits a second, each way.
    pub bits_per_second: f64,
    /// Round trip to any other member, in milliseconds.
    pub rtt_ms: f64,
    /// How much a one-way delay varies, in milliseconds: evenly over plus and minus half of it.
    pub jitter_ms: f64,
}

impl Link {
    /// What the study measures on, by name. `loopback` has no bounds but the machine's.
    pub const STUDIED: [(&'static str, Option<Link>); 4] = [
        ("loopback", None),
        ("1 Gbit/s", Some(Link { bits_per_second: 1e9, rtt_ms: 0.12, jitter_ms: 0.06 })),
        ("500 Mbit/s Wi-Fi", Some(Link { bits_per_second: 5e8, rtt_ms: 3.01, jitter_ms: 3.53 })),
        ("100 Mbit/s", Some(Link { bits_per_second: 1e8, rtt_ms: 20.0, jitter_ms: 0.0 })),
    ];

    /// Seconds that a message of `bytes` keeps the link busy.
    #[must_use]
    pub fn seconds(&self, bytes: usize) -> f64 {
        let on_wire = bytes + FRAME_BYTES + bytes.div_ceil(SEGMENT_BYTES).max(1) * SEGMENT_OVERHEAD_BYTES;
        on_wire as f64 * 8.0 / self.bits_per_second
    }
}

/// A token bucket: who wants to use the link waits until it is free.
#[derive(Debug)]
struct Bucket {
    /// Until when what was sent keeps the link busy, in seconds since the start.
    busy_until: f64,
}

impl Bucket {
    /// When `seconds` of use that are wanted at `now` are over.
    fn use_for(&mut self, now: f64, seconds: f64, burst_seconds: f64) -> f64 {
        self.busy_until = self.busy_until.max(now - burst_seconds) + seconds;
        self.busy_until.max(now)
    }
}

/// A member behind a [`Link`]. All members of the group must be wrapped, and share a clock (threads or processes of one computer):
/// each message carries the time at which it has crossed the sender's half of the way.
pub struct Emulated<C> {
    inner: C,
    link: Link,
    up: Mutex<Bucket>,
    down: Mutex<Bucket>,
    random: Mutex<u64>,
}

impl<C: Collective> Emulated<C> {
    /// Puts a member behind a link.
    pub fn new(inner: C, link: Link) -> Self {
        let seed = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(inner.rank() as u64 + 1);
        let bucket = || Mutex::new(Bucket { busy_until: 0.0 });
        Self { inner, link, up: bucket(), down: bucket(), random: Mutex::new(seed) }
    }

    fn burst_seconds(&self) -> f64 {
        BURST_BYTES * 8.0 / self.link.bits_per_second
    }

    /// One-way delay in seconds.
    fn delay(&self) -> f64 {
        // SplitMix64 (Steele et al., 2014): enough for a delay.
        let mut state = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let uniform = ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
        ((self.link.rtt_ms / 2.0 + (uniform - 0.5) * self.link.jitter_ms) / 1e3).max(0.0)
    }
}

/// Seconds of the wall clock.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl<C: Collective> Collective for Emulated<C> {
    fn rank(&self) -> usize {
        self.inner.rank()
    }

    fn world(&self) -> usize {
        self.inner.world()
    }

    fn post(&self, to: usize, channel: Channel, mut message: Vec<u8>, until: Instant) -> Result<()> {
        let seconds = self.link.seconds(message.len());
        let sent = self.up.lock().unwrap_or_else(PoisonError::into_inner).use_for(now(), seconds, self.burst_seconds());
        message.extend((sent + self.delay()).to_le_bytes());
        self.inner.post(to, channel, message, until)
    }

    fn take(&self, from: usize, channel: Channel, bound: Bound) -> Result<Vec<u8>> {
        let inner_bound = Bound { bytes: bound.bytes.saturating_add(8), ..bound };
        let mut message = self.inner.take(from, channel, inner_bound)?;
        let arrived = message.last_chunk::<8>().map(|bytes| f64::from_le_bytes(*bytes)).filter(|at| at.is_finite());
        let Some(arrived) = arrived else {
            let reason = "a message without the time that emulated links add".to_owned();
            return Err(CollectiveError::Unexpected { peer: from, reason });
        };
        message.truncate(message.len() - 8);
        // The receiver's own connection is shared by all who send to it.
        let seconds = self.link.seconds(message.len());
        let ready = {
            let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
            // What has just crossed the sender's half was crossing the receiver's at the same time.
            arrived.max(down.use_for(arrived - seconds, seconds, self.burst_seconds()))
        };
        let wait = Duration::try_from_secs_f64(ready - now()).unwrap_or(Duration::ZERO);
        if Instant::now() + wait > bound.until {
            std::thread::sleep(bound.until.saturating_duration_since(Instant::now()));
            return Err(CollectiveError::Deadline { peer: from, waited: wait, what: "a message on a slow link" });
        }
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        Ok(message)
    }

    fn abort(&self, reason: &str) {
        self.inner.abort(reason);
    }

    fn counters(&self) -> &TrafficCounters {
        self.inner.counters()
    }
}
