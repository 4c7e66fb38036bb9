//! What becomes of a miner's part: commitment, verdict, release, slash.

use crate::bytes::{AccountId, JobId};
use crate::entry::{Audited, Committed, Outcome, Release, Slash};
use crate::error::LedgerError;
use crate::movement::Pocket;
use crate::parameters::PPM;

use super::draft::Draft;
use super::job::{Job, MinerPart, MinerStage};

impl Draft<'_> {
    /// A miner's part in the job's latest attempt, and the job.
    fn part(&mut self, job: JobId, attempt: u32, miner: AccountId) -> Result<(MinerPart, &mut Job), LedgerError> {
        let record = self.job(job)?;
        let Some(latest) = record.attempt.as_ref().filter(|latest| latest.number == attempt) else {
            let expected = record.attempt.as_ref().map_or(0, |latest| latest.number);
            return Err(LedgerError::Attempt { job, expected, found: attempt });
        };
        let part = *latest.miners.get(&miner).ok_or(LedgerError::NotAssigned { job, miner })?;
        Ok((part, record))
    }

    fn set_part(&mut self, job: JobId, miner: AccountId, part: MinerPart) -> Result<(), LedgerError> {
        if let Some(attempt) = &mut self.job(job)?.attempt {
            attempt.miners.insert(miner, part);
        }
        Ok(())
    }

    pub(super) fn committed(&mut self, entry: &Committed) -> Result<(), LedgerError> {
        let &Committed { job, attempt, miner, commitment } = entry;
        let (part, _) = self.part(job, attempt, miner)?;
        if part.stage != MinerStage::Assigned {
            let (action, found, expected) = ("committed", part.stage, "assigned");
            return Err(LedgerError::MinerStage { job, miner, action, found, expected });
        }
        let part = MinerPart { stage: MinerStage::Committed, commitment: Some(commitment), ..part };
        self.set_part(job, miner, part)
    }

    pub(super) fn audited(&mut self, entry: &Audited) -> Result<(), LedgerError> {
        let &Audited { job, attempt, miner, verdict, ref outcome } = entry;
        let now_ms = self.now_ms;
        let (part, _) = self.part(job, attempt, miner)?;
        let stage = match *outcome {
            Outcome::Accepted { quality_ppm } if quality_ppm > PPM => {
                return Err(LedgerError::Share { what: "the quality", found: quality_ppm });
            }
            Outcome::Accepted { quality_ppm } => MinerStage::Accepted { quality_ppm },
            Outcome::Rejected { proof, .. } => MinerStage::Rejected { proof },
        };
        let proven = matches!(stage, MinerStage::Rejected { proof } if proof.may_slash());
        match part.stage {
            MinerStage::Committed => {}
            // A second opinion, where the first rests on a word.
            MinerStage::Rejected { proof } if !proof.may_slash() => {}
            // A second opinion with proof: an acceptance protects against none.
            MinerStage::Accepted { .. } if proven => {}
            MinerStage::Paid if proven => {
                // From here on the stake is held until the dispute is over.
                let lock = self.account(miner).stake.locks.get_mut(&job).filter(|lock| !lock.ended(now_ms));
                lock.ok_or(LedgerError::WindowOver { job, miner })?.free_at_ms = None;
            }
            found => {
                let expected = "committed, or rejected without proof, or accepted and now rejected with proof";
                return Err(LedgerError::MinerStage { job, miner, action: "audited", found, expected });
            }
        }
        self.set_part(job, miner, MinerPart { stage, verdict: Some(verdict), ..part })
    }

    pub(super) fn release(&mut self, entry: &Release) -> Result<(), LedgerError> {
        let &Release { job, attempt, miner, trust_note, .. } = entry;
        let parameters = self.parameters();
        let (part, _) = self.part(job, attempt, miner)?;
        let (MinerStage::Assigned | MinerStage::Committed | MinerStage::Rejected { .. }) = part.stage else {
            let (action, found, expected) = ("released", part.stage, "assigned, committed or rejected");
            return Err(LedgerError::MinerStage { job, miner, action, found, expected });
        };
        self.set_part(job, miner, MinerPart { stage: MinerStage::Released, ..part })?;
        let freed = self.unlock(miner, job);
        self.transfer(Pocket::LockedStake(miner), Pocket::FreeStake(miner), freed)?;
        let standing = &mut self.account(miner).standing;
        standing.released += 1;
        if trust_note {
            standing.trust_ppm = parameters.trust_after_dropped(standing.trust_ppm);
        }
        Ok(())
    }

    pub(super) fn slash(&mut self, entry: &Slash) -> Result<(), LedgerError> {
        let &Slash { job, attempt, miner } = entry;
        let parameters = self.parameters();
        let (part, record) = self.part(job, attempt, miner)?;
        if !matches!(part.stage, MinerStage::Rejected { proof } if proof.may_slash()) {
            let (action, found, expected) = ("slashed", part.stage, "rejected with a proof");
            return Err(LedgerError::MinerStage { job, miner, action, found, expected });
        }
        let requester = record.requester;
        let harm = record.deposit_microcredits.saturating_sub(record.compensated_microcredits);
        self.set_part(job, miner, MinerPart { stage: MinerStage::Slashed, ..part })?;
        let locked = self.unlock(miner, job);
        // A share of it: at most all.
        let slashed = (u128::from(locked) * u128::from(parameters.slash_ppm) / u128::from(PPM)) as u64;
        let repaid = slashed.min(harm);
        self.job(job)?.compensated_microcredits += repaid;
        let lock = Pocket::LockedStake(miner);
        self.transfer(lock, Pocket::Claimable(requester), repaid)?;
        self.transfer(lock, Pocket::Burned, slashed - repaid)?;
        self.transfer(lock, Pocket::FreeStake(miner), locked - slashed)?;
        let standing = &mut self.account(miner).standing;
        standing.slashed += 1;
        standing.slashed_microcredits = standing.slashed_microcredits.saturating_add(slashed);
        standing.trust_ppm = parameters.trust_after_caught(standing.trust_ppm);
        Ok(())
    }
}
