//! The loop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::checkpoint::Checkpoint;
use super::elementwise::{guided_output, initial_state, next_state};
use super::model::{Branch, Denoiser, LatentShape, VideoModel};
use super::observe::{Observer, Step};
use super::request::GenerateRequest;
use super::step_noise::StepNoise;
use crate::error::{EngineError, Result};
use crate::noise::{NoiseStream, PortableNoise};
use crate::schedulers::{Previous, Scheduler, SchedulerConfig};

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// Encoding the prompts.
    EncodingText,
    /// A step has finished.
    Step {
        /// Steps done.
        done: usize,
        /// Steps in all.
        total: usize,
        /// Seconds the last step took.
        seconds: f64,
    },
    /// Frames have been decoded.
    Decoding {
        /// Frames done.
        done: usize,
        /// Frames in all.
        total: usize,
    },
}

/// How a caller watches and stops a run.
pub struct Control<'a> {
    /// Called from the thread that runs.
    pub progress: &'a mut dyn FnMut(Progress),
    /// Checked between evaluations.
    pub cancelled: &'a AtomicBool,
    /// Sees every intermediate tensor.
    pub observer: Option<&'a mut dyn Observer>,
    /// Starts from this latent instead of the seed's, `(channels, frames, height, width)`.
    pub initial_latent: Option<Vec<f32>>,
    /// Adds the noise of a proven run after each step.
    pub step_noise: Option<StepNoise>,
}

/// A finished clip.
#[derive(Clone, Debug)]
pub struct Generated {
    /// `(frames, height, width, 3)` RGB.
    pub frames: Vec<u8>,
    /// Final latent.
    pub latents: Vec<f32>,
    /// Its size.
    pub shape: LatentShape,
    /// Whether a prompt was too long and its end was cut off.
    pub prompt_truncated: bool,
    /// Seconds of the whole run.
    pub seconds: f64,
}

/// Makes a clip.
///
/// # Errors
/// The request does not fit the model, the device fails, or the caller cancels.
pub fn generate(
    model: &dyn VideoModel,
    scheduler: &SchedulerConfig,
    request: &GenerateRequest,
    control: &mut Control<'_>,
) -> Result<Generated> {
    generate_from(model, scheduler, request, control, None, None)
}

/// As [`generate`], from a checkpoint of an earlier run of the same request if one is given, and showing one after every step.
/// The clip has the bits of a run that was never interrupted, on whatever group of members either part ran. An observer sees only
/// the steps that are run here.
///
/// # Errors
/// As [`generate`]; or the checkpoint is not of this run.
pub fn generate_from(
    model: &dyn VideoModel,
    scheduler: &SchedulerConfig,
    request: &GenerateRequest,
    control: &mut Control<'_>,
    resume: Option<Checkpoint>,
    mut checkpoints: Option<&mut dyn FnMut(Checkpoint)>,
) -> Result<Generated> {
    let start = Instant::now();
    request.check()?;
    let scheduler = Scheduler::new(scheduler.clone(), request.steps)?;
    let shape = model.latent_shape(request.width, request.height, request.frames)?;
    let frames = shape.frames;

    (control.progress)(Progress::EncodingText);
    let conditional = model.encode_text(&request.prompt)?;
    let unconditional = if request.uses_guidance() { Some(model.encode_text(&request.negative_prompt)?) } else { None };
    if let Some(observer) = control.observer.as_deref_mut() {
        observer.text(&conditional, unconditional.as_ref());
    }

    let noise = match control.initial_latent.take() {
        Some(latent) if latent.len() == shape.elements() => latent,
        Some(latent) => {
            return Err(EngineError::Request(format!(
                "the given latent has {} values, this clip needs {shape:?}",
                latent.len()
            )));
        }
        None => PortableNoise::new(request.seed, NoiseStream::InitialLatent).vector(shape.elements()),
    };
    if let Some(observer) = control.observer.as_deref_mut() {
        observer.noise(&noise, shape);
    }

    let denoiser = model.denoiser(shape, &conditional, unconditional.as_ref())?;
    let state_noise = denoiser.begin(&noise)?;
    if state_noise.len() != shape.elements() && control.step_noise.is_some() {
        return Err(EngineError::Request(
            "a run whose windows are kept apart until the end can't be proven; choose an exact plan".to_owned(),
        ));
    }
    let mut state = initial_state(&state_noise, &scheduler, model.precision());
    drop(state_noise);
    let mut previous: Option<(Vec<f32>, Vec<f32>)> = None;
    let mut first_step = 0;
    if let Some(checkpoint) = resume {
        checkpoint.check(scheduler.steps(), state.len())?;
        (first_step, state, previous) = (checkpoint.step, checkpoint.state, checkpoint.previous);
    }
    for step in first_step..scheduler.steps() {
        if control.cancelled.load(Ordering::Relaxed) {
            return Err(EngineError::Cancelled);
        }
        let step_start = Instant::now();
        let input = scheduler.scale_model_input(step, &state);
        let outputs = evaluate(denoiser.as_ref(), &input, scheduler.timestep(step), unconditional.is_some())?;
        if let Some(observer) = control.observer.as_deref_mut() {
            let unconditional = outputs.1.as_deref().map(|output| denoiser.settle(output)).transpose()?;
            let (state, conditional) = (denoiser.settle(&state)?, denoiser.settle(&outputs.0)?);
            let unconditional = unconditional.as_deref();
            observer.step(Step { index: step, state: &state, conditional: &conditional, unconditional });
        }
        let guided = guided_output(outputs.0, outputs.1.as_deref(), request.guidance);
        if let Some(at) = guided.iter().position(|x| !x.is_finite()) {
            return Err(EngineError::Request(format!(
                "the model's output is not finite at step {step}, element {at}: {} overflows here; try another dtype, size or guidance",
                model.precision().name()
            )));
        }
        let before = previous.as_ref().map(|(sample, model_output)| Previous { sample, model_output });
        let noise = control.step_noise.as_ref();
        let next = next_state(&scheduler, model.precision(), noise, step, &state, &guided, before)?;
        previous = Some((std::mem::replace(&mut state, next), guided));
        if let Some(checkpoints) = checkpoints.as_deref_mut() {
            checkpoints(Checkpoint { step: step + 1, state: state.clone(), previous: previous.clone() });
        }
        let seconds = step_start.elapsed().as_secs_f64();
        (control.progress)(Progress::Step { done: step + 1, total: scheduler.steps(), seconds });
    }
    let state = denoiser.settle(&state)?;
    drop(denoiser);
    if let Some(observer) = control.observer.as_deref_mut() {
        observer.final_state(&state);
    }

    let mut pixels = Vec::with_capacity(frames * request.height * request.width * 3);
    let together = model.decode_together().max(1);
    for first in (0..frames).step_by(together) {
        if control.cancelled.load(Ordering::Relaxed) {
            return Err(EngineError::Cancelled);
        }
        let last = frames.min(first + together);
        pixels.extend(model.decode_rgb8(&state, shape, first..last)?);
        (control.progress)(Progress::Decoding { done: last, total: frames });
    }
    if let Some(observer) = control.observer.as_deref_mut() {
        observer.frames(&pixels, [frames, request.height, request.width]);
    }
    let prompt_truncated = conditional.truncated || unconditional.is_some_and(|text| text.truncated);
    Ok(Generated { frames: pixels, latents: state, shape, prompt_truncated, seconds: start.elapsed().as_secs_f64() })
}

type Outputs = (Vec<f32>, Option<Vec<f32>>);

fn evaluate(denoiser: &dyn Denoiser, input: &[f32], timestep: f64, guidance: bool) -> Result<Outputs> {
    if !guidance {
        return Ok((denoiser.evaluate(Branch::Conditional, input, timestep)?, None));
    }
    let (conditional, unconditional) = denoiser.evaluate_both(input, timestep)?;
    Ok((conditional, Some(unconditional)))
}
