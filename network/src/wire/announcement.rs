//! News for everyone on the network. Gossip signs and spreads them; nothing here is private.

use serde::{Deserialize, Serialize};

use super::body::{Body, unbounded};
use super::error::WireError;
use super::field::fixed;
use super::frame::messages;
use super::job::JobStage;
use crate::proof::Digest;

messages! {
    /// News.
    Announcement, "announcement" {
        /// A validator is here, and this is its ledger.
        ValidatorHello(ValidatorHello) = 1, at most 256;
        /// There is a job, without its prompt.
        JobNotice(JobNotice) = 2, at most 512;
    }
}

impl Announcement {
    /// The largest announcement there is, header and body, in bytes.
    pub const MAX_BYTES: usize = super::HEADER_BYTES + 512;
}

/// A validator and the head of its ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorHello {
    /// Which network.
    #[serde(with = "fixed")]
    pub network: Digest,
    /// Hash of the ledger's last entry.
    #[serde(with = "fixed")]
    pub ledger_head: Digest,
    /// Number of that entry.
    pub sequence: u64,
    /// Digest of the network's parameters.
    #[serde(with = "fixed")]
    pub parameters: Digest,
}

/// A job in public: sizes and money, not what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobNotice {
    /// The job's digest.
    #[serde(with = "fixed")]
    pub job: Digest,
    /// The model's digest.
    #[serde(with = "fixed")]
    pub model: Digest,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames.
    pub frames: u32,
    /// Denoising steps.
    pub steps: u32,
    /// What an honest run earns.
    pub fee_microcredits: u64,
    /// Where it is.
    pub stage: JobStage,
}

unbounded!(ValidatorHello, JobNotice);
