//! The tensor backend: candle on CUDA, on Metal, and on the CPU for f16 and bf16.
//!
//! A map is one contiguous tensor `(frames, height, width, channels)`, channels last in memory too. Linear layers, layer
//! norms, attention and temporal convolutions are then products over rows without a permutation, and only group norm would
//! gain from the other order. Convolutions are products over gathered rows (see `conv`): candle's own needs channels first,
//! gathers the whole clip's receptive fields at once (nine times the map) and transposes what comes out.
//!
//! * Whatever would grow with frames x pixels x a layer's width is cut into pieces of a bounded number of bytes: scores of
//!   attention, receptive fields, hidden layers of feed-forward networks, f32 copies in group norms. The bounds are in
//!   `pieces`; a layer then needs its input, its output and, by calculation, under 1 GiB.
//! * Statistics of norms, softmax and the timestep embedding are f32 whatever the activations are. Products add in f32
//!   and round once: candle's choice on CUDA, and on the CPU, where candle has no bf16 product, ours.
//! * Nothing waits for the device inside a layer; index tables and weights are uploaded once.

mod attention;
mod conv;
mod device;
mod linear;
mod norm;
mod pieces;
mod pixel_attention;
mod resnet;
mod spatial;
mod tables;
mod temporal_conv;
mod temporal_transformer;
mod time;
mod transformer_block;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::{Backend, ConvSpec, Frames, GroupNormSpec, MapShape, ResnetSpec, TimeSpec, TransformerSpec};
use crate::error::{EngineError, Result};
use crate::kernels::elementwise::Activation;
use crate::weights::{RawTensor, Source};

pub(crate) use device::Chosen;
pub use device::{DeviceMemory, TensorDevice};

/// A device that candle runs, and the number format of activations and weights on it.
#[derive(Clone, Debug)]
pub(crate) struct Tensors {
    device: Device,
    dtype: DType,
    tables: Arc<tables::Tables>,
    bounds: pieces::Bounds,
}

impl Tensors {
    /// `dtype` is F32, F16 or BF16.
    pub(crate) fn new(device: Device, dtype: DType) -> Self {
        Self { device, dtype, tables: Arc::default(), bounds: pieces::Bounds::default() }
    }

    /// The same device with f32 weights, for layers that are small and sensitive.
    fn in_f32(&self) -> Self {
        Self { dtype: DType::F32, ..self.clone() }
    }

    /// A tensor of the file, in f32 in main memory.
    fn read(&self, source: &Source<'_>, name: &str, shape: &[usize]) -> Result<Tensor> {
        let tensor = match source.read(name, shape)? {
            RawTensor::F32(data) => Tensor::from_vec(data, shape, &Device::Cpu)?,
            RawTensor::F16(data) => Tensor::from_vec(data, shape, &Device::Cpu)?,
            RawTensor::Bf16(data) => Tensor::from_vec(data, shape, &Device::Cpu)?,
        };
        Ok(tensor.to_dtype(DType::F32)?)
    }

    /// Puts a tensor on the device in the backend's format.
    fn place(&self, tensor: &Tensor) -> Result<Tensor> {
        Ok(tensor.to_dtype(self.dtype)?.contiguous()?.to_device(&self.device)?)
    }

    /// As [`place`](Self::place), for the right side of a product: on the CPU these stay f32, rounded to the format.
    fn place_factor(&self, tensor: &Tensor) -> Result<Tensor> {
        let placed = self.place(tensor)?;
        Ok(if self.device.is_cpu() { placed.to_dtype(DType::F32)? } else { placed })
    }

    /// A tensor of the file on the device.
    fn load(&self, source: &Source<'_>, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.place(&self.read(source, name, shape)?)
    }
}

/// `a . b` over the last two dimensions, in `a`'s format, with sums in f32.
fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.device().is_cpu() && a.dtype() != DType::F32 {
        return Ok(a.to_dtype(DType::F32)?.matmul(&b.to_dtype(DType::F32)?)?.to_dtype(a.dtype())?);
    }
    Ok(a.matmul(b)?)
}

/// Temporal layers of this backend see whole clips only.
fn all_frames(frames: Frames<'_>) -> Result<()> {
    match frames {
        Frames::All => Ok(()),
        Frames::Some(_) => Err(EngineError::Request(
            "frame shards run on the CPU in f32; choose `--device cpu --dtype f32`, or a plan without `frames=`"
                .to_owned(),
        )),
    }
}

/// Applies an activation function.
fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    Ok(match activation {
        Activation::Silu => x.silu()?,
        Activation::Gelu => x.gelu_erf()?,
        Activation::QuickGelu => (x * candle_nn::ops::sigmoid(&(x * 1.702)?)?)?,
        Activation::Mish => candle_nn::ops::mish(x)?,
        Activation::Relu => x.relu()?,
    })
}

/// A feature map.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    shape: MapShape,
    /// `(frames, height, width, channels)`, contiguous.
    values: Tensor,
}

impl Map {
    /// From values in the map's order, in any dimensions.
    fn new(shape: MapShape, values: &Tensor) -> Result<Self> {
        let MapShape { frames, height, width, channels } = shape;
        Ok(Self { shape, values: values.reshape((frames, height, width, channels))? })
    }

    /// A map of the same size, perhaps with another number of channels.
    fn like(&self, channels: usize, values: &Tensor) -> Result<Self> {
        Self::new(MapShape { channels, ..self.shape }, values)
    }

    fn pixels(&self) -> usize {
        self.shape.height * self.shape.width
    }

    /// `(frames, pixels, channels)`.
    fn frames(&self) -> Result<Tensor> {
        Ok(self.values.reshape((self.shape.frames, self.pixels(), self.shape.channels))?)
    }

    /// `(frames * pixels, channels)`.
    fn rows(&self) -> Result<Tensor> {
        Ok(self.values.reshape((self.shape.frames * self.pixels(), self.shape.channels))?)
    }
}

impl Backend for Tensors {
    type Map = Map;
    type Time = Tensor;
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
        let len = values.len();
        Map::new(shape, &Tensor::from_vec(values, len, &self.device)?.to_dtype(self.dtype)?)
    }

    fn download(&self, map: &Map) -> Result<Vec<f32>> {
        Ok(map.values.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
    }

    fn shape(&self, map: &Map) -> Result<MapShape> {
        Ok(map.shape)
    }

    fn load_conv(&self, source: &Source<'_>, spec: ConvSpec) -> Result<conv::Conv> {
        conv::Conv::load(self, source, spec)
    }

    fn conv(&self, conv: &conv::Conv, x: &Map, scaled: Option<(usize, usize)>) -> Result<Map> {
        conv.forward(self, x, scaled, None)
    }

    fn load_norm_conv(
        &self,
        norm: &Source<'_>,
        conv: &Source<'_>,
        norm_spec: GroupNormSpec,
        conv_spec: ConvSpec,
    ) -> Result<conv::NormConv> {
        conv::NormConv::load(self, norm, conv, norm_spec, conv_spec)
    }

    fn norm_conv(&self, layer: &conv::NormConv, x: &Map) -> Result<Map> {
        layer.forward(self, x)
    }

    fn load_resnet(&self, source: &Source<'_>, spec: ResnetSpec) -> Result<resnet::Resnet> {
        resnet::Resnet::load(self, source, spec)
    }

    fn resnet(&self, layer: &resnet::Resnet, x: &Map, skip: Option<&Map>, time: Option<&Tensor>) -> Result<Map> {
        layer.forward(self, x, skip, time)
    }

    fn load_temporal_conv(
        &self,
        source: &Source<'_>,
        channels: usize,
        groups: usize,
    ) -> Result<temporal_conv::TemporalConv> {
        temporal_conv::TemporalConv::load(self, source, channels, groups)
    }

    fn temporal_conv(&self, layer: &temporal_conv::TemporalConv, x: Map, frames: Frames<'_>) -> Result<Map> {
        all_frames(frames)?;
        layer.forward(&x)
    }

    fn load_spatial_transformer(
        &self,
        source: &Source<'_>,
        spec: TransformerSpec,
    ) -> Result<spatial::SpatialTransformer> {
        spatial::SpatialTransformer::load(self, source, spec)
    }

    fn prepare_text(&self, layer: &spatial::SpatialTransformer, text: &[f32]) -> Result<spatial::TextKeysValues> {
        layer.prepare_text(self, text)
    }

    fn spatial_transformer(
        &self,
        layer: &spatial::SpatialTransformer,
        x: Map,
        text: &spatial::TextKeysValues,
    ) -> Result<Map> {
        layer.forward(&x, text)
    }

    fn load_temporal_transformer(
        &self,
        source: &Source<'_>,
        spec: TransformerSpec,
    ) -> Result<temporal_transformer::TemporalTransformer> {
        temporal_transformer::TemporalTransformer::load(self, source, spec)
    }

    fn temporal_transformer(
        &self,
        layer: &temporal_transformer::TemporalTransformer,
        x: Map,
        frames: Frames<'_>,
    ) -> Result<Map> {
        all_frames(frames)?;
        layer.forward(&x)
    }

    fn load_time_embedding(&self, source: &Source<'_>, spec: TimeSpec) -> Result<time::TimeEmbedding> {
        time::TimeEmbedding::load(self, source, spec)
    }

    fn time_embedding(&self, layer: &time::TimeEmbedding, timestep: f32) -> Result<Tensor> {
        layer.forward(self, timestep)
    }

    fn load_pixel_attention(
        &self,
        source: &Source<'_>,
        norm: GroupNormSpec,
    ) -> Result<pixel_attention::PixelAttention> {
        pixel_attention::PixelAttention::load(self, source, norm)
    }

    fn pixel_attention(&self, layer: &pixel_attention::PixelAttention, x: Map) -> Result<Map> {
        layer.forward(&x)
    }
}
