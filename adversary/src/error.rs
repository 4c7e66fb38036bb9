//! Why an attack can't be made. An attack that is caught is no error.

use std::path::PathBuf;

use infernet_engine::{EngineError, video};
use infernet_network::inference::{CalibrationError, RunError};
use infernet_network::proof::{EvidenceError, JobError, WrongKey};

/// An attack can't be made.
#[derive(Debug, thiserror::Error)]
pub enum AttackError {
    /// The attack has no meaning for this job.
    #[error("`{attack}` does not apply to this job: {reason}")]
    NotApplicable {
        /// Name of the attack.
        attack: &'static str,
        /// What the job would have to be.
        reason: &'static str,
    },
    /// The attack is measured in bounds, and none were given.
    #[error("`{attack}` steers within the validator's bounds, and there are none here; give the setting its bounds")]
    NoBounds {
        /// Name of the attack.
        attack: &'static str,
    },
    /// The old run that was given is not of a job of this size.
    #[error(
        "the old run has {found}, this job needs {expected}; give a run of the same size, or none so that one is made"
    )]
    OldRun {
        /// What it has.
        found: String,
        /// What would do.
        expected: String,
    },
    /// A model folder has no weights that can be changed.
    #[error("{file} can't be changed: {reason}; use a model saved as safetensors", file = file.display())]
    Weights {
        /// File or folder.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A UNet can't be made smaller.
    #[error("{file}: `{field}` is {found}, and half a model needs {expected}; leave out the smaller model", file = file.display())]
    Shrink {
        /// The configuration.
        file: PathBuf,
        /// Its field.
        field: &'static str,
        /// What it says.
        found: String,
        /// What would do.
        expected: String,
    },
    /// A file can't be read or written.
    #[error("can't {action} {path}: {source}", path = path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The job can't be run by anyone.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Nothing can be committed or opened.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// Errors can't be measured.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// A clip can't be encoded.
    #[error("the clip can't be encoded: {0}")]
    Video(#[from] video::Error),
    /// A statement was signed with another party's key.
    #[error(transparent)]
    Key(#[from] WrongKey),
}

impl AttackError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotApplicable { .. } => "adversary.not_applicable",
            Self::NoBounds { .. } => "adversary.no_bounds",
            Self::OldRun { .. } => "adversary.old_run",
            Self::Weights { .. } => "adversary.weights",
            Self::Shrink { .. } => "adversary.shrink",
            Self::Io { .. } => "adversary.io",
            Self::Engine(_) => "adversary.engine",
            Self::Run(_) => "adversary.run",
            Self::Job(error) => error.code(),
            Self::Evidence(error) => error.code(),
            Self::Calibration(_) => "adversary.calibration",
            Self::Video(_) => "adversary.video",
            Self::Key(_) => "adversary.key",
        }
    }

    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
