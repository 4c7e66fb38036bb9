//! A record of every intermediate tensor of a run, to compare implementations.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use super::model::{LatentShape, TextStates};
use super::observe::{Observer, Step};
use crate::error::{EngineError, Result};

enum Values {
    F32(Vec<u8>),
    U8(Vec<u8>),
}

/// Named tensors in the order they were made.
#[derive(Default)]
pub struct Trace {
    tensors: Vec<(String, Vec<usize>, Values)>,
    latent: [usize; 5],
    steps: usize,
}

impl Observer for Trace {
    fn text(&mut self, conditional: &TextStates, unconditional: Option<&TextStates>) {
        for (name, text) in [("text_cond", Some(conditional)), ("text_uncond", unconditional)] {
            if let Some(text) = text {
                self.push(name, &[1, text.tokens.len(), text.width], &text.states);
            }
        }
    }

    fn noise(&mut self, noise: &[f32], shape: LatentShape) {
        self.latent = [1, shape.channels, shape.frames, shape.height, shape.width];
        self.push_latent("noise", noise);
    }

    fn step(&mut self, step: Step<'_>) {
        self.steps = step.index + 1;
        self.push_latent(format!("x_{}", step.index), step.state);
        self.push_latent(format!("cond_{}", step.index), step.conditional);
        if let Some(unconditional) = step.unconditional {
            self.push_latent(format!("uncond_{}", step.index), unconditional);
        }
    }

    fn final_state(&mut self, state: &[f32]) {
        self.push_latent(format!("x_{}", self.steps), state);
        self.push_latent("latents", state);
    }

    fn frames(&mut self, pixels: &[u8], [frames, height, width]: [usize; 3]) {
        self.tensors.push(("frames".to_owned(), vec![frames, height, width, 3], Values::U8(pixels.to_vec())));
    }
}

impl Trace {
    fn push_latent(&mut self, name: impl Into<String>, values: &[f32]) {
        let shape = self.latent;
        self.push(name, &shape, values);
    }

    /// Adds f32 values.
    fn push(&mut self, name: impl Into<String>, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensors.push((name.into(), shape.to_vec(), Values::F32(bytes)));
    }

    /// The f32 values of a tensor.
    pub fn get(&self, name: &str) -> Option<Vec<f32>> {
        self.tensors.iter().find(|(n, _, _)| n == name).and_then(|(_, _, values)| match values {
            Values::F32(bytes) => Some(bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()),
            Values::U8(_) => None,
        })
    }

    /// The bytes of a safetensors file with these tensors and `metadata`.
    pub fn to_safetensors(&self, metadata: HashMap<String, String>) -> Result<Vec<u8>> {
        let failed =
            |error: safetensors::SafeTensorError| EngineError::Request(format!("the trace can't be written: {error}"));
        let views = self
            .tensors
            .iter()
            .map(|(name, shape, values)| {
                let (dtype, bytes) = match values {
                    Values::F32(bytes) => (Dtype::F32, bytes),
                    Values::U8(bytes) => (Dtype::U8, bytes),
                };
                Ok((name.as_str(), TensorView::new(dtype, shape.clone(), bytes).map_err(failed)?))
            })
            .collect::<Result<Vec<_>>>()?;
        safetensors::serialize(views, Some(metadata)).map_err(failed)
    }
}

/// Reads one f32 tensor of a safetensors file, for example a latent to start from.
///
/// # Errors
/// The file can't be read, or has no such f32 tensor.
pub fn read_tensor(path: &Path, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(path).map_err(|source| EngineError::ReadConfig { file: path.to_owned(), source })?;
    let bad = |reason: String| EngineError::Config { file: path.to_owned(), reason };
    let file = safetensors::SafeTensors::deserialize(&bytes)
        .map_err(|error| bad(format!("not a safetensors file ({error})")))?;
    let view = file.tensor(name).map_err(|_| bad(format!("it has no tensor `{name}`; it has {:?}", file.names())))?;
    if view.dtype() != Dtype::F32 {
        return Err(bad(format!("tensor `{name}` is {:?}, expected F32", view.dtype())));
    }
    Ok((view.shape().to_vec(), view.data().as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()))
}
