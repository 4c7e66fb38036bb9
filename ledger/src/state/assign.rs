//! A job begins, and miners take it on.

use std::collections::BTreeMap;

use crate::account::Lock;
use crate::entry::{Assign, MAX_MINERS};
use crate::error::LedgerError;
use crate::movement::Pocket;
use crate::request::JobOrder;

use super::draft::Draft;
use super::job::{Attempt, Job, MinerPart, MinerStage};
use super::ledger::check_time;

impl Draft<'_> {
    pub(super) fn open_job(&mut self, order: &JobOrder) -> Result<(), LedgerError> {
        let most = infernet_economics::MAX_STEPS;
        if !(1..=most).contains(&order.steps) {
            return Err(LedgerError::Steps { found: order.steps, most });
        }
        if order.deposit_microcredits == 0 {
            return Err(LedgerError::Nothing { what: "a deposit" });
        }
        check_time("the deadline", order.deadline_ms)?;
        if order.deadline_ms <= self.now_ms {
            let (deadline_ms, now_ms) = (order.deadline_ms, self.now_ms);
            return Err(LedgerError::Deadline { job: order.job, deadline_ms, now_ms });
        }
        if !order.verify(&self.genesis().ledger) {
            return Err(LedgerError::Signature { what: "order", account: order.requester });
        }
        let job = Job {
            digest: order.digest,
            requester: order.requester,
            deposit_microcredits: order.deposit_microcredits,
            escrow_microcredits: 0,
            compensated_microcredits: 0,
            steps: order.steps,
            deadline_ms: order.deadline_ms,
            opened_ms: self.now_ms,
            end: None,
            attempt: None,
        };
        self.new_job(order.job, job);
        self.transfer(Pocket::Balance(order.requester), Pocket::Escrow(order.job), order.deposit_microcredits)
    }

    pub(super) fn assign(&mut self, assign: &Assign) -> Result<(), LedgerError> {
        let (now_ms, parameters) = (self.now_ms, self.parameters());
        let job = self.job(assign.job)?;
        let found = job.status();
        if !found.waits() {
            let expected = "posted or slashed";
            return Err(LedgerError::JobState { job: assign.job, action: "assign", found, expected });
        }
        if assign.attempt != job.next_attempt() {
            let expected = job.next_attempt();
            return Err(LedgerError::Attempt { job: assign.job, expected, found: assign.attempt });
        }
        if now_ms > job.deadline_ms {
            return Err(LedgerError::Deadline { job: assign.job, deadline_ms: job.deadline_ms, now_ms });
        }
        let miners = |reason| LedgerError::Miners { job: assign.job, reason };
        if assign.miners.is_empty() || assign.miners.len() > MAX_MINERS {
            return Err(miners("none, or more than 64"));
        }
        if !assign.miners.is_sorted_by(|a, b| a.miner < b.miner) {
            return Err(miners("not different and by rising account"));
        }
        let gross = parameters.gross_microcredits(assign.fee_microcredits);
        if gross > job.escrow_microcredits.into() {
            return Err(LedgerError::Fee { job: assign.job, gross, deposit: job.escrow_microcredits });
        }
        let part = MinerPart { stage: MinerStage::Assigned, commitment: None, verdict: None };
        let attempt = Attempt {
            number: assign.attempt,
            fee_microcredits: assign.fee_microcredits,
            assigned_ms: now_ms,
            miners: assign.miners.iter().map(|one| (one.miner, part)).collect::<BTreeMap<_, _>>(),
        };
        job.attempt = Some(attempt);
        let steps = job.steps;
        for one in &assign.miners {
            self.check_account(one.miner)?;
            // Each could be the only one that is accepted, and get the whole fee.
            let trust_ppm = self.account(one.miner).standing.trust_ppm;
            let fee = assign.fee_microcredits;
            let required = parameters.required_stake(trust_ppm, steps, fee, one.cost_microcredits)?.stake_microcredits;
            if one.stake_microcredits < required {
                let offered = one.stake_microcredits;
                return Err(LedgerError::StakeTooSmall { job: assign.job, miner: one.miner, offered, required });
            }
            self.free_ended_locks(one.miner)?;
            let (from, to) = (Pocket::FreeStake(one.miner), Pocket::LockedStake(one.miner));
            self.transfer(from, to, one.stake_microcredits)?;
            let lock = Lock { amount: one.stake_microcredits, free_at_ms: None };
            self.account(one.miner).stake.locks.insert(assign.job, lock);
        }
        Ok(())
    }
}
