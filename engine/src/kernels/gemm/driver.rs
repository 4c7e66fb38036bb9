//! Splits a product into tiles that stay in cache and threads that do not meet.

use super::packed::{Packed, Panel, WeightType};
use super::{MR, NR, Tile, micro_portable};
use crate::kernels::isa::{Isa, per_isa};
use crate::kernels::parallel::{Par, SharedMut};
use crate::kernels::scratch::Scratch;

/// Longest stretch of `k` run before going on to the next panel: a panel slice of 768 x 48 floats (147 KB) and the rows'
/// floats fit a common L2 cache.
const K_BLOCK: usize = 768;
/// Rows of a task.
const M_BLOCK: usize = 128;

/// Where rows of the left side are.
pub(crate) trait Rows: Sync {
    /// Segments of every row.
    fn segments(&self) -> usize;
    /// Floats of every segment.
    fn segment_len(&self) -> usize;
    /// Address of a segment: `segment_len` floats that stay readable while the rows are borrowed.
    fn segment(&self, row: usize, segment: usize) -> *const f32;
}

/// Rows of one segment at a fixed stride.
pub(crate) struct Dense<'a> {
    data: &'a [f32],
    stride: usize,
    len: usize,
}

impl<'a> Dense<'a> {
    /// Rows of `len` floats, `stride` apart.
    pub(crate) fn new(data: &'a [f32], stride: usize, len: usize) -> Self {
        Self { data, stride, len }
    }
}

impl Rows for Dense<'_> {
    fn segments(&self) -> usize {
        1
    }
    fn segment_len(&self) -> usize {
        self.len
    }
    fn segment(&self, row: usize, _: usize) -> *const f32 {
        self.data[row * self.stride..][..self.len].as_ptr()
    }
}

/// What happens to a finished product.
#[derive(Clone, Copy)]
pub(crate) struct Store<'a> {
    /// Added to every row after the product.
    pub(crate) bias: Option<&'a [f32]>,
    /// Add the result to what the output holds, instead of replacing it.
    pub(crate) add: bool,
}

impl<'a> Store<'a> {
    /// Replace the output.
    pub(crate) fn write(bias: Option<&'a [f32]>) -> Self {
        Self { bias, add: false }
    }

    /// Add to the output.
    pub(crate) fn add(bias: Option<&'a [f32]>) -> Self {
        Self { bias, add: true }
    }
}

/// `out[m * stride + n] = rows[m] . weights[:, n] + bias[n]` for `m < count`, or that added to `out`.
pub(crate) fn gemm(
    rows: &impl Rows,
    count: usize,
    weights: &Packed,
    out: &mut [f32],
    stride: usize,
    store: Store<'_>,
    par: Par,
) {
    if count == 0 || weights.n() == 0 {
        return;
    }
    assert_eq!(rows.segments() * rows.segment_len(), weights.k(), "row length and weight rows differ");
    assert!(stride >= weights.n() && out.len() >= (count - 1) * stride + weights.n(), "output too small");
    assert!(store.bias.is_none_or(|bias| bias.len() == weights.n()), "bias and weight columns differ");
    let panels = weights.panels();
    // Few rows (time embeddings, texts): split the columns instead.
    let row_tasks = count.div_ceil(M_BLOCK);
    let threads = par.threads();
    let (rows_per_task, row_tasks) = if row_tasks >= threads {
        (M_BLOCK, row_tasks)
    } else {
        let per_task = count.div_ceil(threads).next_multiple_of(MR).max(4 * MR);
        (per_task, count.div_ceil(per_task))
    };
    let column_tasks = if row_tasks >= threads { 1 } else { threads.div_ceil(row_tasks).min(panels.len()) };
    let panels_per_task = panels.len().div_ceil(column_tasks);
    let column_tasks = panels.len().div_ceil(panels_per_task);
    let shared = SharedMut::new(out);
    par.run(row_tasks * column_tasks, |task| {
        let (row_task, column_task) = (task / column_tasks, task % column_tasks);
        let first = row_task * rows_per_task;
        let panels = &panels[column_task * panels_per_task..panels.len().min((column_task + 1) * panels_per_task)];
        block(rows, first, rows_per_task.min(count - first), weights, panels, shared, stride, store);
    });
}

/// Rows `first .. first + count` by some panels.
#[allow(unsafe_code)]
fn block(
    rows: &impl Rows,
    first: usize,
    count: usize,
    weights: &Packed,
    panels: &[Panel],
    out: SharedMut,
    stride: usize,
    store: Store<'_>,
) {
    let (Some(left), Some(right)) = (panels.first(), panels.last()) else { return };
    let (column, columns) = (left.column, right.column + right.used - left.column);
    let (segments, len) = (rows.segments(), rows.segment_len());
    let micro_rows = count.div_ceil(MR);
    // Whole segments per block of k, or a part of one.
    let (segments_per_block, len_per_block) =
        if len >= K_BLOCK { (1, K_BLOCK) } else { ((K_BLOCK / len).min(segments), len) };
    let mut pointers = vec![[std::ptr::null::<f32>(); MR]; micro_rows * segments];
    for micro_row in 0..micro_rows {
        for segment in 0..segments {
            for (r, pointer) in pointers[micro_row * segments + segment].iter_mut().enumerate() {
                // Missing rows of the last tile read the last one again; their results are thrown away.
                *pointer = rows.segment(first + (micro_row * MR + r).min(count - 1), segment);
            }
        }
    }
    let mut widened = (weights.weight_type() != WeightType::F32).then(|| Scratch::new(K_BLOCK * NR));
    // When adding, the chain must not start from what the output holds: products are collected apart.
    let mut apart = store.add.then(|| Scratch::new(count * columns));
    let (target, target_stride, origin) = match &mut apart {
        Some(apart) => (SharedMut::new(apart), columns, 0),
        None => (out, stride, first * stride + column),
    };
    let mut part = [[std::ptr::null::<f32>(); MR]; 1];
    let mut corner = [0.0_f32; MR * NR];
    let isa = Isa::current();
    for from_segment in (0..segments).step_by(segments_per_block) {
        let block_segments = segments_per_block.min(segments - from_segment);
        for from in (0..len).step_by(len_per_block) {
            let block_len = len_per_block.min(len - from);
            let k = from_segment * len + from;
            for panel in panels {
                let no_buffer: &mut [f32] = &mut [];
                let buffer = widened.as_deref_mut().unwrap_or(no_buffer);
                let panel_rows = weights.panel_rows(panel, k, block_segments * block_len, buffer);
                for micro_row in 0..micro_rows {
                    let tile_rows = MR.min(count - micro_row * MR);
                    let mut rows_of_tile = &pointers[micro_row * segments + from_segment..][..block_segments];
                    if from > 0 {
                        // SAFETY: `from` is inside the segment.
                        part[0] = rows_of_tile[0].map(|pointer| unsafe { pointer.add(from) });
                        rows_of_tile = &part;
                    }
                    let offset = origin + micro_row * MR * target_stride + panel.column - column;
                    let tile = Tile {
                        rows: rows_of_tile.as_ptr(),
                        segments: block_segments,
                        segment_len: block_len,
                        panel: panel_rows.as_ptr(),
                        width: panel.width,
                        // SAFETY: the tile's first element is inside the target (checked in `gemm`).
                        out: unsafe { target.at(offset) },
                        out_stride: target_stride,
                        resume: k > 0,
                    };
                    // SAFETY: rows and panel have the lengths stated; the rows and columns that exist are inside the
                    // target, and tasks write disjoint ones.
                    unsafe { run_part(isa, tile, tile_rows, panel.used, &mut corner) };
                }
            }
        }
    }
    let bias = store.bias.map(|bias| &bias[column..][..columns]);
    for row in 0..count {
        // SAFETY: this task's own rows and columns.
        let out = unsafe { out.slice((first + row) * stride + column, columns) };
        match (&apart, bias) {
            (Some(apart), Some(bias)) => add_product_and_bias(out, &apart[row * columns..][..columns], bias),
            (Some(apart), None) => add_product(out, &apart[row * columns..][..columns]),
            (None, Some(bias)) => add_product(out, bias),
            (None, None) => break,
        }
    }
}

per_isa! {
    fn add_product(out: &mut [f32], product: &[f32]) {
        for (out, product) in out.iter_mut().zip(product) {
            *out += product;
        }
    }
}

per_isa! {
    fn add_product_and_bias(out: &mut [f32], product: &[f32], bias: &[f32]) {
        for ((out, product), bias) in out.iter_mut().zip(product).zip(bias) {
            *out += product + bias;
        }
    }
}

/// A product small enough that its set-up counts: one segment per row, f32 weights, one thread.
/// `row(m)` is the address of row `m`'s floats, `weights.k()` of them.
///
/// # Safety
/// Every row's floats must be readable.
#[allow(unsafe_code)]
pub(crate) unsafe fn small(
    row: impl Fn(usize) -> *const f32,
    count: usize,
    weights: &Packed,
    out: &mut [f32],
    stride: usize,
) {
    assert!(count > 0 && stride >= weights.n() && out.len() >= (count - 1) * stride + weights.n(), "output too small");
    let isa = Isa::current();
    let mut corner = [0.0_f32; MR * NR];
    for first in (0..count).step_by(MR) {
        let tile_rows = MR.min(count - first);
        let rows: [*const f32; MR] = std::array::from_fn(|r| row(first + r.min(tile_rows - 1)));
        for panel in weights.panels() {
            let tile = Tile {
                rows: &rows,
                segments: 1,
                segment_len: weights.k(),
                panel: weights.panel_rows(panel, 0, weights.k(), &mut []).as_ptr(),
                width: panel.width,
                out: out[first * stride + panel.column..].as_mut_ptr(),
                out_stride: stride,
                resume: false,
            };
            // SAFETY: the caller's promise about rows; the output was checked above.
            unsafe { run_part(isa, tile, tile_rows, panel.used, &mut corner) };
        }
    }
}

/// Runs a tile of which only `rows` rows and `columns` columns exist in the output.
///
/// # Safety
/// As [`run`], for the part of the output that exists.
#[allow(unsafe_code)]
#[inline]
unsafe fn run_part(isa: Isa, mut tile: Tile, rows: usize, columns: usize, corner: &mut [f32; MR * NR]) {
    // SAFETY: the caller's promise; `corner` holds any tile.
    unsafe {
        if rows == MR && columns == tile.width {
            return run(isa, &tile);
        }
        let (out, stride) = (tile.out, tile.out_stride);
        let existing = |r: usize| std::slice::from_raw_parts_mut(out.add(r * stride), columns);
        if tile.resume {
            for r in 0..rows {
                corner[r * NR..][..columns].copy_from_slice(existing(r));
            }
        }
        tile.out = corner.as_mut_ptr();
        tile.out_stride = NR;
        run(isa, &tile);
        for r in 0..rows {
            existing(r).copy_from_slice(&corner[r * NR..][..columns]);
        }
    }
}

/// # Safety
/// The tile's pointers must be valid for its sizes; `isa` must be available.
#[allow(unsafe_code)]
#[inline]
unsafe fn run(isa: Isa, tile: &Tile) {
    // SAFETY: the caller's promise.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => super::micro_x86::tile_avx512(tile),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => super::micro_x86::tile_avx2(tile),
            _ => micro_portable::tile(tile),
        }
    }
}
