//! Going through a chain from its first entry: the same for a journal that is opened or verified, and for an export.

use serde::Serialize;

use crate::bytes::{AccountId, Digest};
use crate::entry::Entry;
use crate::receipt::Receipt;
use crate::request::LedgerId;
use crate::state::{Applied, Ledger, Totals};

/// What was found when all of a chain was checked: places, hashes, signatures, every entry applied again, every amount it moved,
/// and the sum of all credits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Which ledger.
    pub ledger: LedgerId,
    /// Entries.
    pub entries: u64,
    /// Hash of the last.
    pub head: Digest,
    /// Time of the last.
    pub time_ms: u64,
    /// Digest of the state they lead to.
    pub state: Digest,
    /// Accounts.
    pub accounts: u64,
    /// Jobs.
    pub jobs: u64,
    /// Jobs that are not over.
    pub open_jobs: u64,
    /// Where all credits are.
    pub totals: Totals,
}

/// The last entry of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) sequence: u64,
    pub(super) hash: Digest,
}

/// A chain up to some entry.
pub(super) struct Replay {
    pub(super) ledger: Ledger,
    pub(super) head: Head,
}

impl Replay {
    /// Begins with the first entry.
    pub(super) fn begin(first: &Receipt, validator: &AccountId) -> Result<Self, String> {
        let Entry::Genesis(genesis) = first.entry else {
            return Err("the first entry is not the beginning of a ledger".to_owned());
        };
        if first.sequence != 0 || first.previous != Digest::ZERO || !first.movements.is_empty() {
            return Err("something comes before the first entry".to_owned());
        }
        if genesis.ledger != first.ledger {
            return Err("the first entry begins another ledger".to_owned());
        }
        first.verify(validator).map_err(|error| error.to_string())?;
        let ledger = Ledger::new(genesis, first.time_ms).map_err(|error| error.to_string())?;
        Ok(Self { ledger, head: Head { sequence: 0, hash: first.hash } })
    }

    /// Goes on with the next entry. Its signature is the caller's to check: the last one of a chain covers the others.
    pub(super) fn step(&mut self, receipt: &Receipt) -> Result<(), String> {
        let expected = self.head.sequence + 1;
        if receipt.sequence != expected {
            return Err(format!("it is numbered {}, expected {expected}: entries are missing", receipt.sequence));
        }
        if receipt.previous != self.head.hash {
            return Err("it does not follow the entry before: the chain is broken".to_owned());
        }
        if receipt.ledger != *self.ledger.id() {
            return Err("it is of another ledger".to_owned());
        }
        receipt.verify_hash().map_err(|error| error.to_string())?;
        match self.ledger.apply(&receipt.entry, receipt.time_ms) {
            Ok(Applied::New(movements)) if movements == receipt.movements => {}
            Ok(Applied::New(_)) => return Err("it moved other amounts than its contents say".to_owned()),
            Ok(Applied::AlreadyApplied) => return Err("it was entered before".to_owned()),
            Err(error) => return Err(format!("it can't be applied: {error}")),
        }
        self.head = Head { sequence: receipt.sequence, hash: receipt.hash };
        Ok(())
    }

    /// What was found. Also the last check: that no credit was made or lost.
    pub(super) fn finish(self) -> Result<Verified, String> {
        let totals = self.ledger.totals();
        if !totals.conserved() {
            return Err(format!("credits were made or lost: {totals:?}"));
        }
        Ok(Verified {
            ledger: *self.ledger.id(),
            entries: self.ledger.entries(),
            head: self.head.hash,
            time_ms: self.ledger.time_ms(),
            state: self.ledger.digest(),
            accounts: self.ledger.accounts().count() as u64,
            jobs: self.ledger.jobs().count() as u64,
            open_jobs: self.ledger.open_jobs().count() as u64,
            totals,
        })
    }
}

/// What a validator with its key could sign, and what shows all the same.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::bytes::JobId;
    use crate::entry::{Genesis, Issue};
    use crate::movement::{Movement, Pocket};
    use crate::parameters::LedgerParameters;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[1; 32])
    }

    fn ledger(network: u8) -> LedgerId {
        LedgerId { network: Digest([network; 32]), validator: (&key()).into() }
    }

    fn issue(reference: u8) -> (Entry, Vec<Movement>) {
        let to = AccountId::from(&key());
        let entry = Issue { reference: JobId([reference; 16]), to, amount_microcredits: 5 };
        (Entry::Issue(entry), vec![Movement { from: Pocket::Issued, to: Pocket::Balance(to), amount_microcredits: 5 }])
    }

    fn receipt(network: u8, sequence: u64, previous: Digest, entry: (Entry, Vec<Movement>)) -> Receipt {
        Receipt::sign(ledger(network), sequence, 9, previous, entry.0, entry.1, &key())
    }

    fn genesis(network: u8) -> (Entry, Vec<Movement>) {
        (Entry::Genesis(Genesis { ledger: ledger(network), parameters: LedgerParameters::default() }), Vec::new())
    }

    fn replay() -> Replay {
        Replay::begin(&receipt(7, 0, Digest::ZERO, genesis(7)), &AccountId::from(&key())).unwrap()
    }

    /// Tries a second and a third entry, and gives what is said about the third.
    fn third(make: impl FnOnce(Digest) -> Receipt) -> String {
        let mut replay = replay();
        replay.step(&receipt(7, 1, replay.head.hash, issue(1))).unwrap();
        let third = make(replay.head.hash);
        third.verify(&AccountId::from(&key())).unwrap();
        replay.step(&third).unwrap_err()
    }

    #[test]
    fn a_signed_history_that_cannot_be_is_refused() {
        let other_amount = |amount_microcredits| {
            let (entry, mut movements) = issue(2);
            movements[0].amount_microcredits = amount_microcredits;
            (entry, movements)
        };
        let cases: [(String, &str); 7] = [
            (third(|head| receipt(7, 3, head, issue(2))), "entries are missing"),
            (third(|_| receipt(7, 2, Digest::ZERO, issue(2))), "the chain is broken"),
            (third(|head| receipt(8, 2, head, issue(2))), "another ledger"),
            (third(|head| receipt(7, 2, head, issue(1))), "entered before"),
            (third(|head| receipt(7, 2, head, other_amount(6))), "other amounts"),
            (third(|head| receipt(7, 2, head, (issue(2).0, Vec::new()))), "other amounts"),
            (third(|head| receipt(7, 2, head, genesis(8))), "can't be applied"),
        ];
        for (said, expected) in cases {
            assert!(said.contains(expected), "`{said}` should say `{expected}`");
        }
        let mut good = replay();
        good.step(&receipt(7, 1, good.head.hash, issue(1))).unwrap();
        good.step(&receipt(7, 2, good.head.hash, issue(2))).unwrap();
        assert_eq!(good.finish().unwrap().entries, 3);
    }

    #[test]
    fn a_beginning_that_is_none_is_refused() {
        let begin = |first: &Receipt| Replay::begin(first, &AccountId::from(&key())).err();
        let (entry, movements) = genesis(7);
        let moved = (entry, issue(1).1);
        for bad in [
            receipt(7, 0, Digest::ZERO, issue(1)),
            receipt(7, 1, Digest::ZERO, (moved.0.clone(), movements)),
            receipt(7, 0, Digest([1; 32]), genesis(7)),
            receipt(7, 0, Digest::ZERO, moved),
            receipt(8, 0, Digest::ZERO, genesis(7)),
            Receipt { time_ms: 8, ..receipt(7, 0, Digest::ZERO, genesis(7)) },
        ] {
            assert!(begin(&bad).is_some(), "{bad:?}");
        }
    }
}
