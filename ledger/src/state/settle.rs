//! A job's end: pay or refund.

use crate::bytes::AccountId;
use crate::entry::{Refund, Settle};
use crate::error::LedgerError;
use crate::movement::Pocket;
use crate::parameters::PPM;

use super::draft::Draft;
use super::job::{End, JobStatus, MinerStage};

impl Draft<'_> {
    /// Pays: of the fee, each accepted miner has a part by its trust (this job counted, so that nobody has none), and gets of it
    /// what its quality earns. What quality withholds, and what the fee left of the deposit, goes back to the requester.
    pub(super) fn settle(&mut self, entry: &Settle) -> Result<(), LedgerError> {
        let &Settle { job: id, attempt, dust_to } = entry;
        let (parameters, now_ms) = (self.parameters(), self.now_ms);
        let job = self.job(id)?;
        let found = job.status();
        let wrong = |expected| LedgerError::JobState { job: id, action: "settle", found, expected };
        if found != JobStatus::Audited {
            return Err(wrong("audited"));
        }
        let Some(latest) = job.attempt.as_mut().filter(|latest| latest.number == attempt) else {
            let expected = job.attempt.as_ref().map_or(0, |latest| latest.number);
            return Err(LedgerError::Attempt { job: id, expected, found: attempt });
        };
        let mut accepted: Vec<(AccountId, u32)> = Vec::new();
        for (miner, part) in &mut latest.miners {
            match part.stage {
                MinerStage::Accepted { quality_ppm } => {
                    accepted.push((*miner, quality_ppm));
                    part.stage = MinerStage::Paid;
                }
                MinerStage::Rejected { .. } => return Err(wrong("rid of rejected miners (release or slash them)")),
                _ => {}
            }
        }
        let (fee, requester) = (latest.fee_microcredits, job.requester);
        job.end = Some(End::Settled);
        self.check_account(dust_to)?;

        let mut weights = Vec::with_capacity(accepted.len());
        for &(miner, quality_ppm) in &accepted {
            let standing = &mut self.account(miner).standing;
            standing.trust_ppm = parameters.trust_after_paid(standing.trust_ppm);
            standing.quality_ppm = Some(parameters.quality_after(standing.quality_ppm, quality_ppm));
            standing.paid += 1;
            // Without drift nobody ever gains trust; then all count alike.
            weights.push(u128::from(standing.trust_ppm.max(1)));
        }
        let all: u128 = weights.iter().sum();
        let mut dust = fee;
        for (&(miner, quality_ppm), weight) in accepted.iter().zip(weights) {
            // Parts of the fee: at most the fee.
            let part = (u128::from(fee) * weight / all) as u64;
            let factor = parameters.quality_factor(quality_ppm);
            let reward = (u128::from(part) * u128::from(factor) / u128::from(PPM)) as u64;
            dust -= part;
            self.transfer(Pocket::Escrow(id), Pocket::Claimable(miner), reward)?;
            let account = self.account(miner);
            let earned = &mut account.standing.earned_microcredits;
            *earned = earned.saturating_add(reward);
            if let Some(lock) = account.stake.locks.get_mut(&id) {
                lock.free_at_ms = Some(now_ms + parameters.lock_ms());
            }
        }
        self.transfer(Pocket::Escrow(id), Pocket::Claimable(dust_to), dust)?;
        // Within the deposit, as the assignment was.
        let validator_part = (parameters.gross_microcredits(fee) - u128::from(fee)) as u64;
        self.transfer(Pocket::Escrow(id), Pocket::Claimable(self.genesis().ledger.validator), validator_part)?;
        let left = self.job(id)?.escrow_microcredits;
        self.transfer(Pocket::Escrow(id), Pocket::Balance(requester), left)
    }

    /// Gives the deposit back. Nobody may be working on the job: whoever was must be released or slashed first.
    pub(super) fn refund(&mut self, entry: &Refund) -> Result<(), LedgerError> {
        let job = self.job(entry.job)?;
        let found = job.status();
        if !found.waits() {
            let expected = "posted or slashed";
            return Err(LedgerError::JobState { job: entry.job, action: "refund", found, expected });
        }
        job.end = Some(End::Refunded);
        let (requester, left) = (job.requester, job.escrow_microcredits);
        self.transfer(Pocket::Escrow(entry.job), Pocket::Balance(requester), left)
    }
}
