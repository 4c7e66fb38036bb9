//! Normalisation layers.

use super::Map;
use crate::backend::GroupNormSpec;
use crate::error::Result;
use crate::kernels::elementwise::Activation;
use crate::kernels::norm::{ChannelAffine, GroupSums, group_affine, group_sums, layer_norm};
use crate::kernels::parallel::Par;
use crate::weights::Source;

/// Rows normalised by one task.
const ROWS_PER_TASK: usize = 512;

/// Group normalisation with its weights.
pub(super) struct GroupNorm {
    spec: GroupNormSpec,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl GroupNorm {
    pub(super) fn load(source: &Source<'_>, spec: GroupNormSpec) -> Result<Self> {
        let shape = [spec.channels];
        Ok(Self { spec, weight: source.read_f32("weight", &shape)?, bias: source.read_f32("bias", &shape)? })
    }

    /// Sums of one frame, `(pixels, channels)`.
    pub(super) fn sums(&self, frame: &[f32], par: Par) -> GroupSums {
        group_sums(frame, self.spec.channels, self.spec.groups, par)
    }

    /// Sums of every frame of a map.
    pub(super) fn frame_sums(&self, x: &Map, par: Par) -> Vec<GroupSums> {
        let mut sums = vec![GroupSums::default(); x.shape.frames];
        let inner = par.only_if(sums.len() == 1);
        par.chunks(&mut sums, 1, |frame, sums| sums[0] = self.sums(x.frame(frame), inner));
        sums
    }

    /// Normalisation over the given frames together.
    pub(super) fn affine(&self, sums: &[GroupSums]) -> ChannelAffine {
        group_affine(sums, &self.weight, &self.bias, self.spec.epsilon)
    }

    /// Normalises each frame of `frame_len` floats on its own.
    pub(super) fn frames(
        &self,
        x: &[f32],
        frame_len: usize,
        activation: Option<Activation>,
        out: &mut [f32],
        par: Par,
    ) {
        let rows_len = ROWS_PER_TASK * self.spec.channels;
        for (frame, out) in x.chunks_exact(frame_len).zip(out.chunks_exact_mut(frame_len)) {
            let affine = self.affine(&[self.sums(frame, par)]);
            par.chunks(out, rows_len, |i, out| affine.apply(&frame[i * rows_len..][..out.len()], activation, out));
        }
    }
}

/// Layer normalisation with its weights.
pub(crate) struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl LayerNorm {
    pub(crate) fn load(source: &Source<'_>, width: usize, epsilon: f32) -> Result<Self> {
        Ok(Self { weight: source.read_f32("weight", &[width])?, bias: source.read_f32("bias", &[width])?, epsilon })
    }

    /// Normalises every row.
    pub(crate) fn forward(&self, x: &[f32], out: &mut [f32], par: Par) {
        let rows_len = ROWS_PER_TASK * self.weight.len();
        par.chunks(out, rows_len, |i, out| {
            layer_norm(&x[i * rows_len..][..out.len()], &self.weight, &self.bias, self.epsilon, out);
        });
    }
}
