//! Required stake in whole micro-credits, for the ledger: no float takes part, and every rounding is to the safe side.

use serde::{Deserialize, Serialize};

use super::StakeRule;
use crate::check;
use crate::error::{EconomicsError, Result};
use crate::parameters::NetworkParameters;

/// Parts of a whole in which shares are given.
const PPM: u32 = 1_000_000;
const PPM_WIDE: i128 = PPM as i128;
/// Fixed-point one of a chance. 64 bits of money, 40 of chance and 20 of a share stay within 127.
const ONE: i128 = 1 << 40;

/// The terms of a job. Amounts in micro-credits, shares in parts per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExactTerms {
    /// Denoising steps, T.
    pub steps: u32,
    /// Steps checked in an ordinary audit, k.
    pub checks: u32,
    /// Share of ordinary jobs that are audited.
    pub audited_job_share_ppm: u32,
    /// Share of jobs that are checked at every step instead.
    pub full_audit_share_ppm: u32,
    /// What the miner gets for the job.
    pub fee_microcredits: u64,
    /// What all steps of the job cost the miner.
    pub cost_microcredits: u64,
    /// What its settlement costs the miner.
    pub settlement_microcredits: u64,
    /// Share of the locked stake that is slashed.
    pub slash_ppm: u32,
    /// How far below 0 the value of cheating must be, in parts per million of the fee.
    pub margin_ppm: u32,
    /// What the slash must at least bring in.
    pub restitution_microcredits: u64,
}

/// The smallest sufficient stake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExactRequirement {
    /// Stake to lock.
    pub stake_microcredits: u64,
    /// What is at least slashed of it: `floor(stake x slash)` is not below.
    pub slashed_microcredits: u64,
    /// The condition that decided.
    pub rule: StakeRule,
    /// The number of tampered steps that decided; 0 for restitution.
    pub tampered: u32,
}

impl ExactTerms {
    /// A job under the network's parameters, for a miner of this trust: what the ledger asks with.
    ///
    /// Shares become parts per million, rounded to what deters less, so that the stake is never too small for them. Floats end
    /// here: amounts of money are integers from the start.
    ///
    /// # Errors
    /// When a parameter is out of range, the restitution does not fit, or the security margin is more than a fee.
    pub fn of_network(
        network: &NetworkParameters,
        trust: f64,
        steps: u32,
        fee_microcredits: u64,
        cost_microcredits: u64,
        settlement_microcredits: u64,
    ) -> Result<Self> {
        network.check()?;
        check::share("trust", trust)?;
        check::steps(steps)?;
        check::share("security_margin", network.security_margin)?;
        // Products such as 0.29 x 1e6 may be a hair below their whole number.
        let down = |share: f64| (share * f64::from(PPM) + 1e-6).floor() as u32;
        let up = |share: f64| (share * f64::from(PPM) - 1e-6).ceil().max(0.0) as u64;
        let level = network.audit.level(trust, steps);
        let restitution = u128::from(fee_microcredits) * u128::from(up(network.restitution_fees));
        let terms = Self {
            steps,
            checks: level.checks,
            audited_job_share_ppm: down(level.audited_job_share),
            full_audit_share_ppm: down(level.full_audit_share),
            fee_microcredits,
            cost_microcredits,
            settlement_microcredits,
            slash_ppm: down(network.slash),
            margin_ppm: up(network.security_margin) as u32,
            restitution_microcredits: u64::try_from(restitution.div_ceil(u128::from(PPM)))
                .map_err(|_| EconomicsError::Overflow { what: "the restitution" })?,
        };
        terms.check()?;
        Ok(terms)
    }

    fn check(&self) -> Result<()> {
        check::steps(self.steps)?;
        check::count("checks", self.checks.into(), 0, self.steps.into())?;
        let shares = [
            ("audited_job_share_ppm", self.audited_job_share_ppm),
            ("full_audit_share_ppm", self.full_audit_share_ppm),
            ("slash_ppm", self.slash_ppm),
            ("margin_ppm", self.margin_ppm),
        ];
        for (name, value) in shares {
            check::count(name, value.into(), 0, PPM.into())?;
        }
        Ok(())
    }
}

/// The smallest stake in micro-credits that meets every condition of [`crate::stake`] for every number of tampered steps.
///
/// Chances are rounded down and amounts up, so the stake is never too small. What is slashed is above the exact bound by one
/// micro-credit at most, and by the rounding of the chance (a part of 1e-12 x steps / chance). The ledger calls this before it
/// assigns a job.
///
/// # Errors
/// When a term is out of range, when no stake suffices (nothing is audited, or nothing is slashed), or when it does not fit.
pub fn required_stake_microcredits(terms: &ExactTerms) -> Result<ExactRequirement> {
    terms.check()?;
    let fee = i128::from(terms.fee_microcredits);
    let cost = i128::from(terms.cost_microcredits);
    let steps = i128::from(terms.steps);
    let full = i128::from(terms.full_audit_share_ppm);
    let ordinary = i128::from(terms.audited_job_share_ppm) * (PPM_WIDE - full);
    // What a cheater keeps whatever it does, times ONE: the margin asked for less the settlement.
    let kept =
        div_ceil(fee * i128::from(terms.margin_ppm) * ONE, PPM_WIDE) - i128::from(terms.settlement_microcredits) * ONE;
    let mut needed = (i128::from(terms.restitution_microcredits), StakeRule::Restitution, 0);
    let mut missed = ONE;
    for tampered in 1..=terms.steps {
        let m = i128::from(tampered);
        missed = missed_after_one_more(missed, terms, tampered);
        // Chance to be caught, times ONE, rounded down.
        let caught = full * ONE / PPM_WIDE + (ONE - missed) * ordinary / (PPM_WIDE * PPM_WIDE);
        // What must be lost on average when caught, times ONE and the steps, by rule; strict rules ask for one micro-credit
        // more. The largest term has 64 + 40 + 14 bits.
        let at_stake = [
            (((ONE - caught) * fee + kept) * steps - cost * (steps - m) * ONE, StakeRule::Loss, true),
            (cost * m * ONE - caught * fee * steps, StakeRule::BelowHonest, true),
            (cost * m * (ONE - caught), StakeRule::SavedWork, false),
        ];
        for (loss, rule, strict) in at_stake {
            if loss < 0 || (loss == 0 && !strict) {
                continue;
            }
            if caught == 0 {
                let reason = "it is never found out";
                return Err(EconomicsError::NoStakeSuffices { tampered, steps: terms.steps, reason });
            }
            let amount = if strict { loss / (caught * steps) + 1 } else { div_ceil(loss, caught * steps) };
            if amount > needed.0 {
                needed = (amount, rule, tampered);
            }
        }
    }
    let (slashed, rule, tampered) = needed;
    if slashed > 0 && terms.slash_ppm == 0 {
        let reason = "nothing is slashed";
        return Err(EconomicsError::NoStakeSuffices { tampered, steps: terms.steps, reason });
    }
    let fits =
        |amount: i128| u64::try_from(amount).map_err(|_| EconomicsError::Overflow { what: "the required stake" });
    let slashed_microcredits = fits(slashed)?;
    let stake = if slashed == 0 { 0 } else { div_ceil(slashed * PPM_WIDE, i128::from(terms.slash_ppm)) };
    Ok(ExactRequirement { stake_microcredits: fits(stake)?, slashed_microcredits, rule, tampered })
}

/// The chance that `checks` steps miss `tampered` ones, from that for one fewer: C(T-m, k) / C(T-m+1, k) =
/// (T-m+1-k) / (T-m+1). Rounded up.
fn missed_after_one_more(missed: i128, terms: &ExactTerms, tampered: u32) -> i128 {
    let before = i128::from(terms.steps - tampered) + 1;
    let left = (before - i128::from(terms.checks)).max(0);
    div_ceil(missed * left, before)
}

/// Division of a number that is not negative, rounded up.
fn div_ceil(value: i128, by: i128) -> i128 {
    (value + by - 1) / by
}
