//! Where a run was after a step: enough to go on with the same bits, on whatever computes the next one.

use serde::{Deserialize, Serialize};

use crate::error::{EngineError, Result};

/// A run between two steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Steps done.
    pub step: usize,
    /// The state after them.
    pub state: Vec<f32>,
    /// State and guided output of the last step, which samplers of second order need.
    pub previous: Option<(Vec<f32>, Vec<f32>)>,
}

impl Checkpoint {
    /// Fails unless this can be a run of `steps` steps on states of `elements` values.
    pub(super) fn check(&self, steps: usize, elements: usize) -> Result<()> {
        let lengths = self.previous.iter().flat_map(|(state, output)| [state.len(), output.len()]);
        let fits = std::iter::once(self.state.len()).chain(lengths).all(|len| len == elements);
        if self.step <= steps && fits && (self.step == 0) == self.previous.is_none() {
            return Ok(());
        }
        Err(EngineError::Request(format!(
            "the checkpoint (step {}, {} values) is not of this run ({steps} steps, {elements} values); begin again without it",
            self.step,
            self.state.len()
        )))
    }
}
