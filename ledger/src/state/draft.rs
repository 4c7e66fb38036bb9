//! One entry's work on copies of the records it touches.

use std::collections::BTreeMap;

use crate::account::Account;
use crate::bytes::{AccountId, JobId};
use crate::entry::{Entry, Genesis};
use crate::error::LedgerError;
use crate::movement::{Movement, Pocket};
use crate::parameters::LedgerParameters;

use super::job::Job;
use super::ledger::Ledger;

/// Records to be put in place of the ledger's; none for a record that is to go.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) accounts: Vec<(AccountId, Option<Account>)>,
    pub(super) job: Option<(JobId, Option<Job>)>,
    pub(super) issued: u64,
    pub(super) burned: u64,
}

pub(super) struct Draft<'a> {
    base: &'a Ledger,
    pub(super) now_ms: u64,
    accounts: BTreeMap<AccountId, Account>,
    job: Option<(JobId, Job)>,
    issued: u64,
    burned: u64,
    movements: Vec<Movement>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(base: &'a Ledger, now_ms: u64) -> Self {
        let (issued, burned) = (base.issued, base.burned);
        Self { base, now_ms, accounts: BTreeMap::new(), job: None, issued, burned, movements: Vec::new() }
    }

    pub(super) fn enter(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        match entry {
            // The ledger's own genesis is known by its name; this is another's.
            Entry::Genesis(_) => Err(LedgerError::Conflict { kind: entry.kind(), id: entry.id() }),
            Entry::Issue(issue) => self.issue(issue),
            Entry::Request(request) => self.request(request),
            Entry::OpenJob(order) => self.open_job(order),
            Entry::Assign(assign) => self.assign(assign),
            Entry::Committed(committed) => self.committed(committed),
            Entry::Audited(audited) => self.audited(audited),
            Entry::Release(release) => self.release(release),
            Entry::Settle(settle) => self.settle(settle),
            Entry::Slash(slash) => self.slash(slash),
            Entry::Refund(refund) => self.refund(refund),
        }
    }

    pub(super) fn genesis(&self) -> &'a Genesis {
        &self.base.genesis
    }

    pub(super) fn parameters(&self) -> &'a LedgerParameters {
        &self.base.genesis.parameters
    }

    /// An account as the draft has it; an empty one when there is none.
    pub(super) fn account(&mut self, id: AccountId) -> &mut Account {
        self.accounts.entry(id).or_insert_with(|| self.base.accounts.get(&id).cloned().unwrap_or_default())
    }

    /// Refuses credits for an account that nobody can hold. Accounts that exist have passed.
    pub(super) fn check_account(&self, account: AccountId) -> Result<(), LedgerError> {
        if self.base.accounts.contains_key(&account) || account.is_key() {
            return Ok(());
        }
        Err(LedgerError::Account { account })
    }

    /// The job that the entry is about. An entry is about one job at most.
    pub(super) fn job(&mut self, id: JobId) -> Result<&mut Job, LedgerError> {
        let job = match self.job.take() {
            Some((held, job)) => {
                debug_assert_eq!(held, id, "an entry about two jobs");
                job
            }
            None => self.base.jobs.get(&id).cloned().ok_or(LedgerError::UnknownJob { job: id })?,
        };
        Ok(&mut self.job.insert((id, job)).1)
    }

    pub(super) fn new_job(&mut self, id: JobId, job: Job) {
        self.job = Some((id, job));
    }

    /// Moves an amount. Locked and unstaking stake have records of their own: the caller changes those, this notes it.
    pub(super) fn transfer(&mut self, from: Pocket, to: Pocket, amount: u64) -> Result<(), LedgerError> {
        if amount == 0 {
            return Ok(());
        }
        if let Some((pocket, what)) = self.pocket(from)? {
            let available = *pocket;
            let short = || LedgerError::Insufficient {
                account: from.account().copied().unwrap_or(AccountId([0; 32])),
                what,
                needed: amount,
                available,
            };
            *pocket = available.checked_sub(amount).ok_or_else(short)?;
        }
        if let Some((pocket, what)) = self.pocket(to)? {
            *pocket = pocket.checked_add(amount).ok_or(LedgerError::TooMuch { what })?;
        }
        match (from, to) {
            (Pocket::Issued, _) => {
                let all = self.issued.checked_add(amount);
                self.issued = all.ok_or(LedgerError::TooMuch { what: "the sum of all credits" })?;
            }
            (_, Pocket::Burned) => {
                let all = self.burned.checked_add(amount);
                self.burned = all.ok_or(LedgerError::TooMuch { what: "the sum of burned credits" })?;
            }
            _ => {}
        }
        self.movements.push(Movement { from, to, amount_microcredits: amount });
        Ok(())
    }

    /// The number behind a pocket, where one number is all there is, and its name.
    fn pocket(&mut self, pocket: Pocket) -> Result<Option<(&mut u64, &'static str)>, LedgerError> {
        Ok(match pocket {
            Pocket::Issued | Pocket::Burned | Pocket::LockedStake(_) | Pocket::Unstaking(_) => None,
            Pocket::Balance(account) => Some((&mut self.account(account).balance, "balance")),
            Pocket::FreeStake(account) => Some((&mut self.account(account).stake.free, "free stake")),
            Pocket::Claimable(account) => Some((&mut self.account(account).claimable, "earnings")),
            Pocket::Escrow(job) => Some((&mut self.job(job)?.escrow_microcredits, "escrow")),
        })
    }

    /// Takes a lock away; its amount is to be moved by the caller.
    pub(super) fn unlock(&mut self, account: AccountId, job: JobId) -> u64 {
        self.account(account).stake.locks.remove(&job).map_or(0, |lock| lock.amount)
    }

    /// Frees the stake of paid jobs whose challenge window has passed.
    pub(super) fn free_ended_locks(&mut self, account: AccountId) -> Result<(), LedgerError> {
        let now_ms = self.now_ms;
        let mut freed = 0u64;
        self.account(account).stake.locks.retain(|_, lock| {
            let ended = lock.ended(now_ms);
            // All credits fit into 64 bits.
            freed += if ended { lock.amount } else { 0 };
            !ended
        });
        self.transfer(Pocket::LockedStake(account), Pocket::FreeStake(account), freed)
    }

    /// What the entry moved and changed, after a check that it made and lost nothing.
    pub(super) fn finish(self) -> Result<(Vec<Movement>, Changes), LedgerError> {
        let accounts = |of: &dyn Fn(&AccountId) -> Option<u128>| self.accounts.keys().filter_map(of).sum::<u128>();
        let escrow = |job: Option<&Job>| job.map_or(0, |job| u128::from(job.escrow_microcredits));
        let old = accounts(&|id| self.base.accounts.get(id).map(Account::total))
            + escrow(self.job.as_ref().and_then(|(id, _)| self.base.jobs.get(id)));
        let new =
            accounts(&|id| self.accounts.get(id).map(Account::total)) + escrow(self.job.as_ref().map(|(_, job)| job));
        // All credits fit into 64 bits.
        let outside = |burned: u64, issued: u64| i128::from(burned) - i128::from(issued);
        let before = old as i128 + outside(self.base.burned, self.base.issued);
        let after = new as i128 + outside(self.burned, self.issued);
        if before != after {
            return Err(LedgerError::Conservation { before, after });
        }
        let accounts = self.accounts.into_iter().map(|(id, account)| (id, Some(account))).collect();
        let job = self.job.map(|(id, job)| (id, Some(job)));
        Ok((self.movements, Changes { accounts, job, issued: self.issued, burned: self.burned }))
    }
}
