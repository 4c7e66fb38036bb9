//! The attention in the middle of the VAE: one head over a frame's pixels.

use super::attention::SelfAttention;
use super::norm::GroupNorm;
use super::{Map, Tensors};
use crate::backend::GroupNormSpec;
use crate::error::Result;
use crate::weights::Source;

/// The attention with its weights.
#[derive(Debug)]
pub(crate) struct PixelAttention {
    norm: GroupNorm,
    attention: SelfAttention,
}

impl PixelAttention {
    pub(super) fn load(backend: &Tensors, source: &Source<'_>, norm: GroupNormSpec) -> Result<Self> {
        Ok(Self {
            norm: GroupNorm::load(backend, &source.sub("group_norm"), norm)?,
            attention: SelfAttention::load(backend, source, 1, norm.channels, true)?,
        })
    }

    pub(super) fn forward(&self, x: &Map) -> Result<Map> {
        let attended = self.attention.over_pixels(&self.norm.each_frame(x, None)?)?;
        x.like(x.shape.channels, &(x.rows()? + attended)?)
    }
}
