//! Convolutions as products over gathered rows: an output pixel's row is its receptive field, tap by tap.

use super::gemm::Rows;

/// Where a tap falls outside the image.
const PADDING: u32 = u32::MAX;

/// A two-dimensional convolution's geometry for one image size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Geometry {
    /// Input height and width in pixels.
    pub(crate) input: (usize, usize),
    /// The image the convolution sees: the input, or the input scaled up to this size by nearest neighbours.
    pub(crate) scaled: (usize, usize),
    /// Kernel height and width (square).
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    /// Zeros before the first and after the last row and column.
    pub(crate) padding: (usize, usize),
}

impl Geometry {
    /// Output height and width.
    pub(crate) fn output(&self) -> (usize, usize) {
        let extent = |len: usize| (len + self.padding.0 + self.padding.1).saturating_sub(self.kernel) / self.stride + 1;
        (extent(self.scaled.0), extent(self.scaled.1))
    }

    /// Input pixel of every tap of every output pixel, output-major.
    pub(crate) fn taps(&self) -> Taps {
        let (height, width) = self.output();
        let nearest = |position: usize, from: usize, to: usize| {
            if from == to { position } else { nearest_source(position, from, to) }
        };
        let source = |out: usize, tap: usize, from: usize, to: usize| {
            let position = (out * self.stride + tap).checked_sub(self.padding.0)?;
            (position < to).then(|| nearest(position, from, to))
        };
        let mut pixels = Vec::with_capacity(height * width * self.kernel * self.kernel);
        for y in 0..height {
            for x in 0..width {
                for ky in 0..self.kernel {
                    let row = source(y, ky, self.input.0, self.scaled.0);
                    for kx in 0..self.kernel {
                        let column = source(x, kx, self.input.1, self.scaled.1);
                        pixels.push(match (row, column) {
                            (Some(row), Some(column)) => (row * self.input.1 + column) as u32,
                            _ => PADDING,
                        });
                    }
                }
            }
        }
        Taps { pixels, per_output: self.kernel * self.kernel, output_pixels: height * width }
    }
}

/// PyTorch's nearest-neighbour source index: the scale is rounded to f32 first.
fn nearest_source(position: usize, from: usize, to: usize) -> usize {
    let scale = from as f32 / to as f32;
    ((position as f32 * scale) as usize).min(from - 1)
}

/// Receptive fields of a convolution.
pub(crate) struct Taps {
    pixels: Vec<u32>,
    per_output: usize,
    /// Pixels of one output image.
    pub(crate) output_pixels: usize,
}

/// Rows of the convolution of some consecutive images.
pub(crate) struct ConvRows<'a> {
    /// `(images, input pixels, channels)`.
    data: &'a [f32],
    taps: &'a Taps,
    zeros: &'a [f32],
    channels: usize,
    image_len: usize,
}

impl<'a> ConvRows<'a> {
    /// `zeros` must hold at least `channels` zeros.
    pub(crate) fn new(data: &'a [f32], taps: &'a Taps, zeros: &'a [f32], channels: usize, input_pixels: usize) -> Self {
        debug_assert!(zeros.len() >= channels);
        Self { data, taps, zeros, channels, image_len: input_pixels * channels }
    }
}

impl Rows for ConvRows<'_> {
    fn segments(&self) -> usize {
        self.taps.per_output
    }
    fn segment_len(&self) -> usize {
        self.channels
    }
    fn segment(&self, row: usize, segment: usize) -> *const f32 {
        let (image, pixel) = (row / self.taps.output_pixels, row % self.taps.output_pixels);
        match self.taps.pixels[pixel * self.taps.per_output + segment] {
            PADDING => self.zeros.as_ptr(),
            source => self.data[image * self.image_len + source as usize * self.channels..][..self.channels].as_ptr(),
        }
    }
}

/// Rows of a temporal convolution with kernel 3: the same pixel of the frame before, the frame and the frame after.
pub(crate) struct TemporalRows<'a> {
    /// `(frames, pixels, channels)`.
    data: &'a [f32],
    zeros: &'a [f32],
    frames: usize,
    skipped: usize,
    pixels: usize,
    channels: usize,
}

impl<'a> TemporalRows<'a> {
    /// Rows are `frame * pixels + pixel`, counted from frame `skipped` of `data` (1 where its first frame is only read); what
    /// is beyond the frames is zero. `zeros` must hold at least `channels` zeros.
    pub(crate) fn new(
        data: &'a [f32],
        zeros: &'a [f32],
        frames: usize,
        skipped: usize,
        pixels: usize,
        channels: usize,
    ) -> Self {
        debug_assert!(zeros.len() >= channels);
        Self { data, zeros, frames, skipped, pixels, channels }
    }
}

impl Rows for TemporalRows<'_> {
    fn segments(&self) -> usize {
        3
    }
    fn segment_len(&self) -> usize {
        self.channels
    }
    fn segment(&self, row: usize, segment: usize) -> *const f32 {
        let (frame, pixel) = (row / self.pixels + self.skipped + segment, row % self.pixels);
        if frame == 0 || frame > self.frames {
            self.zeros.as_ptr()
        } else {
            self.data[((frame - 1) * self.pixels + pixel) * self.channels..][..self.channels].as_ptr()
        }
    }
}
