//! Normalisation layers.

use candle_core::{DType, Tensor};

use super::pieces::{Bounds, join, ranges};
use super::{Map, Tensors, activate};
use crate::backend::GroupNormSpec;
use crate::error::Result;
use crate::kernels::elementwise::Activation;
use crate::weights::Source;

/// Group normalisation with its weights, in f32.
#[derive(Debug)]
pub(super) struct GroupNorm {
    spec: GroupNormSpec,
    bounds: Bounds,
    /// `(1, 1, channels)`.
    weight: Tensor,
    bias: Tensor,
}

impl GroupNorm {
    pub(super) fn load(backend: &Tensors, source: &Source<'_>, spec: GroupNormSpec) -> Result<Self> {
        let backend = backend.in_f32();
        let load = |name| -> Result<Tensor> {
            Ok(backend.load(source, name, &[spec.channels])?.reshape((1, 1, spec.channels))?)
        };
        Ok(Self { spec, bounds: backend.bounds, weight: load("weight")?, bias: load("bias")? })
    }

    #[cfg(test)]
    pub(super) fn plain(backend: &Tensors, spec: GroupNormSpec) -> Result<Self> {
        let full = |value: f32| Tensor::full(value, (1, 1, spec.channels), &backend.device);
        Ok(Self { spec, bounds: backend.bounds, weight: full(1.0)?, bias: full(0.0)? })
    }

    /// Normalises every frame on its own, then applies the activation. The result is `(frames, pixels, channels)`.
    pub(super) fn each_frame(&self, x: &Map, activation: Option<Activation>) -> Result<Tensor> {
        let frames = x.frames()?;
        let pieces = ranges(x.shape.frames, x.pixels() * self.spec.channels * 4, self.bounds.norm_copy)
            .into_iter()
            .map(|range| self.normalise(&frames.narrow(0, range.start, range.len())?, false, activation))
            .collect::<Result<_>>()?;
        join(pieces, 0)
    }

    /// Normalises all frames together, as a video's temporal layers do. The result is `(frames, pixels, channels)`.
    pub(super) fn all_frames(&self, x: &Map, activation: Option<Activation>) -> Result<Tensor> {
        self.normalise(&x.frames()?, true, activation)
    }

    /// Two passes, since one that sums squares loses the variance of groups whose mean is large. Means over pixels are
    /// products with a row of 1 / pixels: fast and accurately added on every device. Pixels are cut into pieces, whose
    /// f32 copies are made again for each pass if there is more than one.
    fn normalise(&self, x: &Tensor, together: bool, activation: Option<Activation>) -> Result<Tensor> {
        let (frames, pixels, channels) = x.dims3()?;
        let pieces = ranges(pixels, frames * channels * 4, self.bounds.norm_copy);
        let share = Tensor::full(1.0 / pixels as f32, (frames, 1, pixels), x.device())?;
        let piece = |i: usize| -> Result<Tensor> {
            let range = &pieces[i];
            Ok(x.narrow(1, range.start, range.len())?.to_dtype(DType::F32)?.contiguous()?)
        };
        let add_mean = |total: Option<Tensor>, i: usize, values: &Tensor| -> Result<Option<Tensor>> {
            let range = &pieces[i];
            let mean = share.narrow(2, range.start, range.len())?.contiguous()?.matmul(values)?;
            Ok(Some(match total {
                Some(total) => (total + mean)?,
                None => mean,
            }))
        };

        let mut mean = None;
        let mut first = None;
        for i in 0..pieces.len() {
            let values = piece(i)?;
            mean = add_mean(mean, i, &values)?;
            first = Some(values);
        }
        let mean = self.over_groups(mean, together)?;
        let mut only = None;
        let mut variance = None;
        for i in 0..pieces.len() {
            let values = match first.take() {
                Some(values) if pieces.len() == 1 => values,
                _ => piece(i)?,
            };
            let centred = values.broadcast_sub(&mean)?;
            drop(values);
            variance = add_mean(variance, i, &centred.sqr()?)?;
            if pieces.len() == 1 {
                only = Some(centred);
            }
        }
        let variance = self.over_groups(variance, together)?;
        let scale = (variance + self.spec.epsilon)?.sqrt()?.recip()?.broadcast_mul(&self.weight)?;
        let mut out = Vec::with_capacity(pieces.len());
        for i in 0..pieces.len() {
            let centred = match only.take() {
                Some(centred) => centred,
                None => piece(i)?.broadcast_sub(&mean)?,
            };
            let scaled = centred.broadcast_mul(&scale)?;
            drop(centred);
            let normed = scaled.broadcast_add(&self.bias)?;
            drop(scaled);
            out.push(match activation {
                Some(activation) => activate(&normed, activation)?.to_dtype(x.dtype())?,
                None => normed.to_dtype(x.dtype())?,
            });
        }
        join(out, 1)
    }

    /// Means of channels `(frames, 1, channels)` to means of their groups, written to every channel.
    fn over_groups(&self, means: Option<Tensor>, together: bool) -> Result<Tensor> {
        let Some(means) = means else { return Ok(self.bias.clone()) };
        let GroupNormSpec { channels, groups, .. } = self.spec;
        let (frames, _, _) = means.dims3()?;
        let mut means = means.reshape((frames, groups, channels / groups))?.mean_keepdim(2)?;
        if together {
            means = means.mean_keepdim(0)?;
        }
        let frames = means.dim(0)?;
        Ok(means.broadcast_as((frames, groups, channels / groups))?.contiguous()?.reshape((frames, 1, channels))?)
    }
}

/// Layer normalisation with its weights.
#[derive(Debug)]
pub(super) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f32,
}

impl LayerNorm {
    pub(super) fn load(backend: &Tensors, source: &Source<'_>, width: usize, epsilon: f32) -> Result<Self> {
        Ok(Self {
            weight: backend.load(source, "weight", &[width])?,
            bias: backend.load(source, "bias", &[width])?,
            epsilon,
        })
    }

    /// Normalises every row; candle's fused kernels keep statistics in f32.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(candle_nn::ops::layer_norm(x, &self.weight, &self.bias, self.epsilon)?)
    }
}
