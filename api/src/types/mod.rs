//! One file per part of the node.

pub mod device;
pub mod doctor;
pub mod event;
pub mod job;
pub mod log;
pub mod model;
pub mod money;
pub mod peer;
pub mod settings;
pub mod status;
pub mod trust;
pub mod verdict;

use crate::{ApiError, ErrorCode};
pub use job::{DEFAULT_PAGE, MAX_PAGE};

/// How much of a list to return.
pub(crate) fn page(limit: Option<u32>) -> Result<u32, ApiError> {
    let limit = limit.unwrap_or(DEFAULT_PAGE);
    if (1..=MAX_PAGE).contains(&limit) {
        return Ok(limit);
    }
    let message = format!("limit is {limit}; expected 1 to {MAX_PAGE}");
    Err(ApiError::new(ErrorCode::InvalidQuery, message, "ask for a smaller page and go on with `before`").at("limit"))
}
