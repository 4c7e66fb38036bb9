//! LPIPS v0.1 on AlexNet (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a
//! Perceptual Metric"), as the `lpips` PyPI package computes it.
//!
//! A model folder holds two files, which `tools/reference/quality_golden.py convert-lpips` makes:
//!
//! | file | tensors | from |
//! |---|---|---|
//! | `alexnet.safetensors` | `features.{0,3,6,8,10}.{weight,bias}` | torchvision's AlexNet (others are ignored) |
//! | `lpips_alex.safetensors` | `lin{0..4}.model.1.weight`, `(1, channels, 1, 1)` | the `lpips` package, `weights/v0.1/alex.pth` |
//!
//! Neither is shipped with the engine. Frames with a side under [`MIN_SIDE_PIXELS`] would vanish in
//! AlexNet's pooling; they are enlarged first, where the package would fail.

use super::resize::{Filter, resize_rgb8};
use super::weights::{Weights, finish};
use super::{FramesView, ModelIdentity, QualityError};
use candle_core::{Device, Result as TensorResult, Tensor};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Shortest side AlexNet's strides and pools leave something of, in pixels.
pub const MIN_SIDE_PIXELS: usize = 31;

/// Side that smaller frames are enlarged to, in pixels.
const ENLARGED_SIDE_PIXELS: usize = 64;

/// The package's scaling layer, for inputs from -1 to 1.
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];

/// One convolution of AlexNet: place in `features`, channels in and out, kernel, stride, padding,
/// and whether a 3x3 max-pool of stride 2 comes before it.
struct Layer {
    index: usize,
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    pooled_before: bool,
}

const fn layer(index: usize, input: usize, output: usize, kernel: usize, pooled_before: bool) -> Layer {
    let stride = if index == 0 { 4 } else { 1 };
    Layer { index, input, output, kernel, stride, padding: if kernel == 3 { 1 } else { 2 }, pooled_before }
}

const LAYERS: [Layer; 5] = [
    layer(0, 3, 64, 11, false),
    layer(3, 64, 192, 5, true),
    layer(6, 192, 384, 3, true),
    layer(8, 384, 256, 3, false),
    layer(10, 256, 256, 3, false),
];

/// A loaded LPIPS network.
#[derive(Debug)]
pub struct Lpips {
    /// Kernel, bias and head of each layer.
    layers: Vec<(Tensor, Tensor, Tensor)>,
    device: Device,
    identity: ModelIdentity,
}

/// Unit-length features of one frame at the five layers, `(1, channels, height, width)`.
struct Features(Vec<Tensor>);

impl Lpips {
    /// Loads `alexnet.safetensors` and `lpips_alex.safetensors` from `folder` onto `device`.
    ///
    /// # Errors
    /// A file or a tensor is missing, unreadable or of another shape.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, QualityError> {
        let needs = "alexnet.safetensors and lpips_alex.safetensors";
        let mut digest = Sha256::new();
        let backbone = Weights::safetensors(&folder.join("alexnet.safetensors"), needs, device, &mut digest)?;
        let heads = Weights::safetensors(&folder.join("lpips_alex.safetensors"), needs, device, &mut digest)?;
        let layers = LAYERS
            .iter()
            .enumerate()
            .map(|(place, layer)| {
                let name = format!("features.{}", layer.index);
                let shape = [layer.output, layer.input, layer.kernel, layer.kernel];
                let kernel = backbone.get(&format!("{name}.weight"), &shape)?;
                let bias = backbone.get(&format!("{name}.bias"), &[layer.output])?;
                let head = heads.get(&format!("lin{place}.model.1.weight"), &[1, layer.output, 1, 1])?;
                let bias = bias.reshape((1, layer.output, 1, 1)).map_err(QualityError::compute("laying out a bias"))?;
                Ok((kernel, bias, head))
            })
            .collect::<Result<_, QualityError>>()?;
        let identity = ModelIdentity { role: "lpips_alex".to_owned(), path: folder.into(), sha256: finish(digest) };
        Ok(Self { layers, device: device.clone(), identity })
    }

    /// Which weights these are.
    #[must_use]
    pub fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn features(&self, frame: &[u8], width: usize, height: usize) -> TensorResult<Features> {
        let short = width.min(height);
        let (frame, width, height) = if short < MIN_SIDE_PIXELS {
            let enlarge = |side: usize| side * ENLARGED_SIDE_PIXELS / short;
            let to = (enlarge(width), enlarge(height));
            (resize_rgb8(frame, (width, height), to, Filter::Bicubic), to.0, to.1)
        } else {
            (frame.to_vec(), width, height)
        };
        let mut pixels = Vec::with_capacity(frame.len());
        for channel in 0..3 {
            pixels.extend(frame.iter().skip(channel).step_by(3).map(|&byte| {
                let signed = f32::from(byte) / 127.5 - 1.0;
                (signed - SHIFT[channel]) / SCALE[channel]
            }));
        }
        let mut x = Tensor::from_vec(pixels, (1, 3, height, width), &self.device)?;
        let mut features = Vec::with_capacity(LAYERS.len());
        for (layer, (kernel, bias, _)) in LAYERS.iter().zip(&self.layers) {
            if layer.pooled_before {
                x = x.max_pool2d_with_stride(3, 2)?;
            }
            x = x.conv2d(kernel, layer.padding, layer.stride, 1, 1)?.broadcast_add(bias)?.relu()?;
            let norm = (x.sqr()?.sum_keepdim(1)?.sqrt()? + 1e-10)?;
            features.push(x.broadcast_div(&norm)?);
        }
        Ok(Features(features))
    }

    fn compare(&self, a: &Features, b: &Features) -> TensorResult<f64> {
        let mut distance = 0.0;
        for ((a, b), (_, _, head)) in a.0.iter().zip(&b.0).zip(&self.layers) {
            let map = (a - b)?.sqr()?.broadcast_mul(head)?.sum(1)?;
            distance += f64::from(map.mean_all()?.to_scalar::<f32>()?);
        }
        Ok(distance)
    }

    /// Distance of every frame to the next one: `frames - 1` values, 0 for equal frames.
    ///
    /// # Errors
    /// A tensor operation that failed, or weights that give no number.
    pub fn neighbour_distances(&self, clip: FramesView<'_>) -> Result<Vec<f64>, QualityError> {
        let wrap = QualityError::compute("LPIPS");
        let mut distances = Vec::with_capacity(clip.frame_count().saturating_sub(1));
        let mut previous: Option<Features> = None;
        for frame in clip.frames() {
            let current = self.features(frame, clip.width(), clip.height()).map_err(&wrap)?;
            if let Some(previous) = previous {
                let distance = self.compare(&previous, &current).map_err(&wrap)?;
                if !distance.is_finite() {
                    let path = self.identity.path.clone();
                    return Err(QualityError::NotFinite { what: "an LPIPS distance", path });
                }
                distances.push(distance);
            }
            previous = Some(current);
        }
        Ok(distances)
    }
}
