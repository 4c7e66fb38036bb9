//! The whole network.

use std::sync::Arc;

use super::UNet3DConfig;
use super::blocks::{DownBlock, MidBlock, Texts, UpBlock};
use crate::backend::{Backend, ConvSpec, GroupNormSpec, MapShape, TimeSpec, TransformerSpec};
use crate::error::{EngineError, Result};
use crate::weights::{Source, Weights};

/// Heads of `transformer_in`, whatever the config says.
const HEADS_IN: usize = 8;

/// A text as the cross-attention layers see it; made once per job.
pub(crate) struct TextContext<B: Backend> {
    texts: Vec<B::Text>,
}

/// An evaluation up to where the text comes in.
pub(crate) struct Entered<B: Backend> {
    time: Arc<B::Time>,
    /// Output of `transformer_in`, the first skip.
    skip: Arc<B::Map>,
    /// Input of the first layer that may attend to text.
    before_text: B::Map,
    fit_skips: bool,
}

impl<B: Backend> Clone for Entered<B> {
    fn clone(&self) -> Self {
        Self {
            time: Arc::clone(&self.time),
            skip: Arc::clone(&self.skip),
            before_text: self.before_text.clone(),
            fit_skips: self.fit_skips,
        }
    }
}

/// `UNet3DConditionModel` on a backend.
pub(crate) struct UNet3D<B: Backend> {
    backend: B,
    config: UNet3DConfig,
    time_embedding: B::TimeEmbedding,
    conv_in: B::Conv,
    transformer_in: B::TemporalTransformer,
    down_blocks: Vec<DownBlock<B>>,
    mid_block: MidBlock<B>,
    up_blocks: Vec<UpBlock<B>>,
    out: B::NormConv,
}

impl<B: Backend> UNet3D<B> {
    /// Loads all weights, strictly.
    pub(crate) fn load(backend: B, config: UNet3DConfig, weights: &Weights) -> Result<Self> {
        let source = Source::root(weights);
        let channels = config.levels[0];
        let groups = config.norm_groups;
        if config.has_guidance_projection {
            source.sub("time_embedding").skip("cond_proj.weight");
        }
        let model = Self {
            time_embedding: backend.load_time_embedding(
                &source.sub("time_embedding"),
                TimeSpec { in_channels: channels, out_channels: 4 * channels, activation: config.activation },
            )?,
            conv_in: backend.load_conv(&source.sub("conv_in"), ConvSpec::same(config.in_channels, channels, 3))?,
            transformer_in: backend.load_temporal_transformer(
                &source.sub("transformer_in"),
                TransformerSpec {
                    channels,
                    heads: HEADS_IN,
                    head_dim: config.head_dim,
                    groups,
                    text_channels: config.text_channels,
                },
            )?,
            down_blocks: (0..config.levels.len())
                .map(|level| DownBlock::load(&backend, &source, level, &config))
                .collect::<Result<_>>()?,
            mid_block: MidBlock::load(&backend, &source, &config)?,
            up_blocks: (0..config.levels.len())
                .map(|index| UpBlock::load(&backend, &source, index, &config))
                .collect::<Result<_>>()?,
            out: backend.load_norm_conv(
                &source.sub("conv_norm_out"),
                &source.sub("conv_out"),
                GroupNormSpec { channels, groups, epsilon: config.norm_epsilon },
                ConvSpec::same(channels, config.out_channels, 3),
            )?,
            backend,
            config,
        };
        weights.finish()?;
        Ok(model)
    }

    pub(crate) fn config(&self) -> &UNet3DConfig {
        &self.config
    }

    /// Keys and values of text states `(tokens, text_channels)` for every layer that attends to them.
    pub(crate) fn prepare_text(&self, text: &[f32]) -> Result<TextContext<B>> {
        if text.is_empty() || !text.len().is_multiple_of(self.config.text_channels) {
            return Err(EngineError::Request(format!(
                "text states have {} values, which is not a multiple of the model's {} text channels",
                text.len(),
                self.config.text_channels
            )));
        }
        let down = self.down_blocks.iter().flat_map(DownBlock::spatial);
        let up = self.up_blocks.iter().flat_map(UpBlock::spatial);
        let layers = down.chain(self.mid_block.spatial()).chain(up);
        Ok(TextContext { texts: layers.map(|layer| self.backend.prepare_text(layer, text)).collect::<Result<_>>()? })
    }

    /// One evaluation. `sample` is `(channels, frames, height, width)`, and so is the result, with the model's output
    /// channels.
    pub(crate) fn forward(
        &self,
        sample: &[f32],
        size: [usize; 3],
        timestep: f32,
        text: &TextContext<B>,
    ) -> Result<Vec<f32>> {
        self.forward_traced(sample, size, timestep, text, &mut |_, _| Ok(()))
    }

    /// As [`forward`](Self::forward), showing intermediate maps by diffusers' names.
    pub(crate) fn forward_traced(
        &self,
        sample: &[f32],
        size: [usize; 3],
        timestep: f32,
        text: &TextContext<B>,
        trace: &mut dyn FnMut(&str, &B::Map) -> Result<()>,
    ) -> Result<Vec<f32>> {
        let entered = self.enter_traced(sample, size, timestep, trace)?;
        self.leave_traced(entered, text, trace)
    }

    /// The part of an evaluation that sees no text: both branches of guidance have it in common.
    pub(crate) fn enter(&self, sample: &[f32], size: [usize; 3], timestep: f32) -> Result<Entered<B>> {
        self.enter_traced(sample, size, timestep, &mut |_, _| Ok(()))
    }

    /// The rest of an evaluation after [`enter`](Self::enter).
    pub(crate) fn leave(&self, entered: Entered<B>, text: &TextContext<B>) -> Result<Vec<f32>> {
        self.leave_traced(entered, text, &mut |_, _| Ok(()))
    }

    fn enter_traced(
        &self,
        sample: &[f32],
        [frames, height, width]: [usize; 3],
        timestep: f32,
        trace: &mut dyn FnMut(&str, &B::Map) -> Result<()>,
    ) -> Result<Entered<B>> {
        let backend = &self.backend;
        let channels = self.config.in_channels;
        let elements = channels * frames * height * width;
        if elements == 0 || sample.len() != elements {
            return Err(EngineError::Request(format!(
                "the latent has {} values, expected {channels} x {frames} x {height} x {width}",
                sample.len()
            )));
        }
        let Some(first) = self.down_blocks.first() else {
            return Err(EngineError::Request("the model has no levels".to_owned()));
        };
        let time = backend.time_embedding(&self.time_embedding, timestep)?;
        let shape = MapShape { frames, height, width, channels };
        let x = backend.upload(shape, to_channels_last(sample, shape))?;
        let x = backend.conv(&self.conv_in, &x, None)?;
        trace("conv_in", &x)?;
        let x = backend.temporal_transformer(&self.transformer_in, x)?;
        trace("transformer_in", &x)?;
        let before_text = first.before_text(backend, &x, &time)?;
        // As diffusers: only sizes that do not halve evenly make the way up follow the skips' sizes.
        let factor = 1 << (self.config.levels.len() - 1);
        let fit_skips = height % factor != 0 || width % factor != 0;
        Ok(Entered { time: Arc::new(time), skip: Arc::new(x), before_text, fit_skips })
    }

    fn leave_traced(
        &self,
        entered: Entered<B>,
        text: &TextContext<B>,
        trace: &mut dyn FnMut(&str, &B::Map) -> Result<()>,
    ) -> Result<Vec<f32>> {
        let backend = &self.backend;
        let Entered { time, skip, before_text, fit_skips } = entered;
        let mut texts = Texts::new(&text.texts);
        let mut x = Arc::clone(&skip);
        let mut skips = vec![skip];
        let mut before_text = Some(before_text);
        for (i, block) in self.down_blocks.iter().enumerate() {
            let start = match before_text.take() {
                Some(start) => start,
                None => block.before_text(backend, &x, &time)?,
            };
            x = block.with_text(backend, start, &time, &mut texts, &mut skips)?;
            trace(&format!("down_blocks.{i}"), &x)?;
        }
        let inner = self.mid_block.run(backend, &x, &time, &mut texts)?;
        // So that the last skip ends with the layer that takes it.
        drop(x);
        let mut x = inner;
        trace("mid_block", &x)?;
        for (i, block) in self.up_blocks.iter().enumerate() {
            x = block.run(backend, x, &mut skips, &time, &mut texts, fit_skips)?;
            trace(&format!("up_blocks.{i}"), &x)?;
        }
        let x = backend.norm_conv(&self.out, &x)?;
        let shape = backend.shape(&x)?;
        Ok(to_channels_first(&backend.download(&x)?, shape))
    }
}

/// `(channels, frames, pixels)` to `(frames, pixels, channels)`.
pub(crate) fn to_channels_last(values: &[f32], shape: MapShape) -> Vec<f32> {
    let (channels, plane) = (shape.channels, shape.frames * shape.height * shape.width);
    let mut out = vec![0.0; values.len()];
    for (channel, plane_values) in values.chunks_exact(plane).enumerate() {
        for (i, value) in plane_values.iter().enumerate() {
            out[i * channels + channel] = *value;
        }
    }
    out
}

/// `(frames, pixels, channels)` to `(channels, frames, pixels)`.
pub(crate) fn to_channels_first(values: &[f32], shape: MapShape) -> Vec<f32> {
    let (channels, plane) = (shape.channels, shape.frames * shape.height * shape.width);
    let mut out = vec![0.0; values.len()];
    for (i, pixel) in values.chunks_exact(channels).enumerate() {
        for (channel, value) in pixel.iter().enumerate() {
            out[channel * plane + i] = *value;
        }
    }
    out
}
