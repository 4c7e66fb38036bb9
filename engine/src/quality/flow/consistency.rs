//! Temporal consistency: does the next frame, carried back along the flow, look like this one?
//!
//! The warping error of Lai et al. 2018 ("Learning Blind Video Temporal Consistency") with the mean
//! absolute difference instead of the squared one. Pixels that the forward-backward check (Sundaram et
//! al. 2010) calls occluded have no counterpart and are left out, but only up to [`EXCUSED_SHARE`] of
//! the frame: a clip does not become consistent by having frames that cannot be matched at all.

use super::field::{FlowField, optical_flow};
use super::image::{Gray, bilinear_taps};
use serde::{Deserialize, Serialize};

/// Share of a frame that may be left out as occluded. What is occluded beyond it is charged with
/// its warping error. Moving shapes stay below 0.19, and reach 0.25 when coded in blocks.
pub const EXCUSED_SHARE: f64 = 0.25;

/// Longest side of the frames that flow is computed on, in pixels; larger frames are reduced by a
/// whole factor first, which bounds the time and is finer than the flow itself.
pub const LONGEST_SIDE_PIXELS: usize = 256;

/// The forward-backward check's slack: relative to the squared displacements, and absolute in
/// squared pixels (Sundaram et al. 2010).
const RELATIVE_SLACK: f32 = 0.01;
const ABSOLUTE_SLACK: f32 = 0.5;

/// How well one frame continues into the next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairConsistency {
    /// Mean absolute difference of the frame and the warped next frame, from 0 to 1.
    pub warping_error: f64,
    /// Share of the frame without a counterpart in the next frame, from 0 to 1.
    pub occluded: f64,
}

/// RGB as f32 from 0 to 255, reduced to the working size.
#[derive(Clone, Debug)]
pub(crate) struct Rgb {
    width: usize,
    height: usize,
    data: Vec<[f32; 3]>,
}

impl Rgb {
    /// Reduces an RGB8 frame to at most [`LONGEST_SIDE_PIXELS`] by averaging whole blocks.
    pub(crate) fn reduced(frame: &[u8], width: usize, height: usize) -> Self {
        let factor = width.max(height).div_ceil(LONGEST_SIDE_PIXELS);
        let (out_width, out_height) = (width.div_ceil(factor), height.div_ceil(factor));
        let mut data = Vec::with_capacity(out_width * out_height);
        for y in 0..out_height {
            let rows = y * factor..((y + 1) * factor).min(height);
            for x in 0..out_width {
                let columns = x * factor..((x + 1) * factor).min(width);
                let count = (rows.len() * columns.len()) as f32;
                let mut sum = [0u32; 3];
                for row in rows.clone() {
                    for column in columns.clone() {
                        let at = (row * width + column) * 3;
                        for (sum, &value) in sum.iter_mut().zip(&frame[at..at + 3]) {
                            *sum += u32::from(value);
                        }
                    }
                }
                data.push(sum.map(|sum| sum as f32 / count));
            }
        }
        Self { width: out_width, height: out_height, data }
    }
}

/// The colour axis along which the two frames vary most, scaled so that black to white is 255.
///
/// Luma would hide a purple shape on grey, whose lumas are nearly equal.
fn colour_axis(a: &Rgb, b: &Rgb) -> [f32; 3] {
    const LUMA: [f64; 3] = [0.299, 0.587, 0.114];
    let count = (a.data.len() + b.data.len()) as f64;
    let pixels = || a.data.iter().chain(&b.data).map(|pixel| pixel.map(f64::from));
    let mut mean = [0f64; 3];
    for pixel in pixels() {
        for (mean, value) in mean.iter_mut().zip(pixel) {
            *mean += value / count;
        }
    }
    let mut covariance = [[0f64; 3]; 3];
    for pixel in pixels() {
        let d: [f64; 3] = std::array::from_fn(|channel| pixel[channel] - mean[channel]);
        for (row, &left) in covariance.iter_mut().zip(&d) {
            for (cell, &right) in row.iter_mut().zip(&d) {
                *cell += left * right / count;
            }
        }
    }
    // Power iteration: 24 doublings of the exponent separate any axes that matter.
    let mut axis = LUMA;
    for _ in 0..24 {
        let next: [f64; 3] = std::array::from_fn(|row| covariance[row].iter().zip(&axis).map(|(c, a)| c * a).sum());
        let norm = next.iter().map(|v| v * v).sum::<f64>().sqrt();
        if norm < 1e-6 {
            return LUMA.map(|v| v as f32);
        }
        axis = next.map(|v| v / norm);
    }
    axis.map(|v| (v / 3f64.sqrt()) as f32)
}

fn project(image: &Rgb, axis: [f32; 3]) -> Gray {
    let data = image.data.iter().map(|p| p[0] * axis[0] + p[1] * axis[1] + p[2] * axis[2]).collect();
    Gray { width: image.width, height: image.height, data }
}

/// Whether each pixel of the first frame has a counterpart: the way there and back ends where it
/// began, and does not leave the frame.
fn matched(forward: &FlowField, backward: &FlowField) -> Vec<bool> {
    let (width, height) = (forward.width, forward.height);
    (0..width * height)
        .map(|index| {
            let (u, v) = (forward.u[index], forward.v[index]);
            let (x, y) = ((index % width) as f32 + u, (index / width) as f32 + v);
            if x < -0.5 || y < -0.5 || x > width as f32 - 0.5 || y > height as f32 - 0.5 {
                return false;
            }
            let (back_u, back_v) = backward.sample(x, y);
            let gap = (u + back_u) * (u + back_u) + (v + back_v) * (v + back_v);
            let size = u * u + v * v + back_u * back_u + back_v * back_v;
            gap <= RELATIVE_SLACK * size + ABSOLUTE_SLACK
        })
        .collect()
}

/// Consistency of two neighbouring frames (both already reduced, of one size).
pub(crate) fn consistency_of(a: &Rgb, b: &Rgb) -> PairConsistency {
    let axis = colour_axis(a, b);
    let (from, to) = (project(a, axis), project(b, axis));
    let (Some(forward), Some(backward)) = (optical_flow(&from, &to), optical_flow(&to, &from)) else {
        // Frames of one clip have one size; nothing matches between frames that do not.
        return PairConsistency { warping_error: 1.0, occluded: 1.0 };
    };
    let seen = matched(&forward, &backward);
    let (mut seen_error, mut hidden_error, mut seen_count) = (0f64, 0f64, 0usize);
    for (index, &seen) in seen.iter().enumerate() {
        let x = (index % a.width) as f32 + forward.u[index];
        let y = (index / a.width) as f32 + forward.v[index];
        let (taps, weights) = bilinear_taps(a.width, a.height, x, y);
        let mut difference = 0f32;
        for channel in 0..3 {
            let warped: f32 = taps.iter().zip(weights).map(|(&tap, w)| b.data[tap][channel] * w).sum();
            difference += (warped - a.data[index][channel]).abs();
        }
        let difference = f64::from(difference) / (3.0 * 255.0);
        if seen {
            seen_error += difference;
            seen_count += 1;
        } else {
            hidden_error += difference;
        }
    }
    let count = seen.len() as f64;
    let occluded = 1.0 - seen_count as f64 / count;
    let charged = (occluded - EXCUSED_SHARE).max(0.0);
    // The charged part is the same share of every occluded pixel, so that the error has no jumps.
    let hidden_mean = if occluded > 0.0 { hidden_error / (occluded * count) } else { 0.0 };
    let weight = 1.0 - occluded + charged;
    PairConsistency { warping_error: (seen_error / count + charged * hidden_mean) / weight, occluded }
}

/// Consistency of two RGB8 frames of `width x height`.
///
/// # Panics
/// When a frame is not `width * height * 3` bytes; [`crate::quality::FramesView`] hands out no other.
#[must_use]
pub fn pair_consistency(first: &[u8], second: &[u8], width: usize, height: usize) -> PairConsistency {
    consistency_of(&Rgb::reduced(first, width, height), &Rgb::reduced(second, width, height))
}
