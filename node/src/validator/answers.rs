//! What peers ask a validator.

use std::path::PathBuf;

use infernet_ledger::{AccountId, AccountRequest, Entry, JobOrder};
use infernet_network::proof::{Bundle, Challenge, Commitment, JobSpec, PromptOpening, PublicKey, Signed};
use infernet_network::wire::{
    Account, Ack, Commit, JobId, JobPreview, JobStage, JobState, LedgerAnswer, Nonce, PostJob, Posted, Preview,
    PreviewQuery, ReceiptList, Request, Response,
};

use super::desk::{Desk, Miner};
use super::lifecycle::Event;
use super::onchain::Missing;
use super::record::{At, JobRecord, Part, Stage};
use crate::clock::now_ms;

/// Open jobs that a validator takes.
const MAX_OPEN_JOBS: usize = 10_000;
/// Open jobs of one requester.
const MAX_OPEN_JOBS_EACH: usize = 1_000;
/// Shortest and longest time for a job.
const LEAST_DEADLINE_MS: u64 = 10_000;
const MOST_DEADLINE_MS: u64 = 24 * 3_600_000;
/// Miners remembered.
const MAX_MINERS: usize = 100_000;

fn ack() -> Response {
    Response::Ack(Ack { now_unix_ms: now_ms() })
}

impl Desk {
    pub(super) fn answer(&mut self, peer: PublicKey, request: Request) -> Response {
        match request {
            Request::MinerOffer(offer) => {
                let seen_ms = now_ms();
                if !self.miners.contains_key(&peer) && self.miners.len() >= MAX_MINERS {
                    return Response::error("validator.full", "this validator knows too many miners; ask another one");
                }
                self.miners.insert(peer, Miner { offer, seen_ms });
                ack()
            }
            Request::PostJob(post) => self.post(peer, &post),
            Request::JobStatus(status) => self.status(peer, status.job_id),
            Request::JobPreview(query) => self.preview(peer, query),
            Request::CancelJob(cancel) => {
                let own = self.jobs.get(&cancel.job_id).is_some_and(|record| record.requester == peer);
                if !own {
                    return Response::refused("job.unknown", "there is no such job of yours");
                }
                self.happen(cancel.job_id, Event::Cancelled);
                self.status(peer, cancel.job_id)
            }
            Request::Commit(commit) => self.commit(peer, &commit),
            Request::JobProgress(progress) => {
                if let Some(preview) = progress.preview {
                    self.keep_preview(peer, progress.job_id, progress.step, preview);
                }
                self.happen(progress.job_id, Event::Progress { miner: peer, steps_done: progress.step });
                ack()
            }
            Request::JobFailed(failed) => {
                let event = Event::Failed { miner: peer, code: failed.code, message: failed.message };
                self.happen(failed.job_id, event);
                ack()
            }
            Request::LedgerRequest(request) => self.ledger_request(peer, &request.request),
            Request::Account(query) => {
                let account = self.journal.ledger().account(&AccountId(query.key.0)).cloned().unwrap_or_default();
                Response::Account(Account { state: account.to_bytes().into() })
            }
            Request::Receipts(query) => self.receipts(peer, query.after),
            Request::Hello(_)
            | Request::OfferJob(_)
            | Request::Settled(_)
            | Request::ModelOffer(_)
            | Request::CoSign(_)
            | Request::MemberQuery(_) => Response::refused("validator.request", "a validator does not answer this"),
        }
    }

    fn post(&mut self, peer: PublicKey, post: &PostJob) -> Response {
        match self.opened(peer, post) {
            Ok((id, receipt)) => Response::Posted(Posted { job_id: id, receipt: receipt.into() }),
            Err(response) => *response,
        }
    }

    fn opened(&mut self, peer: PublicKey, post: &PostJob) -> Result<(JobId, Vec<u8>), Box<Response>> {
        let refuse = |code: &str, message: String| Err(Box::new(Response::refused(code, message)));
        let job = match JobSpec::from_bytes(&post.spec).map(|job| job.check().map(|()| job)) {
            Ok(Ok(job)) => job,
            Ok(Err(error)) => return refuse("job.invalid", error.to_string()),
            Err(error) => return refuse("job.unreadable", error.to_string()),
        };
        let opening = match PromptOpening::from_bytes(&post.opening) {
            Ok(opening) => opening,
            Err(error) => return refuse("job.prompt", error.to_string()),
        };
        if let Err(error) = opening.check(&job.prompt, &job.negative_prompt) {
            return refuse("job.prompt", error.to_string());
        }
        if job.requester != peer {
            return refuse("job.requester", "the job names another requester than who sends it".to_owned());
        }
        if job.network != self.config.network {
            return refuse(
                "job.network",
                format!("the job is for network {}, this is {}", job.network, self.config.network),
            );
        }
        if post.miners > 1 && self.chain.is_some() {
            return refuse("job.miners", "where a contract settles, a job has one miner; leave miners out".to_owned());
        }
        let id = JobId(job.job_id);
        let order = JobOrder {
            job: infernet_ledger::JobId(job.job_id),
            digest: infernet_ledger::Digest(job.digest().0),
            requester: AccountId(peer.0),
            deposit_microcredits: job.deposit_microcredits,
            steps: job.steps,
            deadline_ms: job.deadline_unix_ms,
            signature: infernet_ledger::Signature(post.signature.0),
        };
        let now = now_ms();
        if !self.jobs.contains_key(&id) {
            let left = job.deadline_unix_ms.saturating_sub(now);
            if !(LEAST_DEADLINE_MS..=MOST_DEADLINE_MS).contains(&left) {
                return refuse(
                    "job.deadline",
                    format!(
                        "the job must be over in {left} ms by this validator's clock; 10 s to 24 h are taken (is the clock right?)"
                    ),
                );
            }
            let Some(model) = self.models.get(&job.model) else {
                return refuse(
                    "model.unknown",
                    format!("this validator can't judge model {}; ask for one that it has", job.model),
                );
            };
            if let Err(error) = model.bounds() {
                return refuse("model.bounds", error.to_string());
            }
            let open = self.jobs.values().filter(|record| !record.stage.is_final());
            let (mut all, mut own) = (0, 0);
            for record in open {
                all += 1;
                own += usize::from(record.requester == peer);
            }
            if all >= MAX_OPEN_JOBS || own >= MAX_OPEN_JOBS_EACH {
                return refuse("validator.full", "too many jobs are open; send it again when some are done".to_owned());
            }
        }
        let mut deposit_microcredits = job.deposit_microcredits;
        let receipt = match self.deposit_behind(&job) {
            Some(Ok(deposit)) => {
                deposit_microcredits = deposit.amount_microcredits;
                Vec::new()
            }
            // One that is here already has been paid for, whatever has become of it.
            Some(Err(_)) if self.jobs.contains_key(&id) => Vec::new(),
            Some(Err(Missing::Later(code, text))) => return Err(Box::new(Response::error(code, text))),
            Some(Err(Missing::Never(code, text))) => return refuse(code, text),
            None => match self.journal.append(&Entry::OpenJob(order), now) {
                Ok(appended) => appended.receipt.to_bytes(),
                Err(error) => return refuse(error.code(), error.to_string()),
            },
        };
        if !self.jobs.contains_key(&id) {
            let record = JobRecord {
                spec: post.spec.to_vec(),
                opening: post.opening.to_vec(),
                requester: peer,
                deposit_microcredits,
                posted_ms: now,
                deadline_ms: job.deadline_unix_ms,
                miners: u32::from(post.miners),
                attempt: 0,
                passed_over: Vec::new(),
                stage: Stage::Posted { not_before_ms: now },
                history: Vec::new(),
            };
            if let Err(error) = self.store.keep(&id, &record) {
                // The escrow stays until the requester sends it again, which is answered as this time, or the next start refunds it.
                return refuse("validator.disk", format!("the job can't be kept: {error}; send it again later"));
            }
            self.jobs.insert(id, record);
        }
        Ok((id, receipt))
    }

    fn commit(&mut self, peer: PublicKey, commit: &Commit) -> Response {
        let refuse = |code: &str, message: &str| Response::refused(code, message);
        let id = commit.job_id;
        let Some(record) = self.jobs.get(&id).cloned() else {
            return refuse("job.unknown", "there is no such job; it may be over");
        };
        let part = record.stage.part(&peer);
        let Some(attempt) = part.as_ref().map(|part| part.attempt.clone()) else {
            return refuse("job.not_yours", "another miner has this job now");
        };
        let Ok(signed) = Signed::<Commitment>::from_bytes(&commit.commitment) else {
            return refuse("commit.unreadable", "the commitment can't be read");
        };
        let Ok(challenge) = Signed::<Challenge>::from_bytes(&attempt.challenge) else {
            return Response::error("validator.challenge", "the challenge can't be read; ask again later");
        };
        let body = &signed.body;
        if body.miner != peer || body.session != challenge.body.session() || !signed.verify() {
            return refuse("commit.invalid", "the commitment is not signed by this miner for this challenge");
        }
        if part.as_ref().is_some_and(|part| matches!(part.at, At::Offered | At::Agreed)) {
            // A short run can be over before the word of its acceptance is here; the stake is not locked yet.
            return Response::error("commit.early", "the acceptance is not booked yet; commit again in a moment");
        }
        if part.is_some_and(|part| part.at == At::Running) {
            if let Err(error) = self.note_commitment(id, &attempt, signed.digest().0) {
                return refuse(error.code(), &error.to_string());
            }
            let reveal_deadline_ms = now_ms().saturating_add(challenge.body.reveal_window_ms);
            let bytes = commit.commitment.to_vec();
            self.happen(id, Event::Committed { miner: peer, bytes, reveal_deadline_ms });
        }
        // Kept by now, or before: only then is the nonce out.
        match self.jobs.get(&id).and_then(|record| record.stage.part(&peer)) {
            Some(Part {
                attempt,
                at: At::Committed(known) | At::Auditing(known) | At::Accepted { commitment: known, .. },
            }) if known.bytes == *commit.commitment => {
                Response::Nonce(Nonce { nonce: attempt.nonce, published_unix_ms: known.published_ms })
            }
            _ => refuse("commit.late", "this job waits for no commitment of yours"),
        }
    }

    pub(super) fn place_for(&self, miner: PublicKey, id: JobId, reveal: bool, bytes: u64) -> Option<PathBuf> {
        let record = self.jobs.get(&id)?;
        let Part { attempt, at: At::Committed(_) } = record.stage.part(&miner)? else { return None };
        let job = JobSpec::from_bytes(&record.spec).ok()?;
        let bound = if reveal { Bundle::MAX_BYTES / 2 } else { job.max_clip_bytes() };
        if bytes > bound {
            return None;
        }
        Some(if reveal { self.store.reveal(&id, attempt.run()) } else { self.store.clip(&id, attempt.run()) })
    }

    pub(super) fn clip_for(&self, peer: PublicKey, id: JobId) -> Option<PathBuf> {
        let record = self.jobs.get(&id)?;
        let Stage::Settled(attempt, _) = &record.stage else { return None };
        (record.requester == peer).then(|| self.store.clip(&id, attempt.run()))
    }

    fn status(&self, peer: PublicKey, id: JobId) -> Response {
        let Some(record) = self.jobs.get(&id).filter(|record| record.requester == peer) else {
            return Response::refused("job.unknown", "there is no such job of yours");
        };
        Response::JobState(self.state_of(&id, record))
    }

    /// Keeps how a run looks by now, if it is this miner's.
    fn keep_preview(&mut self, miner: PublicKey, id: JobId, step: u32, preview: Preview) {
        let part = self.jobs.get(&id).and_then(|record| record.stage.part(&miner));
        // Messages may overtake each other.
        let newer = self.previews.get(&id).is_none_or(|(known, _)| *known < step);
        if part.is_some_and(|part| part.at == At::Running) && newer {
            self.previews.insert(id, (step, preview));
        }
    }

    fn preview(&self, peer: PublicKey, query: PreviewQuery) -> Response {
        if self.jobs.get(&query.job_id).is_none_or(|record| record.requester != peer) {
            return Response::refused("job.unknown", "there is no such job of yours");
        }
        Response::JobPreview(match self.previews.get(&query.job_id) {
            // A run that began again has fewer steps than what the asker has seen.
            Some((step, preview)) if *step != query.after_step => {
                JobPreview { step: *step, preview: Some(preview.clone()) }
            }
            Some((step, _)) => JobPreview { step: *step, preview: None },
            None => JobPreview { step: 0, preview: None },
        })
    }

    /// A job for its requester.
    pub(super) fn state_of(&self, id: &JobId, record: &JobRecord) -> JobState {
        let steps = JobSpec::from_bytes(&record.spec).map_or(1, |job| job.steps.max(1));
        let running = |done: u32| 50_000 + (u64::from(done) * 800_000 / u64::from(steps)).min(800_000) as u32;
        let part = record.stage.foremost();
        let (stage, progress_ppm) = match &record.stage {
            Stage::Posted { .. } => (JobStage::Posted, 0),
            Stage::Offered(_) | Stage::Running(_) | Stage::Committed(..) | Stage::Auditing(..) | Stage::Several(_) => {
                match part.as_ref().map(|part| (&part.at, part.attempt.steps_done)) {
                    Some((At::Running, done)) => (JobStage::Running, running(done)),
                    Some((At::Committed(_), _)) => (JobStage::Committed, 870_000),
                    Some((At::Auditing(_) | At::Accepted { .. }, _)) => (JobStage::Revealed, 900_000),
                    Some((At::Offered | At::Agreed, _)) | None => (JobStage::Posted, 0),
                }
            }
            Stage::Settled(..) => (JobStage::Settled, 1_000_000),
            Stage::Refunded { code, .. } if code == "cancelled" => (JobStage::Cancelled, 0),
            Stage::Refunded { .. } => (JobStage::Refunded, 0),
        };
        let message = match (&record.stage, record.history.last()) {
            (Stage::Refunded { message, .. }, _) => message.clone(),
            (Stage::Posted { .. }, Some(ended)) => format!("attempt {} ended: {}", ended.attempt, ended.message),
            (Stage::Posted { .. }, None) => "waiting for a miner that can take it".to_owned(),
            _ => String::new(),
        };
        let message: String = message.chars().filter(|c| !c.is_control()).take(200).collect();
        let over = record.stage.is_final();
        let verdict = self.verdict_bytes(id);
        JobState {
            stage,
            attempt: record.attempt,
            progress_ppm,
            deadline_unix_ms: part.map_or(record.deadline_ms, |part| part.attempt.deadline_ms),
            verdict: (!verdict.is_empty()).then(|| verdict.into()),
            receipt: over.then(|| self.receipt_bytes(id)).filter(|bytes| !bytes.is_empty()).map(Into::into),
            message,
        }
    }

    /// The verdict on the run that was paid, or the newest; empty where there is none.
    pub(crate) fn verdict_bytes(&self, id: &JobId) -> Vec<u8> {
        let Some(record) = self.jobs.get(id) else { return Vec::new() };
        record.runs().find_map(|run| std::fs::read(self.store.verdict(id, run)).ok()).unwrap_or_default()
    }

    /// The ledger's last word on a job.
    pub(super) fn receipt_bytes(&self, id: &JobId) -> Vec<u8> {
        let history = self.journal.job_history(&infernet_ledger::JobId(id.0)).unwrap_or_default();
        history.last().map(infernet_ledger::Receipt::to_bytes).unwrap_or_default()
    }

    fn ledger_request(&mut self, peer: PublicKey, bytes: &[u8]) -> Response {
        let request = match AccountRequest::from_bytes(bytes) {
            Ok(request) => request,
            Err(error) => return Response::refused("ledger.unreadable", error.to_string()),
        };
        if request.account.0 != peer.0 {
            return Response::refused("ledger.account", "requests are taken from the account's own node only");
        }
        match self.journal.append(&Entry::Request(request), now_ms()) {
            Ok(appended) => Response::LedgerAnswer(LedgerAnswer { receipt: appended.receipt.to_bytes().into() }),
            Err(error) => Response::refused(error.code(), error.to_string()),
        }
    }

    fn receipts(&self, peer: PublicKey, after: u64) -> Response {
        let limit = ReceiptList::MAX_RECEIPTS;
        let (_, head) = (0, self.journal.head().0);
        let found =
            self.journal.history(&AccountId(peer.0), after.saturating_add(1)..head.saturating_add(1), limit + 1);
        match found {
            Ok(found) => {
                let (mut receipts, mut bytes) = (Vec::new(), 0);
                let more_than_fit = found.len();
                for receipt in found.into_iter().take(limit) {
                    let encoded = receipt.to_bytes();
                    bytes += encoded.len() + 16;
                    if bytes > ReceiptList::MAX_TOTAL_BYTES {
                        break;
                    }
                    receipts.push(encoded.into());
                }
                let more = receipts.len() < more_than_fit;
                Response::Receipts(ReceiptList { receipts, more })
            }
            Err(error) => Response::error("validator.ledger", error.to_string()),
        }
    }
}
