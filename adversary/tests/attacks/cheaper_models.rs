//! Cheaper models really are cheaper.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use half::f16;
use infernet_adversary::{Bits, Variant};
use infernet_engine::pipeline::Precision;
use safetensors::{Dtype, SafeTensors};

use crate::case::{Case, starter};

fn weights(model: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(model.join("unet/diffusion_pytorch_model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let read = |data: &[u8], dtype| match dtype {
        Dtype::F32 => data.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        Dtype::F16 => data.as_chunks::<2>().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        other => panic!("{other:?}"),
    };
    file.iter()
        .map(|(name, view)| (name.to_owned(), (view.shape().to_vec(), read(view.data(), view.dtype()))))
        .collect()
}

#[test]
fn quantised_weights_are_few_integers_per_channel() {
    let case = Case::new(Precision::F32);
    let real = weights(&starter());
    for (bits, most, share) in [(Bits::Eight, 255, 0.48), (Bits::Four, 15, 0.72)] {
        let variant = Variant::Integers(bits);
        let folder = case.workshop.folder(variant).unwrap();
        let quantised = weights(&folder);
        assert!(quantised.keys().eq(real.keys()));
        let mut changed = 0;
        for (name, (shape, values)) in &quantised {
            let (real_shape, real_values) = &real[name];
            assert_eq!(shape, real_shape, "{name}");
            if shape.len() == 1 {
                assert_eq!(values, real_values, "{name} is a norm or a bias");
                continue;
            }
            changed += usize::from(values != real_values);
            for row in values.chunks(values.len() / shape[0]) {
                let distinct: BTreeSet<u32> = row.iter().map(|value| (value + 0.0).to_bits()).collect();
                assert!(distinct.len() <= most, "{name}: {} values in a channel", distinct.len());
            }
        }
        assert!(changed > 100, "{changed} tensors changed");
        let savings = case.workshop.savings(variant).unwrap().unwrap();
        assert_eq!(savings.parameters, savings.original_parameters);
        assert!(savings.weight_share() > share && savings.weight_share() < share + 0.03, "{savings:?}");
    }
}

#[test]
fn the_smaller_model_has_a_quarter_of_the_parameters() {
    let case = Case::new(Precision::F32);
    let (small, real) = (weights(&case.workshop.folder(Variant::HalfWidth).unwrap()), weights(&starter()));
    let count = |model: &BTreeMap<String, (Vec<usize>, Vec<f32>)>| -> usize {
        model.values().map(|(_, values)| values.len()).sum()
    };
    let savings = case.workshop.savings(Variant::HalfWidth).unwrap().unwrap();
    assert_eq!(savings.original_parameters, count(&real) as u64);
    assert_eq!(savings.parameters, count(&small) as u64);
    assert!(savings.parameter_share() > 0.7, "{savings:?}");
    assert_eq!(small["mid_block.resnets.0.conv1.weight"].0, [48, 48, 3, 3]);
    // It loads, strictly, and runs (see `caught`); it is not made again.
    assert_eq!(case.workshop.model(Variant::HalfWidth, Precision::F32).unwrap().precision(), Precision::F32);
    let entries = || std::fs::read_dir(case.scratch.path()).unwrap().count();
    assert_eq!(entries(), 1);
    case.workshop.folder(Variant::HalfWidth).unwrap();
    assert_eq!(entries(), 1);
}

#[test]
fn a_model_without_weights_is_refused_by_name_and_leaves_nothing() {
    let (model, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let unet = model.path().join("unet");
    std::fs::create_dir_all(&unet).unwrap();
    std::fs::copy(starter().join("unet/config.json"), unet.join("config.json")).unwrap();
    let workshop = infernet_adversary::Workshop::new(
        model.path(),
        scratch.path(),
        infernet_engine::pipeline::LoadOptions::default(),
    );
    let fails = |code: &str| {
        let error = workshop.folder(Variant::Integers(Bits::Eight)).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    };
    fails("adversary.weights");
    std::fs::write(unet.join("diffusion_pytorch_model.safetensors"), b"not weights").unwrap();
    fails("adversary.weights");
    std::fs::remove_file(unet.join("config.json")).unwrap();
    fails("adversary.io");
}
