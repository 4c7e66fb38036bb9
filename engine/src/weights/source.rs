//! A place in a component's tensor names.

use std::ops::Range;

use super::{RawTensor, Weights, WeightsError};

/// Weights under a name prefix.
#[derive(Clone)]
pub(crate) struct Source<'a> {
    weights: &'a Weights,
    prefix: String,
}

impl<'a> Source<'a> {
    pub(crate) fn root(weights: &'a Weights) -> Self {
        Self { weights, prefix: String::new() }
    }

    /// The place `name` below this one.
    pub(crate) fn sub(&self, name: impl std::fmt::Display) -> Self {
        Self { weights: self.weights, prefix: format!("{}{name}.", self.prefix) }
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.weights.contains(&self.name(name))
    }

    /// A tensor of the given shape in its own number format.
    pub(crate) fn read(&self, name: &str, shape: &[usize]) -> Result<RawTensor, WeightsError> {
        self.weights.read(&self.name(name), shape)
    }

    /// A tensor of the given shape as f32.
    pub(crate) fn read_f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
        Ok(match self.read(name, shape)? {
            RawTensor::F32(data) => data,
            other => other.to_f32(),
        })
    }

    /// Some elements of a tensor, in row-major order, as f32.
    pub(crate) fn read_part_f32(
        &self,
        name: &str,
        shape: &[usize],
        elements: Range<usize>,
    ) -> Result<Vec<f32>, WeightsError> {
        let (tensor_type, bytes) = self.weights.read_part(&self.name(name), shape, elements)?;
        Ok(RawTensor::from_bytes(tensor_type, &bytes).to_f32())
    }

    /// Counts a tensor as needed without reading it.
    pub(crate) fn skip(&self, name: &str) {
        self.weights.skip(&self.name(name));
    }
}
