//! The server of the node's API, over any [`Backend`].

mod backend;
mod events;

pub use backend::{Answer, Backend, Preview, StoredFile};
pub use events::{EventLog, KEPT_EVENTS, READER_EVENTS};
