//! The network as a list of units in the order they run: what is loaded, run, sent and counted as one.
//!
//! Everything that needs to know the network's structure reads this list: loading, running it whole or in parts, streaming and
//! gathering weights, and predicting what a plan costs.

use super::UNet3DConfig;
use crate::backend::{ConvSpec, GroupNormSpec, ResnetSpec, TimeSpec, TransformerSpec};

/// Heads of `transformer_in`, whatever the config says.
const HEADS_IN: usize = 8;

/// What a unit computes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum UnitKind {
    /// The timestep embedding; always the first unit.
    Time(TimeSpec),
    /// A convolution of each frame.
    Conv(ConvSpec),
    /// A convolution after doubling height and width.
    Upsample(ConvSpec),
    /// A residual block; `skip` takes the last skip along.
    Resnet { spec: ResnetSpec, skip: bool },
    /// `TemporalConvLayer`.
    TemporalConv { channels: usize, groups: usize },
    /// `Transformer2DModel`.
    SpatialTransformer(TransformerSpec),
    /// `TransformerTemporalModel`.
    TemporalTransformer(TransformerSpec),
    /// Group norm, SiLU and convolution to the output.
    Out { norm: GroupNormSpec, conv: ConvSpec },
}

/// A part of the network with weights of its own.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// Where its tensors are; empty for the output's two layers, which have places of their own.
    pub(crate) path: String,
    pub(crate) kind: UnitKind,
    /// Level of the U that it belongs to, from the outside in. A downsampler belongs to the level it leaves and an upsampler to
    /// the level it enters, so that what crosses between two levels is small.
    pub(crate) level: usize,
    /// Whether its output is a skip.
    pub(crate) keeps_skip: bool,
    /// Diffusers' name for the map after it, where it has one.
    pub(crate) shown_as: Option<String>,
}

impl Unit {
    fn new(path: impl Into<String>, level: usize, kind: UnitKind) -> Self {
        Self { path: path.into(), kind, level, keeps_skip: false, shown_as: None }
    }

    /// Whether it attends to the text.
    pub(crate) fn sees_text(&self) -> bool {
        matches!(self.kind, UnitKind::SpatialTransformer(_))
    }

    /// Names and shapes of its tensors.
    pub(crate) fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut tensors = Tensors { prefix: &self.path, list: Vec::new() };
        match self.kind {
            UnitKind::Time(spec) => {
                tensors.layer("linear_1", &[spec.out_channels, spec.in_channels], true);
                tensors.layer("linear_2", &[spec.out_channels, spec.out_channels], true);
            }
            UnitKind::Conv(spec) | UnitKind::Upsample(spec) => tensors.conv("", spec),
            UnitKind::Resnet { spec, .. } => {
                let ResnetSpec { in_channels, out_channels, time_channels, .. } = spec;
                tensors.layer("norm1", &[in_channels], true);
                tensors.conv("conv1", ConvSpec::same(in_channels, out_channels, 3));
                if let Some(time_channels) = time_channels {
                    tensors.layer("time_emb_proj", &[out_channels, time_channels], true);
                }
                tensors.layer("norm2", &[out_channels], true);
                tensors.conv("conv2", ConvSpec::same(out_channels, out_channels, 3));
                if in_channels != out_channels {
                    tensors.conv("conv_shortcut", ConvSpec::same(in_channels, out_channels, 1));
                }
            }
            UnitKind::TemporalConv { channels, .. } => {
                for (stage, conv) in [("conv1", 2), ("conv2", 3), ("conv3", 3), ("conv4", 3)] {
                    tensors.layer(&format!("{stage}.0"), &[channels], true);
                    tensors.layer(&format!("{stage}.{conv}"), &[channels, channels, 3, 1, 1], true);
                }
            }
            UnitKind::SpatialTransformer(spec) => tensors.transformer(spec, spec.text_channels),
            UnitKind::TemporalTransformer(spec) => tensors.transformer(spec, spec.heads * spec.head_dim),
            UnitKind::Out { norm, conv } => {
                tensors.layer("conv_norm_out", &[norm.channels], true);
                tensors.conv("conv_out", conv);
            }
        }
        tensors.list
    }

    /// Numbers in its tensors.
    pub(crate) fn parameters(&self) -> u64 {
        self.tensors().iter().map(|(_, shape)| shape.iter().map(|&n| n as u64).product::<u64>()).sum()
    }
}

struct Tensors<'a> {
    prefix: &'a str,
    list: Vec<(String, Vec<usize>)>,
}

impl Tensors<'_> {
    fn push(&mut self, place: &str, name: &str, shape: &[usize]) {
        let parts = [self.prefix, place, name];
        let joined: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        self.list.push((joined.join("."), shape.to_vec()));
    }

    fn layer(&mut self, place: &str, weight: &[usize], bias: bool) {
        self.push(place, "weight", weight);
        if bias {
            self.push(place, "bias", &weight[..1]);
        }
    }

    fn conv(&mut self, place: &str, spec: ConvSpec) {
        self.layer(place, &[spec.out_channels, spec.in_channels, spec.kernel, spec.kernel], true);
    }

    /// `second` is the width of what the second attention's keys and values are made from.
    fn transformer(&mut self, spec: TransformerSpec, second: usize) {
        let (channels, inner) = (spec.channels, spec.heads * spec.head_dim);
        self.layer("norm", &[channels], true);
        self.layer("proj_in", &[inner, channels], true);
        for (attention, width) in [("attn1", inner), ("attn2", second)] {
            let place = |name: &str| format!("transformer_blocks.0.{attention}.{name}");
            self.layer(&place("to_q"), &[inner, inner], false);
            self.layer(&place("to_k"), &[inner, width], false);
            self.layer(&place("to_v"), &[inner, width], false);
            self.layer(&place("to_out.0"), &[inner, inner], true);
        }
        for norm in ["norm1", "norm2", "norm3"] {
            self.layer(&format!("transformer_blocks.0.{norm}"), &[inner], true);
        }
        self.layer("transformer_blocks.0.ff.net.0.proj", &[8 * inner, inner], true);
        self.layer("transformer_blocks.0.ff.net.2", &[inner, 4 * inner], true);
        self.layer("proj_out", &[channels, inner], true);
    }
}

/// All units of a network, in order.
pub(crate) fn program(config: &UNet3DConfig) -> Vec<Unit> {
    let mut program = Program { config, units: Vec::new() };
    let channels = config.levels[0];
    let last = config.levels.len() - 1;
    program.add(
        "time_embedding",
        0,
        UnitKind::Time(TimeSpec { in_channels: channels, out_channels: 4 * channels, activation: config.activation }),
    );
    program.add("conv_in", 0, UnitKind::Conv(ConvSpec::same(config.in_channels, channels, 3)));
    program.show("conv_in".to_owned());
    let heads_in = TransformerSpec { heads: HEADS_IN, ..transformer_spec(config, channels) };
    program.add("transformer_in", 0, UnitKind::TemporalTransformer(heads_in));
    program.show("transformer_in".to_owned());
    program.keep_skip();
    for level in 0..=last {
        program.down_block(level);
        program.show(format!("down_blocks.{level}"));
    }
    program.mid_block();
    program.show("mid_block".to_owned());
    for index in 0..=last {
        program.up_block(index);
        program.show(format!("up_blocks.{index}"));
    }
    program.add(
        "",
        0,
        UnitKind::Out {
            norm: GroupNormSpec { channels, groups: config.norm_groups, epsilon: config.norm_epsilon },
            conv: ConvSpec::same(channels, config.out_channels, 3),
        },
    );
    program.units
}

fn transformer_spec(config: &UNet3DConfig, channels: usize) -> TransformerSpec {
    TransformerSpec {
        channels,
        heads: channels / config.head_dim,
        head_dim: config.head_dim,
        groups: config.norm_groups,
        text_channels: config.text_channels,
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

struct Program<'a> {
    config: &'a UNet3DConfig,
    units: Vec<Unit>,
}

impl Program<'_> {
    fn add(&mut self, path: impl Into<String>, level: usize, kind: UnitKind) {
        self.units.push(Unit::new(path, level, kind));
    }

    fn keep_skip(&mut self) {
        if let Some(unit) = self.units.last_mut() {
            unit.keeps_skip = true;
        }
    }

    fn show(&mut self, name: String) {
        if let Some(unit) = self.units.last_mut() {
            unit.shown_as = Some(name);
        }
    }

    /// ResNet and temporal convolution.
    fn layer(&mut self, block: &str, index: usize, level: usize, spec: ResnetSpec, skip: bool) {
        self.add(format!("{block}.resnets.{index}"), level, UnitKind::Resnet { spec, skip });
        let kind = UnitKind::TemporalConv { channels: spec.out_channels, groups: self.config.norm_groups };
        self.add(format!("{block}.temp_convs.{index}"), level, kind);
    }

    /// Spatial and temporal transformer.
    fn attention(&mut self, block: &str, index: usize, level: usize, channels: usize) {
        let spec = transformer_spec(self.config, channels);
        self.add(format!("{block}.attentions.{index}"), level, UnitKind::SpatialTransformer(spec));
        self.add(format!("{block}.temp_attentions.{index}"), level, UnitKind::TemporalTransformer(spec));
    }

    /// `DownBlock3D` or `CrossAttnDownBlock3D`: every layer's output is a skip, and so is the downsampler's.
    fn down_block(&mut self, level: usize) {
        let config = self.config;
        let block = format!("down_blocks.{level}");
        let out_channels = config.levels[level];
        let in_channels = config.levels[level.saturating_sub(1)];
        for i in 0..config.layers_per_block {
            let spec = resnet_spec(config, if i == 0 { in_channels } else { out_channels }, out_channels);
            self.layer(&block, i, level, spec, false);
            if config.down_cross_attention[level] {
                self.attention(&block, i, level, out_channels);
            }
            self.keep_skip();
        }
        if level + 1 < config.levels.len() {
            let conv = ConvSpec::halve(out_channels, config.downsample_padding);
            self.add(format!("{block}.downsamplers.0.conv"), level, UnitKind::Conv(conv));
            self.keep_skip();
        }
    }

    /// `UNetMidBlock3DCrossAttn`.
    fn mid_block(&mut self) {
        let config = self.config;
        let last = config.levels.len() - 1;
        let channels = config.levels[last];
        let spec = ResnetSpec {
            output_scale_factor: config.mid_block_scale_factor,
            ..resnet_spec(config, channels, channels)
        };
        self.layer("mid_block", 0, last, spec, false);
        self.attention("mid_block", 0, last, channels);
        self.layer("mid_block", 1, last, spec, false);
    }

    /// `UpBlock3D` or `CrossAttnUpBlock3D`; `index` counts from the inside out.
    fn up_block(&mut self, index: usize) {
        let config = self.config;
        let last = config.levels.len() - 1;
        let level = last - index;
        let block = format!("up_blocks.{index}");
        let out_channels = config.levels[level];
        let previous_channels = config.levels[(level + 1).min(last)];
        let next_channels = config.levels[level.saturating_sub(1)];
        let count = config.layers_per_block + 1;
        for i in 0..count {
            let skip_channels = if i + 1 == count { next_channels } else { out_channels };
            let in_channels = if i == 0 { previous_channels } else { out_channels };
            let spec = resnet_spec(config, in_channels + skip_channels, out_channels);
            self.layer(&block, i, level, spec, true);
            if config.up_cross_attention[index] {
                self.attention(&block, i, level, out_channels);
            }
        }
        if index < last {
            let conv = ConvSpec::same(out_channels, out_channels, 3);
            self.add(format!("{block}.upsamplers.0.conv"), level - 1, UnitKind::Upsample(conv));
        }
    }
}
