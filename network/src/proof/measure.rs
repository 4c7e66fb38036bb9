//! Distances between what was committed and what a validator found. Sums are f64, in element order.

use infernet_engine::pipeline::LatentShape;

use super::bias::BiasSample;
use super::tensor::RgbFrame;

/// `|a - b| / |b|` in the Euclidean norm; 0 where both are equal, the largest finite number where only `b` is zero.
pub fn relative_l2(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = Sums::default();
    for (&a, &b) in a.iter().zip(b) {
        sums.add(a, b);
    }
    sums.relative()
}

/// The largest of the frames' own relative errors; values in (channels, frames, height, width) order.
pub fn worst_frame_relative_l2(a: &[f32], b: &[f32], shape: LatentShape) -> f64 {
    let plane = (shape.height * shape.width).max(1);
    let frames = shape.frames.max(1);
    let mut sums = vec![Sums::default(); frames];
    for (index, (a, b)) in a.chunks(plane).zip(b.chunks(plane)).enumerate() {
        let sums = &mut sums[index % frames];
        for (&a, &b) in a.iter().zip(b) {
            sums.add(a, b);
        }
    }
    sums.iter().map(Sums::relative).fold(0.0, f64::max)
}

/// Root mean square difference of two pictures, in 8-bit levels (0 to 255); PSNR is `20 log10(255 / rms)`.
/// 255 where sizes differ.
pub fn rms_levels(a: &RgbFrame, b: &RgbFrame) -> f64 {
    if (a.width, a.height) != (b.width, b.height) || a.pixels.len() != b.pixels.len() || a.pixels.is_empty() {
        return 255.0;
    }
    let squares: u64 = a.pixels.iter().zip(&b.pixels).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum();
    (squares as f64 / a.pixels.len() as f64).sqrt()
}

/// Side of the blocks that a clip's frames are compared in, in pixels.
const CLIP_BLOCK: usize = 16;

/// How far a frame of a clip is from the picture that it was encoded from, in 8-bit levels: the root mean square of the worst
/// 16 x 16 block, over means of 2 x 2 pixels. 255 where sizes differ.
///
/// A codec keeps colour at half resolution, so single pixels at edges of colour are far off in every honest clip, and means of
/// 2 x 2 are not; what is left is rounding by the quantiser, which is the same small error in every block. Another picture,
/// however alike it is on the whole, is far off in some block.
pub fn worst_block_rms_levels(a: &RgbFrame, b: &RgbFrame) -> f64 {
    if (a.width, a.height) != (b.width, b.height) || a.pixels.len() != b.pixels.len() || a.pixels.is_empty() {
        return 255.0;
    }
    let (width, height) = (a.width as usize, a.height as usize);
    let difference = |y: usize, x: usize, channel: usize| {
        let at = 3 * (y * width + x) + channel;
        f64::from(a.pixels[at]) - f64::from(b.pixels[at])
    };
    let mut worst = 0.0_f64;
    for top in (0..height).step_by(CLIP_BLOCK) {
        for left in (0..width).step_by(CLIP_BLOCK) {
            let (mut squares, mut cells) = (0.0, 0.0);
            for y in (top..height.min(top + CLIP_BLOCK)).step_by(2) {
                for x in (left..width.min(left + CLIP_BLOCK)).step_by(2) {
                    // At an odd edge the last row or column stands alone.
                    let (y2, x2) = ((y + 1).min(height - 1), (x + 1).min(width - 1));
                    for channel in 0..3 {
                        let corners = [(y, x), (y, x2), (y2, x), (y2, x2)];
                        let mean = corners.iter().map(|&(y, x)| difference(y, x, channel)).sum::<f64>() / 4.0;
                        squares += mean * mean;
                    }
                    cells += 3.0;
                }
            }
            worst = worst.max(squares / cells);
        }
    }
    worst.sqrt()
}

/// Signed errors of an output, for the running test of bias: along a constant, along the output itself, and along the
/// difference that guidance makes.
pub(crate) fn signed_errors(claimed: &[f32], own: &[f32], other_branch: Option<&[f32]>) -> BiasSample {
    let (mut along_one, mut along_own, mut along_guidance) = (0.0, 0.0, 0.0);
    let (mut own_squares, mut guidance_squares) = (0.0, 0.0);
    for (index, (&claimed, &own)) in claimed.iter().zip(own).enumerate() {
        let (claimed, own) = (f64::from(claimed), f64::from(own));
        let error = claimed - own;
        let guidance = other_branch.map_or(0.0, |other| own - f64::from(other[index]));
        along_one += error;
        along_own += error * own;
        along_guidance += error * guidance;
        own_squares += own * own;
        guidance_squares += guidance * guidance;
    }
    let count = own_squares / claimed.len().max(1) as f64;
    let ratio = |sum: f64, by: f64| if by > 0.0 { sum / by } else { 0.0 };
    BiasSample {
        mean: ratio(along_one / claimed.len().max(1) as f64, count.sqrt()),
        gain: ratio(along_own, own_squares),
        guidance: ratio(along_guidance, guidance_squares),
    }
}

#[derive(Clone, Default)]
struct Sums {
    difference: f64,
    reference: f64,
}

impl Sums {
    fn add(&mut self, a: f32, b: f32) {
        let (a, b) = (f64::from(a), f64::from(b));
        self.difference += (a - b) * (a - b);
        self.reference += b * b;
    }

    fn relative(&self) -> f64 {
        if self.difference == 0.0 {
            return 0.0;
        }
        let ratio = (self.difference / self.reference).sqrt();
        if ratio.is_finite() { ratio } else { f64::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_relative_to_the_validator() {
        assert_eq!(relative_l2(&[3.0, 4.0], &[3.0, 4.0]), 0.0);
        assert_eq!(relative_l2(&[3.0, 5.0], &[3.0, 4.0]), 0.2);
        assert_eq!(relative_l2(&[0.0, 0.0], &[3.0, 4.0]), 1.0);
        assert_eq!(relative_l2(&[1.0], &[0.0]), f64::MAX);
        assert_eq!(relative_l2(&[0.0], &[0.0]), 0.0);
    }

    #[test]
    fn one_bad_frame_stands_out() {
        let shape = LatentShape { channels: 2, frames: 2, height: 1, width: 2 };
        // Channel 0: frames (3, 4) and (100, 0); channel 1: frames (0, 0) and (0, 0).
        let own = [3.0, 4.0, 100.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let mut claimed = own;
        claimed[5] = 1.0;
        assert_eq!(worst_frame_relative_l2(&claimed, &own, shape), 0.2);
        assert!(relative_l2(&claimed, &own) < 0.01);
    }

    #[test]
    fn pictures_are_compared_in_levels() {
        let frame = |pixels: [u8; 3]| RgbFrame { width: 1, height: 1, pixels: pixels.to_vec() };
        assert_eq!(rms_levels(&frame([1, 2, 3]), &frame([1, 2, 3])), 0.0);
        assert_eq!(rms_levels(&frame([0, 0, 0]), &frame([3, 3, 3])), 3.0);
        assert_eq!(rms_levels(&frame([0, 0, 0]), &RgbFrame { width: 3, height: 1, pixels: vec![0; 9] }), 255.0);
    }

    #[test]
    fn a_clip_is_compared_where_it_differs_most() {
        let grey = RgbFrame { width: 33, height: 17, pixels: vec![100; 3 * 33 * 17] };
        assert_eq!(worst_block_rms_levels(&grey, &grey), 0.0);
        // A checkerboard of single pixels has the mean of grey; where the edge is odd, half of it is left.
        let mut board = grey.clone();
        for (index, pixel) in board.pixels.chunks_exact_mut(3).enumerate() {
            pixel.fill(if (index / 33 + index % 33) % 2 == 0 { 110 } else { 90 });
        }
        let inner = |frame: &RgbFrame| {
            let rows = frame.pixels.chunks_exact(3 * 33).take(16).flat_map(|row| row[..3 * 32].to_vec()).collect();
            RgbFrame { width: 32, height: 16, pixels: rows }
        };
        assert_eq!(worst_block_rms_levels(&inner(&board), &inner(&grey)), 0.0);
        // One bright cell of 64 in one block: 80 levels, root mean square 10. Over the whole picture it is 5 by pixels.
        let mut spot = inner(&grey);
        for at in [0, 1, 32, 33] {
            spot.pixels[3 * at..3 * at + 3].fill(180);
        }
        assert!((worst_block_rms_levels(&spot, &inner(&grey)) - 10.0).abs() < 1e-9);
        assert_eq!(worst_block_rms_levels(&spot, &grey), 255.0);
    }

    #[test]
    fn signed_errors_find_their_direction() {
        let own = [1.0_f32, -1.0, 2.0, -2.0];
        let louder = own.map(|x| x * 1.01);
        let sample = signed_errors(&louder, &own, Some(&[0.0, 0.0, 2.0, -2.0]));
        assert!((sample.gain - 0.01).abs() < 1e-6 && sample.mean.abs() < 1e-9 && (sample.guidance - 0.01).abs() < 1e-6);
        let brighter = own.map(|x| x + 0.01);
        assert!(signed_errors(&brighter, &own, None).mean > 0.006);
    }
}
