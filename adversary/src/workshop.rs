//! Cheaper models made from a real one, each once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use infernet_engine::pipeline::{LoadOptions, Precision, VideoModel, load};
use serde::{Deserialize, Serialize};

use crate::error::AttackError;
use crate::folder::{self, Tensor, Unet, to_f32};
use crate::quantise::{Bits, Quantised};
use crate::shrink::Halving;

const SAVINGS: &str = "savings.json";

/// What a model is made into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// The model as it is, to be run in another number format.
    Unchanged,
    /// Matrices and convolutions of the UNet in integers; norms and biases as they are.
    Integers(Bits),
    /// Half the channels at every level of the UNet.
    HalfWidth,
}

/// What a cheaper UNet is relative to the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Savings {
    /// Parameters of the real UNet.
    pub original_parameters: u64,
    /// Parameters of this one.
    pub parameters: u64,
    /// Bytes of the real UNet's weights, as they are stored.
    pub original_weight_bytes: u64,
    /// Bytes of this one's weights: integers and scales where there are integers.
    pub weight_bytes: u64,
}

impl Savings {
    /// Share of parameters, and so about of arithmetic, that is saved.
    pub fn parameter_share(&self) -> f64 {
        saved(self.parameters, self.original_parameters)
    }

    /// Share of weight bytes that is saved.
    pub fn weight_share(&self) -> f64 {
        saved(self.weight_bytes, self.original_weight_bytes)
    }
}

fn saved(left: u64, whole: u64) -> f64 {
    1.0 - left as f64 / whole.max(1) as f64
}

/// Makes and keeps cheaper models. What it makes lies in the scratch folder under a name that follows from the real UNet's
/// bytes, complete or not at all, and is used again by whoever comes with the same folder.
pub struct Workshop {
    model: PathBuf,
    scratch: PathBuf,
    options: LoadOptions,
    loaded: Mutex<HashMap<(Variant, Precision), Arc<dyn VideoModel>>>,
}

impl Workshop {
    /// `model` is the real model's folder, `options` say where cheaper ones run; their precision is not looked at.
    /// The UNet's weights must be safetensors; making a model takes about twice their size in memory.
    pub fn new(model: impl Into<PathBuf>, scratch: impl Into<PathBuf>, options: LoadOptions) -> Self {
        Self { model: model.into(), scratch: scratch.into(), options, loaded: Mutex::default() }
    }

    /// A cheaper model, loaded.
    ///
    /// # Errors
    /// It can't be made or loaded.
    pub fn model(&self, variant: Variant, precision: Precision) -> Result<Arc<dyn VideoModel>, AttackError> {
        // Held while loading, so that nobody loads the same model twice. After a panic, what is there is whole.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = loaded.get(&(variant, precision)) {
            return Ok(Arc::clone(model));
        }
        let options = LoadOptions { precision, ..self.options.clone() };
        let model: Arc<dyn VideoModel> = load(&self.folder(variant)?, &options)?.into();
        loaded.insert((variant, precision), Arc::clone(&model));
        Ok(model)
    }

    /// What a cheaper model saves; nothing where it is unchanged.
    ///
    /// # Errors
    /// It can't be made.
    pub fn savings(&self, variant: Variant) -> Result<Option<Savings>, AttackError> {
        if variant == Variant::Unchanged {
            return Ok(None);
        }
        let path = self.folder(variant)?.join(SAVINGS);
        let text = std::fs::read_to_string(&path).map_err(AttackError::io("read", &path))?;
        let damaged = |error: serde_json::Error| AttackError::Io {
            action: "understand",
            path: path.clone(),
            source: error.into(),
        };
        serde_json::from_str(&text).map(Some).map_err(damaged)
    }

    /// The folder of a cheaper model, made if it is not there.
    ///
    /// # Errors
    /// The real model can't be read or made into this, or the scratch folder can't be written to.
    pub fn folder(&self, variant: Variant) -> Result<PathBuf, AttackError> {
        let kind = match variant {
            Variant::Unchanged => return Ok(self.model.clone()),
            Variant::Integers(Bits::Eight) => "int8",
            Variant::Integers(Bits::Four) => "int4",
            Variant::HalfWidth => "half-width",
        };
        let unet = Unet::read(&self.model)?;
        let finished = self.scratch.join(format!("{kind}-{}", unet.name()));
        if finished.is_dir() {
            return Ok(finished);
        }
        let partial = self.scratch.join(format!(".{kind}-{}-{}", unet.name(), std::process::id()));
        let made = self.make(variant, &unet, &partial).and_then(|()| {
            let renamed = std::fs::rename(&partial, &finished);
            // Another process may have been first.
            if finished.is_dir() { Ok(()) } else { renamed.map_err(AttackError::io("write", &finished)) }
        });
        if partial.exists() {
            // A left-over is harmless: its name is used again or never.
            let _ = std::fs::remove_dir_all(&partial);
        }
        made.map(|()| finished)
    }

    fn make(&self, variant: Variant, unet: &Unet, to: &Path) -> Result<(), AttackError> {
        if to.exists() {
            std::fs::remove_dir_all(to).map_err(AttackError::io("clear", to))?;
        }
        let mut original = (0, 0);
        let mut count = |shape: &[usize], bytes: &[u8]| {
            original.0 += shape.iter().product::<usize>() as u64;
            original.1 += bytes.len() as u64;
        };
        let (config, tensors) = match variant {
            Variant::HalfWidth => {
                let halving = Halving::of(&unet.config, &unet.config_file)?;
                let tensors = unet.map(|name, dtype, shape, bytes| {
                    count(shape, bytes);
                    Ok(halving.slice(name, dtype, shape, bytes))
                })?;
                (halving.config(&unet.config), tensors)
            }
            Variant::Unchanged | Variant::Integers(_) => {
                let tensors = unet.map(|_, dtype, shape, bytes| {
                    count(shape, bytes);
                    Ok(match (variant, to_f32(dtype, bytes)) {
                        (Variant::Integers(bits), Some(values)) if shape.len() > 1 => {
                            Tensor::Integers(Quantised::new(&values, shape, bits))
                        }
                        _ => Tensor::Kept { dtype, shape: shape.to_vec(), bytes: bytes.to_vec() },
                    })
                })?;
                (unet.config.clone(), tensors)
            }
        };
        folder::write(&self.model, &config, &tensors, to)?;
        let savings = Savings {
            original_parameters: original.0,
            parameters: tensors.values().map(Tensor::parameters).sum(),
            original_weight_bytes: original.1,
            weight_bytes: tensors.values().map(Tensor::held_bytes).sum(),
        };
        let path = to.join(SAVINGS);
        let text = serde_json::json!(savings).to_string();
        std::fs::write(&path, text).map_err(AttackError::io("write", &path))
    }
}
