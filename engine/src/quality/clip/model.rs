//! Both towers of CLIP on candle tensors.

use super::config::{Activation, ClipConfig, TowerConfig};
use super::preprocess::Preprocessor;
use super::similarity::{Calibration, ClipSimilarity, cosine};
use crate::models::clip_text::ClipTokenizer;
use crate::quality::weights::{Weights, finish};
use crate::quality::{FramesView, ModelIdentity, QualityError};
use candle_core::{Device, IndexOp, Result as TensorResult, Tensor};
use candle_nn::{Embedding, LayerNorm, Linear, Module};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Frames that go through the image tower at once: bounds its memory.
const FRAMES_PER_BATCH: usize = 16;

/// A name prefix in a weight file.
#[derive(Clone)]
struct Scope<'a> {
    weights: &'a Weights,
    prefix: String,
}

impl Scope<'_> {
    fn at(&self, name: &str) -> Self {
        Self { weights: self.weights, prefix: format!("{}{name}.", self.prefix) }
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, QualityError> {
        self.weights.get(&format!("{}{name}", self.prefix), shape)
    }

    fn linear(&self, name: &str, input: usize, output: usize) -> Result<Linear, QualityError> {
        let scope = self.at(name);
        let bias = scope.tensor("bias", &[output])?;
        Ok(Linear::new(scope.tensor("weight", &[output, input])?, Some(bias)))
    }

    fn layer_norm(&self, name: &str, size: usize, eps: f64) -> Result<LayerNorm, QualityError> {
        let scope = self.at(name);
        Ok(LayerNorm::new(scope.tensor("weight", &[size])?, scope.tensor("bias", &[size])?, eps))
    }
}

/// One pre-norm transformer block.
#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    norm2: LayerNorm,
    widen: Linear,
    narrow: Linear,
    activation: Activation,
    heads: usize,
}

impl Block {
    fn load(scope: &Scope<'_>, config: &TowerConfig) -> Result<Self, QualityError> {
        let (hidden, eps) = (config.hidden, config.layer_norm_eps);
        let (attention, mlp) = (scope.at("self_attn"), scope.at("mlp"));
        Ok(Self {
            norm1: scope.layer_norm("layer_norm1", hidden, eps)?,
            query: attention.linear("q_proj", hidden, hidden)?,
            key: attention.linear("k_proj", hidden, hidden)?,
            value: attention.linear("v_proj", hidden, hidden)?,
            output: attention.linear("out_proj", hidden, hidden)?,
            norm2: scope.layer_norm("layer_norm2", hidden, eps)?,
            widen: mlp.linear("fc1", hidden, config.intermediate)?,
            narrow: mlp.linear("fc2", config.intermediate, hidden)?,
            activation: config.activation,
            heads: config.heads,
        })
    }

    fn activate(&self, x: &Tensor) -> TensorResult<Tensor> {
        match self.activation {
            Activation::QuickGelu => x * candle_nn::ops::sigmoid(&(x * 1.702)?)?,
            Activation::Gelu => x.gelu_erf(),
            Activation::GeluTanh => x.gelu(),
        }
    }

    /// `x` is `(batch, tokens, hidden)`, `mask` is added to the attention logits.
    fn forward(&self, x: &Tensor, mask: Option<&Tensor>) -> TensorResult<Tensor> {
        let (batch, tokens, hidden) = x.dims3()?;
        let head = hidden / self.heads;
        let split = |t: Tensor| t.reshape((batch, tokens, self.heads, head))?.transpose(1, 2)?.contiguous();
        let normed = self.norm1.forward(x)?;
        let query = (split(self.query.forward(&normed)?)? * (head as f64).powf(-0.5))?;
        let key = split(self.key.forward(&normed)?)?;
        let value = split(self.value.forward(&normed)?)?;
        let mut logits = query.matmul(&key.t()?)?;
        if let Some(mask) = mask {
            logits = logits.broadcast_add(mask)?;
        }
        let mixed = candle_nn::ops::softmax_last_dim(&logits)?.matmul(&value)?;
        let mixed = mixed.transpose(1, 2)?.reshape((batch, tokens, hidden))?;
        let x = (x + self.output.forward(&mixed)?)?;
        let inner = self.activate(&self.widen.forward(&self.norm2.forward(&x)?)?)?;
        &x + self.narrow.forward(&inner)?
    }
}

fn blocks(scope: &Scope<'_>, config: &TowerConfig) -> Result<Vec<Block>, QualityError> {
    let layers = scope.at("encoder").at("layers");
    (0..config.layers).map(|index| Block::load(&layers.at(&index.to_string()), config)).collect()
}

#[derive(Debug)]
struct TextTower {
    tokens: Embedding,
    positions: Tensor,
    blocks: Vec<Block>,
    norm: LayerNorm,
    projection: Linear,
}

#[derive(Debug)]
struct ImageTower {
    /// The patch convolution as a matrix: its stride is its size, so patches do not overlap.
    patches: Linear,
    class: Tensor,
    positions: Tensor,
    norm_before: LayerNorm,
    blocks: Vec<Block>,
    norm_after: LayerNorm,
    projection: Linear,
}

/// A loaded CLIP: weights, tokenizer, preprocessing and score calibration of one folder.
#[derive(Debug)]
pub struct Clip {
    config: ClipConfig,
    tokenizer: ClipTokenizer,
    preprocessor: Preprocessor,
    calibration: Calibration,
    text: TextTower,
    image: ImageTower,
    device: Device,
    identity: ModelIdentity,
}

impl Clip {
    /// Loads a transformers `CLIPModel` folder onto `device`.
    ///
    /// # Errors
    /// Any file that is missing or unusable, named with what was expected and what was found.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, QualityError> {
        let config = ClipConfig::read(folder)?;
        let preprocessor = Preprocessor::read(folder)?;
        let tokenizer = ClipTokenizer::read(folder).map_err(|error| QualityError::tokenizer(folder, error))?;
        let calibration = Calibration::read(folder)?;
        let config_error = |name: &str, field, expected: String, found: String| QualityError::Config {
            path: folder.join(name),
            field,
            expected,
            found,
        };
        if !preprocessor.makes_squares_of(config.vision.image_size) {
            let expected = format!("the model's image_size, {}", config.vision.image_size);
            return Err(config_error("preprocessor_config.json", "crop_size", expected, "another".into()));
        }
        let (eos, end) = (config.text.eos_token_id, tokenizer.end_token_id());
        if eos != 2 && eos != end {
            let expected = format!("the tokenizer's end token, {end}");
            return Err(config_error("config.json", "text_config.eos_token_id", expected, eos.to_string()));
        }
        let mut digest = Sha256::new();
        let path = folder.join("model.safetensors");
        let weights = Weights::safetensors(&path, "model.safetensors", device, &mut digest)?;
        let root = Scope { weights: &weights, prefix: String::new() };
        let text = Self::load_text(&root, &config)?;
        let image = Self::load_image(&root, &config)?;
        let identity = ModelIdentity { role: "clip".to_owned(), path: folder.into(), sha256: finish(digest) };
        let device = device.clone();
        Ok(Self { config, tokenizer, preprocessor, calibration, text, image, device, identity })
    }

    fn load_text(root: &Scope<'_>, config: &ClipConfig) -> Result<TextTower, QualityError> {
        let (scope, tower) = (root.at("text_model"), &config.text.tower);
        let embeddings = scope.at("embeddings");
        let shape = [config.text.vocabulary, tower.hidden];
        let tokens = embeddings.tensor("token_embedding.weight", &shape)?;
        let shape = [config.text.max_positions, tower.hidden];
        let projection = root.tensor("text_projection.weight", &[config.projection, tower.hidden])?;
        Ok(TextTower {
            tokens: Embedding::new(tokens, tower.hidden),
            positions: embeddings.tensor("position_embedding.weight", &shape)?,
            blocks: blocks(&scope, tower)?,
            norm: scope.layer_norm("final_layer_norm", tower.hidden, tower.layer_norm_eps)?,
            projection: Linear::new(projection, None),
        })
    }

    fn load_image(root: &Scope<'_>, config: &ClipConfig) -> Result<ImageTower, QualityError> {
        let (scope, tower) = (root.at("vision_model"), &config.vision.tower);
        let (hidden, eps, patch) = (tower.hidden, tower.layer_norm_eps, config.vision.patch_size);
        let grid = config.vision.image_size / patch;
        let embeddings = scope.at("embeddings");
        let kernel = embeddings.tensor("patch_embedding.weight", &[hidden, 3, patch, patch])?;
        let kernel = kernel
            .reshape((hidden, 3 * patch * patch))
            .map_err(QualityError::compute("laying out the patch embedding"))?;
        let positions = [grid * grid + 1, hidden];
        let projection = root.tensor("visual_projection.weight", &[config.projection, hidden])?;
        Ok(ImageTower {
            patches: Linear::new(kernel, None),
            class: embeddings.tensor("class_embedding", &[hidden])?,
            positions: embeddings.tensor("position_embedding.weight", &positions)?,
            // The published weights spell it this way.
            norm_before: scope.layer_norm("pre_layrnorm", hidden, eps)?,
            blocks: blocks(&scope, tower)?,
            norm_after: scope.layer_norm("post_layernorm", hidden, eps)?,
            projection: Linear::new(projection, None),
        })
    }

    /// Which weights these are.
    #[must_use]
    pub fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    /// How this model's cosines become scores.
    #[must_use]
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// The model's configuration.
    #[must_use]
    pub fn config(&self) -> &ClipConfig {
        &self.config
    }

    /// The prompt's tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &ClipTokenizer {
        &self.tokenizer
    }

    /// Projected text features of `prompt`, not normalised, and whether the prompt was cut.
    ///
    /// # Errors
    /// A tensor operation that failed, or weights that give no number.
    pub fn text_features(&self, prompt: &str) -> Result<(Vec<f32>, bool), QualityError> {
        let tokens = self
            .tokenizer
            .encode(prompt, self.config.text.max_positions)
            .map_err(|error| QualityError::tokenizer(&self.identity.path, error))?;
        // Where transformers pools: the first end token, or the first largest id in older files.
        let wanted = match self.config.text.eos_token_id {
            2 => tokens.ids.iter().copied().max().unwrap_or_default(),
            eos => eos,
        };
        let at = tokens.ids.iter().position(|&id| id == wanted).unwrap_or(0);
        let features = self.text_forward(&tokens.ids, at).map_err(QualityError::compute("the CLIP text tower"))?;
        self.finite(&features, "a text feature")?;
        Ok((features, tokens.truncated))
    }

    fn text_forward(&self, ids: &[u32], pooled_at: usize) -> TensorResult<Vec<f32>> {
        let tower = &self.text;
        let count = ids.len();
        let ids = Tensor::from_slice(ids, (1, count), &self.device)?;
        let mut x = tower.tokens.forward(&ids)?.broadcast_add(&tower.positions.i(..count)?)?;
        let causal: Vec<f32> = (0..count * count)
            .map(|index| if index % count > index / count { f32::NEG_INFINITY } else { 0.0 })
            .collect();
        let mask = Tensor::from_vec(causal, (1, 1, count, count), &self.device)?;
        for block in &tower.blocks {
            x = block.forward(&x, Some(&mask))?;
        }
        let pooled = tower.norm.forward(&x.i((.., pooled_at, ..))?)?;
        tower.projection.forward(&pooled)?.flatten_all()?.to_vec1()
    }

    /// Projected image features of every frame, `frames x projection`, not normalised.
    ///
    /// # Errors
    /// A tensor operation that failed, or weights that give no number.
    pub fn image_features(&self, clip: FramesView<'_>) -> Result<Vec<Vec<f32>>, QualityError> {
        let frames: Vec<&[u8]> = clip.frames().collect();
        let mut features = Vec::with_capacity(frames.len());
        for batch in frames.chunks(FRAMES_PER_BATCH) {
            let pixels: Vec<f32> = batch
                .iter()
                .flat_map(|frame| self.preprocessor.pixel_values(frame, clip.width(), clip.height()))
                .collect();
            let rows =
                self.image_forward(pixels, batch.len()).map_err(QualityError::compute("the CLIP image tower"))?;
            for row in &rows {
                self.finite(row, "an image feature")?;
            }
            features.extend(rows);
        }
        Ok(features)
    }

    fn image_forward(&self, pixels: Vec<f32>, batch: usize) -> TensorResult<Vec<Vec<f32>>> {
        let (tower, side, patch) = (&self.image, self.config.vision.image_size, self.config.vision.patch_size);
        let grid = side / patch;
        let pixels = Tensor::from_vec(pixels, (batch, 3, side, side), &self.device)?;
        // The strip beyond the last whole patch is unused, as with the convolution.
        let patches = pixels
            .i((.., .., ..grid * patch, ..grid * patch))?
            .contiguous()?
            .reshape(vec![batch, 3, grid, patch, grid, patch])?
            .permute(vec![0, 2, 4, 1, 3, 5])?
            .reshape((batch, grid * grid, 3 * patch * patch))?;
        let patches = tower.patches.forward(&patches)?;
        let hidden = self.config.vision.tower.hidden;
        let class = tower.class.reshape((1, 1, hidden))?.broadcast_as((batch, 1, hidden))?;
        let x = Tensor::cat(&[&class, &patches], 1)?.broadcast_add(&tower.positions)?;
        let mut x = tower.norm_before.forward(&x)?;
        for block in &tower.blocks {
            x = block.forward(&x, None)?;
        }
        let pooled = tower.norm_after.forward(&x.i((.., 0, ..))?.contiguous()?)?;
        tower.projection.forward(&pooled)?.to_vec2()
    }

    /// Cosine of every frame's embedding with the prompt's.
    ///
    /// # Errors
    /// Those of [`Self::text_features`] and [`Self::image_features`].
    pub fn similarity(&self, clip: FramesView<'_>, prompt: &str) -> Result<ClipSimilarity, QualityError> {
        let frames = self.image_features(clip)?;
        self.similarity_of(&frames, prompt)
    }

    /// As [`Self::similarity`], for image features computed before.
    ///
    /// # Errors
    /// Those of [`Self::text_features`].
    pub fn similarity_of(&self, frames: &[Vec<f32>], prompt: &str) -> Result<ClipSimilarity, QualityError> {
        let (text, truncated) = self.text_features(prompt)?;
        let per_frame: Vec<f64> = frames.iter().map(|frame| cosine(frame, &text)).collect();
        Ok(ClipSimilarity::new(per_frame, truncated))
    }

    fn finite(&self, values: &[f32], what: &'static str) -> Result<(), QualityError> {
        if values.iter().all(|value| value.is_finite()) {
            return Ok(());
        }
        Err(QualityError::NotFinite { what, path: self.identity.path.clone() })
    }
}
