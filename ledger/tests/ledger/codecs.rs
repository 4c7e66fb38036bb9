//! Encodings: one per value, and a typed error for everything else.

use infernet_ledger::movement::{decode_movements, encode_movements};
use infernet_ledger::{
    Account, AccountId, AccountRequest, Action, Digest, Entry, Genesis, Journal, LedgerParameters, Receipt, Refund,
    RefundReason,
};
use proptest::prelude::*;

use crate::world::*;

/// One of each kind.
pub(crate) fn entries() -> Vec<Entry> {
    use infernet_ledger::ProofKind;
    vec![
        Entry::Genesis(Genesis { ledger: ledger_id(), parameters: LedgerParameters::default() }),
        issue(1, id(2), u64::MAX),
        request(2, 0, Action::Transfer { to: id(3), amount_microcredits: 1 << 40 }),
        request(2, 1, Action::Stake { amount_microcredits: 24 }),
        request(2, 2, Action::Unstake { amount_microcredits: 23 }),
        request(2, 3, Action::WithdrawStake),
        request(2, u64::MAX, Action::Claim),
        order(1, 2, 10_000, START_MS),
        assign(1, 1, 7_500, &[(3, 70_000), (4, 1)]),
        committed(1, 1, 3),
        audited(1, 1, 3, 9, accepted(1_000_000)),
        audited(1, 1, 3, 9, rejected(ProofKind::Attested)),
        release(1, 1, 3, true),
        settle(1, u32::MAX),
        slash(1, 1, 3),
        Entry::Refund(Refund { job: job(1), reason: RefundReason::NoMiner }),
    ]
}

fn receipts() -> Vec<Receipt> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let mut journal =
        Journal::create(path, &key(VALIDATOR), ledger_id().network, LedgerParameters::default(), START_MS).unwrap();
    journal.append(&issue(1, id(2), 500), START_MS).unwrap();
    journal.append(&request(2, 0, Action::Stake { amount_microcredits: 200 }), START_MS).unwrap();
    journal.append(&order(1, 2, 100, START_MS + 9), START_MS).unwrap();
    journal.receipts(0..9, 9).unwrap()
}

#[test]
fn entries_go_there_and_back() {
    for entry in entries() {
        let bytes = entry.to_bytes();
        assert_eq!(Entry::from_bytes(&bytes), Ok(entry.clone()));
        // Another library reads them, and writes the same.
        let value: ciborium::Value = ciborium::from_reader(&bytes[..]).unwrap();
        let mut theirs = Vec::new();
        ciborium::into_writer(&value, &mut theirs).unwrap();
        assert_eq!(theirs, bytes, "{}", entry.kind());
    }
}

#[test]
fn names_are_different_where_contents_are_about_something_else() {
    let names: std::collections::BTreeSet<_> = entries().iter().map(Entry::id).collect();
    // The two verdicts are one name with two contents.
    assert_eq!(names.len(), entries().len() - 1);
}

#[test]
fn cut_and_prolonged_entries_are_refused() {
    for entry in entries() {
        let bytes = entry.to_bytes();
        for end in 0..bytes.len() {
            assert!(Entry::from_bytes(&bytes[..end]).is_err());
        }
        let error = Entry::from_bytes(&[bytes, vec![0]].concat()).unwrap_err();
        assert_eq!(error.code(), "ledger.decode.trailing");
    }
    assert_eq!(Entry::from_bytes(&[0; 20_000]).unwrap_err().code(), "ledger.decode.length");
}

#[test]
fn receipts_go_there_and_back_and_hold() {
    for receipt in receipts() {
        receipt.verify(&id(VALIDATOR)).unwrap();
        assert_eq!(Receipt::from_bytes(&receipt.to_bytes()), Ok(receipt.clone()));
        assert_eq!(Receipt::from_json(&receipt.to_json()), Ok(receipt.clone()));
        assert!(!receipt.to_json().contains('\n'));
        let error = receipt.verify(&id(2)).unwrap_err();
        assert_eq!(error.code(), "ledger.receipt.validator");
    }
}

#[test]
fn a_changed_receipt_does_not_hold() {
    let receipts = receipts();
    let good = &receipts[1];
    let hash = |receipt: &Receipt| receipt.verify(&id(VALIDATOR)).unwrap_err().code();
    let mut changed = good.clone();
    changed.movements[0].amount_microcredits += 1;
    assert_eq!(hash(&changed), "ledger.receipt.hash");
    assert_eq!(hash(&Receipt { time_ms: good.time_ms + 1, ..good.clone() }), "ledger.receipt.hash");
    assert_eq!(hash(&Receipt { sequence: 2, ..good.clone() }), "ledger.receipt.hash");
    assert_eq!(hash(&Receipt { previous: Digest::ZERO, ..good.clone() }), "ledger.receipt.hash");
    assert_eq!(hash(&Receipt { entry: receipts[2].entry.clone(), ..good.clone() }), "ledger.receipt.hash");
    assert_eq!(hash(&Receipt { signature: receipts[2].signature, ..good.clone() }), "ledger.receipt.signature");
    // The part for people can't say something else than the signed part.
    let text = good.to_json();
    assert!(text.contains("\"amount_microcredits\":500"));
    let lie = text.replace("\"amount_microcredits\":500", "\"amount_microcredits\":501");
    assert_eq!(Receipt::from_json(&lie).unwrap_err().code(), "ledger.receipt.contents");
    assert_eq!(
        Receipt::from_json(&text.replace("\"version\":1", "\"version\":2")).unwrap_err().code(),
        "ledger.decode.value"
    );
    assert_eq!(Receipt::from_json("{}").unwrap_err().code(), "ledger.receipt.json");
}

#[test]
fn two_histories_of_one_validator_are_seen() {
    let (one, other) = (receipts(), receipts());
    assert!(!one[1].contradicts(&other[1]) && !one[1].contradicts(&other[2]));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.sqlite");
    let mut journal =
        Journal::create(path, &key(VALIDATOR), ledger_id().network, LedgerParameters::default(), START_MS).unwrap();
    let second = journal.append(&issue(1, id(2), 501), START_MS).unwrap().receipt;
    assert!(second.contradicts(&one[1]) && second.verify(&id(VALIDATOR)).is_ok());
}

/// With everything in it that an account can have.
fn account() -> Account {
    let mut world = World::new();
    world.assigned(1, MINER);
    world.ok(&committed(1, 1, MINER));
    world.ok(&audited(1, 1, MINER, 1, accepted(800_000)));
    world.ok(&settle(1, 1));
    world.assigned(2, MINER);
    world.ok(&request(MINER, 1, Action::Unstake { amount_microcredits: 7 }));
    world.ledger.account(&id(MINER)).unwrap().clone()
}

#[test]
fn accounts_go_there_and_back() {
    let account = account();
    assert!(account.stake.locks.len() == 2 && account.stake.unstaking.len() == 1 && account.claimable > 0);
    assert_eq!(Account::from_bytes(&account.to_bytes()), Ok(account.clone()));
    // Two locks for one job, or in falling order, are no second encoding.
    let bytes = account.to_bytes();
    let second = bytes.windows(16).position(|window| window == [2; 16]).unwrap();
    for job in [[1; 16], [0; 16]] {
        let mut changed = bytes.clone();
        changed[second..second + 16].copy_from_slice(&job);
        assert_eq!(Account::from_bytes(&changed).unwrap_err().code(), "ledger.decode.value");
    }
    assert_eq!(Account::from_bytes(&Account::default().to_bytes()), Ok(Account::default()));
}

fn near_valid() -> impl Strategy<Value = Vec<u8>> {
    let mut valid: Vec<Vec<u8>> = entries().iter().map(Entry::to_bytes).collect();
    valid.extend(receipts().iter().map(Receipt::to_bytes));
    valid.extend([account().to_bytes()]);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (prop::sample::select(valid), changes).prop_map(|(mut bytes, changes)| {
        for (index, byte) in changes {
            let place = index.index(bytes.len());
            bytes[place] = byte;
        }
        bytes
    })
}

fn decode_all(bytes: &[u8]) {
    if let Ok(entry) = Entry::from_bytes(bytes) {
        assert_eq!(entry.to_bytes(), bytes);
    }
    if let Ok(receipt) = Receipt::from_bytes(bytes) {
        assert_eq!(receipt.to_bytes(), bytes);
        let _ = receipt.verify(&id(VALIDATOR));
        assert_eq!(Receipt::from_json(&receipt.to_json()), Ok(receipt));
    }
    if let Ok(request) = AccountRequest::from_bytes(bytes) {
        assert_eq!(request.to_bytes(), bytes);
    }
    if let Ok(account) = Account::from_bytes(bytes) {
        assert_eq!(account.to_bytes(), bytes);
    }
    if let Ok(movements) = decode_movements(bytes) {
        assert_eq!(encode_movements(&movements), bytes);
    }
    let _ = std::str::from_utf8(bytes).map(Receipt::from_json);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_give_an_error_or_a_value_that_writes_them(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        decode_all(&bytes);
    }

    #[test]
    fn almost_valid_bytes_do_too(bytes in near_valid()) {
        decode_all(&bytes);
    }

    #[test]
    fn any_text_is_no_receipt(text in "\\PC{0,200}") {
        prop_assert!(Receipt::from_json(&text).is_err());
        prop_assert!(text.parse::<AccountId>().is_err() || text.len() == 64);
    }
}
