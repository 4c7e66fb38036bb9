//! What is measured: entropy, structure and change, blind to noise and to brightness.
//!
//! Every frame is averaged down to at most 64x64 samples and those to 16x16 cells. A cell has two
//! means, over the black and over the white squares of a checkerboard of its samples. Noise differs
//! between the two, a picture does not, so products of one with the other are free of noise however
//! strong it is: `sum a b` instead of `sum a a`. Each frame's mean colour is taken off and its contrast
//! made 1, so that flicker in brightness or gain does not look like motion.

use crate::quality::FramesView;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Most samples along a side.
const SAMPLES: usize = 64;

/// Most cells along a side.
const CELLS: usize = 16;

/// Contrast below which a frame is not scaled up further, in levels of 255.
const CONTRAST_FLOOR: f64 = 2.0;

/// Rounds of two-means clustering; it settles in a handful.
const CLUSTER_ROUNDS: usize = 32;

/// The measured statistics of one clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthenticityStats {
    /// Mean over the frames of the Shannon entropy of the luma histogram, from 0 to 8 bits.
    pub frame_entropy_bits: f64,
    /// Mean over the frames of the structure's standard deviation, in levels of 255, noise excluded.
    pub contrast_levels: f64,
    /// Share of the pixels' variance that survives averaging into cells without being noise: about 0
    /// for pure noise, about 1 for a picture.
    pub structured_share: f64,
    /// Correlation of neighbouring cells, from -1 to 1: about 0 for noise of coarse grain.
    pub cell_correlation: f64,
    /// Mean squared difference of the frames from their mean over that of the picture, from 0 to 1, less
    /// what noise may contribute by chance: 0 for a still. `None` for one frame.
    pub temporal_change: Option<f64>,
    /// 1 less the mean squared difference of neighbouring frames over that of any two frames: near 1
    /// for slow motion, 0 for unrelated frames, negative for a flicker. `None` below
    /// [`CONTINUITY_FRAMES`].
    pub continuity: Option<f64>,
    /// Share of the temporal change that is left when the frames are sorted into two groups of equal
    /// ones: 0 for two pictures in any order. `None` below [`LOOP_FRAMES`].
    pub two_picture_residual: Option<f64>,
}

/// Fewest frames whose continuity says something: in fewer, a bouncing ball is seen too rarely.
pub const CONTINUITY_FRAMES: usize = 16;

/// Fewest frames that can be a loop of two pictures rather than just two or three pictures.
pub const LOOP_FRAMES: usize = 4;

/// Standard errors that are taken off the temporal change.
const STANDARD_ERRORS: f64 = 4.0;

/// A frame's cell means over the two colours of the checkerboard, interleaved RGB, and pixel sums.
struct Cells {
    a: Vec<f64>,
    b: Vec<f64>,
    entropy_bits: f64,
    sample_variance: f64,
}

/// Samples along one side: a multiple of the cells, so that every cell has as many.
fn grid(side: usize) -> (usize, usize) {
    if side >= 2 * CELLS {
        let per_cell = (side / CELLS).min(SAMPLES / CELLS);
        (CELLS * per_cell, CELLS)
    } else {
        // Tiny frames: cells of two samples, or of one where there is no more.
        let cells = (side / 2).max(1);
        (if side >= 2 { 2 * cells } else { 1 }, cells)
    }
}

/// Averages an RGB8 frame to `columns x rows` samples; blocks differ by at most one pixel.
fn sample(frame: &[u8], width: usize, height: usize, columns: usize, rows: usize) -> Vec<[f64; 3]> {
    let edges = |side: usize, parts: usize| -> Vec<usize> { (0..=parts).map(|i| i * side / parts).collect() };
    let (xs, ys) = (edges(width, columns), edges(height, rows));
    let mut out = Vec::with_capacity(columns * rows);
    for y in ys.windows(2) {
        let mut sums = vec![[0u64; 3]; columns];
        for row in y[0]..y[1] {
            let line = &frame[row * width * 3..(row + 1) * width * 3];
            for (sum, x) in sums.iter_mut().zip(xs.windows(2)) {
                for pixel in line[x[0] * 3..x[1] * 3].chunks_exact(3) {
                    for (sum, &value) in sum.iter_mut().zip(pixel) {
                        *sum += u64::from(value);
                    }
                }
            }
        }
        for (sum, x) in sums.iter().zip(xs.windows(2)) {
            let count = ((x[1] - x[0]) * (y[1] - y[0])) as f64;
            out.push(sum.map(|sum| sum as f64 / count));
        }
    }
    out
}

/// Shannon entropy of the luma histogram (BT.601, 256 bins), in bits.
fn entropy_bits(frame: &[u8]) -> f64 {
    let mut histogram = [0u32; 256];
    for pixel in frame.chunks_exact(3) {
        let luma = 299 * u32::from(pixel[0]) + 587 * u32::from(pixel[1]) + 114 * u32::from(pixel[2]);
        histogram[((luma + 500) / 1000) as usize] += 1;
    }
    let total = (frame.len() / 3) as f64;
    let bits: f64 = histogram
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| {
            let share = f64::from(count) / total;
            -share * libm::log2(share)
        })
        .sum();
    bits.max(0.0)
}

fn cells_of(frame: &[u8], width: usize, height: usize) -> Cells {
    let ((columns, across), (rows, down)) = (grid(width), grid(height));
    let samples = sample(frame, width, height, columns, rows);
    let (per_x, per_y) = (columns / across, rows / down);
    let mut mean = [0f64; 3];
    for sample in &samples {
        for (mean, value) in mean.iter_mut().zip(sample) {
            *mean += value / samples.len() as f64;
        }
    }
    let sample_variance =
        samples.iter().map(|sample| sample.iter().zip(mean).map(|(v, m)| (v - m) * (v - m)).sum::<f64>()).sum::<f64>()
            / (3 * samples.len()) as f64;
    let (mut a, mut b) = (Vec::with_capacity(across * down * 3), Vec::with_capacity(across * down * 3));
    for cell_y in 0..down {
        for cell_x in 0..across {
            let (mut black, mut white) = ([0f64; 3], [0f64; 3]);
            let mut counts = [0usize; 2];
            for y in cell_y * per_y..(cell_y + 1) * per_y {
                for x in cell_x * per_x..(cell_x + 1) * per_x {
                    let colour = (x + y) % 2;
                    counts[colour] += 1;
                    let sums = if colour == 0 { &mut black } else { &mut white };
                    for (sum, value) in sums.iter_mut().zip(&samples[y * columns + x]) {
                        *sum += value;
                    }
                }
            }
            for channel in 0..3 {
                // A cell of one sample has one colour only; both halves are then that sample.
                let part = |sums: [f64; 3], count: usize| {
                    let value = if count > 0 {
                        sums[channel] / count as f64
                    } else {
                        (black[channel] + white[channel]) / (counts[0] + counts[1]) as f64
                    };
                    value - mean[channel]
                };
                a.push(part(black, counts[0]));
                b.push(part(white, counts[1]));
            }
        }
    }
    Cells { a, b, entropy_bits: entropy_bits(frame), sample_variance }
}

fn mean_product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64
}

/// Noise-free covariance of every cell with its right and lower neighbours, and of those cells with
/// themselves.
fn neighbour_products(cells: &Cells, across: usize, down: usize) -> (f64, f64) {
    let (mut cross, mut own) = (0f64, 0f64);
    let mut add = |i: usize, j: usize| {
        for channel in 0..3 {
            let (i, j) = (3 * i + channel, 3 * j + channel);
            cross += cells.a[i] * cells.b[j] + cells.b[i] * cells.a[j];
            own += cells.a[i] * cells.b[i] + cells.a[j] * cells.b[j];
        }
    };
    for y in 0..down {
        for x in 0..across {
            let i = y * across + x;
            if x + 1 < across {
                add(i, i + 1);
            }
            if y + 1 < down {
                add(i, i + across);
            }
        }
    }
    (cross, own)
}

/// Both halves of a frame's cells.
type Halves = (Vec<f64>, Vec<f64>);

/// The frames' cells at contrast 1.
fn normalised(frames: &[Cells]) -> Vec<Halves> {
    frames
        .iter()
        .map(|cells| {
            let variance = mean_product(&cells.a, &cells.b).max(CONTRAST_FLOOR * CONTRAST_FLOOR);
            let gain = 1.0 / variance.sqrt();
            let scale = |values: &[f64]| values.iter().map(|v| v * gain).collect();
            (scale(&cells.a), scale(&cells.b))
        })
        .collect()
}

/// Noise-free squared distances of every two frames.
fn distances(scaled: &[Halves]) -> Vec<Vec<f64>> {
    scaled
        .par_iter()
        .map(|(a, b)| {
            scaled
                .iter()
                .map(|(other_a, other_b)| {
                    let product: f64 = (0..a.len()).map(|i| (a[i] - other_a[i]) * (b[i] - other_b[i])).sum();
                    product / a.len() as f64
                })
                .collect()
        })
        .collect()
}

/// Standard error that noise gives the temporal change: the noise of a half cell, which is what changes
/// in the difference of a cell's halves, by the root of the number of cells and frames.
fn change_error(scaled: &[Halves]) -> f64 {
    let frames = scaled.len() as f64;
    let cells = scaled[0].0.len();
    let mut variance = 0f64;
    for cell in 0..cells {
        let gaps = || scaled.iter().map(|(a, b)| a[cell] - b[cell]);
        let mean = gaps().sum::<f64>() / frames;
        variance += gaps().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / (frames - 1.0);
    }
    // A gap has the noise of two halves.
    let half = variance / cells as f64 / 2.0;
    half / (cells as f64 * (frames - 1.0)).sqrt()
}

/// Sum of squared distances within one group, `sum over pairs / size`, kept from going below zero.
fn scatter(distances: &[Vec<f64>], group: &[usize]) -> f64 {
    let mut sum = 0f64;
    for (place, &i) in group.iter().enumerate() {
        for &j in &group[..place] {
            sum += distances[i][j];
        }
    }
    (sum / group.len().max(1) as f64).max(0.0)
}

/// Smallest scatter that two groups leave, by two-means on the distance matrix from several starts.
fn two_group_scatter(distances: &[Vec<f64>]) -> f64 {
    let count = distances.len();
    let mut best = f64::INFINITY;
    // The farthest partner of each frame makes a start; all frames are tried.
    for seed in 0..count {
        let far = (0..count).fold(seed, |far, i| if distances[seed][i] > distances[seed][far] { i } else { far });
        let mut in_first: Vec<bool> = (0..count).map(|i| distances[i][seed] <= distances[i][far]).collect();
        for _ in 0..CLUSTER_ROUNDS {
            let split = |wanted: bool| -> Vec<usize> { (0..count).filter(|&i| in_first[i] == wanted).collect() };
            let groups = [split(true), split(false)];
            best = best.min(groups.iter().map(|group| scatter(distances, group)).sum());
            if groups.iter().any(Vec::is_empty) {
                break;
            }
            // Squared distance to a group's centre, from pairwise distances alone.
            let to_centre = |i: usize, group: &[usize]| {
                let mean = group.iter().map(|&j| distances[i][j]).sum::<f64>() / group.len() as f64;
                mean - scatter(distances, group) / group.len() as f64
            };
            let next: Vec<bool> = (0..count).map(|i| to_centre(i, &groups[0]) <= to_centre(i, &groups[1])).collect();
            if next == in_first {
                break;
            }
            in_first = next;
        }
    }
    best
}

/// Measures a clip.
#[must_use]
pub fn measure(clip: FramesView<'_>) -> AuthenticityStats {
    let count = clip.frame_count();
    let frames: Vec<Cells> =
        (0..count).into_par_iter().map(|index| cells_of(clip.frame(index), clip.width(), clip.height())).collect();
    let mean = |value: &dyn Fn(&Cells) -> f64| frames.iter().map(value).sum::<f64>() / count as f64;
    let structure = mean(&|cells| mean_product(&cells.a, &cells.b).max(0.0));
    let variance = mean(&|cells| cells.sample_variance);
    let ((_, across), (_, down)) = (grid(clip.width()), grid(clip.height()));
    let (cross, own) = frames
        .iter()
        .map(|cells| neighbour_products(cells, across, down))
        .fold((0.0, 0.0), |(cross, own), (c, o)| (cross + c, own + o));

    let scaled = normalised(&frames);
    let distances = distances(&scaled);
    let everyone: Vec<usize> = (0..count).collect();
    let total = scatter(&distances, &everyone);
    let neighbours = (1..count).map(|i| distances[i - 1][i]).sum::<f64>() / (count.max(2) - 1) as f64;
    let any_two = 2.0 * total / (count.max(2) - 1) as f64;
    let ratio = |part: f64, whole: f64| if whole > 1e-12 { part / whole } else { 0.0 };
    AuthenticityStats {
        frame_entropy_bits: mean(&|cells| cells.entropy_bits),
        contrast_levels: mean(&|cells| mean_product(&cells.a, &cells.b).max(0.0).sqrt()),
        structured_share: ratio(structure, variance).clamp(0.0, 1.0),
        cell_correlation: ratio(cross, own).clamp(-1.0, 1.0),
        temporal_change: (count >= 2)
            .then(|| (total / count as f64 - STANDARD_ERRORS * change_error(&scaled)).max(0.0)),
        continuity: (count >= CONTINUITY_FRAMES).then(|| (1.0 - ratio(neighbours, any_two)).clamp(-1.0, 1.0)),
        two_picture_residual: (count >= LOOP_FRAMES)
            .then(|| ratio(two_group_scatter(&distances), total).clamp(0.0, 1.0)),
    }
}
