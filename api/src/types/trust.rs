//! Trust: this node's own, and on a validator every miner's.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{JobId, NodeId};

/// Trust as this node knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Trust {
    /// This node as a miner; nothing where no validator knows it.
    pub own: Option<MinerTrust>,
    /// How it got there, oldest first, the last thousand jobs.
    pub history: Vec<TrustPoint>,
    /// On a validator: every miner it knows, most trusted first.
    pub miners: Vec<MinerTrust>,
    /// How trust moves.
    pub rule: TrustRule,
}

/// A miner's standing. Shares are 0 to 1,000,000.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MinerTrust {
    /// Who.
    pub id: NodeId,
    /// Trust.
    pub trust_ppm: u32,
    /// Moving average of quality.
    pub quality_ppm: Option<u32>,
    /// Jobs accepted.
    pub jobs_accepted: u32,
    /// Jobs rejected.
    pub jobs_rejected: u32,
    /// Attempts that ended without blame: timeouts, failures.
    pub jobs_released: u32,
    /// Stake lost so far.
    pub slashed_microcredits: u64,
    /// Share of a job's steps that the next audit checks.
    pub audit_rate_ppm: u32,
}

/// Trust after a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrustPoint {
    /// When, milliseconds since 1970 UTC.
    pub time_unix_ms: u64,
    /// Trust after it, 0 to 1,000,000.
    pub trust_ppm: u32,
    /// The job.
    pub job: JobId,
    /// Whether it was accepted.
    pub accepted: bool,
}

/// How trust moves: accepted, `w + drift (1 - w)`; rejected, `w (1 - decay)`. Shares are 0 to 1,000,000.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrustRule {
    /// Share of the way to full trust that an accepted job brings.
    pub drift_ppm: u32,
    /// Share of trust that a rejected job takes.
    pub decay_ppm: u32,
    /// Weight of the newest job in the average quality.
    pub quality_moving_average_ppm: u32,
}
