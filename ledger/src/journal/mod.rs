//! The journal: the ledger's entries in one SQLite file, chained by hashes, signed one by one.
//!
//! The file is the truth and the state in memory follows from it. An entry is written in one transaction, which is on the disk
//! before anyone hears of it (`WAL`, `synchronous = FULL`): a crash at any moment leaves all of it or nothing.

mod append;
mod error;
mod export;
mod open;
mod query;
mod replay;
mod schema;

pub use append::Appended;
pub use error::JournalError;
pub use export::verify_export;
pub use open::Journal;
pub use replay::Verified;
