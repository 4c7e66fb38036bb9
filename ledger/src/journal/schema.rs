//! Tables, and rows to receipts and back.

use rusqlite::{Connection, Row, Transaction, params};

use crate::bytes::{AccountId, Digest, EntryId, JobId, Signature};
use crate::entry::Entry;
use crate::movement::{decode_movements, encode_movements};
use crate::receipt::Receipt;
use crate::request::LedgerId;
use crate::state::content_name;

/// "INL1": marks the file as a ledger's journal.
pub(super) const APPLICATION_ID: i64 = 0x494e_4c31;
/// Version of the tables.
pub(super) const SCHEMA_VERSION: i64 = 1;

/// `short` is the beginning of the digest of the entry's contents, beside the id, so that all names are read from one index.
/// `touched` says which accounts (32 bytes) and jobs (16 bytes) an entry is about.
pub(super) const TABLES: &str = "
    CREATE TABLE entries (
        sequence INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        short BLOB NOT NULL,
        time_ms INTEGER NOT NULL,
        entry BLOB NOT NULL,
        movements BLOB NOT NULL,
        previous BLOB NOT NULL,
        hash BLOB NOT NULL,
        signature BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX entry_names ON entries (id, short, sequence);
    CREATE TABLE touched (
        what BLOB NOT NULL,
        sequence INTEGER NOT NULL,
        PRIMARY KEY (what, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE snapshots (
        sequence INTEGER PRIMARY KEY,
        hash BLOB NOT NULL,
        state BLOB NOT NULL,
        signature BLOB NOT NULL
    ) STRICT;
";

pub(super) const COLUMNS: &str = "sequence, time_ms, entry, movements, previous, hash, signature";

/// Settings of every connection that writes.
pub(super) fn prepare_writer(connection: &Connection) -> rusqlite::Result<()> {
    // Each statement answers with a row, which `execute_batch` drops.
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;")
}

/// A number that SQLite keeps as a signed one. Times and places are far below 2^63.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn insert(transaction: &Transaction<'_>, receipt: &Receipt) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO entries (sequence, id, short, time_ms, entry, movements, previous, hash, signature)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    statement.execute(params![
        signed(receipt.sequence),
        receipt.entry.id().0,
        content_name(&receipt.entry),
        signed(receipt.time_ms),
        receipt.entry.to_bytes(),
        encode_movements(&receipt.movements),
        receipt.previous.0,
        receipt.hash.0,
        receipt.signature.0,
    ])?;
    Ok(())
}

pub(super) fn touch(
    transaction: &Transaction<'_>,
    sequence: u64,
    accounts: impl IntoIterator<Item = AccountId>,
    job: Option<JobId>,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("INSERT OR IGNORE INTO touched (what, sequence) VALUES (?1, ?2)")?;
    for account in accounts {
        statement.execute(params![account.0, signed(sequence)])?;
    }
    if let Some(job) = job {
        statement.execute(params![job.0, signed(sequence)])?;
    }
    Ok(())
}

/// What a row says, if it can be read.
pub(super) struct StoredRow {
    pub(super) sequence: u64,
    pub(super) receipt: Result<Receipt, String>,
}

/// Reads the columns of [`COLUMNS`]. A row that says nothing sensible is the caller's to report, with its place.
pub(super) fn read_row(row: &Row<'_>, ledger: &LedgerId) -> rusqlite::Result<StoredRow> {
    let place: i64 = row.get(0)?;
    let sequence = u64::try_from(place).unwrap_or(u64::MAX);
    Ok(StoredRow { sequence, receipt: read_receipt(row, *ledger, sequence) })
}

fn read_receipt(row: &Row<'_>, ledger: LedgerId, sequence: u64) -> Result<Receipt, String> {
    let failed = |error: rusqlite::Error| error.to_string();
    let blob = |index: usize| row.get_ref(index).map_err(failed)?.as_blob().map_err(|error| error.to_string());
    let time: i64 = row.get(1).map_err(failed)?;
    Ok(Receipt {
        ledger,
        sequence,
        time_ms: u64::try_from(time).map_err(|_| "its time is before 1970".to_owned())?,
        entry: Entry::from_bytes(blob(2)?).map_err(|error| error.to_string())?,
        movements: decode_movements(blob(3)?).map_err(|error| error.to_string())?,
        previous: Digest(fixed(blob(4)?)?),
        hash: Digest(fixed(blob(5)?)?),
        signature: Signature(fixed(blob(6)?)?),
    })
}

/// A name and the beginning of the contents' digest.
pub(super) fn read_name(row: &Row<'_>) -> Result<(EntryId, [u8; 16]), String> {
    let blob = |index: usize| {
        let value = row.get_ref(index).map_err(|error| error.to_string())?;
        fixed(value.as_blob().map_err(|error| error.to_string())?)
    };
    Ok((EntryId(blob(0)?), blob(1)?))
}

pub(super) fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| format!("a field has {} bytes instead of {N}", bytes.len()))
}
