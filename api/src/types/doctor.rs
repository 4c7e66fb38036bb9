//! `doctor`: what is in order on this computer and what is not.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is in order and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoctorReport {
    /// The checks, the most basic first.
    pub checks: Vec<DoctorCheck>,
}

impl DoctorReport {
    /// Whether nothing failed; warnings are allowed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.checks.iter().all(|check| check.outcome != DoctorOutcome::Failed)
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoctorCheck {
    /// Stable code, such as `disk_space`.
    pub code: String,
    /// What was checked, a few words.
    pub title: String,
    /// How it came out.
    pub outcome: DoctorOutcome,
    /// What was found, one sentence.
    pub found: String,
    /// What to do about it, one sentence; empty where nothing is to be done.
    pub next_step: String,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DoctorOutcome {
    /// In order.
    Ok,
    /// It works, and could be better.
    Warning,
    /// It does not work.
    Failed,
    /// Not checked: it does not apply here, or something before it failed.
    Skipped,
}
