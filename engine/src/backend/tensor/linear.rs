//! Linear layers.

use candle_core::Tensor;

use super::{Tensors, product};
use crate::error::Result;
use crate::weights::Source;

/// `y = x W^T + b`.
#[derive(Debug)]
pub(super) struct Linear {
    /// `(inputs, outputs)`, a view of the file's `(outputs, inputs)`.
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// From `weight` `(outputs, inputs)` and `bias` `(outputs)` in main memory.
    pub(super) fn new(backend: &Tensors, weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        Ok(Self { weight: backend.place_factor(weight)?.t()?, bias: bias.map(|bias| backend.place(bias)).transpose()? })
    }

    pub(super) fn load(
        backend: &Tensors,
        source: &Source<'_>,
        inputs: usize,
        outputs: usize,
        bias: bool,
    ) -> Result<Self> {
        let weight = backend.read(source, "weight", &[outputs, inputs])?;
        let bias = if bias { Some(backend.read(source, "bias", &[outputs])?) } else { None };
        Self::new(backend, &weight, bias.as_ref())
    }

    /// Of rows `(rows, inputs)`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = product(x, &self.weight)?;
        Ok(match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        })
    }
}
