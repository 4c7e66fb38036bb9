//! One job from acceptance to delivery. Every step is on disk before it is told to anyone, so that a miner that is killed goes on
//! where it was: a run that was not finished is given up, one that was is committed to once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use infernet_engine::video::write_atomically;
use infernet_network::proof::{
    AuditNonce, Auditor, Challenge, Commitment, Committed, Digest, Evidence, JobSpec, PromptOpening, Signed,
};
use infernet_network::swarm::RequestError;
use infernet_network::wire::{BlobHeader, BlobSubject, Commit, JobId, OfferJob, Request, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::bench::Miner;
use crate::clock::now_ms;
use crate::runner::failure;
use crate::validator::encode_reveal;
use crate::worker::{Command, Failure, Report, RunCommand, WorkerError};

const RECORD: &str = "job.cbor";
const DELIVERED: &str = "delivered.cbor";
const EVIDENCE: &str = "evidence.bin";
const COMMITMENT: &str = "commitment.bin";
/// First and longest wait before something is sent again.
const RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(8);

/// How a job ended here, if it did not fail.
pub(super) enum Outcome {
    /// Reveal and clip are at the validator.
    Delivered,
    /// The validator no longer wanted it.
    Dropped,
}

/// A job that was accepted.
pub(super) struct Accepted {
    pub(super) job: JobSpec,
    pub(super) opening: PromptOpening,
    pub(super) challenge: Signed<Challenge>,
    pub(super) attempt: u32,
    pub(super) fee_microcredits: u64,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(with = "serde_bytes")]
    job: Vec<u8>,
    #[serde(with = "serde_bytes")]
    opening: Vec<u8>,
    #[serde(with = "serde_bytes")]
    challenge: Vec<u8>,
    attempt: u32,
    /// What an honest run earns; 0 in records of versions that did not keep it.
    #[serde(default)]
    fee_microcredits: u64,
}

impl Accepted {
    /// Decodes an offer.
    pub(super) fn of(offer: &OfferJob) -> Result<Self, String> {
        Self::decode(&offer.spec, &offer.opening, &offer.challenge, (offer.attempt, offer.fee_microcredits))
    }

    fn decode(job: &[u8], opening: &[u8], challenge: &[u8], of: (u32, u64)) -> Result<Self, String> {
        let (attempt, fee_microcredits) = of;
        let job = JobSpec::from_bytes(job).map_err(|error| error.to_string())?;
        job.check().map_err(|error| error.to_string())?;
        let opening = PromptOpening::from_bytes(opening).map_err(|error| error.to_string())?;
        opening.check(&job.prompt, &job.negative_prompt).map_err(|error| error.to_string())?;
        let challenge = Signed::<Challenge>::from_bytes(challenge).map_err(|error| error.to_string())?;
        if !challenge.verify() {
            return Err("the challenge's signature does not hold".to_owned());
        }
        Ok(Self { job, opening, challenge, attempt, fee_microcredits })
    }

    pub(super) fn id(&self) -> JobId {
        JobId(self.job.job_id)
    }

    fn folder(&self, root: &Path) -> PathBuf {
        root.join(format!("{}-{}", self.id(), self.attempt))
    }

    /// Keeps it on disk.
    pub(super) fn keep(&self, root: &Path) -> std::io::Result<()> {
        let folder = self.folder(root);
        std::fs::create_dir_all(&folder)?;
        let stored = Stored {
            job: self.job.to_bytes(),
            opening: self.opening.to_bytes(),
            challenge: self.challenge.to_bytes(),
            attempt: self.attempt,
            fee_microcredits: self.fee_microcredits,
        };
        let mut bytes = Vec::new();
        ciborium::into_writer(&stored, &mut bytes).map_err(std::io::Error::other)?;
        write_atomically(&folder.join(RECORD), &bytes).map_err(std::io::Error::other)
    }

    /// A job that is over: its evidence is kept for second opinions when it was delivered, under a name that is not taken up again.
    pub(super) fn forget(&self, root: &Path, delivered: bool) {
        let folder = self.folder(root);
        let result = if delivered {
            std::fs::rename(folder.join(RECORD), folder.join(DELIVERED))
        } else {
            std::fs::remove_dir_all(&folder)
        };
        if let Err(error) = result {
            tracing::warn!("{} can't be put away: {error}", folder.display());
        }
    }
}

/// A job of this miner's folder.
#[derive(Clone, Debug)]
pub struct MinedJob {
    /// The job.
    pub job: JobSpec,
    /// Which attempt at it.
    pub attempt: u32,
    /// What an honest run earns, in micro-credits; 0 where it was not kept.
    pub fee_microcredits: u64,
    /// Whether reveal and clip are at the validator.
    pub delivered: bool,
    /// When it was accepted, milliseconds since 1970 UTC; 0 where the disk does not tell.
    pub accepted_ms: u64,
    /// When its record last changed, milliseconds since 1970 UTC.
    pub updated_ms: u64,
}

/// All jobs of a folder that were not dropped. Reads the disk.
pub(super) fn all(root: &Path) -> Vec<MinedJob> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let time_ms = |time: std::io::Result<std::time::SystemTime>| {
        let since = time.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    };
    let read = |folder: PathBuf| {
        let (path, delivered) = match folder.join(DELIVERED) {
            path if path.exists() => (path, true),
            _ => (folder.join(RECORD), false),
        };
        let bytes = std::fs::read(&path).ok()?;
        let stored: Stored = ciborium::from_reader(bytes.as_slice()).ok()?;
        Some(MinedJob {
            job: JobSpec::from_bytes(&stored.job).ok()?,
            attempt: stored.attempt,
            fee_microcredits: stored.fee_microcredits,
            delivered,
            // The record is written when it is accepted, and only renamed after; the folder changes with every file in it.
            accepted_ms: time_ms(std::fs::metadata(&path).and_then(|metadata| metadata.modified())),
            updated_ms: time_ms(std::fs::metadata(&folder).and_then(|metadata| metadata.modified())),
        })
    };
    entries.flatten().filter_map(|entry| read(entry.path())).collect()
}

/// Jobs that a crash left.
pub(super) fn left(root: &Path) -> Vec<Accepted> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let read = |folder: PathBuf| {
        let bytes = std::fs::read(folder.join(RECORD)).ok()?;
        let stored: Stored = ciborium::from_reader(bytes.as_slice()).ok()?;
        let of = (stored.attempt, stored.fee_microcredits);
        Accepted::decode(&stored.job, &stored.opening, &stored.challenge, of).ok()
    };
    entries.flatten().filter_map(|entry| read(entry.path())).collect()
}

fn disk(path: &Path, error: impl std::fmt::Display) -> Failure {
    failure("miner.disk", format!("{}: {error}", path.display()))
}

/// Runs, commits, opens, delivers.
pub(super) async fn run(miner: &Miner, accepted: &Accepted, cancel: &CancellationToken) -> Result<Outcome, Failure> {
    let folder = accepted.folder(&miner.inner.config.folder);
    let evidence = folder.join(EVIDENCE);
    if !evidence.exists() {
        match compute(miner, accepted, &evidence, cancel).await {
            Ok(()) => {}
            Err(WorkerError::Cancelled) => return Ok(Outcome::Dropped),
            Err(error) => return Err(failure(error.code(), &error)),
        }
    }
    let committed = {
        let (key, path) = (miner.inner.key.clone(), folder.join(COMMITMENT));
        let bound = tokio::task::spawn_blocking(move || bind(&key, &evidence, &path));
        bound.await.map_err(|error| failure("miner.commit", error))??
    };
    let Some(nonce) = commit(miner, accepted, committed.commitment(), cancel).await? else {
        return Ok(Outcome::Dropped);
    };
    let challenge = &accepted.challenge.body;
    if nonce.commitment(&challenge.job, &challenge.validator) != challenge.terms.nonce_commitment {
        // A validator that picks its nonce late could pick the steps; nothing is opened to it.
        return Err(failure("miner.nonce", "the validator's nonce is not the one that it announced before the run"));
    }
    let auditor = Auditor::First(challenge);
    let reveal = committed.reveal(auditor, &nonce).map_err(|error| failure("miner.reveal", error))?;
    let signed = committed
        .sign_reveal(&reveal, auditor, &nonce, &miner.inner.key)
        .map_err(|error| failure("miner.reveal", error))?;
    let id = accepted.id();
    deliver(miner, BlobSubject::Reveal { job_id: id }, encode_reveal(&signed), challenge, cancel).await?;
    let clip = committed.evidence().clip.clone();
    deliver(miner, BlobSubject::Clip { job_id: id }, clip, challenge, cancel).await?;
    Ok(Outcome::Delivered)
}

async fn compute(
    miner: &Miner,
    accepted: &Accepted,
    evidence: &Path,
    cancel: &CancellationToken,
) -> Result<(), WorkerError> {
    let job = &accepted.job;
    let Some(model) = miner.inner.models.get(&job.model) else {
        return Err(WorkerError::Failed(failure("miner.model", "the model is no longer here")));
    };
    let command = RunCommand {
        model: model.folder.clone(),
        precision: model.precision,
        threads: miner.caps().threads,
        job: job.to_bytes(),
        opening: accepted.opening.to_bytes(),
        challenge: accepted.challenge.to_bytes(),
        evidence: evidence.to_owned(),
        attack: miner.inner.config.attack.clone(),
    };
    let mut last = tokio::time::Instant::now();
    let progress = |news| miner.progress(accepted.id(), news, &mut last, job);
    match miner.inner.supervisor.run(&Command::Run(command), cancel, progress).await? {
        Report::Ran(_) => Ok(()),
        _ => Err(WorkerError::Failed(failure("worker.protocol", "the worker answered something else"))),
    }
}

/// Commits to a record. The commitment is on disk before anyone sees it; after a crash the same one is used again.
fn bind(key: &infernet_network::proof::SigningKey, evidence: &Path, commitment: &Path) -> Result<Committed, Failure> {
    let bytes = std::fs::read(evidence).map_err(|error| disk(evidence, error))?;
    let record = Evidence::from_bytes(&bytes).map_err(|error| disk(evidence, error))?;
    drop(bytes);
    if let Ok(bytes) = std::fs::read(commitment) {
        let signed = Signed::<Commitment>::from_bytes(&bytes).map_err(|error| disk(commitment, error))?;
        return record.resume(signed).map_err(|error| failure("miner.commit", error));
    }
    let committed = record.commit(key, None).map_err(|error| failure("miner.commit", error))?;
    write_atomically(commitment, &committed.commitment().to_bytes()).map_err(|error| disk(commitment, error))?;
    Ok(committed)
}

/// Sends the commitment until it is answered, refused, or too late; none when the job is no longer wanted.
async fn commit(
    miner: &Miner,
    accepted: &Accepted,
    commitment: &Signed<Commitment>,
    cancel: &CancellationToken,
) -> Result<Option<AuditNonce>, Failure> {
    let request = Commit { job_id: accepted.id(), commitment: commitment.to_bytes().into() };
    let mut wait = RETRY;
    loop {
        let error = match miner.ask(Request::Commit(request.clone())).await {
            Ok(Response::Nonce(nonce)) => return Ok(Some(AuditNonce(nonce.nonce))),
            // Another miner has it by now, or it was refunded: nothing to open to anyone.
            Err(RequestError::Refused(refusal))
                if refusal.code.starts_with("job.") || refusal.code == "commit.late" =>
            {
                return Ok(None);
            }
            Err(RequestError::Refused(refusal)) => return Err(failure(&refusal.code, refusal.message)),
            Ok(_) => "the answer fits no commitment".to_owned(),
            Err(error) => error.to_string(),
        };
        if miner.inner.clock.now_ms() > accepted.challenge.body.commit_by_unix_ms {
            return Err(failure("miner.late", format!("the commitment did not reach the validator in time: {error}")));
        }
        tracing::debug!(job = %accepted.id(), "the commitment is sent again: {error}");
        if waited(&mut wait, cancel).await {
            return Ok(None);
        }
    }
}

/// Sends a file until the validator has it.
async fn deliver(
    miner: &Miner,
    subject: BlobSubject,
    content: Vec<u8>,
    challenge: &Challenge,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let digest: [u8; 32] = Sha256::digest(&content).into();
    let header = BlobHeader { subject, digest: Digest(digest), bytes: content.len() as u64 };
    let content: Arc<[u8]> = content.into();
    let until = now_ms().saturating_add(challenge.reveal_window_ms);
    let mut wait = RETRY;
    loop {
        let sent = miner.inner.courier.send(&challenge.validator, header.clone(), Arc::clone(&content)).await;
        let error = match sent {
            Ok(()) => return Ok(()),
            // It has it already, or does not wait for it any more; its verdict says which.
            Err(infernet_network::swarm::BlobError::Refused(refusal)) if refusal.code == "blob.not_wanted" => {
                return Ok(());
            }
            Err(error) => error,
        };
        if now_ms() > until {
            return Err(failure("miner.late", format!("the reveal did not reach the validator in time: {error}")));
        }
        if waited(&mut wait, cancel).await {
            return Err(failure("miner.cancelled", "the validator no longer wants the job"));
        }
    }
}

/// Waits, longer each time; `true` when it was cancelled.
async fn waited(wait: &mut Duration, cancel: &CancellationToken) -> bool {
    let cancelled = tokio::select! {
        () = tokio::time::sleep(*wait) => false,
        () = cancel.cancelled() => true,
    };
    *wait = (*wait * 2).min(LONGEST_RETRY);
    cancelled
}
