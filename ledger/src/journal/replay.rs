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
