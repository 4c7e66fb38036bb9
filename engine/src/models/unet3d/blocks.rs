//! Layers and blocks of the U.

use std::sync::Arc;

use super::UNet3DConfig;
use crate::backend::{Backend, ConvSpec, ResnetSpec, TransformerSpec};
use crate::error::Result;
use crate::weights::Source;

/// Text keys and values of the layers of a model, in the order the layers run.
pub(super) struct Texts<'a, B: Backend> {
    next: std::slice::Iter<'a, B::Text>,
}

impl<'a, B: Backend> Texts<'a, B> {
    pub(super) fn new(texts: &'a [B::Text]) -> Self {
        Self { next: texts.iter() }
    }
}

/// Spatial and temporal transformer of one layer.
pub(super) struct Attention<B: Backend> {
    spatial: B::SpatialTransformer,
    temporal: B::TemporalTransformer,
}

impl<B: Backend> Attention<B> {
    fn load(backend: &B, block: &Source<'_>, index: usize, channels: usize, config: &UNet3DConfig) -> Result<Self> {
        let spec = TransformerSpec {
            channels,
            heads: channels / config.head_dim,
            head_dim: config.head_dim,
            groups: config.norm_groups,
            text_channels: config.text_channels,
        };
        Ok(Self {
            spatial: backend.load_spatial_transformer(&block.sub("attentions").sub(index), spec)?,
            temporal: backend.load_temporal_transformer(&block.sub("temp_attentions").sub(index), spec)?,
        })
    }

    fn run(&self, backend: &B, x: B::Map, texts: &mut Texts<'_, B>) -> Result<B::Map> {
        // `TextContext::new` visited the same layers in the same order.
        let Some(text) = texts.next.next() else { return Ok(x) };
        let x = backend.spatial_transformer(&self.spatial, x, text)?;
        backend.temporal_transformer(&self.temporal, x)
    }
}

/// ResNet, temporal convolution and, in cross-attention blocks, the transformers.
pub(super) struct Layer<B: Backend> {
    resnet: B::Resnet,
    temporal_conv: B::TemporalConv,
    attention: Option<Attention<B>>,
}

impl<B: Backend> Layer<B> {
    fn load(
        backend: &B,
        block: &Source<'_>,
        index: usize,
        spec: ResnetSpec,
        cross_attention: bool,
        config: &UNet3DConfig,
    ) -> Result<Self> {
        let attention = if cross_attention {
            Some(Attention::load(backend, block, index, spec.out_channels, config)?)
        } else {
            None
        };
        Ok(Self {
            resnet: backend.load_resnet(&block.sub("resnets").sub(index), spec)?,
            temporal_conv: backend.load_temporal_conv(
                &block.sub("temp_convs").sub(index),
                spec.out_channels,
                config.norm_groups,
            )?,
            attention,
        })
    }

    fn run(
        &self,
        backend: &B,
        x: &B::Map,
        skip: Option<&B::Map>,
        time: &B::Time,
        texts: &mut Texts<'_, B>,
    ) -> Result<B::Map> {
        let x = self.before_text(backend, x, skip, time)?;
        self.with_text(backend, x, texts)
    }

    fn before_text(&self, backend: &B, x: &B::Map, skip: Option<&B::Map>, time: &B::Time) -> Result<B::Map> {
        let x = backend.resnet(&self.resnet, x, skip, Some(time))?;
        backend.temporal_conv(&self.temporal_conv, x)
    }

    fn with_text(&self, backend: &B, x: B::Map, texts: &mut Texts<'_, B>) -> Result<B::Map> {
        match &self.attention {
            Some(attention) => attention.run(backend, x, texts),
            None => Ok(x),
        }
    }

    fn spatial(&self) -> Option<&B::SpatialTransformer> {
        self.attention.as_ref().map(|attention| &attention.spatial)
    }
}

fn resnet_spec(config: &UNet3DConfig, in_channels: usize, out_channels: usize) -> ResnetSpec {
    ResnetSpec {
        in_channels,
        out_channels,
        time_channels: Some(4 * config.levels[0]),
        groups: config.norm_groups,
        epsilon: config.norm_epsilon,
        activation: config.activation,
        output_scale_factor: 1.0,
    }
}

/// `DownBlock3D` or `CrossAttnDownBlock3D`.
pub(super) struct DownBlock<B: Backend> {
    first: Layer<B>,
    others: Vec<Layer<B>>,
    downsampler: Option<B::Conv>,
}

impl<B: Backend> DownBlock<B> {
    pub(super) fn load(backend: &B, source: &Source<'_>, level: usize, config: &UNet3DConfig) -> Result<Self> {
        let out_channels = config.levels[level];
        let in_channels = config.levels[level.saturating_sub(1)];
        let source = source.sub("down_blocks").sub(level);
        let layer = |i: usize| {
            let spec = resnet_spec(config, if i == 0 { in_channels } else { out_channels }, out_channels);
            Layer::load(backend, &source, i, spec, config.down_cross_attention[level], config)
        };
        let first = layer(0)?;
        let others = (1..config.layers_per_block).map(layer).collect::<Result<_>>()?;
        let downsampler = if level + 1 < config.levels.len() {
            Some(backend.load_conv(
                &source.sub("downsamplers.0.conv"),
                ConvSpec::halve(out_channels, config.downsample_padding),
            )?)
        } else {
            None
        };
        Ok(Self { first, others, downsampler })
    }

    /// The part of the block that sees no text yet.
    pub(super) fn before_text(&self, backend: &B, x: &B::Map, time: &B::Time) -> Result<B::Map> {
        self.first.before_text(backend, x, None, time)
    }

    /// The rest of the block after [`before_text`](Self::before_text). Pushes every layer's output: each is a skip, and the last
    /// the input of the next block.
    pub(super) fn with_text(
        &self,
        backend: &B,
        x: B::Map,
        time: &B::Time,
        texts: &mut Texts<'_, B>,
        skips: &mut Vec<Arc<B::Map>>,
    ) -> Result<Arc<B::Map>> {
        let mut x = Arc::new(self.first.with_text(backend, x, texts)?);
        skips.push(Arc::clone(&x));
        for layer in &self.others {
            x = Arc::new(layer.run(backend, &x, None, time, texts)?);
            skips.push(Arc::clone(&x));
        }
        if let Some(downsampler) = &self.downsampler {
            x = Arc::new(backend.conv(downsampler, &x, None)?);
            skips.push(Arc::clone(&x));
        }
        Ok(x)
    }

    pub(super) fn spatial(&self) -> impl Iterator<Item = &B::SpatialTransformer> {
        std::iter::once(&self.first).chain(&self.others).filter_map(Layer::spatial)
    }
}

/// `UpBlock3D` or `CrossAttnUpBlock3D`.
pub(super) struct UpBlock<B: Backend> {
    layers: Vec<Layer<B>>,
    upsampler: Option<B::Conv>,
}

impl<B: Backend> UpBlock<B> {
    /// `index` counts from the inside out.
    pub(super) fn load(backend: &B, source: &Source<'_>, index: usize, config: &UNet3DConfig) -> Result<Self> {
        let last = config.levels.len() - 1;
        let out_channels = config.levels[last - index];
        let previous_channels = config.levels[(last - index + 1).min(last)];
        let next_channels = config.levels[(last - index).saturating_sub(1)];
        let source = source.sub("up_blocks").sub(index);
        let count = config.layers_per_block + 1;
        let layers = (0..count)
            .map(|i| {
                let skip_channels = if i + 1 == count { next_channels } else { out_channels };
                let in_channels = if i == 0 { previous_channels } else { out_channels };
                let spec = resnet_spec(config, in_channels + skip_channels, out_channels);
                Layer::load(backend, &source, i, spec, config.up_cross_attention[index], config)
            })
            .collect::<Result<_>>()?;
        let upsampler = if index < last {
            Some(backend.load_conv(&source.sub("upsamplers.0.conv"), ConvSpec::same(out_channels, out_channels, 3))?)
        } else {
            None
        };
        Ok(Self { layers, upsampler })
    }

    /// Takes skips from the end of `skips`; the result has the size of the next skip where diffusers asks for that.
    pub(super) fn run(
        &self,
        backend: &B,
        mut x: B::Map,
        skips: &mut Vec<Arc<B::Map>>,
        time: &B::Time,
        texts: &mut Texts<'_, B>,
        fit_next_skip: bool,
    ) -> Result<B::Map> {
        for layer in &self.layers {
            x = layer.run(backend, &x, skips.pop().as_deref(), time, texts)?;
        }
        let Some(upsampler) = &self.upsampler else { return Ok(x) };
        let shape = backend.shape(&x)?;
        let size = match skips.last() {
            Some(skip) if fit_next_skip => {
                let next = backend.shape(skip)?;
                (next.height, next.width)
            }
            _ => (2 * shape.height, 2 * shape.width),
        };
        backend.conv(upsampler, &x, Some(size))
    }

    pub(super) fn spatial(&self) -> impl Iterator<Item = &B::SpatialTransformer> {
        self.layers.iter().filter_map(Layer::spatial)
    }
}

/// `UNetMidBlock3DCrossAttn`.
pub(super) struct MidBlock<B: Backend> {
    first: Layer<B>,
    attention: Attention<B>,
    second: Layer<B>,
}

impl<B: Backend> MidBlock<B> {
    pub(super) fn load(backend: &B, source: &Source<'_>, config: &UNet3DConfig) -> Result<Self> {
        let channels = config.levels[config.levels.len() - 1];
        let source = source.sub("mid_block");
        let spec = ResnetSpec {
            output_scale_factor: config.mid_block_scale_factor,
            ..resnet_spec(config, channels, channels)
        };
        Ok(Self {
            first: Layer::load(backend, &source, 0, spec, false, config)?,
            attention: Attention::load(backend, &source, 0, channels, config)?,
            second: Layer::load(backend, &source, 1, spec, false, config)?,
        })
    }

    pub(super) fn run(&self, backend: &B, x: &B::Map, time: &B::Time, texts: &mut Texts<'_, B>) -> Result<B::Map> {
        let x = self.first.run(backend, x, None, time, texts)?;
        let x = self.attention.run(backend, x, texts)?;
        self.second.run(backend, &x, None, time, texts)
    }

    pub(super) fn spatial(&self) -> impl Iterator<Item = &B::SpatialTransformer> {
        std::iter::once(&self.attention.spatial)
    }
}
