//! Matrix products with packed right-hand sides and rows read in place.
//!
//! `out[m][n] = sum over k of a[m][k] * w[k][n]`, one chain of fused multiply-adds per element in ascending `k`.
//! The left side is a set of rows, each a concatenation of equally long segments anywhere in memory: one segment for a
//! linear layer, nine for a 3x3 convolution (a padding tap points at zeros), three for a temporal one.

mod driver;
mod micro_portable;
#[cfg(target_arch = "x86_64")]
mod micro_x86;
mod packed;

pub(crate) use driver::{Dense, Rows, Store, gemm, small};
pub(crate) use packed::Packed;

/// Rows of a micro-tile.
pub(crate) const MR: usize = 8;
/// Columns of the widest panel.
pub(crate) const NR: usize = 48;

/// One micro-tile: up to 8 rows by a panel of 16, 32 or 48 columns.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    /// For every segment the addresses of the eight rows' floats.
    pub(crate) rows: *const [*const f32; MR],
    /// Segments.
    pub(crate) segments: usize,
    /// Floats of every segment.
    pub(crate) segment_len: usize,
    /// Panel, `segments * segment_len` rows of `width` floats.
    pub(crate) panel: *const f32,
    /// Columns: 16, 32 or 48.
    pub(crate) width: usize,
    /// Output tile.
    pub(crate) out: *mut f32,
    /// Floats between output rows.
    pub(crate) out_stride: usize,
    /// Continue the chain that the output holds instead of starting from zero.
    pub(crate) resume: bool,
}

#[cfg(test)]
mod tests;
