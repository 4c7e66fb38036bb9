//! A typed client: one method per endpoint, files, and events that survive a lost connection.

mod calls;
mod error;
mod events;
mod file;
mod http;
mod tls;

pub use error::ClientError;
pub use events::{EventStream, Update};
pub use file::FileStream;
pub use http::{Client, ClientConfig};
pub use tls::ServerTrust;
