//! `api/`: the node's API: what goes over HTTP between a node and its window, command line and scripts.
//!
//! Plain serde types that compile for wasm32; with the default feature `client` also a typed client.
//! Amounts are whole micro-credits, shares are whole millionths (`_ppm`), times are milliseconds since 1970 UTC; every name carries its unit.
//!
//! | part | what |
//! |---|---|
//! | [`types`] | one file per part of the node: status, devices, jobs, money, trust, peers, models, settings, events |
//! | [`ApiError`], [`ErrorCode`] | every answer that is not a success |
//! | [`ApiToken`], [`read_token`] | what requests carry |
//! | [`JobId`], [`NodeId`], [`ModelId`], ... | identifiers with one spelling each |

mod error;
mod ids;
mod token;
pub mod types;

pub use error::{ApiError, ErrorCode, Problem};
pub use ids::{Digest, IdError, JobId, ModelId, NodeId, RequestId};
pub use token::{
    ApiToken, DEFAULT_PORT, DEFAULT_REMOTE_PORT, DEFAULT_URL, TOKEN_FILE, TokenError, TokenFileError, URL_FILE,
    read_token,
};
