//! How much memory a job needs beside the weights, from the configurations.

use std::path::Path;

use super::model::{LatentShape, Precision};
use super::request::{GenerateRequest, ModelDefaults};
use super::unet3d::SIDE_BY_SIDE_BYTES;
use crate::error::{EngineError, Result};
use crate::models::unet3d::UNet3DConfig;
use crate::models::vae::VaeConfig;

/// What the program takes beside weights and working memory.
const PROGRAM_BYTES: u64 = 64 << 20;
const MIB: u64 = 1 << 20;
/// Frames, steps, guidance and rate that published models of this family use, for a folder that no catalogue knows.
const USUAL_FRAMES: usize = 16;
const USUAL_STEPS: usize = 25;
const USUAL_GUIDANCE: f32 = 9.0;
const USUAL_RATE: f64 = 8.0;

struct Sizes {
    unet: UNet3DConfig,
    vae: VaeConfig,
    weight_bytes: u64,
}

impl Sizes {
    fn read(folder: &Path) -> Result<Self> {
        let config = |part: &str| folder.join(part).join("config.json");
        let unet = UNet3DConfig::read(&config("unet"))?;
        let vae = VaeConfig::read(&config("vae"))?;
        let weight_bytes =
            ["unet", "vae", "text_encoder"].iter().map(|part| largest_format_bytes(&folder.join(part))).sum();
        Ok(Self { unet, vae, weight_bytes })
    }

    /// Estimated peak of a job.
    fn peak_bytes(&self, width: usize, height: usize, frames: usize, value_bytes: u64) -> u64 {
        let factor = self.vae.factor();
        let shape =
            LatentShape { channels: self.unet.in_channels, frames, height: height / factor, width: width / factor };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let [denoising, decoding] =
            working_values(&self.unet, &self.vae, shape, threads).map(|values| value_bytes * values);
        let branches = if denoising < SIDE_BY_SIDE_BYTES { 2 } else { 1 };
        PROGRAM_BYTES + self.weight_bytes + (denoising * branches).max(decoding)
    }
}

/// Bytes of a component's weights: of one format, where a folder holds several.
fn largest_format_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let files: Vec<_> =
        entries.flatten().map(|entry| (entry.path(), entry.metadata().map_or(0, |metadata| metadata.len()))).collect();
    let of = |extension: &str| {
        files.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == extension)).map(|(_, len)| len).sum()
    };
    let safetensors: u64 = of("safetensors");
    if safetensors > 0 { safetensors } else { of("bin") }
}

/// Refuses a job that would not fit into `available_bytes` of memory, before anything is loaded.
///
/// # Errors
/// The estimate exceeds what is free (the message says what would fit), or a config can't be read.
pub fn check_memory(
    folder: &Path,
    request: &GenerateRequest,
    precision: Precision,
    available_bytes: Option<u64>,
) -> Result<()> {
    let Some(available) = available_bytes else { return Ok(()) };
    let sizes = Sizes::read(folder)?;
    let GenerateRequest { width, height, frames, .. } = *request;
    let peak = |width, height, frames| sizes.peak_bytes(width, height, frames, precision.bytes());
    let needed = peak(width, height, frames);
    if needed <= available {
        return Ok(());
    }
    let fits = |width: usize, height: usize, frames: usize| peak(width, height, frames) <= available;
    let factor = sizes.vae.factor() * (1 << (sizes.unet.levels.len() - 1));
    let smaller =
        |share: usize| ((width * share / 8 / factor).max(1) * factor, (height * share / 8 / factor).max(1) * factor);
    let most_frames = (1..frames).rev().find(|&frames| fits(width, height, frames));
    let largest = (1..8).rev().map(smaller).find(|&(width, height)| fits(width, height, frames));
    let advice = match (most_frames, largest) {
        (Some(frames), Some((width, height))) => {
            format!("{frames} frames at this size would fit, or {width}x{height} with all frames")
        }
        (Some(frames), None) => format!("{frames} frames would fit"),
        (None, Some((width, height))) => format!("{width}x{height} would fit"),
        (None, None) => "no size of clip fits; close other programs or choose a smaller model".to_owned(),
    };
    Err(EngineError::Memory { needed_mib: needed / MIB, available_mib: available / MIB, fits: advice })
}

/// The latent of a clip, from a model's configurations alone.
///
/// # Errors
/// The size does not fit the model, or a config can't be read.
pub fn latent_shape(folder: &Path, width: usize, height: usize, frames: usize) -> Result<LatentShape> {
    let sizes = Sizes::read(folder)?;
    shape_of(&sizes.unet, &sizes.vae, width, height, frames)
}

/// The latent of a clip.
pub(crate) fn shape_of(
    unet: &UNet3DConfig,
    vae: &VaeConfig,
    width: usize,
    height: usize,
    frames: usize,
) -> Result<LatentShape> {
    let factor = vae.factor();
    for (name, value) in [("width", width), ("height", height)] {
        if value == 0 || value % factor != 0 {
            let lower = (value / factor).max(1) * factor;
            return Err(EngineError::Request(format!(
                "{name} {value} is not a multiple of {factor}, as this model's VAE needs; try {lower} or {}",
                lower + factor
            )));
        }
    }
    Ok(LatentShape { channels: unet.in_channels, frames, height: height / factor, width: width / factor })
}

/// Estimated peak of a job's memory in bytes, weights and program included: what [`check_memory`] compares.
///
/// # Errors
/// A config can't be read.
pub fn estimated_peak_bytes(folder: &Path, request: &GenerateRequest, precision: Precision) -> Result<u64> {
    let GenerateRequest { width, height, frames, .. } = *request;
    Ok(Sizes::read(folder)?.peak_bytes(width, height, frames, precision.bytes()))
}

/// Defaults for a model folder that the catalogue does not know.
///
/// # Errors
/// A config can't be read.
pub fn model_defaults(folder: &Path) -> Result<ModelDefaults> {
    let sizes = Sizes::read(folder)?;
    let side = sizes.unet.sample_size * sizes.vae.factor();
    Ok(ModelDefaults {
        width: side,
        height: side,
        frames: USUAL_FRAMES,
        frames_per_second: USUAL_RATE,
        steps: USUAL_STEPS,
        guidance: USUAL_GUIDANCE,
    })
}

/// Values (floats) that live at the peak of `[denoising, decoding]`.
pub(crate) fn working_values(unet: &UNet3DConfig, vae: &VaeConfig, shape: LatentShape, threads: usize) -> [u64; 2] {
    [denoising(unet, shape, threads), decoding(vae, shape)]
}

/// The widest layer of the way up: all skips that are still there, its input, output and scratch.
fn denoising(unet: &UNet3DConfig, shape: LatentShape, threads: usize) -> u64 {
    let (frames, mut pixels) = (shape.frames as u64, (shape.height * shape.width) as u64);
    let levels = unet.levels.len();
    let layers = unet.layers_per_block as u64;
    let mut skips = frames * pixels * unet.levels[0] as u64;
    let mut peak = 0;
    for (level, &channels) in unet.levels.iter().enumerate() {
        let map = frames * pixels * channels as u64;
        let lower = unet.levels[(level + 1).min(levels - 1)] as u64;
        skips += map * layers;
        // A ResNet on the way up: input with its skip, output; and what each thread holds for its frames.
        let live = frames * pixels * (lower + channels as u64) + 2 * map;
        let scratch = threads.min(shape.frames) as u64 * pixels * (channels as u64) * 14;
        peak = peak.max(skips + live + scratch);
        if level + 1 < levels {
            pixels = pixels.div_ceil(4);
            skips += frames * pixels * channels as u64;
        }
    }
    peak
}

/// The outermost ResNets of a chunk of frames, and the clip's pixels.
fn decoding(vae: &VaeConfig, shape: LatentShape) -> u64 {
    let factor = vae.factor() as u64;
    let pixels = (shape.height * shape.width) as u64 * factor * factor;
    let widest = vae.levels.iter().take(2).max().copied().unwrap_or(1) as u64;
    let chunk = shape.frames.min(4) as u64;
    chunk * pixels * widest * 3 + pixels * widest * 3 + shape.frames as u64 * pixels
}
