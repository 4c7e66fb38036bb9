//! A clip in memory.

use std::fmt;

use rayon::prelude::*;

use super::color::{ColorSpace, Picture};
use super::{Error, FrameRate, Result};

/// An RGB clip: what a model makes, what scores look at, what files are written from.
#[derive(Clone, PartialEq)]
pub struct Clip {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second, above 0.
    pub frames_per_second: f64,
    /// sRGB bytes, `(frames, height, width, 3)`, rows from the top.
    pub data: Vec<u8>,
}

impl Clip {
    /// A clip of `data`, which must be `(frames, height, width, 3)` with at least one frame.
    ///
    /// # Errors
    /// [`Error::EmptyClip`], [`Error::ClipSize`], [`Error::FrameRate`].
    pub fn new(width: u32, height: u32, frames_per_second: f64, data: Vec<u8>) -> Result<Self> {
        let clip = Self { width, height, frames_per_second, data };
        clip.check()?;
        Ok(clip)
    }

    /// Checks sizes and rate again, as fields are open to change.
    ///
    /// # Errors
    /// As [`Clip::new`].
    pub fn check(&self) -> Result<()> {
        let Self { width, height, .. } = *self;
        let bytes = self.data.len();
        let frame_bytes = u64::from(width).saturating_mul(height.into()).saturating_mul(3);
        if frame_bytes == 0 || bytes == 0 {
            return Err(Error::EmptyClip { width, height, bytes });
        }
        if !(bytes as u64).is_multiple_of(frame_bytes) {
            return Err(Error::ClipSize { width, height, frame_bytes, bytes });
        }
        FrameRate::nearest(self.frames_per_second).map(|_| ())
    }

    /// Bytes of one frame.
    #[must_use]
    pub const fn frame_bytes(&self) -> usize {
        (self.width as usize).saturating_mul(self.height as usize).saturating_mul(3)
    }

    /// How many whole frames there are.
    #[must_use]
    pub const fn frame_count(&self) -> usize {
        match self.frame_bytes() {
            0 => 0,
            frame_bytes => self.data.len() / frame_bytes,
        }
    }

    /// Frame `index`, `(height, width, 3)`.
    ///
    /// # Panics
    /// If there is no such frame, as slices do.
    #[must_use]
    pub fn frame(&self, index: usize) -> &[u8] {
        let size = self.frame_bytes();
        &self.data[index * size..(index + 1) * size]
    }

    /// All frames in order.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        // A clip without pixels has no frames; chunks of 0 would panic.
        self.data.chunks_exact(self.frame_bytes().max(1))
    }

    /// How long the clip plays.
    #[must_use]
    pub fn duration_secs(&self) -> f64 {
        self.frame_count() as f64 / self.frames_per_second
    }

    /// The clip as a file with perfect compression would deliver it: 4:2:0 chroma and limited range, and nothing else lost.
    ///
    /// The yardstick for a delivered file: see the [module's documentation](super).
    ///
    /// # Errors
    /// As [`Clip::check`].
    pub fn as_delivered(&self) -> Result<Self> {
        self.check()?;
        let (width, height) = (self.width as usize, self.height as usize);
        let space = ColorSpace::BT709_LIMITED;
        let (even_width, even_height) = (width.next_multiple_of(2), height.next_multiple_of(2));
        let mut data = vec![0; self.data.len()];
        data.par_chunks_mut(self.frame_bytes()).zip(self.data.par_chunks(self.frame_bytes())).for_each(|(to, from)| {
            let picture = Picture::from_rgb(from, width, height, even_width, even_height, space);
            picture.view().write_rgb(space, 0, 0, width, to);
        });
        Ok(Self { data, ..*self })
    }

    /// Peak signal-to-noise ratio in dB over all bytes of both clips, with 255 as the peak; infinite for equal clips.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if sizes or frame counts differ.
    pub fn psnr(&self, other: &Self) -> Result<f64> {
        if (self.width, self.height, self.data.len()) != (other.width, other.height, other.data.len()) {
            return Err(Error::ShapeMismatch { left: format!("{self:?}"), right: format!("{other:?}") });
        }
        let squares: u64 = self.data.iter().zip(&other.data).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
        let mean = squares as f64 / self.data.len().max(1) as f64;
        Ok(if squares == 0 { f64::INFINITY } else { 10.0 * (255.0 * 255.0 / mean).log10() })
    }
}

/// Without the pixels, which nobody reads in a log.
impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}, {} frames at {}/s", self.width, self.height, self.frame_count(), self.frames_per_second)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_checked() {
        let clip = Clip::new(3, 2, 8.0, vec![7; 3 * 2 * 3 * 4]).unwrap();
        assert_eq!(clip.frame_count(), 4);
        assert_eq!(clip.frame(3).len(), 18);
        assert_eq!(clip.frames().len(), 4);
        assert!((clip.duration_secs() - 0.5).abs() < 1e-12);
        assert!(matches!(Clip::new(3, 2, 8.0, vec![0; 17]), Err(Error::ClipSize { frame_bytes: 18, bytes: 17, .. })));
        assert!(matches!(Clip::new(3, 2, 8.0, vec![]), Err(Error::EmptyClip { .. })));
        assert!(matches!(Clip::new(0, 2, 8.0, vec![1]), Err(Error::EmptyClip { .. })));
        assert!(matches!(Clip::new(1, 1, f64::NAN, vec![0; 3]), Err(Error::FrameRate { .. })));
        assert!(matches!(Clip::new(u32::MAX, u32::MAX, 8.0, vec![0; 3]), Err(Error::ClipSize { .. })));
    }

    #[test]
    fn psnr_is_zero_at_worst_and_infinite_at_best() {
        let black = Clip::new(2, 2, 1.0, vec![0; 12]).unwrap();
        let white = Clip::new(2, 2, 1.0, vec![255; 12]).unwrap();
        assert!(black.psnr(&white).unwrap().abs() < 1e-12);
        assert_eq!(black.psnr(&black).unwrap(), f64::INFINITY);
        let longer = Clip::new(2, 2, 1.0, vec![0; 24]).unwrap();
        assert!(matches!(black.psnr(&longer), Err(Error::ShapeMismatch { .. })));
    }

    #[test]
    fn delivery_costs_nothing_on_grey_and_little_on_flat_colour() {
        let grey = Clip::new(5, 3, 8.0, (0..45).map(|i| (i / 3 * 17) as u8).collect()).unwrap();
        // 219 luma steps for 256 greys: off by one at most.
        assert!(grey.psnr(&grey.as_delivered().unwrap()).unwrap() > 48.0);
        let flat = Clip::new(6, 4, 8.0, [200, 30, 90].repeat(24)).unwrap();
        let delivered = flat.as_delivered().unwrap();
        assert!(flat.data.iter().zip(&delivered.data).all(|(a, b)| a.abs_diff(*b) <= 2), "{:?}", &delivered.data[..3]);
    }
}
