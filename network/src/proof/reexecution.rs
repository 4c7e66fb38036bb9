//! What a validator needs of a model. The engine's side implements it.

use infernet_engine::pipeline::Precision;

use super::job::JobSpec;
use super::prompt::PromptOpening;
use super::tensor::{RgbFrame, Tensor};

/// One step to run again.
#[derive(Clone, Copy, Debug)]
pub struct StepInput<'a> {
    /// Step.
    pub step: u32,
    /// What the model is given: the state, scaled as the scheduler asks, (channels, frames, height, width).
    pub input: &'a [f32],
    /// Timestep that the model is given.
    pub timestep: f64,
}

/// What the model makes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct StepOutputs {
    /// With the prompt.
    pub conditional: Vec<f32>,
    /// With the negative prompt; only where guidance is on.
    pub unconditional: Option<Vec<f32>>,
}

/// Text embeddings, f32, (tokens, width).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEmbeddings {
    /// Of the prompt.
    pub conditional: Tensor,
    /// Of the negative prompt; only where guidance is on.
    pub unconditional: Option<Tensor>,
}

/// A validator's own run of the model.
pub trait Reexecution {
    /// The number format it runs in: which bounds apply depends on it.
    fn precision(&self) -> Precision;

    /// Checks that this is the job's model and shape, and gets the texts ready.
    ///
    /// # Errors
    /// [`ReexecutionError::Unusable`] where this validator can't audit the job.
    fn prepare(&mut self, job: &JobSpec, opening: &PromptOpening) -> Result<TextEmbeddings, ReexecutionError>;

    /// Runs the model once per branch.
    ///
    /// # Errors
    /// The device failed.
    fn model_outputs(&mut self, step: &StepInput<'_>) -> Result<StepOutputs, ReexecutionError>;

    /// Decodes some frames of the final state, in the order asked for.
    ///
    /// # Errors
    /// The device failed.
    fn decode_frames(&mut self, final_state: &[f32], frames: &[u32]) -> Result<Vec<RgbFrame>, ReexecutionError>;

    /// Decodes all frames of an encoded clip, with no more memory than the job's frames need.
    ///
    /// # Errors
    /// [`ReexecutionError::BadClip`] where the bytes are no clip: that is the miner's failure.
    fn decode_clip(&mut self, clip: &[u8]) -> Result<Vec<RgbFrame>, ReexecutionError>;
}

/// A validator's run failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReexecutionError {
    /// The validator can't audit this; no verdict.
    #[error("this validator can't run the job again: {0}")]
    Unusable(String),
    /// The miner's clip can't be decoded; a rejection.
    #[error("the clip can't be decoded: {0}")]
    BadClip(String),
}

impl ReexecutionError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unusable(_) => "proof.reexecution.unusable",
            Self::BadClip(_) => "proof.reexecution.bad_clip",
        }
    }
}
