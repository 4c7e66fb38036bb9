//! The chance that spot checks of steps catch a cheater: per job, over many jobs, and what it costs until then.

mod formula;
mod policy;
mod repeated;

pub use formula::{checks_of_rate, detection_by_tampering, detection_probability};
pub use policy::{AuditLevel, AuditPolicy};
pub(crate) use repeated::audit;
pub use repeated::{DetectionPoint, RepeatedJobs, SimulatedDetection, detection_points, simulate_detection};
