//! Our model: one cheating miner among honest ones.
//!
//! Unlike the published study, not all miners cheat at once; every tampered step saves its cost; each job is audited with
//! fresh randomness, and only some jobs are; stake is locked per job and what is slashed of it is gone; being caught costs
//! weight in the consensus and with it emission, which comes back slowly. An epoch is one job per miner.
//!
//! The value of a strategy is computed twice: exactly, from the cheater's expected weight ([`expected_values`]), and by
//! Monte-Carlo with confidence intervals over whole networks ([`simulate`]).

mod heat_map;
mod monte_carlo;
mod parameters;
mod value;

pub use heat_map::{HeatMap, HeatMapAxis, HeatMapQuantity, HeatMapRequest, heat_map};
pub use monte_carlo::{SimulatedValue, SimulationRequest, simulate};
pub use parameters::{ModelParameters, Start};
pub use value::{ModelValue, StrategyValue, expected_values};
