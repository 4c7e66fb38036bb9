//! `Transformer2DModel`: attention over the pixels of each frame and to the text.

use candle_core::Tensor;

use super::attention::{SelfAttention, attend, scale};
use super::linear::Linear;
use super::norm::{GroupNorm, LayerNorm};
use super::pieces::Bounds;
use super::transformer_block::{FeedForward, LAYER_NORM_EPSILON};
use super::{Map, Tensors};
use crate::backend::{GroupNormSpec, TransformerSpec};
use crate::error::Result;
use crate::weights::Source;

/// Epsilon of the group norm, fixed in diffusers.
pub(super) const GROUP_NORM_EPSILON: f64 = 1e-6;

/// Keys `(heads, head_dim, tokens)` and values `(heads, tokens, head_dim)` of the text for one layer.
#[derive(Debug)]
pub(crate) struct TextKeysValues {
    keys: Tensor,
    values: Tensor,
}

/// The transformer with its weights.
#[derive(Debug)]
pub(crate) struct SpatialTransformer {
    spec: TransformerSpec,
    norm: GroupNorm,
    proj_in: Linear,
    norm1: LayerNorm,
    self_attention: SelfAttention,
    norm2: LayerNorm,
    text_queries: Linear,
    text_keys: Linear,
    text_values: Linear,
    text_out: Linear,
    feed_forward: FeedForward,
    proj_out: Linear,
    bounds: Bounds,
}

impl SpatialTransformer {
    pub(super) fn load(backend: &Tensors, source: &Source<'_>, spec: TransformerSpec) -> Result<Self> {
        let TransformerSpec { channels, heads, head_dim, groups, text_channels } = spec;
        let inner = heads * head_dim;
        let block = source.sub("transformer_blocks.0");
        let layer_norm = |name| LayerNorm::load(backend, &block.sub(name), inner, LAYER_NORM_EPSILON);
        let cross = block.sub("attn2");
        let queries = (backend.read(&cross.sub("to_q"), "weight", &[inner, inner])? * scale(head_dim))?;
        Ok(Self {
            spec,
            norm: GroupNorm::load(
                backend,
                &source.sub("norm"),
                GroupNormSpec { channels, groups, epsilon: GROUP_NORM_EPSILON },
            )?,
            proj_in: Linear::load(backend, &source.sub("proj_in"), channels, inner, true)?,
            norm1: layer_norm("norm1")?,
            self_attention: SelfAttention::load(backend, &block.sub("attn1"), heads, head_dim, false)?,
            norm2: layer_norm("norm2")?,
            text_queries: Linear::new(backend, &queries, None)?,
            text_keys: Linear::load(backend, &cross.sub("to_k"), text_channels, inner, false)?,
            text_values: Linear::load(backend, &cross.sub("to_v"), text_channels, inner, false)?,
            text_out: Linear::load(backend, &cross.sub("to_out.0"), inner, inner, true)?,
            feed_forward: FeedForward::load(backend, &block, inner)?,
            proj_out: Linear::load(backend, &source.sub("proj_out"), inner, channels, true)?,
            bounds: backend.bounds,
        })
    }

    /// `text` is `(tokens, text_channels)`.
    pub(super) fn prepare_text(&self, backend: &Tensors, text: &[f32]) -> Result<TextKeysValues> {
        let TransformerSpec { heads, head_dim, text_channels, .. } = self.spec;
        let tokens = text.len() / text_channels;
        let text = Tensor::from_slice(text, (tokens, text_channels), &backend.device)?.to_dtype(backend.dtype)?;
        let by_head =
            |layer: &Linear| -> Result<Tensor> { Ok(layer.forward(&text)?.reshape((tokens, heads, head_dim))?) };
        Ok(TextKeysValues {
            keys: by_head(&self.text_keys)?.permute((1, 2, 0))?.contiguous()?,
            values: by_head(&self.text_values)?.transpose(0, 1)?.contiguous()?,
        })
    }

    pub(super) fn forward(&self, x: &Map, text: &TextKeysValues) -> Result<Map> {
        let TransformerSpec { channels, heads, head_dim, .. } = self.spec;
        let (frames, pixels, inner) = (x.shape.frames, x.pixels(), heads * head_dim);
        let rows = frames * pixels;
        let mut hidden = self.proj_in.forward(&self.norm.each_frame(x, None)?.reshape((rows, channels))?)?;
        let normed = self.norm1.forward(&hidden)?.reshape((frames, pixels, inner))?;
        hidden = (hidden + self.self_attention.over_pixels(&normed)?)?;
        drop(normed);
        let queries = self.text_queries.forward(&self.norm2.forward(&hidden)?)?;
        let queries = queries.reshape((rows, heads, head_dim))?.transpose(0, 1)?.contiguous()?;
        let attended = attend(&queries, &text.keys, &text.values, self.bounds.scores)?
            .transpose(0, 1)?
            .contiguous()?
            .reshape((rows, inner))?;
        drop(queries);
        hidden = (hidden + self.text_out.forward(&attended)?)?;
        drop(attended);
        hidden = self.feed_forward.forward(&hidden)?;
        x.like(channels, &(x.rows()? + self.proj_out.forward(&hidden)?)?)
    }
}
