//! Jobs, attempts, and each miner's part in them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::bytes::{AccountId, Digest};
use crate::entry::ProofKind;

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Job {
    /// Digest of the whole job.
    pub digest: Digest,
    /// Who pays.
    pub requester: AccountId,
    /// What was put into escrow, in micro-credits.
    pub deposit_microcredits: u64,
    /// What is in escrow.
    pub escrow_microcredits: u64,
    /// What the requester got from slashed stake; at most the deposit.
    pub compensated_microcredits: u64,
    /// Denoising steps.
    pub steps: u32,
    /// Until when it may be assigned.
    pub deadline_ms: u64,
    /// When it was opened.
    pub opened_ms: u64,
    /// How it ended; none while it is open.
    pub(crate) end: Option<End>,
    /// The latest attempt.
    pub attempt: Option<Attempt>,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    Settled,
    Refunded,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Counted from 1.
    pub number: u32,
    /// What the miners get together at most, in micro-credits.
    pub fee_microcredits: u64,
    /// When it began.
    pub assigned_ms: u64,
    /// The miners.
    pub miners: BTreeMap<AccountId, MinerPart>,
}

/// A miner's part in an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MinerPart {
    /// How far it is.
    pub stage: MinerStage,
    /// Digest of its signed commitment.
    pub commitment: Option<Digest>,
    /// Digest of the latest verdict.
    pub verdict: Option<Digest>,
}

/// How far a miner's part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum MinerStage {
    /// Its stake is locked.
    Assigned,
    /// Its commitment is in.
    Committed,
    /// Accepted, and not yet paid.
    Accepted {
        /// Quality of its clip, in parts per million.
        quality_ppm: u32,
    },
    /// Rejected, and neither slashed nor released.
    Rejected {
        /// What the rejection rests on.
        proof: ProofKind,
    },
    /// Paid. Its stake stays locked for the challenge window.
    Paid,
    /// Over, without pay and without a slash.
    Released,
    /// Over, with a slash.
    Slashed,
}

impl MinerStage {
    /// Whether nothing more is expected of this part in its attempt.
    pub fn over(self) -> bool {
        matches!(self, Self::Paid | Self::Released | Self::Slashed)
    }
}

impl fmt::Display for MinerStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Assigned => "assigned",
            Self::Committed => "committed",
            Self::Accepted { .. } => "accepted",
            Self::Rejected { proof: ProofKind::Attested } => "rejected without proof",
            Self::Rejected { .. } => "rejected",
            Self::Paid => "paid",
            Self::Released => "released",
            Self::Slashed => "slashed",
        })
    }
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Waits for miners: nobody has it, and nobody was slashed in the attempt before.
    Posted,
    /// Miners work on it.
    Assigned,
    /// A commitment is in.
    Committed,
    /// Every miner that is still there was judged.
    Audited,
    /// The attempt is over and somebody was slashed; it waits for other miners or a refund.
    Slashed,
    /// Paid.
    Settled,
    /// The deposit went back.
    Refunded,
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Posted => "posted",
            Self::Assigned => "assigned",
            Self::Committed => "committed",
            Self::Audited => "audited",
            Self::Slashed => "slashed",
            Self::Settled => "settled",
            Self::Refunded => "refunded",
        })
    }
}

impl JobStatus {
    /// Whether the job is over.
    pub fn ended(self) -> bool {
        matches!(self, Self::Settled | Self::Refunded)
    }

    /// Whether nobody works on it, so that it can be assigned or refunded.
    pub fn waits(self) -> bool {
        matches!(self, Self::Posted | Self::Slashed)
    }
}

impl Job {
    /// Where the job is.
    pub fn status(&self) -> JobStatus {
        match self.end {
            Some(End::Settled) => return JobStatus::Settled,
            Some(End::Refunded) => return JobStatus::Refunded,
            None => {}
        }
        let Some(attempt) = &self.attempt else { return JobStatus::Posted };
        let stages = || attempt.miners.values().map(|part| part.stage);
        let judged = |stage| matches!(stage, MinerStage::Accepted { .. } | MinerStage::Rejected { .. });
        if stages().all(MinerStage::over) {
            let slashed = stages().any(|stage| stage == MinerStage::Slashed);
            return if slashed { JobStatus::Slashed } else { JobStatus::Posted };
        }
        if stages().all(|stage| stage.over() || judged(stage)) {
            JobStatus::Audited
        } else if stages().any(|stage| stage == MinerStage::Committed || judged(stage)) {
            JobStatus::Committed
        } else {
            JobStatus::Assigned
        }
    }

    /// The number that the next attempt will have.
    pub fn next_attempt(&self) -> u32 {
        self.attempt.as_ref().map_or(1, |attempt| attempt.number.saturating_add(1))
    }
}
