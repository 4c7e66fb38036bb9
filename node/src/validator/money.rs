//! Actions that move money, as entries of the ledger. Each entry's name follows from job, attempt and miner, so that an action
//! that is done twice is entered once.

use infernet_ledger::{
    AccountId, Assign, Assignment, Audited, CheckName, Committed, Digest, Entry, JournalError, LedgerError, Outcome,
    ProofKind, Refund, RefundReason, Release, ReleaseReason, Settle, Slash,
};
use infernet_network::proof::Proof;
use infernet_network::wire::JobId;

use super::desk::{Desk, cost_of};
use super::lifecycle::Action;
use super::record::{Attempt, JobRecord, Stage};
use crate::clock::now_ms;

/// The books refuse an entry.
#[derive(Debug, thiserror::Error)]
pub(super) enum BookError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The entry.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The name of a check is none.
    #[error("`{0}` is no check")]
    Check(String),
}

impl BookError {
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Journal(error) => error.code(),
            Self::Ledger(error) => error.code(),
            Self::Check(_) => "ledger.check",
        }
    }
}

fn ledger_job(id: JobId) -> infernet_ledger::JobId {
    infernet_ledger::JobId(id.0)
}

impl Desk {
    fn enter(&mut self, entries: &[Entry]) -> Result<(), BookError> {
        for result in self.journal.append_all(entries, now_ms())? {
            result?;
        }
        Ok(())
    }

    /// Locks the miner's stake.
    pub(super) fn assign(&mut self, id: JobId, attempt: &Attempt) -> Result<(), BookError> {
        let miner = Assignment {
            miner: AccountId(attempt.miner.0),
            stake_microcredits: attempt.stake_microcredits,
            cost_microcredits: cost_of(attempt.fee_microcredits),
        };
        self.enter(&[Entry::Assign(Assign {
            job: ledger_job(id),
            attempt: attempt.number,
            fee_microcredits: attempt.fee_microcredits,
            miners: vec![miner],
        })])
    }

    /// Notes a commitment.
    pub(super) fn note_commitment(&mut self, id: JobId, attempt: &Attempt, digest: [u8; 32]) -> Result<(), BookError> {
        self.enter(&[Entry::Committed(Committed {
            job: ledger_job(id),
            attempt: attempt.number,
            miner: AccountId(attempt.miner.0),
            commitment: Digest(digest),
        })])
    }

    /// Books what an action moves; `next` is the record that will be kept when this succeeds.
    pub(super) fn book(&mut self, id: JobId, next: &JobRecord, action: &Action) -> Result<(), BookError> {
        let job = ledger_job(id);
        match action {
            Action::Settle { attempt, miner, quality_ppm, verdict } => {
                let (attempt, miner) = (*attempt, AccountId(miner.0));
                let outcome = Outcome::Accepted { quality_ppm: *quality_ppm };
                self.enter(&[
                    Entry::Audited(Audited { job, attempt, miner, verdict: Digest(verdict.0), outcome }),
                    Entry::Settle(Settle { job, attempt, dust_to: AccountId(self.public.0) }),
                ])
            }
            Action::Slash { attempt, miner, check, proof, verdict } => {
                let (attempt, miner) = (*attempt, AccountId(miner.0));
                let check: CheckName = check.parse().map_err(|_| BookError::Check(check.clone()))?;
                let proof = match proof {
                    Proof::Signed => ProofKind::Signed,
                    Proof::Measured => ProofKind::Measured,
                    // Never slashed for: the ledger would refuse it.
                    Proof::Attested => ProofKind::Attested,
                };
                let outcome = Outcome::Rejected { check, proof };
                self.enter(&[
                    Entry::Audited(Audited { job, attempt, miner, verdict: Digest(verdict.0), outcome }),
                    Entry::Slash(Slash { job, attempt, miner }),
                ])
            }
            Action::Release { attempt, miner, late } => {
                // An offer that was not taken locked nothing, unless a crash came between the books and the record.
                let known = self.journal.ledger().job(&job).and_then(|known| known.attempt.as_ref());
                if known.is_none_or(|known| known.number != *attempt || !known.miners.contains_key(&AccountId(miner.0)))
                {
                    return Ok(());
                }
                let over = matches!(next.stage, Stage::Refunded { .. });
                let reason = match (late, over) {
                    (true, _) => ReleaseReason::Timeout,
                    (false, true) => ReleaseReason::Cancelled,
                    (false, false) => ReleaseReason::Failed,
                };
                let miner = AccountId(miner.0);
                self.enter(&[Entry::Release(Release { job, attempt: *attempt, miner, reason, trust_note: *late })])
            }
            Action::Refund => {
                let reason = match &next.stage {
                    Stage::Refunded { code, .. } if code == "cancelled" => RefundReason::Cancelled,
                    Stage::Refunded { code, .. } if code == "deadline" && next.history.is_empty() => {
                        RefundReason::NoMiner
                    }
                    Stage::Refunded { code, .. } if code == "deadline" => RefundReason::Deadline,
                    _ => RefundReason::Failed,
                };
                self.enter(&[Entry::Refund(Refund { job, reason })])
            }
            Action::Choose
            | Action::Offer
            | Action::PublishNonce
            | Action::Audit
            | Action::Stop { .. }
            | Action::Announce => Ok(()),
        }
    }
}
