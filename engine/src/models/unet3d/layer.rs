//! A unit with its weights.

use super::program::{Unit, UnitKind};
use crate::backend::Backend;
use crate::error::Result;
use crate::weights::{Source, Weights};

/// A loaded unit.
pub(crate) enum Layer<B: Backend> {
    Time(B::TimeEmbedding),
    Conv(B::Conv),
    Upsample(B::Conv),
    Resnet { layer: B::Resnet, skip: bool },
    TemporalConv(B::TemporalConv),
    SpatialTransformer(B::SpatialTransformer),
    TemporalTransformer(B::TemporalTransformer),
    Out(B::NormConv),
}

impl<B: Backend> Layer<B> {
    /// Loads a unit's tensors.
    pub(crate) fn load(backend: &B, weights: &Weights, unit: &Unit) -> Result<Self> {
        let root = Source::root(weights);
        let source = root.sub(&unit.path);
        Ok(match unit.kind {
            UnitKind::Time(spec) => Layer::Time(backend.load_time_embedding(&source, spec)?),
            UnitKind::Conv(spec) => Layer::Conv(backend.load_conv(&source, spec)?),
            UnitKind::Upsample(spec) => Layer::Upsample(backend.load_conv(&source, spec)?),
            UnitKind::Resnet { spec, skip } => Layer::Resnet { layer: backend.load_resnet(&source, spec)?, skip },
            UnitKind::TemporalConv { channels, groups } => {
                Layer::TemporalConv(backend.load_temporal_conv(&source, channels, groups)?)
            }
            UnitKind::SpatialTransformer(spec) => {
                Layer::SpatialTransformer(backend.load_spatial_transformer(&source, spec)?)
            }
            UnitKind::TemporalTransformer(spec) => {
                Layer::TemporalTransformer(backend.load_temporal_transformer(&source, spec)?)
            }
            UnitKind::Out { norm, conv } => {
                Layer::Out(backend.load_norm_conv(&root.sub("conv_norm_out"), &root.sub("conv_out"), norm, conv)?)
            }
        })
    }
}
