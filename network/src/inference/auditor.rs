//! A validator's run of a model.

use infernet_engine::pipeline::{Branch, Denoiser, Precision, VideoModel, to_rgb8};
use infernet_engine::video::codec::OpenH264;
use infernet_engine::video::mp4::{DecodeLimits, decode_with};

use super::run::{check_shape, embedding};
use crate::proof::{
    Digest, JobSpec, PromptOpening, Reexecution, ReexecutionError, RgbFrame, StepInput, StepOutputs, TextEmbeddings,
};

/// Runs parts of a job on a loaded model.
pub struct ModelAuditor<'a> {
    model: &'a dyn VideoModel,
    digest: Digest,
    prepared: Option<Prepared<'a>>,
}

struct Prepared<'a> {
    job: JobSpec,
    denoiser: Box<dyn Denoiser + 'a>,
}

impl<'a> ModelAuditor<'a> {
    /// `digest` is that of the model's files with the number format that *miners* run it in.
    pub fn new(model: &'a dyn VideoModel, digest: Digest) -> Self {
        Self { model, digest, prepared: None }
    }

    fn prepared(&self) -> Result<&Prepared<'a>, ReexecutionError> {
        self.prepared.as_ref().ok_or_else(|| unusable("it was not prepared"))
    }
}

fn unusable(reason: impl std::fmt::Display) -> ReexecutionError {
    ReexecutionError::Unusable(format!("{reason}"))
}

impl Reexecution for ModelAuditor<'_> {
    fn precision(&self) -> Precision {
        self.model.precision()
    }

    fn prepare(&mut self, job: &JobSpec, opening: &PromptOpening) -> Result<TextEmbeddings, ReexecutionError> {
        if job.model != self.digest {
            return Err(unusable(format!(
                "the job is for model {}, here is {}; name the job's model",
                job.model, self.digest
            )));
        }
        check_shape(self.model, job).map_err(unusable)?;
        let conditional = self.model.encode_text(&opening.prompt).map_err(unusable)?;
        let unconditional = if job.is_guided() {
            Some(self.model.encode_text(&opening.negative_prompt).map_err(unusable)?)
        } else {
            None
        };
        let denoiser = self.model.denoiser(job.latent, &conditional, unconditional.as_ref()).map_err(unusable)?;
        self.prepared = Some(Prepared { job: job.clone(), denoiser });
        Ok(TextEmbeddings {
            conditional: embedding(&conditional),
            unconditional: unconditional.as_ref().map(embedding),
        })
    }

    fn model_outputs(&mut self, step: &StepInput<'_>) -> Result<StepOutputs, ReexecutionError> {
        let Prepared { job, denoiser } = self.prepared()?;
        if job.is_guided() {
            let (conditional, unconditional) = denoiser.evaluate_both(step.input, step.timestep).map_err(unusable)?;
            return Ok(StepOutputs { conditional, unconditional: Some(unconditional) });
        }
        let conditional = denoiser.evaluate(Branch::Conditional, step.input, step.timestep).map_err(unusable)?;
        Ok(StepOutputs { conditional, unconditional: None })
    }

    fn decode_frames(&mut self, final_state: &[f32], frames: &[u32]) -> Result<Vec<RgbFrame>, ReexecutionError> {
        let job = &self.prepared()?.job;
        let one = |&frame: &u32| {
            let frame = frame as usize;
            let values = self.model.decode(final_state, job.latent, frame..frame + 1).map_err(unusable)?;
            Ok(RgbFrame { width: job.width, height: job.height, pixels: to_rgb8(&values) })
        };
        frames.iter().map(one).collect()
    }

    fn decode_clip(&mut self, clip: &[u8]) -> Result<Vec<RgbFrame>, ReexecutionError> {
        let job = &self.prepared()?.job;
        let limits = DecodeLimits {
            max_file_bytes: clip.len(),
            max_side: job.width.max(job.height),
            max_frames: job.frames as usize,
            max_clip_bytes: job.frame_bytes() as usize * job.frames as usize,
        };
        let decoded =
            decode_with(&OpenH264, clip, &limits).map_err(|error| ReexecutionError::BadClip(error.to_string()))?;
        let (width, height) = (decoded.width, decoded.height);
        Ok(decoded.frames().map(|pixels| RgbFrame { width, height, pixels: pixels.to_vec() }).collect())
    }
}
