//! A borrowed clip: the one input type of every score.

use super::QualityError;

/// RGB8 frames, `frames x height x width x 3`, borrowed from whoever decoded the clip.
#[derive(Clone, Copy, Debug)]
pub struct FramesView<'a> {
    width: usize,
    height: usize,
    data: &'a [u8],
}

impl<'a> TryFrom<&'a crate::video::Clip> for FramesView<'a> {
    type Error = QualityError;

    fn try_from(clip: &'a crate::video::Clip) -> Result<Self, QualityError> {
        Self::new(clip.width, clip.height, &clip.data)
    }
}

impl<'a> FramesView<'a> {
    /// Longest side that can be scored, in pixels: bounds the memory of one frame's buffers.
    pub const MAX_SIDE_PIXELS: u32 = 8192;

    /// Wraps `data`, which must be a whole, non-zero number of `width x height` RGB frames.
    ///
    /// # Errors
    /// [`QualityError::EmptyClip`], [`QualityError::TooLarge`] and [`QualityError::Frames`].
    pub fn new(width: u32, height: u32, data: &'a [u8]) -> Result<Self, QualityError> {
        if width == 0 || height == 0 || data.is_empty() {
            return Err(QualityError::EmptyClip { width, height, frames: 0 });
        }
        let limit = Self::MAX_SIDE_PIXELS;
        if width > limit || height > limit {
            return Err(QualityError::TooLarge { width, height, limit });
        }
        // Both sides are at most 8192, so the product fits any usize of 32 bits or more.
        let frame_bytes = width as usize * height as usize * 3;
        if !data.len().is_multiple_of(frame_bytes) {
            return Err(QualityError::Frames { width, height, bytes: data.len() });
        }
        Ok(Self { width: width as usize, height: height as usize, data })
    }

    /// Pixels per row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows per frame.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Frames in the clip, at least one.
    #[must_use]
    pub fn frame_count(&self) -> usize {
        self.data.len() / self.frame_bytes()
    }

    /// Bytes of frame `index`, `height x width x 3`.
    ///
    /// # Panics
    /// When `index` is not below [`Self::frame_count`].
    #[must_use]
    pub fn frame(&self, index: usize) -> &'a [u8] {
        let bytes = self.frame_bytes();
        &self.data[index * bytes..(index + 1) * bytes]
    }

    /// All frames in order.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        self.data.chunks_exact(self.frame_bytes())
    }

    fn frame_bytes(&self) -> usize {
        self.width * self.height * 3
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_at_the_right_bytes() {
        let data: Vec<u8> = (0..2 * 3 * 2 * 3).map(|value| value as u8).collect();
        let view = FramesView::new(2, 3, &data).unwrap();
        assert_eq!((view.width(), view.height(), view.frame_count()), (2, 3, 2));
        assert_eq!(view.frame(1), &data[18..]);
        assert_eq!(view.frames().len(), 2);
    }

    #[test]
    fn what_is_no_clip_is_refused() {
        assert!(matches!(FramesView::new(0, 4, &[0; 12]), Err(QualityError::EmptyClip { .. })));
        assert!(matches!(FramesView::new(2, 2, &[]), Err(QualityError::EmptyClip { .. })));
        assert!(matches!(FramesView::new(2, 2, &[0; 13]), Err(QualityError::Frames { bytes: 13, .. })));
        assert!(matches!(FramesView::new(8193, 1, &[0; 3]), Err(QualityError::TooLarge { .. })));
    }
}
