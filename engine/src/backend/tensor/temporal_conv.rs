//! `TemporalConvLayer`: convolutions over the frames of every pixel.

use candle_core::Tensor;

use super::conv::side_by_side;
use super::norm::GroupNorm;
use super::pieces::{Bounds, join, ranges};
use super::{Map, Tensors, product};
use crate::backend::GroupNormSpec;
use crate::error::Result;
use crate::kernels::elementwise::Activation;
use crate::weights::Source;

/// Fixed in diffusers, whatever the model's `norm_eps`.
const EPSILON: f64 = 1e-5;

#[derive(Debug)]
struct Stage {
    norm: GroupNorm,
    /// `(3 * channels, channels)`: the frame before, the frame itself, the frame after.
    weight: Tensor,
    bias: Tensor,
}

/// The four stages with their weights.
#[derive(Debug)]
pub(crate) struct TemporalConv {
    stages: Vec<Stage>,
    channels: usize,
    bounds: Bounds,
}

impl TemporalConv {
    pub(super) fn load(backend: &Tensors, source: &Source<'_>, channels: usize, groups: usize) -> Result<Self> {
        let spec = GroupNormSpec { channels, groups, epsilon: EPSILON };
        // The first stage has no dropout in its sequence, hence its convolution's number.
        let stages = [("conv1", 2), ("conv2", 3), ("conv3", 3), ("conv4", 3)].map(|(name, conv)| -> Result<Stage> {
            let source = source.sub(name);
            let conv = source.sub(conv);
            let weight =
                backend.read(&conv, "weight", &[channels, channels, 3, 1, 1])?.reshape((channels, channels, 3))?;
            let by_tap = weight.transpose(1, 2)?.contiguous()?.reshape((channels, 3 * channels))?;
            Ok(Stage {
                norm: GroupNorm::load(backend, &source.sub(0), spec)?,
                weight: backend.place_factor(&by_tap)?.t()?,
                bias: backend.load(&conv, "bias", &[channels])?,
            })
        });
        Ok(Self { stages: stages.into_iter().collect::<Result<_>>()?, channels, bounds: backend.bounds })
    }

    pub(super) fn forward(&self, x: &Map) -> Result<Map> {
        let mut hidden = x.clone();
        for stage in &self.stages {
            hidden = self.stage(stage, &hidden)?;
        }
        x.like(self.channels, &(x.rows()? + hidden.rows()?)?)
    }

    fn stage(&self, stage: &Stage, x: &Map) -> Result<Map> {
        let (frames, pixels, channels) = (x.shape.frames, x.pixels(), self.channels);
        let normed = stage.norm.all_frames(x, Some(Activation::Silu))?.reshape((frames * pixels, channels))?;
        let zeros = Tensor::zeros((pixels, channels), normed.dtype(), normed.device())?;
        let padded = Tensor::cat(&[&zeros, &normed, &zeros], 0)?;
        drop(normed);
        let frame_bytes = pixels * 3 * channels * padded.dtype().size_in_bytes();
        let pieces = ranges(frames, frame_bytes, self.bounds.fields)
            .into_iter()
            .map(|range| {
                let fields =
                    side_by_side(&padded, &[0, pixels, 2 * pixels], &(range.start * pixels..range.end * pixels))?;
                Ok(product(&fields, &stage.weight)?.broadcast_add(&stage.bias)?)
            })
            .collect::<Result<_>>()?;
        x.like(channels, &join(pieces, 0)?)
    }
}
