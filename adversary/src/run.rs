//! Making an attack's run.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use infernet_engine::pipeline::VideoModel;
use infernet_engine::video::mp4::EncodeOptions;
use infernet_network::inference::{Calibration, RunOptions, run_job};
use infernet_network::proof::{
    Challenge, Evidence, JobSpec, PairTolerance, PromptOpening, Reexecution, Signed, StepTensors,
};

use crate::attack::{Attack, Kind};
use crate::error::AttackError;
use crate::exchange::Exchange;
use crate::tampering::Tampering;
use crate::workshop::Workshop;

/// What a cheat has at hand.
pub struct Setting<'a> {
    /// The job that it is to be paid for.
    pub exchange: &'a Exchange,
    /// The honest model.
    pub model: &'a dyn VideoModel,
    /// Where cheaper models come from.
    pub workshop: &'a Workshop,
    /// The validator's bounds, which everyone knows; for attacks that stay within them.
    pub bounds: Option<&'a PairTolerance>,
    /// What [`Attack::OtherPrompt`] gives the model; the first half of the prompt where there is none. A prompt that means the
    /// same leaves next to no error, and saves nothing.
    pub other_prompt: Option<String>,
    /// How clips are encoded.
    pub encoding: EncodeOptions,
    /// Checked between evaluations.
    pub cancelled: &'a AtomicBool,
    old: OnceLock<Evidence>,
    honest: OnceLock<Evidence>,
}

/// A run made by an attack.
#[derive(Clone, Debug)]
pub struct Run {
    /// What the cheat commits to and opens.
    pub evidence: Evidence,
    /// Model evaluations that it took, old runs not counted.
    pub evaluations: u64,
}

static NEVER: AtomicBool = AtomicBool::new(false);

impl<'a> Setting<'a> {
    /// A setting with the default encoding, without bounds, that nobody cancels.
    pub fn new(exchange: &'a Exchange, model: &'a dyn VideoModel, workshop: &'a Workshop) -> Self {
        Self {
            exchange,
            model,
            workshop,
            bounds: None,
            other_prompt: None,
            encoding: EncodeOptions::default(),
            cancelled: &NEVER,
            old: OnceLock::new(),
            honest: OnceLock::new(),
        }
    }

    /// Gives the cheat an old run, rather than having one made of the same prompt under [`Exchange::earlier`].
    ///
    /// # Errors
    /// It is of another size.
    pub fn with_old_run(self, old: Evidence) -> Result<Self, AttackError> {
        let sizes = |job: &JobSpec| {
            let JobSpec { width, height, frames, steps, latent, latent_dtype, .. } = job;
            let guidance = if job.is_guided() { "with" } else { "without" };
            format!(
                "{frames} frames of {width} x {height}, {steps} steps {guidance} guidance, states {latent:?} in {latent_dtype:?}"
            )
        };
        let (found, expected) = (sizes(&old.job), sizes(&self.exchange.job));
        if found != expected {
            return Err(AttackError::OldRun { found, expected });
        }
        Ok(Self { old: OnceLock::from(old), ..self })
    }

    /// The old run.
    ///
    /// # Errors
    /// It can't be made.
    pub fn old_run(&self) -> Result<&Evidence, AttackError> {
        once(&self.old, || {
            let earlier = self.exchange.earlier()?;
            self.run(self.model, &earlier.job, &earlier.challenge)
        })
    }

    /// The run that an honest miner makes; also the one that half-hearted cheats make.
    ///
    /// # Errors
    /// It can't be made.
    pub fn honest_run(&self) -> Result<&Evidence, AttackError> {
        once(&self.honest, || self.run(self.model, &self.exchange.job, &self.exchange.challenge))
    }

    fn run(
        &self,
        model: &dyn VideoModel,
        job: &JobSpec,
        challenge: &Signed<Challenge>,
    ) -> Result<Evidence, AttackError> {
        let mut options =
            RunOptions { progress: &mut |_| {}, cancelled: self.cancelled, encoding: self.encoding, preview: None };
        Ok(run_job(model, job, &self.exchange.opening, challenge, &mut options)?)
    }
}

/// The value of a cell, made by the first who asks; two at once may both make it, and keep one.
fn once<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Result<T, AttackError>) -> Result<&T, AttackError> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

impl Attack {
    /// Makes the run.
    ///
    /// # Errors
    /// The attack does not apply to the job, a cheaper model can't be made, or the engine fails.
    pub fn run(&self, setting: &Setting<'_>) -> Result<Run, AttackError> {
        let exchange = setting.exchange;
        let job = &exchange.job;
        self.applies_to(job)?;
        let honest_evaluations = u64::from(job.steps) * (1 + u64::from(job.is_guided()));
        let worked = |evidence| Ok(Run { evidence, evaluations: honest_evaluations });
        match self {
            Self::MadeUpPairs | Self::SplicedRun | Self::NoisedOldClip | Self::SteeredToOldClip => self.forge(setting),
            Self::ReplayedProof => Ok(Run { evidence: exchange.adopt(setting.old_run()?.clone()), evaluations: 0 }),
            Self::RecycledNoise => {
                // The same job with noise that another challenge would have asked for.
                let elsewhere = exchange.earlier()?.challenge;
                worked(exchange.adopt(setting.run(setting.model, job, &elsewhere)?))
            }
            Self::OtherGuidance => {
                let other = JobSpec { guidance: self.guidance(job), ..job.clone() };
                worked(exchange.adopt(setting.run(setting.model, &other, &exchange.challenge)?))
            }
            Self::UnchainedPairs => {
                let old = setting.old_run()?;
                let mut evidence = setting.honest_run()?.clone();
                // The last step is the old run's and the state after it is not: that one is looked at in every audit.
                let old_step = |step: usize| step > 0 && (evidence.steps.len() - 1 - step).is_multiple_of(2);
                let steps: Vec<StepTensors> = (0..evidence.steps.len())
                    .map(|step| if old_step(step) { old.steps[step].clone() } else { evidence.steps[step].clone() })
                    .collect();
                evidence.steps = steps;
                worked(evidence)
            }
            Self::SwappedFinalState => {
                let Evidence { final_state, frames, clip, .. } = setting.old_run()?.clone();
                worked(Evidence { final_state, frames, clip, ..setting.honest_run()?.clone() })
            }
            Self::SwappedFrames => {
                let Evidence { frames, clip, .. } = setting.old_run()?.clone();
                worked(Evidence { frames, clip, ..setting.honest_run()?.clone() })
            }
            Self::SwappedClip => {
                let clip = setting.old_run()?.clip.clone();
                worked(Evidence { clip, ..setting.honest_run()?.clone() })
            }
            _ => self.tamper(setting),
        }
    }

    /// Runs the job on a model that is not what it seems.
    fn tamper(&self, setting: &Setting<'_>) -> Result<Run, AttackError> {
        let Setting { exchange, model, workshop, bounds, .. } = *setting;
        let other_prompt = || setting.other_prompt.clone().unwrap_or_else(|| half(&exchange.opening.prompt));
        let job = &exchange.job;
        debug_assert!(matches!(self.kind(), Kind::Substitution | Kind::Steering));
        let cheaper = match self.model(job) {
            Some((variant, precision)) => Some(workshop.model(variant, precision)?),
            None => None,
        };
        let opening = &exchange.opening;
        let evaluations = AtomicU64::new(0);
        let tampering = Tampering {
            honest: model,
            denoising: cheaper.as_deref().unwrap_or(model),
            plan: self.plan(job, bounds)?.unwrap_or_default(),
            prompt: (*self == Self::OtherPrompt).then(other_prompt),
            negative_prompt: (*self == Self::OtherNegativePrompt).then(|| other_negative(&opening.negative_prompt)),
            evaluations: &evaluations,
        };
        let evidence = setting.run(&tampering, job, &exchange.challenge)?;
        Ok(Run { evidence, evaluations: evaluations.load(Ordering::Relaxed) })
    }
}

impl Run {
    /// How far the model outputs that `attack` tampered with are from a validator's. Its
    /// [`smallest`](Calibration::smallest) is what bounds have to stay below.
    ///
    /// # Errors
    /// The validator can't run the job.
    pub fn tampered_errors(
        &self,
        attack: &Attack,
        opening: &PromptOpening,
        validator: &mut dyn Reexecution,
    ) -> Result<Calibration, AttackError> {
        let mut errors = Calibration::default();
        errors.measure(&self.evidence, opening, validator)?;
        let tampered = attack.tampered_steps(&self.evidence.job);
        let mut step = 0..;
        errors.steps.retain(|_| step.next().is_some_and(|step| tampered.contains(&step)));
        Ok(errors)
    }
}

/// The first half of a prompt's words.
fn half(prompt: &str) -> String {
    let words: Vec<&str> = prompt.split_whitespace().collect();
    if words.is_empty() { "a clip".to_owned() } else { words[..words.len() / 2].join(" ") }
}

fn other_negative(prompt: &str) -> String {
    if prompt.trim().is_empty() { "blurry".to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_texts_are_other() {
        assert_eq!(half("a red circle moving left "), "a red");
        assert_eq!(half("circle"), "");
        assert_eq!(half(" "), "a clip");
        assert_eq!(other_negative(""), "blurry");
        assert_eq!(other_negative("dark"), "");
    }
}
