//! What a miner opens once the nonce is public.

use ed25519_dalek::SigningKey;

use super::bytes::{Digest, PublicKey, Signature};
use super::challenge::{AuditNonce, Auditor};
use super::codec::{Reader, Writer};
use super::commitment::Commitment;
use super::error::DecodeError;
use super::leaf::LeafPayload;
use super::signed::{Signable, Signed, WrongKey};
use super::tensor::{RgbFrame, Tensor};

const CONTENT_TAG: &str = "infernet/reveal-content/v1";
/// Leaves in a reveal, beyond any job's.
const MAX_LEAVES: u32 = 4096;
/// Depth of the deepest tree that has u32 positions.
const MAX_PATH: u8 = 32;
/// Index, kind, one digest, path length, contents kind.
const LEAST_LEAF_BYTES: usize = 4 + 1 + 32 + 1 + 1;

/// Tensors behind a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Not opened, only the payload digests.
    Digests,
    /// Of a step.
    Step {
        /// State before the step.
        state: Tensor,
        /// Model output with the prompt.
        conditional: Tensor,
        /// Model output with the negative prompt.
        unconditional: Option<Tensor>,
    },
    /// The final state.
    State(Tensor),
    /// A frame.
    Frame(RgbFrame),
}

/// A leaf with the proof that it was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedLeaf {
    /// Its index.
    pub index: u32,
    /// What it commits to.
    pub payload: LeafPayload,
    /// Siblings from the leaf up.
    pub path: Vec<Digest>,
    /// What is behind the digests.
    pub contents: Contents,
}

/// All leaves that a draw asks for, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reveal {
    /// The leaves.
    pub leaves: Vec<OpenedLeaf>,
}

impl Reveal {
    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        // Reveals have few leaves; more than MAX_LEAVES are refused when read.
        out.u32(u32::try_from(self.leaves.len()).unwrap_or(u32::MAX));
        for leaf in &self.leaves {
            leaf.write(&mut out);
        }
        out.finish()
    }

    /// Reads a reveal. Memory stays within a small multiple of the input.
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of a reveal.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(bytes, |reader| {
            let count = reader.count("opened leaves", MAX_LEAVES, LEAST_LEAF_BYTES)?;
            let leaves = (0..count).map(|_| OpenedLeaf::read(reader)).collect::<Result<_, _>>()?;
            Ok(Self { leaves })
        })
    }
}

impl OpenedLeaf {
    fn write(&self, out: &mut Writer) {
        out.u32(self.index);
        self.payload.write(out);
        out.u8(u8::try_from(self.path.len()).unwrap_or(u8::MAX));
        for sibling in &self.path {
            out.raw(&sibling.0);
        }
        match &self.contents {
            Contents::Digests => {
                out.u8(0);
            }
            Contents::Step { state, conditional, unconditional } => {
                out.u8(1);
                state.write(out);
                conditional.write(out);
                out.flag(unconditional.is_some());
                if let Some(tensor) = unconditional {
                    tensor.write(out);
                }
            }
            Contents::State(state) => {
                out.u8(2);
                state.write(out);
            }
            Contents::Frame(frame) => {
                out.u8(3);
                frame.write(out);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let index = reader.u32("leaf index")?;
        let payload = LeafPayload::read(reader)?;
        let depth = reader.u8("path length")?;
        if depth > MAX_PATH {
            let limit = u64::from(MAX_PATH);
            return Err(DecodeError::TooLong { field: "path", found: u64::from(depth), limit });
        }
        let path = (0..depth).map(|_| reader.digest("path")).collect::<Result<_, _>>()?;
        let contents = match reader.u8("leaf contents")? {
            0 => Contents::Digests,
            1 => Contents::Step {
                state: Tensor::read(reader)?,
                conditional: Tensor::read(reader)?,
                unconditional: if reader.flag("unconditional output")? { Some(Tensor::read(reader)?) } else { None },
            },
            2 => Contents::State(Tensor::read(reader)?),
            3 => Contents::Frame(RgbFrame::read(reader)?),
            other => return Err(DecodeError::invalid("leaf contents", other.to_string(), "0 to 3")),
        };
        Ok(Self { index, payload, path, contents })
    }
}

/// What the miner signs of a reveal. Without it a validator could send damaged bytes around and blame the miner.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RevealStatement {
    commitment: Digest,
    miner: PublicKey,
    announcement: Digest,
    nonce: [u8; 32],
    content: Digest,
}

impl Signable for RevealStatement {
    const DOMAIN: &'static str = "infernet/reveal/v1";

    fn signer(&self) -> &PublicKey {
        &self.miner
    }

    fn canonical_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.raw(&self.commitment.0).raw(&self.miner.0).raw(&self.announcement.0).raw(&self.nonce).raw(&self.content.0);
        out.finish()
    }
}

impl RevealStatement {
    fn new(commitment: &Signed<Commitment>, auditor: Auditor<'_>, nonce: &AuditNonce, bytes: &[u8]) -> Self {
        Self {
            commitment: commitment.digest(),
            miner: commitment.body.miner,
            announcement: auditor.announcement(),
            nonce: nonce.0,
            content: Digest::tagged(CONTENT_TAG, &[bytes]),
        }
    }
}

/// A reveal as it was sent. The bytes are kept as they came: whether they can be read is a check of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedReveal {
    /// [`Reveal::to_bytes`], if the miner is honest.
    pub bytes: Vec<u8>,
    /// Signature of the miner over commitment, announcement, nonce and bytes.
    pub signature: Signature,
}

impl SignedReveal {
    /// Signs the bytes of a reveal.
    ///
    /// # Errors
    /// The key is not the one that signed the commitment.
    pub fn sign(
        bytes: Vec<u8>,
        commitment: &Signed<Commitment>,
        auditor: Auditor<'_>,
        nonce: &AuditNonce,
        key: &SigningKey,
    ) -> Result<Self, WrongKey> {
        let statement = RevealStatement::new(commitment, auditor, nonce, &bytes);
        let signature = Signed::sign(statement, key)?.signature;
        Ok(Self { bytes, signature })
    }

    /// Whether the miner of a commitment signed these bytes as its answer to a validator's nonce.
    pub fn verify(&self, commitment: &Signed<Commitment>, auditor: Auditor<'_>, nonce: &AuditNonce) -> bool {
        let body = RevealStatement::new(commitment, auditor, nonce, &self.bytes);
        Signed { body, signature: self.signature }.verify()
    }
}
