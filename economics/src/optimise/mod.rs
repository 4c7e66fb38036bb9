//! The cheapest parameters under which every way to cheat is a loss.
//!
//! Stage one asks of every parameter set what stake it requires and drops those that need too much stake or too much
//! re-execution. Stage two prices the rest per job (checks, locked capital, honest miners slashed by mistake, bad clips of
//! miners that cheat although it does not pay) and searches coarsely over all of them, then finely around the best.

mod price;
mod search;
mod viability;

pub use price::{Candidate, OperatingCosts, PricedCandidate, settled_trust};
pub use search::{
    Frontier, FrontierPoint, OptimiseRequest, Optimum, SensitivityRow, frontier, optimise, priced,
    sensitivity_of_optimum,
};
pub use viability::{TrustLevel, Viability, viability};
