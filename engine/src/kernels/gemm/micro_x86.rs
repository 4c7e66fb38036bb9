//! Micro-kernels for AVX-512 (8 x 48: 24 accumulators) and AVX2 (4 x 24: 12 accumulators).

use std::arch::x86_64::{
    _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm512_fmadd_ps,
    _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::{MR, Tile};

/// # Safety
/// Needs AVX-512 F; otherwise as the portable kernel.
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn tile_avx512(tile: &Tile) {
    // SAFETY: the caller's promise.
    unsafe {
        match tile.width {
            16 => avx512::<1>(tile),
            32 => avx512::<2>(tile),
            _ => avx512::<3>(tile),
        }
    }
}

/// # Safety
/// As [`tile_avx512`], with `tile.width == 16 * V`.
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn avx512<const V: usize>(tile: &Tile) {
    // SAFETY: every offset is inside the sizes that `tile` states.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); V]; MR];
        if tile.resume {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm512_loadu_ps(tile.out.add(r * tile.out_stride + 16 * v));
                }
            }
        }
        let mut panel = tile.panel;
        for segment in 0..tile.segments {
            let rows = *tile.rows.add(segment);
            for k in 0..tile.segment_len {
                let mut weights = [_mm512_setzero_ps(); V];
                for (v, weight) in weights.iter_mut().enumerate() {
                    *weight = _mm512_loadu_ps(panel.add(16 * v));
                }
                for r in 0..MR {
                    let a = _mm512_set1_ps(*rows[r].add(k));
                    for v in 0..V {
                        sums[r][v] = _mm512_fmadd_ps(a, weights[v], sums[r][v]);
                    }
                }
                panel = panel.add(16 * V);
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                _mm512_storeu_ps(tile.out.add(r * tile.out_stride + 16 * v), sum);
            }
        }
    }
}

/// # Safety
/// Needs AVX2 and FMA; otherwise as the portable kernel.
#[allow(unsafe_code)]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn tile_avx2(tile: &Tile) {
    for row in [0, MR / 2] {
        let mut column = 0;
        while column < tile.width {
            // SAFETY: the caller's promise; rows `row .. row + 4` and the columns handled stay inside the tile.
            unsafe {
                if tile.width - column >= 24 && tile.width.is_multiple_of(24) {
                    avx2::<3>(tile, row, column);
                    column += 24;
                } else {
                    avx2::<2>(tile, row, column);
                    column += 16;
                }
            }
        }
    }
}

/// # Safety
/// As [`tile_avx2`]; `column + 8 * V` is at most the tile's width.
#[allow(unsafe_code)]
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn avx2<const V: usize>(tile: &Tile, row: usize, column: usize) {
    // SAFETY: every offset is inside the sizes that `tile` states.
    unsafe {
        let mut sums = [[_mm256_setzero_ps(); V]; 4];
        let out = |r: usize, v: usize| tile.out.add((row + r) * tile.out_stride + column + 8 * v);
        if tile.resume {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm256_loadu_ps(out(r, v));
                }
            }
        }
        let mut panel = tile.panel.add(column);
        for segment in 0..tile.segments {
            let rows = &*tile.rows.add(segment);
            let rows = [rows[row], rows[row + 1], rows[row + 2], rows[row + 3]];
            for k in 0..tile.segment_len {
                let mut weights = [_mm256_setzero_ps(); V];
                for (v, weight) in weights.iter_mut().enumerate() {
                    *weight = _mm256_loadu_ps(panel.add(8 * v));
                }
                for r in 0..4 {
                    let a = _mm256_broadcast_ss(&*rows[r].add(k));
                    for v in 0..V {
                        sums[r][v] = _mm256_fmadd_ps(a, weights[v], sums[r][v]);
                    }
                }
                panel = panel.add(tile.width);
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                _mm256_storeu_ps(out(r, v), sum);
            }
        }
    }
}
