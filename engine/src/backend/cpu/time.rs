//! The timestep embedding.

use super::Linear;
use crate::backend::{TimeSpec, sinusoidal_embedding};
use crate::error::Result;
use crate::kernels::parallel::Par;
use crate::weights::Source;

/// `TimestepEmbedding` with its weights.
pub(crate) struct TimeEmbedding {
    spec: TimeSpec,
    linear1: Linear,
    linear2: Linear,
}

impl TimeEmbedding {
    pub(super) fn load(source: &Source<'_>, spec: TimeSpec) -> Result<Self> {
        let TimeSpec { in_channels, out_channels, .. } = spec;
        Ok(Self {
            spec,
            linear1: Linear::load(&source.sub("linear_1"), in_channels, out_channels, true)?,
            linear2: Linear::load(&source.sub("linear_2"), out_channels, out_channels, true)?,
        })
    }

    /// The embedding, activated as every ResNet does before projecting it.
    pub(super) fn forward(&self, timestep: f32, par: Par) -> Vec<f32> {
        let TimeSpec { in_channels, out_channels, activation } = self.spec;
        let mut hidden = vec![0.0; out_channels];
        self.linear1.write(&sinusoidal_embedding(timestep, in_channels), 1, &mut hidden, par);
        activation.apply(&mut hidden);
        let mut embedding = vec![0.0; out_channels];
        self.linear2.write(&hidden, 1, &mut embedding, par);
        activation.apply(&mut embedding);
        embedding
    }
}
