//! Right-hand sides packed into column panels.

use half::{bf16, f16};

use super::NR;
use crate::kernels::isa::per_isa;

/// How weights are held in memory; products are always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WeightType {
    F32,
    F16,
    Bf16,
}

/// A number a weight can be held as.
pub(crate) trait PackedElement: Copy + Default + Send + Sync + 'static {
    /// Widens `from` into `to`, exactly.
    fn widen(from: &[Self], to: &mut [f32]);
}

impl PackedElement for f32 {
    fn widen(from: &[Self], to: &mut [f32]) {
        to.copy_from_slice(from);
    }
}

impl PackedElement for f16 {
    fn widen(from: &[Self], to: &mut [f32]) {
        widen_f16(from, to);
    }
}

impl PackedElement for bf16 {
    fn widen(from: &[Self], to: &mut [f32]) {
        widen_bf16(from, to);
    }
}

fn widen_f16(from: &[f16], to: &mut [f32]) {
    use half::slice::HalfFloatSliceExt;
    from.convert_to_f32_slice(to);
}

per_isa! {
    fn widen_bf16(from: &[bf16], to: &mut [f32]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = f32::from_bits(u32::from(from.to_bits()) << 16);
        }
    }
}

/// Matrices of up to so many half-precision elements are widened once, when packed: for the few rows that meet them, widening
/// at every use would count, and what they take more is little beside a model's large layers.
const WIDENED_ELEMENTS: usize = 192 * 1024;

#[derive(Clone)]
enum Data {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

/// A panel: `width` columns from `column` on, stored as `k` rows of `width` elements at `offset`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panel {
    pub(crate) column: usize,
    pub(crate) width: usize,
    /// Columns that exist; the others are zero.
    pub(crate) used: usize,
    pub(crate) offset: usize,
}

/// A `k x n` matrix in panels of 48, 32 or 16 columns.
#[derive(Clone)]
pub(crate) struct Packed {
    k: usize,
    n: usize,
    panels: Vec<Panel>,
    data: Data,
}

/// Widths that cover `n` columns with the least waste, widest first.
fn panels(k: usize, n: usize) -> Vec<Panel> {
    let mut panels = Vec::new();
    let (mut column, mut offset) = (0, 0);
    while column < n {
        let left = n - column;
        let width = match left {
            1..=16 => 16,
            17..=32 => 32,
            49..=64 => 32,
            _ => NR,
        };
        panels.push(Panel { column, width, used: left.min(width), offset });
        column += width;
        offset += width * k;
    }
    panels
}

/// Writes the elements that exist; the rest of a panel stays zero.
fn fill<T>(panels: &[Panel], k: usize, data: &mut [T], element: impl Fn(usize, usize) -> T) {
    for panel in panels {
        for (row, out) in data[panel.offset..][..panel.width * k].chunks_exact_mut(panel.width).enumerate() {
            for (j, out) in out[..panel.used].iter_mut().enumerate() {
                *out = element(row, panel.column + j);
            }
        }
    }
}

impl Packed {
    /// Packs from an accessor: `element(k, n)`.
    fn build<T: PackedElement>(
        k: usize,
        n: usize,
        element: impl Fn(usize, usize) -> T,
        wrap: impl Fn(Vec<T>) -> Data,
    ) -> Self {
        let panels = panels(k, n);
        let len = panels.last().map_or(0, |last| last.offset + last.width * k);
        let mut data = vec![T::default(); len];
        fill(&panels, k, &mut data, element);
        Self { k, n, panels, data: wrap(data) }
    }

    /// Packs f32 weights.
    pub(crate) fn from_f32(k: usize, n: usize, element: impl Fn(usize, usize) -> f32) -> Self {
        Self::build(k, n, element, Data::F32)
    }

    /// An empty matrix to [`refill`](Self::refill).
    pub(crate) fn empty() -> Self {
        Self { k: 0, n: 0, panels: Vec::new(), data: Data::F32(Vec::new()) }
    }

    /// Replaces the contents by f32 weights, in the same memory where that suffices.
    pub(crate) fn refill(&mut self, k: usize, n: usize, element: impl Fn(usize, usize) -> f32) {
        if (self.k, self.n) != (k, n) || !matches!(self.data, Data::F32(_)) {
            *self = Self::from_f32(k, n, element);
        } else if let Data::F32(data) = &mut self.data {
            fill(&self.panels, k, data, element);
        }
    }

    /// Packs f16 weights, kept as f16 in memory unless they are few.
    pub(crate) fn from_f16(k: usize, n: usize, element: impl Fn(usize, usize) -> f16) -> Self {
        if k * n <= WIDENED_ELEMENTS {
            return Self::from_f32(k, n, |row, column| element(row, column).to_f32());
        }
        Self::build(k, n, element, Data::F16)
    }

    /// Packs bf16 weights, kept as bf16 in memory unless they are few.
    pub(crate) fn from_bf16(k: usize, n: usize, element: impl Fn(usize, usize) -> bf16) -> Self {
        if k * n <= WIDENED_ELEMENTS {
            return Self::from_f32(k, n, |row, column| element(row, column).to_f32());
        }
        Self::build(k, n, element, Data::Bf16)
    }

    /// Rows.
    pub(crate) fn k(&self) -> usize {
        self.k
    }

    /// Columns.
    pub(crate) fn n(&self) -> usize {
        self.n
    }

    pub(crate) fn panels(&self) -> &[Panel] {
        &self.panels
    }

    /// Type held.
    pub(crate) fn weight_type(&self) -> WeightType {
        match &self.data {
            Data::F32(_) => WeightType::F32,
            Data::F16(_) => WeightType::F16,
            Data::Bf16(_) => WeightType::Bf16,
        }
    }

    /// Rows `from .. from + rows` of a panel as f32: in place where they are f32, else widened into `buffer`.
    pub(crate) fn panel_rows<'a>(
        &'a self,
        panel: &Panel,
        from: usize,
        rows: usize,
        buffer: &'a mut [f32],
    ) -> &'a [f32] {
        let range = panel.offset + from * panel.width..panel.offset + (from + rows) * panel.width;
        match &self.data {
            Data::F32(data) => &data[range],
            Data::F16(data) => {
                let out = &mut buffer[..range.len()];
                f16::widen(&data[range], out);
                out
            }
            Data::Bf16(data) => {
                let out = &mut buffer[..range.len()];
                bf16::widen(&data[range], out);
                out
            }
        }
    }
}
