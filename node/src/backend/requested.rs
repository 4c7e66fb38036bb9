//! Jobs that were ordered here.

use infernet_api::types::job::{Job, JobPart, JobStage};
use infernet_api::{JobId, Problem};
use infernet_ledger::Receipt;
use infernet_network::proof::{JobSpec, PromptOpening, Signed, Verdict};
use infernet_network::wire;

use super::{NodeBackend, convert, jobs, proof};
use crate::requester::Order;

impl NodeBackend {
    pub(super) fn requested(&self) -> Vec<Job> {
        let Some(requester) = &self.node().roles().requester else { return Vec::new() };
        requester.orders().values().filter_map(ordered).collect()
    }

    /// The job of one order.
    pub(super) fn requested_one(&self, id: JobId) -> Option<Job> {
        let orders = self.node().roles().requester.as_ref()?.orders();
        ordered(orders.get(&convert::wire_job(id))?)
    }

    pub(super) async fn complete_requested(&self, job: &mut Job) {
        let Some(requester) = &self.node().roles().requester else { return };
        let Some(order) = requester.orders().remove(&convert::wire_job(job.id)) else { return };
        let decided =
            Receipt::from_bytes(&order.state.receipt).map_or(order.state.updated_ms, |receipt| receipt.time_ms);
        if let (Ok(spec), Ok(verdict)) =
            (JobSpec::from_bytes(&order.spec), Signed::<Verdict>::from_bytes(&order.state.verdict))
            && verdict.verify()
        {
            job.verdict = Some(proof::summary(&verdict.body, &spec, decided));
        }
        if let Some(returned) = self.returned_on_chain(job.id) {
            job.refunded_microcredits = returned;
        }
        if let Some(path) = &order.state.clip {
            job.clip = self.clip_info(job.id, path).await;
        }
        // On the validator's own node the audit's scores are known.
        if self.node().roles().validator.is_some() && (job.quality.is_none() || job.miners.is_empty()) {
            let mut seen = job.clone();
            self.complete_validated(&mut seen).await;
            (job.quality, job.miners) = (seen.quality, seen.miners);
            job.fee_microcredits = seen.fee_microcredits;
            if self.chain().is_none() {
                job.refunded_microcredits = seen.refunded_microcredits;
            }
        }
    }
}

/// An order as a job.
fn ordered(order: &Order) -> Option<Job> {
    let (spec, opening) = (JobSpec::from_bytes(&order.spec).ok()?, PromptOpening::from_bytes(&order.opening).ok()?);
    let state = &order.state;
    let mut job = jobs::blank(&spec, JobPart::Requested, order.created_ms);
    job.updated_unix_ms = state.updated_ms;
    (job.prompt, job.negative_prompt) = (Some(opening.prompt), Some(opening.negative_prompt));
    job.model = order.model.parse().ok();
    job.attempt = state.attempt;
    job.stage = match state.stage {
        wire::JobStage::Posted => JobStage::Posted,
        wire::JobStage::Assigned => JobStage::Assigned,
        wire::JobStage::Running => JobStage::Running,
        wire::JobStage::Committed => JobStage::Committed,
        wire::JobStage::Revealed | wire::JobStage::Audited => JobStage::Auditing,
        // Done for its owner when the clip is here.
        wire::JobStage::Settled if state.clip.is_none() => JobStage::Auditing,
        wire::JobStage::Settled => JobStage::Settled,
        wire::JobStage::Slashed => JobStage::Posted,
        wire::JobStage::Refunded | wire::JobStage::Cancelled => JobStage::Refunded,
    };
    job.progress.done_ppm = state.progress_ppm;
    // The validator tells millionths, of which a run's steps are 50,000 to 850,000.
    let run = state.progress_ppm.saturating_sub(50_000).min(800_000);
    job.progress.step = ((u64::from(run) * u64::from(spec.steps) + 400_000) / 800_000) as u32;
    job.stage_deadline_unix_ms =
        (state.stage_deadline_ms > 0 && !job.stage.is_final()).then_some(state.stage_deadline_ms);
    if let Some((code, message)) = &state.refused {
        job.stage = JobStage::Refunded;
        job.problem = Some(problem(code, message, "change the order and send it again; nothing was paid for a clip"));
    } else if !state.posted {
        // What the deposit on a chain waits for.
        let waits =
            if state.message.is_empty() { "the validator has not confirmed the order yet" } else { &state.message };
        job.problem = Some(problem("not_posted", waits, "nothing: it goes on by itself"));
    } else if !state.message.is_empty() {
        let next_step =
            if job.stage == JobStage::Refunded { "order it again" } else { "nothing: it goes on by itself" };
        job.problem = Some(problem("job_notice", &state.message, next_step));
    }
    Some(job)
}

fn problem(code: &str, message: &str, next_step: &str) -> Problem {
    Problem { code: code.to_owned(), message: message.to_owned(), next_step: next_step.to_owned() }
}
