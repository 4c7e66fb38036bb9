//! What the node logs, for its owner.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Most lines that a node keeps in memory, and that one answer has.
pub const MAX_LOG_LINES: usize = 2000;

/// Which lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogFilter {
    /// Only those after the line with this number; all that are kept without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// Lines, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLines {
    /// The lines; older ones are forgotten.
    pub lines: Vec<LogLine>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// Counted from 1 since the node started.
    pub number: u64,
    /// When.
    pub time_unix_ms: u64,
    /// How grave.
    pub level: LogLevel,
    /// The module that says it, such as `infernet_node::miner::bench`.
    pub target: String,
    /// What it says, with its fields as `name=value`.
    pub text: String,
}

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Something does not work.
    Error,
    /// Something may not work.
    Warn,
    /// Something happened.
    Info,
    /// For those who look for a fault.
    Debug,
}

impl LogLevel {
    /// A word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}
