//! Scaled dot-product attention without a full score matrix: a block of queries at a time against all keys.

use super::gemm::{Dense, Packed, Store, gemm, small};
use super::isa::per_isa;
use super::parallel::{Par, SharedMut};
use super::scratch::Scratch;
use super::{math, reduce};

/// Queries whose scores exist at a time.
const QUERY_BLOCK: usize = 32;

/// Keys and values of one sequence, packed per head.
pub(crate) struct KeysValues {
    heads: Vec<(Packed, Packed)>,
    head_dim: usize,
    len: usize,
}

impl KeysValues {
    /// `keys` and `values` are rows of `heads * head_dim` floats, `stride` apart.
    pub(crate) fn new(keys: &[f32], values: &[f32], stride: usize, len: usize, heads: usize, head_dim: usize) -> Self {
        let heads = (0..heads)
            .map(|head| {
                let at = head * head_dim;
                let transposed = Packed::from_f32(head_dim, len, |k, n| keys[n * stride + at + k]);
                let values = Packed::from_f32(len, head_dim, |k, n| values[k * stride + at + n]);
                (transposed, values)
            })
            .collect();
        Self { heads, head_dim, len }
    }
}

/// Which keys a query sees.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mask {
    /// All.
    None,
    /// Those at its own position and before.
    Causal,
}

per_isa! {
    /// Turns scores into `exp(scale * (score - max))` and returns one over their sum, in the order of [`reduce::sum`].
    /// Hidden scores are negative infinity and become 0; so are those that fill the row up to whole vectors.
    fn softmax_numerators(scores: &mut [f32], scale: f32) -> f32 {
        let shift = -reduce::max(scores) * scale;
        let mut sums = [0.0_f32; reduce::LANES];
        for chunk in scores.as_chunks_mut::<{ reduce::LANES }>().0 {
            for (sum, score) in sums.iter_mut().zip(chunk) {
                *score = math::exp(score.mul_add(scale, shift));
                *sum += *score;
            }
        }
        1.0 / reduce::fold(sums, |a, b| a + b)
    }
}

/// Floats from one row of scores to the next.
fn score_stride(len: usize) -> usize {
    len.next_multiple_of(reduce::LANES)
}

/// `out = softmax(queries . keys^T / sqrt(head_dim)) . values`, head by head. Queries and outputs are rows of
/// `heads * head_dim` floats, `query_stride` and `out_stride` apart.
#[allow(unsafe_code)]
pub(crate) fn attention(
    queries: &[f32],
    query_stride: usize,
    count: usize,
    keys_values: &KeysValues,
    mask: Mask,
    out: &mut [f32],
    out_stride: usize,
    par: Par,
) {
    let (dim, len) = (keys_values.head_dim, keys_values.len);
    let scale = 1.0 / (dim as f32).sqrt();
    let score_stride = score_stride(len);
    let blocks = count.div_ceil(QUERY_BLOCK);
    assert!(count > 0 && out.len() >= (count - 1) * out_stride + keys_values.heads.len() * dim, "output too small");
    let shared = SharedMut::new(out);
    par.run(blocks * keys_values.heads.len(), |task| {
        let (head, first) = (task / blocks, task % blocks * QUERY_BLOCK);
        let rows = QUERY_BLOCK.min(count - first);
        let (keys, values) = &keys_values.heads[head];
        let mut scores = Scratch::new(rows * score_stride);
        let block = &queries[first * query_stride + head * dim..];
        gemm(
            &Dense::new(block, query_stride, dim),
            rows,
            keys,
            &mut scores,
            score_stride,
            Store::write(None),
            Par::Serial,
        );
        let mut inverse_sums = [0.0_f32; QUERY_BLOCK];
        for (row, inverse) in inverse_sums[..rows].iter_mut().enumerate() {
            let visible = if mask == Mask::Causal { (first + row + 1).min(len) } else { len };
            let scores = &mut scores[row * score_stride..][..score_stride];
            scores[visible..].fill(f32::NEG_INFINITY);
            *inverse = softmax_numerators(scores, scale);
        }
        let mut weighted = Scratch::new(rows * dim);
        gemm(
            &Dense::new(&scores, score_stride, len),
            rows,
            values,
            &mut weighted,
            dim,
            Store::write(None),
            Par::Serial,
        );
        for (row, inverse) in inverse_sums[..rows].iter().enumerate() {
            // SAFETY: inside the output (checked above); this task alone writes these rows of this head.
            let out = unsafe { shared.slice((first + row) * out_stride + head * dim, dim) };
            for (out, x) in out.iter_mut().zip(&weighted[row * dim..]) {
                *out = x * inverse;
            }
        }
    });
}

/// Self-attention along the frames of every pixel. `qkv` holds `frames * pixels` rows of queries, keys and values
/// (`3 * heads * head_dim` floats), frame by frame; `out` the same rows of `heads * head_dim` floats.
#[allow(unsafe_code)]
pub(crate) fn sequences(qkv: &[f32], frames: usize, pixels: usize, heads: usize, head_dim: usize, out: &mut [f32]) {
    let inner = heads * head_dim;
    let (row_len, frame_len) = (3 * inner, pixels * 3 * inner);
    assert!(qkv.len() >= frames * frame_len && out.len() >= frames * pixels * inner, "buffers too small");
    let scale = 1.0 / (head_dim as f32).sqrt();
    let (mut keys, mut values) = (Packed::empty(), Packed::empty());
    let stride = score_stride(frames);
    let mut scores = Scratch::new(frames * stride);
    let mut weighted = Scratch::new(frames * head_dim);
    for pixel in 0..pixels {
        for head in 0..heads {
            let at = pixel * row_len + head * head_dim;
            keys.refill(head_dim, frames, |k, n| qkv[n * frame_len + at + inner + k]);
            values.refill(frames, head_dim, |k, n| qkv[k * frame_len + at + 2 * inner + n]);
            // SAFETY: every query lies inside `qkv`.
            unsafe {
                small(|frame| qkv[frame * frame_len + at..][..head_dim].as_ptr(), frames, &keys, &mut scores, stride);
            };
            for row in scores.chunks_exact_mut(stride) {
                row[frames..].fill(f32::NEG_INFINITY);
                let inverse = softmax_numerators(row, scale);
                super::elementwise::scale(row, inverse);
            }
            // SAFETY: every row of scores lies inside `scores`.
            unsafe {
                small(|frame| scores[frame * stride..][..frames].as_ptr(), frames, &values, &mut weighted, head_dim);
            };
            for (frame, weighted) in weighted.chunks_exact(head_dim).enumerate() {
                out[(frame * pixels + pixel) * inner + head * head_dim..][..head_dim].copy_from_slice(weighted);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_definition() {
        let (heads, dim, len, count) = (3, 8, 70, 41);
        let width = heads * dim;
        let value = |i: usize, salt: usize| (((i * 131 + salt * 17) % 97) as f32 / 48.5 - 1.0) * 2.0;
        let rows = |n: usize, salt: usize| (0..n * width).map(|i| value(i, salt)).collect::<Vec<f32>>();
        let (queries, keys, values) = (rows(count, 1), rows(len, 2), rows(len, 3));
        for mask in [Mask::None, Mask::Causal] {
            let mut out = vec![f32::NAN; count * width];
            let packed = KeysValues::new(&keys, &values, width, len, heads, dim);
            attention(&queries, width, count, &packed, mask, &mut out, width, Par::Threads);
            for q in 0..count {
                for h in 0..heads {
                    let at = |data: &[f32], row: usize, d: usize| f64::from(data[row * width + h * dim + d]);
                    let visible = if mask == Mask::Causal { q + 1 } else { len };
                    let scores: Vec<f64> = (0..visible)
                        .map(|k| {
                            ((0..dim).map(|d| at(&queries, q, d) * at(&keys, k, d)).sum::<f64>() / (dim as f64).sqrt())
                                .exp()
                        })
                        .collect();
                    let total: f64 = scores.iter().sum();
                    for d in 0..dim {
                        let want: f64 = scores.iter().enumerate().map(|(k, s)| s / total * at(&values, k, d)).sum();
                        assert!((at(&out, q, d) - want).abs() < 1e-5);
                    }
                }
            }
        }
    }
}
