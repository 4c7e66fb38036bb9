//! The micro-kernel for instruction sets without one of their own. With a hardware fused multiply-add the compiler turns
//! the inner loop into vector code; without, `mul_add` is slow but gives the same bits.

use super::{MR, Tile};

const ROWS: usize = 4;
const COLUMNS: usize = 8;

/// Computes one tile.
///
/// # Safety
/// `tile`'s pointers must be valid for the sizes it states, and its output must not overlap its inputs.
#[allow(unsafe_code)]
#[inline(always)]
pub(super) unsafe fn tile(tile: &Tile) {
    for row in (0..MR).step_by(ROWS) {
        for column in (0..tile.width).step_by(COLUMNS) {
            // SAFETY: the caller's promise; `row` and `column` stay inside the tile.
            unsafe { block(tile, row, column) };
        }
    }
}

/// # Safety
/// As [`tile`].
#[allow(unsafe_code)]
#[inline(always)]
unsafe fn block(tile: &Tile, row: usize, column: usize) {
    // SAFETY: see the callers; every offset below is inside the sizes that `tile` states.
    unsafe {
        let mut sums = [[0.0_f32; COLUMNS]; ROWS];
        let out = |r: usize| tile.out.add((row + r) * tile.out_stride + column);
        if tile.resume {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum = *out(r).add(j);
                }
            }
        }
        let mut panel = tile.panel.add(column);
        for segment in 0..tile.segments {
            let rows = &*tile.rows.add(segment);
            for k in 0..tile.segment_len {
                let weights = &*panel.cast::<[f32; COLUMNS]>();
                for (r, sums) in sums.iter_mut().enumerate() {
                    let a = *rows[row + r].add(k);
                    for (sum, &w) in sums.iter_mut().zip(weights) {
                        *sum = a.mul_add(w, *sum);
                    }
                }
                panel = panel.add(tile.width);
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (j, &sum) in sums.iter().enumerate() {
                *out(r).add(j) = sum;
            }
        }
    }
}
