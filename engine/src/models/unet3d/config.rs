//! `unet/config.json`.

use std::path::Path;

use serde::Deserialize;

use crate::error::Result;
use crate::kernels::elementwise::Activation;
use crate::models::config::{ConfigFile, activation};

/// Bounds that keep a hostile file from asking for absurd sizes.
const MAX_CHANNELS: usize = 1 << 14;
const MAX_LEVELS: usize = 8;
const MAX_LAYERS: usize = 16;
const MAX_SAMPLE_SIZE: usize = 512;
const DEFAULT_SAMPLE_SIZE: usize = 32;

#[derive(Deserialize)]
#[serde(default)]
struct Json {
    #[serde(rename = "_class_name")]
    class_name: String,
    in_channels: usize,
    out_channels: usize,
    down_block_types: Vec<String>,
    up_block_types: Vec<String>,
    block_out_channels: Vec<usize>,
    layers_per_block: usize,
    downsample_padding: usize,
    mid_block_scale_factor: f32,
    act_fn: String,
    norm_num_groups: usize,
    norm_eps: f64,
    cross_attention_dim: usize,
    attention_head_dim: usize,
    num_attention_heads: Option<serde_json::Value>,
    time_cond_proj_dim: Option<usize>,
    sample_size: Option<usize>,
}

impl Default for Json {
    fn default() -> Self {
        let names = |names: [&str; 4]| names.map(str::to_owned).to_vec();
        Self {
            class_name: String::new(),
            in_channels: 4,
            out_channels: 4,
            down_block_types: names([
                "CrossAttnDownBlock3D",
                "CrossAttnDownBlock3D",
                "CrossAttnDownBlock3D",
                "DownBlock3D",
            ]),
            up_block_types: names(["UpBlock3D", "CrossAttnUpBlock3D", "CrossAttnUpBlock3D", "CrossAttnUpBlock3D"]),
            block_out_channels: vec![320, 640, 1280, 1280],
            layers_per_block: 2,
            downsample_padding: 1,
            mid_block_scale_factor: 1.0,
            act_fn: "silu".to_owned(),
            norm_num_groups: 32,
            norm_eps: 1e-5,
            cross_attention_dim: 1024,
            attention_head_dim: 64,
            num_attention_heads: None,
            time_cond_proj_dim: None,
            sample_size: None,
        }
    }
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub(crate) struct UNet3DConfig {
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    /// Channels of each level, from the outside in.
    pub(crate) levels: Vec<usize>,
    /// Whether each down block attends to the text.
    pub(crate) down_cross_attention: Vec<bool>,
    /// Whether each up block does, from the inside out.
    pub(crate) up_cross_attention: Vec<bool>,
    pub(crate) layers_per_block: usize,
    pub(crate) downsample_padding: usize,
    pub(crate) mid_block_scale_factor: f32,
    pub(crate) activation: Activation,
    pub(crate) norm_groups: usize,
    pub(crate) norm_epsilon: f64,
    pub(crate) text_channels: usize,
    /// Channels of an attention head (diffusers' field name is right here, its variables are not).
    pub(crate) head_dim: usize,
    /// Whether the files hold a projection for guidance embeddings, which text-to-video does not use.
    pub(crate) has_guidance_projection: bool,
    /// Height and width of the latents the model was trained with.
    pub(crate) sample_size: usize,
}

impl UNet3DConfig {
    /// Reads and checks `config.json`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = ConfigFile::<Json>::read(path)?;
        let json = &file.value;
        file.require(json.class_name == "UNet3DConditionModel", || {
            format!("`_class_name` is `{}`; this engine runs UNet3DConditionModel", json.class_name)
        })?;
        let levels = &json.block_out_channels;
        let n = levels.len();
        file.require((1..=MAX_LEVELS).contains(&n), || {
            format!("`block_out_channels` has {n} levels, expected 1 to {MAX_LEVELS}")
        })?;
        file.require(json.down_block_types.len() == n && json.up_block_types.len() == n, || {
            format!("`down_block_types` and `up_block_types` must have {n} entries, as `block_out_channels` has")
        })?;
        let kinds = |types: &[String], plain: &str, cross: &str| -> Result<Vec<bool>> {
            types
                .iter()
                .map(|name| match name.as_str() {
                    name if name == plain => Ok(false),
                    name if name == cross => Ok(true),
                    other => Err(file.error(format!("block type `{other}` is not one of `{plain}` and `{cross}`"))),
                })
                .collect()
        };
        let down_cross_attention = kinds(&json.down_block_types, "DownBlock3D", "CrossAttnDownBlock3D")?;
        let up_cross_attention = kinds(&json.up_block_types, "UpBlock3D", "CrossAttnUpBlock3D")?;
        let (groups, head_dim) = (json.norm_num_groups, json.attention_head_dim);
        file.require(groups > 0, || "`norm_num_groups` must be positive".to_owned())?;
        file.require(head_dim > 0, || "`attention_head_dim` must be positive".to_owned())?;
        file.require(json.num_attention_heads.is_none(), || {
            "`num_attention_heads` must be null: diffusers takes none either".to_owned()
        })?;
        for &channels in levels {
            file.require((1..=MAX_CHANNELS).contains(&channels) && channels % groups == 0, || {
                format!("`block_out_channels` has {channels}, which {groups} norm groups do not divide (or which is above {MAX_CHANNELS})")
            })?;
            file.require(head_dim <= channels, || {
                format!("`attention_head_dim` {head_dim} exceeds a level's {channels} channels")
            })?;
        }
        let sizes = [json.in_channels, json.out_channels, json.cross_attention_dim];
        file.require(sizes.iter().all(|size| (1..=MAX_CHANNELS).contains(size)), || {
            "`in_channels`, `out_channels` and `cross_attention_dim` must be positive".to_owned()
        })?;
        file.require((1..=MAX_LAYERS).contains(&json.layers_per_block), || {
            format!("`layers_per_block` must be 1 to {MAX_LAYERS}")
        })?;
        file.require(json.downsample_padding <= 1, || "`downsample_padding` must be 0 or 1".to_owned())?;
        file.require(json.norm_eps > 0.0 && json.mid_block_scale_factor > 0.0, || {
            "`norm_eps` and `mid_block_scale_factor` must be positive".to_owned()
        })?;
        let activation =
            activation(&json.act_fn).ok_or_else(|| file.error(format!("`act_fn` `{}` is not known", json.act_fn)))?;
        Ok(Self {
            in_channels: json.in_channels,
            out_channels: json.out_channels,
            levels: levels.clone(),
            down_cross_attention,
            up_cross_attention,
            layers_per_block: json.layers_per_block,
            downsample_padding: json.downsample_padding,
            mid_block_scale_factor: json.mid_block_scale_factor,
            activation,
            norm_groups: groups,
            norm_epsilon: json.norm_eps,
            text_channels: json.cross_attention_dim,
            head_dim,
            has_guidance_projection: json.time_cond_proj_dim.is_some(),
            sample_size: json.sample_size.unwrap_or(DEFAULT_SAMPLE_SIZE).clamp(1, MAX_SAMPLE_SIZE),
        })
    }
}
