//! Inference in a child process, so that a crash of a driver or a lack of memory never takes the node down.
//!
//! | module | what it does |
//! |---|---|
//! | `protocol` | what the node and its worker say to each other over pipes |
//! | `serve` | the worker's side: one command at a time, cancelled when the node says so or goes away |
//! | `supervisor` | the node's side: starts the worker, notices when it crashes or hangs, starts it again with back-off |
//!
//! Tensors do not go through the pipes: the worker writes a run's record into the job's folder. Keys stay with the node.

mod backoff;
mod protocol;
mod serve;
mod supervisor;

pub use backoff::Backoff;
pub use protocol::{
    AuditCommand, Audited, Command, Failure, MAX_MESSAGE_BYTES, News, Preview, ProtocolError, Ran, Report, RunCommand,
    Stage, read, write,
};
pub use serve::{Reporter, Runner, serve};
pub use supervisor::{Supervisor, WorkerConfig, WorkerError, WorkerState};
