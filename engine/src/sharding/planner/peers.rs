//! What is known of the peers that could form a group.

use serde::{Deserialize, Serialize};

use super::cost::ClipCost;
use crate::sharding::error::PlanError;

/// Most peers that are looked at.
const MAX_PEERS: usize = 16;

/// One peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// What to call it.
    pub name: String,
    /// Memory that a job may take, in bytes.
    pub free_memory_bytes: u64,
    /// Seconds that one evaluation of one branch of this clip takes it alone.
    pub evaluation_seconds: f64,
    /// Of that, seconds of every unit, where they were measured; otherwise in proportion to the operations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unit_seconds: Vec<f64>,
    /// Bytes a second at which weights can be streamed from memory or disk.
    pub stream_bytes_per_second: f64,
}

/// The connection between two peers, both ways alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairLink {
    /// First peer, by its place in the list.
    pub a: usize,
    /// Second peer.
    pub b: usize,
    /// Bits a second, each way.
    pub bits_per_second: f64,
    /// Round trip, in milliseconds.
    pub rtt_ms: f64,
}

/// Peers and their connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// The leader first.
    pub peers: Vec<Peer>,
    /// Bits a second between two peers that `links` does not name.
    pub bits_per_second: f64,
    /// Their round trip, in milliseconds.
    pub rtt_ms: f64,
    /// Connections that were measured apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<PairLink>,
}

impl Peers {
    /// Checks the numbers.
    ///
    /// # Errors
    /// A number makes no sense; the error names it.
    pub fn check(&self, clip: &ClipCost) -> Result<(), PlanError> {
        let fail = |reason: String| Err(PlanError::Peers { reason });
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if !(1..=MAX_PEERS).contains(&self.peers.len()) {
            return fail(format!("there are {} of them, expected 1 to {MAX_PEERS}", self.peers.len()));
        }
        for peer in &self.peers {
            if !positive(peer.evaluation_seconds) || !positive(peer.stream_bytes_per_second) {
                return fail(format!(
                    "`evaluation_seconds` and `stream_bytes_per_second` of {} must be positive",
                    peer.name
                ));
            }
            let units = peer.unit_seconds.len();
            if units > 0 && (units != clip.units.len() || peer.unit_seconds.iter().any(|&x| !x.is_finite() || x < 0.0))
            {
                return fail(format!(
                    "`unit_seconds` of {} has {units} numbers, expected {} that are not negative",
                    peer.name,
                    clip.units.len()
                ));
            }
        }
        let links = self.links.iter().map(|link| (link.bits_per_second, link.rtt_ms));
        for (bits_per_second, rtt_ms) in std::iter::once((self.bits_per_second, self.rtt_ms)).chain(links) {
            if !positive(bits_per_second) || !rtt_ms.is_finite() || rtt_ms < 0.0 {
                return fail(format!("a link of {bits_per_second} bit/s and {rtt_ms} ms is none"));
            }
        }
        match self.links.iter().find(|link| link.a == link.b || link.a.max(link.b) >= self.peers.len()) {
            Some(link) => fail(format!("a link joins peers {} and {}, which are not two of them", link.a, link.b)),
            None => Ok(()),
        }
    }

    /// Bytes a second and seconds of a round trip between two peers.
    pub(crate) fn link(&self, a: usize, b: usize) -> (f64, f64) {
        let named = self.links.iter().find(|link| (link.a, link.b) == (a, b) || (link.a, link.b) == (b, a));
        let (bits, rtt_ms) =
            named.map_or((self.bits_per_second, self.rtt_ms), |link| (link.bits_per_second, link.rtt_ms));
        (bits / 8.0, rtt_ms / 1e3)
    }

    /// Seconds of each unit on a peer, for one branch and all frames.
    pub(crate) fn unit_seconds(&self, peer: usize, clip: &ClipCost) -> Vec<f64> {
        let peer = &self.peers[peer];
        if !peer.unit_seconds.is_empty() {
            return peer.unit_seconds.clone();
        }
        let total: f64 = clip.units.iter().map(|unit| unit.operations).sum();
        clip.units.iter().map(|unit| peer.evaluation_seconds * unit.operations / total.max(1.0)).collect()
    }
}
