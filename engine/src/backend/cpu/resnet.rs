//! `ResnetBlock2D`, frame by frame.

use super::conv::Conv;
use super::norm::GroupNorm;
use super::{Linear, Map, split};
use crate::backend::{ConvSpec, GroupNormSpec, MapShape, ResnetSpec};
use crate::error::Result;
use crate::kernels::elementwise;
use crate::kernels::gemm::Store;
use crate::kernels::parallel::Par;
use crate::kernels::scratch::Scratch;
use crate::weights::Source;

/// A residual block with its weights.
pub(crate) struct Resnet {
    spec: ResnetSpec,
    norm1: GroupNorm,
    conv1: Conv,
    time: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv,
    shortcut: Option<Linear>,
}

impl Resnet {
    pub(super) fn load(source: &Source<'_>, spec: ResnetSpec) -> Result<Self> {
        let ResnetSpec { in_channels, out_channels, groups, epsilon, .. } = spec;
        let norm = |name, channels| GroupNorm::load(&source.sub(name), GroupNormSpec { channels, groups, epsilon });
        let conv = |name, channels| Conv::load(&source.sub(name), ConvSpec::same(channels, out_channels, 3));
        Ok(Self {
            spec,
            norm1: norm("norm1", in_channels)?,
            conv1: conv("conv1", in_channels)?,
            time: spec
                .time_channels
                .map(|channels| Linear::load(&source.sub("time_emb_proj"), channels, out_channels, true))
                .transpose()?,
            norm2: norm("norm2", out_channels)?,
            conv2: conv("conv2", out_channels)?,
            shortcut: (in_channels != out_channels)
                .then(|| Linear::load_pointwise(&source.sub("conv_shortcut"), in_channels, out_channels))
                .transpose()?,
        })
    }

    /// `skip`'s channels follow `x`'s.
    pub(super) fn forward(&self, x: &Map, skip: Option<&Map>, time: Option<&[f32]>, par: Par) -> Map {
        let ResnetSpec { in_channels, out_channels, activation, output_scale_factor, .. } = self.spec;
        let MapShape { frames, height, width, .. } = x.shape;
        let pixels = x.pixels();
        let mut bias = self.conv1.bias.clone();
        if let (Some(layer), Some(time)) = (&self.time, time) {
            layer.add(time, 1, &mut bias, par);
        }
        let taps = self.conv1.geometry(height, width, None).taps();
        let mut out = Map::zeros(MapShape { channels: out_channels, ..x.shape });
        let out_len = out.frame_len();
        let split = split::frames(par, frames, pixels, in_channels.max(out_channels) * 3);
        split.outer.chunks(out.values_mut(), split.frames_per_task * out_len, |i, out| {
            let first = i * split.frames_per_task;
            let rows = out.len() / out_channels;
            let own = &x.values()[first * x.frame_len()..][..rows * x.shape.channels];
            let joined = skip.map(|skip| {
                let mut joined = Scratch::new(rows * in_channels);
                let other = &skip.values()[first * skip.frame_len()..][..rows * skip.shape.channels];
                concatenate(own, x.shape.channels, other, skip.shape.channels, &mut joined);
                joined
            });
            let input: &[f32] = joined.as_deref().unwrap_or(own);
            let mut normed = Scratch::new(rows * in_channels.max(out_channels));
            let normed_in = &mut normed[..rows * in_channels];
            self.norm1.frames(input, pixels * in_channels, Some(activation), normed_in, split.inner);
            let mut hidden = Scratch::new(rows * out_channels);
            self.conv1.run(normed_in, pixels, &taps, &mut hidden, Store::write(Some(&bias)), split.inner);
            let normed_out = &mut normed[..rows * out_channels];
            self.norm2.frames(&hidden, pixels * out_channels, Some(activation), normed_out, split.inner);
            match &self.shortcut {
                Some(shortcut) => shortcut.write(input, rows, out, split.inner),
                None => out.copy_from_slice(input),
            }
            self.conv2.run(normed_out, pixels, &taps, out, Store::add(Some(&self.conv2.bias)), split.inner);
            if output_scale_factor != 1.0 {
                elementwise::divide(out, output_scale_factor);
            }
        });
        out
    }
}

fn concatenate(a: &[f32], a_channels: usize, b: &[f32], b_channels: usize, out: &mut [f32]) {
    for ((a, b), out) in
        a.chunks_exact(a_channels).zip(b.chunks_exact(b_channels)).zip(out.chunks_exact_mut(a_channels + b_channels))
    {
        out[..a_channels].copy_from_slice(a);
        out[a_channels..].copy_from_slice(b);
    }
}
