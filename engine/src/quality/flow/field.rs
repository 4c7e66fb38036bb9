//! The flow field and the coarse-to-fine loop that finds it.

use super::image::{Gray, bilinear_taps};
use super::{refine, search};

/// Side of the coarsest pyramid level, in pixels: levels are added while the shorter side stays at
/// least this long.
pub const COARSEST_SIDE: usize = 8;

/// Displacement of every pixel of one frame towards another, in pixels, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowField {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) u: Vec<f32>,
    pub(super) v: Vec<f32>,
}

impl FlowField {
    pub(super) fn zero(width: usize, height: usize) -> Self {
        Self { width, height, u: vec![0.0; width * height], v: vec![0.0; width * height] }
    }

    /// Pixels per row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Horizontal displacements, to the right positive.
    #[must_use]
    pub fn u(&self) -> &[f32] {
        &self.u
    }

    /// Vertical displacements, downwards positive.
    #[must_use]
    pub fn v(&self) -> &[f32] {
        &self.v
    }

    /// Bilinear sample of the displacement, edges repeated.
    pub(super) fn sample(&self, x: f32, y: f32) -> (f32, f32) {
        let (taps, weights) = bilinear_taps(self.width, self.height, x, y);
        let mix = |data: &[f32]| taps.iter().zip(weights).map(|(&tap, weight)| data[tap] * weight).sum();
        (mix(&self.u), mix(&self.v))
    }

    /// The field on a grid of twice the size, displacements doubled.
    fn doubled(&self, width: usize, height: usize) -> Self {
        let mut out = Self::zero(width, height);
        for y in 0..height {
            for x in 0..width {
                let (u, v) = self.sample(x as f32 * 0.5 - 0.25, y as f32 * 0.5 - 0.25);
                out.u[y * width + x] = 2.0 * u;
                out.v[y * width + x] = 2.0 * v;
            }
        }
        out
    }
}

/// Flow from `from` to `to`: a pixel of `from` at `(x, y)` is found in `to` at `(x + u, y + v)`.
///
/// Both images must have the same size; anything from one pixel up works. Returns `None` when the
/// sizes differ.
#[must_use]
pub fn optical_flow(from: &Gray, to: &Gray) -> Option<FlowField> {
    if (from.width, from.height) != (to.width, to.height) {
        return None;
    }
    let mut pyramid = vec![(from.clone(), to.clone())];
    while let Some((a, b)) = pyramid.last() {
        if a.width.min(a.height) < 2 * COARSEST_SIDE {
            break;
        }
        let next = (a.halved(), b.halved());
        pyramid.push(next);
    }
    let mut flow: Option<FlowField> = None;
    for (a, b) in pyramid.iter().rev() {
        let start = match &flow {
            None => search::exhaustive(a, b),
            Some(coarse) => coarse.doubled(a.width, a.height),
        };
        let found = search::inverse_search(a, b, &start);
        flow = Some(refine::refine(a, b, found));
    }
    flow
}
