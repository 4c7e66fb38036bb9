//! A weight file's tensors.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::archive::{Archive, ZipEntry};
use super::bounded_file::BoundedFile;
use super::fault::{Fault, damaged, unsupported};
use super::globals::NumberType;
use super::unpickled::{Tensor, Unpickled, Value};
use super::unpickler::{MAX_RANK, unpickle};
use crate::weights::{RawTensor, WeightsError};

/// A tensor takes about 150 bytes of pickle.
const MAX_PICKLE_BYTES: u64 = 16 << 20;
const MAX_TENSORS: usize = 1 << 13;
const MAX_TENSOR_NAME_BYTES: usize = 512;
/// Pickle of `MAGIC_NUMBER` in `torch/serialization.py`, which files before PyTorch 1.6 begin with, less its protocol.
const LEGACY_MAGIC: &[u8] = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// Where a storage's numbers are.
#[derive(Clone, Copy, Debug)]
enum Place {
    Zip(ZipEntry),
    Plain { start: u64, len: u64 },
}

#[derive(Debug)]
struct Entry {
    shape: Vec<usize>,
    /// In elements.
    strides: Vec<u64>,
    number: &'static NumberType,
    place: Place,
    /// The part of the storage that the tensor views.
    start_bytes: u64,
    view_bytes: u64,
    /// Of the tensor's numbers in a row.
    len_bytes: u64,
}

/// An open file with its parsed pickle.
#[derive(Debug)]
pub(in crate::weights) struct PickleFile {
    path: PathBuf,
    file: Mutex<BoundedFile>,
    tensors: BTreeMap<String, Entry>,
}

impl PickleFile {
    /// Reads the description of all tensors, and none of their numbers.
    pub(in crate::weights) fn open(path: &Path) -> Result<Self, WeightsError> {
        let open = || {
            let mut file = BoundedFile::open(path)?;
            let is_zip = file.len() >= 4 && file.read_at(0, 4)? == b"PK\x03\x04";
            let tensors = if is_zip { zip_tensors(&mut file)? } else { legacy_tensors(&mut file)? };
            Ok(Self { path: path.to_owned(), file: Mutex::new(file), tensors })
        };
        open().map_err(|fault: Fault| fault.at(path))
    }

    pub(in crate::weights) fn path(&self) -> &Path {
        &self.path
    }

    pub(in crate::weights) fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        self.tensors.iter().map(|(name, entry)| (name.clone(), entry.shape.clone())).collect()
    }

    /// Reads a tensor in row-major order, whatever its strides.
    pub(in crate::weights) fn read(&self, name: &str) -> Result<Option<RawTensor>, WeightsError> {
        let Some(entry) = self.tensors.get(name) else { return Ok(None) };
        self.read_entry(name, entry).map(Some).map_err(|fault| fault.at(&self.path))
    }

    fn read_entry(&self, name: &str, entry: &Entry) -> Result<RawTensor, Fault> {
        let Some(tensor_type) = entry.number.tensor_type else {
            return Err(Fault::Type { tensor: name.to_owned(), found: entry.number.dtype.to_owned() });
        };
        // A thread that panicked while reading leaves the file usable: every read seeks first.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if entry.len_bytes > file.len() {
            return Err(unsupported(format!(
                "tensor `{name}` repeats its numbers up to {} bytes, more than the file has",
                entry.len_bytes
            )));
        }
        let start = match entry.place {
            Place::Zip(zip_entry) => zip_entry.start(&mut file)?,
            Place::Plain { start, .. } => start,
        };
        let bytes = file.read_at(start + entry.start_bytes, entry.view_bytes)?;
        drop(file);
        let bytes = if entry.is_row_major() { bytes } else { entry.gather(&bytes) };
        Ok(RawTensor::from_bytes(tensor_type, &bytes))
    }
}

impl Entry {
    fn new(made: &Unpickled<'_>, tensor: Tensor, place: Place) -> Result<Self, Fault> {
        let too_large = || {
            damaged(format!("a tensor lies outside its storage `{}`", made.storage_key(tensor.storage).escape_debug()))
        };
        let (shape, strides) = made.layout(tensor);
        let Tensor { storage, number, offset, .. } = tensor;
        let storage_bytes = storage.count.checked_mul(storage.number.size_bytes).ok_or_else(too_large)?;
        let place_bytes = match place {
            Place::Zip(entry) => entry.len,
            Place::Plain { len, .. } => len,
        };
        if storage_bytes > place_bytes {
            return Err(damaged(format!("a storage has {place_bytes} bytes, its pickle says {storage_bytes}")));
        }
        let count = shape.iter().try_fold(1_u64, |count, &size| count.checked_mul(size));
        let last = shape.iter().zip(&strides).try_fold(0_u64, |last, (&size, &stride)| {
            size.saturating_sub(1).checked_mul(stride).and_then(|step| last.checked_add(step))
        });
        let view = if count == Some(0) { Some(0) } else { last.and_then(|last| last.checked_add(1)) };
        let in_bytes = |elements: Option<u64>| {
            elements.and_then(|elements| elements.checked_mul(number.size_bytes)).ok_or_else(too_large)
        };
        let (start_bytes, view_bytes, len_bytes) = (in_bytes(Some(offset))?, in_bytes(view)?, in_bytes(count)?);
        if start_bytes.checked_add(view_bytes).is_none_or(|end| end > storage_bytes) {
            return Err(too_large());
        }
        let shape = shape.into_iter().map(usize::try_from).collect::<Result<_, _>>().map_err(|_| too_large())?;
        Ok(Self { shape, strides, number, place, start_bytes, view_bytes, len_bytes })
    }

    fn is_row_major(&self) -> bool {
        let mut expected = 1;
        let dimensions = self.shape.iter().zip(&self.strides).rev();
        self.len_bytes == 0
            || dimensions.filter(|(size, _)| **size != 1).all(|(&size, &stride)| {
                let fits = stride == expected;
                expected = expected.saturating_mul(size as u64);
                fits
            })
    }

    /// The numbers in row-major order from those the tensor views.
    fn gather(&self, view: &[u8]) -> Vec<u8> {
        let size = self.number.size_bytes as usize;
        let mut gathered = Vec::with_capacity(self.len_bytes as usize);
        let mut index = [0_usize; MAX_RANK];
        while gathered.len() < self.len_bytes as usize {
            let at: usize = index.iter().zip(&self.strides).map(|(&i, &stride)| i * stride as usize).sum();
            gathered.extend_from_slice(&view[at * size..][..size]);
            for (i, &end) in index.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < end {
                    break;
                }
                *i = 0;
            }
        }
        gathered
    }
}

fn zip_tensors(file: &mut BoundedFile) -> Result<BTreeMap<String, Entry>, Fault> {
    let archive = Archive::read(file)?;
    if archive.pickle.len > MAX_PICKLE_BYTES {
        return Err(unsupported(format!("its pickle has {} bytes", archive.pickle.len)));
    }
    let pickle = archive.pickle.read(file)?;
    let made = unpickle(&pickle)?;
    if let Some(entry) = archive.byte_order
        && (entry.len != 6 || entry.read(file)? != b"little")
    {
        return Err(unsupported("its numbers are not little-endian"));
    }
    name_tensors(&made, |key| archive.storages.get(key).copied().map(Place::Zip))
}

/// The format before PyTorch 1.6: pickles of a magic number, a version, facts on the system, the tensors and the storage keys;
/// then for each key an element count and the numbers.
fn legacy_tensors(file: &mut BoundedFile) -> Result<BTreeMap<String, Entry>, Fault> {
    let head = file.read_at(0, file.len().min(MAX_PICKLE_BYTES))?;
    let mut at = 0;
    let mut next = || {
        let made = unpickle(&head[at..])?;
        at += made.end;
        Ok(made)
    };
    let magic = match next() {
        Err(Fault::Damaged(reason)) => {
            return Err(damaged(format!("it is neither a PyTorch zip nor a pickle ({reason})")));
        }
        magic => magic?,
    };
    if !head[..magic.end].ends_with(LEGACY_MAGIC) {
        return Err(damaged("it is a pickle, but not one of PyTorch"));
    }
    drop(magic);
    let _version = next()?.root;
    if !is_little_endian(&next()?)? {
        return Err(unsupported("its numbers are not little-endian"));
    }
    let (made, keys) = (next()?, next()?);
    let Value::List(list) = keys.root else { return Err(damaged("it does not say which storages it has")) };
    let mut storages = HashMap::new();
    for storage in &made.storages {
        let previous = storages.insert(made.storage_key(*storage), storage);
        if previous.is_some_and(|previous| previous.count != storage.count || previous.number != storage.number) {
            return Err(unsupported("it has a storage with numbers of two types"));
        }
    }
    let mut places = HashMap::new();
    let mut start = at as u64;
    for key in keys.list_items(list) {
        let key = keys.text(key).unwrap_or_default();
        let storage = storages.get(key).ok_or_else(|| damaged("it has a storage that no tensor views"))?;
        let found = file.read_at(start, 8)?.iter().rev().fold(0, |count, &byte| (count << 8) | u64::from(byte));
        let len = storage.count.checked_mul(storage.number.size_bytes).filter(|_| found == storage.count);
        let len =
            len.ok_or_else(|| damaged(format!("a storage has {found} numbers, its pickle says {}", storage.count)))?;
        file.check(start + 8, len)?;
        places.insert(key, Place::Plain { start: start + 8, len });
        start += 8 + len;
    }
    name_tensors(&made, |key| places.get(key).copied())
}

fn is_little_endian(facts: &Unpickled<'_>) -> Result<bool, Fault> {
    let Value::Dict(dict) = facts.root else { return Err(damaged("it does not say which system wrote it")) };
    let mut items = facts.dict_items(dict);
    Ok(items.any(|(key, value)| facts.is_text(key, "little_endian") && value == Value::Bool(true)))
}

/// The tensors of the pickle's dict, or of the `state_dict` in it.
fn name_tensors(made: &Unpickled<'_>, place: impl Fn(&str) -> Option<Place>) -> Result<BTreeMap<String, Entry>, Fault> {
    let Value::Dict(root) = made.root else { return Err(damaged("its pickle is not a dict of tensors")) };
    let nested = made.dict_items(root).find_map(|(key, value)| match value {
        Value::Dict(dict) if made.is_text(key, "state_dict") => Some(dict),
        _ => None,
    });
    let mut tensors = BTreeMap::new();
    for (key, value) in made.dict_items(nested.unwrap_or(root)) {
        if !matches!(value, Value::Tensor(_) | Value::Odd(_)) {
            continue;
        }
        let name =
            made.text(key).filter(|name| name.len() <= MAX_TENSOR_NAME_BYTES && !name.chars().any(char::is_control));
        let name = name.ok_or_else(|| damaged("a tensor has a name that is no plain text"))?.to_owned();
        let entry = match value {
            Value::Tensor(index) => {
                let tensor = made.tensor(index);
                let key = made.storage_key(tensor.storage);
                let place = place(key).ok_or_else(|| {
                    damaged(format!("the storage `{}` of tensor `{name}` is missing", key.escape_debug()))
                })?;
                Entry::new(made, tensor, place)?
            }
            Value::Odd(odd) => return Err(Fault::Type { tensor: name, found: odd.describe().to_owned() }),
            _ => continue,
        };
        if tensors.len() == MAX_TENSORS {
            return Err(unsupported(format!("it has more than {MAX_TENSORS} tensors")));
        }
        if tensors.insert(name.clone(), entry).is_some() {
            return Err(damaged(format!("it has two tensors `{name}`")));
        }
    }
    Ok(tensors)
}
