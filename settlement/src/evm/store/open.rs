//! Making and opening the file.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy::primitives::Address;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::SettlementError;
use crate::evm::message::Domain;

/// "INX1": marks the file.
const APPLICATION_ID: i64 = 0x494e_5831;
const SCHEMA_VERSION: i64 = 1;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const TABLES: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE intents (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        target BLOB NOT NULL,
        calldata BLOB NOT NULL,
        state TEXT NOT NULL,
        nonce INTEGER UNIQUE,
        block INTEGER,
        hash BLOB,
        refusals INTEGER NOT NULL DEFAULT 0,
        note TEXT NOT NULL DEFAULT '',
        created_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX intents_by_state ON intents (state, id);
    CREATE TABLE attempts (
        intent INTEGER NOT NULL REFERENCES intents (id),
        hash BLOB PRIMARY KEY,
        raw BLOB NOT NULL,
        gas INTEGER NOT NULL,
        max_fee TEXT NOT NULL,
        priority TEXT NOT NULL,
        sent_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX attempts_by_intent ON attempts (intent);
    CREATE TABLE blocks (number INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT;
    CREATE TABLE events (
        block INTEGER NOT NULL,
        place INTEGER NOT NULL,
        hash BLOB NOT NULL,
        name TEXT NOT NULL,
        job BLOB,
        account BLOB,
        body TEXT NOT NULL,
        PRIMARY KEY (block, place)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX events_by_job ON events (job) WHERE job IS NOT NULL;
    CREATE INDEX events_by_account ON events (account, name) WHERE account IS NOT NULL;
    CREATE TABLE job_ids (
        id BLOB NOT NULL,
        job BLOB NOT NULL,
        block INTEGER NOT NULL,
        PRIMARY KEY (id, job)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE stakers (address BLOB PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE accepted (
        job BLOB NOT NULL,
        attempt INTEGER NOT NULL,
        miner BLOB NOT NULL,
        address BLOB NOT NULL,
        key BLOB NOT NULL,
        fee INTEGER NOT NULL,
        stake INTEGER NOT NULL,
        signature BLOB NOT NULL,
        open INTEGER NOT NULL,
        PRIMARY KEY (job, attempt, miner)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE proposals (
        digest BLOB PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        body TEXT NOT NULL,
        sent INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE signatures (
        digest BLOB NOT NULL REFERENCES proposals (digest),
        signer BLOB NOT NULL,
        signature BLOB NOT NULL,
        PRIMARY KEY (digest, signer)
    ) STRICT, WITHOUT ROWID;
";

/// A file of one chain, contract and account. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
    path: PathBuf,
}

impl Store {
    /// Opens the file, or makes it, readable by its owner only.
    ///
    /// # Errors
    /// The disk, or the file belongs to another chain, contract or account.
    pub fn open(path: impl AsRef<Path>, domain: Domain, account: Address) -> Result<Self, SettlementError> {
        let path = path.as_ref().to_owned();
        let failed = |action| {
            let path = path.clone();
            move |error: rusqlite::Error| SettlementError::Store { action, path, reason: error.to_string() }
        };
        make_private(&path)?;
        let mut connection = Connection::open(&path).map_err(failed("open"))?;
        let whose = format!("chain {} contract {} account {account}", domain.chain_id, domain.contract);
        let prepare = |connection: &mut Connection| -> rusqlite::Result<Option<String>> {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            // An intent must be on the disk, not only with the operating system, before it is sent.
            connection.execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;",
            )?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let application: i64 = transaction.pragma_query_value(None, "application_id", |row| row.get(0))?;
            let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
            let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if application == 0 && tables == 0 {
                transaction.execute_batch(TABLES)?;
                transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
                transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
                transaction.execute("INSERT INTO meta VALUES ('whose', ?1)", params![whose])?;
                transaction.commit()?;
                return Ok(None);
            }
            if application != APPLICATION_ID {
                return Ok(Some("no outbox".to_owned()));
            }
            if version != SCHEMA_VERSION {
                return Ok(Some(format!("an outbox of version {version}")));
            }
            let found: String =
                transaction.query_row("SELECT value FROM meta WHERE key = 'whose'", [], |row| row.get(0))?;
            transaction.commit()?;
            Ok((found != whose).then(|| format!("of {found}")))
        };
        if let Some(found) = prepare(&mut connection).map_err(failed("open"))? {
            return Err(SettlementError::OtherStore { path, found, expected: whose });
        }
        Ok(Self { connection: Arc::new(Mutex::new(connection)), path })
    }

    /// What the file of a chain, contract and account is called.
    pub fn file_name(domain: Domain, account: Address) -> String {
        format!("{}-{}-{account}.sqlite", domain.chain_id, domain.contract)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The right to send what is in the file, until the value is dropped or the process ends; none while another process has it.
    pub(crate) fn sending_turn(&self) -> Result<Option<File>, SettlementError> {
        let path = self.path.with_extension("lock");
        let failed = |action, error: std::io::Error| SettlementError::Store {
            action,
            path: path.clone(),
            reason: error.to_string(),
        };
        make_private(&path)?;
        let file = File::options().write(true).open(&path).map_err(|error| failed("open", error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed("lock", error)),
        }
    }

    pub(super) fn read<T>(
        &self,
        action: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, SettlementError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        query(&connection).map_err(|error| self.failed(action, &error))
    }

    /// One transaction: on the disk when this returns, or undone.
    pub(super) fn write<T>(
        &self,
        action: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, SettlementError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let result = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        });
        result.map_err(|error| self.failed(action, &error))
    }

    pub(super) fn failed(&self, action: &'static str, error: &rusqlite::Error) -> SettlementError {
        SettlementError::Store { action, path: self.path.clone(), reason: error.to_string() }
    }

    pub(crate) fn meta<T: DeserializeOwned>(&self, key: &'static str) -> Result<Option<T>, SettlementError> {
        let text: Option<String> = self.read("read", |connection| {
            connection.query_row("SELECT value FROM meta WHERE key = ?1", params![key], |row| row.get(0)).optional()
        })?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    pub(crate) fn set_meta<T: Serialize>(&self, key: &'static str, value: &T) -> Result<(), SettlementError> {
        let text = to_json(value);
        self.write("write", |transaction| {
            transaction.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", params![key, text]).map(drop)
        })
    }
}

pub(super) fn to_json<T: Serialize>(value: &T) -> String {
    // Our own types of numbers, texts and lists have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}

fn make_private(path: &Path) -> Result<(), SettlementError> {
    let failed = |action, error: std::io::Error| SettlementError::Store {
        action,
        path: path.to_owned(),
        reason: error.to_string(),
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| failed("make the folder of", error))?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map(drop).map_err(|error| failed("make", error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_one_chain_contract_and_account() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/outbox.sqlite");
        let domain = Domain { chain_id: 1, contract: Address::repeat_byte(1) };
        let account = Address::repeat_byte(2);
        Store::open(&path, domain, account).unwrap();
        Store::open(&path, domain, account).unwrap();
        let others = [
            (Domain { chain_id: 2, ..domain }, account),
            (Domain { contract: account, ..domain }, account),
            (domain, Address::repeat_byte(3)),
        ];
        for (domain, account) in others {
            assert_eq!(Store::open(&path, domain, account).unwrap_err().code(), "chain.other_store");
        }
        let (one, two) = (Store::open(&path, domain, account).unwrap(), Store::open(&path, domain, account).unwrap());
        let turn = one.sending_turn().unwrap();
        assert!(turn.is_some() && two.sending_turn().unwrap().is_none());
        drop(turn);
        assert!(two.sending_turn().unwrap().is_some());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let foreign = folder.path().join("foreign.sqlite");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE a (b)").unwrap();
        assert_eq!(Store::open(&foreign, domain, account).unwrap_err().code(), "chain.other_store");
        std::fs::write(folder.path().join("text"), "this is no database at all, whatever it is").unwrap();
        assert_eq!(Store::open(folder.path().join("text"), domain, account).unwrap_err().code(), "chain.store");
    }
}
