//! One byte string per sampler, for proofs that name the sampler a job was paid for.
//!
//! Integers and floats are little-endian, enumerations and switches one byte:
//!
//! | bytes | field |
//! |---|---|
//! | 0 | kind: 1 DDIM, 2 DPM-Solver++, 3 Euler |
//! | 1..5 | training timesteps, u32 |
//! | 5..13, 13..21 | first and last beta, f64 |
//! | 21 | betas: 1 linear, 2 scaled linear |
//! | 22 | prediction: 1 epsilon, 2 velocity |
//! | 23 | timestep spacing: 1 leading, 2 trailing, 3 linspace |
//! | 24..28 | steps offset, u32 |
//! | 28 | `set_alpha_to_one` |
//! | 29, 30..38 | whether clean samples are clipped, and to what, f64 (zero where not) |
//! | 38 | zero terminal SNR |
//! | 39 | solver order |
//! | 40 | solver type: 1 midpoint, 2 Heun |
//! | 41, 42 | `lower_order_final`, `euler_at_final` |
//! | 43 | last sigma: 1 zero, 2 sigma min |

use super::config::{BetaSchedule, FinalSigma, PredictionType, SchedulerConfig, SchedulerKind, SolverType, Spacing};
use crate::error::{EngineError, Result};

const KINDS: [SchedulerKind; 3] = SchedulerKind::ALL;
const BETAS: [BetaSchedule; 2] = [BetaSchedule::Linear, BetaSchedule::ScaledLinear];
const PREDICTIONS: [PredictionType; 2] = [PredictionType::Epsilon, PredictionType::Velocity];
const SPACINGS: [Spacing; 3] = [Spacing::Leading, Spacing::Trailing, Spacing::Linspace];
const SOLVERS: [SolverType; 2] = [SolverType::Midpoint, SolverType::Heun];
const FINALS: [FinalSigma; 2] = [FinalSigma::Zero, FinalSigma::SigmaMin];

impl SchedulerConfig {
    /// Length of [`canonical_bytes`](Self::canonical_bytes).
    pub const CANONICAL_LEN: usize = 44;

    /// The encoding that proofs hash; layout in `engine/src/schedulers/canonical.rs`.
    pub fn canonical_bytes(&self) -> [u8; Self::CANONICAL_LEN] {
        let mut out = [0; Self::CANONICAL_LEN];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..][..bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&[code(&KINDS, self.kind)]);
        put(&small(self.train_timesteps));
        put(&self.beta_start.to_le_bytes());
        put(&self.beta_end.to_le_bytes());
        put(&[code(&BETAS, self.beta_schedule), code(&PREDICTIONS, self.prediction), code(&SPACINGS, self.spacing)]);
        put(&small(self.steps_offset));
        put(&[u8::from(self.set_alpha_to_one), u8::from(self.clip_range.is_some())]);
        put(&self.clip_range.unwrap_or(0.0).to_le_bytes());
        put(&[u8::from(self.zero_terminal_snr), self.solver_order as u8, code(&SOLVERS, self.solver_type)]);
        put(&[u8::from(self.lower_order_final), u8::from(self.euler_at_final), code(&FINALS, self.final_sigma)]);
        out
    }

    /// Reads [`canonical_bytes`](Self::canonical_bytes) back, with the checks of a configuration file. Any other byte
    /// string is refused, so that a sampler has exactly one encoding.
    ///
    /// # Errors
    /// What is wrong with which field.
    pub fn from_canonical_bytes(bytes: &[u8; Self::CANONICAL_LEN]) -> Result<Self> {
        let bad = |reason: String| EngineError::Request(format!("the scheduler's encoding is refused: {reason}"));
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        let f64_at = |at: usize| f64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let switch = |at: usize| match bytes[at] {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(bad(format!("byte {at} is {other}, expected 0 or 1"))),
        };
        fn named<T: Copy>(all: &[T], bytes: &[u8], at: usize) -> std::result::Result<T, String> {
            let index = usize::from(bytes[at]).checked_sub(1);
            let found = index.and_then(|index| all.get(index));
            found.copied().ok_or_else(|| format!("byte {at} is {}, expected 1 to {}", bytes[at], all.len()))
        }
        let clip = f64_at(30);
        if !switch(29)? && clip.to_bits() != 0 {
            return Err(bad("a clip range is given and switched off".to_owned()));
        }
        let config = Self {
            kind: named(&KINDS, bytes, 0).map_err(bad)?,
            train_timesteps: u32_at(1),
            beta_start: f64_at(5),
            beta_end: f64_at(13),
            beta_schedule: named(&BETAS, bytes, 21).map_err(bad)?,
            prediction: named(&PREDICTIONS, bytes, 22).map_err(bad)?,
            spacing: named(&SPACINGS, bytes, 23).map_err(bad)?,
            steps_offset: u32_at(24),
            set_alpha_to_one: switch(28)?,
            clip_range: switch(29)?.then_some(clip),
            zero_terminal_snr: switch(38)?,
            solver_order: usize::from(bytes[39]),
            solver_type: named(&SOLVERS, bytes, 40).map_err(bad)?,
            lower_order_final: switch(41)?,
            euler_at_final: switch(42)?,
            final_sigma: named(&FINALS, bytes, 43).map_err(bad)?,
        };
        config.check().map_err(bad)?;
        Ok(config)
    }
}

fn code<T: Copy + PartialEq>(all: &[T], value: T) -> u8 {
    // The tables list every variant.
    all.iter().position(|known| *known == value).map_or(0, |index| index as u8 + 1)
}

/// Checked configurations have no number above `MAX_TRAIN_TIMESTEPS`.
fn small(value: usize) -> [u8; 4] {
    (value as u32).to_le_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn published(class: &str, more: &str) -> SchedulerConfig {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scheduler_config.json");
        let json = format!(r#"{{"_class_name": "{class}", "beta_start": 0.00085, "beta_end": 0.012{more}}}"#);
        std::fs::write(&path, json).unwrap();
        SchedulerConfig::read(&path, None).unwrap()
    }

    fn configs() -> Vec<SchedulerConfig> {
        vec![
            published(
                "DDIMScheduler",
                r#", "beta_schedule": "scaled_linear", "clip_sample": false, "set_alpha_to_one": false, "steps_offset": 1"#,
            ),
            published("DDIMScheduler", r#", "clip_sample_range": 2.5, "prediction_type": "v_prediction""#),
            published("DPMSolverMultistepScheduler", r#", "solver_type": "heun", "timestep_spacing": "trailing""#),
            published("EulerDiscreteScheduler", r#", "final_sigmas_type": "sigma_min""#),
        ]
    }

    #[test]
    fn every_field_comes_back() {
        for config in configs() {
            assert_eq!(SchedulerConfig::from_canonical_bytes(&config.canonical_bytes()).unwrap(), config);
        }
    }

    #[test]
    fn known_bytes() {
        let hex: String = configs()[0].canonical_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        // struct.pack("<BIddBBBIBBdBBBBBB", 1, 1000, 0.00085, 0.012, 2, 1, 1, 1, 0, 0, 0.0, 0, 2, 1, 1, 0, 1) in Python.
        assert_eq!(hex, "01e80300005f07ce1951da4b3ffa7e6abc7493883f0201010100000000000000000000000000000201010001");
    }

    proptest! {
        #[test]
        fn what_is_read_is_canonical(which in 0_usize..4, changes in prop::collection::vec((0_usize..44, any::<u8>()), 0..4)) {
            let mut bytes = configs()[which].canonical_bytes();
            for (at, value) in changes {
                bytes[at] = value;
            }
            if let Ok(config) = SchedulerConfig::from_canonical_bytes(&bytes) {
                prop_assert_eq!(config.canonical_bytes(), bytes);
                let steps = 7;
                if let Ok(scheduler) = crate::schedulers::Scheduler::new(config, steps) {
                    prop_assert_eq!(scheduler.steps(), steps);
                }
            }
        }
    }
}
