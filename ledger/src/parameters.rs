//! The rules of a ledger, as integers. They stand in its first entry, so that a journal is replayed by the rules it was
//! written by, whatever a later version ships with.

use infernet_economics::parameters::NetworkParameters;
use infernet_economics::population::Behaviour;
use serde::{Deserialize, Serialize};

use crate::bytes::{Digest, tagged};
use crate::cbor::{DecodeError, Reader, Writer};
use crate::error::LedgerError;

/// Parts of a whole in which shares are given.
pub const PPM: u32 = 1_000_000;
/// Longest stake lock: a hundred years, so that no time overflows.
const MAX_LOCK_SECS: u64 = 100 * 366 * 24 * 3600;
const FIELDS: usize = 19;
const DIGEST_TAG: &str = "infernet/ledger-parameters/v1";

/// The rules. Shares in parts per million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerParameters {
    /// Share of steps checked for a miner nobody knows.
    pub unknown_rate_ppm: u32,
    /// Share of steps checked for a trusted miner.
    pub trusted_rate_ppm: u32,
    /// Trust from which on a miner counts as trusted; below, the rate falls in a straight line.
    pub trusted_from_ppm: u32,
    /// Least number of checked steps.
    pub min_checks: u32,
    /// One job in this many is checked at every step; 0 for never.
    pub full_audit_one_in: u32,
    /// Share of the other jobs that are checked at all.
    pub audited_job_share_ppm: u32,
    /// Share of the locked stake that is slashed.
    pub slash_ppm: u32,
    /// Share of trust that is lost when caught, gamma.
    pub trust_decay_ppm: u32,
    /// Share of the way to full trust that a paid job brings, eta.
    pub honest_drift_ppm: u32,
    /// Share of trust that is lost when a miner does not finish a job.
    pub dropped_loss_ppm: u32,
    /// Stake majority at which validators' weights are clipped, kappa.
    pub kappa_ppm: u32,
    /// Miners' share of what a job costs; the rest is the validator's.
    pub deposit_split_ppm: u32,
    /// How far below 0 the value of cheating must be, in parts per million of the fee.
    pub security_margin_ppm: u32,
    /// What a slash must at least bring in, in parts per million of the fee. May be more than a fee.
    pub restitution_ppm: u32,
    /// How long stake stays locked after a paid job, and how long unstaking takes, in seconds.
    pub lock_secs: u64,
    /// Quality below which a clip earns no bonus.
    pub quality_threshold_ppm: u32,
    /// Share of the reward that depends on quality.
    pub quality_weight_ppm: u32,
    /// Weight of the newest job in a miner's average quality.
    pub quality_moving_average_ppm: u32,
    /// Whether stakes must also deter a run that saves all of the work with one tampered step: an old run with one made-up step
    /// that leads into it (`spliced-run` in docs/attacks.md). Off: since the proof
    /// adds noise from the job's seed after every step, such a run is wrong at every step. For proofs without it.
    pub spliced_runs: bool,
}

impl Default for LedgerParameters {
    /// What the network ships with.
    fn default() -> Self {
        // The defaults of the economics crate are in range: a test makes them.
        Self::of_network(&NetworkParameters::default()).unwrap_or(Self::SHIPPED)
    }
}

impl LedgerParameters {
    /// The network's defaults written down a second time: they can't drift apart without a test noticing.
    const SHIPPED: Self = Self {
        unknown_rate_ppm: 300_000,
        trusted_rate_ppm: 40_000,
        trusted_from_ppm: 900_000,
        min_checks: 1,
        full_audit_one_in: 64,
        audited_job_share_ppm: PPM,
        slash_ppm: 500_000,
        trust_decay_ppm: 800_000,
        honest_drift_ppm: 100_000,
        dropped_loss_ppm: 100_000,
        kappa_ppm: 500_000,
        deposit_split_ppm: 750_000,
        security_margin_ppm: 50_000,
        restitution_ppm: PPM,
        lock_secs: 24 * 3600,
        quality_threshold_ppm: 700_000,
        quality_weight_ppm: 300_000,
        quality_moving_average_ppm: 100_000,
        spliced_runs: false,
    };

    /// The network's parameters as integers. Floats end here; what decides about stake is rounded to what deters less, so
    /// that the stake asked for is never too small.
    ///
    /// # Errors
    /// When a parameter is out of range.
    pub fn of_network(network: &NetworkParameters) -> Result<Self, LedgerError> {
        network.check()?;
        // Products such as 0.29 x 1e6 may be a hair beside their whole number.
        let down = |share: f64| (share * f64::from(PPM) + 1e-6).floor() as u32;
        let up = |share: f64| (share * f64::from(PPM) - 1e-6).ceil() as u32;
        let near = |share: f64| (share * f64::from(PPM)).round() as u32;
        // A million fees are in the economics crate's range, but not in 32 bits.
        let restitution = (network.restitution_fees * f64::from(PPM) - 1e-6).ceil() as u64;
        range("restitution_ppm", restitution, 0, u32::MAX.into())?;
        let restitution_ppm = restitution as u32;
        let parameters = Self {
            unknown_rate_ppm: down(network.audit.unknown_rate),
            trusted_rate_ppm: down(network.audit.trusted_rate),
            trusted_from_ppm: near(network.audit.trusted_from),
            min_checks: network.audit.min_checks,
            full_audit_one_in: network.audit.full_audit_one_in,
            audited_job_share_ppm: down(network.audit.audited_job_share),
            slash_ppm: down(network.slash),
            trust_decay_ppm: near(network.trust_decay),
            honest_drift_ppm: near(network.honest_drift),
            dropped_loss_ppm: near(Behaviour::default().drop_trust_loss),
            kappa_ppm: near(network.kappa),
            deposit_split_ppm: near(network.deposit_split),
            security_margin_ppm: up(network.security_margin),
            restitution_ppm,
            lock_secs: network.lock_secs,
            quality_threshold_ppm: near(network.quality_threshold),
            quality_weight_ppm: near(network.quality_weight),
            quality_moving_average_ppm: near(network.quality_moving_average),
            spliced_runs: false,
        };
        parameters.check()?;
        Ok(parameters)
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// Names the parameter and its range.
    pub fn check(&self) -> Result<(), LedgerError> {
        let shares = [
            ("unknown_rate_ppm", self.unknown_rate_ppm),
            ("trusted_rate_ppm", self.trusted_rate_ppm),
            ("audited_job_share_ppm", self.audited_job_share_ppm),
            ("slash_ppm", self.slash_ppm),
            ("trust_decay_ppm", self.trust_decay_ppm),
            ("honest_drift_ppm", self.honest_drift_ppm),
            ("dropped_loss_ppm", self.dropped_loss_ppm),
            ("kappa_ppm", self.kappa_ppm),
            // `ExactTerms` takes no larger margin.
            ("security_margin_ppm", self.security_margin_ppm),
            ("quality_threshold_ppm", self.quality_threshold_ppm),
            ("quality_weight_ppm", self.quality_weight_ppm),
            ("quality_moving_average_ppm", self.quality_moving_average_ppm),
        ];
        for (name, value) in shares {
            range(name, value.into(), 0, PPM.into())?;
        }
        range("trusted_rate_ppm", self.trusted_rate_ppm.into(), 0, self.unknown_rate_ppm.into())?;
        range("trusted_from_ppm", self.trusted_from_ppm.into(), 1, PPM.into())?;
        range("deposit_split_ppm", self.deposit_split_ppm.into(), 1, u64::from(PPM) - 1)?;
        range("min_checks", self.min_checks.into(), 0, infernet_economics::MAX_STEPS.into())?;
        range("lock_secs", self.lock_secs, 0, MAX_LOCK_SECS)
    }

    /// Steps that an ordinary audit checks of a job of `steps` steps, for a miner of this trust.
    ///
    /// The rule of `economics::detection::AuditPolicy` in integers, its slack of 1e-9 of a step included.
    pub fn checks(&self, trust_ppm: u32, steps: u32) -> u32 {
        let from = u128::from(self.trusted_from_ppm);
        let trust = u128::from(trust_ppm).min(from);
        let fall = u128::from(self.unknown_rate_ppm.saturating_sub(self.trusted_rate_ppm));
        let whole = from * u128::from(PPM);
        // Rate x steps, in parts of `whole`; the rate is not negative, for trust is at most `from`.
        let wanted = (u128::from(self.unknown_rate_ppm) * from - fall * trust) * u128::from(steps);
        let wanted = wanted.saturating_sub(whole / 1_000_000_000).div_ceil(whole.max(1));
        // At most `steps`, a u32.
        (wanted.max(self.min_checks.into()).min(steps.into())) as u32
    }

    /// What a job costs its requester when its miners get `fee`: the fee, and the validator's part on top, rounded up.
    pub fn gross_microcredits(&self, fee_microcredits: u64) -> u128 {
        (u128::from(fee_microcredits) * u128::from(PPM)).div_ceil(u128::from(self.deposit_split_ppm.max(1)))
    }

    /// The largest fee for miners that a deposit pays for, the validator's part included.
    pub fn largest_fee_microcredits(&self, deposit_microcredits: u64) -> u64 {
        let fee = u128::from(deposit_microcredits) * u128::from(self.deposit_split_ppm) / u128::from(PPM);
        // The split is below 1, so this is at most the deposit.
        fee as u64
    }

    /// Digest of the rules: what validators announce, so that others see whether theirs are the same.
    pub fn digest(&self) -> Digest {
        let mut out = Writer::default();
        self.write(&mut out);
        tagged(DIGEST_TAG, &out.finish())
    }

    /// `lock_secs` in milliseconds.
    pub(crate) fn lock_ms(&self) -> u64 {
        self.lock_secs.saturating_mul(1000)
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.array(FIELDS);
        for share in [
            self.unknown_rate_ppm,
            self.trusted_rate_ppm,
            self.trusted_from_ppm,
            self.min_checks,
            self.full_audit_one_in,
            self.audited_job_share_ppm,
            self.slash_ppm,
            self.trust_decay_ppm,
            self.honest_drift_ppm,
            self.dropped_loss_ppm,
            self.kappa_ppm,
            self.deposit_split_ppm,
            self.security_margin_ppm,
            self.restitution_ppm,
        ] {
            out.uint(share);
        }
        out.uint(self.lock_secs);
        for share in [self.quality_threshold_ppm, self.quality_weight_ppm, self.quality_moving_average_ppm] {
            out.uint(share);
        }
        out.bool(self.spliced_runs);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array("parameters", FIELDS)?;
        Ok(Self {
            unknown_rate_ppm: reader.u32("unknown_rate_ppm")?,
            trusted_rate_ppm: reader.u32("trusted_rate_ppm")?,
            trusted_from_ppm: reader.u32("trusted_from_ppm")?,
            min_checks: reader.u32("min_checks")?,
            full_audit_one_in: reader.u32("full_audit_one_in")?,
            audited_job_share_ppm: reader.u32("audited_job_share_ppm")?,
            slash_ppm: reader.u32("slash_ppm")?,
            trust_decay_ppm: reader.u32("trust_decay_ppm")?,
            honest_drift_ppm: reader.u32("honest_drift_ppm")?,
            dropped_loss_ppm: reader.u32("dropped_loss_ppm")?,
            kappa_ppm: reader.u32("kappa_ppm")?,
            deposit_split_ppm: reader.u32("deposit_split_ppm")?,
            security_margin_ppm: reader.u32("security_margin_ppm")?,
            restitution_ppm: reader.u32("restitution_ppm")?,
            lock_secs: reader.uint("lock_secs")?,
            quality_threshold_ppm: reader.u32("quality_threshold_ppm")?,
            quality_weight_ppm: reader.u32("quality_weight_ppm")?,
            quality_moving_average_ppm: reader.u32("quality_moving_average_ppm")?,
            spliced_runs: reader.bool("spliced_runs")?,
        })
    }
}

fn range(name: &'static str, found: u64, least: u64, most: u64) -> Result<(), LedgerError> {
    if (least..=most).contains(&found) { Ok(()) } else { Err(LedgerError::Parameter { name, found, least, most }) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_network() {
        assert_eq!(LedgerParameters::of_network(&NetworkParameters::default()), Ok(LedgerParameters::SHIPPED));
        assert!(LedgerParameters::of_network(&NetworkParameters::prototype()).is_ok());
        assert!(
            LedgerParameters::of_network(&NetworkParameters { slash: 1.5, ..NetworkParameters::default() }).is_err()
        );
    }

    #[test]
    fn checks_are_those_of_the_audit_policy() {
        for network in [NetworkParameters::default(), NetworkParameters::prototype()] {
            let parameters = LedgerParameters::of_network(&network).unwrap();
            for steps in (1..60).chain([100, 250, 999, 10_000]) {
                for trust_ppm in (0..=PPM).step_by(12_500) {
                    let expected = network.audit.checks(f64::from(trust_ppm) / f64::from(PPM), steps);
                    assert_eq!(parameters.checks(trust_ppm, steps), expected, "trust {trust_ppm}, {steps} steps");
                }
            }
        }
    }

    #[test]
    fn ranges_are_named() {
        let good = LedgerParameters::default();
        for (bad, name) in [
            (LedgerParameters { slash_ppm: PPM + 1, ..good }, "slash_ppm"),
            (LedgerParameters { trusted_rate_ppm: 300_001, ..good }, "trusted_rate_ppm"),
            (LedgerParameters { trusted_from_ppm: 0, ..good }, "trusted_from_ppm"),
            (LedgerParameters { deposit_split_ppm: 0, ..good }, "deposit_split_ppm"),
            (LedgerParameters { deposit_split_ppm: PPM, ..good }, "deposit_split_ppm"),
            (LedgerParameters { lock_secs: u64::MAX, ..good }, "lock_secs"),
        ] {
            assert!(bad.check().unwrap_err().to_string().contains(name), "{name}");
        }
    }

    #[test]
    fn a_deposit_pays_its_largest_fee_and_not_a_microcredit_more() {
        let parameters = LedgerParameters::default();
        for deposit in (0..5000).chain([u64::MAX - 1, u64::MAX]) {
            let fee = parameters.largest_fee_microcredits(deposit);
            assert!(parameters.gross_microcredits(fee) <= deposit.into(), "{deposit}");
            assert!(parameters.gross_microcredits(fee + 1) > deposit.into(), "{deposit}");
        }
    }
}
