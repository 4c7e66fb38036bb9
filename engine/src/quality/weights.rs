//! Weight files of the scoring models: every tensor is asked for by name and shape.

use super::QualityError;
use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Which weights a score was computed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// What the model is for: `clip` or `lpips_alex`.
    pub role: String,
    /// The folder it was read from.
    pub path: PathBuf,
    /// SHA-256 over the weight files' bytes in the order read, in lower-case hexadecimal.
    pub sha256: String,
}

/// All tensors of one file, with the file's name for errors.
pub(super) struct Weights {
    path: PathBuf,
    tensors: HashMap<String, Tensor>,
    device: Device,
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads a whole file.
pub(super) fn read(path: &Path, needs: &'static str) -> Result<Vec<u8>, QualityError> {
    std::fs::read(path).map_err(|source| QualityError::Read { path: path.into(), needs, source })
}

/// Reads and parses a JSON file.
pub(super) fn read_json(path: &Path, needs: &'static str) -> Result<serde_json::Value, QualityError> {
    serde_json::from_slice(&read(path, needs)?).map_err(|source| QualityError::Json { path: path.into(), source })
}

impl Weights {
    /// Reads a safetensors file and adds its bytes to `digest`.
    pub(super) fn safetensors(
        path: &Path,
        needs: &'static str,
        device: &Device,
        digest: &mut Sha256,
    ) -> Result<Self, QualityError> {
        let bytes = read(path, needs)?;
        digest.update(&bytes);
        let tensors = candle_core::safetensors::load_buffer(&bytes, device)
            .map_err(|source| QualityError::Weights { path: path.into(), source })?;
        Ok(Self { path: path.into(), tensors, device: device.clone() })
    }

    /// Tensor `name` as contiguous f32 of exactly this shape.
    pub(super) fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, QualityError> {
        let tensor = self
            .tensors
            .get(name)
            .ok_or_else(|| QualityError::MissingTensor { path: self.path.clone(), tensor: name.to_owned() })?;
        if tensor.dims() != shape {
            return Err(QualityError::TensorShape {
                path: self.path.clone(),
                tensor: name.to_owned(),
                expected: shape.to_vec(),
                found: tensor.dims().to_vec(),
            });
        }
        tensor
            .to_device(&self.device)
            .and_then(|tensor| tensor.to_dtype(DType::F32)?.contiguous())
            .map_err(|source| QualityError::Weights { path: self.path.clone(), source })
    }
}

/// Closes a digest that [`Weights`] filled.
pub(super) fn finish(digest: Sha256) -> String {
    hex(&digest.finalize())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn file(folder: &Path) -> PathBuf {
        let path = folder.join("model.safetensors");
        let tensor = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap();
        let half = tensor.to_dtype(DType::F16).unwrap();
        candle_core::safetensors::save(&HashMap::from([("a".to_owned(), half)]), &path).unwrap();
        path
    }

    #[test]
    fn tensors_come_as_f32_of_the_shape_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path());
        let mut digest = Sha256::new();
        let weights = Weights::safetensors(&path, "weights", &Device::Cpu, &mut digest).unwrap();
        let a = weights.get("a", &[2, 2]).unwrap();
        assert_eq!(a.to_vec2::<f32>().unwrap(), [[1.0, 2.0], [3.0, 4.0]]);
        assert!(matches!(weights.get("b", &[1]), Err(QualityError::MissingTensor { tensor, .. }) if tensor == "b"));
        assert!(matches!(weights.get("a", &[4]), Err(QualityError::TensorShape { .. })));
        assert_eq!(finish(digest), hex(&Sha256::digest(std::fs::read(&path).unwrap())));
    }

    #[test]
    fn truncated_or_absent_files_name_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path());
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        let open = |path: &Path| Weights::safetensors(path, "w", &Device::Cpu, &mut Sha256::new());
        let error = open(&path).err().unwrap();
        assert!(matches!(error, QualityError::Weights { .. }) && error.to_string().contains("model.safetensors"));
        assert!(matches!(open(&folder.path().join("none")), Err(QualityError::Read { .. })));
    }
}
