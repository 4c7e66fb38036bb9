//! Actions that move money, through the network's settlement: its own ledger, or a contract. Each call's name follows from job,
//! attempt and miner, so that an action that is done twice moves money once.

use infernet_ledger::{AccountId, CheckName, Digest, ProofKind, RefundReason, ReleaseReason};
use infernet_network::proof::{Commitment, JobSpec, Proof, Signed, Verdict};
use infernet_network::wire::JobId;
use infernet_settlement::{
    Accepted, Assignment, Commitment as Committed, EmbeddedSettlement, Ending, Payment, Penalty, Progress, Promise,
    Settlement, SettlementError, SignedAcceptance,
};

use super::assign::cost_of;
use super::desk::Desk;
use super::lifecycle::Action;
use super::record::{At, Attempt, JobRecord, Part, Run, Stage};
use crate::clock::now_ms;

/// The books refuse an entry.
#[derive(Debug, thiserror::Error)]
pub(super) enum BookError {
    /// The settlement.
    #[error(transparent)]
    Settlement(#[from] SettlementError),
    /// The name of a check is none.
    #[error("`{0}` is no check")]
    Check(String),
    /// What the contract is told of a run can't be read from the disk.
    #[error("the {0} can't be read")]
    Evidence(&'static str),
}

impl BookError {
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Settlement(error) => error.code(),
            Self::Check(_) => "ledger.check",
            Self::Evidence(_) => "validator.disk",
        }
    }
}

pub(super) fn ledger_job(id: JobId) -> infernet_ledger::JobId {
    infernet_ledger::JobId(id.0)
}

impl Desk {
    /// Who keeps the money.
    pub(super) fn settlement(&mut self) -> Box<dyn Settlement + '_> {
        match &self.chain {
            // Its state is in one file that clones share.
            Some(chain) => Box::new(chain.settlement().clone()),
            None => Box::new(EmbeddedSettlement::new(&mut self.journal)),
        }
    }

    /// The number of a job's next attempt.
    pub(super) fn next_attempt(&self, id: JobId) -> Result<u32, SettlementError> {
        match &self.chain {
            Some(chain) => chain.settlement().next_attempt(ledger_job(id)),
            None => Ok(self.journal.ledger().job(&ledger_job(id)).map_or(1, infernet_ledger::Job::next_attempt)),
        }
    }

    /// Locks the miner's stake.
    pub(super) fn assign(
        &mut self,
        id: JobId,
        attempt: &Attempt,
        acceptance: Option<SignedAcceptance>,
    ) -> Result<(), BookError> {
        self.assign_all(id, attempt.number, vec![(attempt.clone(), acceptance)])
    }

    /// Locks the stake of all miners that agreed to compute a job side by side.
    pub(super) fn begin(&mut self, id: JobId, parts: &[Part]) -> Result<(), BookError> {
        let agreed = parts.iter().filter(|part| part.at == At::Agreed).map(|part| (part.attempt.clone(), None));
        let agreed: Vec<_> = agreed.collect();
        let number = agreed.first().ok_or(BookError::Evidence("job"))?.0.number;
        self.assign_all(id, number, agreed)
    }

    fn assign_all(
        &mut self,
        id: JobId,
        attempt: u32,
        mut miners: Vec<(Attempt, Option<SignedAcceptance>)>,
    ) -> Result<(), BookError> {
        miners.sort_by_key(|(attempt, _)| attempt.miner.0);
        let promise = |(attempt, acceptance): &(Attempt, Option<SignedAcceptance>)| Promise {
            miner: AccountId(attempt.miner.0),
            stake_microcredits: attempt.stake_microcredits,
            cost_microcredits: cost_of(attempt.fee_microcredits),
            acceptance: acceptance.clone(),
        };
        let fee = miners.iter().map(|(attempt, _)| attempt.fee_microcredits).fold(0, u64::saturating_add);
        let record = self.jobs.get(&id).ok_or(BookError::Evidence("job"))?;
        let job = JobSpec::from_bytes(&record.spec).map_err(|_| BookError::Evidence("job"))?;
        let assignment = Assignment {
            job: ledger_job(id),
            digest: Digest(job.digest().0),
            attempt,
            fee_microcredits: fee,
            miners: miners.iter().map(promise).collect(),
        };
        Ok(self.settlement().assign(&assignment, now_ms())?)
    }

    /// Notes a commitment.
    pub(super) fn note_commitment(&mut self, id: JobId, attempt: &Attempt, digest: [u8; 32]) -> Result<(), BookError> {
        let commitment = Committed {
            job: ledger_job(id),
            attempt: attempt.number,
            miner: AccountId(attempt.miner.0),
            digest: Digest(digest),
        };
        Ok(self.settlement().committed(&commitment, now_ms())?)
    }

    /// Books what an action moves; `next` is the record that will be kept when this succeeds.
    pub(super) fn book(&mut self, id: JobId, next: &JobRecord, action: &Action) -> Result<(), BookError> {
        let job = ledger_job(id);
        match action {
            Action::Settle { run, miners } => {
                let commitment = next.stage.commitment().ok_or(BookError::Evidence("commitment"))?;
                let commitment = Signed::<Commitment>::from_bytes(&commitment.bytes);
                let payment = Payment {
                    job,
                    attempt: run.attempt,
                    proof_root: Digest(commitment.map_err(|_| BookError::Evidence("commitment"))?.body.root.0),
                    bundle: self.bundle_of(id, *run)?,
                    miners: miners
                        .iter()
                        .map(|paid| Accepted {
                            miner: AccountId(paid.miner.0),
                            verdict: Digest(paid.verdict.0),
                            quality_ppm: paid.quality_ppm,
                        })
                        .collect(),
                    dust_to: AccountId(self.public.0),
                };
                let progress = self.settlement().settle(&payment, now_ms())?;
                tell(id, "payment", &progress);
            }
            Action::Slash { run, miner, check, proof, verdict } => {
                let name: CheckName = check.parse().map_err(|_| BookError::Check(check.clone()))?;
                let proof = match proof {
                    Proof::Signed => ProofKind::Signed,
                    Proof::Measured => ProofKind::Measured,
                    // Never slashed for: the ledger would refuse it.
                    Proof::Attested => ProofKind::Attested,
                };
                let penalty = Penalty {
                    job,
                    attempt: run.attempt,
                    miner: AccountId(miner.0),
                    check: name,
                    proof,
                    verdict: Digest(verdict.0),
                    bundle: self.bundle_of(id, *run)?,
                };
                let progress = self.settlement().slash(&penalty, now_ms())?;
                tell(id, "slash", &progress);
            }
            Action::Release { attempt, miner, late } => {
                if !self.has_part(id, *attempt, &AccountId(miner.0)) {
                    return Ok(());
                }
                let over = matches!(next.stage, Stage::Refunded { .. });
                let reason = match (late, over) {
                    (true, _) => ReleaseReason::Timeout,
                    (false, true) => ReleaseReason::Cancelled,
                    (false, false) => ReleaseReason::Failed,
                };
                let miner = AccountId(miner.0);
                let ending = Ending { job, attempt: *attempt, miner, reason, trust_note: *late };
                self.settlement().release(&ending, now_ms())?;
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
                let progress = self.settlement().refund(job, reason, now_ms())?;
                tell(id, "refund", &progress);
            }
            Action::Choose
            | Action::Offer { .. }
            | Action::Begin
            | Action::PublishNonce
            | Action::Audit { .. }
            | Action::Stop { .. }
            | Action::Announce => {}
        }
        Ok(())
    }

    /// Whether a miner's part in an attempt is open. An offer that was not taken locked nothing, unless a crash came between the books and
    /// the record.
    fn has_part(&self, id: JobId, attempt: u32, miner: &AccountId) -> bool {
        // What the contract's side keeps of an acceptance is ended, whether there is one or not.
        if self.chain.is_some() {
            return true;
        }
        let known = self.journal.ledger().job(&ledger_job(id)).and_then(|known| known.attempt.as_ref());
        known.is_some_and(|known| known.number == attempt && known.miners.contains_key(miner))
    }

    /// Digest of the bundle that a run's verdict is about.
    fn bundle_of(&self, id: JobId, run: Run) -> Result<Digest, BookError> {
        let bytes = std::fs::read(self.store.verdict(&id, run)).map_err(|_| BookError::Evidence("verdict"))?;
        let verdict = Signed::<Verdict>::from_bytes(&bytes).map_err(|_| BookError::Evidence("verdict"))?;
        Ok(Digest(verdict.body.bundle.0))
    }
}

/// A contract takes its time: how far it is by now.
fn tell(id: JobId, what: &str, progress: &Progress) {
    match progress {
        Progress::NeedsSignatures { have, need, .. } => {
            tracing::info!(job = %id, have, need, "the {what} needs the signatures of other members");
        }
        Progress::Sending { intent } => tracing::info!(job = %id, intent, "the {what} goes to the chain"),
        Progress::Failed { intent, reason } => {
            tracing::warn!(job = %id, intent, "the chain did not take the {what}: {reason}");
        }
        Progress::Open | Progress::Settled | Progress::Refunded | Progress::Slashed => {}
    }
}
