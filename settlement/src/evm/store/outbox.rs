//! What is to be sent and what was sent.

use alloy::primitives::{Address, B256, Bytes};
use alloy::sol_types::SolCall as _;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;

use super::open::Store;
use crate::error::SettlementError;
use crate::evm::abi::InfernetSettlement::depositCall;

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentState {
    /// To be sent; has no nonce yet.
    Queued,
    /// Signed with a nonce, and sent or about to be.
    Sent,
    /// In a block that may still be replaced.
    Mined,
    /// In a block that counts: it had its effect.
    Done,
    /// In a block that counts, without effect.
    Reverted,
    /// Never sent: the chain refused it beforehand.
    Failed,
}

impl IntentState {
    fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Mined => "mined",
            Self::Done => "done",
            Self::Reverted => "reverted",
            Self::Failed => "failed",
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "queued" => Self::Queued,
            "sent" => Self::Sent,
            "mined" => Self::Mined,
            "done" => Self::Done,
            "reverted" => Self::Reverted,
            _ => Self::Failed,
        }
    }

    /// Whether nothing more will happen to it by itself.
    pub fn over(self) -> bool {
        matches!(self, Self::Done | Self::Reverted | Self::Failed)
    }
}

/// One transaction that shall have its effect once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Intent {
    /// Order in which they are sent.
    pub id: i64,
    /// Name, given by the caller; the same name is the same transaction.
    pub name: String,
    /// Called contract.
    pub target: Address,
    /// Call.
    #[serde(skip)]
    pub calldata: Bytes,
    /// How far it is.
    pub state: IntentState,
    /// Nonce of the account.
    pub nonce: Option<u64>,
    /// Block that it is in.
    pub block: Option<u64>,
    /// The transaction that was mined.
    pub hash: Option<B256>,
    /// How often the chain refused it beforehand.
    pub refusals: u32,
    /// What there is to say about it.
    pub note: String,
}

impl Intent {
    /// What a deposit pays, in micro-credits; none of other calls.
    pub fn deposit_amount(&self) -> Option<u64> {
        depositCall::abi_decode(&self.calldata).ok().map(|call| call.amount)
    }
}

/// A signed form of an intent. All of one intent have the same nonce, so that at most one of them is ever mined.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub hash: B256,
    pub raw: Bytes,
    pub gas: u64,
    pub max_fee: u128,
    pub priority: u128,
    pub sent_ms: u64,
}

const COLUMNS: &str = "id, name, target, calldata, state, nonce, block, hash, refusals, note";

pub(super) fn signed(value: u64) -> i64 {
    // Nonces, blocks and times are far below 2^63; amounts are checked where they come in.
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn address(bytes: &[u8]) -> Address {
    if bytes.len() == 20 { Address::from_slice(bytes) } else { Address::ZERO }
}

pub(super) fn digest(bytes: &[u8]) -> B256 {
    if bytes.len() == 32 { B256::from_slice(bytes) } else { B256::ZERO }
}

fn intent(row: &Row<'_>) -> rusqlite::Result<Intent> {
    Ok(Intent {
        id: row.get(0)?,
        name: row.get(1)?,
        target: address(&row.get::<_, Vec<u8>>(2)?),
        calldata: row.get::<_, Vec<u8>>(3)?.into(),
        state: IntentState::of(&row.get::<_, String>(4)?),
        nonce: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
        block: row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned),
        hash: row.get::<_, Option<Vec<u8>>>(7)?.map(|bytes| digest(&bytes)),
        refusals: row.get(8)?,
        note: row.get(9)?,
    })
}

/// Adds calls, in order, or none of them. A call whose name is there with the same contents is left as it is, so that a caller
/// that does not know whether it had asked before a crash asks again; one that failed without being sent is tried again.
pub(super) fn enqueue(
    transaction: &Transaction<'_>,
    calls: &[(String, Address, Vec<u8>)],
    now_ms: u64,
) -> rusqlite::Result<Result<(), String>> {
    for (name, target, calldata) in calls {
        let known = transaction
            .query_row(&format!("SELECT {COLUMNS} FROM intents WHERE name = ?1"), params![name], intent)
            .optional()?;
        match known {
            // It never had a nonce: nothing of it is out, and the name is free.
            Some(known) if known.state == IntentState::Failed => {
                transaction.execute(
                    "UPDATE intents SET state = 'queued', refusals = 0, note = '', target = ?2, calldata = ?3 WHERE id = ?1",
                    params![known.id, target.as_slice(), calldata],
                )?;
            }
            Some(known) if known.target != *target || known.calldata.as_ref() != calldata.as_slice() => {
                return Ok(Err(name.clone()));
            }
            Some(_) => {}
            None => {
                transaction.execute(
                    "INSERT INTO intents (name, target, calldata, state, created_ms) VALUES (?1, ?2, ?3, 'queued', ?4)",
                    params![name, target.as_slice(), calldata, signed(now_ms)],
                )?;
            }
        }
    }
    Ok(Ok(()))
}

impl Store {
    /// Adds calls, in order, or none of them; see the module's `enqueue`.
    pub(crate) fn enqueue(&self, calls: &[(String, Address, Vec<u8>)], now_ms: u64) -> Result<(), SettlementError> {
        let conflict = |intent| SettlementError::Conflict { intent };
        self.write("queue transactions in", |transaction| enqueue(transaction, calls, now_ms))?.map_err(conflict)
    }

    /// One intent.
    ///
    /// # Errors
    /// The disk.
    pub fn intent(&self, name: &str) -> Result<Option<Intent>, SettlementError> {
        self.read("read", |connection| {
            connection
                .query_row(&format!("SELECT {COLUMNS} FROM intents WHERE name = ?1"), params![name], intent)
                .optional()
        })
    }

    /// The latest intents, newest first.
    ///
    /// # Errors
    /// The disk.
    pub fn intents(&self, most: u32) -> Result<Vec<Intent>, SettlementError> {
        self.read("read", |connection| {
            let mut statement =
                connection.prepare(&format!("SELECT {COLUMNS} FROM intents ORDER BY id DESC LIMIT ?1"))?;
            statement.query_map(params![most], intent)?.collect()
        })
    }

    /// Intents whose name begins with this, oldest first.
    ///
    /// # Errors
    /// The disk.
    pub fn intents_named(&self, beginning: &str) -> Result<Vec<Intent>, SettlementError> {
        self.read("read", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM intents WHERE substr(name, 1, length(?1)) = ?1 ORDER BY id"
            ))?;
            statement.query_map(params![beginning], intent)?.collect()
        })
    }

    /// Intents that are not over, oldest first.
    ///
    /// # Errors
    /// The disk.
    pub fn open_intents(&self) -> Result<Vec<Intent>, SettlementError> {
        self.read("read", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM intents WHERE state IN ('queued', 'sent', 'mined') ORDER BY id"
            ))?;
            statement.query_map([], intent)?.collect()
        })
    }

    pub(crate) fn in_state(&self, state: IntentState, most: u32) -> Result<Vec<Intent>, SettlementError> {
        self.read("read", |connection| {
            let mut statement = connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM intents WHERE state = ?1 ORDER BY id LIMIT ?2"))?;
            statement.query_map(params![state.name(), most], intent)?.collect()
        })
    }

    pub(crate) fn attempts(&self, intent: i64) -> Result<Vec<Attempt>, SettlementError> {
        self.read("read", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT hash, raw, gas, max_fee, priority, sent_ms FROM attempts WHERE intent = ?1 ORDER BY rowid",
            )?;
            let attempt = |row: &Row<'_>| {
                Ok(Attempt {
                    hash: digest(&row.get::<_, Vec<u8>>(0)?),
                    raw: row.get::<_, Vec<u8>>(1)?.into(),
                    gas: row.get::<_, i64>(2)?.cast_unsigned(),
                    max_fee: row.get::<_, String>(3)?.parse().unwrap_or_default(),
                    priority: row.get::<_, String>(4)?.parse().unwrap_or_default(),
                    sent_ms: row.get::<_, i64>(5)?.cast_unsigned(),
                })
            };
            statement.query_map(params![intent], attempt)?.collect()
        })
    }

    /// The nonce after all that are in use here.
    pub(crate) fn next_nonce(&self) -> Result<u64, SettlementError> {
        let last: Option<i64> = self
            .read("read", |connection| connection.query_row("SELECT max(nonce) FROM intents", [], |row| row.get(0)))?;
        Ok(last.map_or(0, |last| last.cast_unsigned() + 1))
    }

    /// Keeps a signed transaction, with its nonce: only then may it be sent. False, and nothing kept, where the intent has another
    /// nonce by now: then this one must never leave.
    pub(crate) fn record(&self, intent: i64, nonce: u64, attempt: &Attempt) -> Result<bool, SettlementError> {
        self.write("keep a signed transaction in", |transaction| {
            let changed = transaction.execute(
                "UPDATE intents SET state = 'sent', nonce = ?2, note = '' WHERE id = ?1 AND (nonce IS NULL OR nonce = ?2)",
                params![intent, signed(nonce)],
            )?;
            if changed == 0 {
                return Ok(false);
            }
            transaction.execute(
                "INSERT OR IGNORE INTO attempts (intent, hash, raw, gas, max_fee, priority, sent_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    intent,
                    attempt.hash.as_slice(),
                    attempt.raw.as_ref(),
                    signed(attempt.gas),
                    attempt.max_fee.to_string(),
                    attempt.priority.to_string(),
                    signed(attempt.sent_ms),
                ],
            )?;
            Ok(true)
        })
    }

    pub(crate) fn set_state(
        &self,
        intent: i64,
        state: IntentState,
        mined: Option<(u64, B256)>,
        note: &str,
    ) -> Result<(), SettlementError> {
        self.write("note a transaction's state in", |transaction| {
            transaction.execute(
                "UPDATE intents SET state = ?2, block = ?3, hash = ?4, note = ?5 WHERE id = ?1",
                params![
                    intent,
                    state.name(),
                    mined.map(|(block, _)| signed(block)),
                    mined.map(|(_, hash)| hash.to_vec()),
                    note
                ],
            )?;
            Ok(())
        })
    }

    pub(crate) fn set_note(&self, intent: i64, note: &str, refused: bool) -> Result<(), SettlementError> {
        self.write("note a transaction's state in", |transaction| {
            transaction.execute(
                "UPDATE intents SET note = ?2, refusals = refusals + ?3 WHERE id = ?1",
                params![intent, note, refused],
            )?;
            Ok(())
        })
    }

    /// Transactions that were over and whose nonce the chain says is free: they are followed again. An endpoint that is behind says
    /// so, too; then their receipts are found again.
    pub(crate) fn reopen(&self, used: u64) -> Result<usize, SettlementError> {
        self.write("follow transactions again in", |transaction| {
            transaction.execute(
                "UPDATE intents SET state = 'sent', block = NULL, hash = NULL, note = 'its block was replaced'
                 WHERE state IN ('done', 'reverted') AND nonce >= ?1",
                params![signed(used)],
            )
        })
    }

    /// Another transaction has used the nonce for good: none of the intent's own can be mined any more, and it is sent anew.
    pub(crate) fn displaced(&self, intent: i64) -> Result<(), SettlementError> {
        self.write("queue a transaction again in", |transaction| {
            transaction.execute("DELETE FROM attempts WHERE intent = ?1", params![intent])?;
            transaction.execute(
                "UPDATE intents SET state = 'queued', nonce = NULL, block = NULL, hash = NULL,
                 note = 'its nonce was used by another transaction of this account' WHERE id = ?1",
                params![intent],
            )?;
            Ok(())
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::evm::message::Domain;

    #[test]
    fn a_name_is_one_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let domain = Domain { chain_id: 1, contract: Address::repeat_byte(1) };
        let store = Store::open(folder.path().join("o"), domain, Address::ZERO).unwrap();
        let call = |name: &str, data: u8| (name.to_owned(), Address::ZERO, vec![data]);
        store.enqueue(&[call("a", 1), call("b", 2)], 0).unwrap();
        store.enqueue(&[call("a", 1)], 5).unwrap();
        assert_eq!(store.intents(9).unwrap().len(), 2);
        // The second is in conflict, so the third is not there either.
        let error = store.enqueue(&[call("c", 3), call("a", 9)], 5).unwrap_err();
        assert_eq!(error.code(), "chain.conflict");
        let first = store.intent("a").unwrap().unwrap();
        store.set_state(first.id, IntentState::Failed, None, "no").unwrap();
        store.enqueue(&[call("a", 7)], 6).unwrap();
        let again = store.intent("a").unwrap().unwrap();
        assert_eq!((again.state, again.calldata.as_ref()), (IntentState::Queued, &[7][..]));
        store.set_state(first.id, IntentState::Failed, None, "no").unwrap();
        store.enqueue(&[call("a", 1)], 6).unwrap();
        let attempt =
            Attempt { hash: B256::ZERO, raw: Bytes::new(), gas: 1, max_fee: u128::MAX, priority: 2, sent_ms: 3 };
        assert!(store.record(first.id, 7, &attempt).unwrap());
        // Another process that has read the intent before signs for another nonce: that must never leave.
        assert!(!store.record(first.id, 8, &Attempt { hash: B256::repeat_byte(1), ..attempt.clone() }).unwrap());
        assert_eq!((store.attempts(first.id).unwrap().len(), store.next_nonce().unwrap()), (1, 8));
        assert_eq!(store.next_nonce().unwrap(), 8);
        assert_eq!(store.attempts(first.id).unwrap()[0].max_fee, u128::MAX);
        // What was sent is not queued again by asking again.
        store.enqueue(&[call("a", 1)], 6).unwrap();
        assert_eq!(store.intent("a").unwrap().unwrap().state, IntentState::Sent);
        store.displaced(first.id).unwrap();
        assert_eq!(store.next_nonce().unwrap(), 0);
    }
}
