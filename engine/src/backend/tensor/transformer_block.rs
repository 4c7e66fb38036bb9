//! The feed-forward network that spatial and temporal transformers share.

use candle_core::Tensor;

use super::Tensors;
use super::linear::Linear;
use super::norm::LayerNorm;
use super::pieces::{Bounds, join, ranges};
use crate::error::Result;
use crate::weights::Source;

/// Fixed in diffusers.
pub(super) const LAYER_NORM_EPSILON: f32 = 1e-5;

/// Layer norm and GEGLU feed-forward network.
#[derive(Debug)]
pub(super) struct FeedForward {
    norm: LayerNorm,
    value: Linear,
    gate: Linear,
    contract: Linear,
    inner: usize,
    bounds: Bounds,
}

impl FeedForward {
    /// `block` is the transformer block.
    pub(super) fn load(backend: &Tensors, block: &Source<'_>, inner: usize) -> Result<Self> {
        let wide = 4 * inner;
        let expand = block.sub("ff.net.0.proj");
        let weight = backend.read(&expand, "weight", &[2 * wide, inner])?;
        let bias = backend.read(&expand, "bias", &[2 * wide])?;
        // Two products, so that everything after them is contiguous.
        let half = |first| Linear::new(backend, &weight.narrow(0, first, wide)?, Some(&bias.narrow(0, first, wide)?));
        Ok(Self {
            norm: LayerNorm::load(backend, &block.sub("norm3"), inner, LAYER_NORM_EPSILON)?,
            value: half(0)?,
            gate: half(wide)?,
            contract: Linear::load(backend, &block.sub("ff.net.2"), wide, inner, true)?,
            inner,
            bounds: backend.bounds,
        })
    }

    /// `x + network(norm(x))` of rows.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let row_bytes = 16 * self.inner * x.dtype().size_in_bytes();
        let pieces = ranges(x.dim(0)?, row_bytes, self.bounds.hidden)
            .into_iter()
            .map(|range| {
                let rows = x.narrow(0, range.start, range.len())?;
                let normed = self.norm.forward(&rows)?;
                let gate = self.gate.forward(&normed)?.gelu_erf()?;
                let gated = (self.value.forward(&normed)? * gate)?;
                Ok((rows + self.contract.forward(&gated)?)?)
            })
            .collect::<Result<_>>()?;
        join(pieces, 0)
    }
}
