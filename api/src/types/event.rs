//! Events: what changes, as it changes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::device::DeviceList;
use super::job::{Job, JobProgress};
use super::model::Model;
use super::money::{Earnings, Receipt, StakeInfo};
use super::status::{MiningStatus, Reachability, WorkerStatus};
use super::trust::MinerTrust;
use super::verdict::VerdictSummary;
use crate::{JobId, NodeId, Problem};

/// Something that changed, or was said.
///
/// A stream of events is resumed with the header `Last-Event-ID`. Where what was missed is no longer kept, or the node
/// started anew, the first event is [`EventKind::Lagged`]: load everything again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Number since the node started, from 1 without gaps.
    pub sequence: u64,
    /// When, milliseconds since 1970 UTC.
    pub time_unix_ms: u64,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// Events were missed: load everything again. Its `sequence` is that of the newest event.
    Lagged,
    /// Mining started, paused, or needs attention.
    Mining {
        /// Now.
        mining: MiningStatus,
    },
    /// The worker changed its state.
    Worker {
        /// Now.
        worker: WorkerStatus,
    },
    /// A job is new or changed; not sent for progress alone.
    Job {
        /// Now.
        job: Box<Job>,
    },
    /// A job's computation went on.
    JobProgress {
        /// The job.
        id: JobId,
        /// Now.
        progress: JobProgress,
    },
    /// A new preview can be fetched.
    Preview {
        /// The job.
        id: JobId,
        /// Its step.
        step: u32,
    },
    /// An audit came to its end.
    Verdict {
        /// The job.
        id: JobId,
        /// Its outcome.
        verdict: Box<VerdictSummary>,
    },
    /// This node's stake was slashed.
    Slashed {
        /// The job.
        id: JobId,
        /// How much.
        amount_microcredits: u64,
        /// The check that failed.
        failed_check: String,
        /// The ledger's receipt.
        receipt: Box<Receipt>,
    },
    /// A reward was settled.
    Reward {
        /// The job.
        id: JobId,
        /// How much.
        amount_microcredits: u64,
        /// The ledger's receipt.
        receipt: Box<Receipt>,
    },
    /// Balance or earnings changed. The lists by time and model are left out; ask for them.
    Earnings {
        /// Now.
        earnings: Box<Earnings>,
    },
    /// The stake changed.
    Stake {
        /// Now.
        stake: Box<StakeInfo>,
    },
    /// Trust in a miner changed: in this node, or on a validator in any.
    Trust {
        /// Now.
        miner: MinerTrust,
    },
    /// New readings of the devices.
    Devices {
        /// Now.
        devices: Box<DeviceList>,
    },
    /// A peer connected.
    PeerConnected {
        /// Who.
        id: NodeId,
        /// Peers connected now.
        peers_connected: u32,
    },
    /// A peer is gone.
    PeerDisconnected {
        /// Who.
        id: NodeId,
        /// Peers connected now.
        peers_connected: u32,
    },
    /// Whether others can connect to this node changed.
    Reachability {
        /// Now.
        reachability: Reachability,
    },
    /// A model's state changed.
    Model {
        /// Now.
        model: Box<Model>,
    },
    /// Settings were changed; ask for them.
    Settings {
        /// Their revision now.
        revision: u64,
    },
    /// Something that the owner should know.
    Notice {
        /// How much it matters.
        level: NoticeLevel,
        /// What it is.
        problem: Problem,
    },
    /// The node is ending; the stream ends too.
    ShuttingDown,
    /// An event of a newer node that this program does not know.
    #[serde(other)]
    Unknown,
}

impl EventKind {
    /// Its `type`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lagged => "lagged",
            Self::Mining { .. } => "mining",
            Self::Worker { .. } => "worker",
            Self::Job { .. } => "job",
            Self::JobProgress { .. } => "job_progress",
            Self::Preview { .. } => "preview",
            Self::Verdict { .. } => "verdict",
            Self::Slashed { .. } => "slashed",
            Self::Reward { .. } => "reward",
            Self::Earnings { .. } => "earnings",
            Self::Stake { .. } => "stake",
            Self::Trust { .. } => "trust",
            Self::Devices { .. } => "devices",
            Self::PeerConnected { .. } => "peer_connected",
            Self::PeerDisconnected { .. } => "peer_disconnected",
            Self::Reachability { .. } => "reachability",
            Self::Model { .. } => "model",
            Self::Settings { .. } => "settings",
            Self::Notice { .. } => "notice",
            Self::ShuttingDown => "shutting_down",
            Self::Unknown => "unknown",
        }
    }
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeLevel {
    /// Good to know.
    Info,
    /// Something works less well.
    Warning,
    /// Something does not work.
    Error,
}

/// Position in the events of one run of a node: what server-sent events carry as `id`, written `RUN-SEQUENCE` in hexadecimal
/// and decimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventId {
    /// Random number of the node's run: sequence numbers begin anew with each.
    pub run: u64,
    /// Number of the event in it.
    pub sequence: u64,
}

/// A text that is not an event's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event's id: expected RUN-SEQUENCE as the stream gave it")]
pub struct EventIdError;

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.run, self.sequence)
    }
}

impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, EventIdError> {
        let (run, sequence) = text.split_once('-').ok_or(EventIdError)?;
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if run.len() != 16 || !plain(run) || !plain(sequence) {
            return Err(EventIdError);
        }
        let run = u64::from_str_radix(run, 16).map_err(|_| EventIdError)?;
        Ok(Self { run, sequence: sequence.parse().map_err(|_| EventIdError)? })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn event_ids_round_trip(run: u64, sequence: u64) {
            let id = EventId { run, sequence };
            prop_assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
        }

        #[test]
        fn other_texts_are_refused_without_panic(text in ".{0,40}") {
            if let Ok(id) = text.parse::<EventId>() {
                prop_assert_eq!(id.to_string().to_lowercase().len(), 17 + id.sequence.to_string().len());
            }
        }
    }

    #[test]
    fn events_are_flat() {
        let event = Event { sequence: 7, time_unix_ms: 8, kind: EventKind::Settings { revision: 9 } };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json, serde_json::json!({"sequence": 7, "time_unix_ms": 8, "type": "settings", "revision": 9}));
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
    }

    #[test]
    fn events_of_newer_nodes_are_read() {
        let event: Event =
            serde_json::from_str(r#"{"sequence":1,"time_unix_ms":2,"type":"moon","phase":0.5}"#).unwrap();
        assert_eq!(event.kind, EventKind::Unknown);
    }
}
