//! The state machine: what the entries make of the accounts and jobs.
//!
//! An entry works on a draft: copies of the account and job records it touches. Only when the whole entry fits is the
//! draft put in place of the records, so that a refused entry leaves nothing behind.

mod account;
mod assign;
mod codec;
mod draft;
mod job;
mod ledger;
mod outcome;
mod settle;

pub use job::{Attempt, Job, JobStatus, MinerPart, MinerStage};
pub use ledger::{Applied, Ledger, Totals};
pub(crate) use ledger::{Undo, content_name};

/// The last millisecond of the year 9999: no time in the ledger is later.
pub const MAX_TIME_MS: u64 = 253_402_300_799_999;
