//! Answers.

use serde::{Deserialize, Serialize};

use super::body::{Body, unbounded};
use super::chain::{ChainAcceptance, CoSigned};
use super::error::WireError;
use super::field::{Fields, Opaque, fixed, list};
use super::frame::messages;
use super::job::{JobId, JobStage, MAX_MESSAGE_BYTES, MAX_RECEIPT_BYTES, MAX_VERDICT_BYTES, Preview};
use super::offer::Hello;
use crate::proof::Digest;

messages! {
    /// An answer to a [`Request`](super::Request).
    Response, "response" {
        /// Who I am.
        Hello(Hello) = 1, at most 512;
        /// Heard.
        Ack(Ack) = 2, at most 64;
        /// The deposit is in escrow.
        Posted(Posted) = 3, at most 10 << 10;
        /// No, for a reason that is in the question; asking again will not help.
        Refused(Refusal) = 4, at most 1024;
        /// How a job is going.
        JobState(JobState) = 5, at most 80 << 10;
        /// The miner will run it.
        Accepted(Accepted) = 6, at most 256;
        /// The miner will not; it costs the miner nothing.
        Declined(Refusal) = 7, at most 1024;
        /// What draws the audited steps.
        Nonce(Nonce) = 8, at most 128;
        /// The entry is in the ledger.
        LedgerAnswer(LedgerAnswer) = 9, at most 10 << 10;
        /// An account.
        Account(Account) = 10, at most 18 << 10;
        /// Receipts.
        Receipts(ReceiptList) = 11, at most 512 << 10;
        /// A model's files.
        ModelManifest(ModelManifest) = 12, at most 128 << 10;
        /// Not now, for a reason that is in the peer; asking again later may help.
        Error(Refusal) = 13, at most 1024;
        /// How a job looks by now.
        JobPreview(JobPreview) = 14, at most 52 << 10;
        /// Signed too.
        CoSigned(CoSigned) = 15, at most 128;
    }
}

impl Response {
    /// The largest response there is, header and body, in bytes.
    pub const MAX_BYTES: usize = super::HEADER_BYTES + (512 << 10);

    /// [`Response::Refused`].
    pub fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::Refused(Refusal::new(code, message))
    }

    /// [`Response::Declined`].
    pub fn declined(code: &str, message: impl Into<String>) -> Self {
        Self::Declined(Refusal::new(code, message))
    }

    /// [`Response::Error`].
    pub fn error(code: &str, message: impl Into<String>) -> Self {
        Self::Error(Refusal::new(code, message))
    }
}

/// Heard, at this time by the answerer's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Milliseconds since 1970 UTC.
    pub now_unix_ms: u64,
}

/// The miner takes a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Milliseconds since 1970 UTC by the miner's clock.
    pub now_unix_ms: u64,
    /// The miner's word for the contract, on networks that settle on a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<ChainAcceptance>,
}

/// A job is in escrow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// Which job.
    #[serde(with = "fixed")]
    pub job_id: JobId,
    /// The ledger's receipt.
    pub receipt: Opaque,
}

impl Body for Posted {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        Fields(message).at_most("receipt", self.receipt.len(), MAX_RECEIPT_BYTES)
    }
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Stable code.
    pub code: String,
    /// A sentence with the next step.
    pub message: String,
}

impl Refusal {
    /// A refusal. Text that is too long is cut and control characters become spaces, so that a refusal can always be sent.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        let mut text: String = message.into().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        text.truncate(text.floor_char_boundary(MAX_MESSAGE_BYTES));
        Self { code: code.to_owned(), message: text }
    }
}

impl Body for Refusal {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        let fields = Fields(message);
        fields.code("code", &self.code)?;
        fields.text("message", &self.message, MAX_MESSAGE_BYTES)
    }
}

/// How a job looks by now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPreview {
    /// Steps done when it was made.
    pub step: u32,
    /// The picture; none where there is none that is newer than what the asker has.
    pub preview: Option<Preview>,
}

impl Body for JobPreview {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        self.preview.as_ref().map_or(Ok(()), |preview| preview.check(&Fields(message)))
    }
}

/// How a job is going.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobState {
    /// Where it is.
    pub stage: JobStage,
    /// Which miner in turn; 0 before the first.
    pub attempt: u32,
    /// Done, in millionths.
    pub progress_ppm: u32,
    /// When the present stage ends one way or the other, milliseconds since 1970 UTC.
    pub deadline_unix_ms: u64,
    /// `Signed<Verdict>::to_bytes`, once there is one.
    pub verdict: Option<Opaque>,
    /// The ledger's receipt, once it is over.
    pub receipt: Option<Opaque>,
    /// A sentence for people.
    pub message: String,
}

impl Body for JobState {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        let fields = Fields(message);
        fields.within("progress_ppm", u64::from(self.progress_ppm), 0, 1_000_000)?;
        fields.at_most("verdict", self.verdict.as_ref().map_or(0, |bytes| bytes.len()), MAX_VERDICT_BYTES)?;
        fields.at_most("receipt", self.receipt.as_ref().map_or(0, |bytes| bytes.len()), MAX_RECEIPT_BYTES)?;
        fields.text("message", &self.message, MAX_MESSAGE_BYTES)
    }
}

/// The nonce, and since when the reveal window runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nonce {
    /// Opens the nonce commitment of the challenge.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 32],
    /// When it was given out, milliseconds since 1970 UTC.
    pub published_unix_ms: u64,
}

/// An entry was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerAnswer {
    /// The ledger's receipt.
    pub receipt: Opaque,
}

impl Body for LedgerAnswer {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        Fields(message).at_most("receipt", self.receipt.len(), MAX_RECEIPT_BYTES)
    }
}

/// What an account has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The ledger's encoding of it.
    pub state: Opaque,
}

impl Body for Account {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        Fields(message).at_most("state", self.state.len(), 16 << 10)
    }
}

/// Receipts in the order of the ledger, as many as fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptList {
    /// The ledger's receipts.
    #[serde(deserialize_with = "list::<_, _, { ReceiptList::MAX_RECEIPTS }>")]
    pub receipts: Vec<Opaque>,
    /// Whether there are more: ask again after the last of these.
    pub more: bool,
}

impl ReceiptList {
    /// Most receipts in one answer.
    pub const MAX_RECEIPTS: usize = 256;
    /// Receipts' bytes that fit one answer, with their length fields.
    pub const MAX_TOTAL_BYTES: usize = 500 << 10;
}

impl Body for ReceiptList {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        let fields = Fields(message);
        fields.at_most("receipts", self.receipts.len(), Self::MAX_RECEIPTS)?;
        self.receipts.iter().try_for_each(|receipt| fields.at_most("receipt", receipt.len(), MAX_RECEIPT_BYTES))
    }
}

/// One file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Relative path with `/`.
    pub path: String,
    /// Length.
    pub bytes: u64,
    /// Of the content.
    #[serde(with = "fixed")]
    pub sha256: Digest,
}

/// A model's files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelManifest {
    /// Files, at most [`MAX_FILES`](Self::MAX_FILES).
    #[serde(deserialize_with = "list::<_, _, { ModelManifest::MAX_FILES }>")]
    pub files: Vec<ManifestFile>,
}

impl ModelManifest {
    /// Most files of a model.
    pub const MAX_FILES: usize = 256;
}

impl Body for ModelManifest {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        let fields = Fields(message);
        fields.at_most("files", self.files.len(), Self::MAX_FILES)?;
        self.files.iter().try_for_each(|file| super::blob::check_path(fields, &file.path))
    }
}

unbounded!(Accepted, Ack, Nonce);
