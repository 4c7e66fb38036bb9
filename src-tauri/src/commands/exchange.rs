//! A proof exchange by hand, where one person plays requester, miner and validator.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use infernet_engine::pipeline::{GenerateRequest, LatentShape, Precision};
use infernet_engine::schedulers::SchedulerConfig;
use infernet_engine::video::FrameRate;
use infernet_network::proof::{
    AuditNonce, AuditPolicy, Challenge, CommitmentScheme, Digest, JobSpec, Pledge, PromptOpening, PublicKey, Signed,
    SigningKey,
};

use crate::failure::{Failure, Result};

/// Nobody waits for a reveal that is made by hand.
const WINDOW: Duration = Duration::from_secs(30 * 24 * 3600);

/// 32 bytes of the operating system's randomness.
pub(crate) fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the operating system gives no randomness: {error}"))?;
    Ok(bytes)
}

/// A new key.
pub(super) fn new_key() -> Result<SigningKey> {
    Ok(SigningKey::from_bytes(&random()?))
}

/// Milliseconds since 1970 UTC.
pub(super) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// A job as a requester would post it, with what opens its prompts.
pub(super) fn job(
    request: &GenerateRequest,
    model: Digest,
    latent: LatentShape,
    latent_dtype: Precision,
    scheduler: SchedulerConfig,
    frame_rate: FrameRate,
    requester: &SigningKey,
) -> Result<(JobSpec, PromptOpening)> {
    let opening = PromptOpening {
        salt: random()?,
        prompt: request.prompt.clone(),
        negative_prompt: request.negative_prompt.clone(),
    };
    let (prompt, negative_prompt) = opening.commitments(CommitmentScheme::Sha256);
    let mut job_id = [0; 16];
    job_id.copy_from_slice(&random()?[..16]);
    let job = JobSpec {
        // No network: an exchange by hand.
        network: Digest::ZERO,
        job_id,
        requester: PublicKey::from(requester),
        model,
        prompt,
        negative_prompt,
        // Sizes of a request are far below u32::MAX.
        width: request.width as u32,
        height: request.height as u32,
        frames: request.frames as u32,
        frame_rate: frame_rate.into(),
        steps: request.steps as u32,
        guidance: request.guidance,
        scheduler,
        latent_dtype,
        latent,
        shard_plan: Digest::ZERO,
        deposit_microcredits: 0,
        deadline_unix_ms: now_ms() + WINDOW.as_millis() as u64,
    };
    job.check().map_err(|error| Failure::input(format!("this can't be a job: {error}")))?;
    Ok((job, opening))
}

/// A validator's challenge with the bytes given. Its own nonce is thrown away: by hand, the nonce that draws is chosen at the
/// reveal, under a [`pledge`].
pub(super) fn challenge(
    job: &JobSpec,
    miner: &SigningKey,
    validator: &SigningKey,
    c: [u8; 32],
) -> Result<Signed<Challenge>> {
    let terms = AuditPolicy::default().terms(
        job,
        0,
        &AuditNonce(random()?),
        &PublicKey::from(validator),
        // Nothing is judged under these terms.
        Digest::ZERO,
    );
    let challenge = Challenge {
        job: job.digest(),
        miner: PublicKey::from(miner),
        validator: PublicKey::from(validator),
        c,
        terms,
        commit_by_unix_ms: job.deadline_unix_ms,
        reveal_window_ms: WINDOW.as_millis() as u64,
    };
    Signed::sign(challenge, validator).map_err(|error| Failure::Failed(error.into()))
}

/// A validator's terms for a nonce, as a second opinion on a run that is committed.
pub(super) fn pledge(
    job: &JobSpec,
    validator: &SigningKey,
    nonce: &AuditNonce,
    trust_per_mille: u32,
    tolerance: Digest,
) -> Result<Signed<Pledge>> {
    let key = PublicKey::from(validator);
    let pledge = Pledge {
        job: job.digest(),
        validator: key,
        terms: AuditPolicy::default().terms(job, trust_per_mille, nonce, &key, tolerance),
        reveal_window_ms: WINDOW.as_millis() as u64,
    };
    Signed::sign(pledge, validator).map_err(|error| Failure::Failed(error.into()))
}
