//! Feature maps in memory.

use crate::backend::MapShape;

/// `(frames, height, width, channels)` values.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    pub(crate) shape: MapShape,
    data: Vec<f32>,
}

impl Map {
    pub(crate) fn from_values(shape: MapShape, data: Vec<f32>) -> Self {
        assert_eq!(data.len(), shape.frames * shape.height * shape.width * shape.channels, "values and shape differ");
        Self { shape, data }
    }

    pub(crate) fn zeros(shape: MapShape) -> Self {
        Self { shape, data: vec![0.0; shape.frames * shape.height * shape.width * shape.channels] }
    }

    pub(crate) fn values(&self) -> &[f32] {
        &self.data
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// Pixels of a frame.
    pub(crate) fn pixels(&self) -> usize {
        self.shape.height * self.shape.width
    }

    /// Floats of a frame.
    pub(crate) fn frame_len(&self) -> usize {
        self.pixels() * self.shape.channels
    }

    /// One frame, `(pixels, channels)`.
    pub(crate) fn frame(&self, frame: usize) -> &[f32] {
        &self.data[frame * self.frame_len()..][..self.frame_len()]
    }
}
