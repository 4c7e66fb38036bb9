//! `TransformerTemporalModel`: attention over the frames of each pixel.

use super::norm::GroupNorm;
use super::spatial::GROUP_NORM_EPSILON;
use super::transformer_block::{FeedForward, LAYER_NORM_EPSILON, SelfAttention};
use super::{LayerNorm, Linear, Map, split};
use crate::backend::{GroupNormSpec, TransformerSpec};
use crate::error::Result;
use crate::kernels::attention::sequences;
use crate::kernels::elementwise;
use crate::kernels::norm::GroupSums;
use crate::kernels::parallel::{Par, SharedMut};
use crate::kernels::scratch::Scratch;
use crate::weights::Source;

/// The transformer with its weights.
pub(crate) struct TemporalTransformer {
    spec: TransformerSpec,
    norm: GroupNorm,
    proj_in: Linear,
    attentions: Vec<(LayerNorm, SelfAttention)>,
    feed_forward: FeedForward,
    proj_out: Linear,
}

impl TemporalTransformer {
    pub(super) fn load(source: &Source<'_>, spec: TransformerSpec) -> Result<Self> {
        let TransformerSpec { channels, heads, head_dim, groups, .. } = spec;
        let inner = heads * head_dim;
        let block = source.sub("transformer_blocks.0");
        let attention = |norm, attention| -> Result<_> {
            Ok((
                LayerNorm::load(&block.sub(norm), inner, LAYER_NORM_EPSILON)?,
                SelfAttention::load(&block.sub(attention), inner)?,
            ))
        };
        Ok(Self {
            spec,
            norm: GroupNorm::load(
                &source.sub("norm"),
                GroupNormSpec { channels, groups, epsilon: GROUP_NORM_EPSILON },
            )?,
            proj_in: Linear::load(&source.sub("proj_in"), channels, inner, true)?,
            attentions: vec![attention("norm1", "attn1")?, attention("norm2", "attn2")?],
            feed_forward: FeedForward::load(&block, inner)?,
            proj_out: Linear::load(&source.sub("proj_out"), inner, channels, true)?,
        })
    }

    #[allow(unsafe_code)]
    pub(super) fn forward(&self, mut x: Map, par: Par) -> Map {
        let TransformerSpec { channels, heads, head_dim, .. } = self.spec;
        let (frames, pixels, inner) = (x.shape.frames, x.pixels(), heads * head_dim);
        let mut sums = vec![GroupSums::default(); frames];
        par.chunks(&mut sums, 1, |frame, sums| sums[0] = self.norm.sums(x.frame(frame), par.only_if(frames == 1)));
        let affine = self.norm.affine(&sums);
        let columns = split::columns(par, pixels, frames * channels.max(inner) * 4);
        let shared = SharedMut::new(x.values_mut());
        par.run(pixels.div_ceil(columns), |task| {
            let first = task * columns;
            let count = columns.min(pixels - first);
            let rows = frames * count;
            // SAFETY: inside the map; this task alone reads and writes these pixels of every frame.
            let own = |frame: usize| unsafe { shared.slice((frame * pixels + first) * channels, count * channels) };
            let mut hidden = Scratch::new(rows * inner);
            let mut normed = Scratch::new(rows * channels.max(inner));
            // Rows are (frame, pixel) throughout; only attention looks along the frames of a pixel.
            let normed_in = &mut normed[..rows * channels];
            for (frame, normed) in normed_in.chunks_exact_mut(count * channels).enumerate() {
                affine.apply(own(frame), None, normed);
            }
            self.proj_in.write(normed_in, rows, &mut hidden, Par::Serial);
            let mut qkv = Scratch::new(rows * 3 * inner);
            let mut attended = Scratch::new(rows * inner);
            let normed_inner = &mut normed[..rows * inner];
            for (norm, attention) in &self.attentions {
                norm.forward(&hidden, normed_inner, Par::Serial);
                attention.qkv.write(normed_inner, rows, &mut qkv, Par::Serial);
                sequences(&qkv, frames, count, heads, head_dim, &mut attended);
                attention.out.add(&attended, rows, &mut hidden, Par::Serial);
            }
            self.feed_forward.add_to(&mut hidden, Par::Serial);
            let mut product = Scratch::new(rows * channels);
            self.proj_out.write(&hidden, rows, &mut product, Par::Serial);
            for (frame, product) in product.chunks_exact(count * channels).enumerate() {
                elementwise::add(own(frame), product);
            }
        });
        x
    }
}
