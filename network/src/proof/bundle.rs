//! One file with all that a verdict rests on, for anyone to check offline.

use super::bytes::Digest;
use super::challenge::{AuditNonce, Auditor, Challenge, Pledge};
use super::codec::{Reader, Writer};
use super::commitment::Commitment;
use super::error::DecodeError;
use super::job::JobSpec;
use super::prompt::PromptOpening;
use super::reveal::SignedReveal;
use super::signed::Signed;

const MAGIC: &[u8; 8] = b"infbndl1";
const DIGEST_TAG: &str = "infernet/bundle/v1";

/// When things came, by the validator's clock, in milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The commitment.
    pub committed_unix_ms: u64,
    /// The nonce was published.
    pub nonce_published_unix_ms: u64,
    /// The reveal; of no meaning where there is none.
    pub revealed_unix_ms: u64,
}

/// A whole exchange.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    /// Job.
    pub job: JobSpec,
    /// Prompt, negative prompt and salt.
    pub opening: PromptOpening,
    /// The challenge the job ran under.
    pub challenge: Signed<Challenge>,
    /// The second validator's terms, where this is a second opinion.
    pub pledge: Option<Signed<Pledge>>,
    /// The miner's commitment.
    pub commitment: Signed<Commitment>,
    /// The nonce that drew.
    pub nonce: AuditNonce,
    /// The validator's clock.
    pub timing: Timing,
    /// What was opened; `None` where the miner stayed silent.
    pub reveal: Option<SignedReveal>,
    /// The delivered clip.
    pub clip: Vec<u8>,
}

impl Bundle {
    /// Largest bundle read, whatever it says: 1 GiB.
    pub const MAX_BYTES: u64 = 1 << 30;

    /// Who audits: the second validator where there is a pledge.
    pub fn auditor(&self) -> Auditor<'_> {
        match &self.pledge {
            None => Auditor::First(&self.challenge.body),
            Some(pledge) => Auditor::Second(&pledge.body),
        }
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.raw(MAGIC);
        self.job.write(&mut out);
        self.opening.write(&mut out);
        self.challenge.write(&mut out);
        out.flag(self.pledge.is_some());
        if let Some(pledge) = &self.pledge {
            pledge.write(&mut out);
        }
        self.commitment.write(&mut out);
        out.raw(&self.nonce.0);
        out.u64(self.timing.committed_unix_ms);
        out.u64(self.timing.nonce_published_unix_ms).u64(self.timing.revealed_unix_ms);
        out.flag(self.reveal.is_some());
        if let Some(reveal) = &self.reveal {
            out.bytes(&reveal.bytes).raw(&reveal.signature.0);
        }
        out.bytes(&self.clip);
        out.finish()
    }

    /// Reads a bundle. Memory stays within the input's length; signatures and hashes are not looked at.
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() as u64 > Self::MAX_BYTES {
            return Err(DecodeError::TooLong { field: "bundle", found: bytes.len() as u64, limit: Self::MAX_BYTES });
        }
        Reader::whole(bytes, |reader| {
            reader.magic("bundle", MAGIC)?;
            Ok(Self {
                job: JobSpec::read(reader)?,
                opening: PromptOpening::read(reader)?,
                challenge: Signed::read(reader, Challenge::read)?,
                pledge: if reader.flag("pledge")? { Some(Signed::read(reader, Pledge::read)?) } else { None },
                commitment: Signed::read(reader, Commitment::read)?,
                nonce: AuditNonce(reader.array("nonce")?),
                timing: Timing {
                    committed_unix_ms: reader.u64("time of the commitment")?,
                    nonce_published_unix_ms: reader.u64("time of the nonce")?,
                    revealed_unix_ms: reader.u64("time of the reveal")?,
                },
                reveal: if reader.flag("reveal")? {
                    let bytes = reader.bytes("reveal", Self::MAX_BYTES)?.to_vec();
                    Some(SignedReveal { bytes, signature: reader.signature("reveal signature")? })
                } else {
                    None
                },
                clip: reader.bytes("clip", Self::MAX_BYTES)?.to_vec(),
            })
        })
    }

    /// What a verdict names: `SHA-256("infernet/bundle/v1" || encoding)`.
    pub fn digest(&self) -> Digest {
        Digest::tagged(DIGEST_TAG, &[&self.to_bytes()])
    }
}
