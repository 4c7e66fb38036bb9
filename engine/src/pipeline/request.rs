//! What a clip is made from, checked before anything runs.

use serde::{Deserialize, Serialize};

use crate::error::{EngineError, Result};

/// Largest width and height in pixels.
pub(crate) const MAX_SIDE: usize = 4096;
/// Most frames.
pub(crate) const MAX_FRAMES: usize = 1024;
const MAX_GUIDANCE: f32 = 100.0;

/// What a model is best run with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelDefaults {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Frames.
    pub frames: usize,
    /// Frames per second.
    pub frames_per_second: f64,
    /// Steps.
    pub steps: usize,
    /// Guidance scale.
    pub guidance: f32,
}

/// A clip to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenerateRequest {
    /// What to show.
    pub prompt: String,
    /// What not to show.
    pub negative_prompt: String,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Frames.
    pub frames: usize,
    /// Steps.
    pub steps: usize,
    /// Guidance scale; 1 or less means without guidance, one evaluation per step.
    pub guidance: f32,
    /// Seed of the initial latent.
    pub seed: u64,
}

impl GenerateRequest {
    /// Whether both branches are evaluated.
    pub fn uses_guidance(&self) -> bool {
        self.guidance > 1.0
    }

    /// Checks everything that does not depend on the model.
    pub fn check(&self) -> Result<()> {
        let fail = |message: String| Err(EngineError::Request(message));
        for (name, value, most) in
            [("width", self.width, MAX_SIDE), ("height", self.height, MAX_SIDE), ("frames", self.frames, MAX_FRAMES)]
        {
            if !(1..=most).contains(&value) {
                return fail(format!("{name} is {value}; choose 1 to {most}"));
            }
        }
        if !self.guidance.is_finite() || !(0.0..=MAX_GUIDANCE).contains(&self.guidance) {
            return fail(format!(
                "guidance is {}; choose a number from 0 to {MAX_GUIDANCE} (1 turns it off)",
                self.guidance
            ));
        }
        Ok(())
    }
}
