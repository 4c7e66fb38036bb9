//! Noise that a proven run adds after every step but the last, so that no other run's steps can be put in its place.
//!
//! A run's states and outputs are made public to validators and can be kept. A cheat that makes up the output of one step can
//! lead its run into an old one and go on with outputs it never computed for this job; only the one made-up step would be wrong.
//! With noise that depends on the job's seed in every state, outputs for other states are wrong at every step, and each audited
//! one shows it. `docs/PROTOCOL.md`, section 3.

use crate::noise::{NoiseStream, PortableNoise};
use crate::schedulers::Scheduler;

/// The noise of a seed: a [`SHARE`](Self::SHARE) of what the state has anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepNoise {
    seed: [u8; 32],
}

impl StepNoise {
    /// Of the standard deviation of the noise that a state should have. The level rises by a factor of
    /// sqrt(1 + 1/32^2), half a part in a thousand, which no sampler tells from its own error.
    pub const SHARE: f64 = 1.0 / 32.0;

    /// The noise of a job's seed.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed }
    }

    /// Adds the noise that follows step `step` to `state`, elements `from ..` of the latent in the order
    /// `(channels, frames, height, width)`, each rounded to f32. After the last step there is none.
    pub fn add(&self, scheduler: &Scheduler, step: usize, from: u64, state: &mut [f32]) {
        let amplitude = Self::SHARE * scheduler.noise_after(step);
        if amplitude == 0.0 {
            return;
        }
        // Steps are below 1000.
        let mut noise = vec![0.0; state.len()];
        PortableNoise::from_wide_seed(&self.seed, NoiseStream::Step(step as u32)).fill(from, &mut noise);
        for (x, noise) in state.iter_mut().zip(&noise) {
            *x = (f64::from(*x) + amplitude * f64::from(*noise)) as f32;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::schedulers::SchedulerConfig;

    #[test]
    fn parts_add_what_the_whole_adds_and_the_last_step_nothing() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"));
        let config =
            SchedulerConfig::read(&path.join("../assets/models/starter/scheduler/scheduler_config.json"), None);
        let config = config.unwrap();
        let scheduler = Scheduler::new(config, 4).unwrap();
        let noise = StepNoise::new([7; 32]);
        let mut whole = vec![1.0_f32; 40];
        noise.add(&scheduler, 1, 0, &mut whole);
        let mut part = vec![1.0_f32; 13];
        noise.add(&scheduler, 1, 20, &mut part);
        assert_eq!(part, whole[20..33]);
        let spread = whole.iter().map(|x| f64::from(x - 1.0).powi(2)).sum::<f64>() / 40.0;
        let expected = StepNoise::SHARE * scheduler.noise_after(1);
        assert!((spread.sqrt() / expected - 1.0).abs() < 0.3, "{} for {expected}", spread.sqrt());
        let mut last = vec![1.0_f32; 40];
        noise.add(&scheduler, 3, 0, &mut last);
        assert_eq!(last, [1.0; 40]);
    }
}
