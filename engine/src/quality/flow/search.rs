//! Patch search: exhaustive on the coarsest level, dense inverse search on the others.

use super::field::FlowField;
use super::image::Gray;
use rayon::prelude::*;

/// Side of a patch, in pixels.
const PATCH: usize = 8;

/// Distance between patches, in pixels.
const STRIDE: usize = 3;

/// Gauss-Newton steps of one patch.
const STEPS: usize = 16;

/// A step shorter than this ends the descent, in pixels.
const SHORT_STEP: f32 = 0.01;

/// Farthest displacement tried on the coarsest level, in its pixels: half its side.
const REACH: isize = 4;

/// Half side of the windows compared on the coarsest level.
const COARSE_RADIUS: isize = 2;

/// Cost per pixel of displacement on the coarsest level, so that flat areas stay where they are.
const COARSE_MOTION_COST: f32 = 4.0;

/// Half side of the window that must be flat for a pixel to count as resting.
const FLAT_RADIUS: isize = 2;

/// Largest spread of values, of 255, in such a window: about what compression leaves of a flat colour.
const FLAT_RANGE: f32 = 6.0;

/// Cost below which a flat patch takes what it has: differences of about one level.
const FLAT_COST: f32 = (PATCH * PATCH) as f32;

/// Best whole-pixel displacement of every pixel of the coarsest level.
pub(super) fn exhaustive(from: &Gray, to: &Gray) -> FlowField {
    let mut flow = FlowField::zero(from.width, from.height);
    let (width, height) = (from.width as isize, from.height as isize);
    for y in 0..height {
        for x in 0..width {
            let mut best = (f32::INFINITY, 0, 0);
            for v in -REACH..=REACH {
                for u in -REACH..=REACH {
                    if x + u < 0 || y + v < 0 || x + u >= width || y + v >= height {
                        continue;
                    }
                    let mut cost = COARSE_MOTION_COST * ((u * u + v * v) as f32).sqrt();
                    for oy in -COARSE_RADIUS..=COARSE_RADIUS {
                        for ox in -COARSE_RADIUS..=COARSE_RADIUS {
                            let a = from.clamped(x + ox, y + oy);
                            cost += (to.clamped(x + ox + u, y + oy + v) - a).abs();
                        }
                    }
                    if cost < best.0 {
                        best = (cost, u, v);
                    }
                }
            }
            let index = (y * width + x) as usize;
            flow.u[index] = best.1 as f32;
            flow.v[index] = best.2 as f32;
        }
    }
    flow
}

/// One level's patches: top-left corners on a grid that reaches the far edges.
struct Grid {
    columns: Vec<usize>,
    rows: Vec<usize>,
    patch: (usize, usize),
}

fn corners(side: usize, patch: usize) -> Vec<usize> {
    let last = side - patch;
    let mut corners: Vec<usize> = (0..=last).step_by(STRIDE).collect();
    if !last.is_multiple_of(STRIDE) {
        corners.push(last);
    }
    corners
}

/// The template of one patch: values and gradients less nothing, and the inverse normal matrix.
struct Template {
    values: [f32; PATCH * PATCH],
    dx: [f32; PATCH * PATCH],
    dy: [f32; PATCH * PATCH],
    inverse: Option<[f32; 3]>,
    sum_dx: f32,
    sum_dy: f32,
    count: usize,
}

/// Mean-free sum of squared differences of a patch moved by `(u, v)`, and the raw differences.
fn compare(
    to: &Gray,
    template: &Template,
    corner: (usize, usize),
    patch: (usize, usize),
    (u, v): (f32, f32),
    differences: &mut [f32; PATCH * PATCH],
) -> f32 {
    // One displacement for the whole patch: whole pixels and one set of bilinear weights. The clamp keeps
    // a displacement that ran away inside the integers.
    let limit = (to.width + to.height) as f32;
    let (u, v) = (u.max(-limit).min(limit), v.max(-limit).min(limit));
    let (whole_u, whole_v) = (u.floor(), v.floor());
    let (fx, fy) = (u - whole_u, v - whole_v);
    let weights = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
    let left = corner.0 as isize + whole_u as isize;
    let top = corner.1 as isize + whole_v as isize;
    let inside = left >= 0
        && top >= 0
        && left + (patch.0 as isize) < to.width as isize
        && top + (patch.1 as isize) < to.height as isize;
    let (mut sum, mut squares) = (0f32, 0f32);
    for row in 0..patch.1 {
        let out = &mut differences[row * patch.0..(row + 1) * patch.0];
        let values = &template.values[row * patch.0..(row + 1) * patch.0];
        if inside {
            let start = (top as usize + row) * to.width + left as usize;
            let upper = &to.data[start..=start + patch.0];
            let lower = &to.data[start + to.width..=start + to.width + patch.0];
            for (column, (out, value)) in out.iter_mut().zip(values).enumerate() {
                let warped = weights[0] * upper[column]
                    + weights[1] * upper[column + 1]
                    + weights[2] * lower[column]
                    + weights[3] * lower[column + 1];
                *out = warped - value;
            }
        } else {
            for (column, (out, value)) in out.iter_mut().zip(values).enumerate() {
                let (x, y) = (left + column as isize, top + row as isize);
                let warped = weights[0] * to.clamped(x, y)
                    + weights[1] * to.clamped(x + 1, y)
                    + weights[2] * to.clamped(x, y + 1)
                    + weights[3] * to.clamped(x + 1, y + 1);
                *out = warped - value;
            }
        }
        for difference in out {
            sum += *difference;
            squares += *difference * *difference;
        }
    }
    squares - sum * sum / template.count as f32
}

fn template(from: &Gray, dx: &[f32], dy: &[f32], corner: (usize, usize), patch: (usize, usize)) -> Template {
    let mut out = Template {
        values: [0.0; PATCH * PATCH],
        dx: [0.0; PATCH * PATCH],
        dy: [0.0; PATCH * PATCH],
        inverse: None,
        sum_dx: 0.0,
        sum_dy: 0.0,
        count: patch.0 * patch.1,
    };
    let (mut xx, mut xy, mut yy) = (0f32, 0f32, 0f32);
    let mut index = 0;
    for row in 0..patch.1 {
        for column in 0..patch.0 {
            let at = (corner.1 + row) * from.width + corner.0 + column;
            let (gx, gy) = (dx[at], dy[at]);
            out.values[index] = from.data[at];
            (out.dx[index], out.dy[index]) = (gx, gy);
            out.sum_dx += gx;
            out.sum_dy += gy;
            xx += gx * gx;
            xy += gx * gy;
            yy += gy * gy;
            index += 1;
        }
    }
    let count = out.count as f32;
    xx -= out.sum_dx * out.sum_dx / count;
    xy -= out.sum_dx * out.sum_dy / count;
    yy -= out.sum_dy * out.sum_dy / count;
    // Levenberg damping: an edge pins the motion across it and leaves the motion along it alone.
    let damping = 1e-3 * (xx + yy) + 1.0;
    let (xx, yy) = (xx + damping, yy + damping);
    let determinant = xx * yy - xy * xy;
    if determinant > 1e-6 && xx + yy > 64.0 {
        out.inverse = Some([yy / determinant, -xy / determinant, xx / determinant]);
    }
    out
}

/// Displacement of one patch, from the best of `candidates`.
fn descend(
    to: &Gray,
    template: &Template,
    corner: (usize, usize),
    patch: (usize, usize),
    candidates: &[(f32, f32)],
) -> (f32, f32) {
    let mut differences = [0f32; PATCH * PATCH];
    let mut best = (f32::INFINITY, (0f32, 0f32));
    for &candidate in candidates {
        let cost = compare(to, template, corner, patch, candidate, &mut differences);
        // A later candidate must be clearly better: in flat areas the first one stays.
        if cost < best.0 * 0.999 - 1e-3 || best.0.is_infinite() {
            best = (cost, candidate);
        }
        if template.inverse.is_none() && best.0 < FLAT_COST {
            return best.1;
        }
    }
    let Some([a, b, d]) = template.inverse else {
        return best.1;
    };
    let start = best.1;
    let (mut u, mut v) = start;
    for _ in 0..STEPS {
        let cost = compare(to, template, corner, patch, (u, v), &mut differences);
        if cost < best.0 {
            best = (cost, (u, v));
        }
        let mean = differences[..template.count].iter().sum::<f32>() / template.count as f32;
        let (mut gx, mut gy) = (0f32, 0f32);
        let gradients = template.dx.iter().zip(&template.dy);
        for (difference, (dx, dy)) in differences[..template.count].iter().zip(gradients) {
            gx += dx * difference;
            gy += dy * difference;
        }
        gx -= mean * template.sum_dx;
        gy -= mean * template.sum_dy;
        let (step_u, step_v) = (a * gx + b * gy, b * gx + d * gy);
        u -= step_u;
        v -= step_v;
        let strayed = (u - start.0).abs().max((v - start.1).abs()) > PATCH as f32 * 0.5;
        if strayed || step_u * step_u + step_v * step_v < SHORT_STEP * SHORT_STEP {
            break;
        }
    }
    let strayed = (u - start.0).abs().max((v - start.1).abs()) > PATCH as f32 * 0.5;
    if !strayed && compare(to, template, corner, patch, (u, v), &mut differences) < best.0 {
        best.1 = (u, v);
    }
    best.1
}

/// Refines `start` patch by patch and blends the patches by how well each explains each pixel.
pub(super) fn inverse_search(from: &Gray, to: &Gray, start: &FlowField) -> FlowField {
    let patch = (PATCH.min(from.width), PATCH.min(from.height));
    let grid = Grid { columns: corners(from.width, patch.0), rows: corners(from.height, patch.1), patch };
    let (dx, dy) = from.gradients();
    let across = grid.columns.len();
    let templates: Vec<Template> = (0..grid.rows.len() * across)
        .into_par_iter()
        .map(|index| template(from, &dx, &dy, (grid.columns[index % across], grid.rows[index / across]), patch))
        .collect();
    let centre = |index: usize| {
        let x = grid.columns[index % across] as f32 + (patch.0 - 1) as f32 * 0.5;
        let y = grid.rows[index / across] as f32 + (patch.1 - 1) as f32 * 0.5;
        (x, y)
    };
    let solve = |index: usize, candidates: &[(f32, f32)]| {
        let corner = (grid.columns[index % across], grid.rows[index / across]);
        descend(to, &templates[index], corner, patch, candidates)
    };
    // First from the coarser level's flow at and around the patch, and from rest.
    let first: Vec<(f32, f32)> = (0..templates.len())
        .into_par_iter()
        .map(|index| {
            let (x, y) = centre(index);
            let reach = PATCH as f32;
            // Where nothing pins the motion, rest is the first choice, and ties keep it.
            let coarse = start.sample(x, y);
            let flat = templates[index].inverse.is_none();
            let candidates = [
                if flat { (0.0, 0.0) } else { coarse },
                if flat { coarse } else { (0.0, 0.0) },
                start.sample(x - reach, y),
                start.sample(x + reach, y),
                start.sample(x, y - reach),
                start.sample(x, y + reach),
            ];
            solve(index, &candidates)
        })
        .collect();
    // Then again from what the neighbours found, all at once, so that order does not matter.
    let second: Vec<(f32, f32)> = (0..templates.len())
        .into_par_iter()
        .map(|index| {
            let (column, row) = (index % across, index / across);
            let mut candidates = Vec::with_capacity(9);
            candidates.push(first[index]);
            for hop in [1, 3] {
                if column >= hop {
                    candidates.push(first[index - hop]);
                }
                if column + hop < across {
                    candidates.push(first[index + hop]);
                }
                if row >= hop {
                    candidates.push(first[index - hop * across]);
                }
                if row + hop < grid.rows.len() {
                    candidates.push(first[index + hop * across]);
                }
            }
            solve(index, &candidates)
        })
        .collect();
    blend(from, to, &grid, &second)
}

/// Patches whose span covers coordinate `at`, as a range of indices into `corners`.
fn covering(corners: &[usize], patch: usize, at: usize) -> std::ops::Range<usize> {
    let begin = corners.partition_point(|&corner| corner + patch <= at);
    let end = corners.partition_point(|&corner| corner <= at);
    begin..end
}

/// Whether nothing can be seen to move at a pixel: both images are the same flat colour around it.
///
/// A patch that reaches over a moving edge would drag the ground beside it along; in the picture the
/// ground may as well stand still, and it usually does.
fn at_rest(from: &Gray, to: &Gray, x: usize, y: usize) -> bool {
    let (x, y) = (x as isize, y as isize);
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    for oy in -FLAT_RADIUS..=FLAT_RADIUS {
        for ox in -FLAT_RADIUS..=FLAT_RADIUS {
            for value in [from.clamped(x + ox, y + oy), to.clamped(x + ox, y + oy)] {
                low = low.min(value);
                high = high.max(value);
            }
        }
    }
    high - low <= FLAT_RANGE
}

fn blend(from: &Gray, to: &Gray, grid: &Grid, found: &[(f32, f32)]) -> FlowField {
    let across = grid.columns.len();
    let pixels: Vec<(f32, f32)> = (0..from.width * from.height)
        .into_par_iter()
        .with_min_len(256)
        .map(|index| {
            let (x, y) = (index % from.width, index / from.width);
            if at_rest(from, to, x, y) {
                return (0.0, 0.0);
            }
            let (mut total, mut sum_u, mut sum_v) = (0f32, 0f32, 0f32);
            for row in covering(&grid.rows, grid.patch.1, y) {
                for column in covering(&grid.columns, grid.patch.0, x) {
                    let (u, v) = found[row * across + column];
                    let difference = to.sample(x as f32 + u, y as f32 + v) - from.data[index];
                    let weight = 1.0 / difference.abs().max(1.0);
                    total += weight;
                    sum_u += weight * u;
                    sum_v += weight * v;
                }
            }
            // Every pixel lies in at least one patch, so the total is positive.
            (sum_u / total, sum_v / total)
        })
        .collect();
    let mut flow = FlowField::zero(from.width, from.height);
    for (index, (u, v)) in pixels.into_iter().enumerate() {
        flow.u[index] = u;
        flow.v[index] = v;
    }
    flow
}
