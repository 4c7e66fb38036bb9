//! The attacks by name.

use std::str::FromStr;

use infernet_engine::pipeline::Precision;
use infernet_network::proof::{AuditTerms, Check, JobSpec, PairTolerance, detection_probability};

use crate::error::AttackError;
use crate::plan::Output;
use crate::quantise::Bits;
use crate::workshop::Variant;

/// How often guidance is run in full by [`Attack::RareUnconditional`].
const FULL_GUIDANCE_EVERY: u32 = 4;

/// A way to be paid for less than the job, or for something else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attack {
    /// Half the steps are run, from the fourth on; outputs between them are extrapolated in a straight line.
    FewerSteps,
    /// The last third of the steps repeats one output.
    TruncatedSchedule,
    /// The unconditional branch is never run: the other one is given for both.
    SkippedUnconditional,
    /// The unconditional branch is run at every fourth step; between, its distance from the other one is kept.
    RareUnconditional,
    /// Every second step gives the outputs of the one before (as `TeaCache` does, at its boldest).
    CachedOutputs,
    /// One step, in the middle, gives the outputs of the one before.
    CachedOnce,
    /// Half the channels, sliced from the real weights.
    SmallerModel,
    /// Weights in 8-bit integers, a scale per output channel.
    Int8Weights,
    /// Weights in 4-bit integers, a scale per output channel.
    Int4Weights,
    /// Another number format than asked for.
    OtherPrecision(Precision),
    /// The model is given another prompt than the one whose embeddings are committed.
    OtherPrompt,
    /// The model is given another negative prompt than the one whose embeddings are committed.
    OtherNegativePrompt,
    /// The sampler is run with another guidance scale.
    OtherGuidance,
    /// As [`OtherGuidance`](Self::OtherGuidance), the outputs moved so that every step follows from them.
    HiddenGuidance,
    /// An honest run that starts from another seed's noise.
    RecycledNoise,
    /// An old clip with noise on it as the start; the first half of the steps is made up around it.
    NoisedOldClip,
    /// Starts from the seed; the outputs of the first half are solved for, so that they lead to an old clip.
    SteeredToOldClip,
    /// The whole record of an earlier job.
    ReplayedProof,
    /// Honest states and outputs of two runs in turn.
    UnchainedPairs,
    /// Starts from the seed; the output of the first step is solved for, so that it leads into an old run of the same prompt,
    /// whose outputs are then taken, corrected for the noise that this job adds after each step.
    SplicedRun,
    /// Starts from the seed; all outputs are solved for, so that the states lead to an old clip.
    MadeUpPairs,
    /// The final state of another run, and its clip.
    SwappedFinalState,
    /// The frames of another run, and its clip.
    SwappedFrames,
    /// The clip of another run.
    SwappedClip,
    /// Every output is made stronger by this share of the bound.
    Bias {
        /// Of the bound: below 1 stays within tolerance.
        share: f64,
    },
}

/// What an attack gets wrong, and so what can show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something that needs no model: every audit sees it.
    Structural,
    /// Model outputs that are not the model's: an audit sees it that draws a tampered step.
    Substitution,
    /// Frames or a clip that the run did not make: every audit sees it, with the VAE or the codec.
    Delivery,
    /// Errors within tolerance: no single audit sees it, their mean does.
    Steering,
}

/// No attack has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no attack `{name}`; known are {known}")]
pub struct UnknownAttack {
    /// What was asked for.
    pub name: String,
    /// All names, with commas.
    pub known: String,
}

impl Attack {
    /// All attacks. [`applies_to`](Self::applies_to) says which of them mean something for a job.
    pub fn all() -> Vec<Self> {
        vec![
            Self::FewerSteps,
            Self::TruncatedSchedule,
            Self::SkippedUnconditional,
            Self::RareUnconditional,
            Self::CachedOutputs,
            Self::CachedOnce,
            Self::SmallerModel,
            Self::Int8Weights,
            Self::Int4Weights,
            Self::OtherPrecision(Precision::F16),
            Self::OtherPrecision(Precision::Bf16),
            Self::OtherPrecision(Precision::F32),
            Self::OtherPrompt,
            Self::OtherNegativePrompt,
            Self::HiddenGuidance,
            Self::SteeredToOldClip,
            Self::SplicedRun,
            Self::MadeUpPairs,
            Self::OtherGuidance,
            Self::RecycledNoise,
            Self::NoisedOldClip,
            Self::ReplayedProof,
            Self::UnchainedPairs,
            Self::SwappedFinalState,
            Self::SwappedFrames,
            Self::SwappedClip,
            Self::Bias { share: 0.5 },
        ]
    }

    /// Name in reports and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::FewerSteps => "fewer-steps",
            Self::TruncatedSchedule => "truncated-schedule",
            Self::SkippedUnconditional => "skipped-unconditional",
            Self::RareUnconditional => "rare-unconditional",
            Self::CachedOutputs => "cached-outputs",
            Self::CachedOnce => "cached-once",
            Self::SmallerModel => "smaller-model",
            Self::Int8Weights => "int8-weights",
            Self::Int4Weights => "int4-weights",
            Self::OtherPrecision(Precision::F16) => "run-in-f16",
            Self::OtherPrecision(Precision::Bf16) => "run-in-bf16",
            Self::OtherPrecision(Precision::F32) => "run-in-f32",
            Self::OtherPrompt => "other-prompt",
            Self::OtherNegativePrompt => "other-negative-prompt",
            Self::OtherGuidance => "other-guidance",
            Self::HiddenGuidance => "hidden-guidance",
            Self::RecycledNoise => "recycled-noise",
            Self::NoisedOldClip => "noised-old-clip",
            Self::SteeredToOldClip => "steered-to-old-clip",
            Self::ReplayedProof => "replayed-proof",
            Self::UnchainedPairs => "unchained-pairs",
            Self::SplicedRun => "spliced-run",
            Self::MadeUpPairs => "made-up-pairs",
            Self::SwappedFinalState => "swapped-final-state",
            Self::SwappedFrames => "swapped-frames",
            Self::SwappedClip => "swapped-clip",
            Self::Bias { .. } => "bias-within-tolerance",
        }
    }

    /// One line for a report.
    pub fn description(&self) -> &'static str {
        match self {
            Self::FewerSteps => "runs every second step and extrapolates outputs between",
            Self::TruncatedSchedule => "repeats one output over the last third of the steps",
            Self::SkippedUnconditional => "runs one branch and gives it for both",
            Self::RareUnconditional => "runs the unconditional branch at every fourth step only",
            Self::CachedOutputs => "repeats the last outputs at every second step",
            Self::CachedOnce => "repeats the last outputs at one step",
            Self::SmallerModel => "runs a model with half the channels, sliced from the real one",
            Self::Int8Weights => "runs the model with weights in 8-bit integers",
            Self::Int4Weights => "runs the model with weights in 4-bit integers",
            Self::OtherPrecision(Precision::F16) => "computes in f16 and says otherwise",
            Self::OtherPrecision(Precision::Bf16) => "computes in bf16 and says otherwise",
            Self::OtherPrecision(Precision::F32) => "computes in f32 and says otherwise",
            Self::OtherPrompt => "gives the model another prompt than it commits to",
            Self::OtherNegativePrompt => "gives the model another negative prompt than it commits to",
            Self::OtherGuidance => "steps with another guidance scale",
            Self::HiddenGuidance => "steps with another guidance scale and moves the outputs to match",
            Self::RecycledNoise => "starts from the noise of another seed",
            Self::NoisedOldClip => "starts from an old clip with noise on it and runs half the steps",
            Self::SteeredToOldClip => "makes up outputs towards an old clip and runs half the steps",
            Self::ReplayedProof => "sends the record of an earlier job",
            Self::UnchainedPairs => "takes states and outputs from two runs in turn",
            Self::SplicedRun => "makes up one output that leads into an old run of the same prompt, and follows it",
            Self::MadeUpPairs => "makes up every output so that the states lead to an old clip",
            Self::SwappedFinalState => "puts another run's final state and clip at the end",
            Self::SwappedFrames => "commits and delivers another run's frames",
            Self::SwappedClip => "delivers another run's clip",
            Self::Bias { .. } => "makes every output stronger, within the bound",
        }
    }

    /// What is wrong with it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::OtherGuidance
            | Self::RecycledNoise
            | Self::NoisedOldClip
            | Self::ReplayedProof
            | Self::UnchainedPairs
            | Self::SwappedFinalState => Kind::Structural,
            Self::SwappedFrames | Self::SwappedClip => Kind::Delivery,
            Self::Bias { .. } => Kind::Steering,
            _ => Kind::Substitution,
        }
    }

    /// The checks that are to reject it, where an audit sees it.
    pub fn expected_checks(&self) -> &'static [Check] {
        match self {
            Self::RecycledNoise | Self::NoisedOldClip | Self::ReplayedProof => &[Check::InitialNoise],
            Self::OtherGuidance | Self::UnchainedPairs | Self::SwappedFinalState => &[Check::Transition],
            Self::SwappedFrames => &[Check::DecodedFrame],
            Self::SwappedClip => &[Check::ClipFrame],
            Self::Bias { .. } => &[],
            _ => &[Check::ModelOutput, Check::ModelOutputWorstFrame],
        }
    }

    /// Whether the attack means something for a job.
    ///
    /// # Errors
    /// What the job would have to be.
    pub fn applies_to(&self, job: &JobSpec) -> Result<(), AttackError> {
        let (guided, steps) = (job.is_guided(), job.steps);
        let fail = |reason| Err(AttackError::NotApplicable { attack: self.name(), reason });
        match self {
            Self::SkippedUnconditional
            | Self::RareUnconditional
            | Self::OtherNegativePrompt
            | Self::OtherGuidance
            | Self::HiddenGuidance
                if !guided =>
            {
                fail("it has no guidance")
            }
            Self::OtherPrecision(precision) if *precision == job.latent_dtype => fail("it asks for this number format"),
            Self::SplicedRun if needs_previous(job)? => {
                fail("its sampler looks back a step, so that one made-up output shows in those after it")
            }
            Self::NoisedOldClip if job.scheduler()?.sigma(0).is_infinite() => {
                fail("its first state is pure noise, in which there is no old clip")
            }
            Self::FewerSteps if steps < 4 => fail("it has fewer than 4 steps"),
            Self::TruncatedSchedule if steps < 3 => fail("it has fewer than 3 steps"),
            Self::RareUnconditional
            | Self::CachedOutputs
            | Self::CachedOnce
            | Self::NoisedOldClip
            | Self::SteeredToOldClip
            | Self::UnchainedPairs
                if steps < 2 =>
            {
                fail("it has one step")
            }
            _ => Ok(()),
        }
    }

    /// What happens at each step, for attacks that are a matter of skipping and adding.
    pub(crate) fn plan(
        &self,
        job: &JobSpec,
        bounds: Option<&PairTolerance>,
    ) -> Result<Option<Vec<Output>>, AttackError> {
        let by_step = |output: &dyn Fn(u32) -> Output| Ok(Some((0..job.steps).map(output).collect()));
        let either = |tampered: &dyn Fn(u32) -> bool, output| {
            by_step(&|step| if tampered(step) { output } else { Output::Computed })
        };
        match self {
            Self::FewerSteps => either(&|step| step > 2 && step % 2 == 1, Output::Extrapolated),
            Self::TruncatedSchedule => either(&|step| step >= job.steps - job.steps / 3, Output::Repeated),
            Self::SkippedUnconditional => either(&|_| true, Output::OneForBoth),
            Self::RareUnconditional => either(&|step| step % FULL_GUIDANCE_EVERY != 0, Output::OldDifference),
            Self::CachedOutputs => either(&|step| step % 2 == 1, Output::Repeated),
            Self::CachedOnce => either(&|step| step == job.steps / 2, Output::Repeated),
            Self::HiddenGuidance => either(&|_| true, Output::Stretched(self.guidance(job) / job.guidance)),
            Self::Bias { share } => {
                let bounds = bounds.ok_or(AttackError::NoBounds { attack: self.name() })?;
                let scheduler = job.scheduler()?;
                let louder = |step: usize| {
                    let bin = bounds.bin(scheduler.sigma(step)).ok()?;
                    Some(Output::Louder(share * bin.whole_bound.min(bin.worst_frame_bound)))
                };
                let plan: Option<Vec<Output>> = (0..scheduler.steps()).map(louder).collect();
                plan.map(Some).ok_or(AttackError::NoBounds { attack: self.name() })
            }
            _ => Ok(None),
        }
    }

    /// The guidance scale that is really used: half as far from none.
    pub(crate) fn guidance(&self, job: &JobSpec) -> f32 {
        match self {
            Self::OtherGuidance | Self::HiddenGuidance => 0.5 * (1.0 + job.guidance),
            _ => job.guidance,
        }
    }

    /// The model that is really run, and in which number format.
    pub(crate) fn model(&self, job: &JobSpec) -> Option<(Variant, Precision)> {
        let asked = job.latent_dtype;
        match self {
            Self::SmallerModel => Some((Variant::HalfWidth, asked)),
            Self::Int8Weights => Some((Variant::Integers(Bits::Eight), asked)),
            Self::Int4Weights => Some((Variant::Integers(Bits::Four), asked)),
            Self::OtherPrecision(precision) => Some((Variant::Unchanged, *precision)),
            _ => None,
        }
    }

    /// The cheaper model that is run, for [`Workshop::savings`](crate::Workshop::savings).
    pub fn variant(&self) -> Option<Variant> {
        match self {
            Self::SmallerModel => Some(Variant::HalfWidth),
            Self::Int8Weights => Some(Variant::Integers(Bits::Eight)),
            Self::Int4Weights => Some(Variant::Integers(Bits::Four)),
            _ => None,
        }
    }

    /// Steps at the start whose outputs are solved for.
    pub(crate) fn made_up_steps(&self, job: &JobSpec) -> u32 {
        match self {
            Self::MadeUpPairs => job.steps,
            Self::SplicedRun => 1,
            Self::NoisedOldClip | Self::SteeredToOldClip => job.steps / 2,
            _ => 0,
        }
    }

    /// Steps whose model outputs are not the model's own on the committed state; ascending. For a job that the attack
    /// [applies to](Self::applies_to).
    pub fn tampered_steps(&self, job: &JobSpec) -> Vec<u32> {
        if self.kind() == Kind::Steering {
            return (0..job.steps).collect();
        }
        if let Ok(Some(plan)) = self.plan(job, None) {
            return (0..job.steps)
                .zip(plan)
                .filter(|(_, output)| *output != Output::Computed)
                .map(|(step, _)| step)
                .collect();
        }
        if *self == Self::SplicedRun {
            // The second step is the old run's own; after it the states differ by this job's noise.
            return (0..job.steps).filter(|&step| step != 1).collect();
        }
        let every_step = self.model(job).is_some() || matches!(self, Self::OtherPrompt | Self::OtherNegativePrompt);
        (0..if every_step { job.steps } else { self.made_up_steps(job) }).collect()
    }

    /// Whether every step is tampered with.
    pub fn is_whole(&self, job: &JobSpec) -> bool {
        self.tampered_steps(job).len() == job.steps as usize
    }

    /// Share of model evaluations that is not made. An old run, where one is needed, was paid for by another job. What a
    /// cheaper model saves on each evaluation is [`Workshop::savings`](crate::Workshop::savings)'s to say.
    pub fn evaluations_saved(&self, job: &JobSpec) -> f64 {
        let branches = 1 + u32::from(job.is_guided());
        let all = f64::from(job.steps * branches);
        if let (true, Ok(Some(plan))) = (self.kind() != Kind::Steering, self.plan(job, None)) {
            let saved: u32 = plan.iter().map(|output| output.evaluations_saved(job.is_guided())).sum();
            return f64::from(saved) / all;
        }
        match self {
            Self::ReplayedProof | Self::SplicedRun | Self::MadeUpPairs => 1.0,
            _ => f64::from(self.made_up_steps(job)) / f64::from(job.steps),
        }
    }

    /// Chance that one audit under these terms rejects it, if model outputs that are not the model's are never within
    /// tolerance: 1 for what every audit sees, the chance to draw a tampered step otherwise, 0 for steering.
    pub fn detection(&self, job: &JobSpec, terms: &AuditTerms) -> f64 {
        match self.kind() {
            Kind::Structural | Kind::Delivery => return 1.0,
            Kind::Steering => return 0.0,
            Kind::Substitution => {}
        }
        let tampered = self.tampered_steps(job);
        if terms.last_step && tampered.last().is_some_and(|step| step + 1 == job.steps) {
            return 1.0;
        }
        // Far below u32::MAX: there are no more than a job's steps.
        let drawn = |checked| detection_probability(job.steps, tampered.len() as u32, checked);
        if terms.full_one_in == 0 {
            return drawn(terms.steps);
        }
        let full = 1.0 / f64::from(terms.full_one_in);
        (1.0 - full) * drawn(terms.steps) + full * drawn(terms.full_steps)
    }
}

impl FromStr for Attack {
    type Err = UnknownAttack;

    fn from_str(name: &str) -> Result<Self, UnknownAttack> {
        let all = Self::all();
        all.iter().copied().find(|attack| attack.name() == name).ok_or_else(|| UnknownAttack {
            name: name.to_owned(),
            known: all.iter().map(Self::name).collect::<Vec<_>>().join(", "),
        })
    }
}

fn needs_previous(job: &JobSpec) -> Result<bool, AttackError> {
    let scheduler = job.scheduler()?;
    Ok((0..scheduler.steps()).any(|step| scheduler.needs_previous(step)))
}
