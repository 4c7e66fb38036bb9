//! The entries.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bytes::{AccountId, Digest, JobId};
use crate::cbor::DecodeError;
use crate::parameters::LedgerParameters;
use crate::request::{AccountRequest, JobOrder, LedgerId};

/// Most miners of one attempt.
pub const MAX_MINERS: usize = 64;
/// Longest name of a check.
const MAX_NAME: usize = 64;

/// Something that happens to the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// The ledger begins.
    Genesis(Genesis),
    /// The validator creates credits.
    Issue(Issue),
    /// The holder of an account asks for something.
    Request(AccountRequest),
    /// A requester puts its deposit into escrow.
    OpenJob(JobOrder),
    /// Miners take a job on, and stake is locked.
    Assign(Assign),
    /// A miner committed itself to its run.
    Committed(Committed),
    /// A miner's run was audited.
    Audited(Audited),
    /// A miner's part ends without pay and without a slash.
    Release(Release),
    /// The job is paid.
    Settle(Settle),
    /// A miner loses stake.
    Slash(Slash),
    /// The deposit goes back.
    Refund(Refund),
}

/// The first entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Genesis {
    /// Which ledger.
    pub ledger: LedgerId,
    /// Its rules.
    pub parameters: LedgerParameters,
}

/// Credits are created. Only the validator can, for only it signs the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// Chosen by the operator, once per issue: what makes two equal issues two.
    pub reference: JobId,
    /// Who gets them.
    pub to: AccountId,
    /// How many, in micro-credits.
    pub amount_microcredits: u64,
}

/// An attempt at a job begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Assign {
    /// Job.
    pub job: JobId,
    /// Attempt, counted from 1.
    pub attempt: u32,
    /// What all miners of the attempt get together at most, in micro-credits. With the validator's part it is within the
    /// deposit.
    pub fee_microcredits: u64,
    /// Who does it, by rising account.
    pub miners: Vec<Assignment>,
}

/// One miner of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Assignment {
    /// Miner.
    pub miner: AccountId,
    /// What it locks, in micro-credits: at least the required stake.
    pub stake_microcredits: u64,
    /// Estimate of what all steps cost the miner, in micro-credits.
    pub cost_microcredits: u64,
}

/// A commitment came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Committed {
    /// Job.
    pub job: JobId,
    /// Attempt.
    pub attempt: u32,
    /// Miner.
    pub miner: AccountId,
    /// Digest of the signed commitment.
    pub commitment: Digest,
}

/// A verdict was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audited {
    /// Job.
    pub job: JobId,
    /// Attempt.
    pub attempt: u32,
    /// Miner.
    pub miner: AccountId,
    /// Digest of the signed verdict.
    pub verdict: Digest,
    /// What it says.
    pub outcome: Outcome,
}

/// What a verdict says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Every check held.
    Accepted {
        /// Quality of the clip, in parts per million.
        quality_ppm: u32,
    },
    /// A check failed.
    Rejected {
        /// Which.
        check: CheckName,
        /// What the failure rests on.
        proof: ProofKind,
    },
}

/// What a rejection rests on. Only the first two may slash (docs/PROTOCOL.md, section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofKind {
    /// Bytes that the miner signed.
    Signed,
    /// Bytes that the miner signed and a run of the model.
    Measured,
    /// The validator's word.
    Attested,
}

impl ProofKind {
    /// Whether a miner may be slashed for it.
    pub fn may_slash(self) -> bool {
        self != Self::Attested
    }
}

/// The name of a check: lower-case letters, digits and underscores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckName(String);

impl CheckName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CheckName {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        let shortened: String = text.chars().take(MAX_NAME).collect();
        Err(DecodeError::value(
            "check",
            &format!("`{shortened}`"),
            "1 to 64 lower-case letters, digits and underscores",
        ))
    }
}

/// A miner's part ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Release {
    /// Job.
    pub job: JobId,
    /// Attempt.
    pub attempt: u32,
    /// Miner.
    pub miner: AccountId,
    /// Why.
    pub reason: ReleaseReason,
    /// Whether the miner is trusted less from now on.
    pub trust_note: bool,
}

/// Why a miner's part ends without pay and without a slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    /// The miner said no.
    Refused,
    /// The miner was too late.
    Timeout,
    /// The miner's machine failed.
    Failed,
    /// A rejection that proves nothing to others.
    Unproven,
    /// The validator's or the requester's doing.
    Cancelled,
}

/// A job is paid: to the accepted miners by trust x quality, to the validator its part, what is left to the requester.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Settle {
    /// Job.
    pub job: JobId,
    /// Attempt.
    pub attempt: u32,
    /// Who gets the micro-credits that don't divide evenly.
    pub dust_to: AccountId,
}

/// A miner loses a share of the stake it locked: to the requester up to the deposit, the rest is burned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Slash {
    /// Job.
    pub job: JobId,
    /// Attempt.
    pub attempt: u32,
    /// Miner.
    pub miner: AccountId,
}

/// A job ends unpaid, and its deposit goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Refund {
    /// Job.
    pub job: JobId,
    /// Why.
    pub reason: RefundReason,
}

/// Why a deposit goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundReason {
    /// The requester wants it no more.
    Cancelled,
    /// The deadline has passed.
    Deadline,
    /// No miner takes it.
    NoMiner,
    /// It was tried often enough.
    Failed,
}

impl Entry {
    /// Name of the kind, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "genesis",
            Self::Issue(_) => "issue",
            Self::Request(_) => "request",
            Self::OpenJob(_) => "open_job",
            Self::Assign(_) => "assign",
            Self::Committed(_) => "committed",
            Self::Audited(_) => "audited",
            Self::Release(_) => "release",
            Self::Settle(_) => "settle",
            Self::Slash(_) => "slash",
            Self::Refund(_) => "refund",
        }
    }

    /// The job it is about.
    pub fn job(&self) -> Option<JobId> {
        Some(match self {
            Self::Genesis(_) | Self::Issue(_) | Self::Request(_) => return None,
            Self::OpenJob(order) => order.job,
            Self::Assign(entry) => entry.job,
            Self::Committed(entry) => entry.job,
            Self::Audited(entry) => entry.job,
            Self::Release(entry) => entry.job,
            Self::Settle(entry) => entry.job,
            Self::Slash(entry) => entry.job,
            Self::Refund(entry) => entry.job,
        })
    }
}
