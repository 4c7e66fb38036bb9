//! The file: what is to be sent, what was sent, what the chain has said. One for each chain, contract and account.

mod chain;
mod open;
mod outbox;
mod proposals;

pub use chain::{ChainEvent, EventKind};
pub use open::Store;
pub(crate) use outbox::Attempt;
pub use outbox::{Intent, IntentState};
pub(crate) use proposals::Accepted;
