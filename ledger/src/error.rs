//! Why an entry can't be applied.

use infernet_economics::EconomicsError;

use crate::bytes::{AccountId, EntryId, JobId};
use crate::state::{JobStatus, MinerStage};

/// An entry that can't be applied. Nothing of it was. Every error has a stable code and a next step.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LedgerError {
    /// A rule is out of its range.
    #[error("the ledger's parameter {name} is {found}; it must be {least} to {most}")]
    Parameter {
        /// Parameter.
        name: &'static str,
        /// Value.
        found: u64,
        /// Least.
        least: u64,
        /// Most.
        most: u64,
    },
    /// An entry with this name and other contents is there already.
    #[error("{kind} {id} is in the ledger with other contents")]
    Conflict {
        /// Kind of entry.
        kind: &'static str,
        /// Name.
        id: EntryId,
    },
    /// Time runs backwards.
    #[error("the entry is of {now_ms} ms and the one before it of {last_ms} ms")]
    Clock {
        /// The entry's time.
        now_ms: u64,
        /// That of the entry before.
        last_ms: u64,
    },
    /// A time beyond the year 9999.
    #[error("{what} is {found_ms} ms, after the year 9999")]
    Time {
        /// Which time.
        what: &'static str,
        /// Value.
        found_ms: u64,
    },
    /// Credits for an account that nobody can hold.
    #[error("{account} is not a public key: nobody could ever spend from it")]
    Account {
        /// Account.
        account: AccountId,
    },
    /// Something that the holder did not sign.
    #[error("the {what} is not signed by {account} for this ledger")]
    Signature {
        /// What should be signed.
        what: &'static str,
        /// By whom.
        account: AccountId,
    },
    /// A request out of order.
    #[error("the request of {account} has number {found}, its next one is {expected}")]
    Nonce {
        /// Account.
        account: AccountId,
        /// Its next number.
        expected: u64,
        /// Number of the request.
        found: u64,
    },
    /// An amount of nothing, or a transfer to oneself.
    #[error("{what} must be more than 0 and to somebody else")]
    Nothing {
        /// Which amount.
        what: &'static str,
    },
    /// More than there is.
    #[error("{account} has {available} micro-credits of {what}, {needed} are needed")]
    Insufficient {
        /// Account.
        account: AccountId,
        /// What is short.
        what: &'static str,
        /// Needed.
        needed: u64,
        /// There.
        available: u64,
    },
    /// More than 64 bits of micro-credits.
    #[error("{what} does not fit into 64 bits of micro-credits")]
    TooMuch {
        /// What.
        what: &'static str,
    },
    /// More of something than is kept.
    #[error("{account} has {most} withdrawals of stake under way, the most there can be")]
    TooManyWithdrawals {
        /// Account.
        account: AccountId,
        /// Most.
        most: usize,
    },
    /// No stake is due.
    #[error("{account} has no stake to withdraw yet; the next is due at {next_ms:?} ms")]
    NothingToWithdraw {
        /// Account.
        account: AccountId,
        /// When the next part is due.
        next_ms: Option<u64>,
    },
    /// Nothing was earned since the last claim.
    #[error("{account} has nothing to claim")]
    NothingToClaim {
        /// Account.
        account: AccountId,
    },
    /// A number of steps that no job has.
    #[error("a job has 1 to {most} steps, not {found}")]
    Steps {
        /// Steps.
        found: u32,
        /// Most.
        most: u32,
    },
    /// A share above the whole.
    #[error("{what} is {found} parts per million, more than a million")]
    Share {
        /// What.
        what: &'static str,
        /// Value.
        found: u32,
    },
    /// No such job.
    #[error("there is no job {job} in the ledger")]
    UnknownJob {
        /// Job.
        job: JobId,
    },
    /// The job is in another state.
    #[error("job {job} is {found}; to {action} it, it must be {expected}")]
    JobState {
        /// Job.
        job: JobId,
        /// What was to be done.
        action: &'static str,
        /// State.
        found: JobStatus,
        /// State that would do.
        expected: &'static str,
    },
    /// Another attempt than the job's.
    #[error("job {job} is at attempt {expected}, the entry is about attempt {found}")]
    Attempt {
        /// Job.
        job: JobId,
        /// The attempt that would do.
        expected: u32,
        /// The entry's.
        found: u32,
    },
    /// The job is too old.
    #[error("the deadline of job {job} was {deadline_ms} ms, it is {now_ms} ms")]
    Deadline {
        /// Job.
        job: JobId,
        /// Deadline.
        deadline_ms: u64,
        /// Now.
        now_ms: u64,
    },
    /// A list of miners that can't work on a job.
    #[error("the miners of job {job} are {reason}")]
    Miners {
        /// Job.
        job: JobId,
        /// What is wrong with them.
        reason: &'static str,
    },
    /// The fee is more than the deposit pays.
    #[error("job {job} would cost {gross} micro-credits with the validator's part, and {deposit} are in escrow")]
    Fee {
        /// Job.
        job: JobId,
        /// Fee and validator's part.
        gross: u128,
        /// Escrow.
        deposit: u64,
    },
    /// A cheat could pay at this stake.
    #[error("{miner} would lock {offered} micro-credits for job {job}, {required} are required")]
    StakeTooSmall {
        /// Job.
        job: JobId,
        /// Miner.
        miner: AccountId,
        /// What would be locked.
        offered: u64,
        /// What must be.
        required: u64,
    },
    /// The stake can't be computed.
    #[error(transparent)]
    Economics(#[from] EconomicsError),
    /// The miner has no part in the attempt.
    #[error("{miner} is not a miner of this attempt of job {job}")]
    NotAssigned {
        /// Job.
        job: JobId,
        /// Miner.
        miner: AccountId,
    },
    /// The miner's part is in another stage.
    #[error("the part of {miner} in job {job} is {found}; to be {action} it must be {expected}")]
    MinerStage {
        /// Job.
        job: JobId,
        /// Miner.
        miner: AccountId,
        /// What was to be done.
        action: &'static str,
        /// Stage.
        found: MinerStage,
        /// Stage that would do.
        expected: &'static str,
    },
    /// Too late to dispute a paid job.
    #[error("the challenge window of job {job} is over: the stake of {miner} is no longer locked")]
    WindowOver {
        /// Job.
        job: JobId,
        /// Miner.
        miner: AccountId,
    },
    /// Opinions that can't be weighed.
    #[error("the validators' opinions can't be weighed: {reason}")]
    Opinions {
        /// Why.
        reason: &'static str,
    },
    /// A defect of this crate, found before it did anything.
    #[error("the entry would change the sum of all credits ({before} before, {after} after): this is a defect")]
    Conservation {
        /// What the touched pockets held, with what was issued and burned.
        before: i128,
        /// What they would hold.
        after: i128,
    },
}

impl LedgerError {
    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Parameter { .. } => "ledger.parameter",
            Self::Conflict { .. } => "ledger.conflict",
            Self::Clock { .. } => "ledger.clock",
            Self::Time { .. } => "ledger.time",
            Self::Account { .. } => "ledger.account",
            Self::Signature { .. } => "ledger.signature",
            Self::Nonce { .. } => "ledger.nonce",
            Self::Nothing { .. } => "ledger.nothing",
            Self::Insufficient { .. } => "ledger.insufficient",
            Self::TooMuch { .. } => "ledger.too_much",
            Self::TooManyWithdrawals { .. } => "ledger.too_many_withdrawals",
            Self::NothingToWithdraw { .. } => "ledger.nothing_to_withdraw",
            Self::NothingToClaim { .. } => "ledger.nothing_to_claim",
            Self::Steps { .. } => "ledger.steps",
            Self::Share { .. } => "ledger.share",
            Self::UnknownJob { .. } => "ledger.unknown_job",
            Self::JobState { .. } => "ledger.job_state",
            Self::Attempt { .. } => "ledger.attempt",
            Self::Deadline { .. } => "ledger.deadline",
            Self::Miners { .. } => "ledger.miners",
            Self::Fee { .. } => "ledger.fee",
            Self::StakeTooSmall { .. } => "ledger.stake_too_small",
            Self::Economics(error) => error.code(),
            Self::NotAssigned { .. } => "ledger.not_assigned",
            Self::MinerStage { .. } => "ledger.miner_stage",
            Self::WindowOver { .. } => "ledger.window_over",
            Self::Opinions { .. } => "ledger.opinions",
            Self::Conservation { .. } => "ledger.conservation",
        }
    }

    /// What to do about it, for people.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Parameter { .. } => "give a value in that range",
            Self::Conflict { .. } => {
                "look at the entry that is there; what it says has happened and can't happen otherwise"
            }
            Self::Clock { .. } => "set the clock, or pass the time of the last entry",
            Self::Time { .. } => "check the clock; times are milliseconds since 1970",
            Self::Account { .. } => "check that the account was copied whole",
            Self::Signature { .. } => "sign it with the account's key, for this network and validator",
            Self::Nonce { .. } => "ask for the account's state and sign the request again with its next number",
            Self::Nothing { .. } => "give another amount or another account",
            Self::Insufficient { .. } => "add credits or stake, or ask for less",
            Self::TooMuch { .. } => "check the amount; it is in micro-credits",
            Self::TooManyWithdrawals { .. } => "withdraw what is due first, or wait",
            Self::NothingToWithdraw { .. } => "wait until it is due, or unstake first",
            Self::NothingToClaim { .. } => "earn something first",
            Self::Steps { .. } => "check the job's number of steps",
            Self::Share { .. } => "give a value of at most 1000000",
            Self::UnknownJob { .. } => "check the job's id; its deposit may not be in escrow yet",
            Self::JobState { .. } | Self::Attempt { .. } | Self::MinerStage { .. } => {
                "ask for the job's state; something else happened to it first"
            }
            Self::Deadline { .. } => "refund the job and post it again with a later deadline",
            Self::Miners { .. } => "name 1 to 64 different miners, by rising account",
            Self::Fee { .. } => "offer the miners less, or ask the requester for a larger deposit",
            Self::StakeTooSmall { .. } => "stake more, or take cheaper jobs",
            Self::Economics(error) => error.next_step(),
            Self::NotAssigned { .. } => "check miner and attempt",
            Self::WindowOver { .. } => "bring proof within the challenge window; nothing can be slashed any more",
            Self::Opinions { .. } => "leave out validators without stake, and give each the same miners",
            Self::Conservation { .. } => "report it with the journal's last entries; nothing was written",
        }
    }
}
