//! Loading a model folder: `model_index.json` and the components it names.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use candle_core::DType;

use super::model::{Precision, VideoModel};
use super::unet3d::{Threads, UNet3DModel};
use crate::backend::Backend;
use crate::backend::tensor::Chosen;
use crate::error::{EngineError, Result};
use crate::models::clip_text::{ClipText, ClipTextConfig, ClipTokenizer};
use crate::models::config::ConfigFile;
use crate::models::unet3d::{UNet3D, UNet3DConfig};
use crate::models::vae::{Vae, VaeConfig};
use crate::weights::Weights;

pub use crate::backend::tensor::{DeviceMemory, TensorDevice};

/// Where and how a model runs.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Device of the UNet and the VAE.
    pub device: TensorDevice,
    /// Number format of activations.
    pub precision: Precision,
    /// CPU threads; all that the machine offers if none are given.
    pub threads: Option<usize>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { device: TensorDevice::Cpu, precision: Precision::F32, threads: None }
    }
}

impl LoadOptions {
    /// The backend that the device and the number format take.
    pub(crate) fn backend(&self) -> Result<Chosen> {
        self.device.backend(match self.precision {
            Precision::F32 => DType::F32,
            Precision::F16 => DType::F16,
            Precision::Bf16 => DType::BF16,
        })
    }
}

/// Loads a text-to-video model from a diffusers folder.
///
/// # Errors
/// A file is missing, damaged, or does not fit the others; the message names it. The device can't be used.
pub fn load(folder: &Path, options: &LoadOptions) -> Result<Box<dyn VideoModel>> {
    check_index(folder)?;
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = Arc::new(Threads::new(options.threads.unwrap_or(available).max(1))?);
    Ok(match options.backend()? {
        Chosen::Kernels(cpu) => Box::new(unet3d(folder, cpu, options.precision, threads)?),
        Chosen::Tensors(tensors) => Box::new(unet3d(folder, tensors, options.precision, threads)?),
    })
}

/// Checks that a folder's `model_index.json` names a model of this family.
pub(crate) fn check_index(folder: &Path) -> Result<()> {
    let index = ConfigFile::<BTreeMap<String, serde_json::Value>>::read(&folder.join("model_index.json"))?;
    let pipeline = index.value.get("_class_name").and_then(serde_json::Value::as_str).unwrap_or_default();
    index.require(
        matches!(pipeline, "TextToVideoSDPipeline" | "TextToVideoZeroPipeline" | "VideoToVideoSDPipeline"),
        || format!("`_class_name` is `{pipeline}`; this engine runs TextToVideoSDPipeline (UNet3D) models"),
    )?;
    for (component, class) in
        [("unet", "UNet3DConditionModel"), ("vae", "AutoencoderKL"), ("text_encoder", "CLIPTextModel")]
    {
        let named = index.value.get(component).and_then(|entry| entry.get(1)).and_then(serde_json::Value::as_str);
        index.require(named == Some(class), || {
            format!("`{component}` is {}, expected {class}", named.unwrap_or("not named"))
        })?;
    }
    Ok(())
}

fn unet3d<B: Backend + Clone>(
    folder: &Path,
    backend: B,
    precision: Precision,
    threads: Arc<Threads>,
) -> Result<UNet3DModel<B>> {
    let part = |name: &str| folder.join(name);
    let config = |name: &str| folder.join(name).join("config.json");
    let tokenizer = ClipTokenizer::read(&part("tokenizer"))?;
    let text = ClipText::load(ClipTextConfig::read(&config("text_encoder"))?, &Weights::open(&part("text_encoder"))?)?;
    let unet_config = UNet3DConfig::read(&config("unet"))?;
    let vae_config = VaeConfig::read(&config("vae"))?;
    check_parts(folder, text.config(), &unet_config, &vae_config)?;
    let unet = UNet3D::load(backend.clone(), unet_config, &Weights::open(&part("unet"))?)?;
    let vae = Vae::load(backend, vae_config, Weights::open(&part("vae"))?, false)?;
    Ok(UNet3DModel { tokenizer, text, unet, vae, precision, threads })
}

/// Checks that a model's parts fit each other.
pub(crate) fn check_parts(
    folder: &Path,
    text: &ClipTextConfig,
    unet_config: &UNet3DConfig,
    vae_config: &VaeConfig,
) -> Result<()> {
    let mismatch = |reason: String| Err(EngineError::Config { file: folder.join("model_index.json"), reason });
    if text.hidden != unet_config.text_channels {
        return mismatch(format!(
            "the text encoder's states have {} channels, the UNet expects {}",
            text.hidden, unet_config.text_channels
        ));
    }
    if vae_config.latent_channels != unet_config.out_channels || unet_config.in_channels != unet_config.out_channels {
        return mismatch(format!(
            "the UNet takes {} and makes {} latent channels, the VAE has {}",
            unet_config.in_channels, unet_config.out_channels, vae_config.latent_channels
        ));
    }
    Ok(())
}
