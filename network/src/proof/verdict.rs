//! The outcome of an audit, to be signed, kept and checked by others.

use serde::{Deserialize, Serialize};

use super::bytes::{Digest, PublicKey};
use super::check::{Check, CheckReport, CheckResult, Failure, Proof};
use super::codec::{Reader, Writer};
use super::error::DecodeError;
use super::signed::{Signable, Signed};

/// Rows of the largest audit: each check once, and per step and frame.
const MAX_ROWS: u32 = 8192;
const ROW_BYTES: usize = 24;

/// A verdict. Accepted when every check was made and held; rejected when the last one failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Digest of the bundle with the evidence.
    pub bundle: Digest,
    /// Digest of the job.
    pub job: Digest,
    /// Digest of the challenge.
    pub session: Digest,
    /// Digest of the signed commitment.
    pub commitment: Digest,
    /// Who is judged.
    pub miner: PublicKey,
    /// Who judges, and signs this.
    pub validator: PublicKey,
    /// Digest of the tolerance table that was applied.
    pub tolerance: Digest,
    /// The checks, in order.
    pub checks: Vec<CheckResult>,
}

/// Rows that no audit makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerdictError {
    /// There is a failure before the last row.
    #[error("check {0} comes after one that failed, where an audit ends")]
    AfterFailure(usize),
    /// Nothing failed, and a check is missing.
    #[error("nothing failed, but `{}` was not checked", .0.name())]
    Missing(Check),
    /// Checks are not in order.
    #[error("check {0} is out of order")]
    Order(usize),
}

impl Verdict {
    /// The failed check; `None` for an accepted run.
    pub fn failure(&self) -> Option<Failure> {
        self.checks.last().and_then(CheckResult::failure)
    }

    /// Whether the run was accepted: every kind of check was made, in order, and all held.
    pub fn accepted(&self) -> bool {
        self.failure().is_none() && self.check_rows().is_ok()
    }

    /// As programs print it.
    pub fn report(&self) -> CheckReport {
        CheckReport::new(&self.checks, self.accepted())
    }

    /// What a rejection rests on; `None` for an accepted run.
    pub fn proof(&self) -> Option<Proof> {
        self.failure().map(|failure| failure.check.proof())
    }

    /// Whether these rows can come from an audit.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check_rows(&self) -> Result<(), VerdictError> {
        for (index, pair) in self.checks.windows(2).enumerate() {
            if !pair[0].passed {
                return Err(VerdictError::AfterFailure(index + 1));
            }
            // Whole and worst frame alternate from step to step.
            let next_step = pair[0].check == Check::ModelOutputWorstFrame && pair[1].check == Check::ModelOutput;
            if pair[1].check < pair[0].check && !next_step {
                return Err(VerdictError::Order(index + 1));
            }
        }
        if self.failure().is_some() {
            return Ok(());
        }
        let made = |check: &Check| self.checks.iter().any(|row| row.check == *check);
        Check::ALL.iter().find(|check| !made(check)).map_or(Ok(()), |check| Err(VerdictError::Missing(*check)))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let verdict = Self {
            bundle: reader.digest("bundle")?,
            job: reader.digest("job")?,
            session: reader.digest("session")?,
            commitment: reader.digest("commitment")?,
            miner: reader.key("miner")?,
            validator: reader.key("validator")?,
            tolerance: reader.digest("tolerance")?,
            checks: {
                let count = reader.count("checks", MAX_ROWS, ROW_BYTES)?;
                (0..count).map(|_| CheckResult::read(reader)).collect::<Result<_, _>>()?
            },
        };
        verdict
            .check_rows()
            .map_err(|error| DecodeError::invalid("checks", error.to_string(), "what an audit makes"))?;
        Ok(verdict)
    }
}

impl Verdict {
    /// Reads a verdict that nobody has signed yet: what a worker hands to its node.
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of one.
    pub fn from_canonical_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(bytes, Self::read)
    }
}

impl Signable for Verdict {
    const DOMAIN: &'static str = "infernet/verdict/v1";

    fn signer(&self) -> &PublicKey {
        &self.validator
    }

    fn canonical_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        for digest in [&self.bundle, &self.job, &self.session, &self.commitment] {
            out.raw(&digest.0);
        }
        out.raw(&self.miner.0).raw(&self.validator.0).raw(&self.tolerance.0);
        out.u32(u32::try_from(self.checks.len()).unwrap_or(u32::MAX));
        for row in &self.checks {
            row.write(&mut out);
        }
        out.finish()
    }
}

impl Signed<Verdict> {
    /// Reads a signed verdict.
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(bytes, |reader| Self::read(reader, Verdict::read))
    }
}
