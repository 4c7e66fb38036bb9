//! How many steps of a job are checked, by the miner's trust.

use serde::{Deserialize, Serialize};

use super::formula::caught;
use crate::check;
use crate::error::Result;

/// Slack before a product such as 0.07 x 100 is rounded up to the next whole step.
const CEIL_SLACK: f64 = 1e-9;

/// The rule of the network: `k = max(min_checks, ceil(alpha(trust) T))`, with some jobs checked at every step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AuditPolicy {
    /// Share of steps checked for a miner nobody knows (trust 0).
    pub unknown_rate: f64,
    /// Share of steps checked for a trusted miner.
    pub trusted_rate: f64,
    /// Trust from which on a miner counts as trusted; below, the rate falls linearly.
    pub trusted_from: f64,
    /// Least number of checked steps.
    pub min_checks: u32,
    /// One job in this many is checked at every step, whoever made it; 0 for never.
    pub full_audit_one_in: u32,
    /// Share of the other jobs that are checked at all.
    pub audited_job_share: f64,
}

impl AuditPolicy {
    /// Checks ranges.
    ///
    /// # Errors
    /// Names the field and its range.
    pub fn check(&self) -> Result<()> {
        check::share("unknown_rate", self.unknown_rate)?;
        check::within("trusted_rate", self.trusted_rate, 0.0, self.unknown_rate)?;
        check::positive_share("trusted_from", self.trusted_from)?;
        check::count("min_checks", self.min_checks.into(), 0, check::MAX_STEPS.into())?;
        check::share("audited_job_share", self.audited_job_share)?;
        Ok(())
    }

    /// Share of steps to check at a trust in 0..=1 (trust outside is taken as the nearest end).
    pub fn rate(&self, trust: f64) -> f64 {
        let towards_trusted = (trust / self.trusted_from).clamp(0.0, 1.0);
        self.unknown_rate + (self.trusted_rate - self.unknown_rate) * towards_trusted
    }

    /// Steps to check of a job of `steps` steps.
    pub fn checks(&self, trust: f64, steps: u32) -> u32 {
        let wanted = (self.rate(trust) * f64::from(steps) - CEIL_SLACK).ceil().max(0.0) as u32;
        wanted.max(self.min_checks).min(steps)
    }

    /// What a miner of this trust faces.
    pub fn level(&self, trust: f64, steps: u32) -> AuditLevel {
        let full_audit_share = if self.full_audit_one_in == 0 { 0.0 } else { 1.0 / f64::from(self.full_audit_one_in) };
        AuditLevel { checks: self.checks(trust, steps), audited_job_share: self.audited_job_share, full_audit_share }
    }
}

/// How one job is audited: the distribution of the number of checked steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AuditLevel {
    /// Steps checked in an ordinary audit.
    pub checks: u32,
    /// Share of ordinary jobs that are audited.
    pub audited_job_share: f64,
    /// Share of jobs that are checked at every step instead.
    pub full_audit_share: f64,
}

impl AuditLevel {
    /// Every job audited with this many checks, none in full.
    pub fn always(checks: u32) -> Self {
        Self { checks, audited_job_share: 1.0, full_audit_share: 0.0 }
    }

    /// Checks ranges for a job of `steps` steps.
    ///
    /// # Errors
    /// Names the field and its range.
    pub fn check(&self, steps: u32) -> Result<()> {
        check::steps(steps)?;
        check::count("checks", self.checks.into(), 0, steps.into())?;
        check::share("audited_job_share", self.audited_job_share)?;
        check::share("full_audit_share", self.full_audit_share)?;
        Ok(())
    }

    /// The chance to catch `tampered` steps of `steps` in one job. Numbers beyond `steps` count as `steps`.
    pub fn detection(&self, steps: u32, tampered: u32) -> f64 {
        let (tampered, checks) = (tampered.min(steps), self.checks.min(steps));
        if tampered == 0 {
            return 0.0;
        }
        let ordinary = self.audited_job_share * caught(steps, tampered, checks);
        self.full_audit_share + (1.0 - self.full_audit_share) * ordinary
    }

    /// Expected share of a job's model evaluations that validators repeat.
    pub fn reexecution_share(&self, steps: u32) -> f64 {
        let ordinary = self.audited_job_share * f64::from(self.checks.min(steps)) / f64::from(steps.max(1));
        self.full_audit_share + (1.0 - self.full_audit_share) * ordinary
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy() -> AuditPolicy {
        AuditPolicy {
            unknown_rate: 0.3,
            trusted_rate: 0.05,
            trusted_from: 0.9,
            min_checks: 1,
            full_audit_one_in: 50,
            audited_job_share: 1.0,
        }
    }

    #[test]
    fn checks_fall_with_trust() {
        let policy = policy();
        assert_eq!(policy.checks(0.0, 40), 12);
        assert_eq!(policy.checks(0.45, 40), 7);
        assert_eq!(policy.checks(0.9, 40), 2);
        assert_eq!(policy.checks(1.0, 40), 2);
        assert_eq!(policy.checks(1.0, 5), 1);
        // 0.07 x 100 is 7.000000000000001 in floating point; that is 7 checks, not 8.
        assert_eq!(AuditPolicy { unknown_rate: 0.07, ..policy }.checks(0.0, 100), 7);
        assert_eq!(AuditPolicy { min_checks: 9, ..policy }.checks(1.0, 5), 5);
    }

    #[test]
    fn full_audits_and_unaudited_jobs_mix() {
        let level = AuditLevel { checks: 2, audited_job_share: 0.5, full_audit_share: 0.1 };
        let expected = 0.1 + 0.9 * 0.5 * (1.0 - 36.0 * 35.0 / (40.0 * 39.0));
        assert!((level.detection(40, 4) - expected).abs() < 1e-12);
        assert!((level.reexecution_share(40) - (0.1 + 0.9 * 0.5 * 0.05)).abs() < 1e-12);
        assert!(level.detection(40, 0).abs() < 1e-12);
    }

    #[test]
    fn bad_policies_are_named() {
        for (bad, name) in [
            (AuditPolicy { unknown_rate: 1.1, ..policy() }, "unknown_rate"),
            (AuditPolicy { trusted_rate: 0.4, ..policy() }, "trusted_rate"),
            (AuditPolicy { trusted_from: 0.0, ..policy() }, "trusted_from"),
            (AuditPolicy { audited_job_share: f64::NAN, ..policy() }, "audited_job_share"),
        ] {
            assert!(bad.check().unwrap_err().to_string().starts_with(name));
        }
        assert!(policy().check().is_ok());
        assert!(AuditLevel::always(31).check(30).is_err());
    }

    proptest! {
        #[test]
        fn more_trust_never_means_more_checks(a in 0.0..1.0f64, b in 0.0..1.0f64, steps in 1u32..200) {
            prop_assert!(policy().checks(a.max(b), steps) <= policy().checks(a.min(b), steps));
        }
    }
}
