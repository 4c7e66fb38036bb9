//! Running cases.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde::Deserialize;

use super::golden::{Golden, relative_l2};
use crate::backend::tensor::Chosen;
use crate::backend::{Backend, MapShape};
use crate::error::{EngineError, Result};
use crate::models::clip_text::{ClipText, ClipTextConfig, ClipTokenizer};
use crate::models::config::ConfigFile;
use crate::models::unet3d::{UNet3D, UNet3DConfig};
use crate::models::vae::{Vae, VaeConfig};
use crate::pipeline::{Control, GenerateRequest, LoadOptions, Precision, Trace, generate, load};
use crate::schedulers::{Previous, Scheduler, SchedulerConfig};
use crate::weights::Weights;

/// Error allowed in a half type over what the format's resolution makes of the reference's own f32 error. Measured on the
/// UNet and VAE cases: at most 1.5; PyTorch's own f16 and bf16 UNet outputs are within a factor of 2 of ours.
const HALF_MARGIN: f64 = 3.0;

#[derive(Deserialize)]
struct Case {
    kind: String,
    name: String,
    #[serde(default)]
    description: String,
    bar: f64,
    #[serde(default)]
    reference_error: f64,
    #[serde(default)]
    steps: usize,
    #[serde(default)]
    prompt: String,
    #[serde(default)]
    negative_prompt: String,
    #[serde(default)]
    guidance: f32,
    #[serde(default)]
    frames: usize,
    #[serde(default)]
    height: usize,
    #[serde(default)]
    width: usize,
}

/// Error of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct StageError {
    /// Tensor or stage.
    pub stage: String,
    /// Relative L2 error, or the number of differing items for tokens.
    pub error: f64,
    /// Largest error allowed.
    pub bar: f64,
}

/// What a case showed.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseReport {
    /// Kind of component.
    pub kind: String,
    /// Name of the case.
    pub name: String,
    /// What it covers.
    pub description: String,
    /// The reference's own f32 error against its f64 results.
    pub reference_error: f64,
    /// Every stage compared.
    pub stages: Vec<StageError>,
}

impl CaseReport {
    /// Whether every stage is within its bar.
    pub fn passed(&self) -> bool {
        self.stages.iter().all(|stage| stage.error <= stage.bar)
    }

    /// The stage nearest to, or farthest beyond, its bar.
    pub fn worst(&self) -> Option<&StageError> {
        let ratio = |stage: &StageError| if stage.bar > 0.0 { stage.error / stage.bar } else { stage.error };
        self.stages.iter().max_by(|a, b| ratio(a).total_cmp(&ratio(b)))
    }
}

/// What checks the reader of weights, by tests of its own, and not a component.
const READER_KIND: &str = "pickle";

/// All folders with cases of components at or below `root`, sorted.
///
/// # Errors
/// A folder can't be listed or a case not be read.
pub fn find_cases(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        let case = folder.join("case.json");
        if case.is_file() {
            let kind = serde_json::from_slice::<serde_json::Value>(&std::fs::read(case)?)?["kind"].clone();
            if kind != READER_KIND {
                found.push(folder);
            }
            continue;
        }
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Runs one case.
///
/// # Errors
/// A file of the case can't be used, or its kind is unknown.
pub fn check(folder: &Path) -> Result<CaseReport> {
    check_on(folder, &LoadOptions::default())
}

/// Runs one case on a device and in a number format. Bars are the case's own in f32 and wider in half types; the iterated
/// errors of a whole pipeline can exceed even those.
///
/// # Errors
/// As [`check`]; and the device can't be used.
pub fn check_on(folder: &Path, options: &LoadOptions) -> Result<CaseReport> {
    let mut file = ConfigFile::<Case>::read(&folder.join("case.json"))?;
    file.value.bar = file.value.bar_in(options.precision);
    let case = &file.value;
    let stages = match case.kind.as_str() {
        "unet" | "unet3d" => match options.backend()? {
            Chosen::Kernels(cpu) => unet(&cpu, folder, case)?,
            Chosen::Tensors(tensors) => unet(&tensors, folder, case)?,
        },
        "vae" => match options.backend()? {
            Chosen::Kernels(cpu) => vae(cpu, folder, case)?,
            Chosen::Tensors(tensors) => vae(tensors, folder, case)?,
        },
        "clip_text" | "clip-text" => clip_text(folder, case)?,
        "scheduler" => scheduler(folder, case)?,
        "tokenizer" => tokenizer(folder)?,
        "pipeline" => pipeline(folder, case, options)?,
        other => return Err(file.error(format!("kind `{other}` is not known"))),
    };
    Ok(CaseReport {
        kind: case.kind.clone(),
        name: case.name.clone(),
        description: case.description.clone(),
        reference_error: case.reference_error,
        stages,
    })
}

impl Case {
    /// A model with random weights amplifies rounding as it likes; how much shows in the reference's own f32 error, so the
    /// bar of a half type is that error times the ratio of resolutions, with a margin.
    fn bar_in(&self, precision: Precision) -> f64 {
        let coarser_bits = match precision {
            Precision::F32 => return self.bar,
            Precision::F16 => 13,
            Precision::Bf16 => 16,
        };
        self.bar.max(HALF_MARGIN * self.reference_error * f64::from(1 << coarser_bits))
    }
}

/// `(frames, pixels, channels)` of a map to the reference's `(frames, channels, height, width)`.
fn frames_first(values: &[f32], shape: MapShape) -> Vec<f32> {
    let (pixels, channels) = (shape.height * shape.width, shape.channels);
    let mut out = Vec::with_capacity(values.len());
    for frame in values.chunks_exact(pixels * channels) {
        for channel in 0..channels {
            out.extend((0..pixels).map(|pixel| frame[pixel * channels + channel]));
        }
    }
    out
}

/// `(frames, channels, height, width)` to `(frames, height, width, channels)`.
fn channels_last(values: &[f32], shape: MapShape) -> Vec<f32> {
    let (pixels, channels) = (shape.height * shape.width, shape.channels);
    let mut out = Vec::with_capacity(values.len());
    for frame in values.chunks_exact(pixels * channels) {
        for pixel in 0..pixels {
            out.extend((0..channels).map(|channel| frame[channel * pixels + pixel]));
        }
    }
    out
}

fn unet<B: Backend + Clone>(backend: &B, folder: &Path, case: &Case) -> Result<Vec<StageError>> {
    let golden = Golden::read(folder)?;
    let part = folder.join("unet");
    let model = UNet3D::load(backend.clone(), UNet3DConfig::read(&part.join("config.json"))?, &Weights::open(&part)?)?;
    let (shape, sample) = golden.get_f32("sample")?;
    let (_, timestep) = golden.get("timestep")?;
    let (text_shape, text) = golden.get_f32("encoder_hidden_states")?;
    let (out_shape, out) = golden.get(if golden.has("out_f64") { "out_f64" } else { "out" })?;
    let (batch, one, one_text, one_out) =
        (shape[0], sample.len() / shape[0], text.len() / text_shape[0], out.len() / out_shape[0]);
    let mut stages: Vec<StageError> = Vec::new();
    let mut found = Vec::new();
    for i in 0..batch {
        let context = model.prepare_text(&text[i * one_text..][..one_text])?;
        let mut trace = |name: &str, map: &B::Map| -> Result<()> {
            let (_, all) = golden.get(name)?;
            let len = all.len() / batch;
            let values = frames_first(&backend.download(map)?, backend.shape(map)?);
            stages.push(StageError {
                stage: name.to_owned(),
                error: relative_l2(&values, &all[i * len..][..len]),
                bar: case.bar,
            });
            Ok(())
        };
        let timestep = timestep[i % timestep.len()] as f32;
        found.extend(model.forward_traced(
            &sample[i * one..][..one],
            [shape[2], shape[3], shape[4]],
            timestep,
            &context,
            &mut trace,
        )?);
    }
    debug_assert_eq!(found.len(), batch * one_out);
    stages.push(StageError { stage: "out".to_owned(), error: relative_l2(&found, &out), bar: case.bar });
    Ok(stages)
}

fn vae<B: Backend>(backend: B, folder: &Path, case: &Case) -> Result<Vec<StageError>> {
    let golden = Golden::read(folder)?;
    let part = folder.join("vae");
    let config = VaeConfig::read(&part.join("config.json"))?;
    let scale = config.scaling_factor as f32;
    let model = Vae::load(backend, config, Weights::open(&part)?, true)?;
    let map_shape =
        |shape: &[usize]| MapShape { frames: shape[0], height: shape[2], width: shape[3], channels: shape[1] };
    let stage = |name: &str, found: &[f32], golden: &[f64]| StageError {
        stage: name.to_owned(),
        error: relative_l2(found, golden),
        bar: case.bar,
    };

    let (shape, image) = golden.get_f32("image")?;
    let (means, means_shape) = model.encode_mean(channels_last(&image, map_shape(&shape)), map_shape(&shape))?;
    let means: Vec<f32> = frames_first(&means, means_shape).iter().map(|x| x / scale).collect();
    let encoded = stage("encoded_mean", &means, &golden.get("encoded_mean_f64")?.1);

    let (shape, latent) = golden.get_f32("latent")?;
    let scaled = latent.iter().map(|x| x * scale).collect::<Vec<_>>();
    let pixels = model.decode(channels_last(&scaled, map_shape(&shape)), map_shape(&shape))?;
    let (decoded_shape, decoded) = golden.get("decoded_f64")?;
    let decoded = stage("decoded", &frames_first(&pixels, map_shape(&decoded_shape)), &decoded);
    Ok(vec![encoded, decoded])
}

fn clip_text(folder: &Path, case: &Case) -> Result<Vec<StageError>> {
    let golden = Golden::read(folder)?;
    let part = folder.join("text_encoder");
    let model = ClipText::load(ClipTextConfig::read(&part.join("config.json"))?, &Weights::open(&part)?)?;
    let (shape, ids) = golden.get("input_ids")?;
    let mut states = Vec::new();
    for row in ids.chunks_exact(shape[1]) {
        states.extend(model.forward(&row.iter().map(|&id| id as u32).collect::<Vec<_>>())?);
    }
    let (_, expected) = golden.get("last_hidden_state_f64")?;
    Ok(vec![StageError {
        stage: "last_hidden_state".to_owned(),
        error: relative_l2(&states, &expected),
        bar: case.bar,
    }])
}

fn scheduler(folder: &Path, case: &Case) -> Result<Vec<StageError>> {
    let golden = Golden::read(folder)?;
    let config = SchedulerConfig::read(&folder.join("scheduler").join("scheduler_config.json"), None)?;
    let scheduler = Scheduler::new(config, case.steps)?;
    let stage = |name: String, found: &[f32], golden: &[f64]| StageError {
        stage: name,
        error: relative_l2(found, golden),
        bar: case.bar,
    };
    let exact = |name: &str, found: Vec<f64>, golden: &[f64]| StageError {
        stage: name.to_owned(),
        error: if found == golden { 0.0 } else { f64::INFINITY },
        bar: 0.0,
    };
    let steps = scheduler.steps();
    let mut stages =
        vec![exact("timesteps", (0..steps).map(|i| scheduler.timestep(i)).collect(), &golden.get("timesteps")?.1)];
    let (_, at) = golden.get("alphas_cumprod_at")?;
    let alphas: Vec<f32> = at.iter().map(|&i| scheduler.alphas_cumprod()[i as usize]).collect();
    let (_, golden_alphas) = golden.get("alphas_cumprod")?;
    if scheduler.config().has_zero_terminal_snr() {
        // PyTorch's vectorised square root, which the rescaling uses, is not correctly rounded; ours is.
        stages.push(stage("alphas_cumprod".to_owned(), &alphas, &golden_alphas));
    } else {
        stages.push(exact("alphas_cumprod", alphas.iter().map(|&alpha| f64::from(alpha)).collect(), &golden_alphas));
    }
    let (_, sigma) = golden.get("init_noise_sigma")?;
    stages.push(stage("init_noise_sigma".to_owned(), &[scheduler.init_noise_sigma() as f32], &sigma));
    let (shape, samples) = golden.get_f32("samples")?;
    let (_, outputs) = golden.get_f32("model_outputs")?;
    let (_, scaled) = golden.get("scaled_inputs")?;
    let (_, expected) = golden.get("prev_samples_f64")?;
    let width = shape[1];
    for step in 0..steps {
        let row = step * width;
        let (sample, output) = (&samples[row..][..width], &outputs[row..][..width]);
        let previous = step.checked_sub(1).map(|last| Previous {
            sample: &samples[last * width..][..width],
            model_output: &outputs[last * width..][..width],
        });
        let found = scheduler.step(step, sample, output, previous)?;
        stages.push(stage(
            format!("scaled input {step}"),
            &scheduler.scale_model_input(step, sample),
            &scaled[row..][..width],
        ));
        stages.push(stage(format!("step {step}"), &found, &expected[row..][..width]));
    }
    Ok(stages)
}

#[derive(Deserialize)]
struct TokenizerGolden {
    pad_id: u32,
    max_length: usize,
    entries: Vec<TokenizerEntry>,
}

#[derive(Deserialize)]
struct TokenizerEntry {
    text: Option<String>,
    repeat: Option<(String, usize)>,
    ids: Vec<u32>,
    untruncated: usize,
}

fn tokenizer(folder: &Path) -> Result<Vec<StageError>> {
    let golden = ConfigFile::<TokenizerGolden>::read(&folder.join("golden.json"))?.value;
    let tokenizer = ClipTokenizer::read(&folder.join("tokenizer"))?;
    let mut stages = Vec::new();
    for entry in golden.entries {
        let text = match (entry.text, entry.repeat) {
            (Some(text), _) => text,
            (None, Some((piece, times))) => piece.repeat(times),
            (None, None) => continue,
        };
        let found = tokenizer.encode_padded(&text, golden.max_length)?;
        let mut expected = entry.ids;
        expected.resize(golden.max_length, golden.pad_id);
        let mut differing = found.ids.iter().zip(&expected).filter(|(a, b)| a != b).count();
        differing += usize::from(found.truncated != (entry.untruncated > golden.max_length));
        let shown: String = text.chars().take(40).collect();
        stages.push(StageError { stage: format!("{shown:?}"), error: differing as f64, bar: 0.0 });
    }
    Ok(stages)
}

fn pipeline(folder: &Path, case: &Case, options: &LoadOptions) -> Result<Vec<StageError>> {
    let golden = Golden::read(folder)?;
    let model_folder = folder.join("model");
    let model = load(&model_folder, options)?;
    let scheduler = SchedulerConfig::read(&model_folder.join("scheduler").join("scheduler_config.json"), None)?;
    let request = GenerateRequest {
        prompt: case.prompt.clone(),
        negative_prompt: case.negative_prompt.clone(),
        width: case.width,
        height: case.height,
        frames: case.frames,
        steps: case.steps,
        guidance: case.guidance,
        seed: 0,
    };
    let mut trace = Trace::default();
    let generated = generate(
        model.as_ref(),
        &scheduler,
        &request,
        &mut Control {
            progress: &mut |_| {},
            cancelled: &AtomicBool::new(false),
            observer: Some(&mut trace),
            initial_latent: Some(golden.get_f32("noise")?.1),
            step_noise: None,
        },
    )?;
    let mut stages = Vec::new();
    let names = (0..case.steps).flat_map(|i| [format!("cond_{i}"), format!("uncond_{i}"), format!("x_{}", i + 1)]);
    for name in
        ["text_cond".to_owned(), "text_uncond".to_owned()].into_iter().chain(names).chain(["latents".to_owned()])
    {
        if let (Some(found), true) = (trace.get(&name), golden.has(&name)) {
            stages.push(StageError { error: relative_l2(&found, &golden.get(&name)?.1), stage: name, bar: case.bar });
        }
    }
    if stages.len() < case.steps {
        return Err(EngineError::Request(format!("only {} stages could be compared", stages.len())));
    }
    let (_, frames) = golden.get("frames")?;
    if options.precision == Precision::F32 {
        let off_by_more =
            generated.frames.iter().zip(&frames).filter(|(a, b)| (f64::from(**a) - **b).abs() > 1.0).count();
        stages.push(StageError { stage: "frames off by more than 1".to_owned(), error: off_by_more as f64, bar: 0.0 });
    } else {
        let found: Vec<f32> = generated.frames.iter().map(|&x| f32::from(x)).collect();
        stages.push(StageError { stage: "frames".to_owned(), error: relative_l2(&found, &frames), bar: case.bar });
    }
    Ok(stages)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pipeline::TensorDevice;

    fn all_pass(kinds: &[&str], device: TensorDevice, precision: Precision) {
        for kind in kinds {
            let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "golden", kind].iter().collect();
            let cases = find_cases(&folder).unwrap();
            assert!(cases.len() >= 3, "only {} cases of {kind}", cases.len());
            for case in cases {
                let report = check_on(&case, &LoadOptions { device, precision, threads: None }).unwrap();
                assert!(report.passed(), "{} {precision:?}: {:?}\n{:#?}", report.name, report.worst(), report.stages);
            }
        }
    }

    #[test]
    fn tensors_meet_the_bars_in_f32() {
        all_pass(&["unet3d", "vae", "pipeline"], TensorDevice::CpuTensors, Precision::F32);
    }

    #[test]
    fn tensors_meet_the_bars_in_half_types() {
        all_pass(&["unet3d", "vae"], TensorDevice::Cpu, Precision::F16);
        all_pass(&["unet3d", "vae"], TensorDevice::Cpu, Precision::Bf16);
    }
}
