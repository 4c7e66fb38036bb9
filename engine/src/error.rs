//! The engine's errors.

use std::path::PathBuf;

use crate::sharding::{CollectiveError, PlanError};
use crate::weights::WeightsError;

/// Result of an engine operation.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// Something the engine was asked for can't be done.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Weights can't be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A configuration file is missing or unreadable.
    #[error("can't read {file}: {source}", file = file.display())]
    ReadConfig {
        /// File.
        file: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A configuration file does not say what it must.
    #[error("{file}: {reason}", file = file.display())]
    Config {
        /// File.
        file: PathBuf,
        /// Field and what is wrong with it.
        reason: String,
    },
    /// A request that the model can't serve.
    #[error("{0}")]
    Request(String),
    /// Not enough memory for the request; nothing was started.
    #[error("this needs about {needed_mib} MiB and {available_mib} MiB are free; {fits}")]
    Memory {
        /// Estimated peak.
        needed_mib: u64,
        /// Free now.
        available_mib: u64,
        /// What would fit.
        fits: String,
    },
    /// The tensor library failed (a GPU driver, for example).
    #[error("the compute device failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// Tokens can't be made.
    #[error("the tokenizer in {folder} can't be used: {reason}", folder = folder.display())]
    Tokenizer {
        /// Tokenizer folder.
        folder: PathBuf,
        /// Cause.
        reason: String,
    },
    /// A plan can't be used.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A group of members can't go on; the job can, in a new group, from its last checkpoint.
    #[error(transparent)]
    Group(#[from] CollectiveError),
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}
