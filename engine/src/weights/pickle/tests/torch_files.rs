//! What PyTorch wrote is read as PyTorch reads it.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use super::super::PickleFile;
use super::support::{golden, read_all};
use crate::weights::{RawTensor, TensorType, WeightsError};

fn bits(tensor: &RawTensor) -> Vec<u32> {
    match tensor {
        RawTensor::F32(data) => data.iter().map(|x| x.to_bits()).collect(),
        RawTensor::F16(data) => data.iter().map(|x| x.to_bits().into()).collect(),
        RawTensor::Bf16(data) => data.iter().map(|x| x.to_bits().into()).collect(),
    }
}

fn check_same(pickle: &Path, expected: &Path) {
    let expected = std::fs::read(expected).unwrap();
    let expected: BTreeMap<_, _> = SafeTensors::deserialize(&expected).unwrap().tensors().into_iter().collect();
    let contents = read_all(pickle).unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<&String> = contents.iter().map(|(name, ..)| name).collect();
    assert_eq!(names, expected.keys().collect::<Vec<_>>(), "{}", pickle.display());
    for (name, shape, numbers) in &contents {
        let wanted = &expected[name];
        let at = format!("{name} of {}", pickle.display());
        assert_eq!(*shape, wanted.shape(), "{at}");
        let tensor_type = match wanted.dtype() {
            Dtype::F32 => TensorType::F32,
            Dtype::F16 => TensorType::F16,
            Dtype::BF16 => TensorType::Bf16,
            other => {
                assert!(matches!(numbers, Err(WeightsError::Type { .. })), "{at} of type {other:?}: {numbers:?}");
                continue;
            }
        };
        let numbers = numbers.as_ref().unwrap_or_else(|error| panic!("{at}: {error}"));
        assert_eq!(numbers.tensor_type(), tensor_type, "{at}");
        assert_eq!(bits(numbers), bits(&RawTensor::from_bytes(tensor_type, wanted.data())), "{at}");
    }
}

#[test]
fn every_reference_file_gives_its_tensors_or_the_right_error() {
    let mut seen = BTreeMap::new();
    for folder in std::fs::read_dir(golden("pickle")).unwrap() {
        let folder = folder.unwrap().path();
        let case: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("case.json")).unwrap()).unwrap();
        let file = folder.join(case["file"].as_str().unwrap());
        if file.extension().is_some_and(|extension| extension == "json") {
            continue;
        }
        let expect = case["expect"].as_str().unwrap();
        *seen.entry(expect.to_owned()).or_insert(0) += 1;
        if expect != "error" {
            check_same(&file, &folder.join("golden.safetensors"));
            continue;
        }
        let error = read_all(&file).map(|_| ()).expect_err(&file.display().to_string());
        let fits = match case["reason"].as_str().unwrap() {
            "code" => matches!(error, WeightsError::UnsafePickle { .. }),
            "format" => matches!(error, WeightsError::Damaged { .. } | WeightsError::Unsupported { .. }),
            _ => matches!(error, WeightsError::Damaged { .. }),
        };
        assert!(fits, "{}: {error}", case["description"]);
    }
    assert!(seen["tensors"] >= 12 && seen["error"] >= 18, "{seen:?}");
}

#[test]
fn malicious_files_name_what_they_refer_to() {
    for (case, expected) in
        [("evil-zip", "posix.system"), ("evil-eval", "__builtin__.eval"), ("evil-protocol-4", "posix.system")]
    {
        let error = PickleFile::open(&golden("pickle").join(case).join("pytorch_model.bin")).unwrap_err();
        let WeightsError::UnsafePickle { object, .. } = error else { panic!("{error}") };
        assert_eq!(object, expected);
    }
    let module = PickleFile::open(&golden("pickle-own/module.bin")).unwrap_err();
    assert!(module.to_string().contains("`torch.nn.modules.linear.Linear`"), "{module}");
}

#[test]
fn unusual_views_give_their_numbers() {
    for name in ["kinds.bin", "protocol-5.bin"] {
        check_same(&golden("pickle-own").join(name), &golden("pickle-own/kinds.safetensors"));
    }
}

#[test]
fn types_that_weights_can_not_have_are_listed_but_not_read() {
    let contents = read_all(&golden("pickle-own/new-types.bin")).unwrap();
    assert_eq!(contents.len(), 6);
    for (name, shape, numbers) in contents {
        assert_eq!(shape, [2, 3]);
        let Err(WeightsError::Type { found, tensor, .. }) = numbers else { panic!("{name} was read") };
        assert_eq!((&found, &tensor), (&name, &name));
    }
}

#[test]
fn tensors_that_are_not_numbers_at_places_are_refused_by_name() {
    for (name, expected) in [
        ("sparse", "sparse"),
        ("quantised", "quantised"),
        ("nested", "different shapes"),
        ("meta", "meta"),
        ("negated", "negated"),
    ] {
        let error = PickleFile::open(&golden("pickle-own").join(format!("{name}.bin"))).unwrap_err();
        let WeightsError::Type { tensor, found, .. } = error else { panic!("{error}") };
        assert!(tensor == "w" && found.contains(expected), "{tensor} {found}");
    }
}

#[test]
fn compressed_entries_are_refused_with_a_way_out() {
    let error = PickleFile::open(&golden("pickle-own/compressed.bin")).unwrap_err().to_string();
    assert!(error.contains("compressed") && error.contains("safetensors"), "{error}");
}

#[test]
fn no_cut_of_a_valid_file_is_accepted() {
    for case in ["zip-f16", "legacy-views"] {
        let whole = std::fs::read(golden("pickle").join(case).join("pytorch_model.bin")).unwrap();
        for len in 0..whole.len() {
            let error = super::support::read_bytes(&whole[..len]).map(|_| ()).expect_err("a cut file");
            assert!(matches!(error, WeightsError::Damaged { .. }), "{case} cut to {len}: {error}");
        }
    }
}
