//! Encoder and decoder.

use super::VaeConfig;
use crate::backend::{Backend, ConvSpec, GroupNormSpec, MapShape, ResnetSpec};
use crate::error::{EngineError, Result};
use crate::weights::{Source, Weights};

/// Fixed in diffusers.
const EPSILON: f64 = 1e-6;

struct Mid<B: Backend> {
    first: B::Resnet,
    attention: Option<B::PixelAttention>,
    second: B::Resnet,
}

struct Level<B: Backend> {
    resnets: Vec<B::Resnet>,
    resample: Option<B::Conv>,
}

struct Encoder<B: Backend> {
    conv_in: B::Conv,
    levels: Vec<Level<B>>,
    mid: Mid<B>,
    out: B::NormConv,
    quant_conv: Option<B::Conv>,
}

struct Decoder<B: Backend> {
    post_quant_conv: Option<B::Conv>,
    conv_in: B::Conv,
    mid: Mid<B>,
    levels: Vec<Level<B>>,
    out: B::NormConv,
}

/// `AutoencoderKL` on a backend.
pub(crate) struct Vae<B: Backend> {
    backend: B,
    config: VaeConfig,
    encoder: Option<Encoder<B>>,
    decoder: Decoder<B>,
}

/// Older exporters named the attention's layers after the original code.
fn today(name: &str) -> Option<String> {
    let (before, rest) = name.split_once(".attentions.0.")?;
    let renamed = [("query.", "to_q."), ("key.", "to_k."), ("value.", "to_v."), ("proj_attn.", "to_out.0.")]
        .into_iter()
        .find_map(|(old, new)| rest.strip_prefix(old).map(|tail| format!("{new}{tail}")))?;
    Some(format!("{before}.attentions.0.{renamed}"))
}

impl<B: Backend> Vae<B> {
    /// Loads the decoder and, if wanted, the encoder. Tensors of a part that is not wanted are not read.
    pub(crate) fn load(backend: B, config: VaeConfig, mut weights: Weights, with_encoder: bool) -> Result<Self> {
        weights.rename(today);
        let source = Source::root(&weights);
        let encoder = if with_encoder { Some(load_encoder(&backend, &source, &config)?) } else { None };
        let decoder = load_decoder(&backend, &source, &config)?;
        if with_encoder {
            weights.finish()?;
        } else {
            weights.finish_except(&["encoder.", "quant_conv."])?;
        }
        Ok(Self { backend, config, encoder, decoder })
    }

    pub(crate) fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// Decodes scaled latents `(frames, height, width, channels)` to values around -1 to 1, `(frames, height, width, 3)`.
    pub(crate) fn decode(&self, latents: Vec<f32>, shape: MapShape) -> Result<Vec<f32>> {
        let backend = &self.backend;
        if shape.channels != self.config.latent_channels {
            return Err(EngineError::Request(format!(
                "latents have {} channels, the VAE expects {}",
                shape.channels, self.config.latent_channels
            )));
        }
        let scale = self.config.scaling_factor as f32;
        let unscaled = latents.into_iter().map(|x| x / scale).collect();
        let mut x = backend.upload(shape, unscaled)?;
        let decoder = &self.decoder;
        if let Some(conv) = &decoder.post_quant_conv {
            x = backend.conv(conv, &x, None)?;
        }
        x = backend.conv(&decoder.conv_in, &x, None)?;
        x = run_mid(backend, &decoder.mid, &x)?;
        for level in &decoder.levels {
            for resnet in &level.resnets {
                x = backend.resnet(resnet, &x, None, None)?;
            }
            if let Some(upsample) = &level.resample {
                let shape = backend.shape(&x)?;
                x = backend.conv(upsample, &x, Some((2 * shape.height, 2 * shape.width)))?;
            }
        }
        backend.download(&backend.norm_conv(&decoder.out, &x)?)
    }

    /// The mean of the posterior, scaled: latents of `pixels`, `(frames, height, width, channels)` around -1 to 1.
    pub(crate) fn encode_mean(&self, pixels: Vec<f32>, shape: MapShape) -> Result<(Vec<f32>, MapShape)> {
        let backend = &self.backend;
        let Some(encoder) = &self.encoder else {
            return Err(EngineError::Request("this VAE was loaded without its encoder".to_owned()));
        };
        let mut x = backend.upload(shape, pixels)?;
        x = backend.conv(&encoder.conv_in, &x, None)?;
        for level in &encoder.levels {
            for resnet in &level.resnets {
                x = backend.resnet(resnet, &x, None, None)?;
            }
            if let Some(downsample) = &level.resample {
                x = backend.conv(downsample, &x, None)?;
            }
        }
        x = run_mid(backend, &encoder.mid, &x)?;
        x = backend.norm_conv(&encoder.out, &x)?;
        if let Some(conv) = &encoder.quant_conv {
            x = backend.conv(conv, &x, None)?;
        }
        let moments_shape = backend.shape(&x)?;
        let (channels, scale) = (self.config.latent_channels, self.config.scaling_factor as f32);
        let moments = backend.download(&x)?;
        // The first half of the channels are means, the second log variances.
        let means =
            moments.chunks_exact(2 * channels).flat_map(|pixel| &pixel[..channels]).map(|x| x * scale).collect();
        Ok((means, MapShape { channels, ..moments_shape }))
    }
}

fn resnet_spec(config: &VaeConfig, in_channels: usize, out_channels: usize) -> ResnetSpec {
    ResnetSpec {
        in_channels,
        out_channels,
        time_channels: None,
        groups: config.norm_groups,
        epsilon: EPSILON,
        activation: config.activation,
        output_scale_factor: 1.0,
    }
}

fn norm_spec(config: &VaeConfig, channels: usize) -> GroupNormSpec {
    GroupNormSpec { channels, groups: config.norm_groups, epsilon: EPSILON }
}

fn load_mid<B: Backend>(backend: &B, source: &Source<'_>, config: &VaeConfig) -> Result<Mid<B>> {
    let channels = config.levels[config.levels.len() - 1];
    let source = source.sub("mid_block");
    let resnet = |i| backend.load_resnet(&source.sub("resnets").sub(i), resnet_spec(config, channels, channels));
    let attention = if config.mid_attention {
        Some(backend.load_pixel_attention(&source.sub("attentions.0"), norm_spec(config, channels))?)
    } else {
        None
    };
    Ok(Mid { first: resnet(0)?, attention, second: resnet(1)? })
}

fn run_mid<B: Backend>(backend: &B, mid: &Mid<B>, x: &B::Map) -> Result<B::Map> {
    let mut x = backend.resnet(&mid.first, x, None, None)?;
    if let Some(attention) = &mid.attention {
        x = backend.pixel_attention(attention, x)?;
    }
    backend.resnet(&mid.second, &x, None, None)
}

fn load_level<B: Backend>(
    backend: &B,
    source: &Source<'_>,
    config: &VaeConfig,
    in_channels: usize,
    out_channels: usize,
    layers: usize,
    resample: Option<(&str, ConvSpec)>,
) -> Result<Level<B>> {
    let resnets = (0..layers)
        .map(|i| {
            let spec = resnet_spec(config, if i == 0 { in_channels } else { out_channels }, out_channels);
            backend.load_resnet(&source.sub("resnets").sub(i), spec)
        })
        .collect::<Result<_>>()?;
    let resample = resample.map(|(name, spec)| backend.load_conv(&source.sub(name), spec)).transpose()?;
    Ok(Level { resnets, resample })
}

fn load_encoder<B: Backend>(backend: &B, source: &Source<'_>, config: &VaeConfig) -> Result<Encoder<B>> {
    let root = source;
    let source = source.sub("encoder");
    let last = config.levels.len() - 1;
    let levels = (0..=last)
        .map(|i| {
            let channels = config.levels[i];
            let resample = (i < last).then(|| ("downsamplers.0.conv", ConvSpec::halve(channels, 0)));
            let in_channels = config.levels[i.saturating_sub(1)];
            load_level(
                backend,
                &source.sub("down_blocks").sub(i),
                config,
                in_channels,
                channels,
                config.layers_per_block,
                resample,
            )
        })
        .collect::<Result<_>>()?;
    let moments = 2 * config.latent_channels;
    Ok(Encoder {
        conv_in: backend.load_conv(&source.sub("conv_in"), ConvSpec::same(config.in_channels, config.levels[0], 3))?,
        levels,
        mid: load_mid(backend, &source, config)?,
        out: backend.load_norm_conv(
            &source.sub("conv_norm_out"),
            &source.sub("conv_out"),
            norm_spec(config, config.levels[last]),
            ConvSpec::same(config.levels[last], moments, 3),
        )?,
        quant_conv: if config.quant_conv {
            Some(backend.load_conv(&root.sub("quant_conv"), ConvSpec::same(moments, moments, 1))?)
        } else {
            None
        },
    })
}

fn load_decoder<B: Backend>(backend: &B, source: &Source<'_>, config: &VaeConfig) -> Result<Decoder<B>> {
    let root = source;
    let source = source.sub("decoder");
    let last = config.levels.len() - 1;
    let latent = config.latent_channels;
    let levels = (0..=last)
        .map(|i| {
            let channels = config.levels[last - i];
            let in_channels = config.levels[(last - i + 1).min(last)];
            let resample = (i < last).then(|| ("upsamplers.0.conv", ConvSpec::same(channels, channels, 3)));
            load_level(
                backend,
                &source.sub("up_blocks").sub(i),
                config,
                in_channels,
                channels,
                config.layers_per_block + 1,
                resample,
            )
        })
        .collect::<Result<_>>()?;
    Ok(Decoder {
        post_quant_conv: if config.post_quant_conv {
            Some(backend.load_conv(&root.sub("post_quant_conv"), ConvSpec::same(latent, latent, 1))?)
        } else {
            None
        },
        conv_in: backend.load_conv(&source.sub("conv_in"), ConvSpec::same(latent, config.levels[last], 3))?,
        mid: load_mid(backend, &source, config)?,
        levels,
        out: backend.load_norm_conv(
            &source.sub("conv_norm_out"),
            &source.sub("conv_out"),
            norm_spec(config, config.levels[0]),
            ConvSpec::same(config.levels[0], config.out_channels, 3),
        )?,
    })
}
