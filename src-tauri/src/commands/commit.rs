//! `infernet generate --prove`: committing to a run.

use std::path::{Path, PathBuf};
use std::time::Instant;

use infernet_engine::pipeline::{GenerateRequest, StepNoise, VideoModel};
use infernet_engine::schedulers::SchedulerConfig;
use infernet_engine::video::FrameRate;
use infernet_network::inference::Recorder;
use infernet_network::proof::{Challenge, Digest, JobSeed, JobSpec, PromptOpening, Signed, SigningKey};
use serde::Serialize;

use super::exchange;
use super::loaded::Found;
use crate::failure::{Failure, Result};
use crate::proof_file::ProofFile;

/// What was committed to, for reports.
#[derive(Serialize)]
pub(super) struct ProofReport {
    pub(super) file: PathBuf,
    pub(super) job: String,
    pub(super) challenge: String,
    pub(super) root: String,
    pub(super) leaves: u32,
    /// Hashing and signing, after the run.
    pub(super) commit_seconds: f64,
}

/// A run that is being committed to.
pub(super) struct Commit {
    job: JobSpec,
    opening: PromptOpening,
    miner: SigningKey,
    validator: SigningKey,
    challenge: Signed<Challenge>,
    recorder: Recorder,
}

impl Commit {
    /// Makes the job and its challenge; `c` is the validator's bytes.
    pub(super) fn new(
        found: &Found,
        model: &dyn VideoModel,
        request: &GenerateRequest,
        scheduler: &SchedulerConfig,
        frame_rate: FrameRate,
        c: Option<[u8; 32]>,
    ) -> Result<Self> {
        let (miner, validator) = (exchange::new_key()?, exchange::new_key()?);
        let precision = model.precision();
        let latent = model.latent_shape(request.width, request.height, request.frames)?;
        let digest = found.proof_digest(precision)?;
        let (job, opening) =
            exchange::job(request, digest, latent, precision, scheduler.clone(), frame_rate, &validator)?;
        let challenge = exchange::challenge(&job, &miner, &validator, c.map_or_else(exchange::random, Ok)?)?;
        let recorder = Recorder::new(&job);
        Ok(Self { job, opening, miner, validator, challenge, recorder })
    }

    /// The noise that the challenge decides.
    pub(super) fn noise(&self) -> Vec<f32> {
        JobSeed::of(&self.challenge.body).noise(self.job.latent.elements())
    }

    /// What is added after each step.
    pub(super) fn step_noise(&self) -> StepNoise {
        JobSeed::of(&self.challenge.body).step_noise()
    }

    pub(super) fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    /// Commits, and writes the private record.
    pub(super) fn finish(self, clip: Vec<u8>, path: &Path) -> Result<ProofReport> {
        let start = Instant::now();
        let evidence = self.recorder.finish(&self.job, &self.challenge, clip)?;
        let committed = evidence.commit(&self.miner, None).map_err(|error| Failure::Failed(error.into()))?;
        let commit_seconds = start.elapsed().as_secs_f64();
        let commitment = &committed.commitment().body;
        let report = ProofReport {
            file: path.to_owned(),
            job: self.job.digest().to_string(),
            challenge: Digest(self.challenge.body.c).to_string(),
            root: commitment.root.to_string(),
            leaves: commitment.leaf_count,
            commit_seconds,
        };
        ProofFile::write(path, &self.miner, &self.validator, self.opening, &committed, exchange::now_ms())?;
        Ok(report)
    }
}
