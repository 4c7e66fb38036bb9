//! Resizing exactly as Pillow does it, because the published CLIP scores are defined by it.
//!
//! Pillow resamples 8-bit images in two passes (rows, then columns) with a filter that widens when
//! the image shrinks, fixed-point coefficients of 22 bits and rounding to 8 bits after each pass.
//! Integer arithmetic makes the result the same on every machine. (Pillow 13 swaps the passes for some
//! sizes, which moves pixels by a level; torchvision and earlier versions never do.)

/// Fraction bits of a coefficient: 32 less 8 for the pixel and 2 for the filter's overshoot.
const COEFFICIENT_BITS: u32 = 32 - 8 - 2;

/// The resampling filters that CLIP preprocessors name (Pillow's numbers 2 and 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// A triangle of radius 1.
    Bilinear,
    /// Keys' cubic with a = -0.5, radius 2.
    Bicubic,
}

impl Filter {
    fn radius(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn weight(self, offset: f64) -> f64 {
        let x = offset.abs();
        match self {
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic => {
                const A: f64 = -0.5;
                if x < 1.0 {
                    ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
                } else if x < 2.0 {
                    (((x - 5.0) * x + 8.0) * x - 4.0) * A
                } else {
                    0.0
                }
            }
        }
    }
}

/// For one output sample: the first input sample and the fixed-point weights.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

fn taps(input: usize, output: usize, filter: Filter) -> Vec<Taps> {
    let scale = input as f64 / output as f64;
    let widening = scale.max(1.0);
    let support = filter.radius() * widening;
    (0..output)
        .map(|index| {
            let centre = (index as f64 + 0.5) * scale;
            // Casts truncate like C's; the clamp keeps them inside the image.
            let first = (centre - support + 0.5).max(0.0) as usize;
            let last = ((centre + support + 0.5) as usize).min(input);
            let raw: Vec<f64> = (first..last).map(|x| filter.weight((x as f64 - centre + 0.5) / widening)).collect();
            let total: f64 = raw.iter().sum();
            let one = f64::from(1u32 << COEFFICIENT_BITS);
            let weights = raw
                .iter()
                .map(|weight| {
                    let fixed = weight / total * one;
                    (if fixed < 0.0 { fixed - 0.5 } else { fixed + 0.5 }) as i32
                })
                .collect();
            Taps { first, weights }
        })
        .collect()
}

fn round_to_byte(sum: i32) -> u8 {
    (sum >> COEFFICIENT_BITS).clamp(0, 255) as u8
}

/// Resizes one RGB8 image, `height x width x 3`.
pub(crate) fn resize_rgb8(
    image: &[u8],
    (width, height): (usize, usize),
    (new_width, new_height): (usize, usize),
    filter: Filter,
) -> Vec<u8> {
    const HALF: i32 = 1 << (COEFFICIENT_BITS - 1);
    let rows = if new_width == width {
        image.to_vec()
    } else {
        let taps = taps(width, new_width, filter);
        let mut out = Vec::with_capacity(height * new_width * 3);
        for row in image.chunks_exact(width * 3) {
            for tap in &taps {
                let mut sums = [HALF; 3];
                for (pixel, weight) in row[tap.first * 3..].chunks_exact(3).zip(&tap.weights) {
                    for (sum, &value) in sums.iter_mut().zip(pixel) {
                        *sum += i32::from(value) * weight;
                    }
                }
                out.extend(sums.map(round_to_byte));
            }
        }
        out
    };
    if new_height == height {
        return rows;
    }
    let stride = new_width * 3;
    let mut out = Vec::with_capacity(new_height * stride);
    let mut sums = vec![HALF; stride];
    for tap in taps(height, new_height, filter) {
        sums.fill(HALF);
        for (row, weight) in rows[tap.first * stride..].chunks_exact(stride).zip(&tap.weights) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += i32::from(value) * weight;
            }
        }
        out.extend(sums.iter().map(|&sum| round_to_byte(sum)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_image_stays_flat_at_any_size() {
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            for (new_width, new_height) in [(1, 1), (3, 9), (50, 2), (7, 5)] {
                let image = [200u8, 3, 77].repeat(7 * 5);
                let out = resize_rgb8(&image, (7, 5), (new_width, new_height), filter);
                assert_eq!(out, [200u8, 3, 77].repeat(new_width * new_height));
            }
        }
    }

    #[test]
    fn the_cubic_overshoots_a_step_and_is_clipped() {
        // 0 0 255 255 enlarged: Keys' cubic undershoots below 0, which a byte cannot hold.
        let image: Vec<u8> = [0u8, 0, 255, 255].iter().flat_map(|&v| [v; 3]).collect();
        let out = resize_rgb8(&image, (4, 1), (8, 1), Filter::Bicubic);
        let red: Vec<u8> = out.chunks_exact(3).map(|pixel| pixel[0]).collect();
        assert_eq!(red, [0, 0, 0, 52, 203, 255, 255, 255]);
    }
}
