//! What the node is doing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::job::Job;
use crate::{Digest, JobId, NodeId, Problem};

/// The node at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The node's public key: peer, miner and account in one.
    pub node_id: NodeId,
    /// The name that its owner gave it.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// Which network it belongs to.
    pub network: NetworkInfo,
    /// What it does for the network.
    pub roles: BTreeSet<Role>,
    /// When it started, milliseconds since 1970 UTC.
    pub started_unix_ms: u64,
    /// The node's clock, milliseconds since 1970 UTC.
    pub now_unix_ms: u64,
    /// How long it has been running.
    pub uptime_secs: u64,
    /// Mining, and what keeps it from it.
    pub mining: MiningStatus,
    /// The process that computes.
    pub worker: WorkerStatus,
    /// Whether others can connect to it.
    pub reachability: Reachability,
    /// Peers connected now.
    pub peers_connected: u32,
    /// The job that is being computed here, or else the newest own job that is not finished.
    pub current_job: Option<Job>,
    /// Earned since midnight UTC.
    pub earned_today_microcredits: u64,
    /// The account's balance.
    pub balance_microcredits: u64,
    /// Trust in this miner, 0 to 1,000,000; nothing where no validator knows it.
    pub trust_ppm: Option<u32>,
    /// Whether the identity's phrase has been written down (the owner said so).
    pub identity_backed_up: bool,
}

/// The network a node belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkInfo {
    /// Its id.
    pub id: Digest,
    /// Its name.
    pub name: String,
    /// The validator whose ledger this node uses.
    pub validator: Option<NodeId>,
    /// Whether that validator is connected now (true on the validator itself).
    pub validator_connected: bool,
    /// The contract that settles, where it is not the validator's ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainInfo>,
}

/// The contract that settles a network's jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChainInfo {
    /// Chain id.
    pub chain_id: u64,
    /// The contract.
    pub contract: String,
    /// This node's account.
    pub account: String,
    /// The chain's newest block, once it was reached.
    pub head: Option<u64>,
}

/// What a node does for the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Computes clips.
    Miner,
    /// Keeps the ledger, picks miners, audits.
    Validator,
    /// Orders clips.
    Requester,
}

/// Mining, and what keeps the node from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MiningStatus {
    /// The one word for it.
    pub state: MiningState,
    /// Everything that keeps it from the next job; a job under way is finished first.
    pub pause_reasons: BTreeSet<PauseReason>,
    /// When a pause for a time, or the schedule's, ends by itself, milliseconds since 1970 UTC.
    pub pause_ends_unix_ms: Option<u64>,
    /// Since when it has been in this state, milliseconds since 1970 UTC.
    pub since_unix_ms: u64,
    /// What the owner must do, in state `attention`.
    pub attention: Option<Problem>,
}

/// The one word for what mining is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MiningState {
    /// The node is no miner.
    Off,
    /// Getting ready: worker, model, validator.
    Starting,
    /// Ready, without a job.
    Waiting,
    /// Computing.
    Working,
    /// Paused for the reasons listed.
    Paused,
    /// Stopped until the owner does something.
    Attention,
}

/// Why mining is paused. Several may hold at once; it goes on when none is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// The owner pressed Pause; survives a restart.
    Manual,
    /// Outside the hours of the schedule.
    Schedule,
    /// The computer runs on its battery.
    OnBattery,
    /// Someone is using the computer.
    UserActive,
    /// A program of the owner's list is running.
    AppRunning,
    /// A program fills the screen.
    FullScreen,
    /// Another program uses the GPU.
    GpuBusy,
    /// Too hot.
    TooHot,
    /// Not enough free VRAM.
    VramShort,
    /// Not enough free memory.
    MemoryShort,
    /// The disk is nearly full.
    DiskFull,
    /// The network connection is paid by volume.
    MeteredLink,
}

impl PauseReason {
    /// As it stands in JSON, such as `on_battery`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Schedule => "schedule",
            Self::OnBattery => "on_battery",
            Self::UserActive => "user_active",
            Self::AppRunning => "app_running",
            Self::FullScreen => "full_screen",
            Self::GpuBusy => "gpu_busy",
            Self::TooHot => "too_hot",
            Self::VramShort => "vram_short",
            Self::MemoryShort => "memory_short",
            Self::DiskFull => "disk_full",
            Self::MeteredLink => "metered_link",
        }
    }
}

/// The process that computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerStatus {
    /// What it is doing.
    pub state: WorkerState,
    /// What it computes on, such as `CPU` or `NVIDIA GeForce RTX 4090`.
    pub device: Option<String>,
    /// The job in it.
    pub job: Option<JobId>,
    /// How often it was started again since the node started.
    pub restarts: u32,
    /// When it will be started again, milliseconds since 1970 UTC, in state `backing_off`.
    pub next_start_unix_ms: Option<u64>,
    /// Memory it holds.
    pub memory_bytes: Option<u64>,
    /// Why it last ended, if not because it was asked to.
    pub last_failure: Option<Problem>,
}

/// What the worker process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Not running, and not needed.
    Stopped,
    /// Started, not ready.
    Starting,
    /// Ready.
    Idle,
    /// Computing.
    Busy,
    /// It failed and will be started again.
    BackingOff,
    /// It failed so often that it is not started again by itself.
    Failed,
}

/// Whether others can connect to this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reachability {
    /// The one word for it.
    pub state: ReachabilityState,
    /// How that is known, one sentence.
    pub reason: String,
    /// What would make it better, one sentence; empty where nothing would.
    pub next_step: String,
    /// Addresses at which it can be reached (multiaddresses).
    pub addresses: Vec<String>,
}

/// Whether others can connect to this node, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReachabilityState {
    /// Not tested yet.
    Unknown,
    /// Others connect to it directly.
    Direct,
    /// Others connect to it through a relay.
    Relayed,
    /// Others can't connect to it; it can still connect to them.
    Unreachable,
}

/// Asks mining to pause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// Pause for this long only; until `start` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 604_800)]
    pub for_secs: Option<u32>,
}

/// Longest pause that ends by itself: a week.
pub const MAX_PAUSE_SECS: u32 = 7 * 24 * 3600;
