//! `TransformerTemporalModel`: attention over the frames of each pixel.

use super::attention::SelfAttention;
use super::linear::Linear;
use super::norm::{GroupNorm, LayerNorm};
use super::spatial::GROUP_NORM_EPSILON;
use super::transformer_block::{FeedForward, LAYER_NORM_EPSILON};
use super::{Map, Tensors};
use crate::backend::{GroupNormSpec, TransformerSpec};
use crate::error::Result;
use crate::weights::Source;

/// The transformer with its weights.
#[derive(Debug)]
pub(crate) struct TemporalTransformer {
    spec: TransformerSpec,
    norm: GroupNorm,
    proj_in: Linear,
    attentions: [(LayerNorm, SelfAttention); 2],
    feed_forward: FeedForward,
    proj_out: Linear,
}

impl TemporalTransformer {
    pub(super) fn load(backend: &Tensors, source: &Source<'_>, spec: TransformerSpec) -> Result<Self> {
        let TransformerSpec { channels, heads, head_dim, groups, .. } = spec;
        let inner = heads * head_dim;
        let block = source.sub("transformer_blocks.0");
        let attention = |norm, attention| -> Result<_> {
            let norm = LayerNorm::load(backend, &block.sub(norm), inner, LAYER_NORM_EPSILON)?;
            Ok((norm, SelfAttention::load(backend, &block.sub(attention), heads, head_dim, false)?))
        };
        Ok(Self {
            spec,
            norm: GroupNorm::load(
                backend,
                &source.sub("norm"),
                GroupNormSpec { channels, groups, epsilon: GROUP_NORM_EPSILON },
            )?,
            proj_in: Linear::load(backend, &source.sub("proj_in"), channels, inner, true)?,
            attentions: [attention("norm1", "attn1")?, attention("norm2", "attn2")?],
            feed_forward: FeedForward::load(backend, &block, inner)?,
            proj_out: Linear::load(backend, &source.sub("proj_out"), inner, channels, true)?,
        })
    }

    pub(super) fn forward(&self, x: &Map) -> Result<Map> {
        let TransformerSpec { channels, heads, head_dim, .. } = self.spec;
        let (frames, pixels, inner) = (x.shape.frames, x.pixels(), heads * head_dim);
        // Rows are (frame, pixel) throughout; only attention looks along the frames of a pixel.
        let mut hidden = self.proj_in.forward(&self.norm.all_frames(x, None)?.reshape((frames * pixels, channels))?)?;
        for (norm, attention) in &self.attentions {
            let normed = norm.forward(&hidden)?.reshape((frames, pixels, inner))?;
            hidden = (hidden + attention.over_frames(&normed)?)?;
        }
        hidden = self.feed_forward.forward(&hidden)?;
        x.like(channels, &(x.rows()? + self.proj_out.forward(&hidden)?)?)
    }
}
