//! The weight files of one component folder.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use super::memory_file::MemoryFile;
use super::pickle::PickleFile;
use super::safetensors_file::SafetensorsFile;
use super::{RawTensor, TensorType, WeightsError};

/// Stems that diffusers and transformers save weights under, in order of preference.
const SAFETENSORS_STEMS: [&str; 2] = ["diffusion_pytorch_model", "model"];
const PICKLE_STEMS: [&str; 2] = ["diffusion_pytorch_model", "pytorch_model"];
/// Buffers that older exporters saved although they are not weights.
const IGNORED_SUFFIXES: [&str; 2] = ["embeddings.position_ids", "num_batches_tracked"];

enum WeightFile {
    Safetensors(SafetensorsFile),
    Pickle(PickleFile),
    Memory(MemoryFile),
}

impl WeightFile {
    fn open(path: &Path) -> Result<Self, WeightsError> {
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            SafetensorsFile::open(path).map(WeightFile::Safetensors)
        } else {
            PickleFile::open(path).map(WeightFile::Pickle)
        }
    }

    fn path(&self) -> &Path {
        match self {
            WeightFile::Safetensors(file) => file.path(),
            WeightFile::Pickle(file) => file.path(),
            WeightFile::Memory(file) => file.path(),
        }
    }

    fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        match self {
            WeightFile::Safetensors(file) => {
                file.entries.iter().map(|(name, entry)| (name.clone(), entry.shape.clone())).collect()
            }
            WeightFile::Pickle(file) => file.shapes(),
            WeightFile::Memory(file) => file.shapes(),
        }
    }

    fn read(&self, name: &str) -> Result<Option<RawTensor>, WeightsError> {
        match self {
            WeightFile::Safetensors(file) => file.entries.get(name).map(|entry| file.read(name, entry)).transpose(),
            WeightFile::Pickle(file) => file.read(name),
            WeightFile::Memory(file) => Ok(file.take(name)),
        }
    }

    /// Bytes of elements `elements` of a tensor of the whole file's format.
    fn read_part(&self, name: &str, elements: Range<usize>) -> Result<Option<(TensorType, Vec<u8>)>, WeightsError> {
        if let WeightFile::Safetensors(file) = self {
            return file.entries.get(name).map(|entry| file.read_part(name, entry, elements)).transpose();
        }
        Ok(self.read(name)?.map(|tensor| (tensor.tensor_type(), tensor.to_bytes(elements))))
    }
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// All tensors of a component, by name.
pub struct Weights {
    folder: PathBuf,
    files: Vec<WeightFile>,
    /// Name to file, shape and name in the file.
    tensors: BTreeMap<String, (usize, Vec<usize>, String)>,
    used: Mutex<BTreeSet<String>>,
}

impl Weights {
    /// Opens the weights of a component folder: safetensors if there are any, else pickles; sharded or not.
    pub fn open(folder: &Path) -> Result<Self, WeightsError> {
        let mut candidates = Vec::new();
        for (stems, extension) in [(SAFETENSORS_STEMS, "safetensors"), (PICKLE_STEMS, "bin")] {
            for stem in stems {
                for variant in ["", ".fp16"] {
                    candidates.push(format!("{stem}{variant}.{extension}"));
                    candidates.push(format!("{stem}.{extension}.index{variant}.json"));
                }
            }
        }
        let found = candidates.iter().map(|name| folder.join(name)).find(|path| path.is_file());
        let Some(path) = found else {
            return Err(WeightsError::NoFile { folder: folder.to_owned(), expected: candidates.join(", ") });
        };
        let paths = if path.extension().is_some_and(|extension| extension == "json") {
            shards(folder, &path)?
        } else {
            vec![path]
        };
        Self::from_files(folder, &paths)
    }

    /// Opens the given files as one component.
    pub fn from_files(folder: &Path, paths: &[PathBuf]) -> Result<Self, WeightsError> {
        Self::of(folder, paths.iter().map(|path| WeightFile::open(path)).collect::<Result<Vec<_>, _>>()?)
    }

    /// Tensors that are in memory already, to be read once each; `place` is what errors name.
    pub(crate) fn in_memory(place: &Path, tensors: Vec<(String, Vec<usize>, RawTensor)>) -> Result<Self, WeightsError> {
        Self::of(place, vec![WeightFile::Memory(MemoryFile::new(place, tensors))])
    }

    fn of(folder: &Path, files: Vec<WeightFile>) -> Result<Self, WeightsError> {
        let mut tensors = BTreeMap::new();
        for (i, file) in files.iter().enumerate() {
            for (name, shape) in file.shapes() {
                if IGNORED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
                    continue;
                }
                if tensors.insert(name.clone(), (i, shape, name.clone())).is_some() {
                    return Err(WeightsError::Damaged {
                        file: file.path().to_owned(),
                        reason: format!("tensor `{name}` is in two files"),
                    });
                }
            }
        }
        Ok(Self { folder: folder.to_owned(), files, tensors, used: Mutex::default() })
    }

    /// Whether a tensor of this name exists.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Gives tensors the names of today where older exporters used others; an existing name is never replaced.
    pub(crate) fn rename(&mut self, rename: impl Fn(&str) -> Option<String>) {
        let old_names: Vec<String> = self.tensors.keys().cloned().collect();
        for old in old_names {
            let Some(new) = rename(&old).filter(|new| !self.tensors.contains_key(new)) else { continue };
            if let Some((file, shape, _)) = self.tensors.remove(&old) {
                self.tensors.insert(new, (file, shape, old));
            }
        }
    }

    /// The file that has a tensor, which must have the given shape, and the tensor's name in it. Counts it as needed.
    fn find(&self, name: &str, expected: &[usize]) -> Result<(&WeightFile, &str), WeightsError> {
        let (file, shape, name_in_file) = self.tensors.get(name).ok_or_else(|| self.missing(name, expected))?;
        let file = &self.files[*file];
        if shape != expected {
            return Err(WeightsError::Shape {
                file: file.path().to_owned(),
                tensor: name.to_owned(),
                expected: expected.to_owned(),
                found: shape.clone(),
            });
        }
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        Ok((file, name_in_file))
    }

    fn missing(&self, name: &str, expected: &[usize]) -> WeightsError {
        WeightsError::Missing { file: self.file_or_folder(), tensor: name.to_owned(), expected: expected.to_owned() }
    }

    /// Reads a tensor, which must have the given shape.
    pub fn read(&self, name: &str, expected: &[usize]) -> Result<RawTensor, WeightsError> {
        let (file, name_in_file) = self.find(name, expected)?;
        file.read(name_in_file)?.ok_or_else(|| self.missing(name, expected))
    }

    /// Reads some elements of a tensor, in row-major order, as little-endian bytes of its own number format.
    pub(crate) fn read_part(
        &self,
        name: &str,
        expected: &[usize],
        elements: Range<usize>,
    ) -> Result<(TensorType, Vec<u8>), WeightsError> {
        let (file, name_in_file) = self.find(name, expected)?;
        file.read_part(name_in_file, elements)?.ok_or_else(|| self.missing(name, expected))
    }

    /// Checks that a tensor is there with the given shape, and counts it as needed, without reading it.
    pub(crate) fn expect(&self, name: &str, expected: &[usize]) -> Result<(), WeightsError> {
        self.find(name, expected).map(drop)
    }

    /// Counts a tensor as needed without reading it (some files hold heads that a pipeline does not use).
    pub(crate) fn skip(&self, name: &str) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }

    /// Fails if a tensor was never asked for.
    pub fn finish(&self) -> Result<(), WeightsError> {
        self.finish_except(&[])
    }

    /// Fails if a tensor was never asked for, other than those whose names start with one of `prefixes`.
    pub(crate) fn finish_except(&self, prefixes: &[&str]) -> Result<(), WeightsError> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let excused = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let mut left = self.tensors.keys().filter(|name| !used.contains(*name) && !excused(name));
        match left.next() {
            None => Ok(()),
            Some(first) => Err(WeightsError::Unexpected {
                file: self.file_or_folder(),
                tensor: first.clone(),
                count: 1 + left.count(),
            }),
        }
    }

    fn file_or_folder(&self) -> PathBuf {
        match self.files.as_slice() {
            [file] => file.path().to_owned(),
            _ => self.folder.clone(),
        }
    }
}

/// The files an index names; a name that leaves the folder is refused.
fn shards(folder: &Path, index: &Path) -> Result<Vec<PathBuf>, WeightsError> {
    let damaged = |reason: String| WeightsError::Damaged { file: index.to_owned(), reason };
    let text =
        std::fs::read_to_string(index).map_err(|source| WeightsError::Read { file: index.to_owned(), source })?;
    let parsed: Index =
        serde_json::from_str(&text).map_err(|error| damaged(format!("it is not a weight index ({error})")))?;
    let names: BTreeSet<String> = parsed.weight_map.into_values().collect();
    names
        .into_iter()
        .map(|name| {
            let plain = Path::new(&name).file_name().is_some_and(|file_name| file_name == name.as_str());
            if plain {
                Ok(folder.join(&name))
            } else {
                Err(damaged(format!("it names `{name}`, which is not a file beside it")))
            }
        })
        .collect()
}
