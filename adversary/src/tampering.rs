//! A model that is not what it seems: honest text encoder, VAE and codec, and a denoiser that follows a plan, was given
//! other texts, or belongs to another model.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use infernet_engine::Result;
use infernet_engine::pipeline::{Branch, Denoiser, LatentShape, Precision, TextStates, VideoModel};

use crate::plan::Output;

/// What a run pretends to be computed by.
pub(crate) struct Tampering<'a> {
    /// Encodes texts and decodes frames; the run claims its number format.
    pub(crate) honest: &'a dyn VideoModel,
    /// Denoises.
    pub(crate) denoising: &'a dyn VideoModel,
    /// By step; honest where it ends.
    pub(crate) plan: Vec<Output>,
    /// What the denoiser is told instead of the prompt.
    pub(crate) prompt: Option<String>,
    /// What the denoiser is told instead of the negative prompt.
    pub(crate) negative_prompt: Option<String>,
    /// Evaluations made.
    pub(crate) evaluations: &'a AtomicU64,
}

impl VideoModel for Tampering<'_> {
    fn encode_text(&self, prompt: &str) -> Result<TextStates> {
        self.honest.encode_text(prompt)
    }

    fn latent_shape(&self, width: usize, height: usize, frames: usize) -> Result<LatentShape> {
        self.honest.latent_shape(width, height, frames)
    }

    fn denoiser(
        &self,
        shape: LatentShape,
        conditional: &TextStates,
        unconditional: Option<&TextStates>,
    ) -> Result<Box<dyn Denoiser + '_>> {
        let encode = |text: &Option<String>| text.as_ref().map(|text| self.honest.encode_text(text)).transpose();
        let (prompt, negative) = (encode(&self.prompt)?, encode(&self.negative_prompt)?);
        let conditional = prompt.as_ref().unwrap_or(conditional);
        let unconditional = unconditional.map(|text| negative.as_ref().unwrap_or(text));
        Ok(Box::new(Planned {
            inner: self.denoising.denoiser(shape, conditional, unconditional)?,
            plan: &self.plan,
            evaluations: self.evaluations,
            memory: Mutex::default(),
        }))
    }

    fn decode(&self, latents: &[f32], shape: LatentShape, frames: Range<usize>) -> Result<Vec<f32>> {
        self.honest.decode(latents, shape, frames)
    }

    fn working_bytes(&self, shape: LatentShape) -> (u64, u64) {
        self.denoising.working_bytes(shape)
    }

    fn precision(&self) -> Precision {
        self.honest.precision()
    }
}

/// Outputs of a step: with the prompt, and without where there is guidance.
type Outputs = (Vec<f32>, Option<Vec<f32>>);

struct Computed {
    timestep: f64,
    outputs: Outputs,
}

#[derive(Default)]
struct Memory {
    step: usize,
    /// The last outputs given.
    given: Option<Outputs>,
    /// The last two steps that were computed in full, newest last.
    computed: Vec<Computed>,
}

/// A denoiser that follows a plan. It is asked once for each step, in order.
struct Planned<'a> {
    inner: Box<dyn Denoiser + 'a>,
    plan: &'a [Output],
    evaluations: &'a AtomicU64,
    memory: Mutex<Memory>,
}

impl Planned<'_> {
    fn one(&self, sample: &[f32], timestep: f64) -> Result<Vec<f32>> {
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        self.inner.evaluate(Branch::Conditional, sample, timestep)
    }

    fn all(&self, sample: &[f32], timestep: f64, guided: bool) -> Result<Outputs> {
        if !guided {
            return Ok((self.one(sample, timestep)?, None));
        }
        self.evaluations.fetch_add(2, Ordering::Relaxed);
        let (with, without) = self.inner.evaluate_both(sample, timestep)?;
        Ok((with, Some(without)))
    }

    fn next(&self, sample: &[f32], timestep: f64, guided: bool) -> Result<Outputs> {
        // After a panic in the model, no run goes on.
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let planned = self.plan.get(memory.step).copied().unwrap_or(Output::Computed);
        memory.step += 1;
        let outputs = match (planned, &memory.given, memory.computed.as_slice()) {
            (Output::Repeated, Some(given), _) => given.clone(),
            (Output::Extrapolated, _, [before, last]) => extrapolate(before, last, timestep),
            (Output::OneForBoth, ..) if guided => {
                let with = self.one(sample, timestep)?;
                (with.clone(), Some(with))
            }
            (Output::OldDifference, _, [.., Computed { outputs: (with, Some(without)), .. }]) => {
                let now = self.one(sample, timestep)?;
                let other =
                    now.iter().zip(with.iter().zip(without)).map(|(now, (with, without))| now - (with - without));
                let other = other.collect();
                (now, Some(other))
            }
            (Output::Louder(share), ..) => {
                let (mut with, mut without) = self.all(sample, timestep, guided)?;
                let factor = 1.0 + share;
                let louder = |values: &mut Vec<f32>| {
                    values.iter_mut().for_each(|x| *x = (f64::from(*x) * factor) as f32);
                };
                louder(&mut with);
                without.as_mut().map(louder);
                (with, without)
            }
            (Output::Stretched(factor), ..) => {
                let (mut with, without) = self.all(sample, timestep, guided)?;
                for (with, without) in with.iter_mut().zip(without.iter().flatten()) {
                    *with = without + factor * (*with - without);
                }
                (with, without)
            }
            // Also where there is nothing yet to repeat or to extrapolate from.
            _ => {
                let outputs = self.all(sample, timestep, guided)?;
                if memory.computed.len() == 2 {
                    memory.computed.remove(0);
                }
                memory.computed.push(Computed { timestep, outputs: outputs.clone() });
                outputs
            }
        };
        memory.given = Some(outputs.clone());
        Ok(outputs)
    }
}

impl Denoiser for Planned<'_> {
    fn evaluate(&self, branch: Branch, sample: &[f32], timestep: f64) -> Result<Vec<f32>> {
        match branch {
            Branch::Conditional => Ok(self.next(sample, timestep, false)?.0),
            // No run asks for this branch alone.
            Branch::Unconditional => {
                self.evaluations.fetch_add(1, Ordering::Relaxed);
                self.inner.evaluate(branch, sample, timestep)
            }
        }
    }

    fn evaluate_both(&self, sample: &[f32], timestep: f64) -> Result<(Vec<f32>, Vec<f32>)> {
        let (with, without) = self.next(sample, timestep, true)?;
        let without = without.unwrap_or_else(|| with.clone());
        Ok((with, without))
    }
}

fn extrapolate(before: &Computed, last: &Computed, timestep: f64) -> Outputs {
    let weight = ((timestep - last.timestep) / (last.timestep - before.timestep)) as f32;
    let line = |before: &[f32], last: &[f32]| -> Vec<f32> {
        before.iter().zip(last).map(|(before, last)| last + weight * (last - before)).collect()
    };
    let with = line(&before.outputs.0, &last.outputs.0);
    let without = match (&before.outputs.1, &last.outputs.1) {
        (Some(before), Some(last)) => Some(line(before, last)),
        _ => None,
    };
    (with, without)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    /// Timestep plus the sample with the prompt, ten less without.
    impl Denoiser for Echo {
        fn evaluate(&self, branch: Branch, sample: &[f32], timestep: f64) -> Result<Vec<f32>> {
            let shift = if branch == Branch::Conditional { 0.0 } else { -10.0 };
            Ok(sample.iter().map(|x| x + timestep as f32 + shift).collect())
        }
    }

    /// Runs timesteps 4, 3, 2, ... on samples 0 and returns the first value of both branches, and the evaluations.
    #[allow(clippy::unwrap_used)]
    fn outputs(plan: &[Output]) -> (Vec<(f32, f32)>, u64) {
        let evaluations = AtomicU64::new(0);
        let planned = Planned { inner: Box::new(Echo), plan, evaluations: &evaluations, memory: Mutex::default() };
        let step = |step: usize| planned.evaluate_both(&[0.0], 4.0 - step as f64).unwrap();
        let given = (0..plan.len()).map(step).map(|(with, without)| (with[0], without[0])).collect();
        (given, evaluations.load(Ordering::Relaxed))
    }

    #[test]
    fn plans_are_followed() {
        use Output::*;
        assert_eq!(outputs(&[Computed, Repeated, Repeated]), (vec![(4.0, -6.0); 3], 2));
        let line = vec![(4.0, -6.0), (3.0, -7.0), (2.0, -8.0), (1.0, -9.0)];
        assert_eq!(outputs(&[Computed, Computed, Extrapolated, Extrapolated]), (line, 4));
        assert_eq!(outputs(&[OneForBoth, Computed]), (vec![(4.0, 4.0), (3.0, -7.0)], 3));
        assert_eq!(outputs(&[Computed, OldDifference]), (vec![(4.0, -6.0), (3.0, -7.0)], 3));
        assert_eq!(outputs(&[Louder(0.5)]), (vec![(6.0, -9.0)], 2));
        assert_eq!(outputs(&[Stretched(0.5)]), (vec![(-1.0, -6.0)], 2));
        // Nothing to repeat yet.
        assert_eq!(outputs(&[Repeated, Extrapolated]), (vec![(4.0, -6.0), (3.0, -7.0)], 4));
    }
}
