//! How a clip changes from frame to frame where it was cut, beside how it changes elsewhere.

use infernet_engine::quality::flow::pair_consistency;
use infernet_engine::sharding::Plan;

/// Means over pairs of neighbouring frames; `None` where there are no such pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Seams {
    /// Mean absolute difference of the frames at a cut, 0 to 1.
    pub(super) seam: Option<f64>,
    /// Of all others.
    pub(super) inside: Option<f64>,
    /// At a cut, after the second frame was carried back along the optical flow.
    pub(super) seam_warped: Option<f64>,
    /// Of all others.
    pub(super) inside_warped: Option<f64>,
}

/// Measures RGB frames of a clip made by a plan. Where windows overlap, every pair that the overlap touches is at a cut.
pub(super) fn seams(pixels: &[u8], width: usize, height: usize, plan: &Plan, frames: usize) -> Seams {
    let ranges = plan.frame_ranges(frames).unwrap_or_default();
    let at_cut = |first: usize| {
        ranges.windows(2).any(|pair| {
            let (from, to) = (pair[0].end.min(pair[1].start), pair[0].end.max(pair[1].start));
            (from.saturating_sub(1)..to).contains(&first)
        })
    };
    let mut sums = [[0.0_f64; 3]; 2];
    let frames: Vec<&[u8]> = pixels.chunks_exact(width * height * 3).collect();
    for (first, pair) in frames.windows(2).enumerate() {
        let total: u64 = pair[0].iter().zip(pair[1]).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let difference = total as f64 / pair[0].len() as f64 / 255.0;
        let warped = pair_consistency(pair[0], pair[1], width, height).warping_error;
        let sums = &mut sums[usize::from(at_cut(first))];
        sums.iter_mut().zip([1.0, difference, warped]).for_each(|(sum, x)| *sum += x);
    }
    let mean = |[count, difference, warped]: [f64; 3]| {
        if count > 0.0 { (Some(difference / count), Some(warped / count)) } else { (None, None) }
    };
    let ((inside, inside_warped), (seam, seam_warped)) = (mean(sums[0]), mean(sums[1]));
    Seams { seam, inside, seam_warped, inside_warped }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_at_a_cut_is_seen_there_only() {
        let (width, height) = (32, 32);
        let frame = |level: u8| vec![level; width * height * 3];
        let pixels: Vec<u8> = (0..8).flat_map(|i| frame(if i < 4 { 100 } else { 151 })).collect();
        let found = seams(&pixels, width, height, &"frames=2".parse().unwrap(), 8);
        assert!((found.seam.unwrap() - 0.2).abs() < 1e-9 && found.inside.unwrap() == 0.0);
        let elsewhere = seams(&pixels, width, height, &"frames=2:6".parse().unwrap(), 8);
        assert!(elsewhere.seam.unwrap() == 0.0 && elsewhere.inside.unwrap() > 0.0);
        let whole = seams(&pixels, width, height, &Plan::solo(), 8);
        assert!(whole.seam.is_none());
        // Frames 3 to 4 are shared: pairs 2-3, 3-4 and 4-5 are touched, of which one jumps.
        let overlapping = seams(&pixels, width, height, &"window=2/2".parse().unwrap(), 8);
        assert!((overlapping.seam.unwrap() - 0.2 / 3.0).abs() < 1e-9);
    }
}
