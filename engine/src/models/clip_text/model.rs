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

impl ClipText {
    /// Loads all weights, strictly. A `text_projection`, which pipelines of this family do not use, is passed over.
    pub(crate) fn load(config: ClipTextConfig, weights: &Weights) -> Result<Self> {
        let root = Source::root(weights);
        root.skip("text_projection.weight");
        // Files saved by recent versions of transformers have no prefix.
        let prefixed = root.sub("text_model");
        let model = if prefixed.contains("final_layer_norm.weight") { prefixed } else { root };
        let (hidden, epsilon) = (config.hidden, config.epsilon);
        let embeddings = model.sub("embeddings");
        let layers = (0..config.layers)
            .map(|i| {
                let layer = model.sub("encoder.layers").sub(i);
                let attention = layer.sub("self_attn");
                Ok(Layer {
                    norm1: LayerNorm::load(&layer.sub("layer_norm1"), hidden, epsilon)?,
                    qkv: Linear::load_joined(&attention, &["q_proj", "k_proj", "v_proj"], hidden, hidden, true)?,
                    out: Linear::load(&attention.sub("out_proj"), hidden, hidden, true)?,
                    norm2: LayerNorm::load(&layer.sub("layer_norm2"), hidden, epsilon)?,
                    expand: Linear::load(&layer.sub("mlp.fc1"), hidden, config.intermediate, true)?,
                    contract: Linear::load(&layer.sub("mlp.fc2"), config.intermediate, hidden, true)?,
                })
            })
            .collect::<Result<_>>()?;
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
        let ClipTextConfig { vocabulary, hidden, intermediate, heads, positions, activation, .. } = self.config;
        let rows = tokens.len();
        if rows == 0 || rows > positions {
            return Err(EngineError::Request(format!("{rows} tokens, the text encoder takes 1 to {positions}")));
        }
        let mut x = vec![0.0; rows * hidden];
        for (position, (&token, x)) in tokens.iter().zip(x.chunks_exact_mut(hidden)).enumerate() {
            let token = token as usize;
            if token >= vocabulary {
                return Err(EngineError::Request(format!(
                    "token {token} is outside the text encoder's vocabulary of {vocabulary}"
                )));
            }
            x.copy_from_slice(&self.token_embedding[token * hidden..][..hidden]);
            elementwise::add(x, &self.position_embedding[position * hidden..][..hidden]);
        }
        let par = Par::Threads;
        let (mut normed, mut attended) = (Scratch::new(rows * hidden), Scratch::new(rows * hidden));
        let (mut qkv, mut wide) = (Scratch::new(rows * 3 * hidden), Scratch::new(rows * intermediate));
        for layer in &self.layers {
            layer.norm1.forward(&x, &mut normed, par);
            layer.qkv.write(&normed, rows, &mut qkv, par);
            let keys_values =
                KeysValues::new(&qkv[hidden..], &qkv[2 * hidden..], 3 * hidden, rows, heads, hidden / heads);
            attention(&qkv, 3 * hidden, rows, &keys_values, Mask::Causal, &mut attended, hidden, par);
            layer.out.add(&attended, rows, &mut x, par);
            layer.norm2.forward(&x, &mut normed, par);
            layer.expand.write(&normed, rows, &mut wide, par);
            activation.apply(&mut wide);
            layer.contract.add(&wide, rows, &mut x, par);
        }
        let mut states = vec![0.0; rows * hidden];
        self.final_norm.forward(&x, &mut states, par);
        Ok(states)
    }
}
