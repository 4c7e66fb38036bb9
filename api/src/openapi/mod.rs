//! The API's description: OpenAPI 3.1, from the same types that are sent.

mod endpoint;
mod endpoints;

pub use endpoints::document;
