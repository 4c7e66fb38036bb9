//! What is asked about jobs and money.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::body::{Body, unbounded};
use super::chain::EvmAddress;
use super::error::WireError;
use super::field::{Fields, Fixed, Opaque, fixed, fixed_bytes};
use crate::proof::{Digest, JobSpec, PromptOpening, PublicKey, Signature};

/// 128 random bits that name a job: [`JobSpec::job_id`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub [u8; 16]);

fixed_bytes!(JobId: 16);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobId({self})")
    }
}

/// `JobSpec::to_bytes` is [`JobSpec::LEN`]; a later version may be longer.
const MAX_SPEC_BYTES: usize = 4 * JobSpec::LEN;
/// Salt, two lengths, two prompts.
const MAX_OPENING_BYTES: usize = 32 + 2 * (8 + PromptOpening::MAX_PROMPT_BYTES as usize);
/// Challenges, commitments, account requests: fixed-width statements of a few hundred bytes with their signature.
const MAX_STATEMENT_BYTES: usize = 4096;
/// A receipt of the ledger.
pub(super) const MAX_RECEIPT_BYTES: usize = 8192;
/// A signed verdict, with a row for each check.
pub(super) const MAX_VERDICT_BYTES: usize = 64 << 10;
/// Sentences for people.
pub(super) const MAX_MESSAGE_BYTES: usize = 512;

/// Requester to validator: run this, here is the deposit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostJob {
    /// `JobSpec::to_bytes`.
    pub spec: Opaque,
    /// `PromptOpening::to_bytes`.
    pub opening: Opaque,
    /// What is put into escrow.
    pub deposit_microcredits: u64,
    /// The requester's signature over the ledger's escrow statement.
    #[serde(with = "fixed")]
    pub signature: Signature,
    /// Miners that compute it side by side, each for a share of the reward, 1 to [`MAX_MINERS`](Self::MAX_MINERS). What they get
    /// together is within the deposit, whatever this says.
    #[serde(default = "one_miner", skip_serializing_if = "is_one")]
    pub miners: u8,
}

fn one_miner() -> u8 {
    1
}

// By reference, as serde asks for.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one(miners: &u8) -> bool {
    *miners == 1
}

impl PostJob {
    /// Most miners of one job.
    pub const MAX_MINERS: u8 = 16;
}

impl Body for PostJob {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        let fields = Fields(message);
        fields.within("miners", self.miners.into(), 1, Self::MAX_MINERS.into())?;
        fields.at_most("spec", self.spec.len(), MAX_SPEC_BYTES)?;
        fields.at_most("opening", self.opening.len(), MAX_OPENING_BYTES)
    }
}

/// Requester to validator: how is it going?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Which job.
    #[serde(with = "fixed")]
    pub job_id: JobId,
}

/// Requester to validator, or validator to miner: stop, if it can still be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelJob {
    /// Which job.
    #[serde(with = "fixed")]
    pub job_id: JobId,
}

/// Validator to miner: will you?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferJob {
    /// `JobSpec::to_bytes`.
    pub spec: Opaque,
    /// `PromptOpening::to_bytes`.
    pub opening: Opaque,
    /// `Signed<Challenge>::to_bytes`.
    pub challenge: Opaque,
    /// What an honest run earns.
    pub fee_microcredits: u64,
    /// What must be at stake while it runs.
    pub required_stake_microcredits: u64,
    /// 1 for the first miner asked, one more for each after it.
    pub attempt: u32,
    /// Whose deposit stands behind the job, on networks that settle on a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<EvmAddress>,
}

impl Body for OfferJob {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        let fields = Fields(message);
        fields.at_most("spec", self.spec.len(), MAX_SPEC_BYTES)?;
        fields.at_most("opening", self.opening.len(), MAX_OPENING_BYTES)?;
        fields.at_most("challenge", self.challenge.len(), MAX_STATEMENT_BYTES)
    }
}

/// Miner to validator: done, and this is what I stand by. The answer is the nonce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Which job.
    #[serde(with = "fixed")]
    pub job_id: JobId,
    /// `Signed<Commitment>::to_bytes`.
    pub commitment: Opaque,
}

impl Body for Commit {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        Fields(message).at_most("commitment", self.commitment.len(), MAX_STATEMENT_BYTES)
    }
}

/// A small picture: rows from the top, RGB, 8 bits each.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// Pixels, 1 to [`MAX_SIDE`](Self::MAX_SIDE).
    pub width: u16,
    /// Pixels, 1 to [`MAX_SIDE`](Self::MAX_SIDE).
    pub height: u16,
    /// `3 x width x height` bytes.
    pub rgb: Opaque,
}

impl Preview {
    /// Longest side in pixels.
    pub const MAX_SIDE: u16 = 128;

    pub(super) fn check(&self, fields: &Fields) -> Result<(), WireError> {
        let most = u64::from(Self::MAX_SIDE);
        fields.within("preview.width", u64::from(self.width), 1, most)?;
        fields.within("preview.height", u64::from(self.height), 1, most)?;
        let bytes = 3 * u64::from(self.width) * u64::from(self.height);
        fields.within("preview.rgb length", self.rgb.len() as u64, bytes, bytes)
    }
}

impl fmt::Debug for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Preview({} x {})", self.width, self.height)
    }
}

/// Miner to validator: a step is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProgress {
    /// Which job.
    #[serde(with = "fixed")]
    pub job_id: JobId,
    /// Steps done.
    pub step: u32,
    /// Steps there are.
    pub steps: u32,
    /// How it looks by now.
    pub preview: Option<Preview>,
}

impl Body for JobProgress {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        let fields = Fields(message);
        fields.within("step", u64::from(self.step), 0, u64::from(self.steps))?;
        self.preview.as_ref().map_or(Ok(()), |preview| preview.check(&fields))
    }
}

/// Requester to validator: how does it look by now?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewQuery {
    /// Which job.
    #[serde(with = "fixed")]
    pub job_id: JobId,
    /// The step of the picture that the asker has; 0 for none.
    pub after_step: u32,
}

/// Miner to validator: it won't come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailed {
    /// Which job.
    #[serde(with = "fixed")]
    pub job_id: JobId,
    /// Stable code.
    pub code: String,
    /// A sentence.
    pub message: String,
}

impl Body for JobFailed {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        let fields = Fields(message);
        fields.code("code", &self.code)?;
        fields.text("message", &self.message, MAX_MESSAGE_BYTES)
    }
}

/// Anyone to validator: an entry for the ledger, signed by the account it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRequest {
    /// The ledger's signed account request.
    pub request: Opaque,
}

impl Body for LedgerRequest {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        Fields(message).at_most("request", self.request.len(), MAX_STATEMENT_BYTES)
    }
}

/// Anyone to validator: what does this account have?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountQuery {
    /// Account.
    #[serde(with = "fixed")]
    pub key: PublicKey,
}

/// A party to the validator: my receipts from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptsQuery {
    /// Sequence number of the last entry that the asker has; 0 for none.
    pub after: u64,
}

/// Validator to both parties: how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Which job.
    #[serde(with = "fixed")]
    pub job_id: JobId,
    /// The ledger's receipt.
    pub receipt: Opaque,
    /// `Signed<Verdict>::to_bytes`; empty where nothing was audited (a refund).
    pub verdict: Opaque,
}

impl Body for Settled {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        let fields = Fields(message);
        fields.at_most("receipt", self.receipt.len(), MAX_RECEIPT_BYTES)?;
        fields.at_most("verdict", self.verdict.len(), MAX_VERDICT_BYTES)
    }
}

/// Anyone to anyone: which files is this model?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestQuery {
    /// Model.
    #[serde(with = "fixed")]
    pub digest: Digest,
}

unbounded!(JobStatus, CancelJob, AccountQuery, ReceiptsQuery, ManifestQuery, PreviewQuery);

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStage {
    /// In escrow, no miner yet.
    Posted,
    /// A miner has accepted it.
    Assigned,
    /// Steps are coming.
    Running,
    /// The miner has committed, the nonce is out.
    Committed,
    /// Reveal and clip are here.
    Revealed,
    /// There is a verdict.
    Audited,
    /// Paid.
    Settled,
    /// The deposit went back.
    Refunded,
    /// The miner was caught; the deposit went back.
    Slashed,
    /// Cancelled by the requester.
    Cancelled,
}

impl JobStage {
    /// Whether nothing comes after it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Settled | Self::Refunded | Self::Slashed | Self::Cancelled)
    }
}
