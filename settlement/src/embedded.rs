//! The embedded ledger as a [`Settlement`].

use std::borrow::BorrowMut;

use infernet_ledger::{
    Assign, Assignment as LedgerAssignment, Audited, Committed, Digest, Entry, JobId, JobStatus, Journal, Outcome,
    Refund, RefundReason, Release, Settle, Slash,
};

use crate::error::SettlementError;
use crate::settlement::{
    Assignment, Backend, Commitment, Deposit, Ending, Party, Payment, Penalty, Progress, Settlement,
};

/// A journal, owned or borrowed mutably.
#[derive(Debug)]
pub struct EmbeddedSettlement<J>(J);

impl<J: BorrowMut<Journal>> EmbeddedSettlement<J> {
    /// Around a journal that can be written.
    pub fn new(journal: J) -> Self {
        Self(journal)
    }

    /// The journal back.
    pub fn into_inner(self) -> J {
        self.0
    }

    fn enter(&mut self, entries: &[Entry], now_ms: u64) -> Result<(), SettlementError> {
        for result in self.0.borrow_mut().append_all(entries, now_ms)? {
            result?;
        }
        Ok(())
    }
}

impl<J: BorrowMut<Journal> + Send> Settlement for EmbeddedSettlement<J> {
    fn backend(&self) -> Backend {
        Backend::Ledger
    }

    fn deposit(&self, job: JobId, digest: Digest) -> Result<Option<Deposit>, SettlementError> {
        let journal: &Journal = self.0.borrow();
        Ok(journal.ledger().job(&job).filter(|known| known.digest == digest).map(|known| Deposit {
            job,
            digest: known.digest,
            requester: Party::Peer(known.requester),
            amount_microcredits: known.deposit_microcredits,
            deadline_ms: known.deadline_ms,
            ended: known.status().ended(),
        }))
    }

    fn next_attempt(&self, job: JobId) -> Result<u32, SettlementError> {
        let journal: &Journal = self.0.borrow();
        Ok(journal.ledger().job(&job).map_or(1, infernet_ledger::Job::next_attempt))
    }

    fn assign(&mut self, assignment: &Assignment, now_ms: u64) -> Result<(), SettlementError> {
        let miner = |promise: &crate::settlement::Promise| LedgerAssignment {
            miner: promise.miner,
            stake_microcredits: promise.stake_microcredits,
            cost_microcredits: promise.cost_microcredits,
        };
        let entry = Assign {
            job: assignment.job,
            attempt: assignment.attempt,
            fee_microcredits: assignment.fee_microcredits,
            miners: assignment.miners.iter().map(miner).collect(),
        };
        self.enter(&[Entry::Assign(entry)], now_ms)
    }

    fn committed(&mut self, commitment: &Commitment, now_ms: u64) -> Result<(), SettlementError> {
        let &Commitment { job, attempt, miner, digest } = commitment;
        self.enter(&[Entry::Committed(Committed { job, attempt, miner, commitment: digest })], now_ms)
    }

    fn settle(&mut self, payment: &Payment, now_ms: u64) -> Result<Progress, SettlementError> {
        let (job, attempt) = (payment.job, payment.attempt);
        let audited = |accepted: &crate::settlement::Accepted| {
            let outcome = Outcome::Accepted { quality_ppm: accepted.quality_ppm };
            Entry::Audited(Audited { job, attempt, miner: accepted.miner, verdict: accepted.verdict, outcome })
        };
        let mut entries: Vec<Entry> = payment.miners.iter().map(audited).collect();
        entries.push(Entry::Settle(Settle { job, attempt, dust_to: payment.dust_to }));
        self.enter(&entries, now_ms)?;
        Ok(Progress::Settled)
    }

    fn slash(&mut self, penalty: &Penalty, now_ms: u64) -> Result<Progress, SettlementError> {
        let &Penalty { job, attempt, miner, verdict, ref check, proof, .. } = penalty;
        let outcome = Outcome::Rejected { check: check.clone(), proof };
        let entries = [
            Entry::Audited(Audited { job, attempt, miner, verdict, outcome }),
            Entry::Slash(Slash { job, attempt, miner }),
        ];
        self.enter(&entries, now_ms)?;
        Ok(Progress::Slashed)
    }

    fn release(&mut self, ending: &Ending, now_ms: u64) -> Result<(), SettlementError> {
        let &Ending { job, attempt, miner, reason, trust_note } = ending;
        self.enter(&[Entry::Release(Release { job, attempt, miner, reason, trust_note })], now_ms)
    }

    fn refund(&mut self, job: JobId, reason: RefundReason, now_ms: u64) -> Result<Progress, SettlementError> {
        self.enter(&[Entry::Refund(Refund { job, reason })], now_ms)?;
        Ok(Progress::Refunded)
    }

    fn progress(&self, job: JobId) -> Result<Progress, SettlementError> {
        let journal: &Journal = self.0.borrow();
        Ok(match journal.ledger().job(&job).map(infernet_ledger::Job::status) {
            Some(JobStatus::Settled) => Progress::Settled,
            Some(JobStatus::Refunded) => Progress::Refunded,
            Some(JobStatus::Slashed) => Progress::Slashed,
            _ => Progress::Open,
        })
    }
}
