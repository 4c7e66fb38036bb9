//! Many jobs: how long a cheater lasts, and what it costs others until then.

use serde::{Deserialize, Serialize};

use super::AuditLevel;
use crate::check;
use crate::error::Result;
use crate::random::Pcg64;
use crate::statistics::{Accumulator, Estimate};

/// Most job simulations of one call.
const MOST_SIMULATED_JOBS: u128 = 2_000_000_000;

/// A cheater who tampers in every job until caught, with detection chance `per_job` each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RepeatedJobs {
    /// Detection chance of one job.
    pub per_job: f64,
}

impl RepeatedJobs {
    /// # Errors
    /// When the chance is not above 0 and at most 1: a cheater that is never caught has no expected end.
    pub fn new(per_job: f64) -> Result<Self> {
        check::positive_share("per_job", per_job)?;
        Ok(Self { per_job })
    }

    /// The chance to be caught within this many jobs.
    pub fn caught_within(&self, jobs: u32) -> f64 {
        // ln_1p and exp_m1 keep small chances exact.
        -(f64::from(jobs) * (-self.per_job).ln_1p()).exp_m1()
    }

    /// Expected number of jobs up to and with the one that is caught.
    pub fn expected_jobs(&self) -> f64 {
        1.0 / self.per_job
    }

    /// Jobs after which the cheater is caught with this confidence.
    pub fn jobs_for_confidence(&self, confidence: f64) -> f64 {
        if self.per_job >= 1.0 {
            return 1.0;
        }
        ((-confidence).ln_1p() / (-self.per_job).ln_1p()).ceil().max(1.0)
    }

    /// Expected number of bad clips that pass before the cheater is caught.
    pub fn expected_undetected(&self) -> f64 {
        (1.0 - self.per_job) / self.per_job
    }

    /// What requesters lose in expectation until then, after the slashed amount went to them first.
    pub fn requesters_loss(&self, fee: f64, slashed: f64) -> f64 {
        (self.expected_undetected() * fee - slashed).max(0.0)
    }
}

/// Detection for one number of tampered steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectionPoint {
    /// Tampered steps.
    pub tampered: u32,
    /// Detection chance of one job.
    pub per_job: f64,
    /// Expected jobs until caught; none when never.
    pub expected_jobs: Option<f64>,
    /// Jobs until caught with 95 % confidence.
    pub jobs_for_95: Option<f64>,
    /// Bad clips that pass before.
    pub expected_undetected: Option<f64>,
}

/// Detection for every number of tampered steps from 1 to `steps`.
///
/// # Errors
/// When the audit level does not fit the steps.
pub fn detection_points(level: &AuditLevel, steps: u32) -> Result<Vec<DetectionPoint>> {
    level.check(steps)?;
    let point = |tampered| {
        let per_job = level.detection(steps, tampered);
        let repeated = RepeatedJobs::new(per_job).ok();
        DetectionPoint {
            tampered,
            per_job,
            expected_jobs: repeated.map(|jobs| jobs.expected_jobs()),
            jobs_for_95: repeated.map(|jobs| jobs.jobs_for_confidence(0.95)),
            expected_undetected: repeated.map(|jobs| jobs.expected_undetected()),
        }
    };
    Ok((1..=steps).map(point).collect())
}

/// Monte-Carlo beside the formula.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SimulatedDetection {
    /// Formula, one job.
    pub per_job_formula: f64,
    /// Simulated share of jobs that were caught, with its interval.
    pub per_job: Estimate,
    /// Formula, jobs until caught.
    pub expected_jobs_formula: f64,
    /// Simulated jobs until caught, with its interval.
    pub expected_jobs: Estimate,
}

/// Lets `cheaters` cheat until each is caught, drawing the checked steps of every job afresh.
///
/// # Errors
/// When the audit level does not fit, nothing is ever detected, or the work would be without bound.
pub fn simulate_detection(
    level: &AuditLevel,
    steps: u32,
    tampered: u32,
    cheaters: u32,
    seed: u64,
) -> Result<SimulatedDetection> {
    level.check(steps)?;
    check::count("tampered", tampered.into(), 1, steps.into())?;
    check::count("cheaters", cheaters.into(), 2, 10_000_000)?;
    let formula = RepeatedJobs::new(level.detection(steps, tampered))?;
    check::work("this simulation", &[cheaters as usize, formula.expected_jobs() as usize], MOST_SIMULATED_JOBS)?;
    let mut random = Pcg64::from_numbers(&[seed, 0x6465_7465, tampered.into(), level.checks.into()]);
    let (mut lives, mut jobs) = (Accumulator::default(), 0u64);
    for _ in 0..cheaters {
        let mut life = 1u64;
        while !audit(&mut random, level, steps, tampered) {
            life += 1;
        }
        jobs += life;
        lives.add(life as f64);
    }
    Ok(SimulatedDetection {
        per_job_formula: formula.per_job,
        per_job: Estimate::of_share(cheaters.into(), jobs),
        expected_jobs_formula: formula.expected_jobs(),
        expected_jobs: lives.estimate(),
    })
}

/// One job's audit: whether tampering is found.
pub(crate) fn audit(random: &mut Pcg64, level: &AuditLevel, steps: u32, tampered: u32) -> bool {
    if tampered == 0 {
        return false;
    }
    if random.happens(level.full_audit_share) {
        return true;
    }
    random.happens(level.audited_job_share) && random.audit_hits(steps, tampered, level.checks)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn small_chances_keep_their_digits() {
        let rare = RepeatedJobs::new(1e-12).unwrap();
        assert!((rare.caught_within(1000) / 1e-9 - 1.0).abs() < 1e-8);
        let sure = RepeatedJobs::new(1.0).unwrap();
        assert!((sure.caught_within(1) - 1.0).abs() < 1e-12 && (sure.jobs_for_confidence(0.95) - 1.0).abs() < 1e-12);
        assert!(RepeatedJobs::new(0.0).is_err() && RepeatedJobs::new(f64::NAN).is_err());
    }

    #[test]
    fn geometric_distribution() {
        let coin = RepeatedJobs::new(0.5).unwrap();
        assert!((coin.caught_within(3) - 0.875).abs() < 1e-12);
        assert!((coin.expected_jobs() - 2.0).abs() < 1e-12 && (coin.expected_undetected() - 1.0).abs() < 1e-12);
        assert!((coin.jobs_for_confidence(0.95) - 5.0).abs() < 1e-12);
        assert!(
            (coin.requesters_loss(10.0, 4.0) - 6.0).abs() < 1e-12 && coin.requesters_loss(10.0, 40.0).abs() < 1e-12
        );
    }

    /// 19 of 20 intervals should hold the formula; 60 cases that miss more than 9 times would be a one in 1000 event.
    #[test]
    fn monte_carlo_agrees_with_the_formula() {
        let mut missed = 0;
        let mut cases = 0;
        for checks in [1, 2, 3, 9] {
            for tampered in [1, 4, 15] {
                for (share, full) in [(1.0, 0.0), (0.5, 0.0), (1.0, 0.02), (0.7, 0.1), (0.2, 0.0)] {
                    let level = AuditLevel { checks, audited_job_share: share, full_audit_share: full };
                    let found = simulate_detection(&level, 30, tampered, 2000, cases).unwrap();
                    cases += 1;
                    missed += u32::from(!found.per_job.contains(found.per_job_formula));
                    missed += u32::from(!found.expected_jobs.contains(found.expected_jobs_formula));
                }
            }
        }
        assert!(cases == 60 && missed <= 14, "{missed} of {}", 2 * cases);
    }

    #[test]
    fn work_without_end_is_refused() {
        let never = AuditLevel::always(0);
        assert!(simulate_detection(&never, 30, 1, 10, 0).is_err());
        let hardly = AuditLevel { checks: 1, audited_job_share: 1e-9, full_audit_share: 0.0 };
        assert!(simulate_detection(&hardly, 30, 1, 1000, 0).is_err());
        assert!(detection_points(&never, 30).unwrap()[0].expected_jobs.is_none());
    }
}
