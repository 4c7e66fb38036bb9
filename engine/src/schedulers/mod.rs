//! Noise schedules and samplers: DDIM (Song et al., 2021), DPM-Solver++ 2M (Lu et al., 2022) and Euler (Karras et al.,
//! 2022), following diffusers' classes and their configuration files.
//!
//! A step is a pure, elementwise function of the state, the model's output and, for the multistep solver, the step
//! before: a validator can do any step again, and a shard only its own frames. The tables of cumulative alphas have the bits of diffusers' f32
//! tables; everything after is f64 with libm's transcendental functions, rounded to f32 once per step.

mod betas;
mod canonical;
mod config;
mod scheduler;
mod timesteps;

pub use config::{PredictionType, SchedulerConfig, SchedulerKind};
pub use scheduler::{Previous, Scheduler};
