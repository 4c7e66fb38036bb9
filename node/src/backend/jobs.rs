//! Jobs of all parts: lists and pages, orders, quotes.

use std::collections::BTreeMap;

use infernet_api::types::job::{
    ClipInfo, Job, JobFilter, JobList, JobMiner, JobPart, JobSize, JobStage, NewJob, Quote,
};
use infernet_api::types::verdict::Quality;
use infernet_api::{ApiError, Digest, ErrorCode, JobId};
use infernet_engine::store::{Cancel, file_sha256};
use infernet_ledger::{AccountId, Entry, LedgerParameters, Receipt};
use infernet_network::proof::{JobSpec, PromptOpening};
use infernet_network::wire::Roles;

use super::{NodeBackend, books, convert, errors, once};
use crate::http::StoredFile;
use crate::requester::Requester;

impl NodeBackend {
    /// Jobs with one part of this node's, or all: then a job with several parts is told once, as the one who pays sees it. Newest
    /// first. What takes reading files (clip, verdict) is left to [`completed`](Self::completed).
    pub(super) async fn all_jobs(&self, part: Option<JobPart>) -> Result<Vec<Job>, ApiError> {
        let wanted = |one: JobPart| part.is_none_or(|part| part == one);
        let mut jobs: BTreeMap<JobId, Job> = BTreeMap::new();
        if wanted(JobPart::Validated) {
            jobs.extend(self.validated().await?.into_iter().map(|job| (job.id, job)));
        }
        if wanted(JobPart::Mined) {
            jobs.extend(self.mined().await?.into_iter().map(|job| (job.id, job)));
        }
        if wanted(JobPart::Requested) {
            jobs.extend(self.requested().into_iter().map(|job| (job.id, job)));
        }
        let mut jobs: Vec<Job> = jobs.into_values().collect();
        jobs.sort_by_key(|job| (std::cmp::Reverse(job.created_unix_ms), job.id));
        Ok(jobs)
    }

    /// The same job with what takes longer to find: clip, verdict, miners, quality.
    pub(super) async fn completed(&self, mut job: Job) -> Job {
        if !job.stage.is_final() {
            job.preview_step = self.preview_step(job.id);
        }
        if job.part == JobPart::Validated {
            self.complete_validated(&mut job).await;
            return job;
        }
        let receipts = self.inner.books.of_job(&job.id);
        fill(&mut job, &receipts);
        if job.part == JobPart::Requested {
            self.complete_requested(&mut job).await;
        }
        job
    }

    pub(super) async fn job_page(&self, filter: JobFilter) -> Result<JobList, ApiError> {
        let limit = filter.page()? as usize;
        let mut jobs = self.all_jobs(filter.part).await?;
        jobs.retain(|job| filter.wants(job));
        let total = jobs.len() as u64;
        let first = match filter.before {
            None => 0,
            Some(before) => {
                let at = jobs.iter().position(|job| job.id == before);
                at.ok_or_else(|| {
                    let message = format!("job {before} is not in this list");
                    ApiError::new(ErrorCode::InvalidQuery, message, "begin again with the first page").at("before")
                })? + 1
            }
        };
        let more = jobs.len() > first.saturating_add(limit);
        let mut page = Vec::new();
        for job in jobs.into_iter().skip(first).take(limit) {
            page.push(self.completed(job).await);
        }
        let next = page.last().map(|job| job.id).filter(|_| more);
        Ok(JobList { jobs: page, total, next })
    }

    pub(super) async fn one_job(&self, id: JobId) -> Result<Job, ApiError> {
        for part in [JobPart::Requested, JobPart::Mined, JobPart::Validated] {
            let found = self.all_jobs(Some(part)).await?.into_iter().find(|job| job.id == id);
            if let Some(job) = found {
                return Ok(self.completed(job).await);
            }
        }
        Err(errors::no_job(id))
    }

    fn requester(&self) -> Result<&Requester, ApiError> {
        self.node().roles().requester.as_ref().ok_or_else(|| errors::role_off("requester"))
    }

    pub(super) async fn submit_now(&self, new: NewJob) -> Result<Job, ApiError> {
        let requester = self.requester()?;
        self.miners_there(&new)?;
        let known = new.request_id.and_then(|id| {
            let id = id.to_string();
            requester.orders().into_values().find(|order| order.request_id.as_ref() == Some(&id))
        });
        if let Some(order) = known {
            let (Ok(job), Ok(opening)) = (JobSpec::from_bytes(&order.spec), PromptOpening::from_bytes(&order.opening))
            else {
                return Err(ApiError::internal("the order can't be read"));
            };
            if order.model != new.model.to_string() || order.miners != new.miners || !is_same(&new, &job, &opening) {
                return Err(once::reused());
            }
            return self.one_job(JobId(job.job_id)).await;
        }
        let id = requester.order(&new).await.map_err(|error| errors::order(&error))?;
        self.one_job(convert::job_id(id)).await
    }

    pub(super) async fn cancel_now(&self, id: JobId) -> Result<Job, ApiError> {
        let requester = self.requester()?;
        if !requester.orders().contains_key(&convert::wire_job(id)) {
            return Err(errors::no_job(id));
        }
        let job = self.one_job(id).await?;
        if matches!(job.stage, JobStage::Committed | JobStage::Auditing | JobStage::Settled) {
            let message = format!("job {id} is {}; it can be given up until its miner has committed", job.stage.name());
            return Err(ApiError::new(ErrorCode::WrongStage, message, "wait for its end"));
        }
        if !job.stage.is_final() {
            requester.cancel(convert::wire_job(id)).await.map_err(|error| errors::order(&error))?;
        }
        self.one_job(id).await
    }

    pub(super) async fn quote_now(&self, new: NewJob) -> Result<Quote, ApiError> {
        let requester = self.requester()?;
        self.miners_there(&new)?;
        let job = requester.plan(&new).map_err(|error| errors::order(&error))?;
        let account = self.account().await?;
        let offers = self.able(&job).await;
        // A validator knows what miners ask for; others go by the usual price.
        let usual = requester.usual_deposit(job.steps, 1) / 2;
        let fee = cheapest(offers.iter().flatten().map(|offer| offer.fee), new.miners).unwrap_or(usual);
        let fee = fee.saturating_mul(new.miners.into());
        let miners_able = match &offers {
            Some(offers) => offers.len() as u64,
            None => self.node().swarm().peers().await.iter().filter(|peer| peer.roles.has(Roles::MINER)).count() as u64,
        };
        Ok(Quote {
            size: size_of(&job),
            least_deposit_microcredits: self.gross(fee),
            suggested_deposit_microcredits: requester.usual_deposit(job.steps, new.miners),
            fee_microcredits: fee,
            balance_microcredits: account.balance,
            miners_able: convert::count(miners_able),
            seconds: offers.iter().flatten().map(|offer| offer.seconds).reduce(f64::min),
            suggested_deadline_secs: convert::count(requester.usual_deadline_secs()),
            chain: self.deposit_cost().await?,
        })
    }

    /// Whether a job may have as many miners as it wants.
    fn miners_there(&self, new: &NewJob) -> Result<(), ApiError> {
        if new.miners <= 1 || self.chain().is_none() {
            return Ok(());
        }
        let message = format!("miners is {}; where a contract settles, a job has one miner", new.miners);
        Err(ApiError::new(ErrorCode::InvalidRequest, message, "leave miners out").at("miners"))
    }

    /// What a fee costs with the validators' part, in micro-credits.
    fn gross(&self, fee: u64) -> u64 {
        let mut rules = LedgerParameters::default();
        if let Some(contract) = self.chain().and_then(|chain| chain.rules().ok()) {
            rules.deposit_split_ppm = contract.split_ppm;
        }
        convert::amount(rules.gross_microcredits(fee))
    }

    pub(super) async fn clip_file(&self, id: JobId) -> Result<StoredFile, ApiError> {
        let none = |message: String, next_step: &str| Err(ApiError::new(ErrorCode::ClipNotFound, message, next_step));
        let order = self.node().roles().requester.as_ref().and_then(|all| all.orders().remove(&convert::wire_job(id)));
        let Some(order) = order else {
            self.one_job(id).await?;
            return none(format!("job {id} was not ordered on this node"), "ask the node that ordered it");
        };
        let Some(path) = order.state.clip else {
            return none(format!("job {id} has no clip yet"), "wait until it is settled: infernet watch");
        };
        match self.clip_info(id, &path).await {
            Some(info) => Ok(StoredFile { path, sha256: info.sha256 }),
            None => {
                none(format!("the clip of job {id} is no longer in the node's folder"), "bring it back from a backup")
            }
        }
    }

    /// Length and digest of a clip, read once: it never changes under its name.
    pub(super) async fn clip_info(&self, id: JobId, path: &std::path::Path) -> Option<ClipInfo> {
        let known = self.inner.clips.lock().await.get(&id).copied();
        let (bytes, sha256) = match known {
            Some(known) => known,
            None => {
                let path = path.to_owned();
                let read = tokio::task::spawn_blocking(move || {
                    let bytes = std::fs::metadata(&path).ok()?.len();
                    let digest = file_sha256(&path, &Cancel::new(), |_| {}).ok()?;
                    Some((bytes, Digest(digest.0)))
                });
                let found = read.await.ok().flatten()?;
                self.inner.clips.lock().await.insert(id, found);
                found
            }
        };
        Some(ClipInfo { url: format!("/v1/jobs/{id}/clip.mp4"), bytes, sha256 })
    }
}

/// What the dearest of the `count` cheapest asks for.
fn cheapest(fees: impl Iterator<Item = u64>, count: u8) -> Option<u64> {
    let mut fees: Vec<u64> = fees.collect();
    fees.sort_unstable();
    fees.get(usize::from(count).saturating_sub(1)).or(fees.last()).copied()
}

/// Whether an order asks for what a job is; what it leaves open fits anything.
fn is_same(new: &NewJob, job: &JobSpec, opening: &PromptOpening) -> bool {
    let rate = f64::from(job.frame_rate.numerator) / f64::from(job.frame_rate.denominator.max(1));
    new.prompt == opening.prompt
        && new.negative_prompt == opening.negative_prompt
        && new.width.is_none_or(|value| value == job.width)
        && new.height.is_none_or(|value| value == job.height)
        && new.frames.is_none_or(|value| value == job.frames)
        && new.steps.is_none_or(|value| value == job.steps)
        && new.guidance.is_none_or(|value| value.to_bits() == job.guidance.to_bits())
        && new.frames_per_second.is_none_or(|value| (value - rate).abs() <= 1e-3 * rate)
        && new.scheduler.as_deref().is_none_or(|name| name == job.scheduler.kind().name())
        && new.deposit_microcredits.is_none_or(|value| value == job.deposit_microcredits)
}

pub(super) fn size_of(job: &JobSpec) -> JobSize {
    JobSize {
        width: job.width,
        height: job.height,
        frames: job.frames,
        frames_per_second: f64::from(job.frame_rate.numerator) / f64::from(job.frame_rate.denominator.max(1)),
        steps: job.steps,
        guidance: job.guidance,
        scheduler: job.scheduler.kind().name().to_owned(),
    }
}

/// A job as its specification tells it, in its first stage.
pub(super) fn blank(job: &JobSpec, part: JobPart, created_unix_ms: u64) -> Job {
    Job {
        id: JobId(job.job_id),
        part,
        created_unix_ms,
        updated_unix_ms: created_unix_ms,
        prompt: None,
        negative_prompt: None,
        model: None,
        model_digest: convert::digest(&job.model),
        size: size_of(job),
        stage: JobStage::Posted,
        attempt: 0,
        progress: infernet_api::types::job::JobProgress { steps: job.steps, ..Default::default() },
        stage_deadline_unix_ms: None,
        deadline_unix_ms: job.deadline_unix_ms,
        deposit_microcredits: job.deposit_microcredits,
        fee_microcredits: 0,
        refunded_microcredits: 0,
        miners: Vec::new(),
        verdict: None,
        quality: None,
        clip: None,
        preview_step: None,
        problem: None,
    }
}

/// Fills in what the ledger says of a job: miners, what they locked, got and lost, the fee, what went back, quality.
pub(super) fn fill(job: &mut Job, receipts: &[Receipt]) {
    let mut miners: Vec<(AccountId, u64)> = Vec::new();
    for receipt in receipts {
        if let Entry::Assign(assign) = &receipt.entry {
            job.fee_microcredits = assign.fee_microcredits;
            for part in &assign.miners {
                miners.retain(|(miner, _)| *miner != part.miner);
                miners.push((part.miner, part.stake_microcredits));
            }
        }
    }
    let each = |(miner, locked): (AccountId, u64)| JobMiner {
        id: convert::account_node(&miner),
        locked_stake_microcredits: locked,
        reward_microcredits: books::rewards(receipts, &miner),
        slashed_microcredits: books::slashes(receipts, &miner),
    };
    job.miners = miners.into_iter().map(each).collect();
    let paid: u64 = job.miners.iter().map(|miner| miner.reward_microcredits).fold(0, u64::saturating_add);
    if paid > 0 {
        job.fee_microcredits = paid;
    }
    if let Some(Entry::OpenJob(order)) =
        receipts.iter().map(|receipt| &receipt.entry).find(|entry| matches!(entry, Entry::OpenJob(_)))
    {
        job.refunded_microcredits = books::refunds(receipts, &order.requester);
    }
    job.quality = books::quality_ppm(receipts).map(|score| Quality { score_ppm: Some(score), ..Quality::default() });
    if let Some(newest) = receipts.last() {
        job.updated_unix_ms = job.updated_unix_ms.max(newest.time_ms);
    }
}
