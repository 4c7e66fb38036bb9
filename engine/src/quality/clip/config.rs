//! `config.json` of a transformers `CLIPModel`.

use crate::quality::QualityError;
use crate::quality::weights::read_json;
use serde_json::{Map, Value};
use std::path::Path;

/// The nonlinearity between the two layers of a block's MLP (`hidden_act`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(1.702 x)`, OpenAI's CLIP.
    QuickGelu,
    /// Exact GELU, most open reproductions.
    Gelu,
    /// GELU by its tanh approximation.
    GeluTanh,
}

/// Shape of one tower's transformer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TowerConfig {
    pub(super) hidden: usize,
    pub(super) intermediate: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) activation: Activation,
    pub(super) layer_norm_eps: f64,
}

/// The text tower.
#[derive(Clone, Debug, PartialEq)]
pub struct TextConfig {
    pub(super) tower: TowerConfig,
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// Longest sequence, start and end tokens included.
    pub max_positions: usize,
    /// The end token. The value 2 marks files from before transformers 4.31, where this setting was
    /// wrong: the features are then taken at the largest token id.
    pub eos_token_id: u32,
}

/// The image tower.
#[derive(Clone, Debug, PartialEq)]
pub struct VisionConfig {
    pub(super) tower: TowerConfig,
    /// Side of the square input, in pixels.
    pub image_size: usize,
    /// Side of a patch, in pixels.
    pub patch_size: usize,
}

/// Both towers and the size of the space they share.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipConfig {
    /// The text tower.
    pub text: TextConfig,
    /// The image tower.
    pub vision: VisionConfig,
    /// Dimensions of the shared embedding.
    pub projection: usize,
}

/// One section of the file, with what is needed to say where a bad value is.
struct Section<'a> {
    path: &'a Path,
    values: Map<String, Value>,
}

impl Section<'_> {
    fn bad(&self, field: &'static str, expected: &str, found: &Value) -> QualityError {
        QualityError::Config { path: self.path.into(), field, expected: expected.to_owned(), found: found.to_string() }
    }

    /// A whole number from 1 to `limit`; transformers' default where the file is silent.
    fn size(&self, field: &'static str, default: usize, limit: usize) -> Result<usize, QualityError> {
        let Some(value) = self.values.get(field).filter(|value| !value.is_null()) else {
            return Ok(default);
        };
        value
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| (1..=limit).contains(number))
            .ok_or_else(|| self.bad(field, &format!("a whole number from 1 to {limit}"), value))
    }

    fn tower(&self, hidden: usize, intermediate: usize, heads: usize) -> Result<TowerConfig, QualityError> {
        let config = TowerConfig {
            hidden: self.size("hidden_size", hidden, 1 << 14)?,
            intermediate: self.size("intermediate_size", intermediate, 1 << 16)?,
            layers: self.size("num_hidden_layers", 12, 256)?,
            heads: self.size("num_attention_heads", heads, 256)?,
            activation: self.activation()?,
            layer_norm_eps: self.epsilon()?,
        };
        if !config.hidden.is_multiple_of(config.heads) {
            let expected = format!("a divisor of hidden_size = {}", config.hidden);
            return Err(self.bad("num_attention_heads", &expected, &config.heads.into()));
        }
        Ok(config)
    }

    fn activation(&self) -> Result<Activation, QualityError> {
        match self.values.get("hidden_act") {
            None | Some(Value::Null) => Ok(Activation::QuickGelu),
            Some(Value::String(name)) if name == "quick_gelu" => Ok(Activation::QuickGelu),
            Some(Value::String(name)) if name == "gelu" => Ok(Activation::Gelu),
            Some(Value::String(name)) if name == "gelu_new" || name == "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
            Some(other) => Err(self.bad("hidden_act", "quick_gelu, gelu, gelu_new or gelu_pytorch_tanh", other)),
        }
    }

    fn epsilon(&self) -> Result<f64, QualityError> {
        match self.values.get("layer_norm_eps") {
            None | Some(Value::Null) => Ok(1e-5),
            Some(value) => value
                .as_f64()
                .filter(|eps| *eps > 0.0 && *eps < 1.0)
                .ok_or_else(|| self.bad("layer_norm_eps", "a number between 0 and 1", value)),
        }
    }
}

/// `name` overlaid with the older `name_dict`, which wins in transformers.
fn section<'a>(path: &'a Path, root: &Value, name: &str) -> Section<'a> {
    let part = |key: &str| root.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
    let mut values = part(name);
    values.extend(part(&format!("{name}_dict")));
    Section { path, values }
}

impl ClipConfig {
    /// Reads `folder/config.json`.
    ///
    /// # Errors
    /// Unreadable or invalid JSON, another model type, or a value that cannot work.
    pub fn read(folder: &Path) -> Result<Self, QualityError> {
        let path = folder.join("config.json");
        let root = read_json(&path, "config.json of a transformers CLIPModel")?;
        Self::from_json(&path, &root)
    }

    fn from_json(path: &Path, root: &Value) -> Result<Self, QualityError> {
        let top = Section { path, values: root.as_object().cloned().unwrap_or_default() };
        match root.get("model_type") {
            Some(Value::String(kind)) if kind == "clip" => {}
            other => {
                let found = other.cloned().unwrap_or_default();
                return Err(top.bad("model_type", "\"clip\"", &found));
            }
        }
        let text = section(path, root, "text_config");
        let vision = section(path, root, "vision_config");
        let config = Self {
            text: TextConfig {
                tower: text.tower(512, 2048, 8)?,
                vocabulary: text.size("vocab_size", 49408, 1 << 24)?,
                max_positions: text.size("max_position_embeddings", 77, 1 << 16)?,
                eos_token_id: text.size("eos_token_id", 49407, u32::MAX as usize)? as u32,
            },
            vision: VisionConfig {
                tower: vision.tower(768, 3072, 12)?,
                image_size: vision.size("image_size", 224, 4096)?,
                patch_size: vision.size("patch_size", 32, 4096)?,
            },
            projection: top.size("projection_dim", 512, 1 << 14)?,
        };
        if vision.size("num_channels", 3, 1 << 10)? != 3 {
            return Err(vision.bad("num_channels", "3", &vision.values["num_channels"]));
        }
        if config.vision.patch_size > config.vision.image_size {
            let expected = format!("at most image_size = {}", config.vision.image_size);
            return Err(vision.bad("patch_size", &expected, &config.vision.patch_size.into()));
        }
        if config.text.max_positions < 2 {
            let expected = "at least 2, for the start and end tokens";
            return Err(text.bad("max_position_embeddings", expected, &config.text.max_positions.into()));
        }
        Ok(config)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(root: &Value) -> Result<ClipConfig, QualityError> {
        ClipConfig::from_json(Path::new("config.json"), root)
    }

    #[test]
    fn silence_means_the_defaults_of_transformers() {
        let config = parse(&json!({"model_type": "clip"})).unwrap();
        assert_eq!((config.projection, config.text.vocabulary, config.text.max_positions), (512, 49408, 77));
        assert_eq!((config.text.tower.hidden, config.vision.tower.hidden), (512, 768));
        assert_eq!((config.text.tower.heads, config.vision.tower.heads), (8, 12));
        assert_eq!(config.vision.tower.activation, Activation::QuickGelu);
        assert_eq!(config.text.eos_token_id, 49407);
    }

    #[test]
    fn the_older_dict_wins() {
        let config = parse(&json!({
            "model_type": "clip",
            "text_config": {"hidden_act": "quick_gelu", "num_hidden_layers": 3},
            "text_config_dict": {"hidden_act": "gelu"},
            "vision_config_dict": null
        }))
        .unwrap();
        assert_eq!(config.text.tower.activation, Activation::Gelu);
        assert_eq!(config.text.tower.layers, 3);
    }

    #[test]
    fn what_cannot_work_names_the_setting() {
        let field_of = |root: Value| match parse(&root) {
            Err(QualityError::Config { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field_of(json!({"model_type": "bert"})), "model_type");
        let clip = |part: Value| json!({"model_type": "clip", "vision_config": part});
        assert_eq!(field_of(clip(json!({"hidden_size": 100, "num_attention_heads": 7}))), "num_attention_heads");
        assert_eq!(field_of(clip(json!({"hidden_act": "relu"}))), "hidden_act");
        assert_eq!(field_of(clip(json!({"patch_size": 0}))), "patch_size");
        assert_eq!(field_of(clip(json!({"patch_size": 300}))), "patch_size");
        assert_eq!(field_of(clip(json!({"num_channels": 1}))), "num_channels");
        assert_eq!(field_of(clip(json!({"image_size": [224, 224]}))), "image_size");
    }
}
