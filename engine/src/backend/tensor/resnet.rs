//! `ResnetBlock2D`, frame by frame.

use candle_core::Tensor;

use super::conv::Conv;
use super::linear::Linear;
use super::norm::GroupNorm;
use super::{Map, Tensors, product};
use crate::backend::{ConvSpec, GroupNormSpec, MapShape, ResnetSpec};
use crate::error::Result;
use crate::weights::Source;

/// A residual block with its weights.
#[derive(Debug)]
pub(crate) struct Resnet {
    spec: ResnetSpec,
    norm1: GroupNorm,
    conv1: Conv,
    /// Its bias includes that of the first convolution.
    time: Option<Linear>,
    norm2: GroupNorm,
    /// Its bias includes that of the shortcut.
    conv2: Conv,
    /// `(in_channels, out_channels)`.
    shortcut: Option<Tensor>,
}

impl Resnet {
    pub(super) fn load(backend: &Tensors, source: &Source<'_>, spec: ResnetSpec) -> Result<Self> {
        let ResnetSpec { in_channels, out_channels, groups, epsilon, .. } = spec;
        let norm =
            |name, channels| GroupNorm::load(backend, &source.sub(name), GroupNormSpec { channels, groups, epsilon });
        let bias = |name| backend.read(&source.sub(name), "bias", &[out_channels]);
        let conv = |name, channels, bias| {
            Conv::load_with_bias(backend, &source.sub(name), ConvSpec::same(channels, out_channels, 3), bias)
        };

        let bias1 = bias("conv1")?;
        let time = match spec.time_channels {
            Some(channels) => {
                let weight = backend.read(&source.sub("time_emb_proj"), "weight", &[out_channels, channels])?;
                Some(Linear::new(backend, &weight, Some(&(bias("time_emb_proj")? + &bias1)?))?)
            }
            None => None,
        };
        let mut bias2 = bias("conv2")?;
        let mut shortcut = None;
        if in_channels != out_channels {
            let weight = backend.read(&source.sub("conv_shortcut"), "weight", &[out_channels, in_channels, 1, 1])?;
            shortcut = Some(backend.place_factor(&weight.reshape((out_channels, in_channels))?)?.t()?);
            bias2 = (bias2 + bias("conv_shortcut")?)?;
        }
        Ok(Self {
            spec,
            norm1: norm("norm1", in_channels)?,
            conv1: conv("conv1", in_channels, &bias1)?,
            time,
            norm2: norm("norm2", out_channels)?,
            conv2: conv("conv2", out_channels, &bias2)?,
            shortcut,
        })
    }

    /// `skip`'s channels follow `x`'s.
    pub(super) fn forward(&self, backend: &Tensors, x: &Map, skip: Option<&Map>, time: Option<&Tensor>) -> Result<Map> {
        let ResnetSpec { in_channels, out_channels, activation, output_scale_factor, .. } = self.spec;
        let joined = match skip {
            Some(skip) => {
                let shape = MapShape { channels: in_channels, ..x.shape };
                Some(Map::new(shape, &Tensor::cat(&[&x.values, &skip.values], 3)?)?)
            }
            None => None,
        };
        let x = joined.as_ref().unwrap_or(x);
        let bias = match (&self.time, time) {
            (Some(layer), Some(time)) => Some(layer.forward(time)?.flatten_all()?),
            _ => None,
        };
        let normed = x.like(in_channels, &self.norm1.each_frame(x, Some(activation))?)?;
        let hidden = self.conv1.forward(backend, &normed, None, bias.as_ref())?;
        drop(normed);
        let normed = hidden.like(out_channels, &self.norm2.each_frame(&hidden, Some(activation))?)?;
        drop(hidden);
        let residual = self.conv2.forward(backend, &normed, None, None)?.rows()?;
        drop(normed);
        let sum = match &self.shortcut {
            Some(weight) => (product(&x.rows()?, weight)? + residual)?,
            None => (x.rows()? + residual)?,
        };
        let out = if output_scale_factor == 1.0 { sum } else { (sum / f64::from(output_scale_factor))? };
        x.like(out_channels, &out)
    }
}
