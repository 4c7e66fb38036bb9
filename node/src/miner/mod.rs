//! The miner: says what it can do, takes jobs that fit its owner's policy, runs them in the worker, commits, opens what is drawn.
//!
//! | module | what it does |
//! |---|---|
//! | [`policy`] | whether a job is taken: the owner's rules, pure |
//! | `bench` | the miner itself: offers, heartbeats, one job at a time |
//! | `job` | one job from acceptance to delivery, resumed after a crash |
//! | `speed` | how long evaluations take here, measured on real jobs |

mod bench;
mod job;
pub mod policy;
mod speed;

pub use bench::{Caps, Miner, MinerConfig, MinerSnapshot};
pub use job::MinedJob;
pub use policy::Policy;
