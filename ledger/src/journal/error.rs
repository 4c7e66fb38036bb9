//! What can go wrong with a journal.

use std::path::{Path, PathBuf};

use crate::bytes::AccountId;
use crate::error::LedgerError;

/// A journal that can't be opened, read or written. What was to be written was not, wholly.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The entry can't be applied.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The file can't be made.
    #[error("can't create the journal {path}: {source}", path = path.display())]
    Create {
        /// File.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// There is a journal already.
    #[error("{path} holds a journal already; nothing was changed", path = path.display())]
    Exists {
        /// File.
        path: PathBuf,
    },
    /// There is no journal.
    #[error("there is no journal at {path}", path = path.display())]
    Missing {
        /// File.
        path: PathBuf,
    },
    /// Another kind of file.
    #[error("{path} is not a ledger's journal of a version known here: {reason}", path = path.display())]
    NotAJournal {
        /// File.
        path: PathBuf,
        /// What it is.
        reason: String,
    },
    /// The journal is another validator's.
    #[error("the journal is kept by validator {found}, the key at hand is {expected}")]
    WrongKey {
        /// Whose journal it is.
        found: AccountId,
        /// Whose key is at hand.
        expected: AccountId,
    },
    /// The journal's contents are not what was written.
    #[error("the journal is damaged at entry {sequence}: {reason}")]
    Damaged {
        /// Place.
        sequence: u64,
        /// What is wrong.
        reason: String,
    },
    /// Opened for reading.
    #[error("the journal was opened for reading only")]
    ReadOnly,
    /// Another process writes into it.
    #[error("another process has written into the journal: it is at entry {found}, this process at {expected}")]
    OtherWriter {
        /// Last entry in the file.
        found: u64,
        /// Last entry known.
        expected: u64,
    },
    /// The disk is full.
    #[error("no space is left for the journal {path}; nothing was entered", path = path.display())]
    DiskFull {
        /// File.
        path: PathBuf,
    },
    /// SQLite failed.
    #[error("can't {action} the journal {path}: {source}", path = path.display())]
    Sqlite {
        /// What was to be done.
        action: &'static str,
        /// File.
        path: PathBuf,
        /// Cause.
        source: rusqlite::Error,
    },
    /// A failure left open whether the last entry is in the file.
    #[error("it is not known whether the last entry reached the journal {path}", path = path.display())]
    Reopen {
        /// File.
        path: PathBuf,
    },
    /// A line of an export proves nothing.
    #[error("line {line} of the export: {reason}")]
    Line {
        /// Line, counted from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// An export can't be read or written.
    #[error("can't {action} the export: {source}")]
    Export {
        /// What was to be done.
        action: &'static str,
        /// Cause.
        source: std::io::Error,
    },
}

impl JournalError {
    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ledger(error) => error.code(),
            Self::Create { .. } => "journal.create",
            Self::Exists { .. } => "journal.exists",
            Self::Missing { .. } => "journal.missing",
            Self::NotAJournal { .. } => "journal.not_a_journal",
            Self::WrongKey { .. } => "journal.wrong_key",
            Self::Damaged { .. } => "journal.damaged",
            Self::ReadOnly => "journal.read_only",
            Self::OtherWriter { .. } => "journal.other_writer",
            Self::DiskFull { .. } => "journal.disk_full",
            Self::Sqlite { .. } => "journal.sqlite",
            Self::Reopen { .. } => "journal.reopen",
            Self::Line { .. } => "journal.line",
            Self::Export { .. } => "journal.export",
        }
    }

    /// What to do about it, for people.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Ledger(error) => error.next_step(),
            Self::Create { .. } => "check that the folder exists and can be written",
            Self::Exists { .. } => "open it, or choose another file",
            Self::Missing { .. } => "check the path; a validator makes its journal when it first starts",
            Self::NotAJournal { .. } => "check the path, or get a newer version of this program",
            Self::WrongKey { .. } => "use the identity that the journal was begun with",
            Self::Damaged { .. } => "stop, keep the file, and go on from the latest copy that `verify` accepts",
            Self::ReadOnly => "open it with the validator's key",
            Self::OtherWriter { .. } => "stop the other validator, then open the journal again",
            Self::DiskFull { .. } => "free some space and try again",
            Self::Sqlite { .. } => "check the disk and the file's permissions, then open the journal again",
            Self::Reopen { .. } => "open the journal again; entries can safely be entered a second time",
            Self::Line { .. } => "get the export again; if it stays, the ledger it is from can't be trusted",
            Self::Export { .. } => "check the file and the space on its disk",
        }
    }

    /// Turns SQLite's errors into ours.
    pub(super) fn sqlite<'a>(action: &'static str, path: &'a Path) -> impl Fn(rusqlite::Error) -> Self + 'a {
        move |source| match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::DiskFull { path: path.to_owned() },
            Some(rusqlite::ErrorCode::NotADatabase) => {
                Self::NotAJournal { path: path.to_owned(), reason: "it is not an SQLite file".to_owned() }
            }
            _ => Self::Sqlite { action, path: path.to_owned(), source },
        }
    }
}
