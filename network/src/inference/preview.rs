//! Pictures of a run that is under way.

use std::time::{Duration, Instant};

use infernet_engine::pipeline::{LatentShape, Step, VideoModel, guided_output, to_rgb8};
use infernet_engine::schedulers::Scheduler;

/// A small picture of the middle frame as it looks by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Steps done.
    pub step: u32,
    /// Pixels, at most [`MAX_SIDE`](Self::MAX_SIDE).
    pub width: u16,
    /// Pixels, at most [`MAX_SIDE`](Self::MAX_SIDE).
    pub height: u16,
    /// `3 x width x height` bytes, rows from the top.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// Longest side in pixels.
    pub const MAX_SIDE: u16 = 128;
}

/// Least time between two pictures.
const PACE: Duration = Duration::from_millis(400);
/// Pictures take at most one part in this of a run.
const SHARE: u32 = 20;

/// Makes pictures of the clean clip that a step's output points at: what is left when the noise it predicts is taken away. Decoding a
/// frame costs time that the run does not get, so the next picture waits for many times what the last one took.
pub(super) struct Previewer<'a> {
    pub(super) model: &'a dyn VideoModel,
    pub(super) shape: LatentShape,
    pub(super) scheduler: Scheduler,
    pub(super) guidance: f32,
    pub(super) send: &'a mut dyn FnMut(Picture),
    pub(super) not_before: Instant,
}

impl Previewer<'_> {
    /// Looks at a step; the last one is left out, since the whole clip comes next.
    pub(super) fn see(&mut self, step: &Step<'_>) {
        let start = Instant::now();
        if start < self.not_before || step.index + 1 >= self.scheduler.steps() {
            return;
        }
        if let Some(picture) = self.picture(step) {
            (self.send)(picture);
        }
        self.not_before = Instant::now() + PACE.max(start.elapsed() * SHARE);
    }

    /// None where the model can't decode one frame: a picture is no reason to lose a run.
    fn picture(&self, step: &Step<'_>) -> Option<Picture> {
        let guided = guided_output(step.conditional.to_vec(), step.unconditional, self.guidance);
        let clean = self.scheduler.clean_estimate(step.index, step.state, &guided);
        let middle = self.shape.frames / 2;
        let values = self.model.decode(&clean, self.shape, middle..middle + 1).ok()?;
        let pixels = to_rgb8(&values);
        // The latent's proportions are the picture's.
        let scale = ((pixels.len() / 3) as f64 / (self.shape.height * self.shape.width) as f64).sqrt().round() as usize;
        let (height, width) = (self.shape.height * scale, self.shape.width * scale);
        (pixels.len() == 3 * height * width && width > 0).then(|| shrink(&pixels, width, height, step.index as u32 + 1))
    }
}

/// Averages whole blocks of pixels until the picture is small enough.
fn shrink(pixels: &[u8], width: usize, height: usize, step: u32) -> Picture {
    let block = width.max(height).div_ceil(usize::from(Picture::MAX_SIDE)).max(1);
    let (small_width, small_height) = ((width / block).max(1), (height / block).max(1));
    let mut rgb = Vec::with_capacity(3 * small_width * small_height);
    for y in 0..small_height {
        for x in 0..small_width {
            for channel in 0..3 {
                let (mut sum, mut count) = (0_u32, 0_u32);
                for row in (y * block)..((y + 1) * block).min(height) {
                    for column in (x * block)..((x + 1) * block).min(width) {
                        sum += u32::from(pixels[3 * (row * width + column) + channel]);
                        count += 1;
                    }
                }
                // An average of bytes is a byte.
                rgb.push((sum / count.max(1)) as u8);
            }
        }
    }
    // Both at most MAX_SIDE.
    Picture { step, width: small_width as u16, height: small_height as u16, rgb }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_are_averaged_down() {
        // Left half black, right half white.
        let (width, height) = (576, 320);
        let pixels: Vec<u8> =
            (0..width * height).flat_map(|at| [if at % width < width / 2 { 0 } else { 255 }; 3]).collect();
        let small = shrink(&pixels, width, height, 7);
        assert_eq!((small.width, small.height, small.step), (115, 64, 7));
        assert_eq!(small.rgb.len(), 3 * 115 * 64);
        assert_eq!((small.rgb[0], small.rgb[3 * 114]), (0, 255));
        // The column in the middle has some of both.
        assert!((1..255).contains(&small.rgb[3 * 57]), "{}", small.rgb[3 * 57]);

        let kept = shrink(&pixels[..3 * 64 * 64], 64, 64, 0);
        assert_eq!((kept.width, kept.height, &kept.rgb[..]), (64, 64, &pixels[..3 * 64 * 64]));
    }
}
