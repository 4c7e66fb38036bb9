//! What a validator says before a run: the challenge that decides the seed, and terms that it can't change afterwards.

use std::fmt;

use super::bytes::{Digest, PublicKey};
use super::codec::{Reader, Writer};
use super::error::{AuditError, DecodeError};
use super::job::JobSpec;
use super::signed::{Signable, Signed};

const NONCE_TAG: &str = "infernet/audit-nonce/v1";
const SESSION_TAG: &str = "infernet/session/v1";
const PLEDGE_TAG: &str = "infernet/pledge-digest/v1";

/// The secret that will draw what is audited.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuditNonce(pub [u8; 32]);

impl AuditNonce {
    /// `SHA-256("infernet/audit-nonce/v1" || job digest || validator || nonce)`. Job and validator are in it so that nobody
    /// can pass off another's commitment, or one from another job, as its own.
    pub fn commitment(&self, job: &Digest, validator: &PublicKey) -> Digest {
        Digest::tagged(NONCE_TAG, &[&job.0, &validator.0, &self.0])
    }
}

/// Until it is published, a nonce is a secret.
impl fmt::Debug for AuditNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditNonce(..)")
    }
}

/// How a validator will audit, fixed before the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditTerms {
    /// [`AuditNonce::commitment`].
    pub nonce_commitment: Digest,
    /// Steps to check.
    pub steps: u32,
    /// Frames to check.
    pub frames: u32,
    /// One job in this many, drawn by the nonce, is checked with `full_steps`; 0 for none.
    pub full_one_in: u32,
    /// Steps to check then.
    pub full_steps: u32,
    /// Whether the last step is checked besides those that are drawn: it alone decides what the clip shows.
    pub last_step: bool,
    /// Digest of the tolerance table that will be applied.
    pub tolerance: Digest,
}

impl AuditTerms {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.raw(&self.nonce_commitment.0).u32(self.steps).u32(self.frames);
        out.u32(self.full_one_in).u32(self.full_steps).flag(self.last_step).raw(&self.tolerance.0);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            nonce_commitment: reader.digest("nonce commitment")?,
            steps: reader.u32("steps to check")?,
            frames: reader.u32("frames to check")?,
            full_one_in: reader.u32("one job in")?,
            full_steps: reader.u32("steps of a full check")?,
            last_step: reader.flag("last step")?,
            tolerance: reader.digest("tolerance table")?,
        })
    }

    /// Whether these terms can be met for a job.
    pub(crate) fn check(&self, job: &JobSpec, what: &'static str) -> Result<(), AuditError> {
        let fail = |reason| Err(AuditError::Validator { what, reason });
        if !(1..=job.steps).contains(&self.steps) {
            return fail("it checks no step, or more than there are");
        }
        if !(1..=job.frames).contains(&self.frames) {
            return fail("it checks no frame, or more than there are");
        }
        let full = if self.full_one_in == 0 {
            self.full_steps == 0
        } else {
            (self.steps..=job.steps).contains(&self.full_steps)
        };
        if !full {
            return fail("its full check is smaller than the usual one, or larger than the job");
        }
        Ok(())
    }
}

/// The challenge a miner runs a job under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Digest of the job.
    pub job: Digest,
    /// Who is to run it.
    pub miner: PublicKey,
    /// Who audits it, and signs this.
    pub validator: PublicKey,
    /// 32 random bytes that decide the seed.
    pub c: [u8; 32],
    /// How it will be audited.
    pub terms: AuditTerms,
    /// When the commitment must be in, milliseconds since 1970 UTC.
    pub commit_by_unix_ms: u64,
    /// Milliseconds from the publication of the nonce to the end of the reveal.
    pub reveal_window_ms: u64,
}

impl Challenge {
    /// What every leaf is bound to: `SHA-256("infernet/session/v1" || encoding)`.
    pub fn session(&self) -> Digest {
        Digest::tagged(SESSION_TAG, &[&self.canonical_bytes()])
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            job: reader.digest("challenged job")?,
            miner: reader.key("challenged miner")?,
            validator: reader.key("validator")?,
            c: reader.array("challenge")?,
            terms: AuditTerms::read(reader)?,
            commit_by_unix_ms: reader.u64("commit by")?,
            reveal_window_ms: reader.u64("reveal window")?,
        })
    }
}

impl Signable for Challenge {
    const DOMAIN: &'static str = "infernet/challenge/v1";

    fn signer(&self) -> &PublicKey {
        &self.validator
    }

    fn canonical_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.raw(&self.job.0).raw(&self.miner.0).raw(&self.validator.0).raw(&self.c);
        self.terms.write(&mut out);
        out.u64(self.commit_by_unix_ms).u64(self.reveal_window_ms);
        out.finish()
    }
}

/// A second opinion announced: another validator's terms, to be published before the commitment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pledge {
    /// Digest of the job.
    pub job: Digest,
    /// Who will ask, and signs this.
    pub validator: PublicKey,
    /// How.
    pub terms: AuditTerms,
    /// Milliseconds from the publication of the nonce to the end of the reveal.
    pub reveal_window_ms: u64,
}

impl Pledge {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            job: reader.digest("pledged job")?,
            validator: reader.key("second validator")?,
            terms: AuditTerms::read(reader)?,
            reveal_window_ms: reader.u64("reveal window")?,
        })
    }
}

/// Who asks a miner to open something: the validator of the challenge, or a second one.
#[derive(Clone, Copy, Debug)]
pub enum Auditor<'a> {
    /// The challenge's validator.
    First(&'a Challenge),
    /// A validator that pledged a second opinion.
    Second(&'a Pledge),
}

impl<'a> Auditor<'a> {
    /// Its key.
    pub fn validator(self) -> &'a PublicKey {
        match self {
            Self::First(challenge) => &challenge.validator,
            Self::Second(pledge) => &pledge.validator,
        }
    }

    /// Its terms.
    pub fn terms(self) -> &'a AuditTerms {
        match self {
            Self::First(challenge) => &challenge.terms,
            Self::Second(pledge) => &pledge.terms,
        }
    }

    /// Milliseconds it gives for the reveal.
    pub fn reveal_window_ms(self) -> u64 {
        match self {
            Self::First(challenge) => challenge.reveal_window_ms,
            Self::Second(pledge) => pledge.reveal_window_ms,
        }
    }

    /// Digest of its whole announcement, which the miner's signature under a reveal covers: an answer to one announcement
    /// can't be shown as a bad answer to another. The session, or `SHA-256("infernet/pledge-digest/v1" || encoding)`.
    pub fn announcement(self) -> Digest {
        match self {
            Self::First(challenge) => challenge.session(),
            Self::Second(pledge) => Digest::tagged(PLEDGE_TAG, &[&pledge.canonical_bytes()]),
        }
    }
}

impl Signable for Pledge {
    const DOMAIN: &'static str = "infernet/pledge/v1";

    fn signer(&self) -> &PublicKey {
        &self.validator
    }

    fn canonical_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.raw(&self.job.0).raw(&self.validator.0);
        self.terms.write(&mut out);
        out.u64(self.reveal_window_ms);
        out.finish()
    }
}

impl Signed<Challenge> {
    /// Reads a signed challenge.
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(bytes, |reader| Self::read(reader, Challenge::read))
    }
}

impl Signed<Pledge> {
    /// Reads a signed pledge.
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(bytes, |reader| Self::read(reader, Pledge::read))
    }
}
