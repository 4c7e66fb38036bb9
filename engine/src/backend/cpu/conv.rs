//! Two-dimensional convolutions, frame by frame.

use super::linear::pack;
use super::norm::GroupNorm;
use super::{Map, split};
use crate::backend::{ConvSpec, GroupNormSpec, MapShape};
use crate::error::Result;
use crate::kernels::conv::{ConvRows, Geometry, Taps};
use crate::kernels::elementwise::Activation;
use crate::kernels::gemm::{Packed, Store, gemm};
use crate::kernels::parallel::Par;
use crate::kernels::scratch::Scratch;
use crate::weights::Source;

/// A convolution with its weights.
pub(crate) struct Conv {
    spec: ConvSpec,
    weight: Packed,
    pub(super) bias: Vec<f32>,
    zeros: Vec<f32>,
}

impl Conv {
    pub(super) fn load(source: &Source<'_>, spec: ConvSpec) -> Result<Self> {
        let ConvSpec { in_channels, out_channels, kernel, .. } = spec;
        let taps = kernel * kernel;
        let raw = source.read("weight", &[out_channels, in_channels, kernel, kernel])?;
        // Rows are receptive fields, tap by tap; the file has (out, in, tap).
        let weight = pack(&raw, taps * in_channels, out_channels, |p, j| {
            (j * in_channels + p % in_channels) * taps + p / in_channels
        });
        Ok(Self { spec, weight, bias: source.read_f32("bias", &[out_channels])?, zeros: vec![0.0; in_channels] })
    }

    pub(super) fn geometry(&self, height: usize, width: usize, scaled: Option<(usize, usize)>) -> Geometry {
        let ConvSpec { kernel, stride, padding, .. } = self.spec;
        Geometry { input: (height, width), scaled: scaled.unwrap_or((height, width)), kernel, stride, padding }
    }

    /// Convolves the frames in `x` (`input_pixels` pixels each).
    pub(super) fn run(&self, x: &[f32], input_pixels: usize, taps: &Taps, out: &mut [f32], store: Store<'_>, par: Par) {
        let rows = ConvRows::new(x, taps, &self.zeros, self.spec.in_channels, input_pixels);
        let images = x.len() / (input_pixels * self.spec.in_channels);
        gemm(&rows, images * taps.output_pixels, &self.weight, out, self.spec.out_channels, store, par);
    }

    pub(super) fn forward(&self, x: &Map, scaled: Option<(usize, usize)>, par: Par) -> Map {
        self.forward_normed(x, scaled, None, par)
    }

    /// Convolves frames after normalising each and applying SiLU, if a norm is given.
    fn forward_normed(&self, x: &Map, scaled: Option<(usize, usize)>, norm: Option<&GroupNorm>, par: Par) -> Map {
        let geometry = self.geometry(x.shape.height, x.shape.width, scaled);
        let taps = geometry.taps();
        let (height, width) = geometry.output();
        let shape = MapShape { frames: x.shape.frames, height, width, channels: self.spec.out_channels };
        let mut out = Map::zeros(shape);
        let (frame_len, out_len) = (x.frame_len(), out.frame_len());
        let split = split::frames(par, x.shape.frames, taps.output_pixels, self.spec.out_channels);
        split.outer.chunks(out.values_mut(), split.frames_per_task * out_len, |i, out| {
            let frames = out.len() / out_len;
            let frames = &x.values()[i * split.frames_per_task * frame_len..][..frames * frame_len];
            let normed = norm.map(|norm| {
                let mut normed = Scratch::new(frames.len());
                norm.frames(frames, frame_len, Some(Activation::Silu), &mut normed, split.inner);
                normed
            });
            let input = normed.as_deref().unwrap_or(frames);
            self.run(input, x.pixels(), &taps, out, Store::write(Some(&self.bias)), split.inner);
        });
        out
    }
}

/// Group norm per frame, SiLU, convolution.
pub(crate) struct NormConv {
    norm: GroupNorm,
    conv: Conv,
}

impl NormConv {
    pub(super) fn load(
        norm: &Source<'_>,
        conv: &Source<'_>,
        norm_spec: GroupNormSpec,
        conv_spec: ConvSpec,
    ) -> Result<Self> {
        Ok(Self { norm: GroupNorm::load(norm, norm_spec)?, conv: Conv::load(conv, conv_spec)? })
    }

    pub(super) fn forward(&self, x: &Map, par: Par) -> Map {
        self.conv.forward_normed(x, None, Some(&self.norm), par)
    }
}
