//! A record of every intermediate tensor of a run, to compare implementations.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use crate::error::{EngineError, Result};

enum Values {
    F32(Vec<u8>),
    U8(Vec<u8>),
}

/// Named tensors in the order they were made.
#[derive(Default)]
pub struct Trace {
    tensors: Vec<(String, Vec<usize>, Values)>,
}

impl Trace {
    /// Adds f32 values.
    pub(crate) fn push(&mut self, name: impl Into<String>, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensors.push((name.into(), shape.to_vec(), Values::F32(bytes)));
    }

    /// Adds bytes.
    pub(crate) fn push_u8(&mut self, name: impl Into<String>, shape: &[usize], values: &[u8]) {
        self.tensors.push((name.into(), shape.to_vec(), Values::U8(values.to_vec())));
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
