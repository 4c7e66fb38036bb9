//! Refusals of validator, ledger and disk as errors of the API.

use infernet_api::{ApiError, ErrorCode, JobId};
use infernet_network::swarm::RequestError;

use crate::chain::ChainError;
use crate::node::MoneyError;
use crate::requester::OrderError;

/// What the validator said, or why it said nothing.
pub(super) fn request(error: &RequestError) -> ApiError {
    match error {
        RequestError::Refused(refusal) => refused(&refusal.code, &refusal.message),
        RequestError::Remote(refusal) => {
            ApiError::new(ErrorCode::Busy, refusal.message.clone(), "wait a moment and ask again")
        }
        RequestError::Overloaded => ApiError::new(ErrorCode::Busy, error.to_string(), "wait a moment and ask again"),
        other => no_validator(&other.to_string()),
    }
}

pub(super) fn no_validator(reason: &str) -> ApiError {
    let message = format!("the validator can't be reached: {reason}");
    ApiError::new(ErrorCode::NoValidator, message, "look at what stands in the way: infernet doctor")
}

pub(super) fn money(error: &MoneyError) -> ApiError {
    match error {
        MoneyError::Request(error) => request(error),
        MoneyError::Chain(error) => chain(error),
        MoneyError::Answer(_) => ApiError::new(
            ErrorCode::NoValidator,
            error.to_string(),
            "bring this node and its validator to the same version",
        ),
    }
}

/// What the chain said, or why it said nothing.
pub(super) fn chain(error: &ChainError) -> ApiError {
    let (kind, next_step) = match error.code() {
        "chain.tokens" => (ErrorCode::InsufficientBalance, "send the account tokens, or claim what it is owed"),
        "chain.gas" => (ErrorCode::InsufficientBalance, "send the account what the chain's gas is paid with"),
        "chain.stake_too_small" => (ErrorCode::InsufficientStake, "ask for less"),
        "chain.busy" => (ErrorCode::Busy, "wait until it is over: infernet chain outbox"),
        "chain.unread" | "chain.unreachable" => {
            (ErrorCode::Busy, "wait a moment; where it stays, look at the chain's addresses: infernet chain status")
        }
        "chain.deadline" => (ErrorCode::InvalidRequest, "ask for a shorter deadline"),
        _ => (ErrorCode::LedgerRefused, "look at what was sent: infernet chain outbox"),
    };
    ApiError::new(kind, format!("{error} ({})", error.code()), next_step)
}

/// A refusal by its stable code.
pub(super) fn refused(code: &str, message: &str) -> ApiError {
    let (kind, next_step) = match code {
        "ledger.insufficient" => (ErrorCode::InsufficientBalance, "ask for less, or get more credits first"),
        "ledger.nothing_to_claim" => (ErrorCode::NothingToClaim, "earn something first"),
        "ledger.nothing_to_withdraw" => (ErrorCode::CoolDown, "wait until it is due: infernet stake shows when"),
        "job.unknown" => (ErrorCode::JobNotFound, "look at the list of jobs for its id"),
        "model.unknown" | "model.bounds" => (ErrorCode::ModelNotFound, "ask for a model that the validator can judge"),
        "validator.full" => (ErrorCode::Busy, "wait until some jobs are done and send it again"),
        "validator.disk" => (ErrorCode::Busy, "send it again later"),
        "chain.tokens" | "chain.gas" => (ErrorCode::InsufficientBalance, "send the account what is missing"),
        "chain.unread" | "chain.unreachable" => (ErrorCode::Busy, "wait a moment and send it again"),
        code if code.starts_with("job.") || code == "chain.deadline" || code.starts_with("deposit.") => {
            (ErrorCode::InvalidRequest, "change the order and send it again")
        }
        _ => (ErrorCode::LedgerRefused, "load the account again and repeat the request"),
    };
    ApiError::new(kind, format!("{message} ({code})"), next_step)
}

pub(super) fn order(error: &OrderError) -> ApiError {
    match error {
        OrderError::Model(_) => {
            let next_step = "download it first: infernet model download";
            ApiError::new(ErrorCode::ModelNotInstalled, error.to_string(), next_step).at("model")
        }
        OrderError::Job(message) => {
            ApiError::new(ErrorCode::InvalidRequest, message.clone(), "change the order and send it again")
        }
        OrderError::Disk(error) => disk("the order can't be kept", error),
        OrderError::Random(_) => ApiError::internal(error.to_string()),
        OrderError::Refused { code, message } => refused(code, message),
        OrderError::Unreachable(reason) => no_validator(reason),
    }
}

pub(super) fn disk(what: &str, error: &std::io::Error) -> ApiError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return ApiError::new(ErrorCode::DiskFull, what.to_owned(), "make room on the disk of the node's folder");
    }
    tracing::error!("{what}: {error}");
    ApiError::internal(what)
}

pub(super) fn no_job(id: JobId) -> ApiError {
    let message = format!("no job {id} is known on this node");
    ApiError::new(ErrorCode::JobNotFound, message, "look at the list of jobs for its id: infernet jobs")
}

pub(super) fn role_off(role: &str) -> ApiError {
    let message = format!("this node is no {role}");
    ApiError::new(ErrorCode::RoleOff, message, format!("start it with that role: infernet node --roles {role},..."))
}

/// A task of this node that ended before its answer.
pub(super) fn broken(error: &dyn std::fmt::Display) -> ApiError {
    tracing::error!("a task of the API broke off: {error}");
    ApiError::internal("the request broke off")
}
