//! Tensors that never were in a file here: another member of a group sent them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::RawTensor;

type Tensors = BTreeMap<String, (Vec<usize>, Mutex<Option<RawTensor>>)>;

/// Tensors by name; each can be taken once.
pub(super) struct MemoryFile {
    place: PathBuf,
    tensors: Tensors,
}

impl MemoryFile {
    pub(super) fn new(place: &Path, tensors: Vec<(String, Vec<usize>, RawTensor)>) -> Self {
        let tensors = tensors.into_iter().map(|(name, shape, tensor)| (name, (shape, Mutex::new(Some(tensor)))));
        Self { place: place.to_owned(), tensors: tensors.collect() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.place
    }

    pub(super) fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        self.tensors.iter().map(|(name, (shape, _))| (name.clone(), shape.clone())).collect()
    }

    pub(super) fn take(&self, name: &str) -> Option<RawTensor> {
        self.tensors.get(name).and_then(|(_, tensor)| tensor.lock().unwrap_or_else(PoisonError::into_inner).take())
    }
}
