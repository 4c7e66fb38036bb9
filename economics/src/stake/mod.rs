//! Required stake: the smallest that makes every way to cheat a loss.
//!
//! With the chance `p` to be caught, fee `R`, cost per step `c`, settlement `g` and slashed amount `a`, a job with `m` of `T`
//! steps tampered with is worth `EV(m) = (1-p) R - c (T-m) - g - p a`. The slashed amount must be large enough that for every
//! `m >= 1`
//!
//! - **loss**: `EV(m) < -margin R`;
//! - **below honest**: `EV(m) < EV(0)`, which is more when the fee does not cover the cost;
//! - **saved work**: `a >= saved(m) (1-p) / p`, the protocol's own condition, which leaves the fee at risk out;
//! - **restitution**: what is slashed repays the requester.
//!
//! A job is never worth more to a cheater than to an honest miner, whatever it did before: strategies that build trust
//! first and burn it later, or come back under a new name, are sums of such jobs.

mod exact;
mod real;

pub use exact::{ExactRequirement, ExactTerms, required_stake_microcredits};
pub use real::{JobTerms, StakeRequirement, StakeRule, required_stake};
