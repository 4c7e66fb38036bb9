//! Cutting a dimension into pieces of a bounded size.

use std::ops::Range;

use candle_core::Tensor;

use crate::error::Result;

/// Bytes of what a layer makes and drops again, at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// One f32 copy of the values that a group norm normalises; about three exist at once.
    pub(super) norm_copy: usize,
    /// Receptive fields of convolutions.
    pub(super) fields: usize,
    /// f32 scores of attention; they and their softmax exist twice as f32, and half types once more.
    pub(super) scores: usize,
    /// Queries, keys, values and scores of pixel columns.
    pub(super) columns: usize,
    /// Hidden layers of feed-forward networks, about sixteen times as wide as the input in all.
    pub(super) hidden: usize,
}

impl Default for Bounds {
    /// By calculation, ZeroScope's outermost level, 24 frames of 72 x 40 in f16, then takes 0.5 to 0.7 GiB beside a layer's
    /// input and output, with every product still some thousand rows tall.
    fn default() -> Self {
        const MIB: usize = 1 << 20;
        Self { norm_copy: 128 * MIB, fields: 256 * MIB, scores: 192 * MIB, columns: 256 * MIB, hidden: 256 * MIB }
    }
}

/// Consecutive ranges of `0..len` of at most `bound / bytes_each` items, at least one item each, as even as they can be.
pub(super) fn ranges(len: usize, bytes_each: usize, bound: usize) -> Vec<Range<usize>> {
    let most = (bound / bytes_each.max(1)).max(1);
    let count = len.div_ceil(most).max(1);
    (0..count).map(|i| len * i / count..len * (i + 1) / count).collect()
}

/// Puts pieces together; a single one is not copied.
pub(super) fn join(mut pieces: Vec<Tensor>, dim: usize) -> Result<Tensor> {
    match pieces.pop() {
        Some(only) if pieces.is_empty() => Ok(only),
        Some(last) => {
            pieces.push(last);
            Ok(Tensor::cat(&pieces, dim)?)
        }
        None => Err(candle_core::Error::Msg("no pieces to put together".to_owned()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_everything_within_the_bound() {
        for (len, each, bound) in [(24, 10, 100), (24, 10, 10_000), (7, 100, 10), (1, 1, 1), (5, 0, 3)] {
            let found = ranges(len, each, bound);
            assert_eq!(found.iter().flat_map(Clone::clone).collect::<Vec<_>>(), (0..len).collect::<Vec<_>>());
            assert!(found.iter().all(|range| range.len() == 1 || range.len() * each <= bound), "{found:?}");
        }
    }
}
