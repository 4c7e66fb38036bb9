//! Leaves of a commitment. A leaf can be opened to the digests of its payload without the tensors behind them.

use sha2::{Digest as _, Sha256};

use super::bytes::Digest;
use super::codec::{Reader, Writer};
use super::error::DecodeError;
use super::job::LeafPosition;

const CLIP_TAG: &str = "infernet/clip/v1";

/// What a leaf commits to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeafPayload {
    /// A step: what went in, what came out, and at which noise level.
    Step {
        /// State before the step, in the job's latent dtype.
        state: Digest,
        /// Model output with the prompt, f32.
        conditional: Digest,
        /// Model output with the negative prompt, f32, where guidance is on.
        unconditional: Option<Digest>,
        /// Bits of the f64 timestep that the model was given.
        timestep_bits: u64,
        /// Bits of the f64 noise level (variance-exploding sigma).
        sigma_bits: u64,
    },
    /// The last state.
    Final {
        /// Its digest.
        state: Digest,
    },
    /// A decoded frame.
    Frame {
        /// Its digest.
        frame: Digest,
    },
    /// The encoded clip.
    Clip {
        /// Digest of its bytes.
        clip: Digest,
    },
    /// The text embeddings that the model was given.
    Text {
        /// Of the prompt.
        conditional: Digest,
        /// Of the negative prompt, where guidance is on.
        unconditional: Option<Digest>,
    },
}

impl LeafPayload {
    /// `SHA-256(0x00 || tag || session || index u32 || payload)`; the tag names the kind of leaf.
    pub fn leaf_hash(&self, session: &Digest, index: u32) -> Digest {
        let mut out = Writer::default();
        out.u8(0x00).raw(self.tag().as_bytes()).raw(&session.0).u32(index);
        self.write_fields(&mut out);
        Digest(Sha256::digest(out.finish()).into())
    }

    /// Whether this kind of payload belongs at a position.
    pub fn fits(&self, position: LeafPosition) -> bool {
        matches!(
            (self, position),
            (Self::Step { .. }, LeafPosition::Step(_))
                | (Self::Final { .. }, LeafPosition::Final)
                | (Self::Frame { .. }, LeafPosition::Frame(_))
                | (Self::Clip { .. }, LeafPosition::Clip)
                | (Self::Text { .. }, LeafPosition::Text)
        )
    }

    /// Digest of a clip's bytes.
    pub fn clip_digest(clip: &[u8]) -> Digest {
        Digest::tagged(CLIP_TAG, &[clip])
    }

    /// Digest of the state in a leaf that has one.
    pub fn state(&self) -> Option<&Digest> {
        match self {
            Self::Step { state, .. } | Self::Final { state } => Some(state),
            Self::Frame { .. } | Self::Clip { .. } | Self::Text { .. } => None,
        }
    }

    fn tag(&self) -> &'static str {
        match self {
            Self::Step { .. } => "infernet/leaf/step/v1",
            Self::Final { .. } => "infernet/leaf/final/v1",
            Self::Frame { .. } => "infernet/leaf/frame/v1",
            Self::Clip { .. } => "infernet/leaf/clip/v1",
            Self::Text { .. } => "infernet/leaf/text/v1",
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Step { .. } => 1,
            Self::Final { .. } => 2,
            Self::Frame { .. } => 3,
            Self::Clip { .. } => 4,
            Self::Text { .. } => 5,
        }
    }

    fn write_fields(&self, out: &mut Writer) {
        match self {
            Self::Step { state, conditional, unconditional, timestep_bits, sigma_bits } => {
                out.raw(&state.0).raw(&conditional.0).optional_digest(unconditional.as_ref());
                out.u64(*timestep_bits).u64(*sigma_bits);
            }
            Self::Final { state } => {
                out.raw(&state.0);
            }
            Self::Frame { frame } => {
                out.raw(&frame.0);
            }
            Self::Clip { clip } => {
                out.raw(&clip.0);
            }
            Self::Text { conditional, unconditional } => {
                out.raw(&conditional.0).optional_digest(unconditional.as_ref());
            }
        }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u8(self.code());
        self.write_fields(out);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8("leaf kind")? {
            1 => Self::Step {
                state: reader.digest("state digest")?,
                conditional: reader.digest("conditional output digest")?,
                unconditional: reader.optional_digest("unconditional output digest")?,
                timestep_bits: reader.u64("timestep")?,
                sigma_bits: reader.u64("sigma")?,
            },
            2 => Self::Final { state: reader.digest("final state digest")? },
            3 => Self::Frame { frame: reader.digest("frame digest")? },
            4 => Self::Clip { clip: reader.digest("clip digest")? },
            5 => Self::Text {
                conditional: reader.digest("text digest")?,
                unconditional: reader.optional_digest("negative text digest")?,
            },
            other => return Err(DecodeError::invalid("leaf kind", other.to_string(), "1 to 5")),
        })
    }
}
