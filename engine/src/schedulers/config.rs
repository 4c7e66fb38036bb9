//! `scheduler/scheduler_config.json`.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{EngineError, Result};
use crate::models::config::ConfigFile;

/// Training timesteps accepted at most.
const MAX_TRAIN_TIMESTEPS: usize = 100_000;
const DEFAULT_SOLVER_ORDER: usize = 2;

/// A sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulerKind {
    /// `DDIMScheduler` with eta 0.
    Ddim,
    /// `DPMSolverMultistepScheduler`: DPM-Solver++, first or second order.
    DpmSolverPlusPlus,
    /// `EulerDiscreteScheduler` without added noise.
    Euler,
}

impl SchedulerKind {
    /// All samplers.
    pub const ALL: [Self; 3] = [Self::Ddim, Self::DpmSolverPlusPlus, Self::Euler];

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ddim => "ddim",
            Self::DpmSolverPlusPlus => "dpm++",
            Self::Euler => "euler",
        }
    }

    fn class_name(self) -> &'static str {
        match self {
            Self::Ddim => "DDIMScheduler",
            Self::DpmSolverPlusPlus => "DPMSolverMultistepScheduler",
            Self::Euler => "EulerDiscreteScheduler",
        }
    }
}

impl fmt::Display for SchedulerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SchedulerKind {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name || kind.class_name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            EngineError::Request(format!("unknown scheduler `{name}`; choose one of {known}"))
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum BetaSchedule {
    Linear,
    ScaledLinear,
}

/// What a model's output means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PredictionType {
    /// The noise (Ho et al., 2020).
    #[serde(rename = "epsilon")]
    Epsilon,
    /// Velocity: signal times noise less noise level times clean sample (Salimans and Ho, 2022).
    #[serde(rename = "v_prediction")]
    Velocity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Spacing {
    Leading,
    Trailing,
    Linspace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FinalSigma {
    Zero,
    SigmaMin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SolverType {
    Midpoint,
    Heun,
}

#[derive(Deserialize)]
#[serde(default)]
struct Json {
    #[serde(rename = "_class_name")]
    class_name: String,
    num_train_timesteps: usize,
    beta_start: f64,
    beta_end: f64,
    beta_schedule: String,
    prediction_type: String,
    timestep_spacing: Option<String>,
    steps_offset: usize,
    set_alpha_to_one: bool,
    clip_sample: Option<bool>,
    clip_sample_range: f64,
    rescale_betas_zero_snr: bool,
    trained_betas: Option<serde_json::Value>,
    thresholding: bool,
    solver_order: usize,
    algorithm_type: String,
    solver_type: String,
    lower_order_final: bool,
    euler_at_final: bool,
    final_sigmas_type: Option<String>,
    interpolation_type: String,
    use_karras_sigmas: Option<bool>,
    use_exponential_sigmas: Option<bool>,
    use_beta_sigmas: Option<bool>,
    use_lu_lambdas: Option<bool>,
    use_flow_sigmas: Option<bool>,
}

impl Default for Json {
    fn default() -> Self {
        Self {
            class_name: String::new(),
            num_train_timesteps: 1000,
            beta_start: 0.0001,
            beta_end: 0.02,
            beta_schedule: "linear".to_owned(),
            prediction_type: "epsilon".to_owned(),
            timestep_spacing: None,
            steps_offset: 0,
            set_alpha_to_one: true,
            clip_sample: None,
            clip_sample_range: 1.0,
            rescale_betas_zero_snr: false,
            trained_betas: None,
            thresholding: false,
            solver_order: DEFAULT_SOLVER_ORDER,
            algorithm_type: "dpmsolver++".to_owned(),
            solver_type: "midpoint".to_owned(),
            lower_order_final: true,
            euler_at_final: false,
            final_sigmas_type: None,
            interpolation_type: "linear".to_owned(),
            use_karras_sigmas: None,
            use_exponential_sigmas: None,
            use_beta_sigmas: None,
            use_lu_lambdas: None,
            use_flow_sigmas: None,
        }
    }
}

/// A checked configuration: a sampler with all its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SchedulerConfig {
    pub(super) kind: SchedulerKind,
    pub(super) train_timesteps: usize,
    pub(super) beta_start: f64,
    pub(super) beta_end: f64,
    pub(super) beta_schedule: BetaSchedule,
    pub(super) prediction: PredictionType,
    pub(super) spacing: Spacing,
    pub(super) steps_offset: usize,
    pub(super) set_alpha_to_one: bool,
    /// Predicted clean samples are clipped to plus or minus this (DDIM only).
    pub(super) clip_range: Option<f64>,
    pub(super) zero_terminal_snr: bool,
    pub(super) solver_order: usize,
    pub(super) solver_type: SolverType,
    pub(super) lower_order_final: bool,
    pub(super) euler_at_final: bool,
    pub(super) final_sigma: FinalSigma,
}

impl SchedulerConfig {
    /// Reads and checks `scheduler_config.json`. With `kind`, another sampler takes over its parameters, as diffusers'
    /// `from_config` does: what the file leaves out gets that sampler's default.
    pub fn read(path: &Path, kind: Option<SchedulerKind>) -> Result<Self> {
        let file = ConfigFile::<Json>::read(path)?;
        let json = &file.value;
        let own = SchedulerKind::ALL.into_iter().find(|kind| kind.class_name() == json.class_name);
        let Some(kind) = kind.or(own) else {
            let known = SchedulerKind::ALL.map(SchedulerKind::class_name).join(", ");
            let reason = format!("`_class_name` is `{}`; this engine runs {known}", json.class_name);
            return Err(file.error(format!("{reason} (choose one with --scheduler)")));
        };
        let parse =
            |field: &str, value: &str| file.error(format!("`{field}` is `{value}`, which this engine does not know"));
        fn named<T: for<'a> Deserialize<'a>>(value: &str) -> Option<T> {
            serde_json::from_value(serde_json::Value::String(value.to_owned())).ok()
        }
        let default_spacing = if kind == SchedulerKind::Ddim { "leading" } else { "linspace" };
        let spacing = json.timestep_spacing.as_deref().unwrap_or(default_spacing);
        let final_sigma = json.final_sigmas_type.as_deref().unwrap_or("zero");
        let unsupported = [
            ("trained_betas", json.trained_betas.as_ref().is_some_and(|betas| !betas.is_null())),
            ("thresholding", json.thresholding),
            ("use_karras_sigmas", json.use_karras_sigmas == Some(true)),
            ("use_exponential_sigmas", json.use_exponential_sigmas == Some(true)),
            ("use_beta_sigmas", json.use_beta_sigmas == Some(true)),
            ("use_lu_lambdas", json.use_lu_lambdas == Some(true)),
            ("use_flow_sigmas", json.use_flow_sigmas == Some(true)),
        ];
        if let Some((field, _)) = unsupported.iter().find(|(_, set)| *set) {
            return Err(file.error(format!("`{field}` is set, which this engine does not support")));
        }
        if kind == SchedulerKind::DpmSolverPlusPlus {
            file.require(json.algorithm_type == "dpmsolver++", || {
                format!("`algorithm_type` is `{}`, expected dpmsolver++", json.algorithm_type)
            })?;
        }
        file.require(json.interpolation_type == "linear", || {
            format!("`interpolation_type` is `{}`, expected linear", json.interpolation_type)
        })?;
        let clip = kind == SchedulerKind::Ddim && json.clip_sample.unwrap_or(true);
        let prediction = named(&json.prediction_type).ok_or_else(|| parse("prediction_type", &json.prediction_type))?;
        let config = Self {
            kind,
            train_timesteps: json.num_train_timesteps,
            beta_start: json.beta_start,
            beta_end: json.beta_end,
            beta_schedule: named(&json.beta_schedule).ok_or_else(|| parse("beta_schedule", &json.beta_schedule))?,
            prediction,
            spacing: named(spacing).ok_or_else(|| parse("timestep_spacing", spacing))?,
            steps_offset: json.steps_offset,
            set_alpha_to_one: json.set_alpha_to_one,
            clip_range: clip.then_some(json.clip_sample_range),
            zero_terminal_snr: json.rescale_betas_zero_snr,
            // Other samplers have none; the default keeps one encoding per sampler.
            solver_order: if kind == SchedulerKind::DpmSolverPlusPlus {
                json.solver_order
            } else {
                DEFAULT_SOLVER_ORDER
            },
            solver_type: named(&json.solver_type).ok_or_else(|| parse("solver_type", &json.solver_type))?,
            lower_order_final: json.lower_order_final,
            euler_at_final: json.euler_at_final,
            final_sigma: named(final_sigma).ok_or_else(|| parse("final_sigmas_type", final_sigma))?,
        };
        config.check().map_err(|reason| file.error(reason))?;
        Ok(config)
    }

    /// Checks the numbers, whether from a file or from the canonical encoding.
    pub(super) fn check(&self) -> Result<(), String> {
        let require = |holds: bool, otherwise: &dyn Fn() -> String| if holds { Ok(()) } else { Err(otherwise()) };
        require((1..=MAX_TRAIN_TIMESTEPS).contains(&self.train_timesteps), &|| {
            format!("`num_train_timesteps` is {}, expected 1 to {MAX_TRAIN_TIMESTEPS}", self.train_timesteps)
        })?;
        require(self.steps_offset <= MAX_TRAIN_TIMESTEPS, &|| {
            format!("`steps_offset` is {}, expected at most {MAX_TRAIN_TIMESTEPS}", self.steps_offset)
        })?;
        let (start, end) = (self.beta_start, self.beta_end);
        require(start > 0.0 && start <= end && end < 1.0, &|| {
            format!("betas from {start} to {end} are not between 0 and 1, rising")
        })?;
        let orders = if self.kind == SchedulerKind::DpmSolverPlusPlus {
            1..=2
        } else {
            DEFAULT_SOLVER_ORDER..=DEFAULT_SOLVER_ORDER
        };
        require(orders.contains(&self.solver_order), &|| {
            format!("`solver_order` is {}, expected {} to {}", self.solver_order, orders.start(), orders.end())
        })?;
        require(self.clip_range.is_none_or(|range| range > 0.0 && range.is_finite()), &|| {
            "`clip_sample_range` must be positive".to_owned()
        })?;
        require(self.clip_range.is_none() || self.kind == SchedulerKind::Ddim, &|| {
            format!("clean samples are clipped by DDIM only, not by {}", self.kind)
        })?;
        let no_signal =
            self.zero_terminal_snr && self.kind == SchedulerKind::Ddim && self.prediction == PredictionType::Epsilon;
        require(!no_signal, &|| {
            "`rescale_betas_zero_snr` needs `prediction_type` v_prediction: the first step has no signal to divide by"
                .to_owned()
        })
    }

    /// Whether betas are rescaled so that the last training timestep has no signal (Lin et al., 2024).
    pub fn has_zero_terminal_snr(&self) -> bool {
        self.zero_terminal_snr
    }

    /// The sampler.
    pub fn kind(&self) -> SchedulerKind {
        self.kind
    }

    /// What the model's output means.
    pub fn prediction(&self) -> PredictionType {
        self.prediction
    }
}
