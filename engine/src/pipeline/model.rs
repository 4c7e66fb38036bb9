//! What callers need of a text-to-video model, whatever its family and device.

use std::ops::Range;

use super::frames::to_rgb8;
use crate::error::Result;

/// Number format of activations and of the latent between steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// bfloat16.
    Bf16,
}

impl Precision {
    /// Bytes of a value.
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Precision::F32 => 4,
            Precision::F16 | Precision::Bf16 => 2,
        }
    }

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
            Precision::Bf16 => "bf16",
        }
    }

    /// Rounds values to this format, ties to even.
    pub fn round(self, values: &mut [f32]) {
        match self {
            Precision::F32 => {}
            Precision::F16 => values.iter_mut().for_each(|x| *x = half::f16::from_f32(*x).to_f32()),
            Precision::Bf16 => values.iter_mut().for_each(|x| *x = half::bf16::from_f32(*x).to_f32()),
        }
    }
}

/// Size of a clip's latent. Values are in `(channels, frames, height, width)` order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LatentShape {
    /// Channels.
    pub channels: usize,
    /// Frames.
    pub frames: usize,
    /// Height in latent pixels.
    pub height: usize,
    /// Width in latent pixels.
    pub width: usize,
}

impl LatentShape {
    /// Values.
    pub fn elements(&self) -> usize {
        self.channels * self.frames * self.height * self.width
    }
}

/// A prompt as the denoiser sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct TextStates {
    /// Token ids, padded.
    pub tokens: Vec<u32>,
    /// Hidden states, `(tokens, width)`.
    pub states: Vec<f32>,
    /// Width of a state.
    pub width: usize,
    /// Whether the prompt was too long and its end was cut off.
    pub truncated: bool,
}

/// The two evaluations of classifier-free guidance (Ho and Salimans, 2022).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branch {
    /// With the prompt.
    Conditional,
    /// With the negative prompt.
    Unconditional,
}

/// A model with the texts of one job prepared.
pub trait Denoiser: Send + Sync {
    /// One evaluation on a state of the job's latent shape.
    fn evaluate(&self, branch: Branch, sample: &[f32], timestep: f64) -> Result<Vec<f32>>;

    /// Both branches, `(conditional, unconditional)`; a device may run them side by side, with the same results.
    fn evaluate_both(&self, sample: &[f32], timestep: f64) -> Result<(Vec<f32>, Vec<f32>)> {
        Ok((
            self.evaluate(Branch::Conditional, sample, timestep)?,
            self.evaluate(Branch::Unconditional, sample, timestep)?,
        ))
    }

    /// Told the clip's initial noise before the first step, also of a run that is resumed. Returns the noise of the state, which
    /// has other frames where windows of a clip are kept apart until the end.
    fn begin(&self, noise: &[f32]) -> Result<Vec<f32>> {
        Ok(noise.to_vec())
    }

    /// The clip's latent that a state is: the state, but where [`begin`](Self::begin) returned something else.
    fn settle(&self, state: &[f32]) -> Result<Vec<f32>> {
        Ok(state.to_vec())
    }
}

/// A text-to-video model.
pub trait VideoModel: Send + Sync {
    /// Encodes a prompt.
    fn encode_text(&self, prompt: &str) -> Result<TextStates>;

    /// The latent of a clip of `width` x `height` pixels.
    fn latent_shape(&self, width: usize, height: usize, frames: usize) -> Result<LatentShape>;

    /// Prepares the texts of a job; `unconditional` is needed for guidance only.
    fn denoiser(
        &self,
        shape: LatentShape,
        conditional: &TextStates,
        unconditional: Option<&TextStates>,
    ) -> Result<Box<dyn Denoiser + '_>>;

    /// Decodes some frames of a latent to values around -1 to 1, `(frames, height, width, 3)`.
    fn decode(&self, latents: &[f32], shape: LatentShape, frames: Range<usize>) -> Result<Vec<f32>>;

    /// Decodes some frames of a latent to RGB, `(frames, height, width, 3)`.
    fn decode_rgb8(&self, latents: &[f32], shape: LatentShape, frames: Range<usize>) -> Result<Vec<u8>> {
        Ok(to_rgb8(&self.decode(latents, shape, frames)?))
    }

    /// Frames that are best decoded in one call.
    fn decode_together(&self) -> usize {
        4
    }

    /// Estimated bytes of memory for a job beyond what the loaded model holds: `(denoising, decoding)`; the peak is the larger.
    fn working_bytes(&self, shape: LatentShape) -> (u64, u64);

    /// Format of activations and of states between steps.
    fn precision(&self) -> Precision;
}
