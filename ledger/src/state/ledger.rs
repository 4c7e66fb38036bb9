//! The ledger: its records, questions to it, and how an entry gets in.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use infernet_economics::stake::ExactRequirement;
use serde::Serialize;

use crate::account::Account;
use crate::bytes::{AccountId, Digest, EntryId, JobId, tagged};
use crate::cbor::Writer;
use crate::entry::{Entry, Genesis};
use crate::error::LedgerError;
use crate::movement::Movement;
use crate::parameters::LedgerParameters;
use crate::request::LedgerId;

use super::MAX_TIME_MS;
use super::draft::{Changes, Draft};
use super::job::Job;

const CONTENT_TAG: &str = "infernet/ledger-content/v1";
const HISTORY_TAG: &str = "infernet/ledger-history/v1";

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was applied, and these amounts moved.
    New(Vec<Movement>),
    /// The same entry had been applied before; nothing happened.
    AlreadyApplied,
}

/// Where all credits are, in micro-credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Ever created.
    pub issued: u128,
    /// Slashed and given to nobody.
    pub burned: u128,
    /// In balances.
    pub balances: u128,
    /// Free stake.
    pub free_stake: u128,
    /// Locked stake.
    pub locked_stake: u128,
    /// Stake in its cool-down.
    pub unstaking: u128,
    /// Earned and not yet claimed.
    pub claimable: u128,
    /// In escrow.
    pub escrow: u128,
}

impl Totals {
    /// Whether everything that was issued is somewhere, and nothing else.
    pub fn conserved(&self) -> bool {
        let held = [self.balances, self.free_stake, self.locked_stake, self.unstaking, self.claimable, self.escrow];
        held.iter().sum::<u128>() + self.burned == self.issued
    }
}

/// The state of a ledger. Pure: the same entries at the same times give the same state on any machine.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub(super) genesis: Genesis,
    pub(super) accounts: BTreeMap<AccountId, Account>,
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// Jobs that are not over; follows from `jobs`.
    pub(super) open: BTreeSet<JobId>,
    pub(super) issued: u64,
    pub(super) burned: u64,
    /// Time of the last entry.
    pub(super) time_ms: u64,
    /// Entries applied, the first included.
    pub(super) entries: u64,
    /// Chain over the names and contents of all entries.
    pub(super) history: Digest,
    /// Names of the entries, with the beginning of the digest of their contents.
    pub(super) seen: HashMap<EntryId, [u8; 16]>,
}

/// How to take an entry back: for a journal that could not write it.
#[derive(Debug)]
pub(crate) struct Undo {
    changes: Changes,
    time_ms: u64,
    history: Digest,
    id: EntryId,
}

impl Undo {
    /// Accounts whose records the entry touched.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = AccountId> {
        self.changes.accounts.iter().map(|(id, _)| *id)
    }
}

impl Ledger {
    /// A ledger with its first entry.
    ///
    /// # Errors
    /// The rules are out of range, the validator's account is no public key, or the time is out of range.
    pub fn new(genesis: Genesis, now_ms: u64) -> Result<Self, LedgerError> {
        genesis.parameters.check()?;
        if !genesis.ledger.validator.is_key() {
            return Err(LedgerError::Account { account: genesis.ledger.validator });
        }
        check_time("the time", now_ms)?;
        let entry = Entry::Genesis(genesis);
        let (id, content) = (entry.id(), content(&entry));
        Ok(Self {
            genesis,
            accounts: BTreeMap::new(),
            jobs: BTreeMap::new(),
            open: BTreeSet::new(),
            issued: 0,
            burned: 0,
            time_ms: now_ms,
            entries: 1,
            history: link(Digest::ZERO, id, content),
            seen: HashMap::from([(id, short(content))]),
        })
    }

    /// Which ledger this is.
    pub fn id(&self) -> &LedgerId {
        &self.genesis.ledger
    }

    /// Its rules.
    pub fn parameters(&self) -> &LedgerParameters {
        &self.genesis.parameters
    }

    /// An account; none when it never had anything.
    pub fn account(&self, account: &AccountId) -> Option<&Account> {
        self.accounts.get(account)
    }

    /// All accounts, by rising id.
    pub fn accounts(&self) -> impl Iterator<Item = (&AccountId, &Account)> {
        self.accounts.iter()
    }

    /// A job.
    pub fn job(&self, job: &JobId) -> Option<&Job> {
        self.jobs.get(job)
    }

    /// All jobs, by rising id.
    pub fn jobs(&self) -> impl Iterator<Item = (&JobId, &Job)> {
        self.jobs.iter()
    }

    /// Jobs that are neither settled nor refunded: what a validator goes through when it starts again.
    pub fn open_jobs(&self) -> impl Iterator<Item = (&JobId, &Job)> {
        self.open.iter().filter_map(|job| self.jobs.get_key_value(job))
    }

    /// Entries applied, the first included.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Time of the last entry: no later entry may be of an earlier time.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// Whether an entry of this name was applied.
    pub fn knows(&self, id: &EntryId) -> bool {
        self.seen.contains_key(id)
    }

    /// Trust of a miner, in parts per million; 0 for one nobody knows.
    pub fn trust_ppm(&self, miner: &AccountId) -> u32 {
        self.accounts.get(miner).map_or(0, |account| account.standing.trust_ppm)
    }

    /// The stake that an assignment of such a job to this miner needs now.
    ///
    /// # Errors
    /// Steps are out of range, or no stake suffices.
    pub fn required_stake(
        &self,
        miner: &AccountId,
        steps: u32,
        fee_microcredits: u64,
        cost_microcredits: u64,
    ) -> Result<ExactRequirement, LedgerError> {
        self.parameters().required_stake(self.trust_ppm(miner), steps, fee_microcredits, cost_microcredits)
    }

    /// Where all credits are. Goes through everything.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { issued: self.issued.into(), burned: self.burned.into(), ..Totals::default() };
        for account in self.accounts.values() {
            totals.balances += u128::from(account.balance);
            totals.claimable += u128::from(account.claimable);
            totals.free_stake += u128::from(account.stake.free);
            totals.locked_stake += account.stake.locked();
            totals.unstaking += account.stake.unstaking_total();
        }
        totals.escrow = self.jobs.values().map(|job| u128::from(job.escrow_microcredits)).sum();
        totals
    }

    /// Applies an entry at a time that is passed in, not before that of the entry before.
    ///
    /// An entry whose [name](Entry::id) was applied before does nothing when its contents are the same, and is refused when
    /// they are not.
    ///
    /// # Errors
    /// The entry can't be applied; nothing of it was.
    pub fn apply(&mut self, entry: &Entry, now_ms: u64) -> Result<Applied, LedgerError> {
        Ok(self
            .apply_undoable(entry, now_ms)?
            .map_or(Applied::AlreadyApplied, |(movements, _)| Applied::New(movements)))
    }

    /// [`apply`](Self::apply), with the way back; none when the entry had been applied before.
    pub(crate) fn apply_undoable(
        &mut self,
        entry: &Entry,
        now_ms: u64,
    ) -> Result<Option<(Vec<Movement>, Undo)>, LedgerError> {
        let (id, content) = (entry.id(), content(entry));
        if let Some(known) = self.seen.get(&id) {
            return if *known == short(content) { Ok(None) } else { Err(self.conflict(entry, id)) };
        }
        check_time("the time", now_ms)?;
        if now_ms < self.time_ms {
            return Err(LedgerError::Clock { now_ms, last_ms: self.time_ms });
        }
        let mut draft = Draft::new(self, now_ms);
        draft.enter(entry)?;
        let (movements, changes) = draft.finish()?;
        let undo = Undo { changes: self.put(changes), time_ms: self.time_ms, history: self.history, id };
        self.time_ms = now_ms;
        self.entries += 1;
        self.history = link(self.history, id, content);
        self.seen.insert(id, short(content));
        Ok(Some((movements, undo)))
    }

    /// Names of all entries, with the beginnings of their contents' digests.
    pub(crate) fn names(&self) -> &HashMap<EntryId, [u8; 16]> {
        &self.seen
    }

    /// Takes the last entry back.
    pub(crate) fn undo(&mut self, undo: Undo) {
        self.put(undo.changes);
        self.time_ms = undo.time_ms;
        self.history = undo.history;
        self.entries -= 1;
        self.seen.remove(&undo.id);
    }

    /// Puts records in place, and gives back those that were there.
    fn put(&mut self, changes: Changes) -> Changes {
        let mut old = Changes { accounts: Vec::new(), job: None, issued: self.issued, burned: self.burned };
        for (id, record) in changes.accounts {
            let before = match record {
                Some(record) => self.accounts.insert(id, record),
                None => self.accounts.remove(&id),
            };
            old.accounts.push((id, before));
        }
        if let Some((id, record)) = changes.job {
            if record.as_ref().is_some_and(|job| job.end.is_none()) {
                self.open.insert(id);
            } else {
                self.open.remove(&id);
            }
            let before = match record {
                Some(record) => self.jobs.insert(id, record),
                None => self.jobs.remove(&id),
            };
            old.job = Some((id, before));
        }
        (self.issued, self.burned) = (changes.issued, changes.burned);
        old
    }

    fn conflict(&self, entry: &Entry, id: EntryId) -> LedgerError {
        // A used number is the usual reason, and the next one what the holder needs to know.
        if let Entry::Request(request) = entry {
            let expected = self.accounts.get(&request.account).map_or(0, |account| account.next_nonce);
            return LedgerError::Nonce { account: request.account, expected, found: request.nonce };
        }
        LedgerError::Conflict { kind: entry.kind(), id }
    }
}

/// Refuses times after the year 9999.
pub(super) fn check_time(what: &'static str, found_ms: u64) -> Result<(), LedgerError> {
    if found_ms <= MAX_TIME_MS { Ok(()) } else { Err(LedgerError::Time { what, found_ms }) }
}

/// Digest of an entry's contents.
fn content(entry: &Entry) -> Digest {
    tagged(CONTENT_TAG, &entry.to_bytes())
}

/// What is kept of an entry's contents, to tell it from another of the same name.
pub(crate) fn content_name(entry: &Entry) -> [u8; 16] {
    short(content(entry))
}

/// The beginning of a digest: 128 bits against a second content for a name that somebody else has chosen.
fn short(digest: Digest) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&digest.0[..16]);
    short
}

fn link(history: Digest, id: EntryId, content: Digest) -> Digest {
    let mut out = Writer::default();
    out.array(3).bytes(history).bytes(id).bytes(content);
    tagged(HISTORY_TAG, &out.finish())
}
