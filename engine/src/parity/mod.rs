//! Comparing the engine with reference results: golden cases made by `tools/reference` with diffusers and transformers.
//!
//! A case is a folder with `case.json`, a component in diffusers' layout and `golden.safetensors`; [`check`] runs the
//! component on the golden inputs and reports the error of every stage beside the bar the case sets.

mod cases;
mod golden;

pub use cases::{CaseReport, StageError, check, check_on, find_cases};
