//! What can go wrong: a parameter out of range, a question without an answer, a table that can't be read.

/// Result of an economics function.
pub type Result<T, E = EconomicsError> = std::result::Result<T, E>;

/// A question that can't be answered as asked. Every error has a stable code and a next step.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EconomicsError {
    /// A parameter is out of its range.
    #[error("{name} is {value}; it must be {expected}")]
    Parameter {
        /// The parameter's name, as in the struct and on the command line.
        name: &'static str,
        /// What was given.
        value: String,
        /// The range.
        expected: String,
    },
    /// The work asked for is beyond what is sensible.
    #[error("{what} would need {asked} evaluations; the most is {most}")]
    TooLarge {
        /// What was asked for.
        what: &'static str,
        /// Its size.
        asked: u128,
        /// The bound.
        most: u128,
    },
    /// No stake, however large, makes this way of cheating a loss.
    #[error("no stake deters tampering with {tampered} of {steps} steps: {reason}")]
    NoStakeSuffices {
        /// Tampered steps.
        tampered: u32,
        /// Steps of the job.
        steps: u32,
        /// Why.
        reason: &'static str,
    },
    /// An integer amount does not fit.
    #[error("{what} does not fit into 64 bits of micro-credits")]
    Overflow {
        /// The amount.
        what: &'static str,
    },
    /// No parameters of the searched space meet the conditions.
    #[error("none of {searched} parameter sets is feasible: {reason}")]
    Infeasible {
        /// How many were tried.
        searched: usize,
        /// The condition that ruled most of them out.
        reason: String,
    },
    /// A table of GPUs and prices can't be used.
    #[error("the price table can't be used: {reason}")]
    PriceTable {
        /// Entry, field and what is wrong.
        reason: String,
    },
    /// A figure can't be drawn.
    #[error("the figure can't be drawn: {reason}")]
    Figure {
        /// Cause.
        reason: String,
    },
}

impl EconomicsError {
    pub(crate) fn parameter(
        name: &'static str,
        value: impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> EconomicsError {
        EconomicsError::Parameter { name, value: value.to_string(), expected: expected.into() }
    }

    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            EconomicsError::Parameter { .. } => "economics.parameter",
            EconomicsError::TooLarge { .. } => "economics.too_large",
            EconomicsError::NoStakeSuffices { .. } => "economics.no_stake_suffices",
            EconomicsError::Overflow { .. } => "economics.overflow",
            EconomicsError::Infeasible { .. } => "economics.infeasible",
            EconomicsError::PriceTable { .. } => "economics.price_table",
            EconomicsError::Figure { .. } => "economics.figure",
        }
    }

    /// What to do about it, for people.
    pub fn next_step(&self) -> &'static str {
        match self {
            EconomicsError::Parameter { .. } => "give a value in that range",
            EconomicsError::TooLarge { .. } => "ask for fewer miners, epochs, seeds or grid points",
            EconomicsError::NoStakeSuffices { .. } => "raise the audit rate, the slash, or the share of audited jobs",
            EconomicsError::Overflow { .. } => "check fee and cost; they are in micro-credits",
            EconomicsError::Infeasible { .. } => {
                "raise the re-execution budget or the stake limit, or lower the margin"
            }
            EconomicsError::PriceTable { .. } => {
                "print the shipped table with `infernet economics cost --print-table` and compare"
            }
            EconomicsError::Figure { .. } => "check the figure's data; it may be empty or not finite",
        }
    }
}
