//! The transformer.

use super::ClipTextConfig;
use crate::backend::cpu::{LayerNorm, Linear};
use crate::error::{EngineError, Result};
use crate::kernels::attention::{KeysValues, Mask, attention};
use crate::kernels::elementwise;
use crate::kernels::parallel::Par;
use crate::kernels::scratch::Scratch;
use crate::weights::{Source, Weights};

struct Layer {
    norm1: LayerNorm,
    qkv: Linear,
    out: Linear,
    norm2: LayerNorm,
    expand: Linear,
    contract: Linear,
}

/// The encoder with its weights.
pub(crate) struct ClipText {
    config: ClipTextConfig,
    token_embedding: Vec<f32>,
    position_embedding: Vec<f32>,
    layers: Vec<Layer>,
    final_norm: LayerNorm,
}

impl Layer {
    fn load(model: &Source<'_>, index: usize, config: &ClipTextConfig) -> Result<Self> {
        let ClipTextConfig { hidden, epsilon, intermediate, .. } = *config;
        let layer = model.sub("encoder.layers").sub(index);
        let attention = layer.sub("self_attn");
        Ok(Self {
            norm1: LayerNorm::load(&layer.sub("layer_norm1"), hidden, epsilon)?,
            qkv: Linear::load_joined(&attention, &["q_proj", "k_proj", "v_proj"], hidden, hidden, true)?,
            out: Linear::load(&attention.sub("out_proj"), hidden, hidden, true)?,
            norm2: LayerNorm::load(&layer.sub("layer_norm2"), hidden, epsilon)?,
            expand: Linear::load(&layer.sub("mlp.fc1"), hidden, intermediate, true)?,
            contract: Linear::load(&layer.sub("mlp.fc2"), intermediate, hidden, true)?,
        })
    }

    /// `x` is `(tokens, hidden)`, in place.
    fn run(&self, config: &ClipTextConfig, x: &mut [f32], par: Par) {
        let ClipTextConfig { hidden, intermediate, heads, activation, .. } = *config;
        let rows = x.len() / hidden;
        let (mut normed, mut attended) = (Scratch::new(rows * hidden), Scratch::new(rows * hidden));
        let (mut qkv, mut wide) = (Scratch::new(rows * 3 * hidden), Scratch::new(rows * intermediate));
        self.norm1.forward(x, &mut normed, par);
        self.qkv.write(&normed, rows, &mut qkv, par);
        let keys_values = KeysValues::new(&qkv[hidden..], &qkv[2 * hidden..], 3 * hidden, rows, heads, hidden / heads);
        attention(&qkv, 3 * hidden, rows, &keys_values, Mask::Causal, &mut attended, hidden, par);
        self.out.add(&attended, rows, x, par);
        self.norm2.forward(x, &mut normed, par);
        self.expand.write(&normed, rows, &mut wide, par);
        activation.apply(&mut wide);
        self.contract.add(&wide, rows, x, par);
    }
}

/// Where the model's tensors are: files saved by recent versions of transformers have no prefix.
fn model_source(weights: &Weights) -> Source<'_> {
    let root = Source::root(weights);
    root.skip("text_projection.weight");
    let prefixed = root.sub("text_model");
    if prefixed.contains("final_layer_norm.weight") { prefixed } else { root }
}

/// Fails unless the encoder takes these tokens.
fn check_tokens(config: &ClipTextConfig, tokens: &[u32]) -> Result<()> {
    let ClipTextConfig { vocabulary, positions, .. } = *config;
    let rows = tokens.len();
    if rows == 0 || rows > positions {
        return Err(EngineError::Request(format!("{rows} tokens, the text encoder takes 1 to {positions}")));
    }
    match tokens.iter().find(|&&token| token as usize >= vocabulary) {
        None => Ok(()),
        Some(token) => {
            Err(EngineError::Request(format!("token {token} is outside the text encoder's vocabulary of {vocabulary}")))
        }
    }
}

impl ClipText {
    /// Loads all weights, strictly. A `text_projection`, which pipelines of this family do not use, is passed over.
    pub(crate) fn load(config: ClipTextConfig, weights: &Weights) -> Result<Self> {
        let model = model_source(weights);
        let (hidden, epsilon) = (config.hidden, config.epsilon);
        let embeddings = model.sub("embeddings");
        let layers = (0..config.layers).map(|i| Layer::load(&model, i, &config)).collect::<Result<_>>()?;
        let model = Self {
            token_embedding: embeddings.sub("token_embedding").read_f32("weight", &[config.vocabulary, hidden])?,
            position_embedding: embeddings.sub("position_embedding").read_f32("weight", &[config.positions, hidden])?,
            layers,
            final_norm: LayerNorm::load(&model.sub("final_layer_norm"), hidden, epsilon)?,
            config,
        };
        weights.finish()?;
        Ok(model)
    }

    pub(crate) fn config(&self) -> &ClipTextConfig {
        &self.config
    }

    /// Last hidden states after the final layer norm, `(tokens, hidden)`.
    pub(crate) fn forward(&self, tokens: &[u32]) -> Result<Vec<f32>> {
        check_tokens(&self.config, tokens)?;
        let (hidden, par) = (self.config.hidden, Par::Threads);
        let mut x = vec![0.0; tokens.len() * hidden];
        for (position, (&token, x)) in tokens.iter().zip(x.chunks_exact_mut(hidden)).enumerate() {
            x.copy_from_slice(&self.token_embedding[token as usize * hidden..][..hidden]);
            elementwise::add(x, &self.position_embedding[position * hidden..][..hidden]);
        }
        self.layers.iter().for_each(|layer| layer.run(&self.config, &mut x, par));
        let mut states = vec![0.0; x.len()];
        self.final_norm.forward(&x, &mut states, par);
        Ok(states)
    }

    /// As loading and [`forward`](Self::forward), with one layer in memory at a time and only the embeddings that the tokens need.
    pub(crate) fn forward_once(config: &ClipTextConfig, weights: &Weights, tokens: &[u32]) -> Result<Vec<f32>> {
        check_tokens(config, tokens)?;
        let (hidden, par) = (config.hidden, Par::Threads);
        let model = model_source(weights);
        let embeddings = model.sub("embeddings");
        let (token_rows, position_rows) = (embeddings.sub("token_embedding"), embeddings.sub("position_embedding"));
        let row = |source: &Source<'_>, rows: usize, at: usize| {
            source.read_part_f32("weight", &[rows, hidden], at * hidden..(at + 1) * hidden)
        };
        let mut x = Vec::with_capacity(tokens.len() * hidden);
        for (position, &token) in tokens.iter().enumerate() {
            let mut sum = row(&token_rows, config.vocabulary, token as usize)?;
            elementwise::add(&mut sum, &row(&position_rows, config.positions, position)?);
            x.extend(sum);
        }
        for i in 0..config.layers {
            Layer::load(&model, i, config)?.run(config, &mut x, par);
        }
        let mut states = vec![0.0; x.len()];
        LayerNorm::load(&model.sub("final_layer_norm"), hidden, config.epsilon)?.forward(&x, &mut states, par);
        weights.finish()?;
        Ok(states)
    }
}
