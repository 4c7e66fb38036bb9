//! Variational refinement: the flow that best trades matching brightness and gradients against
//! smoothness, both with robust penalties (Brox et al. 2004).
//!
//! Linear systems are solved by successive over-relaxation in checkerboard order, which treats all
//! directions alike. One field is refined on one thread: a clip has many pairs of frames to share out.

use super::field::FlowField;
use super::image::Gray;

/// Weights of smoothness, brightness and gradient terms, for values from 0 to 255.
const SMOOTHNESS: f32 = 20.0;
const BRIGHTNESS: f32 = 5.0;
const GRADIENT: f32 = 10.0;

/// Softness of the penalty `sqrt(x + EPSILON^2)`.
const EPSILON_SQUARED: f32 = 1e-4;

/// Keeps the normalisation of flat pixels finite.
const FLAT_SQUARED: f32 = 0.01;

/// Times the second image is warped anew.
const WARPS: usize = 3;

/// Times the penalties' weights are recomputed in one warp.
const REWEIGHTINGS: usize = 3;

/// Relaxation sweeps of one linear system.
const SWEEPS: usize = 5;

/// Over-relaxation factor.
const RELAXATION: f32 = 1.6;

/// The data term of one warp, per pixel.
struct Derivatives {
    ix: Vec<f32>,
    iy: Vec<f32>,
    it: Vec<f32>,
    ixx: Vec<f32>,
    ixy: Vec<f32>,
    iyy: Vec<f32>,
    ixt: Vec<f32>,
    iyt: Vec<f32>,
    /// 0 where the flow leaves the image.
    seen: Vec<f32>,
}

fn derivatives(from: &Gray, to: &Gray, flow: &FlowField) -> Derivatives {
    let (width, height) = (from.width, from.height);
    let count = width * height;
    let mut warped = Vec::with_capacity(count);
    let mut seen = Vec::with_capacity(count);
    for y in 0..height {
        for x in 0..width {
            let index = y * width + x;
            let (tx, ty) = (x as f32 + flow.u[index], y as f32 + flow.v[index]);
            warped.push(to.sample_cubic(tx, ty));
            let inside = tx >= 0.0 && ty >= 0.0 && tx <= (width - 1) as f32 && ty <= (height - 1) as f32;
            seen.push(if inside { 1.0 } else { 0.0 });
        }
    }
    let gray = |data| Gray { width, height, data };
    let it: Vec<f32> = warped.iter().zip(&from.data).map(|(b, a)| b - a).collect();
    let mean = gray(warped.iter().zip(&from.data).map(|(b, a)| 0.5 * (a + b)).collect());
    let (ix, iy) = mean.gradients();
    let (ixx, ixy) = gray(ix.clone()).gradients();
    let (_, iyy) = gray(iy.clone()).gradients();
    let (ixt, iyt) = gray(it.clone()).gradients();
    Derivatives { ix, iy, it, ixx, ixy, iyy, ixt, iyt, seen }
}

/// One pixel's 2x2 system `[a11 a12; a12 a22] (du, dv) = (b1, b2)`, data term only.
#[derive(Clone, Copy, Default)]
struct System {
    a11: f32,
    a12: f32,
    a22: f32,
    b1: f32,
    b2: f32,
}

impl System {
    /// Adds the robust square of `c + gx du + gy dv`.
    fn add(&mut self, weight: f32, (gx, gy, c): (f32, f32, f32), normal: f32, (du, dv): (f32, f32)) {
        let residual = c + gx * du + gy * dv;
        let weight = weight * normal / (residual * residual * normal + EPSILON_SQUARED).sqrt();
        self.a11 += weight * gx * gx;
        self.a12 += weight * gx * gy;
        self.a22 += weight * gy * gy;
        self.b1 -= weight * gx * c;
        self.b2 -= weight * gy * c;
    }
}

fn systems(d: &Derivatives, state: &[State]) -> Vec<System> {
    state
        .iter()
        .enumerate()
        .map(|(i, state)| {
            let mut system = System::default();
            if d.seen[i] == 0.0 {
                return system;
            }
            let at = (state.du, state.dv);
            let normal = 1.0 / (d.ix[i] * d.ix[i] + d.iy[i] * d.iy[i] + FLAT_SQUARED);
            system.add(BRIGHTNESS, (d.ix[i], d.iy[i], d.it[i]), normal, at);
            let normal = 1.0 / (d.ixx[i] * d.ixx[i] + d.ixy[i] * d.ixy[i] + FLAT_SQUARED);
            system.add(GRADIENT, (d.ixx[i], d.ixy[i], d.ixt[i]), normal, at);
            let normal = 1.0 / (d.ixy[i] * d.ixy[i] + d.iyy[i] * d.iyy[i] + FLAT_SQUARED);
            system.add(GRADIENT, (d.ixy[i], d.iyy[i], d.iyt[i]), normal, at);
            system
        })
        .collect()
}

/// How strongly every pixel is tied to its right and its lower neighbour: little where the flow has an
/// edge, nothing across the frame's.
struct Ties {
    right: Vec<f32>,
    down: Vec<f32>,
}

fn ties(flow: &FlowField) -> Ties {
    let (width, height) = (flow.width, flow.height);
    let diffusivity: Vec<f32> = (0..width * height)
        .map(|i| {
            let (x, y) = (i % width, i / width);
            let (left, right) = (if x > 0 { i - 1 } else { i }, if x + 1 < width { i + 1 } else { i });
            let (up, down) = (if y > 0 { i - width } else { i }, if y + 1 < height { i + width } else { i });
            let slope = |data: &[f32]| {
                let (dx, dy) = (0.5 * (data[right] - data[left]), 0.5 * (data[down] - data[up]));
                dx * dx + dy * dy
            };
            0.5 * SMOOTHNESS / (slope(&flow.u) + slope(&flow.v) + EPSILON_SQUARED).sqrt()
        })
        .collect();
    let tie = |i: usize, j: usize, inside: bool| {
        if inside { 0.5 * (diffusivity[i] + diffusivity[j]) } else { 0.0 }
    };
    let count = width * height;
    Ties {
        right: (0..count).map(|i| tie(i, (i + 1).min(count - 1), (i + 1) % width != 0)).collect(),
        down: (0..count).map(|i| tie(i, (i + width).min(count - 1), i + width < count)).collect(),
    }
}

/// What the sweeps keep per pixel: the displacement, and the increment over the warp's start.
#[derive(Clone, Copy)]
struct State {
    u: f32,
    v: f32,
    du: f32,
    dv: f32,
}

/// One sweep in checkerboard order.
fn sweep(state: &mut [State], systems: &[System], ties: &Ties, (width, height): (usize, usize)) {
    let last = state.len() - 1;
    for colour in 0..2 {
        for row in 0..height {
            for x in ((row + colour) % 2..width).step_by(2) {
                let i = row * width + x;
                // Beyond the frame the tie is 0, and the clamped index only has to be a valid one.
                let (left, up) = (i.saturating_sub(1), i.saturating_sub(width));
                let (right, down) = ((i + 1).min(last), (i + width).min(last));
                let to_left = if x > 0 { ties.right[left] } else { 0.0 };
                let to_up = if row > 0 { ties.down[up] } else { 0.0 };
                let (to_right, to_down) = (ties.right[i], ties.down[i]);
                let total = to_left + to_right + to_up + to_down;
                let pull = |of: fn(&State) -> f32| {
                    to_left * of(&state[left])
                        + to_right * of(&state[right])
                        + to_up * of(&state[up])
                        + to_down * of(&state[down])
                };
                let (pull_u, pull_v) = (pull(|s| s.u), pull(|s| s.v));
                let (system, here) = (systems[i], state[i]);
                let (denominator_u, denominator_v) = (system.a11 + total, system.a22 + total);
                if denominator_u <= 0.0 || denominator_v <= 0.0 {
                    // A single pixel: no neighbours, no gradients.
                    continue;
                }
                let (base_u, base_v) = (here.u - here.du, here.v - here.dv);
                let solved = (system.b1 - system.a12 * here.dv + pull_u - total * base_u) / denominator_u;
                let du = here.du + RELAXATION * (solved - here.du);
                let solved = (system.b2 - system.a12 * du + pull_v - total * base_v) / denominator_v;
                let dv = here.dv + RELAXATION * (solved - here.dv);
                state[i] = State { u: base_u + du, v: base_v + dv, du, dv };
            }
        }
    }
}

/// Refines `flow` on one pyramid level.
pub(super) fn refine(from: &Gray, to: &Gray, mut flow: FlowField) -> FlowField {
    let size = (from.width, from.height);
    for _ in 0..WARPS {
        let derivatives = derivatives(from, to, &flow);
        let mut state: Vec<State> =
            flow.u.iter().zip(&flow.v).map(|(&u, &v)| State { u, v, du: 0.0, dv: 0.0 }).collect();
        for _ in 0..REWEIGHTINGS {
            let systems = systems(&derivatives, &state);
            let ties = ties(&flow);
            for _ in 0..SWEEPS {
                sweep(&mut state, &systems, &ties, size);
            }
            for (i, s) in state.iter().enumerate() {
                flow.u[i] = s.u;
                flow.v[i] = s.v;
            }
        }
    }
    flow
}
