//! A whole audit: structure, then parts of the run again.

use super::bias::BiasSample;
use super::bundle::Bundle;
use super::check::{Check, Rows, Stop};
use super::error::AuditError;
use super::job::LeafPosition;
use super::leaf::LeafPayload;
use super::measure::{relative_l2, rms_levels, signed_errors, worst_block_rms_levels, worst_frame_relative_l2};
use super::reexecution::{Reexecution, ReexecutionError, StepInput, StepOutputs};
use super::reveal::Contents;
use super::structure::{Opened, check_structure};
use super::tensor::Tensor;
use super::tolerance::{PairTolerance, ToleranceTable};
use super::verdict::Verdict;

/// Result of an audit.
#[derive(Clone, Debug)]
pub struct Audit {
    /// To be signed by the validator.
    pub verdict: Verdict,
    /// Signed errors of the outputs that were measured, for the miner's [`BiasLedger`](super::BiasLedger).
    pub bias: Vec<BiasSample>,
    /// Model evaluations made.
    pub evaluations: u32,
}

/// Makes all checks in order, up to the first failure. The table must be the one that the challenge (or pledge) named.
///
/// # Errors
/// No verdict can be given, for a reason that is not the miner's.
pub fn audit(bundle: &Bundle, tolerances: &ToleranceTable, model: &mut dyn Reexecution) -> Result<Audit, AuditError> {
    let (found, expected) = (tolerances.digest(), bundle.auditor().terms().tolerance);
    if found != expected {
        return Err(AuditError::ToleranceTable { found, expected });
    }
    let pair = tolerances.pair(&bundle.job.model, bundle.job.latent_dtype, model.precision())?;
    let structure = check_structure(bundle)?;
    let mut run = Run { bundle, pair, model, rows: Rows(structure.rows), bias: Vec::new(), evaluations: 0 };
    if let Some(opened) = &structure.opened {
        match run.all(opened) {
            Ok(()) | Err(Halt::Rejected) => {}
            Err(Halt::Unusable(error)) => return Err(error),
        }
    }
    let Run { rows, bias, evaluations, .. } = run;
    Ok(Audit { verdict: Verdict::new(bundle, rows.0), bias, evaluations })
}

enum Halt {
    Rejected,
    Unusable(AuditError),
}

impl From<Stop> for Halt {
    fn from(Stop: Stop) -> Self {
        Self::Rejected
    }
}

impl<E: Into<AuditError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Unusable(error.into())
    }
}

struct Run<'a> {
    bundle: &'a Bundle,
    pair: &'a PairTolerance,
    model: &'a mut dyn Reexecution,
    rows: Rows,
    bias: Vec<BiasSample>,
    evaluations: u32,
}

impl Run<'_> {
    fn all(&mut self, opened: &Opened) -> Result<(), Halt> {
        self.text(opened)?;
        for &step in &opened.draw.steps {
            self.step(opened, step)?;
        }
        self.frames(opened)
    }

    fn text(&mut self, opened: &Opened) -> Result<(), Halt> {
        let job = &self.bundle.job;
        let own = self.model.prepare(job, &self.bundle.opening)?;
        let expected = LeafPayload::Text {
            conditional: own.conditional.digest(),
            unconditional: own.unconditional.as_ref().map(Tensor::digest),
        };
        let leaf = job.leaf_index(LeafPosition::Text);
        Ok(self.rows.exact(Check::TextEmbeddings, Some(leaf), opened.payload(leaf) == Some(&expected))?)
    }

    fn step(&mut self, opened: &Opened, step: u32) -> Result<(), Halt> {
        let job = &self.bundle.job;
        let Some(Contents::Step { state, conditional, unconditional }) =
            opened.leaves.get(&step).map(|leaf| &leaf.contents)
        else {
            // The structure has been checked: drawn steps are open.
            return Err(Halt::Rejected);
        };
        let index = step as usize;
        let bin = self.pair.bin(opened.scheduler.sigma(index))?;
        let input = opened.scheduler.scale_model_input(index, &state.to_f32());
        let timestep = opened.scheduler.timestep(index);
        let own = self.model.model_outputs(&StepInput { step, input: &input, timestep })?;
        let own = usable(own, job.latent.elements(), job.is_guided())?;
        self.evaluations += 1 + u32::from(job.is_guided());

        let claimed = [Some(conditional.to_f32()), unconditional.as_ref().map(Tensor::to_f32)];
        let branches = [Some(&own.conditional), own.unconditional.as_ref()];
        let mut worst = (0.0_f64, 0.0_f64);
        for (branch, (claimed, own)) in claimed.iter().zip(branches).enumerate() {
            if let (Some(claimed), Some(own)) = (claimed, own) {
                worst.0 = worst.0.max(relative_l2(claimed, own));
                worst.1 = worst.1.max(worst_frame_relative_l2(claimed, own, job.latent));
                self.bias.push(signed_errors(claimed, own, branches[1 - branch].map(Vec::as_slice)));
            }
        }
        self.rows.measured(Check::ModelOutput, step, worst.0, bin.whole_bound)?;
        self.rows.measured(Check::ModelOutputWorstFrame, step, worst.1, bin.worst_frame_bound)?;
        Ok(())
    }

    fn frames(&mut self, opened: &Opened) -> Result<(), Halt> {
        let (job, drawn) = (&self.bundle.job, &opened.draw.frames);
        let (frame_bound, clip_bound) = (self.pair.frame_rms_bound()?, self.pair.clip_block_bound()?);
        let final_leaf = job.leaf_index(LeafPosition::Final);
        let Some(Contents::State(state)) = opened.leaves.get(&final_leaf).map(|leaf| &leaf.contents) else {
            return Err(Halt::Rejected);
        };
        let own = self.model.decode_frames(&state.to_f32(), drawn)?;
        if own.len() != drawn.len() || !own.iter().all(|frame| frame.has_format(job.width, job.height)) {
            return Err(unusable("the decoder made other frames than asked for").into());
        }
        let committed = |frame| {
            let leaf = job.leaf_index(LeafPosition::Frame(frame));
            match opened.leaves.get(&leaf).map(|leaf| &leaf.contents) {
                Some(Contents::Frame(picture)) => Ok((leaf, picture)),
                _ => Err(Halt::Rejected),
            }
        };
        for (&frame, own) in drawn.iter().zip(&own) {
            let (leaf, picture) = committed(frame)?;
            self.rows.measured(Check::DecodedFrame, leaf, rms_levels(picture, own), frame_bound)?;
        }
        let clip_leaf = Some(job.leaf_index(LeafPosition::Clip));
        let shown = match self.model.decode_clip(&self.bundle.clip) {
            Ok(frames) => Some(frames),
            Err(ReexecutionError::BadClip(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let shown = shown.filter(|frames| {
            frames.len() == job.frames as usize && frames.iter().all(|frame| frame.has_format(job.width, job.height))
        });
        self.rows.exact(Check::ClipDecodes, clip_leaf, shown.is_some())?;
        let shown = shown.unwrap_or_default();
        for &frame in drawn {
            let (leaf, picture) = committed(frame)?;
            let error = shown.get(frame as usize).map_or(255.0, |shown| worst_block_rms_levels(shown, picture));
            self.rows.measured(Check::ClipFrame, leaf, error, clip_bound)?;
        }
        Ok(())
    }
}

fn unusable(reason: &str) -> AuditError {
    ReexecutionError::Unusable(reason.to_owned()).into()
}

/// The validator's own numbers have to be sound before they judge others.
fn usable(own: StepOutputs, elements: usize, guided: bool) -> Result<StepOutputs, AuditError> {
    let sound = |output: &[f32]| output.len() == elements && output.iter().all(|value| value.is_finite());
    if own.unconditional.is_some() != guided || !sound(&own.conditional) {
        return Err(unusable("the model's output is not finite or has another size"));
    }
    match &own.unconditional {
        Some(output) if !sound(output) => Err(unusable("the model's output is not finite or has another size")),
        _ => Ok(own),
    }
}

impl Verdict {
    fn new(bundle: &Bundle, rows: Vec<super::CheckResult>) -> Self {
        let challenge = &bundle.challenge.body;
        Self {
            bundle: bundle.digest(),
            job: challenge.job,
            session: challenge.session(),
            commitment: bundle.commitment.digest(),
            miner: challenge.miner,
            validator: *bundle.auditor().validator(),
            tolerance: bundle.auditor().terms().tolerance,
            checks: rows,
        }
    }
}
