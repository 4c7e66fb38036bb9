//! A look at a safetensors file's header without reading its tensors: enough to know that the file is whole.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::StoreError;

/// Largest header, in bytes: the limit of the reference implementation.
const MAX_HEADER_LEN: u64 = 100_000_000;
/// Key of the free-form text that is no tensor.
const METADATA_KEY: &str = "__metadata__";

#[derive(Deserialize)]
struct TensorEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Checks that a safetensors file is sound and complete: the header length fits the file, the header is JSON, every
/// tensor's bytes are what its shape and type need, and together they are the rest of the file without gap or overlap.
/// Returns the number of tensors.
///
/// # Errors
/// [`StoreError::Damaged`] says what is wrong, with the tensor's name; [`StoreError::Io`] when the file can't be read.
pub fn check_safetensors(path: &Path) -> Result<usize, StoreError> {
    let damaged = |reason: String| StoreError::Damaged { path: path.to_path_buf(), reason };
    let mut file = File::open(path).map_err(|source| StoreError::io("open", path, source))?;
    let file_len = file.metadata().map_err(|source| StoreError::io("look at", path, source))?.len();
    if file_len < 8 {
        return Err(damaged(format!("it has {file_len} bytes, too few for a safetensors header")));
    }
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|source| StoreError::io("read", path, source))?;
    let header_len = u64::from_le_bytes(length);
    if header_len > MAX_HEADER_LEN {
        return Err(damaged(format!("its header says it is {header_len} bytes long, the limit is {MAX_HEADER_LEN}")));
    }
    let data_len = (file_len - 8)
        .checked_sub(header_len)
        .ok_or_else(|| damaged(format!("its header says it is {header_len} bytes long, the file has {file_len}")))?;
    let mut header = Vec::new();
    file.take(header_len).read_to_end(&mut header).map_err(|source| StoreError::io("read", path, source))?;
    let header: Map<String, Value> = serde_json::from_slice(&header)
        .map_err(|error| damaged(format!("its header is not a JSON object: {error}")))?;
    check_tensors(header, data_len).map_err(damaged)
}

fn check_tensors(header: Map<String, Value>, data_len: u64) -> Result<usize, String> {
    let mut ranges = Vec::with_capacity(header.len());
    for (name, value) in header {
        if name == METADATA_KEY {
            continue;
        }
        let shown: String = name.chars().take(120).collect();
        let entry: TensorEntry =
            serde_json::from_value(value).map_err(|error| format!("tensor {shown:?} in its header: {error}"))?;
        let (begin, end) = entry.data_offsets;
        if begin > end || end > data_len {
            return Err(format!(
                "tensor {shown:?} has bytes {begin} to {end}, the file has {data_len} bytes of tensors"
            ));
        }
        let bits = bits_per_element(&entry.dtype)
            .ok_or_else(|| format!("tensor {shown:?} has the unknown type {:?}", entry.dtype))?;
        let needed = entry
            .shape
            .iter()
            .try_fold(bits, |bits, &extent| bits.checked_mul(extent))
            .filter(|bits| bits % 8 == 0)
            .map(|bits| bits / 8)
            .ok_or_else(|| format!("tensor {shown:?} has the impossible shape {:?}", entry.shape))?;
        if needed != end - begin {
            return Err(format!(
                "tensor {shown:?} of shape {:?} and type {} needs {needed} bytes and has {}",
                entry.shape,
                entry.dtype,
                end - begin
            ));
        }
        ranges.push((begin, end, shown));
    }
    let count = ranges.len();
    ranges.sort();
    let mut covered = 0;
    for (begin, end, shown) in ranges {
        if begin != covered {
            let what = if begin < covered { "overlaps another tensor" } else { "leaves a gap before it" };
            return Err(format!("tensor {shown:?} {what}"));
        }
        covered = end;
    }
    if covered != data_len {
        return Err(format!(
            "its tensors end at byte {covered} of {data_len}: it is cut off or has something after its tensors"
        ));
    }
    Ok(count)
}

fn bits_per_element(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "I64" | "U64" | "F64" | "C64" => 64,
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn file_of(header: &str, data_len: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len() + data_len, 7);
        bytes
    }

    fn check(bytes: &[u8]) -> Result<usize, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        fs::write(&path, bytes).unwrap();
        check_safetensors(&path).map_err(|error| {
            assert_eq!(error.code(), "model.damaged");
            error.to_string()
        })
    }

    #[test]
    fn whole_files_pass() {
        let header = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},
            "empty":{"dtype":"F32","shape":[0],"data_offsets":[12,12]},"b":{"dtype":"F32","shape":[],"data_offsets":[12,16]}}  "#;
        assert_eq!(check(&file_of(header, 16)), Ok(3));
        assert_eq!(check(&file_of("{}", 0)), Ok(0));
    }

    #[test]
    fn what_the_reference_crate_writes_passes() {
        let data = [0_u8; 24];
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 3], &data).unwrap();
        let bytes = safetensors::serialize([("w", view)], None).unwrap();
        assert_eq!(check(&bytes), Ok(1));
        assert!(check(&bytes[..bytes.len() - 1]).unwrap_err().contains("\"w\""));
    }

    #[test]
    fn damaged_files_are_named_with_the_reason() {
        let tensor = |offsets: &str, shape: &str, dtype: &str| {
            format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
        };
        for (bytes, expected) in [
            (vec![1, 2, 3], "too few"),
            (u64::MAX.to_le_bytes().to_vec(), "limit"),
            (1_000_u64.to_le_bytes().to_vec(), "the file has 8"),
            (file_of("{", 0), "JSON"),
            (file_of("[]", 0), "JSON"),
            (file_of(&tensor("[0,4]", "[1]", "F32"), 3), "bytes 0 to 4"),
            (file_of(&tensor("[4,0]", "[1]", "F32"), 8), "bytes 4 to 0"),
            (file_of(&tensor("[0,4]", "[2]", "F32"), 4), "needs 8"),
            (file_of(&tensor("[0,4]", "[1]", "F99"), 4), "unknown type"),
            (file_of(&tensor("[0,4]", "[18446744073709551615,18446744073709551615]", "F32"), 4), "impossible"),
            (file_of(&tensor("[0,4]", "[1]", "F32"), 5), "something after"),
            (file_of(&tensor("[1,5]", "[1]", "F32"), 5), "gap"),
            (file_of(&tensor("[0,-4]", "[1]", "F32"), 5), "\"w\""),
            (file_of(r#"{"w":3}"#, 0), "\"w\""),
            (
                file_of(
                    r#"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[3],"data_offsets":[2,5]}}"#,
                    5,
                ),
                "overlaps",
            ),
        ] {
            let error = check(&bytes).unwrap_err();
            assert!(error.contains(expected), "{error} should say {expected}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), header in "\\PC{0,100}") {
            let _ = check(&bytes);
            let _ = check(&file_of(&header, bytes.len()));
        }
    }
}
