//! The engine in a proof: running a job so that it can be committed, running parts of it again, and how far two honest
//! machines are apart.
//!
//! | module | what it does |
//! |---|---|
//! | `run` | a miner's run of a job under a challenge, recorded as [`Evidence`](crate::proof::Evidence) |
//! | `auditor` | a validator's [`Reexecution`](crate::proof::Reexecution) on a loaded model |
//! | `preview` | small pictures of a run that is under way |
//! | `calibrate` | honest errors between two ways of running a model, and the bounds that follow |

mod auditor;
mod calibrate;
mod preview;
mod run;

pub use auditor::ModelAuditor;
pub use calibrate::{Calibration, CalibrationError, Measurement, SIGMA_EDGES, bounds};
pub use preview::Picture;
pub use run::{Recorder, RunError, RunOptions, run_job};
