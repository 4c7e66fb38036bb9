//! `text_encoder/config.json`.

use std::path::Path;

use serde::Deserialize;

use crate::error::Result;
use crate::kernels::elementwise::Activation;
use crate::models::config::{ConfigFile, activation};

#[derive(Deserialize)]
#[serde(default)]
struct Json {
    architectures: Vec<String>,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    hidden_act: String,
    layer_norm_eps: f32,
}

impl Default for Json {
    fn default() -> Self {
        Self {
            architectures: Vec::new(),
            vocab_size: 49_408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: "quick_gelu".to_owned(),
            layer_norm_eps: 1e-5,
        }
    }
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub(crate) struct ClipTextConfig {
    pub(crate) vocabulary: usize,
    pub(crate) hidden: usize,
    pub(crate) intermediate: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) positions: usize,
    pub(crate) activation: Activation,
    pub(crate) epsilon: f32,
}

impl ClipTextConfig {
    /// Reads and checks `config.json`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = ConfigFile::<Json>::read(path)?;
        let json = &file.value;
        let known = ["CLIPTextModel", "CLIPTextModelWithProjection"];
        file.require(json.architectures.iter().all(|name| known.contains(&name.as_str())), || {
            format!("`architectures` is {:?}; this engine runs CLIPTextModel", json.architectures)
        })?;
        let bounds = [
            ("vocab_size", json.vocab_size, 1 << 22),
            ("hidden_size", json.hidden_size, 1 << 14),
            ("intermediate_size", json.intermediate_size, 1 << 16),
            ("num_hidden_layers", json.num_hidden_layers, 256),
            ("num_attention_heads", json.num_attention_heads, 1 << 10),
            ("max_position_embeddings", json.max_position_embeddings, 1 << 14),
        ];
        for (name, value, most) in bounds {
            file.require((1..=most).contains(&value), || format!("`{name}` is {value}, expected 1 to {most}"))?;
        }
        file.require(json.hidden_size % json.num_attention_heads == 0, || {
            format!(
                "`hidden_size` {} is not a multiple of `num_attention_heads` {}",
                json.hidden_size, json.num_attention_heads
            )
        })?;
        let activation = activation(&json.hidden_act)
            .ok_or_else(|| file.error(format!("`hidden_act` `{}` is not known", json.hidden_act)))?;
        Ok(Self {
            vocabulary: json.vocab_size,
            hidden: json.hidden_size,
            intermediate: json.intermediate_size,
            layers: json.num_hidden_layers,
            heads: json.num_attention_heads,
            positions: json.max_position_embeddings,
            activation,
            epsilon: json.layer_norm_eps,
        })
    }
}
