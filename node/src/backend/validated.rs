//! Jobs that are or were audited here, looked at from the validator's desk.

use infernet_api::types::job::{Job, JobPart, JobStage};
use infernet_api::{ApiError, Problem};
use infernet_network::proof::{JobSpec, Signed, Verdict};
use infernet_network::wire::JobId;

use super::{NodeBackend, errors, jobs, proof};
use crate::clock::now_ms;
use crate::validator::record::{At, JobRecord, Stage};

/// A miner's offer for a job.
pub(super) struct Able {
    /// What it asks for, in micro-credits.
    pub(super) fee: u64,
    /// What its run takes by its own measurement.
    pub(super) seconds: f64,
}

/// A miner that has not been heard of for this long is not counted.
const HEARD_MS: u64 = 30_000;

impl NodeBackend {
    pub(super) async fn validated(&self) -> Result<Vec<Job>, ApiError> {
        let Some(validator) = &self.node().roles().validator else { return Ok(Vec::new()) };
        let records =
            validator.look(|desk| desk.jobs.iter().map(|(id, record)| (*id, record.clone())).collect::<Vec<_>>());
        let records = records.await.ok_or_else(|| errors::no_validator("it is stopping"))?;
        Ok(records.iter().filter_map(|(_, record)| self.validated_as(record)).collect())
    }

    fn validated_as(&self, record: &JobRecord) -> Option<Job> {
        let spec = JobSpec::from_bytes(&record.spec).ok()?;
        let mut job = jobs::blank(&spec, JobPart::Validated, record.posted_ms);
        job.model = self.node().roles().models.get(&spec.model).and_then(|model| model.id.parse().ok());
        job.attempt = record.attempt;
        // Of several miners, the one that is the furthest.
        let part = record.stage.foremost();
        job.stage = match (&record.stage, part.as_ref().map(|part| &part.at)) {
            (Stage::Settled(..), _) => JobStage::Settled,
            (Stage::Refunded { .. }, _) => JobStage::Refunded,
            (_, None) => JobStage::Posted,
            (_, Some(At::Offered | At::Agreed)) => JobStage::Assigned,
            (_, Some(At::Running)) => JobStage::Running,
            (_, Some(At::Committed(_))) => JobStage::Committed,
            (_, Some(At::Auditing(_) | At::Accepted { .. })) => JobStage::Auditing,
        };
        if let Some(part) = part {
            let attempt = part.attempt;
            let running = matches!(part.at, At::Offered | At::Agreed | At::Running);
            let done = if running { attempt.steps_done } else { spec.steps };
            job.progress.step = done;
            job.progress.done_ppm = (u64::from(done) * 1_000_000 / u64::from(spec.steps.max(1))) as u32;
            job.fee_microcredits = attempt.fee_microcredits;
            job.stage_deadline_unix_ms = (!record.stage.is_final()).then_some(attempt.deadline_ms);
        }
        let said = match (&record.stage, record.history.last()) {
            (Stage::Refunded { code, message }, _) => Some((code, message)),
            (Stage::Posted { .. }, Some(ended)) => Some((&ended.code, &ended.message)),
            _ => None,
        };
        job.problem = said.map(|(code, message)| Problem {
            code: code.clone(),
            message: message.clone(),
            next_step: "nothing: it goes on by itself".to_owned(),
        });
        Some(job)
    }

    /// Adds what the ledger and the verdict's file say.
    pub(super) async fn complete_validated(&self, job: &mut Job) {
        let Some(validator) = &self.node().roles().validator else { return };
        let id = JobId(job.id.0);
        let looked = validator.look(move |desk| {
            let receipts = desk.journal.job_history(&infernet_ledger::JobId(id.0)).unwrap_or_default();
            let spec = desk.jobs.get(&id).map(|record| record.spec.clone());
            (receipts, spec, desk.verdict_bytes(&id))
        });
        let Some((receipts, spec, verdict)) = looked.await else { return };
        jobs::fill(job, &receipts);
        let spec = spec.and_then(|bytes| JobSpec::from_bytes(&bytes).ok());
        if let (Some(spec), Ok(verdict)) = (spec, Signed::<Verdict>::from_bytes(&verdict)) {
            let decided = receipts.last().map_or(job.updated_unix_ms, |receipt| receipt.time_ms);
            job.verdict = Some(proof::summary(&verdict.body, &spec, decided));
        }
    }

    /// On a validator: the miners that could take a job now. Elsewhere nobody knows.
    pub(super) async fn able(&self, job: &JobSpec) -> Option<Vec<Able>> {
        let validator = self.node().roles().validator.as_ref()?;
        let (model, frames, width, height, steps) = (job.model, job.frames, job.width, job.height, job.steps);
        let branches = if job.is_guided() { 2.0 } else { 1.0 };
        let looked = validator.look(move |desk| {
            let now = now_ms();
            let heard = desk
                .miners
                .values()
                .filter(|miner| now.saturating_sub(miner.seen_ms) < HEARD_MS && miner.offer.accepting);
            let fitting = heard.filter_map(|miner| {
                miner.offer.models.iter().find(|offered| {
                    offered.digest == model
                        && offered.max_frames >= frames
                        && offered.max_width >= width
                        && offered.max_height >= height
                })
            });
            let able = fitting.map(|offered| Able {
                fee: offered.price_microcredits_per_step.saturating_mul(u64::from(steps)),
                seconds: offered.seconds_per_evaluation * branches * f64::from(steps),
            });
            able.collect()
        });
        Some(looked.await.unwrap_or_default())
    }
}
