//! `economics/`: is cheating ever rational, what must be deposited and staked, and is the network cheaper than a cloud?
//!
//! Pure: no input or output, no clock, randomness from seeds that are passed in; it compiles for wasm32. Money is `f64`
//! here, in whichever unit the caller uses, except for [`stake::required_stake_microcredits`], which the ledger calls.
//!
//! | module | answers |
//! |---|---|
//! | [`parameters`] | what the network ships with, and what the published study used |
//! | [`detection`] | the chance to catch a cheater in one job and in many |
//! | [`stake`] | the smallest stake that makes every way to cheat a loss |
//! | [`deposits`] | what a user must deposit on the network |
//! | [`mod@reference`] | the published study, number for number (NumPy's random stream included) |
//! | [`model`] | our model: exact values, Monte-Carlo with intervals, heat maps for the dashboard |
//! | [`optimise`] | the cheapest parameters that deter every way to cheat |
//! | [`population`] | thousands of honest, lazy, flaky and colluding miners over time |
//! | [`cost`] | a clip here against a rented GPU |
//! | [`sensitivity`] | what emission and step cost change |
//! | [`figure`], [`report`] | figures and tables as data; `plot` draws them as SVG and PNG |

mod check;
mod consensus;
pub mod cost;
pub mod deposits;
pub mod detection;
mod error;
pub mod figure;
pub mod model;
pub mod optimise;
mod parallel;
pub mod parameters;
#[cfg(feature = "plot")]
pub mod plot;
pub mod population;
pub mod random;
pub mod reference;
pub mod report;
pub mod sensitivity;
pub mod stake;
pub mod statistics;

pub use check::MAX_STEPS;
pub use error::{EconomicsError, Result};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
