//! One honest exchange between a requester, a miner and two validators, and what tests change in it.

use infernet_engine::pipeline::{LatentShape, Precision, guided_output, next_state};
use infernet_engine::schedulers::{Previous, Scheduler, SchedulerConfig};
use infernet_network::proof::{
    Audit, AuditError, AuditNonce, AuditTerms, Auditor, Bundle, Challenge, CommitmentScheme, Committed, Digest,
    Evidence, FrameRate, JobSeed, JobSpec, PairTolerance, Pledge, PromptOpening, PublicKey, Reexecution, RgbFrame,
    SigmaBin, Signed, SigningKey, StepInput, StepOutputs, StepTensors, Tensor, TextEmbeddings, Timing, ToleranceTable,
    audit,
};

use super::fake::{Fake, encode_clip};

pub(crate) const DDIM: u8 = 1;
pub(crate) const DPM: u8 = 2;
pub(crate) const EULER: u8 = 3;

/// What a world is made of.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) sampler: u8,
    pub(crate) dtype: Precision,
    pub(crate) guidance: f32,
    pub(crate) steps: u32,
    pub(crate) checked: u32,
    pub(crate) frames_checked: u32,
    pub(crate) last_step: bool,
    /// Changes job id, challenge and nonce.
    pub(crate) number: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sampler: DPM,
            dtype: Precision::F16,
            guidance: 7.5,
            steps: 6,
            checked: 6,
            frames_checked: 4,
            last_step: false,
            number: 0,
        }
    }
}

pub(crate) struct World {
    pub(crate) miner: SigningKey,
    pub(crate) validator: SigningKey,
    pub(crate) second: SigningKey,
    pub(crate) nonce: AuditNonce,
    pub(crate) second_nonce: AuditNonce,
    pub(crate) opening: PromptOpening,
    pub(crate) job: JobSpec,
    pub(crate) challenge: Signed<Challenge>,
    pub(crate) tolerances: ToleranceTable,
    pub(crate) scheduler: Scheduler,
}

/// The published samplers' parameters, as `SchedulerConfig::canonical_bytes` lays them out.
pub(crate) fn sampler(kind: u8) -> SchedulerConfig {
    let mut bytes = [0; SchedulerConfig::CANONICAL_LEN];
    bytes[0] = kind;
    bytes[1..5].copy_from_slice(&1000_u32.to_le_bytes());
    bytes[5..13].copy_from_slice(&0.00085_f64.to_le_bytes());
    bytes[13..21].copy_from_slice(&0.012_f64.to_le_bytes());
    bytes[21..24].copy_from_slice(&[2, 1, 1]);
    bytes[24..28].copy_from_slice(&1_u32.to_le_bytes());
    bytes[39..44].copy_from_slice(&[2, 1, 1, 0, 1]);
    SchedulerConfig::from_canonical_bytes(&bytes).unwrap()
}

/// 32 bytes that a label and a number decide.
pub(crate) fn bytes(label: &str, number: u64) -> [u8; 32] {
    use sha2::{Digest as _, Sha256};
    Sha256::new().chain_update(label).chain_update(number.to_le_bytes()).finalize().into()
}

pub(crate) fn table(model: Digest, miner: Precision) -> ToleranceTable {
    let bin = |sigma_below| SigmaBin {
        sigma_below,
        whole_bound: 1e-3,
        worst_frame_bound: 1.5e-3,
        honest_evaluations: 1000,
        honest_whole: [1e-5, 5e-5, 1e-4],
        honest_worst_frame: [2e-5, 1e-4, 2e-4],
    };
    let pair = PairTolerance {
        miner,
        validator: Precision::F32,
        refused: None,
        bins: vec![bin(Some(1.0)), bin(None)],
        frame_psnr_db: 50.0,
        clip_block_rms: 4.0,
        honest_frames: 1000,
    };
    ToleranceTable { model, pairs: vec![pair] }
}

impl World {
    pub(crate) fn new(options: &Options) -> Self {
        let key = |label| SigningKey::from_bytes(&bytes(label, 0));
        let number = options.number;
        let opening = PromptOpening {
            salt: bytes("salt", number),
            prompt: "a red circle moving right".to_owned(),
            negative_prompt: "blurry".to_owned(),
        };
        let (prompt, negative_prompt) = opening.commitments(CommitmentScheme::Sha256);
        let job = JobSpec {
            network: Digest(bytes("network", 0)),
            job_id: bytes("job", number)[..16].try_into().unwrap(),
            requester: PublicKey::from(&key("requester")),
            model: Digest(bytes("model", 0)),
            prompt,
            negative_prompt,
            width: 32,
            height: 16,
            frames: 4,
            frame_rate: FrameRate { numerator: 8, denominator: 1 },
            steps: options.steps,
            guidance: options.guidance,
            scheduler: sampler(options.sampler),
            latent_dtype: options.dtype,
            latent: LatentShape { channels: 4, frames: 4, height: 2, width: 4 },
            shard_plan: Digest::ZERO,
            deposit_microcredits: 1_000_000,
            deadline_unix_ms: 2_000_000,
        };
        let tolerances = table(job.model, options.dtype);
        let (miner, validator, second) = (key("miner"), key("validator"), key("second"));
        let nonce = AuditNonce(bytes("nonce", number));
        let challenge = Challenge {
            job: job.digest(),
            miner: PublicKey::from(&miner),
            validator: PublicKey::from(&validator),
            c: bytes("challenge", number),
            terms: AuditTerms {
                nonce_commitment: nonce.commitment(&job.digest(), &PublicKey::from(&validator)),
                steps: options.checked,
                frames: options.frames_checked,
                full_one_in: 0,
                full_steps: 0,
                last_step: options.last_step,
                tolerance: tolerances.digest(),
            },
            commit_by_unix_ms: 1_500_000,
            reveal_window_ms: 10_000,
        };
        Self {
            challenge: Signed::sign(challenge, &validator).unwrap(),
            scheduler: job.scheduler().unwrap(),
            second_nonce: AuditNonce(bytes("second nonce", number)),
            miner,
            validator,
            second,
            nonce,
            opening,
            job,
            tolerances,
        }
    }

    /// Runs the job with the given source of model outputs, from the seed's noise, as the engine does.
    pub(crate) fn run_with(&self, mut outputs: impl FnMut(u32, &[f32], StepOutputs) -> StepOutputs) -> Evidence {
        let mut model = Fake::exact();
        let text = model.prepare(&self.job, &self.opening).unwrap();
        self.run_from(&mut model, text, &self.first_state(), |step, state, honest| outputs(step, state, honest))
    }

    pub(crate) fn first_state(&self) -> Tensor {
        JobSeed::of(&self.challenge.body).initial_state(&self.job, &self.scheduler)
    }

    pub(crate) fn run_from(
        &self,
        model: &mut Fake,
        text: TextEmbeddings,
        first: &Tensor,
        mut outputs: impl FnMut(u32, &[f32], StepOutputs) -> StepOutputs,
    ) -> Evidence {
        let (job, dims) = (&self.job, self.job.latent_dims());
        let mut state = first.to_f32();
        let mut previous: Option<(Vec<f32>, Vec<f32>)> = None;
        let mut steps = Vec::new();
        for step in 0..job.steps {
            let index = step as usize;
            let input = self.scheduler.scale_model_input(index, &state);
            let timestep = self.scheduler.timestep(index);
            let honest = model.model_outputs(&StepInput { step, input: &input, timestep }).unwrap();
            let made = outputs(step, &state, honest);
            let tensor = |values: &[f32]| Tensor::from_f32(values, Precision::F32, &dims);
            steps.push(StepTensors {
                state: Tensor::from_f32(&state, job.latent_dtype, &dims),
                conditional: tensor(&made.conditional),
                unconditional: made.unconditional.as_deref().map(tensor),
            });
            let guided = guided_output(made.conditional, made.unconditional.as_deref(), job.guidance);
            let before = previous.as_ref().map(|(sample, model_output)| Previous { sample, model_output });
            let noise = JobSeed::of(&self.challenge.body).step_noise();
            let next =
                next_state(&self.scheduler, job.latent_dtype, Some(&noise), index, &state, &guided, before).unwrap();
            previous = Some((std::mem::replace(&mut state, next), guided));
        }
        let final_state = Tensor::from_f32(&state, job.latent_dtype, &dims);
        let frames = self.decode(&final_state);
        let clip = encode_clip(&frames);
        Evidence { job: job.clone(), challenge: self.challenge.clone(), text, steps, final_state, frames, clip }
    }

    pub(crate) fn decode(&self, final_state: &Tensor) -> Vec<RgbFrame> {
        let mut model = Fake::exact();
        model.prepare(&self.job, &self.opening).unwrap();
        let all: Vec<u32> = (0..self.job.frames).collect();
        model.decode_frames(&final_state.to_f32(), &all).unwrap()
    }

    pub(crate) fn honest(&self) -> Evidence {
        self.run_with(|_, _, honest| honest)
    }

    pub(crate) fn commit(&self, evidence: Evidence) -> Committed {
        evidence.commit(&self.miner, None).unwrap()
    }

    pub(crate) fn first(&self) -> Auditor<'_> {
        Auditor::First(&self.challenge.body)
    }

    /// The whole exchange, ended honestly.
    pub(crate) fn bundle(&self, committed: &Committed) -> Bundle {
        let reveal = committed.reveal(self.first(), &self.nonce).unwrap();
        let reveal = committed.sign_reveal(&reveal, self.first(), &self.nonce, &self.miner).unwrap();
        Bundle {
            job: self.job.clone(),
            opening: self.opening.clone(),
            challenge: self.challenge.clone(),
            pledge: None,
            commitment: committed.commitment().clone(),
            nonce: self.nonce,
            timing: Timing {
                committed_unix_ms: 1_000_000,
                nonce_published_unix_ms: 1_000_100,
                revealed_unix_ms: 1_000_200,
            },
            reveal: Some(reveal),
            clip: committed.evidence().clip.clone(),
        }
    }

    /// The second validator's announcement.
    pub(crate) fn pledge(&self) -> Signed<Pledge> {
        let (job, validator) = (self.job.digest(), PublicKey::from(&self.second));
        let terms = AuditTerms {
            nonce_commitment: self.second_nonce.commitment(&job, &validator),
            ..self.challenge.body.terms
        };
        Signed::sign(Pledge { job, validator, terms, reveal_window_ms: 20_000 }, &self.second).unwrap()
    }

    /// The exchange with the second validator.
    pub(crate) fn second_opinion(&self, committed: &Committed) -> Bundle {
        let pledge = self.pledge();
        let auditor = Auditor::Second(&pledge.body);
        let reveal = committed.reveal(auditor, &self.second_nonce).unwrap();
        let reveal = committed.sign_reveal(&reveal, auditor, &self.second_nonce, &self.miner).unwrap();
        Bundle { nonce: self.second_nonce, reveal: Some(reveal), pledge: Some(pledge), ..self.bundle(committed) }
    }

    pub(crate) fn audit(&self, bundle: &Bundle) -> Result<Audit, AuditError> {
        audit(bundle, &self.tolerances, &mut Fake::exact())
    }
}
