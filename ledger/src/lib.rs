//! `ledger/`: accounts, stake, escrow, trust and settlement of a private swarm, kept by its validator.
//!
//! A pure state machine ([`Ledger`]: entries and times in, movements of credits out, no clock, no I/O) and its [`Journal`]: an
//! SQLite file in which every entry is chained to the one before and signed. Formats are in `docs/LEDGER.md`.
//!
//! | module | what it is |
//! |---|---|
//! | [`entry`] | everything that may happen, one enum; an entry's name follows from what it is about, so nothing is entered twice |
//! | [`request`] | what holders of accounts and requesters sign, so that a validator can't make it up |
//! | [`state`] | the state machine: accounts, jobs, attempts |
//! | [`movement`] | double entry: what goes from which pocket to which |
//! | [`parameters`] | the rules as integers, and the stake a job needs |
//! | [`trust`] | trust and quality of miners, consensus over several validators |
//! | [`receipt`] | one signed link of the chain, checked without the journal |
//! | [`journal`] | the file: append, open, verify, history, export |
//!
//! What always holds: the sum of all balances, stakes, earnings and escrows and of what was burned is what was issued; an entry
//! is applied wholly or not at all, and once; no float touches an amount; the same entries at the same times give the same
//! state; bad bytes give a typed error.
//!
//! ```
//! use infernet_ledger::{AccountId, AccountRequest, Action, Entry, Issue, JobId, Journal, LedgerParameters, SigningKey};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let (validator, holder) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
//! let network = infernet_ledger::Digest([7; 32]);
//! let mut journal =
//!     Journal::create(folder.path().join("ledger.sqlite"), &validator, network, LedgerParameters::default(), 1_000)?;
//! let to = AccountId::from(&holder);
//! let issue = Issue { reference: JobId([1; 16]), to, amount_microcredits: 500 };
//! journal.append(&Entry::Issue(issue), 2_000)?;
//! let request = AccountRequest::sign(journal.ledger().id(), 0, Action::Stake { amount_microcredits: 200 }, &holder);
//! let appended = journal.append(&Entry::Request(request), 3_000)?;
//! appended.receipt.verify(&AccountId::from(&validator))?;
//! assert_eq!(journal.ledger().account(&to).map(|account| account.stake.free), Some(200));
//! assert!(journal.verify()?.totals.conserved());
//! # Ok(())
//! # }
//! ```

mod account;
mod bytes;
mod cbor;
pub mod entry;
mod error;
pub mod journal;
pub mod movement;
pub mod parameters;
pub mod receipt;
pub mod request;
mod stake;
pub mod state;
pub mod trust;

pub use account::{Account, Lock, Stake, Standing, Unstaking};
pub use bytes::{AccountId, Digest, EntryId, HexError, JobId, Signature};
pub use cbor::DecodeError;
pub use ed25519_dalek::SigningKey;
pub use entry::{
    Assign, Assignment, Audited, CheckName, Committed, Entry, Genesis, Issue, Outcome, ProofKind, Refund, RefundReason,
    Release, ReleaseReason, Settle, Slash,
};
pub use error::LedgerError;
pub use journal::{Appended, Journal, JournalError, Verified, verify_export};
pub use movement::{Movement, Pocket};
pub use parameters::LedgerParameters;
pub use receipt::{Receipt, ReceiptError};
pub use request::{AccountRequest, Action, JobOrder, LedgerId};
pub use state::{Applied, Attempt, Job, JobStatus, Ledger, MinerPart, MinerStage, Totals};
