//! Thousands of miners over time: who earns, who is caught, and what trust does.
//!
//! Every miner has trust from 0 to 1, a balance, and a stream of random numbers of its own, so that results do not depend on
//! the number of cores. In an epoch each miner gets a job with a chance in proportion to its trust (newcomers get some), must be able
//! to lock the stake that its trust requires, and is audited as the network's policy says.

mod miner;
mod parameters;
mod simulation;

pub use miner::MinerKind;
pub use parameters::{Behaviour, Mix, PopulationParameters};
pub use simulation::{EpochSample, KindSample, KindSummary, Population, simulate};
