//! The validator: takes jobs, finds miners, audits, keeps the ledger.
//!
//! | module | what it does |
//! |---|---|
//! | [`lifecycle`], `several` | what happens to a job, of one miner or of several, as a pure function of events and times |
//! | [`choose`] | which miner gets it, pure |
//! | [`record`], [`store`] | what is kept of a job, on disk |
//! | `desk` | one thread with the ledger and all jobs: messages in, answers and actions out |
//! | `answers` | what peers ask, answered at the desk |
//! | `assign` | who could make an attempt, and the challenge of the one who is asked |
//! | `money` | actions that move money, through the network's settlement |
//! | `onchain` | what is different where a contract settles: deposits, standing, signatures of other members |
//! | `audit` | the evidence of a run, put together for the worker |

mod answers;
mod assign;
mod audit;
pub mod choose;
mod desk;
pub mod lifecycle;
#[cfg(test)]
mod lifecycle_tests;
mod money;
mod onchain;
pub mod record;
mod several;
#[cfg(test)]
mod several_tests;
pub mod store;

pub(crate) use audit::{Judge, encode_reveal};
pub use desk::{Desk, Validator, ValidatorConfig, ValidatorError};
pub(crate) use onchain::DEPOSIT_CODE;
