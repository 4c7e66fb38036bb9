//! The server of the node's API, over any [`Backend`].
//!
//! Programs of this computer connect to a loopback address over HTTP/1.1; other computers, when the owner switched that
//! on, to a second listener with TLS. Every request carries the token of a file that only the owner may read, and names one of
//! this node's own hosts; pages in browsers are refused.

mod answer;
mod backend;
mod config;
mod error;
mod events;
mod extract;
mod file;
mod gate;
mod guard;
mod handlers;
mod measures;
mod metrics;
mod range;
mod refusals;
mod routes;
mod secret;
mod server;
mod stream;
mod tls;

pub use backend::{Answer, Backend, Preview, StoredFile};
pub use config::{HttpConfig, Limits, RemoteConfig};
pub use error::HttpError;
pub use events::{EventLog, KEPT_EVENTS, READER_EVENTS};
pub use measures::Measure;
pub use secret::{announce_url, load_or_create_token};
pub use server::{HttpServer, serve};
pub use tls::{CERTIFICATE_FILE, KEY_FILE, TlsIdentity};
