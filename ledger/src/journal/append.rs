//! Entering: state and file together, or neither.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::bytes::{AccountId, Digest};
use crate::entry::Entry;
use crate::error::LedgerError;
use crate::receipt::Receipt;
use crate::state::Undo;

use super::error::JournalError;
use super::open::Journal;
use super::query::receipt_of;
use super::replay::Head;
use super::schema;

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The receipt: of this entry, or of the same one that was entered before.
    pub receipt: Receipt,
    /// Whether it was entered just now.
    pub new: bool,
}

impl Journal {
    /// Enters one entry. When this returns, it is on the disk. The same entry again gives the receipt it got the first time.
    ///
    /// `now_ms` may be earlier than the last entry's time, for clocks are set back; the last entry's time is taken then.
    ///
    /// # Errors
    /// The entry can't be applied, or not be written; nothing of it was.
    pub fn append(&mut self, entry: &Entry, now_ms: u64) -> Result<Appended, JournalError> {
        let mut results = self.append_all(std::slice::from_ref(entry), now_ms)?;
        match results.pop() {
            Some(result) => Ok(result?),
            // There is a result for every entry.
            None => Err(JournalError::Reopen { path: self.path.clone() }),
        }
    }

    /// Enters many in one transaction, which costs one wait for the disk. Those that can't be applied are left out, with the
    /// reason in their place; the others are entered all or none.
    ///
    /// # Errors
    /// Nothing could be written; none was entered.
    pub fn append_all(
        &mut self,
        entries: &[Entry],
        now_ms: u64,
    ) -> Result<Vec<Result<Appended, LedgerError>>, JournalError> {
        if self.unsure {
            return Err(JournalError::Reopen { path: self.path.clone() });
        }
        let before = self.head;
        let mut undos = Vec::with_capacity(entries.len());
        let result = self.write(entries, now_ms, &mut undos);
        if result.is_err() {
            undos.into_iter().rev().for_each(|undo| self.ledger.undo(undo));
            self.head = before;
            // A commit that fails is rolled back, but a disk that fails may lie. The file knows.
            self.unsure = !matches!(last(&self.connection), Ok(head) if head == Some(before))
                && !matches!(result, Err(JournalError::OtherWriter { .. }));
        }
        result
    }

    fn write(
        &mut self,
        entries: &[Entry],
        now_ms: u64,
        undos: &mut Vec<Undo>,
    ) -> Result<Vec<Result<Appended, LedgerError>>, JournalError> {
        let Self { connection, path, ledger, head, key, .. } = self;
        let key = key.as_ref().ok_or(JournalError::ReadOnly)?;
        let failed = JournalError::sqlite("write into", path);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let found = last(&transaction).map_err(&failed)?;
        if found != Some(*head) {
            let found = found.map_or(0, |found| found.sequence);
            return Err(JournalError::OtherWriter { found, expected: head.sequence });
        }
        let mut results = Vec::with_capacity(entries.len());
        for entry in entries {
            let time_ms = now_ms.max(ledger.time_ms());
            let (movements, undo) = match ledger.apply_undoable(entry, time_ms) {
                Err(error) => {
                    results.push(Err(error));
                    continue;
                }
                Ok(None) => {
                    let receipt = receipt_of(&transaction, path, ledger.id(), &entry.id())?;
                    let reason = "it is known by its name and missing from the file".to_owned();
                    let receipt = receipt.ok_or(JournalError::Damaged { sequence: head.sequence, reason })?;
                    results.push(Ok(Appended { receipt, new: false }));
                    continue;
                }
                Ok(Some(applied)) => applied,
            };
            let sequence = head.sequence + 1;
            let receipt = Receipt::sign(*ledger.id(), sequence, time_ms, head.hash, entry.clone(), movements, key);
            // A job's requester sees all that happens to it.
            let requester = entry.job().and_then(|job| ledger.job(&job)).map(|job| job.requester);
            let touched: Vec<_> = undo.accounts().chain(requester).collect();
            undos.push(undo);
            *head = Head { sequence, hash: receipt.hash };
            enter(&transaction, &receipt, touched).map_err(&failed)?;
            results.push(Ok(Appended { receipt, new: true }));
        }
        transaction.commit().map_err(&failed)?;
        Ok(results)
    }
}

fn enter(transaction: &Transaction<'_>, receipt: &Receipt, touched: Vec<AccountId>) -> rusqlite::Result<()> {
    schema::insert(transaction, receipt)?;
    schema::touch(transaction, receipt.sequence, touched, receipt.entry.job())
}

/// The last entry in the file.
fn last(connection: &Connection) -> rusqlite::Result<Option<Head>> {
    let mut statement =
        connection.prepare_cached("SELECT sequence, hash FROM entries ORDER BY sequence DESC LIMIT 1")?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (sequence, hash): (i64, [u8; 32]) = (row.get(0)?, row.get(1)?);
    Ok(u64::try_from(sequence).ok().map(|sequence| Head { sequence, hash: Digest(hash) }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::bytes::JobId;
    use crate::entry::Issue;
    use crate::parameters::LedgerParameters;

    #[test]
    fn a_full_disk_enters_nothing_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (folder.path().join("ledger.sqlite"), SigningKey::from_bytes(&[1; 32]));
        let mut journal = Journal::create(&path, &key, Digest([7; 32]), LedgerParameters::default(), 5).unwrap();
        let to = AccountId::from(&key);
        let issue = |n: u8| Entry::Issue(Issue { reference: JobId([n; 16]), to, amount_microcredits: 5 });
        let batch: Vec<Entry> = (0..=255).map(issue).collect();
        let before = (journal.ledger().digest(), journal.head());
        // SQLite's own bound on the size of the file gives the same error as a disk that is full.
        let limit = |journal: &Journal, pages: i64| {
            journal.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        };
        limit(&journal, 1);
        let error = journal.append_all(&batch, 6).unwrap_err();
        assert_eq!(error.code(), "journal.disk_full");
        assert_eq!((journal.ledger().digest(), journal.head()), before);
        assert!(journal.ledger().account(&to).is_none() && !journal.unsure);
        limit(&journal, 1 << 30);
        assert!(journal.append_all(&batch, 6).unwrap().iter().all(|result| matches!(result, Ok(done) if done.new)));
        assert_eq!(journal.verify().unwrap().entries, 257);
    }
}
