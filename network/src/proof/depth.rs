//! How many steps to check, and what that catches.

use super::bytes::Digest;
use super::challenge::{AuditNonce, AuditTerms};
use super::job::JobSpec;

/// Per mille of a whole.
const WHOLE: u64 = 1000;

/// How deep audits go. Shares are per mille, so that every implementation gets the same integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditPolicy {
    /// Never fewer steps than this.
    pub least_steps: u32,
    /// Share of steps for miners without trust.
    pub unknown_share: u32,
    /// Share of steps for miners with full trust.
    pub trusted_share: u32,
    /// One job in this many is checked at `unknown_share` whoever ran it; 0 for none.
    pub full_one_in: u32,
    /// Frames to check.
    pub frames: u32,
    /// The last step is always checked for miners with less trust than this, per mille.
    pub last_step_below: u32,
}

impl Default for AuditPolicy {
    /// 30 % of the steps for unknown miners; 7 % for trusted ones, which stays under a tenth of the steps at 25, 40
    /// and 50 after rounding up; one job in 20 at full depth; two frames; the last step for the less trusted half.
    fn default() -> Self {
        Self { least_steps: 2, unknown_share: 300, trusted_share: 70, full_one_in: 20, frames: 2, last_step_below: 500 }
    }
}

impl AuditPolicy {
    /// Steps to check of `steps` for a trust of 0 to 1000: `max(least, ceil(share(trust) steps))`, the share falling
    /// in a straight line.
    pub fn steps(&self, trust_per_mille: u32, steps: u32) -> u32 {
        let trust = u64::from(trust_per_mille).min(WHOLE);
        let (unknown, trusted) = (u64::from(self.unknown_share), u64::from(self.trusted_share));
        let share = unknown * (WHOLE - trust) + trusted * trust;
        let asked = (share * u64::from(steps)).div_ceil(WHOLE * WHOLE);
        // Not above `steps`, which is a u32.
        asked.max(u64::from(self.least_steps)).max(1).min(u64::from(steps)) as u32
    }

    /// The terms of a challenge.
    pub fn terms(
        &self,
        job: &JobSpec,
        trust_per_mille: u32,
        nonce: &AuditNonce,
        validator: &super::PublicKey,
        tolerance: Digest,
    ) -> AuditTerms {
        let steps = self.steps(trust_per_mille, job.steps);
        let full_steps = if self.full_one_in == 0 { 0 } else { self.steps(0, job.steps).max(steps) };
        AuditTerms {
            nonce_commitment: nonce.commitment(&job.digest(), validator),
            steps,
            frames: self.frames.clamp(1, job.frames),
            full_one_in: self.full_one_in,
            full_steps,
            last_step: trust_per_mille < self.last_step_below,
            tolerance,
        }
    }
}

/// Chance that `checked` of `total` steps, drawn without replacement, include one of `tampered`:
/// `1 - C(total - tampered, checked) / C(total, checked)`.
pub fn detection_probability(total: u32, tampered: u32, checked: u32) -> f64 {
    let (tampered, checked) = (tampered.min(total), checked.min(total));
    let missed: f64 = (0..checked)
        .map(|drawn| f64::from((total - tampered).saturating_sub(drawn)) / f64::from(total - drawn))
        .product();
    1.0 - missed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusted_miners_are_re_executed_under_a_tenth() {
        let policy = AuditPolicy::default();
        for (steps, unknown, trusted) in [(25, 8, 2), (40, 12, 3), (50, 15, 4), (1, 1, 1), (4, 2, 2)] {
            assert_eq!((policy.steps(0, steps), policy.steps(1000, steps)), (unknown, trusted), "{steps} steps");
        }
        for steps in [25, 40, 50] {
            assert!(10 * policy.steps(1000, steps) < steps);
        }
        assert_eq!(policy.steps(500, 40), 8);
        assert_eq!(policy.steps(u32::MAX, 40), 3);
    }

    #[test]
    fn detection_is_hypergeometric() {
        // By exact fractions: math.comb in Python.
        let known = [
            (25, 1, 2, 0.08),
            (25, 13, 2, 0.78),
            (40, 20, 3, 0.884_615_384_615_384_6),
            (50, 5, 15, 0.846_782_080_084_577_8),
            (50, 50, 1, 1.0),
            (50, 0, 15, 0.0),
            (10, 8, 3, 1.0),
        ];
        for (total, tampered, checked, expected) in known {
            let found = detection_probability(total, tampered, checked);
            assert!((found - expected).abs() < 1e-12, "{total} {tampered} {checked}: {found}");
        }
    }
}
