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
    /// Share of steps for trusted miners.
    pub trusted_share: u32,
    /// Trust from which on a miner is trusted, per mille, above 0; below, the share falls in a straight line.
    pub trusted_from: u32,
    /// One job in this many is checked at every step, whoever ran it; 0 for none.
    pub full_one_in: u32,
    /// Frames to check.
    pub frames: u32,
    /// The last step is always checked for miners with less trust than this, per mille.
    pub last_step_below: u32,
}

impl Default for AuditPolicy {
    /// What the network ships with, as `infernet-economics` found it to deter at the least cost (a test of the program compares
    /// the two): 30 % of the steps for unknown miners, 4 % for those with a trust of 0.9, one job in 64 at every step, which
    /// stays under a tenth of the evaluations from 12 steps on. Two frames; the last step for the less trusted half.
    fn default() -> Self {
        Self {
            least_steps: 1,
            unknown_share: 300,
            trusted_share: 40,
            trusted_from: 900,
            full_one_in: 64,
            frames: 2,
            last_step_below: 500,
        }
    }
}

impl AuditPolicy {
    /// Steps to check of `steps` for a trust of 0 to 1000: `max(least, ceil(share(trust) steps))`.
    pub fn steps(&self, trust_per_mille: u32, steps: u32) -> u32 {
        let trusted_from = u64::from(self.trusted_from.max(1));
        let trust = u64::from(trust_per_mille).min(trusted_from);
        let (unknown, trusted) = (u64::from(self.unknown_share), u64::from(self.trusted_share));
        let share = unknown * (trusted_from - trust) + trusted * trust;
        let asked = (share * u64::from(steps)).div_ceil(trusted_from * WHOLE);
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
        let full_steps = if self.full_one_in == 0 { 0 } else { job.steps };
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
        for (steps, unknown, trusted) in [(25, 8, 1), (40, 12, 2), (50, 15, 2), (1, 1, 1), (4, 2, 1)] {
            assert_eq!((policy.steps(0, steps), policy.steps(1000, steps)), (unknown, trusted), "{steps} steps");
        }
        for steps in 12..200 {
            let ordinary = f64::from(policy.steps(1000, steps)) / f64::from(steps);
            let full = 1.0 / f64::from(policy.full_one_in);
            assert!(full + (1.0 - full) * ordinary < 0.1, "{steps} steps");
        }
        assert_eq!(policy.steps(450, 40), 7);
        assert_eq!(policy.steps(u32::MAX, 40), 2);
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
