//! The elementwise parts of a run, the same bits everywhere: who audits a run does them again.

use super::model::Precision;
use super::step_noise::StepNoise;
use crate::error::Result;
use crate::schedulers::{Previous, Scheduler};

/// The first state: standard normal `noise` at the scheduler's initial noise level, in the precision of states.
pub fn initial_state(noise: &[f32], scheduler: &Scheduler, precision: Precision) -> Vec<f32> {
    let sigma = scheduler.init_noise_sigma();
    let mut state: Vec<f32> = noise.iter().map(|&x| (f64::from(x) * sigma) as f32).collect();
    precision.round(&mut state);
    state
}

/// Classifier-free guidance (Ho and Salimans, 2022): `unconditional + scale * (conditional - unconditional)`, in f32
/// without fused operations; `conditional` as it is where there is no other branch.
pub fn guided_output(mut conditional: Vec<f32>, unconditional: Option<&[f32]>, scale: f32) -> Vec<f32> {
    if let Some(unconditional) = unconditional {
        for (with, without) in conditional.iter_mut().zip(unconditional) {
            *with = without + scale * (*with - without);
        }
    }
    conditional
}

/// The state after a step: the scheduler's, with the noise of a proven run, in the precision of states.
///
/// # Errors
/// Lengths differ, or the scheduler needs the step before and it is missing.
pub fn next_state(
    scheduler: &Scheduler,
    precision: Precision,
    noise: Option<&StepNoise>,
    step: usize,
    state: &[f32],
    guided: &[f32],
    previous: Option<Previous<'_>>,
) -> Result<Vec<f32>> {
    let mut next = scheduler.step(step, state, guided, previous)?;
    if let Some(noise) = noise {
        noise.add(scheduler, step, 0, &mut next);
    }
    precision.round(&mut next);
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guidance_is_rounded_after_every_operation() {
        // By NumPy; a fused multiply-add would give 0x3e2e147b.
        let (with, without, scale) = (0.04f32, 0.02f32, 7.5_f32);
        assert_eq!(guided_output(vec![with], Some(&[without]), scale)[0].to_bits(), 0x3e2e147a);
        assert_eq!(guided_output(vec![with], None, scale), [with]);
    }
}
