//! A UNet with half the channels at every level, its weights sliced from the real one.
//!
//! Every second channel is kept. That leaves each norm group, each half of a skip connection, each half of a gated layer and
//! each octave of the timestep embedding half of what it had, so that the slices still fit each other. Attention keeps
//! the first half of its heads where heads keep their size, and half of each head where they do not.

use std::path::Path;

use safetensors::Dtype;
use serde_json::Value;

use crate::error::AttackError;
use crate::folder::Tensor;

/// Which indices of an axis stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    All,
    Even,
    FirstHalf,
}

/// How a UNet is halved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Halving {
    levels: Vec<u64>,
    groups: u64,
    head_dim: u64,
    /// Whether heads keep their size, so that there are half as many.
    keeps_heads: bool,
}

impl Halving {
    /// Finds norm groups and heads that fit half of the channels: those of the model, else half of them.
    pub(crate) fn of(config: &Value, file: &Path) -> Result<Self, AttackError> {
        let fail = |field, found: Option<&Value>, expected: &str| AttackError::Shrink {
            file: file.to_owned(),
            field,
            found: found.map_or_else(|| "missing".to_owned(), Value::to_string),
            expected: expected.to_owned(),
        };
        let channels = config.get("block_out_channels");
        let levels: Option<Vec<u64>> = channels
            .and_then(Value::as_array)
            .and_then(|levels| levels.iter().map(Value::as_u64).collect())
            .filter(|levels: &Vec<u64>| !levels.is_empty() && levels.iter().all(|level| *level > 0 && level % 2 == 0));
        let Some(levels) = levels else {
            return Err(fail("block_out_channels", channels, "an even number of channels at every level"));
        };
        let halves: Vec<u64> = levels.iter().map(|level| level / 2).collect();
        let fitting = |field, expected| {
            let value = config.get(field);
            let whole = value.and_then(Value::as_u64).filter(|size| *size > 0);
            let candidates = whole.into_iter().flat_map(|size| [Some(size), (size % 2 == 0).then_some(size / 2)]);
            let fits = |size: &u64| halves.iter().all(|half| half % size == 0);
            candidates.flatten().find(fits).ok_or_else(|| fail(field, value, expected))
        };
        let groups = fitting("norm_num_groups", "groups that divide half of every level, or twice such a number")?;
        let head_dim = fitting("attention_head_dim", "heads that divide half of every level, or twice such a number")?;
        let keeps_heads = config.get("attention_head_dim").and_then(Value::as_u64) == Some(head_dim);
        Ok(Self { levels: halves, groups, head_dim, keeps_heads })
    }

    /// The smaller model's configuration.
    pub(crate) fn config(&self, config: &Value) -> Value {
        let mut smaller = config.clone();
        smaller["block_out_channels"] = self.levels.clone().into();
        smaller["norm_num_groups"] = self.groups.into();
        smaller["attention_head_dim"] = self.head_dim.into();
        smaller
    }

    /// What stays of outputs and inputs of a tensor, by its name in diffusers' `UNet3DConditionModel`.
    fn picks(&self, name: &str) -> [Pick; 2] {
        use Pick::{All, Even, FirstHalf};
        if name.starts_with("conv_in.") || name.starts_with("time_embedding.cond_proj.") {
            return [Even, All];
        }
        if name.starts_with("conv_out.") {
            return [All, Even];
        }
        let entry = name.starts_with("transformer_in.");
        let spatial = name.contains(".attentions.");
        if !entry && !spatial && !name.contains(".temp_attentions.") {
            return [Even, Even];
        }
        // The entry has a fixed number of heads: it is as wide as they are, whatever the channels.
        let fixed = entry && self.keeps_heads;
        let inner = if fixed { All } else { Even };
        let heads = match (fixed, self.keeps_heads) {
            (true, _) => All,
            (false, true) => FirstHalf,
            (false, false) => Even,
        };
        let from_text = spatial && name.contains(".attn2.");
        let is = |layer: &str| name.contains(layer);
        if is(".proj_in.") && !is(".transformer_blocks.") {
            [inner, Even]
        } else if is(".proj_out.") {
            [Even, inner]
        } else if is(".to_q.") {
            [heads, inner]
        } else if is(".to_k.") || is(".to_v.") {
            [heads, if from_text { All } else { inner }]
        } else if is(".to_out.") {
            [inner, heads]
        } else if is(".transformer_blocks.") {
            [inner, inner]
        } else {
            [Even, Even]
        }
    }

    /// The slice of a tensor; `bytes` are of numbers of `dtype`.
    pub(crate) fn slice(&self, name: &str, dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Tensor {
        let [outputs, inputs] = self.picks(name);
        let outputs = indices(outputs, shape.first().copied().unwrap_or(1));
        let inputs = indices(inputs, shape.get(1).copied().unwrap_or(1));
        let kernel: usize = shape.iter().skip(2).product();
        let value_bytes = bytes.len() / shape.iter().product::<usize>().max(1);
        let step = kernel * value_bytes;
        let row = shape.get(1).copied().unwrap_or(1);
        let mut kept = Vec::with_capacity(outputs.len() * inputs.len() * step);
        for &output in &outputs {
            for &input in &inputs {
                kept.extend_from_slice(&bytes[(output * row + input) * step..][..step]);
            }
        }
        let sizes = [outputs.len(), inputs.len()];
        let shape = sizes.into_iter().chain(shape.iter().skip(2).copied()).take(shape.len()).collect();
        Tensor::Kept { dtype, shape, bytes: kept }
    }
}

fn indices(pick: Pick, size: usize) -> Vec<usize> {
    match pick {
        // A single number has no half.
        _ if size == 1 => vec![0],
        Pick::All => (0..size).collect(),
        Pick::Even => (0..size).step_by(2).collect(),
        Pick::FirstHalf => (0..size / 2).collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn halving(levels: &[u64], groups: u64, head_dim: u64) -> Result<Halving, AttackError> {
        let config = json!({ "block_out_channels": levels, "norm_num_groups": groups, "attention_head_dim": head_dim });
        Halving::of(&config, Path::new("config.json"))
    }

    #[test]
    fn groups_and_heads_stay_where_they_fit() {
        let starter = halving(&[32, 96], 8, 8).unwrap();
        assert_eq!((starter.groups, starter.head_dim, starter.keeps_heads), (8, 8, true));
        // ModelScope: 160 channels are no whole number of heads of 64.
        let large = halving(&[320, 640, 1280, 1280], 32, 64).unwrap();
        assert_eq!((large.groups, large.head_dim, large.keeps_heads), (32, 32, false));
        assert_eq!(halving(&[32, 48], 16, 8).unwrap().groups, 8);
    }

    #[test]
    fn what_can_t_be_halved_is_refused_by_name() {
        for (levels, groups, head_dim, named) in [
            (&[33_u64, 96][..], 3, 3, "block_out_channels"),
            (&[], 8, 8, "block_out_channels"),
            (&[32, 36], 12, 2, "norm_num_groups"),
            (&[32, 96], 8, 0, "attention_head_dim"),
        ] {
            let error = halving(levels, groups, head_dim).unwrap_err();
            assert!(matches!(&error, AttackError::Shrink { field, .. } if *field == named), "{error}");
        }
    }

    #[test]
    fn slices_keep_what_belongs_together() {
        let halving = halving(&[4, 8], 2, 2).unwrap();
        let slice = |name: &str, shape: &[usize]| {
            let count = shape.iter().product::<usize>();
            let bytes: Vec<u8> = (0..count).flat_map(|value| (value as f32).to_le_bytes()).collect();
            let Tensor::Kept { shape, bytes, .. } = halving.slice(name, Dtype::F32, shape, &bytes) else { panic!() };
            (shape, crate::folder::to_f32(Dtype::F32, &bytes).unwrap())
        };
        assert_eq!(slice("mid_block.resnets.0.norm1.bias", &[4]), (vec![2], vec![0.0, 2.0]));
        assert_eq!(slice("conv_out.weight", &[1, 4, 1, 2]), (vec![1, 2, 1, 2], vec![0.0, 1.0, 4.0, 5.0]));
        assert_eq!(
            slice("down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight", &[4, 2]),
            (vec![2, 2], vec![0.0, 1.0, 2.0, 3.0])
        );
        assert_eq!(slice("transformer_in.transformer_blocks.0.norm1.bias", &[4]).0, [4]);
        assert_eq!(slice("transformer_in.proj_in.weight", &[4, 4]).0, [4, 2]);
    }
}
