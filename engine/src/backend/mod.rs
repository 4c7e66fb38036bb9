//! What models are made of, on a device.
//!
//! A model (`models::unet3d`, `models::vae`) is wiring: which layer follows which, and where skips go. The layers
//! themselves come from a [`Backend`]:
//!
//! * [`cpu::Cpu`]: f32 arithmetic on packed weights with the canonical kernels; the same bits on every CPU.
//! * [`tensor::Tensors`]: candle tensors on any device candle knows (CUDA, Metal, and the CPU for f16 and bf16).
//!
//! Feature maps are `(frames, height, width, channels)`, one clip at a time: classifier-free guidance runs the
//! model twice, since its two branches share weights but not activations, and memory is scarcer than launches.

pub(crate) mod cpu;
mod frames;
pub(crate) mod tensor;

use crate::error::Result;
use crate::kernels::elementwise::Activation;
use crate::weights::Source;

pub(crate) use frames::{Columns, Edges, Exchange, Frames};

/// A two-dimensional convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvSpec {
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    /// Height and width of the kernel.
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    /// Zeros before the first and after the last row and column.
    pub(crate) padding: (usize, usize),
}

impl ConvSpec {
    /// Stride 1, output as large as the input.
    pub(crate) fn same(in_channels: usize, out_channels: usize, kernel: usize) -> Self {
        Self { in_channels, out_channels, kernel, stride: 1, padding: (kernel / 2, kernel / 2) }
    }

    /// Stride 2; diffusers' `padding = 0` means one zero after the last row and column.
    pub(crate) fn halve(channels: usize, padding: usize) -> Self {
        let padding = if padding == 0 { (0, 1) } else { (padding, padding) };
        Self { in_channels: channels, out_channels: channels, kernel: 3, stride: 2, padding }
    }
}

/// Group normalisation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupNormSpec {
    pub(crate) channels: usize,
    pub(crate) groups: usize,
    pub(crate) epsilon: f64,
}

/// `ResnetBlock2D`: two convolutions with group norms and a shortcut, frame by frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResnetSpec {
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    /// Width of the time embedding, if the block takes one.
    pub(crate) time_channels: Option<usize>,
    pub(crate) groups: usize,
    pub(crate) epsilon: f64,
    pub(crate) activation: Activation,
    /// The sum is divided by this.
    pub(crate) output_scale_factor: f32,
}

/// A transformer over the pixels of each frame or over the frames of each pixel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransformerSpec {
    pub(crate) channels: usize,
    pub(crate) heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) groups: usize,
    /// Width of the text states; only spatial transformers see text.
    pub(crate) text_channels: usize,
}

/// The sinusoidal timestep embedding and its two linear layers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeSpec {
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    pub(crate) activation: Activation,
}

/// Size of a feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MapShape {
    pub(crate) frames: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

/// A device that runs layers. Layers are loaded once and hold their weights.
pub(crate) trait Backend: Sized + Send + Sync + 'static {
    /// A feature map.
    type Map: Clone + Send + Sync;
    /// The activated timestep embedding.
    type Time: Send + Sync;
    /// Text keys and values of one spatial transformer.
    type Text: Send + Sync;
    type Conv: Send + Sync;
    type NormConv: Send + Sync;
    type Resnet: Send + Sync;
    type TemporalConv: Send + Sync;
    type SpatialTransformer: Send + Sync;
    type TemporalTransformer: Send + Sync;
    type TimeEmbedding: Send + Sync;
    type PixelAttention: Send + Sync;

    /// A map from values in `(frames, height, width, channels)` order.
    fn upload(&self, shape: MapShape, values: Vec<f32>) -> Result<Self::Map>;
    /// The values of a map.
    fn download(&self, map: &Self::Map) -> Result<Vec<f32>>;
    fn shape(&self, map: &Self::Map) -> Result<MapShape>;

    fn load_conv(&self, source: &Source<'_>, spec: ConvSpec) -> Result<Self::Conv>;
    /// Convolves each frame, after scaling it to `scaled` (height, width) by nearest neighbours if that is given.
    fn conv(&self, conv: &Self::Conv, x: &Self::Map, scaled: Option<(usize, usize)>) -> Result<Self::Map>;

    /// Group norm, SiLU and convolution; the two have names of their own.
    fn load_norm_conv(
        &self,
        norm: &Source<'_>,
        conv: &Source<'_>,
        norm_spec: GroupNormSpec,
        conv_spec: ConvSpec,
    ) -> Result<Self::NormConv>;
    fn norm_conv(&self, layer: &Self::NormConv, x: &Self::Map) -> Result<Self::Map>;

    fn load_resnet(&self, source: &Source<'_>, spec: ResnetSpec) -> Result<Self::Resnet>;
    /// `skip` is concatenated behind `x`'s channels.
    fn resnet(
        &self,
        layer: &Self::Resnet,
        x: &Self::Map,
        skip: Option<&Self::Map>,
        time: Option<&Self::Time>,
    ) -> Result<Self::Map>;

    /// `TemporalConvLayer`: four group norms, SiLUs and convolutions over frames, and a residual.
    fn load_temporal_conv(&self, source: &Source<'_>, channels: usize, groups: usize) -> Result<Self::TemporalConv>;
    fn temporal_conv(&self, layer: &Self::TemporalConv, x: Self::Map, frames: Frames<'_>) -> Result<Self::Map>;

    /// `Transformer2DModel` with linear projections: self-attention over a frame's pixels, cross-attention to the text.
    fn load_spatial_transformer(&self, source: &Source<'_>, spec: TransformerSpec) -> Result<Self::SpatialTransformer>;
    /// Keys and values of the text, `(tokens, text_channels)`, for one layer: the same for every step and frame.
    fn prepare_text(&self, layer: &Self::SpatialTransformer, text: &[f32]) -> Result<Self::Text>;
    fn spatial_transformer(
        &self,
        layer: &Self::SpatialTransformer,
        x: Self::Map,
        text: &Self::Text,
    ) -> Result<Self::Map>;

    /// `TransformerTemporalModel`: two self-attentions over a pixel's frames.
    fn load_temporal_transformer(
        &self,
        source: &Source<'_>,
        spec: TransformerSpec,
    ) -> Result<Self::TemporalTransformer>;
    fn temporal_transformer(
        &self,
        layer: &Self::TemporalTransformer,
        x: Self::Map,
        frames: Frames<'_>,
    ) -> Result<Self::Map>;

    fn load_time_embedding(&self, source: &Source<'_>, spec: TimeSpec) -> Result<Self::TimeEmbedding>;
    /// The embedding of a timestep, activated, as ResNets use it.
    fn time_embedding(&self, layer: &Self::TimeEmbedding, timestep: f32) -> Result<Self::Time>;

    /// The VAE's attention: one head over a frame's pixels, with its own group norm and residual.
    fn load_pixel_attention(&self, source: &Source<'_>, norm: GroupNormSpec) -> Result<Self::PixelAttention>;
    fn pixel_attention(&self, layer: &Self::PixelAttention, x: Self::Map) -> Result<Self::Map>;
}

/// Sinusoidal embedding of Vaswani et al. (2017) as diffusers lays it out: cosines, then sines, then a zero for odd widths.
/// Angles are rounded to f32 as there; the transcendental functions are libm's in f64.
pub(crate) fn sinusoidal_embedding(timestep: f32, channels: usize) -> Vec<f32> {
    let half = channels / 2;
    let angles = (0..half).map(|i| {
        let exponent = (-(libm::log(10_000.0) as f32) * i as f32) / half as f32;
        f64::from(timestep * libm::exp(f64::from(exponent)) as f32)
    });
    let cosines = angles.clone().map(|angle| libm::cos(angle) as f32);
    let sines = angles.map(|angle| libm::sin(angle) as f32);
    cosines.chain(sines).chain(std::iter::once(0.0)).take(channels).collect()
}
