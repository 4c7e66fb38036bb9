//! What a node answers when it can't do what it was asked.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal;)*) => {
        /// Stable codes of errors. A code is never renamed or given another meaning; new ones may come, which an older
        /// client reads as [`ErrorCode::Other`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
            /// A code that this program does not know, from a newer node.
            #[serde(rename = "other", other)]
            Other,
        }

        impl ErrorCode {
            /// All codes that a node sends.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as it is sent.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* Self::Other => "other" }
            }

            /// The HTTP status it is sent with.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* Self::Other => 500 }
            }
        }
    };
}

codes! {
    /// The request has no token, or not this node's.
    Unauthorized = "unauthorized", 401;
    /// The `Host` header names none of this node's addresses.
    HostRefused = "host_refused", 403;
    /// The request comes from a web page of another origin.
    OriginRefused = "origin_refused", 403;
    /// No endpoint at this path.
    NotFound = "not_found", 404;
    /// The endpoint has no such method.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The path has an identifier that can't be one.
    InvalidId = "invalid_id", 404;
    /// No job of this id is known here.
    JobNotFound = "job_not_found", 404;
    /// No model of this id is in the catalogue or on this computer.
    ModelNotFound = "model_not_found", 404;
    /// The job has no clip, or not yet.
    ClipNotFound = "clip_not_found", 404;
    /// The job has no proof, or not yet.
    ProofNotFound = "proof_not_found", 404;
    /// The job has no preview now.
    PreviewNotFound = "preview_not_found", 404;
    /// The request took longer than the server waits.
    RequestTimeout = "request_timeout", 408;
    /// The request has a body without a `Content-Length`; chunked bodies are not taken.
    LengthRequired = "length_required", 411;
    /// The body is larger than this endpoint takes.
    BodyTooLarge = "body_too_large", 413;
    /// The body is not JSON by its `Content-Type`.
    UnsupportedMediaType = "unsupported_media_type", 415;
    /// The range lies outside the file.
    RangeNotSatisfiable = "range_not_satisfiable", 416;
    /// The body is not JSON.
    MalformedJson = "malformed_json", 400;
    /// The body is JSON, but a field is missing, unknown or out of range.
    InvalidRequest = "invalid_request", 422;
    /// A parameter in the query is unknown or out of range.
    InvalidQuery = "invalid_query", 422;
    /// A setting has a value that it can't have.
    InvalidSettings = "invalid_settings", 422;
    /// The settings were changed by someone else in the meantime.
    SettingsConflict = "settings_conflict", 409;
    /// The request id was used for another request.
    RequestIdReused = "request_id_reused", 409;
    /// The balance is too small.
    InsufficientBalance = "insufficient_balance", 409;
    /// The free stake is too small.
    InsufficientStake = "insufficient_stake", 409;
    /// The deposit is below what the job needs.
    DepositTooSmall = "deposit_too_small", 409;
    /// Nothing can be claimed.
    NothingToClaim = "nothing_to_claim", 409;
    /// The unstaked amount is still in its cool-down.
    CoolDown = "cool_down", 409;
    /// The job is in a stage in which this can't be done.
    WrongStage = "wrong_stage", 409;
    /// The node does not have the role that this needs.
    RoleOff = "role_off", 409;
    /// The model is not on this computer.
    ModelNotInstalled = "model_not_installed", 409;
    /// The ledger refused the entry.
    LedgerRefused = "ledger_refused", 409;
    /// No validator can be reached.
    NoValidator = "no_validator", 503;
    /// No miner can take the job.
    NoMiner = "no_miner", 503;
    /// The worker is not running.
    WorkerUnavailable = "worker_unavailable", 503;
    /// The node does as much as it can at once.
    Busy = "busy", 503;
    /// The node is ending.
    ShuttingDown = "shutting_down", 503;
    /// No room on the disk.
    DiskFull = "disk_full", 507;
    /// A defect or a broken computer; the log has more.
    Internal = "internal", 500;
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Stable code, for programs.
    pub code: ErrorCode,
    /// What is the matter, one sentence, for people.
    pub message: String,
    /// What to do about it, one sentence.
    pub next_step: String,
    /// The field, parameter or header at fault, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl ApiError {
    /// An error.
    pub fn new(code: ErrorCode, message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self { code, message: message.into(), next_step: next_step.into(), field: None }
    }

    /// With the field at fault.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Something that is this program's or this computer's fault. The cause belongs into the log, not into the answer.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, what, "look into the node's log for the cause, and report it if it stays")
    }
}

/// Something wrong that goes on until someone does something about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Stable code of the part that reports it, such as `driver_too_old`.
    pub code: String,
    /// What is the matter, one sentence.
    pub message: String,
    /// What to do about it, one sentence.
    pub next_step: String,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_travel_by_name() {
        let names: BTreeSet<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            let json = serde_json::to_value(code).unwrap();
            assert_eq!(json, code.name());
            assert_eq!(serde_json::from_value::<ErrorCode>(json).unwrap(), *code);
            assert!((400..600).contains(&code.status()));
        }
    }

    #[test]
    fn codes_of_newer_nodes_are_read() {
        let error: ApiError = serde_json::from_str(r#"{"code":"moon_phase","message":"m","next_step":"n"}"#).unwrap();
        assert_eq!(error.code, ErrorCode::Other);
        assert_eq!(error.to_string(), "m");
    }
}
