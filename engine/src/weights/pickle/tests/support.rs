//! Small weight files made by hand.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::super::PickleFile;
use crate::weights::{RawTensor, WeightsError};

pub(super) fn golden(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder)
}

/// Name, shape and numbers (or why they can't be read) of every tensor.
pub(super) type Contents = Vec<(String, Vec<usize>, Result<RawTensor, WeightsError>)>;

pub(super) fn read_all(path: &Path) -> Result<Contents, WeightsError> {
    let file = PickleFile::open(path)?;
    let contents = file.shapes().into_iter().map(|(name, shape)| {
        let numbers = file.read(&name).map(|numbers| numbers.expect("a listed tensor is there"));
        (name, shape, numbers)
    });
    Ok(contents.collect())
}

pub(super) fn read_bytes(bytes: &[u8]) -> Result<Contents, WeightsError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    read_all(file.path())
}

/// A zip of stored entries as PyTorch lays it out, or with every size and place in zip64 fields.
pub(super) fn zip(entries: &[(&str, &[u8])], is_zip64: bool) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let start = out.len() as u64;
        let padding = 5_u16;
        out.extend_from_slice(b"PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0");
        out.extend_from_slice(&[0; 12]);
        out.extend_from_slice(&(name.len() as u16).to_le_bytes());
        out.extend_from_slice(&padding.to_le_bytes());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"FB\x01\0Z");
        out.extend_from_slice(data);
        let len = data.len() as u64;
        let small = |value: u64| if is_zip64 { u32::MAX } else { value as u32 }.to_le_bytes();
        directory.extend_from_slice(b"PK\x01\x02\0\0\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0");
        directory.extend_from_slice(&small(len));
        directory.extend_from_slice(&small(len));
        directory.extend_from_slice(&(name.len() as u16).to_le_bytes());
        directory.extend_from_slice(&(if is_zip64 { 33_u16 } else { 0 }).to_le_bytes());
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&small(start));
        directory.extend_from_slice(name.as_bytes());
        if is_zip64 {
            // Another field first.
            directory.extend_from_slice(b"FB\x01\0Z\x01\0\x18\0");
            for value in [len, len, start] {
                directory.extend_from_slice(&value.to_le_bytes());
            }
        }
    }
    finish_zip(out, &directory, entries.len() as u64, is_zip64)
}

fn finish_zip(mut out: Vec<u8>, directory: &[u8], count: u64, is_zip64: bool) -> Vec<u8> {
    let start = out.len() as u64;
    out.extend_from_slice(directory);
    let end = out.len() as u64;
    if is_zip64 {
        out.extend_from_slice(b"PK\x06\x06\x2c\0\0\0\0\0\0\0");
        out.extend_from_slice(&[0; 12]);
        for value in [count, count, directory.len() as u64, start] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(b"PK\x06\x07\0\0\0\0");
        out.extend_from_slice(&end.to_le_bytes());
        out.extend_from_slice(&1_u32.to_le_bytes());
        out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        out.extend_from_slice(&[0xff; 12]);
    } else {
        out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        out.extend_from_slice(&(count as u16).to_le_bytes());
        out.extend_from_slice(&(count as u16).to_le_bytes());
        out.extend_from_slice(&(directory.len() as u32).to_le_bytes());
        out.extend_from_slice(&(start as u32).to_le_bytes());
    }
    out.extend_from_slice(&[0; 2]);
    out
}

/// A weight file with this pickle and one storage `0` of twelve f32, 0 to 11.
pub(super) fn with_pickle(pickle: &[u8]) -> Vec<u8> {
    let numbers: Vec<u8> = (0..12).flat_map(|i| (i as f32).to_le_bytes()).collect();
    zip(&[("m/data.pkl", pickle), ("m/byteorder", b"little"), ("m/data/0", &numbers), ("m/version", b"3\n")], false)
}

pub(super) fn text(text: &str) -> Vec<u8> {
    [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

pub(super) fn int(value: i64) -> Vec<u8> {
    [b"\x8a\x08".as_slice(), &value.to_le_bytes()].concat()
}

pub(super) fn ints(values: &[i64]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|&value| int(value)).collect();
    [b"(".as_slice(), &values, b"t"].concat()
}

/// A storage; `rest` is whatever follows its element count.
pub(super) fn storage(kind: &str, class: &str, key: &str, count: i64, rest: &[u8]) -> Vec<u8> {
    let class = format!("ctorch\n{class}\n");
    [b"(".as_slice(), &text(kind), class.as_bytes(), &text(key), &text("cpu"), &int(count), rest, b"tQ"].concat()
}

/// A tensor on a storage of f32.
pub(super) fn tensor(key: &str, count: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    tensor_on(&storage("storage", "FloatStorage", key, count, b""), &[int(offset), ints(shape), ints(strides)].concat())
}

pub(super) fn tensor_on(storage: &[u8], layout: &[u8]) -> Vec<u8> {
    [b"ctorch._utils\n_rebuild_tensor_v2\n(".as_slice(), storage, layout, b"\x89ccollections\nOrderedDict\n)RtR"]
        .concat()
}

/// A file from before PyTorch 1.6 with this pickle and one storage `0` of twelve f32, 0 to 11.
pub(super) fn legacy(value: &[u8], is_little_endian: bool, count: i64) -> Vec<u8> {
    let magic = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19";
    let system = dict(&[("little_endian", vec![0x89 - u8::from(is_little_endian)])]);
    let keys = [b"]".as_slice(), &text("0"), b"a"].concat();
    let pickles = [pickle(magic), pickle(&int(1001)), pickle(&system), pickle(value), pickle(&keys)].concat();
    let numbers: Vec<u8> = (0..12).flat_map(|i| (i as f32).to_le_bytes()).collect();
    [pickles, count.to_le_bytes().to_vec(), numbers].concat()
}

/// `{name: value, ...}`.
pub(super) fn dict(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items: Vec<u8> = items.iter().flat_map(|(name, value)| [text(name), value.clone()].concat()).collect();
    [b"}(".as_slice(), &items, b"u"].concat()
}

pub(super) fn pickle(value: &[u8]) -> Vec<u8> {
    [b"\x80\x02", value, b"."].concat()
}
