//! `vae/config.json`.

use std::path::Path;

use serde::Deserialize;

use crate::error::Result;
use crate::kernels::elementwise::Activation;
use crate::models::config::{ConfigFile, activation};

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
    act_fn: String,
    latent_channels: usize,
    norm_num_groups: usize,
    scaling_factor: f64,
    shift_factor: Option<f64>,
    latents_mean: Option<serde_json::Value>,
    use_quant_conv: bool,
    use_post_quant_conv: bool,
    mid_block_add_attention: bool,
}

impl Default for Json {
    fn default() -> Self {
        Self {
            class_name: String::new(),
            in_channels: 3,
            out_channels: 3,
            down_block_types: vec!["DownEncoderBlock2D".to_owned()],
            up_block_types: vec!["UpDecoderBlock2D".to_owned()],
            block_out_channels: vec![64],
            layers_per_block: 1,
            act_fn: "silu".to_owned(),
            latent_channels: 4,
            norm_num_groups: 32,
            scaling_factor: 0.18215,
            shift_factor: None,
            latents_mean: None,
            use_quant_conv: true,
            use_post_quant_conv: true,
            mid_block_add_attention: true,
        }
    }
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub(crate) struct VaeConfig {
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    pub(crate) latent_channels: usize,
    pub(crate) levels: Vec<usize>,
    pub(crate) layers_per_block: usize,
    pub(crate) activation: Activation,
    pub(crate) norm_groups: usize,
    /// Latents are multiplied by this after encoding and divided by it before decoding.
    pub(crate) scaling_factor: f64,
    pub(crate) quant_conv: bool,
    pub(crate) post_quant_conv: bool,
    pub(crate) mid_attention: bool,
}

impl VaeConfig {
    /// Reads and checks `config.json`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = ConfigFile::<Json>::read(path)?;
        let json = &file.value;
        file.require(json.class_name == "AutoencoderKL", || {
            format!("`_class_name` is `{}`; this engine runs AutoencoderKL", json.class_name)
        })?;
        let n = json.block_out_channels.len();
        file.require((1..=8).contains(&n), || format!("`block_out_channels` has {n} levels, expected 1 to 8"))?;
        let all = |types: &[String], name: &str| types.len() == n && types.iter().all(|t| t == name);
        file.require(all(&json.down_block_types, "DownEncoderBlock2D"), || {
            format!("`down_block_types` must be {n} times `DownEncoderBlock2D`")
        })?;
        file.require(all(&json.up_block_types, "UpDecoderBlock2D"), || {
            format!("`up_block_types` must be {n} times `UpDecoderBlock2D`")
        })?;
        let groups = json.norm_num_groups;
        file.require(groups > 0, || "`norm_num_groups` must be positive".to_owned())?;
        file.require(json.block_out_channels.iter().all(|&c| c > 0 && c <= 1 << 14 && c % groups == 0), || {
            format!("`block_out_channels` must be positive multiples of {groups} norm groups")
        })?;
        file.require((1..=16).contains(&json.layers_per_block), || "`layers_per_block` must be 1 to 16".to_owned())?;
        let channels = [json.in_channels, json.out_channels, json.latent_channels];
        file.require(channels.iter().all(|c| (1..=1024).contains(c)), || {
            "channel counts must be 1 to 1024".to_owned()
        })?;
        file.require(json.scaling_factor.is_finite() && json.scaling_factor != 0.0, || {
            "`scaling_factor` must be a number other than 0".to_owned()
        })?;
        file.require(
            json.shift_factor.is_none_or(|shift| shift == 0.0)
                && json.latents_mean.as_ref().is_none_or(serde_json::Value::is_null),
            || "`shift_factor` and `latents_mean` are not used by text-to-video models of this family".to_owned(),
        )?;
        let activation =
            activation(&json.act_fn).ok_or_else(|| file.error(format!("`act_fn` `{}` is not known", json.act_fn)))?;
        Ok(Self {
            in_channels: json.in_channels,
            out_channels: json.out_channels,
            latent_channels: json.latent_channels,
            levels: json.block_out_channels.clone(),
            layers_per_block: json.layers_per_block,
            activation,
            norm_groups: groups,
            scaling_factor: json.scaling_factor,
            quant_conv: json.use_quant_conv,
            post_quant_conv: json.use_post_quant_conv,
            mid_attention: json.mid_block_add_attention,
        })
    }

    /// Pixels per latent, in each direction.
    pub(crate) fn factor(&self) -> usize {
        1 << (self.levels.len() - 1)
    }
}
