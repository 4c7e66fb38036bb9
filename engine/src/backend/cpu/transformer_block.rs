//! The parts of `BasicTransformerBlock` that spatial and temporal transformers share.

use super::{LayerNorm, Linear};
use crate::error::Result;
use crate::kernels::elementwise::geglu;
use crate::kernels::parallel::Par;
use crate::kernels::scratch::Scratch;
use crate::weights::Source;

/// Fixed in diffusers.
pub(super) const LAYER_NORM_EPSILON: f32 = 1e-5;
/// Rows whose hidden layer, eight times as wide as the input, exists at a time.
const FEED_FORWARD_ROWS: usize = 128;

/// Queries, keys and values of the same rows, and the output projection.
pub(super) struct SelfAttention {
    pub(super) qkv: Linear,
    pub(super) out: Linear,
}

impl SelfAttention {
    pub(super) fn load(source: &Source<'_>, inner: usize) -> Result<Self> {
        Ok(Self {
            qkv: Linear::load_joined(source, &["to_q", "to_k", "to_v"], inner, inner, false)?,
            out: Linear::load(&source.sub("to_out.0"), inner, inner, true)?,
        })
    }
}

/// Layer norm and GEGLU feed-forward network.
pub(super) struct FeedForward {
    norm: LayerNorm,
    expand: Linear,
    contract: Linear,
}

impl FeedForward {
    /// `block` is the transformer block.
    pub(super) fn load(block: &Source<'_>, inner: usize) -> Result<Self> {
        Ok(Self {
            norm: LayerNorm::load(&block.sub("norm3"), inner, LAYER_NORM_EPSILON)?,
            expand: Linear::load(&block.sub("ff.net.0.proj"), inner, 8 * inner, true)?,
            contract: Linear::load(&block.sub("ff.net.2"), 4 * inner, inner, true)?,
        })
    }

    /// `x += network(norm(x))`, rows of `inner` floats.
    pub(super) fn add_to(&self, x: &mut [f32], par: Par) {
        let inner = self.contract.outputs();
        let chunk_rows = FEED_FORWARD_ROWS.min((x.len() / inner).div_ceil(par.threads()));
        par.chunks(x, chunk_rows * inner, |_, x| {
            let rows = x.len() / inner;
            let mut normed = Scratch::new(x.len());
            self.norm.forward(x, &mut normed, Par::Serial);
            let mut wide = Scratch::new(rows * 8 * inner);
            self.expand.write(&normed, rows, &mut wide, Par::Serial);
            let mut gated = Scratch::new(rows * 4 * inner);
            for (wide, gated) in wide.chunks_exact(8 * inner).zip(gated.chunks_exact_mut(4 * inner)) {
                let (value, gate) = wide.split_at(4 * inner);
                geglu(value, gate, gated);
            }
            self.contract.add(&gated, rows, x, Par::Serial);
        });
    }
}
