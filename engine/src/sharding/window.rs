//! Overlapping windows: what each is given, and how they become one clip again.
//!
//! Blending a step's outputs is blending the windows' next latents (`MultiDiffusion`), since samplers add multiples of state and
//! output, and the weights of a frame add up to 1.

use std::ops::Range;

use super::layout::{put_frames, take_frames};
use super::plan::{Blend, CONTEXT_SHARE, Windows};
use crate::error::Result;
use crate::pipeline::LatentShape;

/// The windows of one job.
pub(crate) struct Windowed {
    windows: Windows,
    /// Of the clip.
    shape: LatentShape,
    ranges: Vec<Range<usize>>,
    /// `(channels, height, width)`, where the plan wants it.
    context: Option<Vec<f32>>,
}

impl Windowed {
    /// `noise` is the clip's initial noise.
    pub(crate) fn new(windows: &Windows, shape: LatentShape, noise: &[f32]) -> Result<Self> {
        let context = windows.context.then(|| mean_over_frames(noise, shape));
        Ok(Self { windows: windows.clone(), shape, ranges: windows.ranges(shape.frames)?, context })
    }

    /// The shape of the state between steps: the clip's, or all windows behind each other.
    pub(crate) fn state_shape(&self) -> LatentShape {
        match self.windows.blend {
            Blend::EachStep => self.shape,
            Blend::AtEnd => LatentShape { frames: self.ranges.iter().map(Range::len).sum(), ..self.shape },
        }
    }

    /// The state that a latent of the clip is: windows share what lies in their overlap.
    pub(crate) fn spread(&self, latent: &[f32]) -> Vec<f32> {
        if self.windows.blend == Blend::EachStep {
            return latent.to_vec();
        }
        let shape = self.state_shape();
        let mut state = vec![0.0; shape.elements()];
        let mut start = 0;
        for range in &self.ranges {
            let part = take_frames(latent, self.shape, range.clone());
            put_frames(&mut state, shape, start..start + range.len(), &part);
            start += range.len();
        }
        state
    }

    /// What window `i` is evaluated on.
    pub(crate) fn input(&self, state: &[f32], i: usize) -> Vec<f32> {
        let mut input = match self.windows.blend {
            Blend::EachStep => take_frames(state, self.shape, self.ranges[i].clone()),
            Blend::AtEnd => {
                let start: usize = self.ranges[..i].iter().map(Range::len).sum();
                take_frames(state, self.state_shape(), start..start + self.ranges[i].len())
            }
        };
        if let Some(context) = &self.context {
            let plane = self.shape.height * self.shape.width;
            let frames = self.ranges[i].len();
            for (channel, context) in input.chunks_exact_mut(frames * plane).zip(context.chunks_exact(plane)) {
                for frame in channel.chunks_exact_mut(plane) {
                    frame.iter_mut().zip(context).for_each(|(x, mean)| *x += CONTEXT_SHARE * mean);
                }
            }
        }
        input
    }

    /// The windows' outputs as the state's.
    pub(crate) fn collect(&self, outputs: &[Vec<f32>]) -> Vec<f32> {
        match self.windows.blend {
            Blend::EachStep => self.blend(outputs),
            Blend::AtEnd => {
                let shape = self.state_shape();
                let mut state = vec![0.0; shape.elements()];
                let mut start = 0;
                for (range, output) in self.ranges.iter().zip(outputs) {
                    put_frames(&mut state, shape, start..start + range.len(), output);
                    start += range.len();
                }
                state
            }
        }
    }

    /// The clip that a state is.
    pub(crate) fn settle(&self, state: &[f32]) -> Vec<f32> {
        if self.windows.blend == Blend::EachStep {
            return state.to_vec();
        }
        let mut start = 0;
        let parts: Vec<Vec<f32>> = self
            .ranges
            .iter()
            .map(|range| {
                start += range.len();
                take_frames(state, self.state_shape(), start - range.len()..start)
            })
            .collect();
        self.blend(&parts)
    }

    /// Linear over each overlap: the window that ends there fades out as the next fades in.
    fn blend(&self, parts: &[Vec<f32>]) -> Vec<f32> {
        let plane = self.shape.height * self.shape.width;
        let mut out = vec![0.0; self.shape.elements()];
        for (i, (range, part)) in self.ranges.iter().zip(parts).enumerate() {
            for frame in range.clone() {
                let weight = self.weight(i, frame);
                for channel in 0..self.shape.channels {
                    let from = &part[(channel * range.len() + frame - range.start) * plane..][..plane];
                    let to = &mut out[(channel * self.shape.frames + frame) * plane..][..plane];
                    if weight == 1.0 {
                        to.copy_from_slice(from);
                    } else {
                        to.iter_mut().zip(from).for_each(|(to, x)| *to += weight * x);
                    }
                }
            }
        }
        out
    }

    /// Weight of window `i` at a frame of the clip.
    fn weight(&self, i: usize, frame: usize) -> f32 {
        let steps = (self.windows.overlap + 1) as f32;
        if i > 0 && frame < self.ranges[i - 1].end {
            return (frame - self.ranges[i].start + 1) as f32 / steps;
        }
        if i + 1 < self.ranges.len() && frame >= self.ranges[i + 1].start {
            return 1.0 - (frame - self.ranges[i + 1].start + 1) as f32 / steps;
        }
        1.0
    }
}

/// The mean of a latent's frames, `(channels, height, width)`.
fn mean_over_frames(latent: &[f32], shape: LatentShape) -> Vec<f32> {
    let plane = shape.height * shape.width;
    let mut mean = Vec::with_capacity(shape.channels * plane);
    for channel in latent.chunks_exact(shape.frames * plane) {
        mean.extend((0..plane).map(|pixel| {
            let sum: f64 = channel.iter().skip(pixel).step_by(plane).map(|&x| f64::from(x)).sum();
            (sum / shape.frames as f64) as f32
        }));
    }
    mean
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sharding::{Plan, Spread};

    fn windowed(text: &str, shape: LatentShape, noise: &[f32]) -> Windowed {
        let Spread::Windows(windows) = text.parse::<Plan>().unwrap().frames else { panic!("{text}") };
        Windowed::new(&windows, shape, noise).unwrap()
    }

    #[test]
    fn windows_of_a_clip_blend_to_the_clip() {
        let shape = LatentShape { channels: 2, frames: 11, height: 2, width: 3 };
        let latent: Vec<f32> = (0..shape.elements()).map(|i| (i % 37) as f32).collect();
        for text in ["window=3/2", "window=3/3/end", "window=4/1", "window=5:6/4/end", "window=1", "window=3/0"] {
            let windowed = windowed(text, shape, &latent);
            let state = windowed.spread(&latent);
            assert_eq!(state.len(), windowed.state_shape().elements());
            let parts: Vec<_> = (0..windowed.ranges.len()).map(|i| windowed.input(&state, i)).collect();
            assert_eq!(windowed.collect(&parts).len(), state.len());
            let settled = windowed.settle(&windowed.collect(&parts));
            let furthest = settled.iter().zip(&latent).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(furthest < 1e-5, "{text}: {furthest}");
        }
    }

    #[test]
    fn weights_fade_and_add_up() {
        let shape = LatentShape { channels: 1, frames: 8, height: 1, width: 1 };
        let windowed = windowed("window=2/3", shape, &[0.0; 8]);
        // Cut at 4; frames 3 to 5 are shared.
        assert_eq!(windowed.ranges, [0..6, 3..8]);
        let parts = [vec![0.0; 6], vec![1.0; 5]];
        assert_eq!(windowed.collect(&parts), [0.0, 0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0]);
    }

    #[test]
    fn context_is_a_share_of_the_mean_noise() {
        let shape = LatentShape { channels: 2, frames: 4, height: 1, width: 1 };
        let noise = [1.0, 2.0, 3.0, 4.0, -2.0, -2.0, -2.0, -2.0];
        let windowed = windowed("window=2/0/context", shape, &noise);
        let input = windowed.input(&[0.0; 8], 1);
        assert_eq!(input, [0.35 * 2.5, 0.35 * 2.5, -0.7, -0.7]);
    }
}
