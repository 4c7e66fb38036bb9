//! Whole models on golden inputs; agreement with the reference itself is tested in `parity`.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use candle_core::{DType, Device};

use super::Tensors;
use super::pieces::Bounds;
use crate::backend::cpu::Cpu;
use crate::backend::{Backend, MapShape};
use crate::models::unet3d::{UNet3D, UNet3DConfig};
use crate::models::vae::{Vae, VaeConfig};
use crate::noise::{NoiseStream, PortableNoise};
use crate::weights::Weights;

/// Bounds that cut everything into the smallest pieces: single frames, lines, pixels, queries and rows.
const SMALLEST: Bounds = Bounds { norm_copy: 1, fields: 1, scores: 1, columns: 1, hidden: 1 };
/// Bounds that cut the golden cases' layers into a few uneven pieces.
const SMALL: Bounds = Bounds { norm_copy: 9_000, fields: 70_000, scores: 5_000, columns: 30_000, hidden: 40_000 };

fn golden(kind: &str, case: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", kind, case].iter().collect()
}

fn on_cpu(bounds: Bounds) -> Tensors {
    Tensors { bounds, ..Tensors::new(Device::Cpu, DType::F32) }
}

fn relative(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |x: f64| x * x;
    let difference: f64 = found.iter().zip(expected).map(|(&x, &y)| square(f64::from(x) - f64::from(y))).sum();
    (difference / expected.iter().map(|&y| square(f64::from(y))).sum::<f64>()).sqrt()
}

fn unet<B: Backend + Clone>(backend: B, case: &str, size: [usize; 3]) -> Vec<f32> {
    let part = golden("unet3d", case).join("unet");
    let config = UNet3DConfig::read(&part.join("config.json")).unwrap();
    let noise = PortableNoise::new(5, NoiseStream::InitialLatent);
    let sample = noise.vector(config.in_channels * size.iter().product::<usize>());
    let text = PortableNoise::new(6, NoiseStream::InitialLatent).vector(7 * config.text_channels);
    let model = UNet3D::load(backend, config, &Weights::open(&part).unwrap()).unwrap();
    model.forward(&sample, size, 321.5, &model.prepare_text(&text).unwrap()).unwrap()
}

fn decode<B: Backend>(backend: B, case: &str, frames: usize, height: usize, width: usize) -> Vec<f32> {
    let part = golden("vae", case).join("vae");
    let config = VaeConfig::read(&part.join("config.json")).unwrap();
    let shape = MapShape { frames, height, width, channels: config.latent_channels };
    let latents = PortableNoise::new(7, NoiseStream::InitialLatent).vector(frames * height * width * shape.channels);
    Vae::load(backend, config, Weights::open(&part).unwrap(), true).unwrap().decode(latents, shape).unwrap()
}

#[test]
fn a_unet_in_pieces_equals_the_kernels() {
    for case in ["three-levels-odd", "pad-right-bottom"] {
        let size = [3, 11, 9];
        let expected = unet(Cpu::new(), case, size);
        for bounds in [SMALLEST, SMALL, Bounds::default()] {
            let error = relative(&unet(on_cpu(bounds), case, size), &expected);
            // A model with random weights amplifies rounding about two hundredfold.
            assert!(error < 1e-4, "{case} {bounds:?}: {error}");
        }
    }
}

#[test]
fn a_vae_in_pieces_equals_the_kernels() {
    let expected = decode(Cpu::new(), "starter-like", 3, 5, 7);
    for bounds in [SMALLEST, SMALL, Bounds::default()] {
        let error = relative(&decode(on_cpu(bounds), "starter-like", 3, 5, 7), &expected);
        assert!(error < 1e-5, "{bounds:?}: {error}");
    }
}

#[test]
fn a_large_mean_does_not_cost_the_group_norm_its_precision() {
    use super::{Map, norm::GroupNorm};
    use candle_core::Tensor;
    let spec = crate::backend::GroupNormSpec { channels: 4, groups: 2, epsilon: 1e-5 };
    let shape = MapShape { frames: 2, height: 30, width: 40, channels: 4 };
    let noise = PortableNoise::new(8, NoiseStream::InitialLatent).vector(2 * 30 * 40 * 4);
    let run = |offset: f32| -> Vec<f32> {
        let values: Vec<f32> = noise.iter().map(|x| x + offset).collect();
        let map = Map::new(shape, &Tensor::new(values, &Device::Cpu).unwrap()).unwrap();
        let norm = GroupNorm::plain(&on_cpu(Bounds::default()), spec).unwrap();
        norm.each_frame(&map, None).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    };
    // The inputs themselves are rounded to 2^-17 there; sums of squares would lose 2^-10 of the variance.
    let error = relative(&run(100.0), &run(0.0));
    assert!(error < 1e-4, "{error}");
}
