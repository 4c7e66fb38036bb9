//! Killed at any moment, a journal has every entry wholly or not at all, and all that were acknowledged.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use infernet_ledger::{Action, Entry, Journal, JournalError, LedgerParameters};

use crate::journal::network;
use crate::world::*;

const CHILD: &str = "INFERNET_LEDGER_TEST_JOURNAL";

/// The nth thing that happens: credits and stake first, then jobs from start to end, over and over.
fn script(n: u64) -> Entry {
    match n {
        0 => issue(1, id(REQUESTER), 1 << 50),
        1 => issue(2, id(MINER), 1 << 50),
        2 => request(MINER, 0, Action::Stake { amount_microcredits: 1 << 49 }),
        _ => {
            let (number, part) = ((n - 3) / 5, (n - 3) % 5);
            let entry = match part {
                0 => order(0, REQUESTER, 10_000, START_MS + DAY_MS),
                1 => assign(0, 1, 7_500, &[(MINER, 250_000)]),
                2 => committed(0, 1, MINER),
                3 => audited(0, 1, MINER, 1, accepted(900_000)),
                _ => settle(0, 1),
            };
            renumbered(entry, number)
        }
    }
}

/// The same about another job: the functions of `world` know only 256 of them.
fn renumbered(entry: Entry, number: u64) -> Entry {
    let mut name = [0; 16];
    name[..8].copy_from_slice(&number.to_le_bytes());
    let job = infernet_ledger::JobId(name);
    match entry {
        Entry::OpenJob(order) => Entry::OpenJob(infernet_ledger::JobOrder::sign(
            &ledger_id(),
            job,
            order.digest,
            order.deposit_microcredits,
            order.steps,
            order.deadline_ms,
            &key(REQUESTER),
        )),
        Entry::Assign(entry) => Entry::Assign(infernet_ledger::Assign { job, ..entry }),
        Entry::Committed(entry) => Entry::Committed(infernet_ledger::Committed { job, ..entry }),
        Entry::Audited(entry) => Entry::Audited(infernet_ledger::Audited { job, ..entry }),
        Entry::Settle(entry) => Entry::Settle(infernet_ledger::Settle { job, ..entry }),
        other => other,
    }
}

fn open(path: &Path) -> Result<Journal, JournalError> {
    Journal::open_or_create(path, &key(VALIDATOR), network(), LedgerParameters::default(), START_MS)
}

/// Runs in a process of its own, until it is killed: enters the script from a little before where it stopped, and says which
/// entries it has receipts for.
#[test]
#[ignore = "started by the test below"]
fn child() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let mut journal = open(&path).unwrap();
    let mut out = std::io::stdout().lock();
    for n in journal.head().0.saturating_sub(3).. {
        // In turns one by one and several at once, with snapshots in between.
        let batch: Vec<Entry> = (n..n + 1 + n % 3).map(script).collect();
        for result in journal.append_all(&batch, START_MS).unwrap() {
            let receipt = result.unwrap().receipt;
            writeln!(out, "entered {} {}", receipt.sequence, receipt.hash).unwrap();
            out.flush().unwrap();
        }
        if n % 16 == 0 {
            journal.snapshot().unwrap();
        }
    }
}

#[test]
fn killed_at_any_moment_nothing_is_half_entered_or_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let (mut acknowledged, mut last) = (Vec::new(), 0);
    for round in 0..25u64 {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--ignored", "--nocapture", "--test-threads=1"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Some are killed while they make or open the journal, the others in full run.
        let noise = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
        std::thread::sleep(Duration::from_micros(u64::from(noise % 20_000) + 15_000 * (round % 5)));
        process.kill().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        for line in output.lines().map_while(Result::ok) {
            let mut words = line.split(' ').skip_while(|word| *word != "entered").skip(1);
            // The harness's own lines, and a last one that was cut off, are passed over.
            let (Some(sequence), Some(hash)) = (words.next(), words.next()) else { continue };
            if hash.len() == 64 {
                acknowledged.push((sequence.parse::<u64>().unwrap(), hash.to_owned()));
            }
        }
        process.wait().unwrap();

        let journal = open(&path).unwrap();
        let verified = journal.verify().unwrap();
        let head = journal.head().0;
        assert!(verified.totals.conserved() && head >= last);
        last = head;
        for page in acknowledged.chunks(5_000) {
            for (sequence, hash) in page {
                let receipt =
                    journal.receipts(*sequence..sequence + 1, 1).unwrap().pop().expect("a receipt without an entry");
                assert_eq!(receipt.hash.to_string(), *hash);
            }
        }
        // Every entry is the script's, once, in order.
        for receipt in journal.receipts(1..head + 1, 10_000).unwrap() {
            assert_eq!(receipt.entry.id(), script(receipt.sequence - 1).id());
        }
    }
    assert!(acknowledged.len() > 100, "only {} entries in all: nothing was tested", acknowledged.len());
}

/// Enters until the file can't grow, which must give an error and leave the state as it is in the file.
#[cfg(unix)]
#[test]
#[ignore = "started by the test below"]
fn child_on_a_full_disk() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let mut journal = open(&path).unwrap();
    for n in journal.head().0.. {
        let before = (journal.ledger().digest(), journal.head());
        if let Err(error) = journal.append(&script(n), START_MS) {
            assert_eq!((journal.ledger().digest(), journal.head()), before);
            assert!(matches!(error.code(), "journal.sqlite" | "journal.disk_full"), "{error}");
            // Reading goes on.
            assert_eq!(journal.receipts(0..n + 9, 10_000).unwrap().len() as u64, n + 1);
            writeln!(std::io::stdout(), "full at {n}: {error}").unwrap();
            return;
        }
    }
}

/// With a bound on the size of files, as a quota has: writes fail half-way.
#[cfg(unix)]
#[test]
fn when_the_file_cannot_grow_nothing_is_half_entered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    for kilobytes in [80, 200, 333, 1000] {
        let command =
            "trap '' XFSZ; ulimit -f $0; exec \"$1\" --exact crash::child_on_a_full_disk --ignored --nocapture";
        let output = Command::new("bash")
            .args(["-c", command, &kilobytes.to_string()])
            .arg(std::env::current_exe().unwrap())
            .env(CHILD, &path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("full at "),
            "{said} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut journal = open(&path).unwrap();
        journal.verify().unwrap();
        let next = journal.head().0;
        assert!(journal.append(&script(next), START_MS).unwrap().new);
    }
}

/// What a power cut leaves: the file and a beginning of what was last written.
#[test]
fn a_torn_log_leaves_whole_entries() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let mut journal = open(&path).unwrap();
    for n in 0..12 {
        journal.append(&script(n), START_MS).unwrap();
    }
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let (file, log) = (read("ledger.sqlite"), read("ledger.sqlite-wal"));
    assert!(!log.is_empty());
    let copy = folder.path().join("copy.sqlite");
    let mut heads = std::collections::BTreeSet::new();
    for end in (0..=log.len()).rev().step_by(2039) {
        let _ = std::fs::remove_file(folder.path().join("copy.sqlite-shm"));
        std::fs::write(&copy, &file).unwrap();
        std::fs::write(folder.path().join("copy.sqlite-wal"), &log[..end]).unwrap();
        let mut torn = open(&copy).unwrap();
        torn.verify().unwrap();
        heads.insert(torn.head().0);
        // And it goes on from there.
        let next = torn.head().0;
        assert!(torn.append(&script(next), START_MS).unwrap().new);
    }
    assert_eq!(heads, (0..=12).collect());
}
