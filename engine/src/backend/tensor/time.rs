//! The timestep embedding.

use candle_core::Tensor;

use super::linear::Linear;
use super::{Tensors, activate};
use crate::backend::{TimeSpec, sinusoidal_embedding};
use crate::error::Result;
use crate::weights::Source;

/// `TimestepEmbedding` with its weights, in f32: it is small, and every ResNet adds its result.
#[derive(Debug)]
pub(crate) struct TimeEmbedding {
    spec: TimeSpec,
    linear1: Linear,
    linear2: Linear,
}

impl TimeEmbedding {
    pub(super) fn load(backend: &Tensors, source: &Source<'_>, spec: TimeSpec) -> Result<Self> {
        let TimeSpec { in_channels, out_channels, .. } = spec;
        let backend = backend.in_f32();
        Ok(Self {
            spec,
            linear1: Linear::load(&backend, &source.sub("linear_1"), in_channels, out_channels, true)?,
            linear2: Linear::load(&backend, &source.sub("linear_2"), out_channels, out_channels, true)?,
        })
    }

    /// The embedding `(1, out_channels)`, activated as every ResNet does before projecting it.
    pub(super) fn forward(&self, backend: &Tensors, timestep: f32) -> Result<Tensor> {
        let TimeSpec { in_channels, activation, .. } = self.spec;
        let sinusoids =
            Tensor::from_vec(sinusoidal_embedding(timestep, in_channels), (1, in_channels), &backend.device)?;
        let hidden = activate(&self.linear1.forward(&sinusoids)?, activation)?;
        Ok(activate(&self.linear2.forward(&hidden)?, activation)?.to_dtype(backend.dtype)?)
    }
}
