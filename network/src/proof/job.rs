//! What is paid for, as one byte string.

use infernet_engine::pipeline::{LatentShape, Precision};
use infernet_engine::schedulers::{Scheduler, SchedulerConfig};

use super::bytes::{Digest, PublicKey};
use super::codec::{Reader, Writer};
use super::error::{DecodeError, JobError};
use super::prompt::PromptCommitment;
use super::tensor::{precision_code, precision_from_code};

const VERSION: u16 = 1;
const TAG: &str = "infernet/job/v1";
const MAX_SIDE: u32 = 4096;
const MAX_FRAMES: u32 = 1024;
const MAX_STEPS: u32 = 1000;
const MAX_CHANNELS: usize = 64;
/// 256 MiB in f32: what one opened tensor can cost.
const MAX_LATENT_ELEMENTS: u64 = 1 << 26;
const MAX_GUIDANCE: f32 = 100.0;
const MAX_FRAMES_PER_SECOND: u32 = 1000;
/// A clip may be larger than raw RGB by this much of container.
const CLIP_OVERHEAD_BYTES: u64 = 1 << 20;

/// Frames per second as a fraction in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    /// Frames.
    pub numerator: u32,
    /// Seconds.
    pub denominator: u32,
}

impl From<infernet_engine::video::FrameRate> for FrameRate {
    fn from(rate: infernet_engine::video::FrameRate) -> Self {
        Self { numerator: rate.numerator(), denominator: rate.denominator() }
    }
}

/// A job: everything that decides the clip (but the seed, which the challenge decides) and what is at stake.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSpec {
    /// Which network; a proof does not leave it.
    pub network: Digest,
    /// 128 random bits, so that no two jobs are equal.
    pub job_id: [u8; 16],
    /// Who pays.
    pub requester: PublicKey,
    /// Digest of the model's files, number type and quantisation (`infernet_engine::store::model_digest`).
    pub model: Digest,
    /// Commitment to the prompt.
    pub prompt: PromptCommitment,
    /// Commitment to the negative prompt.
    pub negative_prompt: PromptCommitment,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames.
    pub frames: u32,
    /// Frame rate of the clip.
    pub frame_rate: FrameRate,
    /// Denoising steps.
    pub steps: u32,
    /// Guidance scale; up to 1 the unconditional branch is not run.
    pub guidance: f32,
    /// Sampler with all its parameters.
    pub scheduler: SchedulerConfig,
    /// Format of states between steps.
    pub latent_dtype: Precision,
    /// Shape of a state. The model must agree; it is written here so that sizes are known without the model.
    pub latent: LatentShape,
    /// Digest of the shard plan; zero for one machine.
    pub shard_plan: Digest,
    /// Deposit in micro-credits.
    pub deposit_microcredits: u64,
    /// When the clip must be committed, milliseconds since 1970 UTC.
    pub deadline_unix_ms: u64,
}

/// What a leaf of the commitment is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafPosition {
    /// State and model outputs of a step.
    Step(u32),
    /// The last state.
    Final,
    /// A decoded frame.
    Frame(u32),
    /// The encoded clip.
    Clip,
    /// The text embeddings.
    Text,
}

impl JobSpec {
    /// Length of the encoding.
    pub const LEN: usize = 273 + SchedulerConfig::CANONICAL_LEN;

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.write(&mut out);
        out.finish()
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u16(VERSION).raw(&self.network.0).raw(&self.job_id).raw(&self.requester.0).raw(&self.model.0);
        self.prompt.write(out);
        self.negative_prompt.write(out);
        out.u32(self.width).u32(self.height).u32(self.frames);
        out.u32(self.frame_rate.numerator).u32(self.frame_rate.denominator);
        out.u32(self.steps).u32(self.guidance.to_bits()).raw(&self.scheduler.canonical_bytes());
        out.u8(precision_code(self.latent_dtype));
        let LatentShape { channels, frames, height, width } = self.latent;
        for size in [channels, frames, height, width] {
            // Checked jobs are far below; others are refused by `check`.
            out.u32(u32::try_from(size).unwrap_or(u32::MAX));
        }
        out.raw(&self.shard_plan.0).u64(self.deposit_microcredits).u64(self.deadline_unix_ms);
    }

    /// Reads a job and checks it.
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of a job that can be run.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(bytes, Self::read)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = reader.u16("job version")?;
        if version != VERSION {
            return Err(DecodeError::invalid("job version", version.to_string(), VERSION.to_string()));
        }
        let job = Self {
            network: reader.digest("network")?,
            job_id: reader.array("job id")?,
            requester: reader.key("requester")?,
            model: reader.digest("model")?,
            prompt: PromptCommitment::read(reader)?,
            negative_prompt: PromptCommitment::read(reader)?,
            width: reader.u32("width")?,
            height: reader.u32("height")?,
            frames: reader.u32("frames")?,
            frame_rate: FrameRate {
                numerator: reader.u32("frame rate")?,
                denominator: reader.u32("frame rate denominator")?,
            },
            steps: reader.u32("steps")?,
            guidance: f32::from_bits(reader.u32("guidance")?),
            scheduler: SchedulerConfig::from_canonical_bytes(&reader.array("scheduler")?)
                .map_err(|error| DecodeError::invalid("scheduler", error.to_string(), "a known sampler"))?,
            latent_dtype: precision_from_code(reader.u8("latent dtype")?)?,
            latent: LatentShape {
                channels: reader.u32("latent channels")? as usize,
                frames: reader.u32("latent frames")? as usize,
                height: reader.u32("latent height")? as usize,
                width: reader.u32("latent width")? as usize,
            },
            shard_plan: reader.digest("shard plan")?,
            deposit_microcredits: reader.u64("deposit")?,
            deadline_unix_ms: reader.u64("deadline")?,
        };
        job.check().map_err(|error| DecodeError::invalid("job", error.to_string(), "a job that can be run"))?;
        Ok(job)
    }

    /// Checks every bound and that the scheduler makes finite steps.
    ///
    /// # Errors
    /// The field that is out of range.
    pub fn check(&self) -> Result<(), JobError> {
        let within = |field, value: u64, most: u64| {
            let fine = (1..=most).contains(&value);
            if fine { Ok(()) } else { Err(field_error(field, value.to_string(), format!("1 to {most}"))) }
        };
        within("width", u64::from(self.width), u64::from(MAX_SIDE))?;
        within("height", u64::from(self.height), u64::from(MAX_SIDE))?;
        within("frames", u64::from(self.frames), u64::from(MAX_FRAMES))?;
        within("steps", u64::from(self.steps), u64::from(MAX_STEPS))?;
        let LatentShape { channels, frames, height, width } = self.latent;
        within("latent channels", channels as u64, MAX_CHANNELS as u64)?;
        within("latent frames", frames as u64, u64::from(MAX_FRAMES))?;
        within("latent height", height as u64, u64::from(MAX_SIDE))?;
        within("latent width", width as u64, u64::from(MAX_SIDE))?;
        within(
            "latent size",
            [channels, frames, height, width].map(|n| n as u64).iter().product(),
            MAX_LATENT_ELEMENTS,
        )?;
        let FrameRate { numerator, denominator } = self.frame_rate;
        within("frame rate", u64::from(numerator), u64::from(denominator) * u64::from(MAX_FRAMES_PER_SECOND))?;
        if gcd(numerator, denominator) != 1 {
            return Err(field_error("frame rate", format!("{numerator}/{denominator}"), "a fraction in lowest terms"));
        }
        let guidance = self.guidance;
        // `contains` is false for what is not a number; minus zero would be a second form of zero.
        if !(0.0..=MAX_GUIDANCE).contains(&guidance) || guidance.is_sign_negative() {
            return Err(field_error("guidance", guidance.to_string(), format!("0 to {MAX_GUIDANCE}")));
        }
        self.scheduler().map(|_| ())
    }

    /// The sampler, ready for this job's steps.
    ///
    /// # Errors
    /// It can't make this many steps, or a noise level is not a positive number.
    pub fn scheduler(&self) -> Result<Scheduler, JobError> {
        let scheduler = Scheduler::new(self.scheduler.clone(), self.steps as usize).map_err(JobError::Scheduler)?;
        for step in 0..scheduler.steps() {
            let sigma = scheduler.sigma(step);
            if sigma.is_nan() || sigma <= 0.0 {
                return Err(field_error("noise level", format!("{sigma} at step {step}"), "above zero"));
            }
        }
        Ok(scheduler)
    }

    /// `SHA-256("infernet/job/v1" || encoding)`.
    pub fn digest(&self) -> Digest {
        Digest::of(TAG, |out| self.write(out))
    }

    /// Whether the unconditional branch is run.
    pub fn is_guided(&self) -> bool {
        self.guidance > 1.0
    }

    /// Leaves of a commitment: steps, final state, frames, clip, text.
    pub fn leaf_count(&self) -> u32 {
        self.steps + self.frames + 3
    }

    /// Index of a leaf.
    pub fn leaf_index(&self, position: LeafPosition) -> u32 {
        match position {
            LeafPosition::Step(step) => step,
            LeafPosition::Final => self.steps,
            LeafPosition::Frame(frame) => self.steps + 1 + frame,
            LeafPosition::Clip => self.steps + 1 + self.frames,
            LeafPosition::Text => self.steps + 2 + self.frames,
        }
    }

    /// What the leaf at an index is about; `None` past the end.
    pub fn leaf_position(&self, index: u32) -> Option<LeafPosition> {
        let after_steps = match index.checked_sub(self.steps) {
            None => return Some(LeafPosition::Step(index)),
            Some(0) => return Some(LeafPosition::Final),
            Some(after) => after - 1,
        };
        match after_steps.checked_sub(self.frames) {
            None => Some(LeafPosition::Frame(after_steps)),
            Some(0) => Some(LeafPosition::Clip),
            Some(1) => Some(LeafPosition::Text),
            Some(_) => None,
        }
    }

    /// Dimensions of states and model outputs: (1, channels, frames, height, width).
    pub fn latent_dims(&self) -> [u32; 5] {
        let LatentShape { channels, frames, height, width } = self.latent;
        // Within u32 for every checked job.
        [1, channels as u32, frames as u32, height as u32, width as u32]
    }

    /// Largest clip that is accepted: its raw pixels and room for a container.
    pub fn max_clip_bytes(&self) -> u64 {
        u64::from(self.frames) * self.frame_bytes() + CLIP_OVERHEAD_BYTES
    }

    /// Bytes of one RGB frame.
    pub fn frame_bytes(&self) -> u64 {
        3 * u64::from(self.width) * u64::from(self.height)
    }
}

fn field_error(field: &'static str, found: impl Into<String>, expected: impl Into<String>) -> JobError {
    JobError::Field { field, found: found.into(), expected: expected.into() }
}

const fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
