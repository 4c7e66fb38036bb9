//! Everything that may happen, as one enum, its canonical encoding, and the name each entry has.

mod codec;
mod events;

pub use codec::MAX_ENTRY_BYTES;
pub use events::{
    Assign, Assignment, Audited, CheckName, Committed, Entry, Genesis, Issue, MAX_MINERS, Outcome, ProofKind, Refund,
    RefundReason, Release, ReleaseReason, Settle, Slash,
};
