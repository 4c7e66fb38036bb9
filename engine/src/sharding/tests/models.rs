//! Models to test with: the starter model, and random ones of other structures with its text encoder and VAE.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use half::f16;
use safetensors::tensor::{Dtype, TensorView};

use crate::models::unet3d::{UNet3DConfig, program};
use crate::noise::{NoiseStream, PortableNoise};
use crate::pipeline::{Control, GenerateRequest, Generated, LoadOptions, Trace, VideoModel, generate, load};
use crate::schedulers::{SchedulerConfig, SchedulerKind};

pub(super) fn starter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models/starter")
}

/// A UNet's structure.
pub(super) struct Structure {
    pub(super) levels: &'static [usize],
    pub(super) down: &'static [bool],
    pub(super) up: &'static [bool],
    pub(super) layers: usize,
    pub(super) head_dim: usize,
    pub(super) groups: usize,
    pub(super) half: bool,
}

/// Three levels with attention everywhere but inside, in f16; four levels with odd widths; two levels without attention outside.
pub(super) const STRUCTURES: [Structure; 3] = [
    Structure {
        levels: &[32, 64, 64],
        down: &[true, true, false],
        up: &[false, true, true],
        layers: 2,
        head_dim: 16,
        groups: 8,
        half: true,
    },
    Structure {
        levels: &[12, 20, 28, 20],
        down: &[true, false, true, false],
        up: &[true, true, false, true],
        layers: 1,
        head_dim: 5,
        groups: 4,
        half: false,
    },
    Structure {
        levels: &[24, 40],
        down: &[false, true],
        up: &[true, false],
        layers: 1,
        head_dim: 8,
        groups: 8,
        half: false,
    },
];

/// Writes a model of a structure with random weights.
pub(super) fn random_model(structure: &Structure, seed: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&starter(), folder.path());
    let unet = folder.path().join("unet");
    std::fs::remove_dir_all(&unet).unwrap();
    std::fs::create_dir(&unet).unwrap();
    let names = |flags: &[bool], kind: &str| -> Vec<String> {
        flags.iter().map(|cross| format!("{}{kind}Block3D", if *cross { "CrossAttn" } else { "" })).collect()
    };
    let starter: serde_json::Value =
        serde_json::from_slice(&std::fs::read(self::starter().join("unet/config.json")).unwrap()).unwrap();
    let config = serde_json::json!({
        "_class_name": "UNet3DConditionModel",
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": structure.levels,
        "down_block_types": names(structure.down, "Down"),
        "up_block_types": names(structure.up, "Up"),
        "layers_per_block": structure.layers,
        "attention_head_dim": structure.head_dim,
        "norm_num_groups": structure.groups,
        "cross_attention_dim": starter["cross_attention_dim"],
        "mid_block_scale_factor": 1.25,
        "sample_size": 8,
    });
    std::fs::write(unet.join("config.json"), config.to_string()).unwrap();
    let units = program(&UNet3DConfig::read(&unet.join("config.json")).unwrap());
    let noise = PortableNoise::new(seed, NoiseStream::InitialLatent);
    let mut at = 0;
    let mut tensors = Vec::new();
    for (name, shape) in units.iter().flat_map(crate::models::unet3d::Unit::tensors) {
        let count: usize = shape.iter().product();
        let mut values = vec![0.0; count];
        noise.fill(at, &mut values);
        at += count as u64;
        let inputs: usize = shape[1..].iter().product();
        let norm = shape.len() == 1;
        for value in &mut values {
            *value = if norm { 0.2 * *value } else { *value / (inputs as f32).sqrt() };
            if norm && name.ends_with("weight") {
                *value += 1.0;
            }
        }
        let bytes: Vec<u8> = if structure.half {
            values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect()
        } else {
            values.iter().flat_map(|x| x.to_le_bytes()).collect()
        };
        tensors.push((name, shape, bytes));
    }
    let dtype = if structure.half { Dtype::F16 } else { Dtype::F32 };
    let views =
        tensors.iter().map(|(name, shape, bytes)| (name, TensorView::new(dtype, shape.clone(), bytes).unwrap()));
    let file = safetensors::serialize(views, Some(HashMap::new())).unwrap();
    std::fs::write(unet.join("diffusion_pytorch_model.safetensors"), file).unwrap();
    folder
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(super) fn request(frames: usize, side: (usize, usize), steps: usize, guidance: f32) -> GenerateRequest {
    GenerateRequest {
        prompt: "a red circle moving right".to_owned(),
        negative_prompt: "blue".to_owned(),
        width: side.0,
        height: side.1,
        frames,
        steps,
        guidance,
        seed: 11,
    }
}

pub(super) fn scheduler(folder: &Path, kind: SchedulerKind) -> SchedulerConfig {
    SchedulerConfig::read(&folder.join("scheduler/scheduler_config.json"), Some(kind)).unwrap()
}

/// Everything a run computes.
pub(super) fn trace(
    model: &dyn VideoModel,
    scheduler: &SchedulerConfig,
    request: &GenerateRequest,
) -> crate::Result<(Generated, Vec<u8>)> {
    let mut trace = Trace::default();
    let mut control = Control {
        progress: &mut |_| {},
        cancelled: &AtomicBool::new(false),
        observer: Some(&mut trace),
        initial_latent: None,
        step_noise: None,
    };
    let generated = generate(model, scheduler, request, &mut control)?;
    Ok((generated, trace.to_safetensors(HashMap::new())?))
}

/// One machine, the ordinary way.
pub(super) fn solo(folder: &Path) -> Box<dyn VideoModel> {
    load(folder, &LoadOptions { threads: Some(2), ..LoadOptions::default() }).unwrap()
}
