//! Runs whose outputs are solved for. A step of every sampler is linear in the model's output, element by element: who knows
//! where the next state is to be finds the output that leads there, and no transition check sees it. (Where a sampler clips, it may lead elsewhere; the states still follow.)

use std::sync::atomic::Ordering;

use infernet_engine::EngineError;
use infernet_engine::pipeline::{
    Branch, Denoiser, Precision, StepNoise, TextStates, guided_output, initial_state, to_rgb8,
};
use infernet_engine::schedulers::{PredictionType, Previous, Scheduler, SchedulerKind};
use infernet_engine::video::{Clip, mp4};
use infernet_network::proof::{Evidence, JobSeed, JobSpec, RgbFrame, StepTensors, Tensor, TextEmbeddings};

use crate::attack::Attack;
use crate::error::AttackError;
use crate::run::{Run, Setting};

/// Frames decoded at a time.
const DECODE_CHUNK: usize = 4;

/// A run in the making. Each state follows from what is recorded, as in an honest run.
struct Chain<'a> {
    job: &'a JobSpec,
    scheduler: Scheduler,
    noise: StepNoise,
    steps: Vec<StepTensors>,
    /// State and guided output of the last step.
    previous: Option<(Vec<f32>, Vec<f32>)>,
    state: Vec<f32>,
}

impl<'a> Chain<'a> {
    fn new(job: &'a JobSpec, seed: &JobSeed, mut start: Vec<f32>) -> Result<Self, AttackError> {
        job.latent_dtype.round(&mut start);
        let (scheduler, noise) = (job.scheduler()?, seed.step_noise());
        Ok(Self { job, scheduler, noise, steps: Vec::new(), previous: None, state: start })
    }

    /// The step that comes next.
    fn index(&self) -> usize {
        self.steps.len()
    }

    fn step(&self, state: &[f32], guided: &[f32]) -> Result<Vec<f32>, AttackError> {
        let before = self.previous.as_ref().map(|(sample, model_output)| Previous { sample, model_output });
        let mut next = self.scheduler.step(self.index(), state, guided, before)?;
        self.noise.add(&self.scheduler, self.index(), 0, &mut next);
        Ok(next)
    }

    /// Records outputs and goes where they lead.
    fn push(&mut self, conditional: Vec<f32>, unconditional: Option<&[f32]>) -> Result<(), AttackError> {
        let dims = self.job.latent_dims();
        let output = |values: &[f32]| Tensor::from_f32(values, Precision::F32, &dims);
        let tensors = StepTensors {
            state: Tensor::from_f32(&self.state, self.job.latent_dtype, &dims),
            conditional: output(&conditional),
            unconditional: unconditional.map(output),
        };
        let guided = guided_output(conditional, unconditional, self.job.guidance);
        let mut next = self.step(&self.state, &guided)?;
        self.job.latent_dtype.round(&mut next);
        self.steps.push(tensors);
        self.previous = Some((std::mem::replace(&mut self.state, next), guided));
        Ok(())
    }

    /// Records the outputs that lead to `target`, the same for both branches, so that guidance leaves them as they are.
    fn push_towards(&mut self, target: &[f32]) -> Result<(), AttackError> {
        // next(output) = next(0) + slope * output.
        let base = self.step(&self.state, &vec![0.0; self.state.len()])?;
        let slope = self.slope()?;
        let output = |(&target, &base): (&f32, &f32)| ((f64::from(target) - f64::from(base)) / slope) as f32;
        let output: Vec<f32> = target.iter().zip(&base).map(output).collect();
        let other = self.job.is_guided().then(|| output.clone());
        self.push(output, other.as_deref())
    }

    /// How far the next state moves for an output of 1.
    fn slope(&self) -> Result<f64, AttackError> {
        let at = |output: f32| -> Result<f64, AttackError> {
            let before = Previous { sample: &[0.0], model_output: &[0.0] };
            let next = self.scheduler.step(self.index(), &[0.0], &[output], Some(before))?;
            Ok(next.first().copied().map_or(0.0, f64::from))
        };
        let slope = at(1.0)? - at(0.0)?;
        if slope == 0.0 {
            return Err(EngineError::Request(format!("step {} does not depend on the model", self.index())).into());
        }
        Ok(slope)
    }

    /// Runs the model.
    fn push_honest(&mut self, denoiser: &dyn Denoiser) -> Result<(), AttackError> {
        let index = self.index();
        let input = self.scheduler.scale_model_input(index, &self.state);
        let timestep = self.scheduler.timestep(index);
        if self.job.is_guided() {
            let (conditional, unconditional) = denoiser.evaluate_both(&input, timestep)?;
            self.push(conditional, Some(&unconditional))
        } else {
            self.push(denoiser.evaluate(Branch::Conditional, &input, timestep)?, None)
        }
    }

    /// The best guess at the model's output for a state near one whose output is known, without running the model: what is
    /// between the two is noise, and the model sees as much. The clean clip that it predicts stays the same.
    fn nearby(&self, output: &[f32], known: &[f32]) -> Vec<f32> {
        let (signal, noise) = self.shares(self.index());
        // For a state s c + n e: epsilon is e, and velocity is (s e - n c) / |(s, n)|.
        let factor = match self.scheduler.config().prediction() {
            PredictionType::Epsilon => 1.0 / noise,
            PredictionType::Velocity => signal / (noise * signal.hypot(noise)),
        };
        let guess = |(&output, (&now, &known)): (&f32, (&f32, &f32))| {
            (f64::from(output) + factor * (f64::from(now) - f64::from(known))) as f32
        };
        output.iter().zip(self.state.iter().zip(known)).map(guess).collect()
    }

    /// Shares of a clean clip and of noise in the state before a step; after the last there is no noise.
    fn shares(&self, step: usize) -> (f64, f64) {
        let sigma = if step < self.scheduler.steps() { self.scheduler.sigma(step) } else { 0.0 };
        let signal = match self.scheduler.config().kind() {
            SchedulerKind::Euler => 1.0,
            SchedulerKind::Ddim | SchedulerKind::DpmSolverPlusPlus => 1.0 / (sigma * sigma + 1.0).sqrt(),
        };
        // A schedule that ends in pure noise begins with an infinite noise level.
        (signal, if sigma.is_finite() { sigma * signal } else { 1.0 })
    }
}

impl Attack {
    /// Makes a run that starts with outputs solved for, and goes on with an old run's or with honest ones.
    pub(crate) fn forge(&self, setting: &Setting<'_>) -> Result<Run, AttackError> {
        let (job, model) = (&setting.exchange.job, setting.model);
        let old = setting.old_run()?;
        let clean = old.final_state.to_f32();
        let seed = JobSeed::of(&setting.exchange.challenge.body);
        let noise = seed.noise(job.latent.elements());
        let mut chain = Chain::new(job, &seed, initial_state(&noise, &job.scheduler()?, job.latent_dtype))?;
        if *self == Self::NoisedOldClip {
            let (signal, noise_share) = chain.shares(0);
            let noised = mix(&clean, signal, &noise, noise_share);
            chain = Chain::new(job, &seed, noised)?;
        }
        // The noise that the start would be made of if the old clip were in it.
        let (signal, noise_share) = chain.shares(0);
        let within: Vec<f32> = mix(&chain.state, 1.0 / noise_share, &clean, -signal / noise_share);

        let made_up = self.made_up_steps(job) as usize;
        for step in 1..=made_up {
            if *self == Self::SplicedRun {
                let next = old.steps.get(step).map_or(&old.final_state, |tensors| &tensors.state);
                chain.push_towards(&next.to_f32())?;
            } else {
                let (signal, noise_share) = chain.shares(step);
                chain.push_towards(&mix(&clean, signal, &within, noise_share))?;
            }
        }

        let conditional = model.encode_text(&setting.exchange.opening.prompt)?;
        let unconditional =
            job.is_guided().then(|| model.encode_text(&setting.exchange.opening.negative_prompt)).transpose()?;
        let mut evaluations = 0;
        if *self == Self::SplicedRun {
            for tensors in &old.steps[made_up..] {
                let old_state = tensors.state.to_f32();
                let conditional = chain.nearby(&tensors.conditional.to_f32(), &old_state);
                let unconditional = tensors.unconditional.as_ref().map(|old| chain.nearby(&old.to_f32(), &old_state));
                chain.push(conditional, unconditional.as_deref())?;
            }
        } else {
            let denoiser = model.denoiser(job.latent, &conditional, unconditional.as_ref())?;
            while chain.index() < job.steps as usize {
                if setting.cancelled.load(Ordering::Relaxed) {
                    return Err(EngineError::Cancelled.into());
                }
                chain.push_honest(denoiser.as_ref())?;
                evaluations += 1 + u64::from(job.is_guided());
            }
        }
        let text = TextEmbeddings {
            conditional: embedding(&conditional),
            unconditional: unconditional.as_ref().map(embedding),
        };
        Ok(Run { evidence: finish(setting, chain, text)?, evaluations })
    }
}

fn mix(a: &[f32], share_a: f64, b: &[f32], share_b: f64) -> Vec<f32> {
    a.iter().zip(b).map(|(&a, &b)| (share_a * f64::from(a) + share_b * f64::from(b)) as f32).collect()
}

fn embedding(text: &TextStates) -> Tensor {
    // Tokens and width of a text encoder are far below u32::MAX.
    Tensor::from_f32(&text.states, Precision::F32, &[text.tokens.len() as u32, text.width as u32])
}

/// Decodes and encodes as an honest run does.
fn finish(setting: &Setting<'_>, chain: Chain<'_>, text: TextEmbeddings) -> Result<Evidence, AttackError> {
    let Chain { job, steps, state, .. } = chain;
    let mut pixels = Vec::new();
    for first in (0..job.latent.frames).step_by(DECODE_CHUNK) {
        let chunk = first..job.latent.frames.min(first + DECODE_CHUNK);
        pixels.extend(to_rgb8(&setting.model.decode(&state, job.latent, chunk)?));
    }
    let (width, height) = (job.width, job.height);
    let frame = |pixels: &[u8]| RgbFrame { width, height, pixels: pixels.to_vec() };
    let frames = pixels.chunks_exact(3 * width as usize * height as usize).map(frame).collect();
    let rate = f64::from(job.frame_rate.numerator) / f64::from(job.frame_rate.denominator);
    let clip = mp4::encode(&Clip::new(width, height, rate, pixels)?, &setting.encoding)?;
    let final_state = Tensor::from_f32(&state, job.latent_dtype, &job.latent_dims());
    let challenge = setting.exchange.challenge.clone();
    Ok(Evidence { job: job.clone(), challenge, text, steps, final_state, frames, clip })
}
