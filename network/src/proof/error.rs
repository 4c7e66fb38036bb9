//! What can be wrong with an input. What can be wrong with a miner's work is a [`Check`](super::Check) instead.

use infernet_engine::EngineError;

use super::reexecution::ReexecutionError;

/// Bytes are not the canonical encoding of anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("`{field}` needs {needed} more bytes and {left} are left: the data is cut off")]
    Truncated {
        /// Field.
        field: &'static str,
        /// Bytes it needs.
        needed: u64,
        /// Bytes there are.
        left: u64,
    },
    /// A length or count is above its bound.
    #[error("`{field}` has length {found}, at most {limit} is accepted")]
    TooLong {
        /// Field.
        field: &'static str,
        /// Its length.
        found: u64,
        /// Bound.
        limit: u64,
    },
    /// A field has a value it can't have.
    #[error("`{field}` is {found}, expected {expected}")]
    Invalid {
        /// Field.
        field: &'static str,
        /// Value.
        found: String,
        /// What would do.
        expected: String,
    },
    /// Something follows the end.
    #[error("{bytes} bytes follow the end of the data")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

impl DecodeError {
    pub(crate) fn invalid(field: &'static str, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Invalid { field, found: found.into(), expected: expected.into() }
    }

    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "proof.decode.truncated",
            Self::TooLong { .. } => "proof.decode.too_long",
            Self::Invalid { .. } => "proof.decode.invalid",
            Self::Trailing { .. } => "proof.decode.trailing",
        }
    }
}

/// A job that nobody can run or audit.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// A field is out of range.
    #[error("the job's {field} is {found}, expected {expected}")]
    Field {
        /// Field.
        field: &'static str,
        /// Value.
        found: String,
        /// What would do.
        expected: String,
    },
    /// The scheduler can't make this many steps.
    #[error("the job's scheduler can't be used: {0}")]
    Scheduler(EngineError),
}

impl JobError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        "proof.job"
    }
}

/// Evidence that does not fit its job, so that nothing can be committed.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The job can't be run.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The challenge is for another job or another miner, or its validator's signature does not hold.
    #[error("the challenge is not for this job and miner: {0}; ask the validator for a new one")]
    Challenge(&'static str),
    /// A tensor or a count is not what the job says.
    #[error("{what} is {found}, the job needs {expected}; record the run of this job again")]
    Shape {
        /// Which one.
        what: String,
        /// Found.
        found: String,
        /// Expected.
        expected: String,
    },
    /// The nonce does not open the validator's commitment: nothing may be revealed for it.
    #[error("the nonce does not open the challenge's audit nonce commitment; nothing is revealed for it")]
    Nonce,
}

impl EvidenceError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Job(error) => error.code(),
            Self::Challenge(_) => "proof.evidence.challenge",
            Self::Shape { .. } => "proof.evidence.shape",
            Self::Nonce => "proof.evidence.nonce",
        }
    }
}

/// No verdict can be given, for a reason that is not the miner's.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The job can't be audited by anyone.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The challenge or pledge is not what a validator may send.
    #[error("the validator's {what} can't be used: {reason}")]
    Validator {
        /// Challenge, pledge or nonce.
        what: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// The prompt is not the one the job commits to.
    #[error("the prompt and salt do not open the job's {which} commitment; get the opening from the requester")]
    Opening {
        /// Prompt or negative prompt.
        which: &'static str,
    },
    /// The tolerance table is not the one the validator named before the run.
    #[error(
        "this tolerance table has digest {found}, the audit was announced with {expected}; use the model's own table"
    )]
    ToleranceTable {
        /// Digest of what was given.
        found: super::Digest,
        /// Digest in the challenge.
        expected: super::Digest,
    },
    /// The table has no bound for this case.
    #[error(transparent)]
    Tolerance(#[from] super::ToleranceError),
    /// The validator's own run failed.
    #[error(transparent)]
    Reexecution(#[from] ReexecutionError),
    /// A verdict under review is about something else, or nobody signed it.
    #[error("the verdict can't be reviewed: {0}")]
    Verdict(&'static str),
}

impl AuditError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Job(error) => error.code(),
            Self::Validator { .. } => "proof.audit.validator",
            Self::Opening { .. } => "proof.audit.opening",
            Self::ToleranceTable { .. } => "proof.audit.tolerance_table",
            Self::Tolerance(error) => error.code(),
            Self::Reexecution(error) => error.code(),
            Self::Verdict(_) => "proof.audit.verdict",
        }
    }
}
