//! What a validator keeps of a job, on disk after every change.

use infernet_network::proof::{Digest, PublicKey};
use serde::{Deserialize, Serialize};

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// `JobSpec`, encoded.
    #[serde(with = "serde_bytes")]
    pub spec: Vec<u8>,
    /// `PromptOpening`, encoded.
    #[serde(with = "serde_bytes")]
    pub opening: Vec<u8>,
    /// Who pays.
    pub requester: PublicKey,
    /// Micro-credits in escrow.
    pub deposit_microcredits: u64,
    /// When it came.
    pub posted_ms: u64,
    /// When it must be over.
    pub deadline_ms: u64,
    /// Attempts begun so far.
    pub attempt: u32,
    /// Miners that are not asked again for this job, and until when; those who failed it: for good.
    pub passed_over: Vec<PassedOver>,
    /// Where it is.
    pub stage: Stage,
    /// How earlier attempts ended, newest last.
    pub history: Vec<Ended>,
}

/// A miner that is not asked (again).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// Who.
    pub miner: PublicKey,
    /// Milliseconds since 1970 UTC; none: for good.
    pub until_ms: Option<u64>,
}

/// An attempt that did not lead to a clip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Who.
    pub miner: PublicKey,
    /// Which attempt.
    pub attempt: u32,
    /// Why: stable code.
    pub code: String,
    /// Why: a sentence.
    pub message: String,
}

/// Where a job is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// In escrow; a miner is looked for, not before this time.
    Posted {
        /// Milliseconds since 1970 UTC.
        not_before_ms: u64,
    },
    /// A miner was asked.
    Offered(Attempt),
    /// A miner runs it.
    Running(Attempt),
    /// It has committed and got the nonce.
    Committed(Attempt, Commitment),
    /// Reveal and clip are here and are judged.
    Auditing(Attempt, Commitment),
    /// Accepted and paid.
    Settled(Attempt, Commitment),
    /// The deposit went back.
    Refunded {
        /// Stable code.
        code: String,
        /// A sentence.
        message: String,
    },
}

/// One miner's try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Who.
    pub miner: PublicKey,
    /// Which attempt, from 1.
    pub number: u32,
    /// `Signed<Challenge>`, encoded.
    #[serde(with = "serde_bytes")]
    pub challenge: Vec<u8>,
    /// Draws what is audited; secret until the commitment is in.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 32],
    /// Digest of the tolerance table that the challenge names.
    pub tolerance: Digest,
    /// What an honest run earns.
    pub fee_microcredits: u64,
    /// What is locked for it.
    pub stake_microcredits: u64,
    /// When the present stage must be over.
    pub deadline_ms: u64,
    /// Steps done, for those who watch.
    #[serde(default)]
    pub steps_done: u32,
}

/// What a miner stands by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    /// `Signed<Commitment>`, encoded.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
    /// When it came.
    pub committed_ms: u64,
    /// When the nonce was given out.
    pub published_ms: u64,
    /// When reveal and clip were both here.
    pub revealed_ms: Option<u64>,
    /// Whether the reveal is here.
    pub has_reveal: bool,
    /// Whether the clip is here.
    pub has_clip: bool,
}

impl Stage {
    /// Whether nothing comes after it.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Settled(..) | Self::Refunded { .. })
    }

    /// The attempt under way or finished.
    pub fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::Offered(attempt) | Self::Running(attempt) => Some(attempt),
            Self::Committed(attempt, _) | Self::Auditing(attempt, _) | Self::Settled(attempt, _) => Some(attempt),
            Self::Posted { .. } | Self::Refunded { .. } => None,
        }
    }

    /// The commitment, once there is one.
    pub fn commitment(&self) -> Option<&Commitment> {
        match self {
            Self::Committed(_, commitment) | Self::Auditing(_, commitment) | Self::Settled(_, commitment) => {
                Some(commitment)
            }
            _ => None,
        }
    }
}
