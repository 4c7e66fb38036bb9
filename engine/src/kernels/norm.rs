//! Group and layer normalisation.
//!
//! Group statistics are kept as f64 sums per frame and group, so that shards of a clip can exchange them and add them in
//! frame order: the result does not depend on who held which frames.

use super::elementwise::Activation;
use super::isa::per_isa;
use super::parallel::Par;
use super::reduce;

/// Rows (pixels) summed at a time: the sums of a frame are added block by block.
const BLOCK_ROWS: usize = 1024;

/// Sum and sum of squares of one frame's groups, f64: `sums[group]`, `squares[group]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct GroupSums {
    pub(crate) sums: Vec<f64>,
    pub(crate) squares: Vec<f64>,
    /// Elements in each group.
    pub(crate) count: f64,
}

per_isa! {
    fn add_channels(row_block: &[f32], sums: &mut [f64], squares: &mut [f64]) {
        for row in row_block.chunks_exact(sums.len()) {
            for ((x, sum), square) in row.iter().zip(sums.iter_mut()).zip(squares.iter_mut()) {
                let x = f64::from(*x);
                *sum += x;
                *square = x.mul_add(x, *square);
            }
        }
    }
}

/// Sums of one frame: `frame` is `(pixels, channels)`.
pub(crate) fn group_sums(frame: &[f32], channels: usize, groups: usize, par: Par) -> GroupSums {
    let rows = frame.len() / channels;
    let blocks = rows.div_ceil(BLOCK_ROWS).max(1);
    let mut partial = vec![0.0_f64; blocks * 2 * channels];
    let par = par.only_if(blocks > 1);
    par.chunks(&mut partial, 2 * channels, |i, partial| {
        let block = &frame[i * BLOCK_ROWS * channels..rows.min((i + 1) * BLOCK_ROWS) * channels];
        let (sums, squares) = partial.split_at_mut(channels);
        add_channels(block, sums, squares);
    });
    let (total, rest) = partial.split_at_mut(2 * channels);
    for block in rest.chunks_exact(2 * channels) {
        for (total, block) in total.iter_mut().zip(block) {
            *total += block;
        }
    }
    let width = channels / groups;
    let fold = |channel_sums: &[f64]| {
        channel_sums.chunks_exact(width).map(|group| group.iter().fold(0.0, |a, b| a + b)).collect()
    };
    GroupSums { sums: fold(&total[..channels]), squares: fold(&total[channels..]), count: (rows * width) as f64 }
}

/// `y = x * scale + shift` per channel.
#[derive(Clone, Debug)]
pub(crate) struct ChannelAffine {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

/// Normalisation over the given frames together (one frame: spatial; all frames: temporal), added in the order given.
pub(crate) fn group_affine(frames: &[GroupSums], weight: &[f32], bias: &[f32], epsilon: f64) -> ChannelAffine {
    let channels = weight.len();
    let groups = frames[0].sums.len();
    let width = channels / groups;
    let count: f64 = frames.iter().map(|frame| frame.count).sum();
    let (mut scale, mut shift) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
    for group in 0..groups {
        let sum = frames.iter().fold(0.0, |total, frame| total + frame.sums[group]);
        let square = frames.iter().fold(0.0, |total, frame| total + frame.squares[group]);
        let mean = sum / count;
        let variance = (square / count - mean * mean).max(0.0);
        let inverse = 1.0 / (variance + epsilon).sqrt();
        for channel in group * width..(group + 1) * width {
            let factor = f64::from(weight[channel]) * inverse;
            scale.push(factor as f32);
            shift.push((f64::from(bias[channel]) - mean * factor) as f32);
        }
    }
    ChannelAffine { scale, shift }
}

per_isa! {
    fn affine(x: &[f32], scale: &[f32], shift: &[f32], out: &mut [f32]) {
        for (row, out) in x.chunks_exact(scale.len()).zip(out.chunks_exact_mut(scale.len())) {
            for (((x, scale), shift), out) in row.iter().zip(scale).zip(shift).zip(out) {
                *out = x.mul_add(*scale, *shift);
            }
        }
    }
}

per_isa! {
    fn affine_silu(x: &[f32], scale: &[f32], shift: &[f32], out: &mut [f32]) {
        for (row, out) in x.chunks_exact(scale.len()).zip(out.chunks_exact_mut(scale.len())) {
            for (((x, scale), shift), out) in row.iter().zip(scale).zip(shift).zip(out) {
                *out = super::math::silu(x.mul_add(*scale, *shift));
            }
        }
    }
}

impl ChannelAffine {
    /// Applies to rows of `scale.len()` channels, then the activation.
    pub(crate) fn apply(&self, x: &[f32], activation: Option<Activation>, out: &mut [f32]) {
        match activation {
            Some(Activation::Silu) => affine_silu(x, &self.scale, &self.shift, out),
            other => {
                affine(x, &self.scale, &self.shift, out);
                if let Some(activation) = other {
                    activation.apply(&mut out[..x.len()]);
                }
            }
        }
    }
}

per_isa! {
    /// Layer normalisation of every row of `weight.len()` elements.
    pub(crate) fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) {
        let width = weight.len();
        for (row, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let mean = reduce::sum(row, |x| x) / width as f32;
            let variance = reduce::sum(row, |x| (x - mean) * (x - mean)) / width as f32;
            let inverse = 1.0 / (variance + epsilon).sqrt();
            for (((x, weight), bias), out) in row.iter().zip(weight).zip(bias).zip(out) {
                *out = ((x - mean) * inverse).mul_add(*weight, *bias);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_norm_matches_its_definition_and_ignores_the_split() {
        let (rows, channels, groups) = (3000, 12, 3);
        let frame: Vec<f32> = (0..rows * channels).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.1 + 3.0).collect();
        let (weight, bias): (Vec<f32>, Vec<f32>) =
            (0..channels).map(|c| (1.0 + c as f32 * 0.1, c as f32 * -0.2)).unzip();
        let sums = group_sums(&frame, channels, groups, Par::Serial);
        assert_eq!(sums, group_sums(&frame, channels, groups, Par::Threads));
        let affine = group_affine(&[sums], &weight, &bias, 1e-5);
        let mut out = vec![0.0; frame.len()];
        affine.apply(&frame, None, &mut out);
        for group in 0..groups {
            let members: Vec<f64> = frame
                .iter()
                .enumerate()
                .filter(|(i, _)| i % channels / 4 == group)
                .map(|(_, &x)| f64::from(x))
                .collect();
            let mean = members.iter().sum::<f64>() / members.len() as f64;
            let variance = members.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / members.len() as f64;
            for (i, (&x, &y)) in frame.iter().zip(&out).enumerate().filter(|(i, _)| i % channels / 4 == group) {
                let c = i % channels;
                let want = (f64::from(x) - mean) / (variance + 1e-5).sqrt() * f64::from(weight[c]) + f64::from(bias[c]);
                assert!((f64::from(y) - want).abs() < 1e-5, "{y} {want}");
            }
        }
    }

    #[test]
    fn layer_norm_matches_its_definition() {
        let width = 37;
        let x: Vec<f32> = (0..3 * width).map(|i| (i as f32 * 0.7).sin() + 5.0).collect();
        let (weight, bias) = (vec![1.5; width], vec![0.25; width]);
        let mut out = vec![0.0; x.len()];
        layer_norm(&x, &weight, &bias, 1e-5, &mut out);
        for (row, out) in x.chunks_exact(width).zip(out.chunks_exact(width)) {
            let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / width as f64;
            let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / width as f64;
            for (&x, &y) in row.iter().zip(out) {
                let want = (f64::from(x) - mean) / (variance + 1e-5).sqrt() * 1.5 + 0.25;
                assert!((f64::from(y) - want).abs() < 2e-6);
            }
        }
    }
}
