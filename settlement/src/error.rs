//! What can go wrong between a verdict and the money.

use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use infernet_ledger::{AccountId, JobId, JournalError, LedgerError};

/// Something about settlement failed. Every error has a stable code and a next step.
#[derive(Debug, thiserror::Error)]
pub enum SettlementError {
    /// The journal of the embedded ledger.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An entry of the embedded ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A setting that can't be meant.
    #[error("the chain's setting `{name}` is {found}; expected {expected}")]
    Config {
        /// Setting.
        name: &'static str,
        /// Value.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// A key that is none.
    #[error("this is no secp256k1 key: {reason}")]
    Key {
        /// Why.
        reason: String,
    },
    /// No endpoint answers.
    #[error("none of {endpoints} endpoints answers {call}; the last said: {reason}")]
    Unreachable {
        /// Call.
        call: &'static str,
        /// How many were asked.
        endpoints: usize,
        /// The last error.
        reason: String,
    },
    /// The chain says no.
    #[error("the chain refuses {call}: {reason}")]
    Refused {
        /// Call.
        call: &'static str,
        /// What it said.
        reason: String,
    },
    /// The endpoint serves another chain.
    #[error("{endpoint} serves chain {found}, expected {expected}")]
    WrongChain {
        /// Endpoint, without user and password.
        endpoint: String,
        /// Configured.
        expected: u64,
        /// Served.
        found: u64,
    },
    /// There is no contract, or another one.
    #[error("at {address} there is {found}, not the settlement contract")]
    NoContract {
        /// Where.
        address: Address,
        /// What is there.
        found: String,
    },
    /// The transaction was mined and did nothing.
    #[error("transaction {hash} of `{intent}` was mined and reverted: {reason}")]
    Reverted {
        /// Name of the intent.
        intent: String,
        /// Transaction.
        hash: B256,
        /// Why, where the chain still says.
        reason: String,
    },
    /// The name stands for another transaction.
    #[error("`{intent}` is in the outbox with other contents")]
    Conflict {
        /// Name.
        intent: String,
    },
    /// The job is not in escrow.
    #[error("no confirmed deposit for job {job} is known")]
    UnknownJob {
        /// Job.
        job: JobId,
    },
    /// Two deposits carry this id.
    #[error("job {job} has deposits of {found} requesters; name the one that is meant")]
    AmbiguousJob {
        /// Job.
        job: JobId,
        /// How many.
        found: usize,
    },
    /// A job that is over, or about to be.
    #[error("job {job} can't be {action}: {reason}")]
    JobState {
        /// Job.
        job: JobId,
        /// What was to be done.
        action: &'static str,
        /// Why not.
        reason: String,
    },
    /// The miner did not say which account its stake is in.
    #[error("miner {miner} has signed no acceptance of job {job} for this contract, fee and stake")]
    NoAcceptance {
        /// Job.
        job: JobId,
        /// Miner.
        miner: AccountId,
    },
    /// Too little stake on the chain.
    #[error("{miner} has {found} micro-credits of stake that is not behind other jobs, {needed} are needed")]
    StakeTooSmall {
        /// Miner's account on the chain.
        miner: Address,
        /// There.
        found: u64,
        /// Needed.
        needed: u64,
    },
    /// A signature by someone whose signature does not count.
    #[error("{what} is signed by {found}, {expected}")]
    Signature {
        /// What.
        what: &'static str,
        /// Signer.
        found: String,
        /// Whose signature would do.
        expected: String,
    },
    /// Nothing with this digest waits for signatures.
    #[error("no judgement with digest {digest} waits for signatures")]
    UnknownProposal {
        /// Digest.
        digest: B256,
    },
    /// An amount that does not fit.
    #[error("{what} is {found}, expected {expected}")]
    Amount {
        /// What.
        what: &'static str,
        /// Value.
        found: String,
        /// Bounds.
        expected: String,
    },
    /// A check that nobody may be slashed for, or that is none.
    #[error("nobody is slashed for `{check}`: it is no check, or rests on a validator's word")]
    Check {
        /// Check.
        check: String,
    },
    /// The file.
    #[error("can't {action} {}: {reason}", .path.display())]
    Store {
        /// What was tried.
        action: &'static str,
        /// File.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file belongs to another contract or account, or to a newer version.
    #[error("{} is {found}, expected {expected}", .path.display())]
    OtherStore {
        /// File.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What would do.
        expected: String,
    },
    /// The chain went back further than is remembered.
    #[error("the chain was replaced from block {oldest} on or earlier, further back than is remembered")]
    DeepReorganisation {
        /// Oldest block that is remembered.
        oldest: u64,
    },
}

impl SettlementError {
    /// A stable code for programs.
    pub fn code(&self) -> &str {
        match self {
            Self::Journal(error) => error.code(),
            Self::Ledger(error) => error.code(),
            Self::Config { .. } => "chain.config",
            Self::Key { .. } => "chain.key",
            Self::Unreachable { .. } => "chain.unreachable",
            Self::Refused { .. } => "chain.refused",
            Self::WrongChain { .. } => "chain.wrong_chain",
            Self::NoContract { .. } => "chain.no_contract",
            Self::Reverted { .. } => "chain.reverted",
            Self::Conflict { .. } => "chain.conflict",
            Self::UnknownJob { .. } => "chain.unknown_job",
            Self::AmbiguousJob { .. } => "chain.ambiguous_job",
            Self::JobState { .. } => "chain.job_state",
            Self::NoAcceptance { .. } => "chain.no_acceptance",
            Self::StakeTooSmall { .. } => "chain.stake_too_small",
            Self::Signature { .. } => "chain.signature",
            Self::UnknownProposal { .. } => "chain.unknown_proposal",
            Self::Amount { .. } => "chain.amount",
            Self::Check { .. } => "chain.check",
            Self::Store { .. } => "chain.store",
            Self::OtherStore { .. } => "chain.other_store",
            Self::DeepReorganisation { .. } => "chain.deep_reorganisation",
        }
    }

    /// What to do about it, for people.
    pub fn next_step(&self) -> &str {
        match self {
            Self::Journal(error) => error.next_step(),
            Self::Ledger(error) => error.next_step(),
            Self::Config { .. } => "change the setting in the configuration's [chain] part",
            Self::Key { .. } => "give 64 hexadecimal digits, or leave the key out to use the identity's",
            Self::Unreachable { .. } => {
                "check the connection and the list of endpoints; nothing is lost, it goes on by itself"
            }
            Self::Refused { .. } => "read the chain's reason; check balance, allowance and the state of the job",
            Self::WrongChain { .. } => "remove the endpoint from the list, or correct the chain id",
            Self::NoContract { .. } => "check the contract's address and the chain id",
            Self::Reverted { .. } => "look at the job on the chain; something else happened to it first",
            Self::Conflict { .. } => "give the new transaction a name of its own",
            Self::UnknownJob { .. } => "wait until the deposit has enough confirmations, or check the job's id",
            Self::AmbiguousJob { .. } => "post the job again with a fresh random id",
            Self::JobState { .. } => "ask for the job's state on the chain; a new job needs a new deposit",
            Self::NoAcceptance { .. } => "ask the miner for its signed acceptance before it begins",
            Self::StakeTooSmall { .. } => "stake more, or wait until windows of earlier jobs are over",
            Self::Signature { .. } => "ask the right party to sign, for this chain and contract",
            Self::UnknownProposal { .. } => "it may have been sent already; look at the job on the chain",
            Self::Amount { .. } => "give an amount within the bounds",
            Self::Check { .. } => "release the miner instead, and ask for a second opinion",
            Self::Store { .. } => "check the disk, and that no other process uses the file",
            Self::OtherStore { .. } => "use the file of this chain, contract and account, or move it aside",
            Self::DeepReorganisation { .. } => {
                "check that all endpoints serve the real chain, then move the file aside: it is built anew"
            }
        }
    }

    /// Whether the same call may succeed later without anyone doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}
