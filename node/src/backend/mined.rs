//! Jobs that are or were computed here.

use infernet_api::ApiError;
use infernet_api::types::job::{Job, JobMiner, JobPart, JobStage};
use infernet_ledger::{AccountId, Entry, Receipt};

use super::{NodeBackend, books, convert, errors, jobs};
use crate::chain::PartEnd;
use crate::miner::{MinedJob, MinerSnapshot};
use crate::worker::Stage;

impl NodeBackend {
    pub(super) async fn mined(&self) -> Result<Vec<Job>, ApiError> {
        let Some(miner) = self.node().roles().miner.clone() else { return Ok(Vec::new()) };
        let snapshot = miner.snapshot().borrow().clone();
        let found = tokio::task::spawn_blocking(move || miner.jobs()).await.map_err(|error| errors::broken(&error))?;
        Ok(found.iter().map(|mined| self.mined_as(mined, &snapshot)).collect())
    }

    fn mined_as(&self, mined: &MinedJob, snapshot: &MinerSnapshot) -> Job {
        let mut job = jobs::blank(&mined.job, JobPart::Mined, mined.accepted_ms);
        let models = &self.node().roles().models;
        job.model = models.get(&mined.job.model).and_then(|model| model.id.parse().ok());
        (job.attempt, job.updated_unix_ms) = (mined.attempt, mined.updated_ms);
        let receipts = self.inner.books.of_job(&job.id);
        jobs::fill(&mut job, &receipts);
        let here = snapshot.job.map(convert::job_id) == Some(job.id);
        if job.fee_microcredits == 0 {
            job.fee_microcredits = mined.fee_microcredits;
        }
        let mut ended = outcome(&receipts, self.inner.books.own(), mined.attempt);
        if let Some((end, amount)) = self.chain().and_then(|chain| chain.part_end(&job.id.0)) {
            let paid = end == PartEnd::Paid;
            ended = Some(if paid { JobStage::Settled } else { JobStage::Slashed });
            job.fee_microcredits = if paid { amount } else { 0 };
            job.miners = vec![JobMiner {
                id: convert::account_node(self.inner.books.own()),
                locked_stake_microcredits: 0,
                reward_microcredits: if paid { amount } else { 0 },
                slashed_microcredits: if paid { 0 } else { amount },
            }];
        }
        // The job ended with another miner's clip, or without one.
        if ended.is_none() && !here && self.chain().is_some_and(|chain| chain.has_ended(&job.id.0)) {
            ended = Some(JobStage::Released);
        }
        job.stage = match ended {
            Some(stage) => stage,
            None if mined.delivered => JobStage::Auditing,
            None if here => match snapshot.stage {
                None => JobStage::Assigned,
                Some(_) if receipts.iter().any(|receipt| matches!(receipt.entry, Entry::Committed(_))) => {
                    JobStage::Committed
                }
                Some(_) => JobStage::Running,
            },
            None => JobStage::Assigned,
        };
        let steps = mined.job.steps;
        if let Some(Stage::Step { done, seconds, .. }) = snapshot.stage.filter(|_| here) {
            job.progress.step = done;
            job.progress.done_ppm = (u64::from(done) * 1_000_000 / u64::from(steps.max(1))) as u32;
            job.progress.seconds_per_step = Some(seconds);
            job.progress.seconds_left = Some(seconds * f64::from(steps.saturating_sub(done)));
        } else if !matches!(job.stage, JobStage::Assigned | JobStage::Running) {
            (job.progress.step, job.progress.done_ppm) = (steps, 1_000_000);
        }
        job
    }
}

/// How this miner's attempt ended, as far as the ledger says.
fn outcome(receipts: &[Receipt], own: &AccountId, attempt: u32) -> Option<JobStage> {
    receipts.iter().rev().find_map(|receipt| match &receipt.entry {
        Entry::Settle(settle) if settle.attempt == attempt => {
            (books::rewards(std::slice::from_ref(receipt), own) > 0).then_some(JobStage::Settled)
        }
        Entry::Slash(slash) if slash.attempt == attempt && slash.miner == *own => Some(JobStage::Slashed),
        Entry::Release(release) if release.attempt == attempt && release.miner == *own => Some(JobStage::Released),
        _ => None,
    })
}
