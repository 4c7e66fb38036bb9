//! `TransformerTemporalModel`: attention over the frames of each pixel.

use super::norm::GroupNorm;
use super::spatial::GROUP_NORM_EPSILON;
use super::transformer_block::{FeedForward, LAYER_NORM_EPSILON, SelfAttention};
use super::{LayerNorm, Linear, Map, split};
use crate::backend::{Columns, Frames, GroupNormSpec, TransformerSpec};
use crate::error::Result;
use crate::kernels::attention::sequences;
use crate::kernels::elementwise;
use crate::kernels::norm::ChannelAffine;
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

    pub(super) fn forward(&self, mut x: Map, frames: Frames<'_>, par: Par) -> Result<Map> {
        let sums = self.norm.frame_sums(&x, par);
        let pixels = x.pixels();
        match frames {
            Frames::All => {
                let count = x.shape.frames;
                self.columns(x.values_mut(), count, pixels, &self.norm.affine(&sums), par);
                Ok(x)
            }
            Frames::Some(exchange) => {
                let Columns { sums, mut values, frames, pixels: own } =
                    exchange.to_columns(&sums, x.values(), pixels)?;
                let shape = x.shape;
                drop(x);
                self.columns(&mut values, frames, own, &self.norm.affine(&sums), par);
                Ok(Map::from_values(shape, exchange.to_frames(&values, pixels, shape.channels)?))
            }
        }
    }

    /// All frames of some pixels, `(frames, pixels, channels)`, in place.
    #[allow(unsafe_code)]
    fn columns(&self, x: &mut [f32], frames: usize, pixels: usize, affine: &ChannelAffine, par: Par) {
        if pixels == 0 {
            return;
        }
        let TransformerSpec { channels, heads, head_dim, .. } = self.spec;
        let inner = heads * head_dim;
        let columns = split::columns(par, pixels, frames * channels.max(inner) * 4);
        let shared = SharedMut::new(x);
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
    }
}
