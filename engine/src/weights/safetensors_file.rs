//! One safetensors file, read tensor by tensor.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::{RawTensor, TensorType, WeightsError};

/// Longest header accepted; real ones are under a megabyte.
const MAX_HEADER_BYTES: u64 = 64 << 20;

pub(super) struct Entry {
    pub(super) shape: Vec<usize>,
    tensor_type: Result<TensorType, String>,
    offset: u64,
    len: usize,
}

/// An open file with its parsed header.
pub(super) struct SafetensorsFile {
    path: PathBuf,
    file: Mutex<File>,
    pub(super) entries: BTreeMap<String, Entry>,
}

impl SafetensorsFile {
    pub(super) fn open(path: &Path) -> Result<Self, WeightsError> {
        let read = |source| WeightsError::Read { file: path.to_owned(), source };
        let damaged = |reason: String| WeightsError::Damaged { file: path.to_owned(), reason };
        let mut file = File::open(path).map_err(read)?;
        let file_len = file.metadata().map_err(read)?.len();
        let mut length = [0_u8; 8];
        if file_len < 8 {
            return Err(damaged(format!("it has {file_len} bytes, too few for a header")));
        }
        file.read_exact(&mut length).map_err(read)?;
        let header_len = u64::from_le_bytes(length);
        if header_len > MAX_HEADER_BYTES || header_len > file_len - 8 {
            return Err(damaged(format!("its header claims {header_len} bytes, the file has {file_len}")));
        }
        let mut header = vec![0_u8; header_len as usize];
        file.read_exact(&mut header).map_err(read)?;
        // Checks that the tensors' shapes and offsets fit each other.
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| damaged(format!("its header is not valid ({error})")))?;
        let start = 8 + header_len;
        let expected = start + metadata.data_len() as u64;
        if expected != file_len {
            return Err(damaged(format!("its header describes {expected} bytes, the file has {file_len}")));
        }
        let entries = metadata
            .tensors()
            .into_iter()
            .map(|(name, info)| {
                let tensor_type = match info.dtype {
                    Dtype::F32 => Ok(TensorType::F32),
                    Dtype::F16 => Ok(TensorType::F16),
                    Dtype::BF16 => Ok(TensorType::Bf16),
                    other => Err(format!("{other:?}")),
                };
                let (from, to) = info.data_offsets;
                (name, Entry { shape: info.shape.clone(), tensor_type, offset: start + from as u64, len: to - from })
            })
            .collect();
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), entries })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn read(&self, name: &str, entry: &Entry) -> Result<RawTensor, WeightsError> {
        let tensor_type = self.tensor_type(name, entry)?;
        Ok(RawTensor::from_bytes(tensor_type, &self.read_bytes(entry.offset, entry.len)?))
    }

    /// Some elements of a tensor; `elements` must lie inside it.
    pub(super) fn read_part(
        &self,
        name: &str,
        entry: &Entry,
        elements: Range<usize>,
    ) -> Result<(TensorType, Vec<u8>), WeightsError> {
        let tensor_type = self.tensor_type(name, entry)?;
        let size = tensor_type.size_bytes();
        debug_assert!(elements.end * size <= entry.len);
        Ok((tensor_type, self.read_bytes(entry.offset + (elements.start * size) as u64, elements.len() * size)?))
    }

    fn tensor_type(&self, name: &str, entry: &Entry) -> Result<TensorType, WeightsError> {
        entry.tensor_type.clone().map_err(|found| WeightsError::Type {
            file: self.path.clone(),
            tensor: name.to_owned(),
            found,
        })
    }

    fn read_bytes(&self, offset: u64, len: usize) -> Result<Vec<u8>, WeightsError> {
        let mut bytes = vec![0_u8; len];
        // A thread that panicked while reading leaves the file usable: every read seeks first.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|source| WeightsError::Read { file: self.path.clone(), source })?;
        Ok(bytes)
    }
}
