//! The file: what it keeps, what it refuses, and what it notices.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use infernet_ledger::{
    Action, Digest, Entry, Journal, JournalError, LedgerParameters, Receipt, SigningKey, Verified, verify_export,
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::world::*;

pub(crate) fn network() -> Digest {
    ledger_id().network
}

fn create(path: &Path) -> Result<Journal, JournalError> {
    Journal::create(path, &key(VALIDATOR), network(), LedgerParameters::default(), START_MS)
}

fn code<T>(result: Result<T, JournalError>) -> &'static str {
    result.err().map_or("fine", |error| {
        assert!(!error.next_step().is_empty() && !error.to_string().is_empty());
        error.code()
    })
}

/// A journal with one job paid and one refused, and the folder that it goes with.
fn filled() -> (TempDir, PathBuf, Journal) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let mut journal = create(&path).unwrap();
    let mut enter = |entry: Entry| journal.append(&entry, START_MS + 5).unwrap();
    enter(issue(1, id(REQUESTER), 50_000));
    enter(issue(2, id(MINER), 200_000));
    enter(request(MINER, 0, Action::Stake { amount_microcredits: 200_000 }));
    enter(order(1, REQUESTER, 10_000, START_MS + DAY_MS));
    enter(assign(1, 1, 7_500, &[(MINER, 100_000)]));
    enter(committed(1, 1, MINER));
    enter(audited(1, 1, MINER, 1, accepted(900_000)));
    enter(settle(1, 1));
    (folder, path, journal)
}

#[test]
fn what_was_entered_is_there_after_opening_again() {
    let (_folder, path, journal) = filled();
    let (digest, head) = (journal.ledger().digest(), journal.head());
    let verified = journal.verify().unwrap();
    assert_eq!((verified.entries, verified.jobs, verified.open_jobs), (9, 1, 0));
    assert!(verified.totals.conserved() && verified.totals.issued == 250_000);
    drop(journal);
    let journal = Journal::open(&path, &key(VALIDATOR)).unwrap();
    assert_eq!((journal.ledger().digest(), journal.head()), (digest, head));
    assert_eq!(journal.verify().unwrap(), verified);
}

#[test]
fn the_same_entry_again_gives_the_first_receipt() {
    let (_folder, _path, mut journal) = filled();
    let head = journal.head();
    let first = journal.receipts(8..9, 1).unwrap().remove(0);
    let again = journal.append(&settle(1, 1), START_MS + 99).unwrap();
    assert!(!again.new && again.receipt == first);
    assert_eq!(journal.head(), head);
    assert_eq!(code(journal.append(&issue(1, id(REQUESTER), 1), START_MS + 99)), "ledger.conflict");
    assert_eq!(journal.head(), head);
}

#[test]
fn it_can_be_kept_by_a_thread_of_its_own() {
    fn movable<T: Send + 'static>() {}
    movable::<Journal>();
}

#[test]
fn a_batch_leaves_out_what_does_not_fit() {
    let (_folder, _path, mut journal) = filled();
    let batch = [
        issue(3, id(9), 5),
        request(9, 1, Action::Stake { amount_microcredits: 1 }),
        request(9, 0, Action::Stake { amount_microcredits: 5 }),
        issue(3, id(9), 5),
    ];
    let results = journal.append_all(&batch, START_MS + 6).unwrap();
    let new: Vec<Option<bool>> = results.iter().map(|result| result.as_ref().ok().map(|done| done.new)).collect();
    assert_eq!(new, [Some(true), None, Some(true), Some(false)]);
    assert_eq!(journal.head().0, 10);
    journal.verify().unwrap();
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_the_books() {
    let (_folder, _path, mut journal) = filled();
    let receipt = journal.append(&issue(3, id(9), 5), START_MS - 600_000).unwrap().receipt;
    assert_eq!(receipt.time_ms, START_MS + 5);
    journal.verify().unwrap();
}

#[test]
fn histories_are_of_an_account_or_a_job() {
    let (_folder, _path, journal) = filled();
    let places = |receipts: Vec<Receipt>| receipts.iter().map(|receipt| receipt.sequence).collect::<Vec<_>>();
    let all = 0..u64::MAX;
    assert_eq!(places(journal.history(&id(MINER), all.clone(), 100).unwrap()), [2, 3, 5, 8]);
    // A requester sees all that happens to its job.
    assert_eq!(places(journal.history(&id(REQUESTER), all.clone(), 100).unwrap()), [1, 4, 5, 6, 7, 8]);
    assert_eq!(places(journal.history(&id(REQUESTER), 5..8, 2).unwrap()), [5, 6]);
    assert!(journal.history(&id(99), all, 100).unwrap().is_empty());
    assert_eq!(places(journal.job_history(&job(1)).unwrap()), [4, 5, 6, 7, 8]);
    let settled = journal.receipt_of(&settle(1, 1).id()).unwrap().unwrap();
    assert_eq!(settled.sequence, 8);
    assert!(journal.receipt_of(&settle(2, 1).id()).unwrap().is_none());
}

#[test]
fn a_journal_is_made_once_and_opened_by_its_validator() {
    let (folder, path, journal) = filled();
    assert_eq!(code(create(&path)), "journal.exists");
    assert_eq!(code(Journal::open(&path, &key(9))), "journal.wrong_key");
    assert_eq!(code(Journal::open(folder.path().join("none"), &key(VALIDATOR))), "journal.missing");
    assert_eq!(code(create(&folder.path().join("no/folder"))), "journal.create");
    let text = folder.path().join("text");
    std::fs::write(&text, "this is not a journal at all, but it is longer than a header of SQLite is").unwrap();
    assert_eq!(code(Journal::open(&text, &key(VALIDATOR))), "journal.not_a_journal");
    let other = folder.path().join("other");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert_eq!(code(Journal::open(&other, &key(VALIDATOR))), "journal.not_a_journal");
    assert_eq!(code(create(&other)), "journal.not_a_journal");
    drop(journal);
    let open =
        |key: &SigningKey, network| Journal::open_or_create(&path, key, network, LedgerParameters::default(), START_MS);
    assert_eq!(code(open(&key(VALIDATOR), Digest([9; 32]))), "journal.not_a_journal");
    assert_eq!(open(&key(VALIDATOR), network()).unwrap().head().0, 8);
    // An empty file is what a crash leaves that came before the first write.
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    assert_eq!(code(Journal::open(&empty, &key(VALIDATOR))), "journal.not_a_journal");
    let made = Journal::open_or_create(&empty, &key(VALIDATOR), network(), LedgerParameters::default(), START_MS);
    made.unwrap().verify().unwrap();
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, _path, _journal) = filled();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

#[test]
fn it_can_be_read_while_it_is_written() {
    let (_folder, path, mut journal) = filled();
    let reader = Journal::open_read_only(&path).unwrap();
    journal.append(&issue(3, id(9), 5), START_MS + 6).unwrap();
    assert_eq!(reader.verify().unwrap().entries, 9);
    assert_eq!(Journal::open_read_only(&path).unwrap().verify().unwrap().entries, 10);
    let mut reader = reader;
    assert_eq!(code(reader.append(&issue(4, id(9), 5), START_MS + 6)), "journal.read_only");
    assert_eq!(code(reader.snapshot()), "journal.read_only");
}

#[test]
fn two_writers_do_not_write_two_histories() {
    let (_folder, path, mut one) = filled();
    let mut other = Journal::open(&path, &key(VALIDATOR)).unwrap();
    one.append(&issue(3, id(9), 5), START_MS + 6).unwrap();
    let digest = other.ledger().digest();
    assert_eq!(code(other.append(&issue(4, id(9), 5), START_MS + 6)), "journal.other_writer");
    assert_eq!(other.ledger().digest(), digest);
    one.append(&issue(5, id(9), 5), START_MS + 6).unwrap();
    one.verify().unwrap();
}

/// Changes the file behind the journal's back, and gives what opening and verifying say.
fn tampered(sql: &str) -> (String, String) {
    let (_folder, path, journal) = filled();
    drop(journal);
    let connection = Connection::open(&path).unwrap();
    assert!(connection.execute(sql, []).unwrap() > 0, "{sql}");
    drop(connection);
    match Journal::open(&path, &key(VALIDATOR)) {
        Err(error) => (error.code().to_owned(), error.to_string()),
        Ok(journal) => {
            let error = journal.verify().expect_err(sql);
            (format!("verify: {}", error.code()), error.to_string())
        }
    }
}

#[test]
fn every_change_of_the_file_is_noticed() {
    for (sql, at_opening) in [
        ("UPDATE entries SET time_ms = time_ms + 1 WHERE sequence = 4", true),
        ("UPDATE entries SET time_ms = -1 WHERE sequence = 4", true),
        ("UPDATE entries SET entry = (SELECT entry FROM entries WHERE sequence = 2) WHERE sequence = 1", true),
        ("UPDATE entries SET entry = x'00' WHERE sequence = 4", true),
        ("UPDATE entries SET movements = x'80' WHERE sequence = 4", true),
        ("UPDATE entries SET hash = zeroblob(32) WHERE sequence = 3", true),
        ("UPDATE entries SET hash = zeroblob(31) WHERE sequence = 3", true),
        ("UPDATE entries SET previous = zeroblob(32) WHERE sequence = 3", true),
        ("UPDATE entries SET signature = zeroblob(64) WHERE sequence = 8", true),
        ("UPDATE entries SET signature = zeroblob(64) WHERE sequence = 0", true),
        ("DELETE FROM entries WHERE sequence = 0", true),
        ("DELETE FROM entries WHERE sequence = 5", true),
        ("UPDATE entries SET sequence = 20 WHERE sequence = 8", true),
        ("DELETE FROM entries", true),
        // Signatures in the middle and names are gone through by `verify` only.
        ("UPDATE entries SET signature = zeroblob(64) WHERE sequence = 4", false),
        ("UPDATE entries SET id = zeroblob(16) WHERE sequence = 4", false),
        ("UPDATE entries SET short = zeroblob(16) WHERE sequence = 4", false),
    ] {
        let (code, message) = tampered(sql);
        let expected = if at_opening { "journal.damaged" } else { "verify: journal.damaged" };
        assert_eq!(code, expected, "{sql}: {message}");
    }
}

#[test]
fn a_damaged_page_is_noticed_and_nothing_panics() {
    let (folder, path, journal) = filled();
    drop(journal);
    let good = std::fs::read(&path).unwrap();
    let copy = folder.path().join("copy");
    let mut noticed = 0;
    for place in (0..good.len()).step_by(97) {
        let mut bytes = good.clone();
        bytes[place] ^= 0x55;
        std::fs::write(&copy, &bytes).unwrap();
        let checked = Journal::open(&copy, &key(VALIDATOR)).and_then(|journal| journal.verify());
        noticed += usize::from(checked.is_err());
        for rest in ["copy-wal", "copy-shm"] {
            let _ = std::fs::remove_file(folder.path().join(rest));
        }
    }
    assert!(noticed > 20, "{noticed}");
    for end in [0, 1, 99, 100, 4096, good.len() - 4096] {
        std::fs::write(&copy, &good[..end]).unwrap();
        let checked = Journal::open(&copy, &key(VALIDATOR)).and_then(|journal| journal.verify());
        assert!(checked.is_err(), "{end} bytes of {}", good.len());
    }
}

#[test]
fn a_snapshot_saves_the_way_and_changes_nothing() {
    let (_folder, path, mut journal) = filled();
    journal.snapshot().unwrap();
    journal.append(&issue(3, id(9), 5), START_MS + 6).unwrap();
    let digest = journal.ledger().digest();
    drop(journal);
    let mut journal = Journal::open(&path, &key(VALIDATOR)).unwrap();
    assert_eq!(journal.ledger().digest(), digest);
    // Names from before the snapshot are still known.
    assert!(!journal.append(&settle(1, 1), START_MS + 7).unwrap().new);
    assert_eq!(code(journal.append(&issue(1, id(9), 7), START_MS + 7)), "ledger.conflict");
    journal.append(&issue(4, id(9), 7), START_MS + 7).unwrap();
    journal.verify().unwrap();
}

#[test]
fn a_snapshot_that_was_changed_is_passed_over() {
    for sql in [
        "UPDATE snapshots SET state = zeroblob(100)",
        "UPDATE snapshots SET signature = zeroblob(64)",
        "UPDATE snapshots SET hash = zeroblob(32)",
        "UPDATE snapshots SET sequence = 3",
    ] {
        let (_folder, path, mut journal) = filled();
        journal.snapshot().unwrap();
        let digest = journal.ledger().digest();
        drop(journal);
        assert_eq!(Connection::open(&path).unwrap().execute(sql, []).unwrap(), 1);
        let journal = Journal::open(&path, &key(VALIDATOR)).unwrap();
        assert_eq!(journal.ledger().digest(), digest, "{sql}");
        journal.verify().unwrap();
    }
}

/// The place in an encoded state of an account's record.
fn place_of(state: &[u8], account: &[u8]) -> usize {
    state.windows(account.len()).position(|window| window == account).unwrap() + account.len()
}

#[test]
fn a_forged_snapshot_makes_nobody_rich() {
    let (_folder, path, mut journal) = filled();
    journal.snapshot().unwrap();
    let (digest, balance) = (journal.ledger().digest(), journal.ledger().account(&id(REQUESTER)).unwrap().balance);
    drop(journal);
    let connection = Connection::open(&path).unwrap();
    let mut state: Vec<u8> = connection.query_row("SELECT state FROM snapshots", [], |row| row.get(0)).unwrap();
    // The record begins with the head of an array of seven, and the balance, in three bytes.
    let at = place_of(&state, &id(REQUESTER).0);
    assert_eq!(state[at..at + 4], [0x87, 0x19, (balance >> 8) as u8, balance as u8]);
    state[at + 2] ^= 1;
    connection.execute("UPDATE snapshots SET state = ?1", [state]).unwrap();
    drop(connection);
    let journal = Journal::open(&path, &key(VALIDATOR)).unwrap();
    assert_eq!(journal.ledger().digest(), digest);
}

#[test]
fn an_entry_changed_in_what_moves_nothing_is_noticed_at_opening() {
    let (_folder, path, journal) = filled();
    drop(journal);
    let connection = Connection::open(&path).unwrap();
    let query = "SELECT entry FROM entries WHERE sequence = 6";
    let mut entry: Vec<u8> = connection.query_row(query, [], |row| row.get(0)).unwrap();
    // The end of the commitment's digest.
    *entry.last_mut().unwrap() ^= 1;
    connection.execute("UPDATE entries SET entry = ?1 WHERE sequence = 6", [entry]).unwrap();
    drop(connection);
    assert_eq!(code(Journal::open(&path, &key(VALIDATOR))), "journal.damaged");
}

fn check(lines: &str) -> Result<Verified, JournalError> {
    verify_export(BufReader::new(lines.as_bytes()), &id(VALIDATOR))
}

#[test]
fn an_export_is_checked_with_the_public_key_alone() {
    let (_folder, _path, journal) = filled();
    let mut bytes = Vec::new();
    assert_eq!(journal.export(&mut bytes).unwrap(), 9);
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(check(&text).unwrap(), journal.verify().unwrap());
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let without =
        |hole: usize| lines.iter().enumerate().filter(|(n, _)| *n != hole).map(|(_, l)| *l).collect::<String>();
    // Without the last line it is a whole, shorter history; any other hole shows.
    for hole in 0..8 {
        assert_eq!(code(check(&without(hole))), "journal.line", "{hole}");
    }
    assert_eq!(check(&without(8)).unwrap().entries, 8);
    let twice = format!("{text}{}", lines[8]);
    let cut = &text[..text.len() - 1];
    let long = format!("{}\n", " ".repeat(600_000));
    for bad in ["", "\n", twice.as_str(), cut, long.as_str(), &text.replace("\"quality_ppm\":9", "\"quality_ppm\":8")] {
        assert_eq!(code(check(bad)), "journal.line");
    }
    // A signature of another entry under the fourth line.
    let of = |line: &str| Receipt::from_json(line.trim()).unwrap().signature.to_string();
    let forged = text.replace(&of(lines[3]), &of(lines[4]));
    assert_eq!(code(check(&forged)), "journal.line");
    let other = verify_export(BufReader::new(text.as_bytes()), &id(9));
    assert_eq!(code(other), "journal.line");
}
