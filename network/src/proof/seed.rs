//! The seed of a job and what it binds: the initial noise.

use hmac::{Hmac, KeyInit, Mac};
use infernet_engine::noise::{NoiseStream, PortableNoise};
use infernet_engine::pipeline::{StepNoise, initial_state};
use infernet_engine::schedulers::Scheduler;
use sha2::Sha256;

use super::bytes::{Digest, PublicKey};
use super::challenge::Challenge;
use super::job::JobSpec;
use super::tensor::Tensor;

const TAG: &str = "infernet/seed/v1";

/// HMAC-SHA256 over parts.
pub(crate) fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC fills short keys up to a block with zeros.
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// 256 bits that nobody chose alone: the validator's challenge under the miner's key, for one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobSeed(pub [u8; 32]);

impl JobSeed {
    /// `HMAC-SHA256(key = miner, "infernet/seed/v1" || job digest || C)`.
    pub fn new(job: &Digest, miner: &PublicKey, c: &[u8; 32]) -> Self {
        Self(hmac_sha256(&miner.0, &[TAG.as_bytes(), &job.0, c]))
    }

    /// The seed under a challenge.
    pub fn of(challenge: &Challenge) -> Self {
        Self::new(&challenge.job, &challenge.miner, &challenge.c)
    }

    /// Standard normal noise, before the scheduler's initial noise level (what a run starts from).
    pub fn noise(&self, elements: usize) -> Vec<f32> {
        PortableNoise::from_wide_seed(&self.0, NoiseStream::InitialLatent).vector(elements)
    }

    /// What is added to the state after each step.
    pub fn step_noise(&self) -> StepNoise {
        StepNoise::new(self.0)
    }

    /// The first state of a job.
    pub fn initial_state(&self, job: &JobSpec, scheduler: &Scheduler) -> Tensor {
        let state = initial_state(&self.noise(job.latent.elements()), scheduler, job.latent_dtype);
        Tensor::from_f32(&state, job.latent_dtype, &job.latent_dims())
    }
}
