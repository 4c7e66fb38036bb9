//! `TemporalConvLayer`: convolutions over the frames of every pixel.

use super::linear::pack;
use super::norm::GroupNorm;
use super::{Map, split};
use crate::backend::{Edges, Frames, GroupNormSpec};
use crate::error::Result;
use crate::kernels::conv::TemporalRows;
use crate::kernels::elementwise::Activation;
use crate::kernels::gemm::{Packed, Store, gemm};
use crate::kernels::parallel::{Par, SharedMut};
use crate::kernels::scratch::Scratch;
use crate::weights::Source;

/// Fixed in diffusers, whatever the model's `norm_eps`.
const EPSILON: f64 = 1e-5;

struct Stage {
    norm: GroupNorm,
    weight: Packed,
    bias: Vec<f32>,
}

/// The four stages with their weights.
pub(crate) struct TemporalConv {
    stages: Vec<Stage>,
    channels: usize,
    zeros: Vec<f32>,
}

impl TemporalConv {
    pub(super) fn load(source: &Source<'_>, channels: usize, groups: usize) -> Result<Self> {
        let spec = GroupNormSpec { channels, groups, epsilon: EPSILON };
        // The first stage has no dropout in its sequence, hence its convolution's number.
        let stages = [("conv1", 2), ("conv2", 3), ("conv3", 3), ("conv4", 3)].map(|(name, conv)| {
            let source = source.sub(name);
            let conv = source.sub(conv);
            let raw = conv.read("weight", &[channels, channels, 3, 1, 1])?;
            let weight = pack(&raw, 3 * channels, channels, |p, j| (j * channels + p % channels) * 3 + p / channels);
            Ok(Stage {
                norm: GroupNorm::load(&source.sub(0), spec)?,
                weight,
                bias: conv.read_f32("bias", &[channels])?,
            })
        });
        Ok(Self { stages: stages.into_iter().collect::<Result<_>>()?, channels, zeros: vec![0.0; channels] })
    }

    pub(super) fn forward(&self, x: Map, frames: Frames<'_>, par: Par) -> Result<Map> {
        let mut hidden = None;
        for stage in &self.stages {
            hidden = Some(self.stage(stage, hidden.as_ref().unwrap_or(&x), frames, par)?);
        }
        let Some(hidden) = hidden else { return Ok(x) };
        let mut out = x;
        let len = out.frame_len();
        par.chunks(out.values_mut(), len, |frame, out| crate::kernels::elementwise::add(out, hidden.frame(frame)));
        Ok(out)
    }

    #[allow(unsafe_code)]
    fn stage(&self, stage: &Stage, x: &Map, frames: Frames<'_>, par: Par) -> Result<Map> {
        let (own, pixels, channels) = (x.shape.frames, x.pixels(), self.channels);
        let sums = stage.norm.frame_sums(x, par);
        let Edges { sums, before, after } = match frames {
            Frames::All => Edges { sums, before: None, after: None },
            Frames::Some(exchange) => exchange.edges(&sums, x.frame(0), x.frame(own - 1))?,
        };
        let affine = stage.norm.affine(&sums);
        // The frames that the convolution reads: its own and the neighbours', normalised here; zeros only beyond the clip's ends.
        let read: Vec<&[f32]> =
            before.as_deref().into_iter().chain((0..own).map(|frame| x.frame(frame))).chain(after.as_deref()).collect();
        let mut out = Map::zeros(x.shape);
        let columns = split::columns(par, pixels, read.len() * channels);
        let shared = SharedMut::new(out.values_mut());
        par.run(pixels.div_ceil(columns), |task| {
            let first = task * columns;
            let count = columns.min(pixels - first);
            let mut normed = Scratch::new(read.len() * count * channels);
            for (frame, normed) in read.iter().zip(normed.chunks_exact_mut(count * channels)) {
                affine.apply(&frame[first * channels..][..count * channels], Some(Activation::Silu), normed);
            }
            let rows =
                TemporalRows::new(&normed, &self.zeros, read.len(), usize::from(before.is_some()), count, channels);
            let mut product = Scratch::new(own * count * channels);
            gemm(
                &rows,
                own * count,
                &stage.weight,
                &mut product,
                channels,
                Store::write(Some(&stage.bias)),
                Par::Serial,
            );
            for (frame, product) in product.chunks_exact(count * channels).enumerate() {
                // SAFETY: inside the map; this task alone writes these pixels.
                let out = unsafe { shared.slice((frame * pixels + first) * channels, count * channels) };
                out.copy_from_slice(product);
            }
        });
        Ok(out)
    }
}
