//! `Transformer2DModel`: attention over the pixels of each frame and to the text.

use super::norm::GroupNorm;
use super::transformer_block::{FeedForward, LAYER_NORM_EPSILON, SelfAttention};
use super::{LayerNorm, Linear, Map, split};
use crate::backend::{GroupNormSpec, TransformerSpec};
use crate::error::Result;
use crate::kernels::attention::{KeysValues, Mask, attention};
use crate::kernels::parallel::Par;
use crate::kernels::scratch::Scratch;
use crate::weights::Source;

/// Epsilon of the group norm, fixed in diffusers.
pub(super) const GROUP_NORM_EPSILON: f64 = 1e-6;

/// Keys and values of the text for one layer.
pub(crate) struct TextKeysValues(KeysValues);

/// The transformer with its weights.
pub(crate) struct SpatialTransformer {
    spec: TransformerSpec,
    norm: GroupNorm,
    proj_in: Linear,
    norm1: LayerNorm,
    self_attention: SelfAttention,
    norm2: LayerNorm,
    text_queries: Linear,
    text_keys_values: Linear,
    text_out: Linear,
    feed_forward: FeedForward,
    proj_out: Linear,
}

impl SpatialTransformer {
    pub(super) fn load(source: &Source<'_>, spec: TransformerSpec) -> Result<Self> {
        let TransformerSpec { channels, heads, head_dim, groups, text_channels } = spec;
        let inner = heads * head_dim;
        let block = source.sub("transformer_blocks.0");
        let layer_norm = |name| LayerNorm::load(&block.sub(name), inner, LAYER_NORM_EPSILON);
        let cross = block.sub("attn2");
        Ok(Self {
            spec,
            norm: GroupNorm::load(
                &source.sub("norm"),
                GroupNormSpec { channels, groups, epsilon: GROUP_NORM_EPSILON },
            )?,
            proj_in: Linear::load(&source.sub("proj_in"), channels, inner, true)?,
            norm1: layer_norm("norm1")?,
            self_attention: SelfAttention::load(&block.sub("attn1"), inner)?,
            norm2: layer_norm("norm2")?,
            text_queries: Linear::load(&cross.sub("to_q"), inner, inner, false)?,
            text_keys_values: Linear::load_joined(&cross, &["to_k", "to_v"], text_channels, inner, false)?,
            text_out: Linear::load(&cross.sub("to_out.0"), inner, inner, true)?,
            feed_forward: FeedForward::load(&block, inner)?,
            proj_out: Linear::load(&source.sub("proj_out"), inner, channels, true)?,
        })
    }

    /// `text` is `(tokens, text_channels)`.
    pub(super) fn prepare_text(&self, text: &[f32], par: Par) -> TextKeysValues {
        let TransformerSpec { heads, head_dim, text_channels, .. } = self.spec;
        let (tokens, inner) = (text.len() / text_channels, heads * head_dim);
        let mut keys_values = Scratch::new(tokens * 2 * inner);
        self.text_keys_values.write(text, tokens, &mut keys_values, par);
        TextKeysValues(KeysValues::new(&keys_values, &keys_values[inner..], 2 * inner, tokens, heads, head_dim))
    }

    pub(super) fn forward(&self, mut x: Map, text: &TextKeysValues, par: Par) -> Map {
        let frame_len = x.frame_len();
        let inner_width = self.spec.heads * self.spec.head_dim;
        let split = split::frames(par, x.shape.frames, x.pixels(), self.spec.channels.max(inner_width) * 6);
        split.outer.chunks(x.values_mut(), split.frames_per_task * frame_len, |_, frames| {
            self.frames(frames, frame_len, text, split.inner);
        });
        x
    }

    /// Some whole frames, in place.
    fn frames(&self, x: &mut [f32], frame_len: usize, text: &TextKeysValues, par: Par) {
        let TransformerSpec { channels, heads, head_dim, .. } = self.spec;
        let (rows, inner, pixels) = (x.len() / channels, heads * head_dim, frame_len / channels);
        let mut hidden = Scratch::new(rows * inner);
        {
            let mut normed = Scratch::new(x.len());
            self.norm.frames(x, frame_len, None, &mut normed, par);
            self.proj_in.write(&normed, rows, &mut hidden, par);
        }
        let mut normed = Scratch::new(rows * inner);
        let mut attended = Scratch::new(rows * inner);
        {
            self.norm1.forward(&hidden, &mut normed, par);
            let mut qkv = Scratch::new(rows * 3 * inner);
            self.self_attention.qkv.write(&normed, rows, &mut qkv, par);
            for (qkv, out) in qkv.chunks_exact(pixels * 3 * inner).zip(attended.chunks_exact_mut(pixels * inner)) {
                let keys_values = KeysValues::new(&qkv[inner..], &qkv[2 * inner..], 3 * inner, pixels, heads, head_dim);
                attention(qkv, 3 * inner, pixels, &keys_values, Mask::None, out, inner, par);
            }
        }
        self.self_attention.out.add(&attended, rows, &mut hidden, par);
        self.norm2.forward(&hidden, &mut normed, par);
        let mut queries = Scratch::new(rows * inner);
        self.text_queries.write(&normed, rows, &mut queries, par);
        attention(&queries, inner, rows, &text.0, Mask::None, &mut attended, inner, par);
        self.text_out.add(&attended, rows, &mut hidden, par);
        self.feed_forward.add_to(&mut hidden, par);
        self.proj_out.add(&hidden, rows, x, par);
    }
}
