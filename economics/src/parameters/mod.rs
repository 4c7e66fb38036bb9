//! Constants: those of the published study, and those the network ships with.

mod network;
mod study;

pub use network::{NetworkParameters, TypicalJob};
pub use study::{StudyParameters, ValidatorShare};
