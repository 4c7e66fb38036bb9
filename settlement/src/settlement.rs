//! The border to the money.

use infernet_ledger::{AccountId, CheckName, Digest, JobId, ProofKind, RefundReason, ReleaseReason};
use serde::Serialize;

use crate::error::SettlementError;

/// Who keeps the money of jobs, and moves it when a validator says so.
///
/// Calls return once what they want is on the disk, not once it has happened: the embedded ledger is then done, a chain takes minutes.
/// Each is idempotent: a validator that does not know whether it had called before a crash calls again. Times are milliseconds since 1970,
/// passed in.
pub trait Settlement: Send {
    /// What is behind it.
    fn backend(&self) -> Backend;

    /// What stands behind the job with this id and digest; none while there is nothing that counts.
    ///
    /// # Errors
    /// The disk.
    fn deposit(&self, job: JobId, digest: Digest) -> Result<Option<Deposit>, SettlementError>;

    /// The number of the next attempt at a job, from 1: one more than the last that was assigned.
    ///
    /// # Errors
    /// The disk.
    fn next_attempt(&self, job: JobId) -> Result<u32, SettlementError>;

    /// Puts miners' stake behind a job.
    ///
    /// # Errors
    /// The job is in another state, the fee is more than the deposit pays, a stake is too small, or a miner has not accepted.
    fn assign(&mut self, assignment: &Assignment, now_ms: u64) -> Result<(), SettlementError>;

    /// Notes a miner's commitment.
    ///
    /// # Errors
    /// The miner has no part in the attempt.
    fn committed(&mut self, commitment: &Commitment, now_ms: u64) -> Result<(), SettlementError>;

    /// Pays accepted miners.
    ///
    /// # Errors
    /// The job is in another state.
    fn settle(&mut self, payment: &Payment, now_ms: u64) -> Result<Progress, SettlementError>;

    /// Takes stake from a miner that was caught.
    ///
    /// # Errors
    /// The rejection proves nothing, or the job is in another state.
    fn slash(&mut self, penalty: &Penalty, now_ms: u64) -> Result<Progress, SettlementError>;

    /// Ends a miner's part without pay and without a slash.
    ///
    /// # Errors
    /// The miner has no part in the attempt.
    fn release(&mut self, ending: &Ending, now_ms: u64) -> Result<(), SettlementError>;

    /// Gives the deposit back.
    ///
    /// # Errors
    /// The job is in another state.
    fn refund(&mut self, job: JobId, reason: RefundReason, now_ms: u64) -> Result<Progress, SettlementError>;

    /// How a job's money stands.
    ///
    /// # Errors
    /// The disk.
    fn progress(&self, job: JobId) -> Result<Progress, SettlementError>;
}

/// What is behind a [`Settlement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// The validator's own journal.
    Ledger,
    /// A contract on an EVM chain.
    Evm,
}

/// An account: a peer's key in the embedded ledger, an address on a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Ed25519 key.
    Peer(AccountId),
    /// Address on the chain.
    Evm(alloy::primitives::Address),
}

/// What stands behind a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Deposit {
    /// Job.
    pub job: JobId,
    /// Digest of the whole job.
    pub digest: Digest,
    /// Who pays.
    pub requester: Party,
    /// Amount, in micro-credits.
    pub amount_microcredits: u64,
    /// Until when it can be paid out.
    pub deadline_ms: u64,
    /// Whether it was paid or went back.
    pub ended: bool,
}

/// Miners for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Job.
    pub job: JobId,
    /// Digest of the whole job: on a chain several may have put deposits behind an id.
    pub digest: Digest,
    /// Attempt, from 1.
    pub attempt: u32,
    /// What the miners get together at most, in micro-credits.
    pub fee_microcredits: u64,
    /// Miners, by rising key.
    pub miners: Vec<Promise>,
}

/// What a miner puts behind a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Miner.
    pub miner: AccountId,
    /// Stake, in micro-credits.
    pub stake_microcredits: u64,
    /// Estimate of what the work costs the miner, in micro-credits.
    pub cost_microcredits: u64,
    /// On a chain: the account that the stake is in, and its EIP-712 signature of the acceptance.
    pub acceptance: Option<SignedAcceptance>,
}

/// A miner's word, as it comes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedAcceptance {
    /// Account on the chain.
    pub address: alloy::primitives::Address,
    /// 65 bytes.
    pub signature: [u8; 65],
}

/// A commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// Job.
    pub job: JobId,
    /// Attempt.
    pub attempt: u32,
    /// Miner.
    pub miner: AccountId,
    /// Digest of the signed commitment.
    pub digest: Digest,
}

/// Accepted work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Job.
    pub job: JobId,
    /// Attempt.
    pub attempt: u32,
    /// Root of the tree that the miner (of a group: the coordinator) committed itself to.
    pub proof_root: Digest,
    /// Digest of the bundle.
    pub bundle: Digest,
    /// Accepted miners.
    pub miners: Vec<Accepted>,
    /// Who gets what does not divide, in the embedded ledger; on a chain the requester.
    pub dust_to: AccountId,
}

/// One miner's accepted work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Miner.
    pub miner: AccountId,
    /// Digest of the signed verdict.
    pub verdict: Digest,
    /// Quality of the clip, in parts per million.
    pub quality_ppm: u32,
}

/// A rejection with proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Penalty {
    /// Job.
    pub job: JobId,
    /// Attempt.
    pub attempt: u32,
    /// Miner.
    pub miner: AccountId,
    /// Name of the check that failed.
    pub check: CheckName,
    /// What that rests on.
    pub proof: ProofKind,
    /// Digest of the signed verdict.
    pub verdict: Digest,
    /// Digest of the bundle that shows it.
    pub bundle: Digest,
}

/// The end of a miner's part without pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Job.
    pub job: JobId,
    /// Attempt.
    pub attempt: u32,
    /// Miner.
    pub miner: AccountId,
    /// Why.
    pub reason: ReleaseReason,
    /// Whether the miner is trusted less.
    pub trust_note: bool,
}

/// How far something is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "progress", rename_all = "snake_case")]
pub enum Progress {
    /// Nothing was asked for.
    Open,
    /// Other validators have to sign first.
    NeedsSignatures {
        /// What they sign.
        digest: alloy::primitives::B256,
        /// Signatures that count.
        have: u32,
        /// Signatures needed.
        need: u32,
    },
    /// In the outbox or on the way.
    Sending {
        /// Name of the transaction.
        intent: String,
    },
    /// Paid.
    Settled,
    /// Given back.
    Refunded,
    /// Stake was put aside or taken; the deposit is still there.
    Slashed,
    /// It did not work.
    Failed {
        /// Name of the transaction.
        intent: String,
        /// What the chain said.
        reason: String,
    },
}
