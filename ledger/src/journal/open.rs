//! Making and opening a journal, and its snapshots.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};

use crate::account::sign;
use crate::bytes::{Digest, EntryId, Signature, tagged};
use crate::cbor::Writer;
use crate::entry::{Entry, Genesis};
use crate::parameters::LedgerParameters;
use crate::receipt::Receipt;
use crate::request::LedgerId;
use crate::state::Ledger;

use super::error::JournalError;
use super::replay::{Head, Replay};
use super::schema::{self, APPLICATION_ID, COLUMNS, SCHEMA_VERSION, signed};

const SNAPSHOT_TAG: &str = "infernet/ledger-snapshot/v1";
/// How long to wait for another connection that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Entries replayed at opening from which on a snapshot is made.
const SNAPSHOT_FROM: u64 = 10_000;

/// A ledger and the file it is kept in.
#[derive(Debug)]
pub struct Journal {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) ledger: Ledger,
    pub(super) head: Head,
    /// None where it is only read.
    pub(super) key: Option<SigningKey>,
    /// Set when it is not known whether the file has what the state has.
    pub(super) unsure: bool,
}

impl Journal {
    /// Begins a ledger in a new file, readable by its owner only. The validator is the holder of the key.
    ///
    /// # Errors
    /// There is a journal already (it stays as it is), the file can't be made, or the rules are out of range.
    pub fn create(
        path: impl AsRef<Path>,
        key: &SigningKey,
        network: Digest,
        parameters: LedgerParameters,
        now_ms: u64,
    ) -> Result<Self, JournalError> {
        let path = path.as_ref().to_owned();
        let genesis = Genesis { ledger: LedgerId { network, validator: key.into() }, parameters };
        let ledger = Ledger::new(genesis, now_ms)?;
        let entry = Entry::Genesis(genesis);
        let first = Receipt::sign(genesis.ledger, 0, now_ms, Digest::ZERO, entry, Vec::new(), key);
        make_private(&path)?;
        let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if application(&connection, &path)?.is_some() {
            return Err(JournalError::Exists { path });
        }
        let failed = JournalError::sqlite("begin", &path);
        schema::prepare_writer(&connection).map_err(&failed)?;
        let write = |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(schema::TABLES)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
            schema::insert(&transaction, &first)?;
            transaction.commit()
        };
        write(&mut connection).map_err(&failed)?;
        drop(failed);
        let head = Head { sequence: 0, hash: first.hash };
        Ok(Self { connection, path, ledger, head, key: Some(key.clone()), unsure: false })
    }

    /// Opens a journal and goes through it: from the newest snapshot that holds, or from the first entry. The hashes of what is
    /// gone through and the signature of the last entry are checked; [`verify`](Self::verify) checks everything.
    ///
    /// # Errors
    /// There is none, it is another validator's, or it is damaged.
    pub fn open(path: impl AsRef<Path>, key: &SigningKey) -> Result<Self, JournalError> {
        let (mut journal, replayed) = Self::load(path.as_ref(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let (expected, found) = (key.into(), journal.ledger.id().validator);
        if expected != found {
            return Err(JournalError::WrongKey { found, expected });
        }
        schema::prepare_writer(&journal.connection).map_err(JournalError::sqlite("open", &journal.path))?;
        journal.key = Some(key.clone());
        if replayed >= SNAPSHOT_FROM {
            // Only saves time at the next opening. A full disk must not keep a validator from its books.
            let _ = journal.snapshot();
        }
        Ok(journal)
    }

    /// Opens the journal, or begins it where there is none (or an empty file, left by a crash while it was being made).
    ///
    /// # Errors
    /// Those of [`open`](Self::open) and [`create`](Self::create); the journal is of another network.
    pub fn open_or_create(
        path: impl AsRef<Path>,
        key: &SigningKey,
        network: Digest,
        parameters: LedgerParameters,
        now_ms: u64,
    ) -> Result<Self, JournalError> {
        let path = path.as_ref();
        let exists = path.exists() && application(&connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?, path)?.is_some();
        if !exists {
            return Self::create(path, key, network, parameters, now_ms);
        }
        let journal = Self::open(path, key)?;
        let found = journal.ledger.id().network;
        if found != network {
            let reason = format!("it is of network {found}, expected {network}");
            return Err(JournalError::NotAJournal { path: path.to_owned(), reason });
        }
        Ok(journal)
    }

    /// Opens a journal for questions only, also while a validator writes into it. Nothing is changed.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        Self::load(path.as_ref(), OpenFlags::SQLITE_OPEN_READ_ONLY).map(|(journal, _)| journal)
    }

    /// The state that the journal leads to.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Place and hash of the last entry: what a validator announces.
    pub fn head(&self) -> (u64, Digest) {
        (self.head.sequence, self.head.hash)
    }

    /// Keeps the state beside the entries, so that the next opening needs to go through later entries only. Worth calling when a
    /// validator stops, and once a day; takes about a second for a million entries.
    ///
    /// # Errors
    /// The journal is read only, or can't be written.
    pub fn snapshot(&mut self) -> Result<(), JournalError> {
        let key = self.key.as_ref().ok_or(JournalError::ReadOnly)?;
        let state = self.ledger.snapshot();
        let signature = sign(key, &snapshot_message(self.ledger.id(), self.head, &state));
        let failed = JournalError::sqlite("write a snapshot into", &self.path);
        let write = |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute("DELETE FROM snapshots", [])?;
            transaction.execute(
                "INSERT INTO snapshots (sequence, hash, state, signature) VALUES (?1, ?2, ?3, ?4)",
                params![signed(self.head.sequence), self.head.hash.0, state, signature.0],
            )?;
            transaction.commit()
        };
        write(&mut self.connection).map_err(failed)
    }

    fn load(path: &Path, flags: OpenFlags) -> Result<(Self, u64), JournalError> {
        if !path.exists() {
            return Err(JournalError::Missing { path: path.to_owned() });
        }
        let connection = connect(path, flags)?;
        if application(&connection, path)?.is_none() {
            let reason = "the file is empty".to_owned();
            return Err(JournalError::NotAJournal { path: path.to_owned(), reason });
        }
        let (replay, replayed) = replay(&connection, path)?;
        let Replay { ledger, head } = replay;
        let path = path.to_owned();
        Ok((Self { connection, path, ledger, head, key: None, unsure: false }, replayed))
    }
}

/// Makes an empty file that only its owner can read, where there is none. SQLite gives its other files the same permissions.
fn make_private(path: &Path) -> Result<(), JournalError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|source| JournalError::Create { path: path.to_owned(), source })
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, JournalError> {
    let open = || {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    };
    open().map_err(JournalError::sqlite("open", path))
}

/// Version of the tables; none for an empty file.
///
/// # Errors
/// The file is something else.
fn application(connection: &Connection, path: &Path) -> Result<Option<i64>, JournalError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let read = || {
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((pragma("application_id")?, pragma("user_version")?, tables))
    };
    let other = |reason| JournalError::NotAJournal { path: path.to_owned(), reason };
    match read().map_err(JournalError::sqlite("read", path))? {
        (0, 0, 0) => Ok(None),
        (APPLICATION_ID, SCHEMA_VERSION, _) => Ok(Some(SCHEMA_VERSION)),
        (APPLICATION_ID, version, _) => Err(other(format!("its version is {version}, expected {SCHEMA_VERSION}"))),
        _ => Err(other("it is another program's SQLite file".to_owned())),
    }
}

/// The ledger that the first entry begins, as the file says; nothing is checked.
pub(super) fn ledger_id(connection: &Connection, path: &Path) -> Result<LedgerId, JournalError> {
    let first = connection
        .query_row("SELECT entry FROM entries WHERE sequence = 0", [], |row| row.get::<_, Vec<u8>>(0))
        .optional()
        .map_err(JournalError::sqlite("read", path))?;
    match first.map(|bytes| Entry::from_bytes(&bytes)) {
        Some(Ok(Entry::Genesis(genesis))) => Ok(genesis.ledger),
        Some(Err(error)) => Err(damaged(0, &error)),
        Some(Ok(_)) => Err(damaged(0, "it does not begin a ledger")),
        None => Err(damaged(0, "it is missing")),
    }
}

pub(super) fn damaged(sequence: u64, reason: &(impl ToString + ?Sized)) -> JournalError {
    JournalError::Damaged { sequence, reason: reason.to_string() }
}

/// Goes through the journal from the newest snapshot that holds, or from the first entry. Also gives how many entries that were.
fn replay(connection: &Connection, path: &Path) -> Result<(Replay, u64), JournalError> {
    let ledger = ledger_id(connection, path)?;
    let failed = JournalError::sqlite("read", path);
    let mut from_snapshot = snapshot_of(connection, path, &ledger)?;
    let after = from_snapshot.as_ref().map_or(-1, |replay| signed(replay.head.sequence));
    let query = format!("SELECT {COLUMNS} FROM entries WHERE sequence > ?1 ORDER BY sequence");
    let mut statement = connection.prepare(&query).map_err(&failed)?;
    let mut rows = statement.query([after]).map_err(&failed)?;
    let (mut last, mut replayed) = (None, 0);
    while let Some(row) = rows.next().map_err(&failed)? {
        let row = schema::read_row(row, &ledger).map_err(&failed)?;
        let wrong = |reason: String| damaged(row.sequence, &reason);
        let receipt = row.receipt.map_err(wrong)?;
        match &mut from_snapshot {
            Some(replay) => replay.step(&receipt).map_err(wrong)?,
            None => from_snapshot = Some(Replay::begin(&receipt, &ledger.validator).map_err(wrong)?),
        }
        replayed += 1;
        last = Some(receipt);
    }
    // Each hash covers the one before, so this signature covers all that was gone through.
    if let Some(last) = last {
        last.verify(&ledger.validator).map_err(|error| damaged(last.sequence, &error))?;
    }
    Ok((from_snapshot.ok_or_else(|| damaged(0, "it is missing"))?, replayed))
}

/// The snapshot, if there is one that the validator signed and that belongs to an entry of this journal. One that does not is
/// passed over: everything in it follows from the entries.
fn snapshot_of(connection: &Connection, path: &Path, ledger: &LedgerId) -> Result<Option<Replay>, JournalError> {
    let failed = JournalError::sqlite("read", path);
    let query = "SELECT s.sequence, s.hash, s.state, s.signature FROM snapshots s
                 JOIN entries e ON e.sequence = s.sequence AND e.hash = s.hash ORDER BY s.sequence DESC LIMIT 1";
    let found = connection.query_row(query, [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?, row.get::<_, Vec<u8>>(3)?))
    });
    let Some((sequence, hash, state, signature)) = found.optional().map_err(failed)? else { return Ok(None) };
    let fits = || {
        let head = Head { sequence: u64::try_from(sequence).ok()?, hash: Digest(schema::fixed(&hash).ok()?) };
        let signature = Signature(schema::fixed(&signature).ok()?);
        ledger.validator.signed(&snapshot_message(ledger, head, &state), &signature).then_some(head)
    };
    let Some(head) = fits() else { return Ok(None) };
    let names = names(connection, path, head.sequence)?;
    let state = Ledger::from_snapshot(&state, names).ok().filter(|state| state.entries() == head.sequence + 1);
    Ok(state.map(|ledger| Replay { ledger, head }))
}

/// Names of the entries up to a place, with the beginnings of their contents' digests.
pub(super) fn names(
    connection: &Connection,
    path: &Path,
    up_to: u64,
) -> Result<HashMap<EntryId, [u8; 16]>, JournalError> {
    let failed = JournalError::sqlite("read", path);
    let mut names = HashMap::with_capacity(usize::try_from(up_to).unwrap_or(0).min(1 << 24));
    let query = "SELECT id, short, sequence FROM entries INDEXED BY entry_names WHERE sequence <= ?1";
    let mut statement = connection.prepare(query).map_err(&failed)?;
    let mut rows = statement.query([signed(up_to)]).map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        let (id, short) = schema::read_name(row).map_err(|reason| damaged(up_to, &reason))?;
        names.insert(id, short);
    }
    Ok(names)
}

/// What the validator signs under a snapshot.
fn snapshot_message(ledger: &LedgerId, head: Head, state: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    out.array(5).bytes(ledger.network).bytes(ledger.validator).uint(head.sequence).bytes(head.hash);
    out.bytes(tagged(SNAPSHOT_TAG, state));
    [SNAPSHOT_TAG.as_bytes(), &out.finish()].concat()
}
