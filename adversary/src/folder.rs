//! The UNet of a model folder, read whole and written again with other weights.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, View};
use sha2::{Digest as _, Sha256};

use crate::error::AttackError;
use crate::quantise::Quantised;

/// File that changed weights are written to, and the first that is looked for.
const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";
const INDEX: &str = "diffusion_pytorch_model.safetensors.index.json";
const HALF_WEIGHTS: &str = "diffusion_pytorch_model.fp16.safetensors";
pub(crate) const UNET: &str = "unet";
pub(crate) const CONFIG: &str = "config.json";

/// A tensor of a changed model.
pub(crate) enum Tensor {
    /// As it was: type and bytes of the file.
    Kept { dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8> },
    /// Integers, which the engine is given multiplied out.
    Integers(Quantised),
}

impl Tensor {
    pub(crate) fn parameters(&self) -> u64 {
        self.shape().iter().product::<usize>() as u64
    }

    /// Bytes that a cheat would hold and move.
    pub(crate) fn held_bytes(&self) -> u64 {
        match self {
            Self::Kept { bytes, .. } => bytes.len() as u64,
            Self::Integers(quantised) => quantised.bytes(),
        }
    }
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        match self {
            Tensor::Kept { dtype, .. } => *dtype,
            Tensor::Integers(_) => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Tensor::Kept { shape, .. } => shape,
            Tensor::Integers(quantised) => quantised.shape(),
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Tensor::Kept { bytes, .. } => Cow::Borrowed(bytes),
            Tensor::Integers(quantised) => quantised.expand().iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    fn data_len(&self) -> usize {
        match self {
            Tensor::Kept { bytes, .. } => bytes.len(),
            Tensor::Integers(quantised) => 4 * quantised.shape().iter().product::<usize>(),
        }
    }
}

/// Numbers of a tensor as f32, exactly; `None` for types that weights can't have.
pub(crate) fn to_f32(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let pairs = || bytes.as_chunks::<2>().0.iter();
    Some(match dtype {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        Dtype::F16 => pairs().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
        _ => return None,
    })
}

/// The UNet of a model folder. Its weights are held in memory as they are in the files.
pub(crate) struct Unet {
    files: Vec<(PathBuf, Vec<u8>)>,
    pub(crate) config_file: PathBuf,
    pub(crate) config: serde_json::Value,
}

impl Unet {
    pub(crate) fn read(model: &Path) -> Result<Self, AttackError> {
        let folder = model.join(UNET);
        let config_file = folder.join(CONFIG);
        let text = std::fs::read_to_string(&config_file).map_err(AttackError::io("read", &config_file))?;
        let config = serde_json::from_str(&text).map_err(|error| weights(&config_file, error))?;
        let read = |path: PathBuf| {
            let bytes = std::fs::read(&path).map_err(AttackError::io("read", &path))?;
            Ok((path, bytes))
        };
        let single = [WEIGHTS, HALF_WEIGHTS].map(|name| folder.join(name)).into_iter().find(|path| path.is_file());
        let files = match single {
            Some(path) => vec![read(path)?],
            None => shards(&folder)?.into_iter().map(read).collect::<Result<_, AttackError>>()?,
        };
        Ok(Self { files, config_file, config })
    }

    /// SHA-256 of configuration and weights, in hexadecimal, short: names what is made from them.
    pub(crate) fn name(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.config.to_string());
        self.files.iter().for_each(|(_, bytes)| hasher.update(bytes));
        hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// All tensors, each through `change`, which gets name, number type, shape and bytes.
    pub(crate) fn map(
        &self,
        mut change: impl FnMut(&str, Dtype, &[usize], &[u8]) -> Result<Tensor, AttackError>,
    ) -> Result<BTreeMap<String, Tensor>, AttackError> {
        let mut tensors = BTreeMap::new();
        for (path, bytes) in &self.files {
            let file = SafeTensors::deserialize(bytes).map_err(|error| weights(path, error))?;
            for (name, view) in file.iter() {
                let reader = |reason: &str| weights(path, format!("tensor `{name}` {reason}"));
                if !matches!(view.dtype(), Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                    return Err(reader("is not in f32, f16 or bf16"));
                }
                let changed = change(name, view.dtype(), view.shape(), view.data())?;
                if tensors.insert(name.to_owned(), changed).is_some() {
                    return Err(reader("is in two files"));
                }
            }
        }
        Ok(tensors)
    }
}

fn weights(file: &Path, reason: impl std::fmt::Display) -> AttackError {
    AttackError::Weights { file: file.to_owned(), reason: reason.to_string() }
}

/// The files that an index names.
fn shards(folder: &Path) -> Result<BTreeSet<PathBuf>, AttackError> {
    let index = folder.join(INDEX);
    let missing = || weights(folder, format!("there is no {WEIGHTS}, {HALF_WEIGHTS} or {INDEX}"));
    let text = std::fs::read_to_string(&index).map_err(|_| missing())?;
    let parsed: serde_json::Value = serde_json::from_str(&text).map_err(|error| weights(&index, error))?;
    let named = parsed.get("weight_map").and_then(serde_json::Value::as_object);
    let names = named.into_iter().flatten().filter_map(|(_, file)| file.as_str());
    // Only files beside the index.
    let beside = |name: &str| Path::new(name).file_name().map(|name| folder.join(name));
    let files: BTreeSet<PathBuf> = names.filter_map(beside).collect();
    if files.is_empty() { Err(weights(&index, "it names no file")) } else { Ok(files) }
}

/// Writes a model folder: everything as in `model`, but for the UNet.
pub(crate) fn write(
    model: &Path,
    config: &serde_json::Value,
    tensors: &BTreeMap<String, Tensor>,
    to: &Path,
) -> Result<(), AttackError> {
    take_over(model, to, true)?;
    let unet = to.join(UNET);
    std::fs::create_dir_all(&unet).map_err(AttackError::io("create", &unet))?;
    let path = unet.join(CONFIG);
    std::fs::write(&path, format!("{config:#}")).map_err(AttackError::io("write", &path))?;
    let path = unet.join(WEIGHTS);
    safetensors::serialize_to_file(tensors, None, &path).map_err(|error| weights(&path, error))
}

/// Links the files of a folder, or copies those that can't be linked.
fn take_over(from: &Path, to: &Path, top: bool) -> Result<(), AttackError> {
    std::fs::create_dir_all(to).map_err(AttackError::io("create", to))?;
    for entry in std::fs::read_dir(from).map_err(AttackError::io("read", from))? {
        let entry = entry.map_err(AttackError::io("read", from))?;
        let target = to.join(entry.file_name());
        // Follows links: a linked file is taken over as the file it is.
        let source = entry.path().canonicalize().map_err(AttackError::io("read", entry.path()))?;
        if source.is_dir() {
            if !(top && entry.file_name() == UNET) {
                take_over(&source, &target, false)?;
            }
        } else if std::fs::hard_link(&source, &target).is_err() {
            std::fs::copy(&source, &target).map_err(AttackError::io("copy", &source))?;
        }
    }
    Ok(())
}
