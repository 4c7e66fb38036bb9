//! Prompts that a public job names without telling them.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sha3::Keccak256;

use super::bytes::Digest;
use super::codec::{Reader, Writer};
use super::error::{AuditError, DecodeError};

const PROMPT: &str = "infernet/prompt/v1";
const NEGATIVE: &str = "infernet/negative-prompt/v1";

/// Hash of a prompt commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitmentScheme {
    /// SHA-256.
    Sha256,
    /// Keccak-256 of the same bytes, which an EVM contract can check.
    Keccak256,
}

impl CommitmentScheme {
    fn hash(self, tag: &str, salt: &[u8; 32], text: &str) -> Digest {
        let parts = [tag.as_bytes(), salt, text.as_bytes()];
        Digest(match self {
            Self::Sha256 => parts.into_iter().fold(Sha256::new(), Sha256::chain_update).finalize().into(),
            Self::Keccak256 => parts.into_iter().fold(Keccak256::new(), Keccak256::chain_update).finalize().into(),
        })
    }

    fn code(self) -> u8 {
        match self {
            Self::Sha256 => 1,
            Self::Keccak256 => 2,
        }
    }
}

/// A salted hash of a prompt: without the salt no dictionary opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptCommitment {
    /// Which hash.
    pub scheme: CommitmentScheme,
    /// Its value.
    pub digest: Digest,
}

impl PromptCommitment {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.u8(self.scheme.code()).raw(&self.digest.0);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let scheme = match reader.u8("prompt commitment scheme")? {
            1 => CommitmentScheme::Sha256,
            2 => CommitmentScheme::Keccak256,
            other => return Err(DecodeError::invalid("prompt commitment scheme", other.to_string(), "1 or 2")),
        };
        Ok(Self { scheme, digest: reader.digest("prompt commitment")? })
    }
}

/// What opens both prompt commitments of a job. Known to requester, miner and validators.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptOpening {
    /// 32 random bytes.
    pub salt: [u8; 32],
    /// What to show.
    pub prompt: String,
    /// What not to show.
    pub negative_prompt: String,
}

impl PromptOpening {
    /// Longest prompt, in bytes of UTF-8.
    pub const MAX_PROMPT_BYTES: u64 = 8192;

    /// The canonical encoding, as in a bundle.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.write(&mut out);
        out.finish()
    }

    /// Reads an opening.
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(bytes, Self::read)
    }

    /// The commitments to prompt and negative prompt.
    pub fn commitments(&self, scheme: CommitmentScheme) -> (PromptCommitment, PromptCommitment) {
        let of = |tag, text| PromptCommitment { scheme, digest: scheme.hash(tag, &self.salt, text) };
        (of(PROMPT, &self.prompt), of(NEGATIVE, &self.negative_prompt))
    }

    /// Whether this opens a job's commitments.
    ///
    /// # Errors
    /// Which one it does not open.
    pub fn check(&self, prompt: &PromptCommitment, negative: &PromptCommitment) -> Result<(), AuditError> {
        for (which, tag, text, commitment) in
            [("prompt", PROMPT, &self.prompt, prompt), ("negative prompt", NEGATIVE, &self.negative_prompt, negative)]
        {
            if commitment.scheme.hash(tag, &self.salt, text) != commitment.digest {
                return Err(AuditError::Opening { which });
            }
        }
        Ok(())
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.raw(&self.salt).bytes(self.prompt.as_bytes()).bytes(self.negative_prompt.as_bytes());
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let salt = reader.array("salt")?;
        let mut text = |field| {
            let bytes = reader.bytes(field, Self::MAX_PROMPT_BYTES)?;
            let text = std::str::from_utf8(bytes);
            text.map(str::to_owned).map_err(|error| DecodeError::invalid(field, error.to_string(), "UTF-8"))
        };
        Ok(Self { salt, prompt: text("prompt")?, negative_prompt: text("negative prompt")? })
    }
}

/// Prompts are the requester's secret: they are never printed.
impl fmt::Debug for PromptOpening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptOpening").finish_non_exhaustive()
    }
}
