//! Watching a run from outside: traces compare implementations, commitments bind a miner to what it computed.

use super::model::{LatentShape, TextStates};

/// One step, after the model has run and before the scheduler moves on.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// From 0.
    pub index: usize,
    /// State that the step starts from, in the precision of states, `(channels, frames, height, width)`.
    pub state: &'a [f32],
    /// The model's output with the prompt.
    pub conditional: &'a [f32],
    /// The model's output with the negative prompt, where guidance is on.
    pub unconditional: Option<&'a [f32]>,
}

/// Sees what a run computes, in order. Methods that are left out ignore what they are shown.
pub trait Observer {
    /// The prompts, encoded; the second where guidance is on.
    fn text(&mut self, _conditional: &TextStates, _unconditional: Option<&TextStates>) {}

    /// The standard normal noise that the first state is made from.
    fn noise(&mut self, _noise: &[f32], _shape: LatentShape) {}

    /// A step.
    fn step(&mut self, _step: Step<'_>) {}

    /// The final state.
    fn final_state(&mut self, _state: &[f32]) {}

    /// The decoded frames, RGB, `[frames, height, width]`.
    fn frames(&mut self, _pixels: &[u8], _size: [usize; 3]) {}
}
