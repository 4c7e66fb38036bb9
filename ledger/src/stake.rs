//! The stake that a job needs.

use infernet_economics::stake::{ExactRequirement, ExactTerms, required_stake_microcredits};

use crate::error::LedgerError;
use crate::parameters::{LedgerParameters, PPM};

impl LedgerParameters {
    /// The smallest stake that makes every way to cheat in this job a loss for a miner of this trust, by
    /// [`required_stake_microcredits`].
    ///
    /// That function counts the work that tampering saves step by step. With [`spliced_runs`](Self::spliced_runs) it is asked a
    /// second time for a job that costs nothing, and the larger stake is taken: one made-up step that leads into an old run gives
    /// itself away in one step only, and the rest was paid for before.
    ///
    /// # Errors
    /// Steps are out of range, or no stake suffices.
    pub fn required_stake(
        &self,
        trust_ppm: u32,
        steps: u32,
        fee_microcredits: u64,
        cost_microcredits: u64,
    ) -> Result<ExactRequirement, LedgerError> {
        let restitution = (u128::from(fee_microcredits) * u128::from(self.restitution_ppm)).div_ceil(PPM.into());
        let restitution = u64::try_from(restitution).map_err(|_| LedgerError::TooMuch { what: "the restitution" })?;
        let terms = ExactTerms {
            steps,
            checks: self.checks(trust_ppm, steps),
            audited_job_share_ppm: self.audited_job_share_ppm,
            full_audit_share_ppm: PPM.checked_div(self.full_audit_one_in).unwrap_or(0),
            fee_microcredits,
            cost_microcredits,
            settlement_microcredits: 0,
            slash_ppm: self.slash_ppm,
            margin_ppm: self.security_margin_ppm,
            restitution_microcredits: restitution,
        };
        let by_step = required_stake_microcredits(&terms)?;
        if !self.spliced_runs {
            return Ok(by_step);
        }
        let spliced = required_stake_microcredits(&ExactTerms { cost_microcredits: 0, ..terms })?;
        Ok(if spliced.stake_microcredits > by_step.stake_microcredits { spliced } else { by_step })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use infernet_economics::parameters::NetworkParameters;

    use super::*;

    fn stake(trust_ppm: u32, steps: u32, fee: u64, cost: u64) -> u64 {
        let spliced = LedgerParameters { spliced_runs: true, ..LedgerParameters::default() };
        spliced.required_stake(trust_ppm, steps, fee, cost).unwrap().stake_microcredits
    }

    /// Journals are replayed by this function. When one of these numbers changes, old assignments may be refused: then the
    /// old rule has to be kept for the ledgers that were begun with it.
    #[test]
    fn the_rule_that_journals_were_written_by_stays() {
        let known = [
            (0, 30, 8750, 7000, 41_596),
            (500_000, 30, 8750, 7000, 84_762),
            (900_000, 30, 8750, 7000, 208_654),
            (1_000_000, 8, 1000, 900, 13_144),
            (0, 1000, 1_000_000_000, 0, 4_753_768_846),
            (0, 20, 0, 0, 2),
        ];
        for (trust, steps, fee, cost, expected) in known {
            assert_eq!(stake(trust, steps, fee, cost), expected, "trust {trust}, {steps} steps, fee {fee}");
        }
    }

    #[test]
    fn without_spliced_runs_it_is_what_the_economics_crate_asks() {
        for network in [NetworkParameters::default(), NetworkParameters::prototype()] {
            let parameters = LedgerParameters::of_network(&network).unwrap();
            let with = LedgerParameters { spliced_runs: true, ..parameters };
            for trust_ppm in [0, 250_000, 500_000, 899_999, PPM] {
                for steps in [1, 8, 20, 30, 50] {
                    for (fee, cost) in [(8750, 7000), (1, 1), (1000, 5000), (5, 0)] {
                        let trust = f64::from(trust_ppm) / f64::from(PPM);
                        let terms = ExactTerms::of_network(&network, trust, steps, fee, cost, 0).unwrap();
                        let expected = required_stake_microcredits(&terms).unwrap();
                        assert_eq!(parameters.required_stake(trust_ppm, steps, fee, cost), Ok(expected));
                        let more = with.required_stake(trust_ppm, steps, fee, cost).unwrap();
                        assert!(more.stake_microcredits >= expected.stake_microcredits);
                    }
                }
            }
        }
    }

    #[test]
    fn a_spliced_run_is_a_loss() {
        let parameters = LedgerParameters { spliced_runs: true, ..LedgerParameters::default() };
        for (trust_ppm, steps) in [(0, 20), (0, 30), (450_000, 30), (PPM, 30), (PPM, 50)] {
            let fee = 8750.0;
            let required = parameters.required_stake(trust_ppm, steps, 8750, 7000).unwrap();
            let full = 1.0 / 64.0;
            let caught = full + (1.0 - full) * f64::from(parameters.checks(trust_ppm, steps)) / f64::from(steps);
            let value = (1.0 - caught) * fee - caught * required.slashed_microcredits as f64;
            assert!(value < -0.05 * fee + 1e-6, "{value}");
        }
    }

    #[test]
    fn what_cannot_be_deterred_is_an_error() {
        let never_slashed = LedgerParameters { slash_ppm: 0, ..LedgerParameters::default() };
        assert!(matches!(never_slashed.required_stake(0, 30, 10, 5), Err(LedgerError::Economics(_))));
        let huge = LedgerParameters { restitution_ppm: u32::MAX, ..LedgerParameters::default() };
        assert!(matches!(huge.required_stake(0, 30, u64::MAX, 5), Err(LedgerError::TooMuch { .. })));
        assert!(LedgerParameters::default().required_stake(0, 0, 10, 5).is_err());
    }
}
