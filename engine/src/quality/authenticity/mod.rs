//! Is it a video at all? Stills, blanks, pure noise and loops of two frames are refused.
//!
//! A miner could save the work and send back one picture sixteen times, an empty clip, noise, or two
//! pictures in turn, with a little jitter so that no two frames are equal. [`stats`] measures a clip so
//! that such jitter does not count, [`verdict`] compares with bounds that moving-shape clips keep at a
//! distance from. No model is involved: it is quick, and the same on every machine.

pub mod stats;
pub mod verdict;

pub use stats::{AuthenticityStats, measure};
pub use verdict::{Authenticity, Reason, Refusal, Statistic, judge};
