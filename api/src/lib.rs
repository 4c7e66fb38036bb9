//! `api/`: the node's API: what goes over HTTP between a node and its window, command line and scripts.
//!
//! Plain serde types that compile for wasm32; with the default feature `client` also a typed client.
//! Amounts are whole micro-credits, shares are whole millionths (`_ppm`), times are milliseconds since 1970 UTC; every name carries its unit.
//!
//! | part | what |
//! |---|---|
//! | [`types`] | one file per part of the node: status, devices, jobs, money, trust, peers, models, settings, events |
//! | `client` | a typed client with reconnecting events, for tokio |
//! | [`ApiError`], [`ErrorCode`] | every answer that is not a success |
//! | [`openapi`] | the description that is served and checked in as `docs/openapi.json` |
//! | [`ApiToken`], [`read_token`] | what requests carry |
//! | [`JobId`], [`NodeId`], [`ModelId`], ... | identifiers with one spelling each |

#[cfg(feature = "client")]
pub mod client;
mod error;
mod ids;
pub mod openapi;
mod token;
pub mod types;

pub use error::{ApiError, ErrorCode, Problem};
pub use ids::{Digest, IdError, JobId, ModelId, NodeId, RequestId};
pub use token::{
    ApiToken, DEFAULT_PORT, DEFAULT_REMOTE_PORT, DEFAULT_URL, TOKEN_FILE, TokenError, TokenFileError, URL_FILE,
    read_token,
};
