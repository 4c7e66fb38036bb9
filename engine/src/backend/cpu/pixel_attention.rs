//! The attention in the middle of the VAE: one head over a frame's pixels.

use super::norm::GroupNorm;
use super::{Linear, Map, split};
use crate::backend::GroupNormSpec;
use crate::error::Result;
use crate::kernels::attention::{KeysValues, Mask, attention};
use crate::kernels::parallel::Par;
use crate::kernels::scratch::Scratch;
use crate::weights::Source;

/// The attention with its weights.
pub(crate) struct PixelAttention {
    channels: usize,
    norm: GroupNorm,
    qkv: Linear,
    out: Linear,
}

impl PixelAttention {
    pub(super) fn load(source: &Source<'_>, norm: GroupNormSpec) -> Result<Self> {
        let channels = norm.channels;
        Ok(Self {
            channels,
            norm: GroupNorm::load(&source.sub("group_norm"), norm)?,
            qkv: Linear::load_joined(source, &["to_q", "to_k", "to_v"], channels, channels, true)?,
            out: Linear::load(&source.sub("to_out.0"), channels, channels, true)?,
        })
    }

    pub(super) fn forward(&self, mut x: Map, par: Par) -> Map {
        let (channels, frame_len, pixels) = (self.channels, x.frame_len(), x.pixels());
        let split = split::frames(par, x.shape.frames, pixels, channels * 5);
        split.outer.chunks(x.values_mut(), frame_len, |_, frame| {
            let mut normed = Scratch::new(frame_len);
            self.norm.frames(frame, frame_len, None, &mut normed, split.inner);
            let mut qkv = Scratch::new(3 * frame_len);
            self.qkv.write(&normed, pixels, &mut qkv, split.inner);
            let keys_values =
                KeysValues::new(&qkv[channels..], &qkv[2 * channels..], 3 * channels, pixels, 1, channels);
            attention(&qkv, 3 * channels, pixels, &keys_values, Mask::None, &mut normed, channels, split.inner);
            self.out.add(&normed, pixels, frame, split.inner);
        });
        x
    }
}
