//! Steps.

use super::betas::alphas_cumprod;
use super::config::{FinalSigma, PredictionType, SchedulerConfig, SchedulerKind, SolverType, Spacing};
use super::timesteps::{interpolate, timesteps};
use crate::error::{EngineError, Result};

/// Steps below which DPM-Solver++ ends with a first-order step, as in diffusers.
const FEW_STEPS: usize = 15;

/// The step before, which the second-order solver needs: its state and the model's (guided) output there.
#[derive(Clone, Copy, Debug)]
pub struct Previous<'a> {
    /// State, as given to that step.
    pub sample: &'a [f32],
    /// Model output, as given to that step.
    pub model_output: &'a [f32],
}

/// A sampler for a number of steps.
#[derive(Clone, Debug)]
pub struct Scheduler {
    config: SchedulerConfig,
    timesteps: Vec<f64>,
    alphas_cumprod: Vec<f32>,
    /// Noise levels, one more than steps (unused by DDIM).
    sigmas: Vec<f64>,
}

impl Scheduler {
    /// A run of `steps` steps.
    ///
    /// # Errors
    /// No steps, or more than the model was trained with.
    pub fn new(config: SchedulerConfig, steps: usize) -> Result<Self> {
        let most = config.train_timesteps;
        if steps == 0 || steps > most {
            return Err(EngineError::Request(format!("{steps} steps were asked for; this model takes 1 to {most}")));
        }
        let alphas_cumprod = alphas_cumprod(&config);
        let timesteps = timesteps(&config, steps);
        if let Some(&outside) = timesteps.iter().find(|&&t| !(0.0..most as f64).contains(&t)) {
            return Err(EngineError::Request(format!(
                "{steps} steps with the model's `steps_offset` reach timestep {outside}, but the last is {}; take fewer steps",
                most - 1
            )));
        }
        let table: Vec<f64> = alphas_cumprod.iter().map(|&alpha| sigma(f64::from(alpha))).collect();
        let last = match config.final_sigma {
            FinalSigma::Zero => 0.0,
            FinalSigma::SigmaMin => table[0],
        };
        let sigmas = timesteps.iter().map(|&t| interpolate(&table, t)).chain(std::iter::once(last)).collect();
        Ok(Self { config, timesteps, alphas_cumprod, sigmas })
    }

    /// Steps of this run.
    pub fn steps(&self) -> usize {
        self.timesteps.len()
    }

    /// The timestep that the model is given at a step.
    pub fn timestep(&self, step: usize) -> f64 {
        self.timesteps[step]
    }

    /// The configuration.
    pub fn config(&self) -> &SchedulerConfig {
        &self.config
    }

    /// Cumulative alphas of the training timesteps.
    pub fn alphas_cumprod(&self) -> &[f32] {
        &self.alphas_cumprod
    }

    /// Noise level at a step, as sigma of the variance-exploding form: 0 is a clean sample.
    pub fn sigma(&self, step: usize) -> f64 {
        match self.config.kind {
            SchedulerKind::Ddim => sigma(f64::from(self.alphas_cumprod[self.timesteps[step] as usize])),
            _ => self.sigmas[step],
        }
    }

    /// Standard deviation of the noise in the state after a step, on that state's scale; 0 after the last step.
    pub fn noise_after(&self, step: usize) -> f64 {
        if step + 1 >= self.steps() {
            return 0.0;
        }
        match self.config.kind {
            SchedulerKind::Ddim => (1.0 - self.ddim_alpha_after(step)).sqrt(),
            SchedulerKind::Euler => self.sigmas[step + 1],
            SchedulerKind::DpmSolverPlusPlus => signal_and_noise(self.sigmas[step + 1]).1,
        }
    }

    /// Initial noise is multiplied by this.
    pub fn init_noise_sigma(&self) -> f64 {
        if self.config.kind != SchedulerKind::Euler {
            return 1.0;
        }
        let largest = self.sigmas.iter().fold(0.0_f64, |a, &b| a.max(b));
        match self.config.spacing {
            Spacing::Leading => (largest * largest + 1.0).sqrt(),
            Spacing::Trailing | Spacing::Linspace => largest,
        }
    }

    /// What the model sees of a state.
    pub fn scale_model_input(&self, step: usize, sample: &[f32]) -> Vec<f32> {
        if self.config.kind != SchedulerKind::Euler {
            return sample.to_vec();
        }
        let sigma = self.sigmas[step];
        let divisor = (sigma * sigma + 1.0).sqrt();
        sample.iter().map(|&x| (f64::from(x) / divisor) as f32).collect()
    }

    /// Whether a step needs the one before it.
    pub fn needs_previous(&self, step: usize) -> bool {
        self.config.kind == SchedulerKind::DpmSolverPlusPlus
            && step > 0
            && self.config.solver_order == 2
            && !self.is_first_order_end(step)
    }

    fn is_first_order_end(&self, step: usize) -> bool {
        let config = &self.config;
        step + 1 == self.steps()
            && (config.euler_at_final
                || (config.lower_order_final && self.steps() < FEW_STEPS)
                || config.final_sigma == FinalSigma::Zero)
    }

    /// The state after a step. `previous` must be given where [`needs_previous`](Self::needs_previous) holds.
    ///
    /// # Errors
    /// Lengths differ, or the step before is missing.
    pub fn step(
        &self,
        step: usize,
        sample: &[f32],
        model_output: &[f32],
        previous: Option<Previous<'_>>,
    ) -> Result<Vec<f32>> {
        if sample.len() != model_output.len() {
            return Err(EngineError::Request(format!(
                "the model's output has {} values, the state {}",
                model_output.len(),
                sample.len()
            )));
        }
        let pairs = sample.iter().zip(model_output).map(|(&x, &output)| (f64::from(x), f64::from(output)));
        Ok(match self.config.kind {
            SchedulerKind::Ddim => {
                let step = self.ddim(step);
                pairs.map(|(x, output)| step(x, output) as f32).collect()
            }
            SchedulerKind::Euler => {
                let (from, to) = (self.sigmas[step], self.sigmas[step + 1]);
                let clean = self.euler_clean(from);
                pairs.map(|(x, output)| (x + (x - clean(x, output)) / from * (to - from)) as f32).collect()
            }
            SchedulerKind::DpmSolverPlusPlus if !self.needs_previous(step) => {
                let (ratio, clean_factor) = self.dpm_first_order(step);
                let clean = self.dpm_clean(step);
                pairs.map(|(x, output)| (ratio * x - clean_factor * clean(x, output)) as f32).collect()
            }
            SchedulerKind::DpmSolverPlusPlus => {
                let Some(previous) =
                    previous.filter(|p| p.sample.len() == sample.len() && p.model_output.len() == sample.len())
                else {
                    return Err(EngineError::Request(format!("step {step} of this solver needs the step before it")));
                };
                let (ratio, clean_factor) = self.dpm_first_order(step);
                let (slope_factor, spacing_ratio) = self.dpm_second_order(step);
                let (now, before) = (self.dpm_clean(step), self.dpm_clean(step - 1));
                pairs
                    .zip(previous.sample.iter().zip(previous.model_output))
                    .map(|((x, output), (&old_x, &old_output))| {
                        let clean = now(x, output);
                        let slope = (clean - before(f64::from(old_x), f64::from(old_output))) / spacing_ratio;
                        (ratio * x - clean_factor * clean - slope_factor * slope) as f32
                    })
                    .collect()
            }
        })
    }

    /// The clean sample that a step's output points at, on the scale of what is decoded: for pictures of a run that is under way.
    /// Values without a partner are left out.
    pub fn clean_estimate(&self, step: usize, sample: &[f32], model_output: &[f32]) -> Vec<f32> {
        let pairs = sample.iter().zip(model_output).map(|(&x, &output)| (f64::from(x), f64::from(output)));
        let sigma = self.sigma(step);
        if self.config.kind == SchedulerKind::Euler {
            let clean = self.euler_clean(sigma);
            return pairs.map(|(x, output)| clean(x, output) as f32).collect();
        }
        let clean = self.preserving_clean(sigma);
        pairs.map(|(x, output)| clean(x, output) as f32).collect()
    }

    /// Cumulative alpha that a step leads to.
    fn ddim_alpha_after(&self, step: usize) -> f64 {
        let timestep = self.timesteps[step] as usize;
        // diffusers steps back by a fixed stride, whatever the spacing.
        match timestep.checked_sub(self.config.train_timesteps / self.steps()) {
            Some(next) => f64::from(self.alphas_cumprod[next]),
            None if self.config.set_alpha_to_one => 1.0,
            None => f64::from(self.alphas_cumprod[0]),
        }
    }

    fn ddim(&self, step: usize) -> impl Fn(f64, f64) -> f64 {
        let alpha_next = self.ddim_alpha_after(step);
        let alpha = f64::from(self.alphas_cumprod[self.timesteps[step] as usize]);
        let (signal, noise) = (alpha.sqrt(), (1.0 - alpha).sqrt());
        let (signal_next, noise_next) = (alpha_next.sqrt(), (1.0 - alpha_next).sqrt());
        let prediction = self.config.prediction;
        let clip = self.config.clip_range;
        move |x, output| {
            let (clean, epsilon) = match prediction {
                PredictionType::Epsilon => ((x - noise * output) / signal, output),
                PredictionType::Velocity => (signal * x - noise * output, signal * output + noise * x),
            };
            let clean = clip.map_or(clean, |range| clean.clamp(-range, range));
            signal_next * clean + noise_next * epsilon
        }
    }

    fn euler_clean(&self, sigma: f64) -> impl Fn(f64, f64) -> f64 {
        let prediction = self.config.prediction;
        let variance = sigma * sigma + 1.0;
        let root = variance.sqrt();
        move |x, output| match prediction {
            PredictionType::Epsilon => x - sigma * output,
            PredictionType::Velocity => x / variance - output * (sigma / root),
        }
    }

    fn dpm_clean(&self, step: usize) -> impl Fn(f64, f64) -> f64 {
        self.preserving_clean(self.sigmas[step])
    }

    /// The clean sample in the variance-preserving form.
    fn preserving_clean(&self, sigma: f64) -> impl Fn(f64, f64) -> f64 {
        let (signal, noise) = signal_and_noise(sigma);
        let prediction = self.config.prediction;
        move |x, output| match prediction {
            PredictionType::Epsilon => (x - noise * output) / signal,
            PredictionType::Velocity => signal * x - noise * output,
        }
    }

    /// Factors of the state and of the predicted clean sample (to be subtracted).
    fn dpm_first_order(&self, step: usize) -> (f64, f64) {
        let (signal, noise) = signal_and_noise(self.sigmas[step]);
        let (signal_next, noise_next) = signal_and_noise(self.sigmas[step + 1]);
        // exp(-h) for h the difference of log signal-to-noise ratios.
        let decay = (noise_next * signal) / (noise * signal_next);
        (noise_next / noise, signal_next * (decay - 1.0))
    }

    /// Factor of the slope (to be subtracted), and the ratio of the last to this step's size.
    fn dpm_second_order(&self, step: usize) -> (f64, f64) {
        let log_snr = |i: usize| {
            let (signal, noise) = signal_and_noise(self.sigmas[i]);
            libm::log(signal) - libm::log(noise)
        };
        let (before, now, next) = (log_snr(step - 1), log_snr(step), log_snr(step + 1));
        let size = next - now;
        let (_, clean_factor) = self.dpm_first_order(step);
        let slope_factor = match self.config.solver_type {
            SolverType::Midpoint => 0.5 * clean_factor,
            SolverType::Heun => {
                let (signal_next, _) = signal_and_noise(self.sigmas[step + 1]);
                -(clean_factor / size + signal_next)
            }
        };
        (slope_factor, (now - before) / size)
    }
}

/// Noise level of the variance-exploding form.
fn sigma(alpha_cumprod: f64) -> f64 {
    ((1.0 - alpha_cumprod) / alpha_cumprod).sqrt()
}

fn signal_and_noise(sigma: f64) -> (f64, f64) {
    let signal = 1.0 / (sigma * sigma + 1.0).sqrt();
    (signal, sigma * signal)
}
