//! A palette of up to 256 colours for all frames of a clip, and lookups in it.
//!
//! Exact where the clip has no more colours than that. Else cells of colour space are split along their widest axis, the one with the largest
//! squared error first (as X. Wu's quantiser does), and the result is improved by a few rounds of k-means. All in plain arithmetic
//! in a fixed order: the same clip gives the same palette everywhere.

use std::collections::HashMap;

use rayon::prelude::*;

/// Colours that an index of one byte can tell apart.
pub(crate) const MAX_COLORS: usize = 256;

/// Bits of each channel that tell colours apart while the palette is made.
const BITS: u32 = 6;
const BINS: usize = 1 << (3 * BITS);
/// Rounds of k-means; later ones gain less than 0.1 dB.
const ROUNDS: usize = 4;

/// Up to 256 colours.
pub(crate) struct Palette {
    colors: Vec<[u8; 3]>,
    lookup: Lookup,
    /// Distance between neighbouring colours in one channel, as far as dithering should reach; 0 if the palette is exact.
    step: f64,
}

enum Lookup {
    Exact(HashMap<[u8; 3], u8>),
    /// Nearest colour by bin.
    Nearest(Vec<u8>),
}

/// Pixels of similar colour.
#[derive(Clone, Copy)]
struct Bin {
    mean: [f64; 3],
    count: f64,
}

fn bin_of(color: [u8; 3]) -> usize {
    color.iter().fold(0, |index, channel| index << BITS | usize::from(channel >> (8 - BITS)))
}

impl Palette {
    /// A palette for `pixels`, RGB.
    pub(crate) fn for_pixels(pixels: &[u8]) -> Self {
        if let Some(colors) = distinct(pixels) {
            let lookup = Lookup::Exact(colors.iter().enumerate().map(|(i, color)| (*color, i as u8)).collect());
            return Self { colors, lookup, step: 0.0 };
        }
        let bins = histogram(pixels);
        let mut centres = split(&bins);
        for _ in 0..ROUNDS {
            refine(&bins, &mut centres);
        }
        let mut colors: Vec<[u8; 3]> = centres.iter().map(|c| c.map(|x| x.round().clamp(0.0, 255.0) as u8)).collect();
        colors.sort_unstable();
        colors.dedup();

        let centres: Vec<[f64; 3]> = colors.iter().map(|c| c.map(f64::from)).collect();
        let lookup = Lookup::Nearest(nearest_by_bin(&colors));
        // An even quantiser of step d has an error of d / sqrt(12): the step that matches the error that there is.
        let squares: f64 = bins.iter().map(|bin| bin.count * nearest(&centres, bin.mean).1).sum();
        let count: f64 = bins.iter().map(|bin| bin.count).sum();
        Self { colors, lookup, step: (squares / (3.0 * count) * 12.0).sqrt() }
    }

    /// R, G, B, R, G, B, ... as GIF stores it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.colors.concat()
    }

    /// Colour of an index.
    #[cfg(test)]
    pub(crate) fn color(&self, index: u8) -> [u8; 3] {
        self.colors[usize::from(index)]
    }

    /// Index for each pixel of a frame of `width`, with ordered dithering if asked for and if the palette is not exact.
    pub(crate) fn indices(&self, frame: &[u8], width: usize, dither: bool) -> Vec<u8> {
        let pixels = frame.as_chunks::<3>().0;
        match &self.lookup {
            // Every colour of the clip is in there; 0 is never used.
            Lookup::Exact(colors) => pixels.iter().map(|pixel| colors.get(pixel).copied().unwrap_or(0)).collect(),
            Lookup::Nearest(table) => {
                let step = if dither { self.step } else { 0.0 };
                let shifts: Vec<i32> = (0..64)
                    .map(|i| ((f64::from(bayer(i % 8, i / 8)) + 0.5) / 64.0 - 0.5) * step)
                    .map(|x| x.round() as i32)
                    .collect();
                let index = |(i, pixel): (usize, &[u8; 3])| {
                    let shift = shifts[(i / width) % 8 * 8 + (i % width) % 8];
                    table[bin_of(pixel.map(|c| (i32::from(c) + shift).clamp(0, 255) as u8))]
                };
                pixels.iter().enumerate().map(index).collect()
            }
        }
    }
}

/// Threshold 0 to 63 at a place in the 8x8 Bayer matrix: bits of x ^ y and y, interleaved from the lowest up.
const fn bayer(x: u32, y: u32) -> u8 {
    let (mixed, mut value, mut bit) = (x ^ y, 0, 0);
    while bit < 3 {
        value = value << 2 | (mixed >> bit & 1) << 1 | (y >> bit & 1);
        bit += 1;
    }
    value as u8
}

/// All colours in order if there are at most 256.
fn distinct(pixels: &[u8]) -> Option<Vec<[u8; 3]>> {
    let mut colors: Vec<[u8; 3]> = Vec::with_capacity(MAX_COLORS);
    let mut last = None;
    for pixel in pixels.as_chunks::<3>().0 {
        if last == Some(pixel) {
            continue;
        }
        last = Some(pixel);
        if let Err(place) = colors.binary_search(pixel) {
            if colors.len() == MAX_COLORS {
                return None;
            }
            colors.insert(place, *pixel);
        }
    }
    Some(colors)
}

fn histogram(pixels: &[u8]) -> Vec<Bin> {
    let mut sums = vec![[0u64; 4]; BINS];
    for pixel in pixels.as_chunks::<3>().0 {
        let sum = &mut sums[bin_of(*pixel)];
        for (sum, channel) in sum.iter_mut().zip(pixel) {
            *sum += u64::from(*channel);
        }
        sum[3] += 1;
    }
    let full = sums.iter().filter(|sum| sum[3] > 0);
    full.map(|[r, g, b, n]| Bin { mean: [*r, *g, *b].map(|x| x as f64 / *n as f64), count: *n as f64 }).collect()
}

/// A cell of colour space while it may still be split.
struct Cell {
    bins: Vec<Bin>,
    mean: [f64; 3],
    /// Squared error of all its pixels, by channel.
    error: [f64; 3],
}

impl Cell {
    fn new(bins: Vec<Bin>) -> Self {
        let count: f64 = bins.iter().map(|bin| bin.count).sum();
        let mean = [0, 1, 2].map(|c| bins.iter().map(|bin| bin.mean[c] * bin.count).sum::<f64>() / count);
        let error = [0, 1, 2].map(|c| bins.iter().map(|bin| (bin.mean[c] - mean[c]).powi(2) * bin.count).sum());
        Self { bins, mean, error }
    }

    fn total_error(&self) -> f64 {
        self.error.iter().sum()
    }

    /// Halves at the mean of the channel with the largest error.
    fn split(mut self) -> (Self, Self) {
        let channel = (0..3).max_by(|a, b| self.error[*a].total_cmp(&self.error[*b])).unwrap_or(0);
        self.bins.sort_by(|a, b| a.mean[channel].total_cmp(&b.mean[channel]));
        let place = self.bins.partition_point(|bin| bin.mean[channel] <= self.mean[channel]);
        // Rounding must not leave one side empty, or this would never end.
        let high = self.bins.split_off(place.clamp(1, self.bins.len() - 1));
        let low = self.bins;
        (Self::new(low), Self::new(high))
    }
}

fn split(bins: &[Bin]) -> Vec<[f64; 3]> {
    let mut cells = vec![Cell::new(bins.to_vec())];
    while cells.len() < MAX_COLORS {
        let worst = (0..cells.len()).max_by(|a, b| cells[*a].total_error().total_cmp(&cells[*b].total_error()));
        let Some(worst) = worst.filter(|w| cells[*w].total_error() > 1e-6 && cells[*w].bins.len() > 1) else {
            break;
        };
        // A cell with that much error has bins on both sides of its mean.
        let (low, high) = cells.swap_remove(worst).split();
        cells.extend([low, high]);
    }
    cells.into_iter().map(|cell| cell.mean).collect()
}

/// One round of k-means.
fn refine(bins: &[Bin], centres: &mut [[f64; 3]]) {
    let places: Vec<usize> = bins.par_iter().map(|bin| nearest(centres, bin.mean).0).collect();
    let mut sums = vec![[0.0; 4]; centres.len()];
    for (bin, place) in bins.iter().zip(places) {
        for (sum, mean) in sums[place].iter_mut().zip(bin.mean) {
            *sum += mean * bin.count;
        }
        sums[place][3] += bin.count;
    }
    for (centre, [r, g, b, count]) in centres.iter_mut().zip(sums) {
        if count > 0.0 {
            *centre = [r / count, g / count, b / count];
        }
    }
}

/// Bins along each side of the blocks in which [`nearest_by_bin`] works.
const BLOCK: usize = 4;

/// For the middle of each bin the nearest colour. Block by block, so that only the few colours that can be nearest to some place in a
/// block are compared.
fn nearest_by_bin(colors: &[[u8; 3]]) -> Vec<u8> {
    let side = 1usize << BITS;
    let middle = |bin: usize| ((bin << (8 - BITS)) + (1 << (7 - BITS))) as f64;
    let centres: Vec<[f64; 3]> = colors.iter().map(|c| c.map(f64::from)).collect();
    let distance = |a: [f64; 3], b: [f64; 3]| (0..3).map(|c| (a[c] - b[c]).powi(2)).sum::<f64>();
    let mut table = vec![0; BINS];
    // A slab holds all bins whose red is in one block.
    table.par_chunks_mut(BLOCK * side * side).enumerate().for_each(|(slab, table)| {
        for block in 0..(side / BLOCK).pow(2) {
            let first = [slab, block / (side / BLOCK), block % (side / BLOCK)].map(|b| b * BLOCK);
            let bins = |c: usize| first[c]..first[c] + BLOCK;
            let centre = [0, 1, 2].map(|c| (middle(first[c]) + middle(first[c] + BLOCK - 1)) / 2.0);
            let radius = distance(centre, first.map(middle)).sqrt();
            let reach = nearest(&centres, centre).1.sqrt() + 2.0 * radius + 1e-6;
            let near: Vec<u8> =
                (0..colors.len()).filter(|i| distance(centres[*i], centre) <= reach * reach).map(|i| i as u8).collect();
            let candidates: Vec<[f64; 3]> = near.iter().map(|i| centres[usize::from(*i)]).collect();
            for r in bins(0) {
                for g in bins(1) {
                    for b in bins(2) {
                        let best = nearest(&candidates, [r, g, b].map(middle)).0;
                        table[((r - first[0]) * side + g) * side + b] = near[best];
                    }
                }
            }
        }
    });
    table
}

/// Nearest centre and the squared distance to it; the first of several.
fn nearest(centres: &[[f64; 3]], color: [f64; 3]) -> (usize, f64) {
    let distance = |centre: &[f64; 3]| centre.iter().zip(color).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let mut best = (0, f64::INFINITY);
    for (index, centre) in centres.iter().enumerate() {
        let distance = distance(centre);
        if distance < best.1 {
            best = (index, distance);
        }
    }
    best
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bayer_matrix_has_each_threshold_once() {
        let mut all: Vec<u8> = (0..64).map(|i| bayer(i % 8, i / 8)).collect();
        assert_eq!(all[..4], [0, 32, 8, 40]);
        all.sort_unstable();
        assert_eq!(all, (0..64).collect::<Vec<u8>>());
    }

    #[test]
    fn few_colours_are_exact() {
        let pixels: Vec<u8> = (0..256u32).flat_map(|i| [(i * 7 % 256) as u8, i as u8, (255 - i) as u8]).collect();
        let palette = Palette::for_pixels(&pixels);
        let indices = palette.indices(&pixels, 16, true);
        for (pixel, index) in pixels.chunks(3).zip(indices) {
            assert_eq!(palette.color(index), pixel);
        }
    }

    /// The table against a search through all colours.
    #[test]
    fn blocks_miss_no_colour() {
        let colors: Vec<[u8; 3]> =
            (0..256u32).map(|i| [(i * i * 7) as u8, (i * 91) as u8, (i * i / 3) as u8]).collect();
        let centres: Vec<[f64; 3]> = colors.iter().map(|c| c.map(f64::from)).collect();
        let table = nearest_by_bin(&colors);
        for bin in (0..BINS).step_by(37) {
            let color = [12, 6, 0].map(|shift| ((bin >> shift & 63) * 4 + 2) as f64);
            assert_eq!(usize::from(table[bin]), nearest(&centres, color).0, "{color:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// A smooth ramp through any three colours loses little.
        #[test]
        fn many_colours_are_near(a in any::<[u8; 3]>(), b in any::<[u8; 3]>(), c in any::<[u8; 3]>()) {
            let mix = |i: i32, j: i32| (0..3).map(move |k| ((i32::from(a[k]) * (63 - i) + i32::from(b[k]) * i) / 63 + (i32::from(c[k]) - 128) * j / 63).clamp(0, 255) as u8);
            let pixels: Vec<u8> = (0..64).flat_map(|i| (0..64).flat_map(move |j| mix(i, j))).collect();
            let palette = Palette::for_pixels(&pixels);
            prop_assert!(palette.bytes().len() <= 768);
            let indices = palette.indices(&pixels, 64, false);
            let squares: f64 = pixels.chunks(3).zip(indices).flat_map(|(pixel, index)| {
                let color = palette.color(index);
                (0..3).map(move |k| f64::from(pixel[k].abs_diff(color[k])).powi(2)).collect::<Vec<_>>()
            }).sum();
            let psnr = 10.0 * (255.0f64.powi(2) / (squares / pixels.len() as f64).max(1e-9)).log10();
            prop_assert!(psnr > 34.0, "{psnr}");
        }
    }
}
