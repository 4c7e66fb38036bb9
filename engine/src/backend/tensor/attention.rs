//! Scaled dot-product attention on batches of heads.

use candle_core::{DType, Tensor};

use super::linear::Linear;
use super::pieces::{Bounds, join, ranges};
use super::{Tensors, product};
use crate::error::Result;
use crate::weights::Source;

/// `softmax(queries . keys) . values`: queries `(batch, n, dim)`, keys `(batch, dim, m)`, values `(batch, m, dim)`.
/// Queries carry the scale already. The softmax is f32; `score_bytes` bounds how much of the scores exists at a time.
pub(super) fn attend(queries: &Tensor, keys: &Tensor, values: &Tensor, score_bytes: usize) -> Result<Tensor> {
    let (batch, count, _) = queries.dims3()?;
    let pieces = ranges(count, batch * keys.dim(2)? * 4, score_bytes)
        .into_iter()
        .map(|range| {
            let scores = product(&queries.narrow(1, range.start, range.len())?, keys)?.to_dtype(DType::F32)?;
            let weights = candle_nn::ops::softmax_last_dim(&scores)?;
            drop(scores);
            product(&weights.to_dtype(values.dtype())?, values)
        })
        .collect::<Result<_>>()?;
    join(pieces, 1)
}

/// Queries, keys and values of the same rows in one product, and the output projection.
#[derive(Debug)]
pub(super) struct SelfAttention {
    qkv: Linear,
    out: Linear,
    heads: usize,
    head_dim: usize,
    bounds: Bounds,
}

/// What the score is multiplied by.
pub(super) fn scale(head_dim: usize) -> f64 {
    1.0 / (head_dim as f64).sqrt()
}

impl SelfAttention {
    /// The scale of the scores goes into the queries' weights, before they are rounded.
    pub(super) fn load(
        backend: &Tensors,
        source: &Source<'_>,
        heads: usize,
        head_dim: usize,
        bias: bool,
    ) -> Result<Self> {
        let inner = heads * head_dim;
        let mut weights = Vec::new();
        let mut biases = Vec::new();
        for (name, scale) in [("to_q", scale(head_dim)), ("to_k", 1.0), ("to_v", 1.0)] {
            let source = source.sub(name);
            weights.push((backend.read(&source, "weight", &[inner, inner])? * scale)?);
            if bias {
                biases.push((backend.read(&source, "bias", &[inner])? * scale)?);
            }
        }
        let joined_bias = if bias { Some(Tensor::cat(&biases, 0)?) } else { None };
        Ok(Self {
            qkv: Linear::new(backend, &Tensor::cat(&weights, 0)?, joined_bias.as_ref())?,
            out: Linear::load(backend, &source.sub("to_out.0"), inner, inner, true)?,
            heads,
            head_dim,
            bounds: backend.bounds,
        })
    }

    /// Attention over the pixels of each frame. `x` is `(frames, pixels, inner)`, the result `(frames * pixels, inner)`.
    pub(super) fn over_pixels(&self, x: &Tensor) -> Result<Tensor> {
        let Self { heads, head_dim, .. } = *self;
        let (frames, pixels, inner) = x.dims3()?;
        let pieces = ranges(frames, heads * pixels * pixels * 4, self.bounds.scores)
            .into_iter()
            .map(|range| {
                let n = range.len();
                let rows = x.narrow(0, range.start, n)?.reshape((n * pixels, inner))?;
                let qkv = self.qkv.forward(&rows)?.reshape((n, pixels, 3, heads, head_dim))?;
                let by_head = qkv.permute((2, 0, 3, 1, 4))?.contiguous()?.reshape((3, n * heads, pixels, head_dim))?;
                drop(qkv);
                let attended = attend(&by_head.get(0)?, &by_head.get(1)?.t()?, &by_head.get(2)?, self.bounds.scores)?;
                let by_pixel = attended.reshape((n, heads, pixels, head_dim))?.transpose(1, 2)?.contiguous()?;
                self.out.forward(&by_pixel.reshape((n * pixels, inner))?)
            })
            .collect::<Result<_>>()?;
        join(pieces, 0)
    }

    /// Attention over the frames of each pixel. `x` is `(frames, pixels, inner)`, the result `(frames * pixels, inner)`.
    pub(super) fn over_frames(&self, x: &Tensor) -> Result<Tensor> {
        let Self { heads, head_dim, .. } = *self;
        let (frames, pixels, inner) = x.dims3()?;
        let column_bytes = frames * (heads * frames * 4 + 6 * inner * x.dtype().size_in_bytes());
        let pieces = ranges(pixels, column_bytes, self.bounds.columns)
            .into_iter()
            .map(|range| {
                let n = range.len();
                let rows = x.narrow(1, range.start, n)?.contiguous()?.reshape((frames * n, inner))?;
                let qkv = self.qkv.forward(&rows)?.reshape((frames, n, 3, heads, head_dim))?;
                let by_head = qkv.permute((2, 1, 3, 0, 4))?.contiguous()?.reshape((3, n * heads, frames, head_dim))?;
                drop(qkv);
                let attended = attend(&by_head.get(0)?, &by_head.get(1)?.t()?, &by_head.get(2)?, self.bounds.scores)?;
                let by_frame = attended.reshape((n, heads, frames, head_dim))?.permute((2, 0, 1, 3))?.contiguous()?;
                Ok(self.out.forward(&by_frame.reshape((frames * n, inner))?)?.reshape((frames, n, inner))?)
            })
            .collect::<Result<_>>()?;
        Ok(join(pieces, 1)?.reshape((frames * pixels, inner))?)
    }
}
