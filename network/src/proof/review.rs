//! Checking a validator: anyone who has the bundle does the audit again and compares.

use super::audit::audit;
use super::bundle::Bundle;
use super::check::{CheckResult, Failure, Proof};
use super::error::AuditError;
use super::reexecution::Reexecution;
use super::signed::Signed;
use super::tolerance::ToleranceTable;
use super::verdict::Verdict;

/// What a review finds about a signed verdict.
#[derive(Clone, Debug, PartialEq)]
pub enum Review {
    /// The evidence says the same.
    Confirmed,
    /// The evidence says something else: the validator's signature under the verdict is the proof against it.
    False {
        /// What the verdict claims failed; `None` for an acceptance.
        claimed: Option<Failure>,
        /// What really failed.
        found: Option<Failure>,
    },
    /// The verdict rests on the validator's word (a time, a silence). Ask for a second opinion.
    Attested(Failure),
    /// Measured errors differ, too close to the bound to say who is right. Ask for a second opinion.
    Inconclusive {
        /// The row that decides, as the reviewer measures it.
        row: CheckResult,
    },
}

/// Calibration keeps honest errors under a fifth of the bound and cheating ones above five times it; between, two honest
/// devices may disagree.
const GREY: f64 = 5.0;

/// Does the audit of a signed verdict again.
///
/// # Errors
/// The verdict is not about this bundle or not signed, or no audit is possible.
pub fn review(
    bundle: &Bundle,
    verdict: &Signed<Verdict>,
    tolerances: &ToleranceTable,
    model: &mut dyn Reexecution,
) -> Result<Review, AuditError> {
    if !verdict.verify() {
        return Err(AuditError::Verdict("its signature does not hold"));
    }
    let found = audit(bundle, tolerances, model)?.verdict;
    let claim = &verdict.body;
    let header = |verdict: &Verdict| {
        (verdict.bundle, verdict.job, verdict.session, verdict.commitment, verdict.miner, verdict.validator)
    };
    if header(claim) != header(&found) {
        return Err(AuditError::Verdict("it is about another bundle"));
    }
    let (claimed, found_failure) = (claim.failure(), found.failure());
    let sound = claim.check_rows().is_ok() && claim.tolerance == found.tolerance;
    if sound && claimed == found_failure {
        return Ok(match claimed {
            Some(failure) if failure.check.proof() == Proof::Attested => Review::Attested(failure),
            _ => Review::Confirmed,
        });
    }
    // The disagreement is at the earlier of the two failures. Where that is a measurement near its bound, it is no lie.
    let at = |failure: Option<Failure>| {
        let is_it = |row: &CheckResult| Some((row.check, row.leaf)) == failure.map(|f| (f.check, f.leaf));
        found.checks.iter().position(is_it)
    };
    let first = [at(claimed), at(found_failure)].into_iter().flatten().min();
    if let Some(row) = first.map(|index| found.checks[index])
        && let (Some(error), Some(bound)) = (row.error, row.bound)
        && sound
        && error <= bound * GREY
        && error * GREY >= bound
    {
        return Ok(Review::Inconclusive { row });
    }
    Ok(Review::False { claimed, found: found_failure })
}
