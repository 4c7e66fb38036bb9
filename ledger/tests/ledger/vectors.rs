//! `docs/vectors/ledger.jsonl`: an export with every kind of entry, for other implementations, made here and checked to be
//! current. After a change of the format: `INFERNET_WRITE_VECTORS=1 cargo test -p infernet-ledger --test ledger vectors`.

use std::io::BufReader;
use std::path::PathBuf;

use infernet_ledger::{Action, Journal, LedgerParameters, ProofKind, Refund, RefundReason, verify_export};
use serde_json::Value;

use crate::world::*;

#[test]
fn the_export_in_the_documents_is_current() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let mut journal =
        Journal::create(path, &key(VALIDATOR), ledger_id().network, LedgerParameters::default(), START_MS).unwrap();
    let day = |n: u64| START_MS + n * DAY_MS;
    let entries = [
        (issue(1, id(REQUESTER), 50_000), day(0) + 1),
        (issue(2, id(MINER), 300_000), day(0) + 1),
        (issue(3, id(OTHER), 300_000), day(0) + 2),
        (request(MINER, 0, Action::Stake { amount_microcredits: 300_000 }), day(0) + 3),
        (request(OTHER, 0, Action::Stake { amount_microcredits: 300_000 }), day(0) + 4),
        // A cheat, then an honest run by another.
        (order(1, REQUESTER, 10_000, day(1)), day(0) + 5),
        (assign(1, 1, 7_500, &[(MINER, 100_000)]), day(0) + 6),
        (committed(1, 1, MINER), day(0) + 7),
        (audited(1, 1, MINER, 1, rejected(ProofKind::Measured)), day(0) + 8),
        (slash(1, 1, MINER), day(0) + 9),
        (assign(1, 2, 7_500, &[(OTHER, 100_000)]), day(0) + 10),
        (committed(1, 2, OTHER), day(0) + 11),
        (audited(1, 2, OTHER, 2, accepted(812_345)), day(0) + 12),
        (settle(1, 2), day(0) + 13),
        // Two share a job.
        (order(2, REQUESTER, 10_001, day(2)), day(0) + 14),
        (assign(2, 1, 7_499, &[(MINER, 100_000), (OTHER, 100_000)]), day(0) + 15),
        (committed(2, 1, MINER), day(0) + 16),
        (committed(2, 1, OTHER), day(0) + 17),
        (audited(2, 1, MINER, 3, accepted(1_000_000)), day(0) + 18),
        (audited(2, 1, OTHER, 4, accepted(699_999)), day(0) + 19),
        (settle(2, 1), day(0) + 20),
        // Nobody finishes, and the deposit goes back.
        (order(3, REQUESTER, 4_000, day(1)), day(0) + 21),
        (assign(3, 1, 3_000, &[(OTHER, 60_000)]), day(0) + 22),
        (release(3, 1, OTHER, true), day(0) + 23),
        (infernet_ledger::Entry::Refund(Refund { job: job(3), reason: RefundReason::NoMiner }), day(0) + 24),
        (request(OTHER, 1, Action::Claim), day(0) + 25),
        (request(OTHER, 2, Action::Unstake { amount_microcredits: 200_000 }), day(1) + 26),
        (request(OTHER, 3, Action::WithdrawStake), day(2) + 27),
        (request(OTHER, 4, Action::Transfer { to: id(REQUESTER), amount_microcredits: 123 }), day(2) + 28),
    ];
    for (entry, now_ms) in entries {
        assert!(journal.append(&entry, now_ms).unwrap_or_else(|error| panic!("{}: {error}", entry.kind())).new);
    }
    let mut made = Vec::new();
    journal.export(&mut made).unwrap();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors/ledger.jsonl");
    if std::env::var_os("INFERNET_WRITE_VECTORS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    // As values: the order of keys in the parts for people depends on what else is built with `serde_json`.
    let values = |bytes: &[u8]| -> Vec<Value> {
        let text = std::str::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let kept = std::fs::read(&path).unwrap();
    assert!(values(&kept) == values(&made), "ledger.jsonl is not what the code makes; see the top of {}", file!());
    let verified = verify_export(BufReader::new(&kept[..]), &id(VALIDATOR)).unwrap();
    assert_eq!(verified, journal.verify().unwrap());
}
