//! A miner's run.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use infernet_engine::EngineError;
use infernet_engine::pipeline::{
    Control, GenerateRequest, Observer, Precision, Progress, Step, TextStates, VideoModel, generate,
};
use infernet_engine::schedulers::Scheduler;
use infernet_engine::video::{self, Clip, mp4};

use super::preview::{Picture, Previewer};
use crate::proof::{
    Challenge, Evidence, JobError, JobSeed, JobSpec, PromptOpening, RgbFrame, Signed, StepTensors, Tensor,
    TextEmbeddings,
};

/// A run can't be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The job can't be run by anyone.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The job and this model or challenge do not fit.
    #[error(
        "this job can't be run here: {what} is {found}, the job says {expected}; take the model and the challenge the job was posted with"
    )]
    Mismatch {
        /// What.
        what: &'static str,
        /// Here.
        found: String,
        /// In the job.
        expected: String,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The clip can't be encoded.
    #[error("the clip can't be encoded: {0}")]
    Video(#[from] video::Error),
}

/// How a run is watched and stopped.
pub struct RunOptions<'a> {
    /// Called from the thread that runs.
    pub progress: &'a mut dyn FnMut(Progress),
    /// Checked between evaluations.
    pub cancelled: &'a AtomicBool,
    /// How the clip is encoded.
    pub encoding: mp4::EncodeOptions,
    /// Gets small pictures of the clip on its way; they take at most a twentieth of the run's time.
    pub preview: Option<&'a mut dyn FnMut(Picture)>,
}

/// Runs a job under a challenge and records everything that is to be committed.
///
/// # Errors
/// The model does not fit the job, the engine fails, or the caller cancels.
pub fn run_job(
    model: &dyn VideoModel,
    job: &JobSpec,
    opening: &PromptOpening,
    challenge: &Signed<Challenge>,
    options: &mut RunOptions<'_>,
) -> Result<Evidence, RunError> {
    job.check()?;
    check_shape(model, job)?;
    check_precision(model, job)?;
    let seed = JobSeed::of(&challenge.body);
    let previewer = match &mut options.preview {
        None => None,
        Some(send) => Some(Previewer {
            model,
            shape: job.latent,
            scheduler: Scheduler::new(job.scheduler.clone(), job.steps as usize)?,
            guidance: job.guidance,
            send: &mut **send,
            not_before: Instant::now(),
        }),
    };
    let mut watched = Watched { recorder: Recorder::new(job), previewer };
    let mut control = Control {
        progress: &mut *options.progress,
        cancelled: options.cancelled,
        observer: Some(&mut watched),
        initial_latent: Some(seed.noise(job.latent.elements())),
        step_noise: Some(seed.step_noise()),
    };
    let generated = generate(model, &job.scheduler, &request(job, opening), &mut control)?;
    let rate = f64::from(job.frame_rate.numerator) / f64::from(job.frame_rate.denominator);
    let clip = mp4::encode(&Clip::new(job.width, job.height, rate, generated.frames)?, &options.encoding)?;
    watched.recorder.finish(job, challenge, clip)
}

/// What the pipeline is asked for. The seed is not in it: noise comes from the challenge.
pub(super) fn request(job: &JobSpec, opening: &PromptOpening) -> GenerateRequest {
    GenerateRequest {
        prompt: opening.prompt.clone(),
        negative_prompt: opening.negative_prompt.clone(),
        width: job.width as usize,
        height: job.height as usize,
        frames: job.frames as usize,
        steps: job.steps as usize,
        guidance: job.guidance,
        seed: 0,
    }
}

/// The latent must have the job's shape.
pub(super) fn check_shape(model: &dyn VideoModel, job: &JobSpec) -> Result<(), RunError> {
    let found = model.latent_shape(job.width as usize, job.height as usize, job.frames as usize)?;
    if found == job.latent {
        return Ok(());
    }
    let (found, expected) = (format!("{found:?}"), format!("{:?}", job.latent));
    Err(RunError::Mismatch { what: "the latent's shape", found, expected })
}

/// Who runs a job runs it in the job's number format.
fn check_precision(model: &dyn VideoModel, job: &JobSpec) -> Result<(), RunError> {
    if model.precision() == job.latent_dtype {
        return Ok(());
    }
    let (found, expected) = (model.precision().name().to_owned(), job.latent_dtype.name().to_owned());
    Err(RunError::Mismatch { what: "the number format of states", found, expected })
}

/// The embeddings of a text as they are committed.
pub(super) fn embedding(text: &TextStates) -> Tensor {
    // Tokens and width of a text encoder are far below u32::MAX.
    let dims = [text.tokens.len() as u32, text.width as u32];
    Tensor::from_f32(&text.states, Precision::F32, &dims)
}

/// Collects what the engine shows of a run.
pub struct Recorder {
    dtype: Precision,
    dims: [u32; 5],
    text: Option<TextEmbeddings>,
    steps: Vec<StepTensors>,
    final_state: Option<Tensor>,
    frames: Vec<RgbFrame>,
}

impl Recorder {
    /// For a job.
    pub fn new(job: &JobSpec) -> Self {
        Self {
            dtype: job.latent_dtype,
            dims: job.latent_dims(),
            text: None,
            steps: Vec::with_capacity(job.steps as usize),
            final_state: None,
            frames: Vec::new(),
        }
    }

    fn state(&self, values: &[f32]) -> Tensor {
        Tensor::from_f32(values, self.dtype, &self.dims)
    }

    fn output(&self, values: &[f32]) -> Tensor {
        Tensor::from_f32(values, Precision::F32, &self.dims)
    }

    /// The record of the finished run, with the encoded clip.
    ///
    /// # Errors
    /// The run did not come to its end.
    pub fn finish(self, job: &JobSpec, challenge: &Signed<Challenge>, clip: Vec<u8>) -> Result<Evidence, RunError> {
        let incomplete = || EngineError::Request("the run ended without its last state".to_owned());
        Ok(Evidence {
            job: job.clone(),
            challenge: challenge.clone(),
            text: self.text.ok_or_else(incomplete)?,
            steps: self.steps,
            final_state: self.final_state.ok_or_else(incomplete)?,
            frames: self.frames,
            clip,
        })
    }
}

impl Observer for Recorder {
    fn text(&mut self, conditional: &TextStates, unconditional: Option<&TextStates>) {
        self.text =
            Some(TextEmbeddings { conditional: embedding(conditional), unconditional: unconditional.map(embedding) });
    }

    fn step(&mut self, step: Step<'_>) {
        self.steps.push(StepTensors {
            state: self.state(step.state),
            conditional: self.output(step.conditional),
            unconditional: step.unconditional.map(|values| self.output(values)),
        });
    }

    fn final_state(&mut self, state: &[f32]) {
        self.final_state = Some(self.state(state));
    }

    fn frames(&mut self, pixels: &[u8], [_, height, width]: [usize; 3]) {
        // The job's sizes are u32.
        let (width, height) = (width as u32, height as u32);
        let frame = |pixels: &[u8]| RgbFrame { width, height, pixels: pixels.to_vec() };
        self.frames = pixels.chunks_exact(3 * width as usize * height as usize).map(frame).collect();
    }
}

/// Records, and shows pictures of what is recorded.
struct Watched<'a> {
    recorder: Recorder,
    previewer: Option<Previewer<'a>>,
}

impl Observer for Watched<'_> {
    fn text(&mut self, conditional: &TextStates, unconditional: Option<&TextStates>) {
        self.recorder.text(conditional, unconditional);
    }

    fn step(&mut self, step: Step<'_>) {
        self.recorder.step(step);
        if let Some(previewer) = &mut self.previewer {
            previewer.see(&step);
        }
    }

    fn final_state(&mut self, state: &[f32]) {
        self.recorder.final_state(state);
    }

    fn frames(&mut self, pixels: &[u8], size: [usize; 3]) {
        self.recorder.frames(pixels, size);
    }
}
