//! Golden tensors.

use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};

use crate::error::{EngineError, Result};

/// The tensors of one case.
pub(super) struct Golden {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Golden {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("golden.safetensors");
        let bytes = std::fs::read(&path).map_err(|source| EngineError::ReadConfig { file: path.clone(), source })?;
        Ok(Self { path, bytes })
    }

    /// Shape and values of a tensor as f64.
    pub(super) fn get(&self, name: &str) -> Result<(Vec<usize>, Vec<f64>)> {
        let bad = |reason: String| EngineError::Config { file: self.path.clone(), reason };
        let file = SafeTensors::deserialize(&self.bytes).map_err(|error| bad(error.to_string()))?;
        let view = file.tensor(name).map_err(|error| bad(error.to_string()))?;
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => data.as_chunks::<4>().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect(),
            Dtype::F64 => data.as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
            Dtype::I64 => data.as_chunks::<8>().0.iter().map(|&b| i64::from_le_bytes(b) as f64).collect(),
            Dtype::U8 => data.iter().map(|&b| f64::from(b)).collect(),
            other => return Err(bad(format!("tensor `{name}` has type {other:?}"))),
        };
        Ok((view.shape().to_vec(), values))
    }

    pub(super) fn get_f32(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        let (shape, values) = self.get(name)?;
        Ok((shape, values.into_iter().map(|x| x as f32).collect()))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        SafeTensors::deserialize(&self.bytes).is_ok_and(|file| file.tensor(name).is_ok())
    }
}

/// |found - golden| / |golden|, L2 norms; infinite where lengths differ or a value is not finite.
pub(super) fn relative_l2(found: &[f32], golden: &[f64]) -> f64 {
    if found.len() != golden.len() || found.iter().any(|x| !x.is_finite()) {
        return f64::INFINITY;
    }
    let square = |x: f64| x * x;
    let difference: f64 = found.iter().zip(golden).map(|(&x, &y)| square(f64::from(x) - y)).sum();
    let norm: f64 = golden.iter().map(|&y| square(y)).sum();
    if norm == 0.0 { difference.sqrt() } else { (difference / norm).sqrt() }
}
