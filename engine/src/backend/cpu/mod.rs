//! The CPU backend: f32 arithmetic, weights packed in the format they were stored in (f32, f16 or bf16).
//!
//! Spatial layers run whole frames per task, temporal layers whole pixel columns, so that intermediate values stay in a
//! thread's cache and only a layer's input and output exist in full.

mod conv;
mod linear;
mod map;
mod norm;
mod pixel_attention;
mod resnet;
mod spatial;
mod split;
mod temporal_conv;
mod temporal_transformer;
mod time;
mod transformer_block;

use super::{Backend, ConvSpec, Frames, GroupNormSpec, MapShape, ResnetSpec, TimeSpec, TransformerSpec};
use crate::error::Result;
use crate::kernels::parallel::Par;
use crate::weights::Source;

pub(crate) use linear::Linear;
pub(crate) use map::Map;
pub(crate) use norm::LayerNorm;

/// The CPU. Uses the rayon pool it is called in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    par: Par,
}

impl Cpu {
    /// Uses all threads of the current pool.
    pub(crate) fn new() -> Self {
        Self { par: Par::Threads }
    }
}

impl Backend for Cpu {
    type Map = Map;
    type Time = Vec<f32>;
    type Text = spatial::TextKeysValues;
    type Conv = conv::Conv;
    type NormConv = conv::NormConv;
    type Resnet = resnet::Resnet;
    type TemporalConv = temporal_conv::TemporalConv;
    type SpatialTransformer = spatial::SpatialTransformer;
    type TemporalTransformer = temporal_transformer::TemporalTransformer;
    type TimeEmbedding = time::TimeEmbedding;
    type PixelAttention = pixel_attention::PixelAttention;

    fn upload(&self, shape: MapShape, values: Vec<f32>) -> Result<Map> {
        Ok(Map::from_values(shape, values))
    }

    fn download(&self, map: &Map) -> Result<Vec<f32>> {
        Ok(map.values().to_vec())
    }

    fn shape(&self, map: &Map) -> Result<MapShape> {
        Ok(map.shape)
    }

    fn load_conv(&self, source: &Source<'_>, spec: ConvSpec) -> Result<conv::Conv> {
        conv::Conv::load(source, spec)
    }

    fn conv(&self, conv: &conv::Conv, x: &Map, scaled: Option<(usize, usize)>) -> Result<Map> {
        Ok(conv.forward(x, scaled, self.par))
    }

    fn load_norm_conv(
        &self,
        norm: &Source<'_>,
        conv: &Source<'_>,
        norm_spec: GroupNormSpec,
        conv_spec: ConvSpec,
    ) -> Result<conv::NormConv> {
        conv::NormConv::load(norm, conv, norm_spec, conv_spec)
    }

    fn norm_conv(&self, layer: &conv::NormConv, x: &Map) -> Result<Map> {
        Ok(layer.forward(x, self.par))
    }

    fn load_resnet(&self, source: &Source<'_>, spec: ResnetSpec) -> Result<resnet::Resnet> {
        resnet::Resnet::load(source, spec)
    }

    fn resnet(&self, layer: &resnet::Resnet, x: &Map, skip: Option<&Map>, time: Option<&Vec<f32>>) -> Result<Map> {
        Ok(layer.forward(x, skip, time.map(Vec::as_slice), self.par))
    }

    fn load_temporal_conv(
        &self,
        source: &Source<'_>,
        channels: usize,
        groups: usize,
    ) -> Result<temporal_conv::TemporalConv> {
        temporal_conv::TemporalConv::load(source, channels, groups)
    }

    fn temporal_conv(&self, layer: &temporal_conv::TemporalConv, x: Map, frames: Frames<'_>) -> Result<Map> {
        layer.forward(x, frames, self.par)
    }

    fn load_spatial_transformer(
        &self,
        source: &Source<'_>,
        spec: TransformerSpec,
    ) -> Result<spatial::SpatialTransformer> {
        spatial::SpatialTransformer::load(source, spec)
    }

    fn prepare_text(&self, layer: &spatial::SpatialTransformer, text: &[f32]) -> Result<spatial::TextKeysValues> {
        Ok(layer.prepare_text(text, self.par))
    }

    fn spatial_transformer(
        &self,
        layer: &spatial::SpatialTransformer,
        x: Map,
        text: &spatial::TextKeysValues,
    ) -> Result<Map> {
        Ok(layer.forward(x, text, self.par))
    }

    fn load_temporal_transformer(
        &self,
        source: &Source<'_>,
        spec: TransformerSpec,
    ) -> Result<temporal_transformer::TemporalTransformer> {
        temporal_transformer::TemporalTransformer::load(source, spec)
    }

    fn temporal_transformer(
        &self,
        layer: &temporal_transformer::TemporalTransformer,
        x: Map,
        frames: Frames<'_>,
    ) -> Result<Map> {
        layer.forward(x, frames, self.par)
    }

    fn load_time_embedding(&self, source: &Source<'_>, spec: TimeSpec) -> Result<time::TimeEmbedding> {
        time::TimeEmbedding::load(source, spec)
    }

    fn time_embedding(&self, layer: &time::TimeEmbedding, timestep: f32) -> Result<Vec<f32>> {
        Ok(layer.forward(timestep, self.par))
    }

    fn load_pixel_attention(
        &self,
        source: &Source<'_>,
        norm: GroupNormSpec,
    ) -> Result<pixel_attention::PixelAttention> {
        pixel_attention::PixelAttention::load(source, norm)
    }

    fn pixel_attention(&self, layer: &pixel_attention::PixelAttention, x: Map) -> Result<Map> {
        Ok(layer.forward(x, self.par))
    }
}
