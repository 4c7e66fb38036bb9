//! Questions to the file: receipts by place, account, job or name, and whether all of it holds.

use std::ops::Range;
use std::path::Path;

use rusqlite::{Connection, Params, params};

use crate::bytes::{AccountId, EntryId, JobId};
use crate::receipt::Receipt;
use crate::request::LedgerId;

use super::error::JournalError;
use super::open::{Journal, damaged, ledger_id, names};
use super::replay::{Replay, Verified};
use super::schema::{self, COLUMNS, signed};

/// Most receipts of one answer.
const MAX_ANSWER: usize = 10_000;

impl Journal {
    /// Entries about an account: those that changed it, and everything about jobs it pays for. By rising place within the range,
    /// `limit` at most (and 10,000); ask again from behind the last one for more.
    ///
    /// # Errors
    /// The file can't be read, or is damaged.
    pub fn history(
        &self,
        account: &AccountId,
        sequences: Range<u64>,
        limit: usize,
    ) -> Result<Vec<Receipt>, JournalError> {
        self.touching(&account.0, sequences, limit)
    }

    /// Entries about a job, as [`history`](Self::history) gives those of an account.
    ///
    /// # Errors
    /// The file can't be read, or is damaged.
    pub fn job_history(&self, job: &JobId) -> Result<Vec<Receipt>, JournalError> {
        self.touching(&job.0, 0..u64::MAX, MAX_ANSWER)
    }

    /// All entries of a range, `limit` at most (and 10,000).
    ///
    /// # Errors
    /// The file can't be read, or is damaged.
    pub fn receipts(&self, sequences: Range<u64>, limit: usize) -> Result<Vec<Receipt>, JournalError> {
        let query =
            format!("SELECT {COLUMNS} FROM entries WHERE sequence >= ?1 AND sequence < ?2 ORDER BY sequence LIMIT ?3");
        let parameters = params![signed(sequences.start), signed(sequences.end), signed(limit.min(MAX_ANSWER) as u64)];
        select(&self.connection, &self.path, self.ledger.id(), &query, parameters)
    }

    /// The entry of this name.
    ///
    /// # Errors
    /// The file can't be read, or is damaged.
    pub fn receipt_of(&self, id: &EntryId) -> Result<Option<Receipt>, JournalError> {
        receipt_of(&self.connection, &self.path, self.ledger.id(), id)
    }

    fn touching(&self, what: &[u8], sequences: Range<u64>, limit: usize) -> Result<Vec<Receipt>, JournalError> {
        let query = format!(
            "SELECT {COLUMNS} FROM entries WHERE sequence IN (
                 SELECT sequence FROM touched WHERE what = ?1 AND sequence >= ?2 AND sequence < ?3
                 ORDER BY sequence LIMIT ?4
             ) ORDER BY sequence"
        );
        let limit = signed(limit.min(MAX_ANSWER) as u64);
        let parameters = params![what, signed(sequences.start), signed(sequences.end), limit];
        select(&self.connection, &self.path, self.ledger.id(), &query, parameters)
    }

    /// Checks all of it: the file, every place, hash and signature, every entry applied again from the first one, the amounts
    /// each moved, the sum of all credits, and that the state in memory is what comes out.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self) -> Result<Verified, JournalError> {
        let failed = JournalError::sqlite("read", &self.path);
        let report: String =
            self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(&failed)?;
        if report != "ok" {
            return Err(damaged(0, &format!("SQLite finds: {report}")));
        }
        let ledger = ledger_id(&self.connection, &self.path)?;
        let query = format!("SELECT {COLUMNS} FROM entries WHERE sequence <= ?1 ORDER BY sequence");
        let mut statement = self.connection.prepare(&query).map_err(&failed)?;
        let mut rows = statement.query([signed(self.head.sequence)]).map_err(&failed)?;
        let mut replay: Option<Replay> = None;
        while let Some(row) = rows.next().map_err(&failed)? {
            let row = schema::read_row(row, &ledger).map_err(&failed)?;
            let wrong = |reason: String| damaged(row.sequence, &reason);
            let receipt = row.receipt.map_err(wrong)?;
            receipt.verify(&ledger.validator).map_err(|error| wrong(error.to_string()))?;
            match &mut replay {
                Some(replay) => replay.step(&receipt).map_err(wrong)?,
                None => replay = Some(Replay::begin(&receipt, &ledger.validator).map_err(wrong)?),
            }
        }
        let replay = replay.ok_or_else(|| damaged(0, "it is missing"))?;
        let last = replay.head.sequence;
        if replay.head != self.head {
            return Err(damaged(last, &format!("it is the last one in the file, expected {}", self.head.sequence)));
        }
        if names(&self.connection, &self.path, last)? != *replay.ledger.names() {
            return Err(damaged(last, "the names of entries in the file are not those of its entries"));
        }
        let verified = replay.finish().map_err(|reason| damaged(last, &reason))?;
        if verified.state != self.ledger.digest() {
            return Err(damaged(last, "the entries lead to another state than the one in memory"));
        }
        Ok(verified)
    }
}

pub(super) fn receipt_of(
    connection: &Connection,
    path: &Path,
    ledger: &LedgerId,
    id: &EntryId,
) -> Result<Option<Receipt>, JournalError> {
    let query = format!("SELECT {COLUMNS} FROM entries WHERE id = ?1");
    Ok(select(connection, path, ledger, &query, params![id.0])?.pop())
}

fn select(
    connection: &Connection,
    path: &Path,
    ledger: &LedgerId,
    query: &str,
    parameters: impl Params,
) -> Result<Vec<Receipt>, JournalError> {
    let failed = JournalError::sqlite("read", path);
    let mut statement = connection.prepare_cached(query).map_err(&failed)?;
    let rows = statement.query_map(parameters, |row| schema::read_row(row, ledger)).map_err(&failed)?;
    let mut receipts = Vec::new();
    for row in rows {
        let row = row.map_err(&failed)?;
        receipts.push(row.receipt.map_err(|reason| damaged(row.sequence, &reason))?);
    }
    Ok(receipts)
}
