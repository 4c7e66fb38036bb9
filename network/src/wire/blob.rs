//! Files between two peers, each on a stream of its own.
//!
//! ```text
//! opener                      other side
//!   Push(header)       ->                        or   Fetch(subject) ->
//!                      <-  Start(offset)                             <- Push(header)
//!   chunks             ->                             Start(offset)  ->
//!                      <-  Done                                      <- chunks
//!                                                     Done           ->
//! ```
//! Either side says `Refused` instead and is done. A chunk carries the SHA-256 of everything up to its end, so that a
//! transfer that was taken up again on top of something else is given up at its first chunk.

use serde::{Deserialize, Serialize};

use super::body::{Body, unbounded};
use super::error::WireError;
use super::field::{Fields, fixed};
use super::frame::messages;
use super::job::JobId;
use super::response::{Ack, Refusal};
use crate::proof::{Bundle, Digest};

messages! {
    /// What is said around the chunks of a file.
    BlobMessage, "blob message" {
        /// This is what I would send.
        Push(BlobHeader) = 1, at most 1024;
        /// Send me this.
        Fetch(BlobFetch) = 2, at most 1024;
        /// Go on from here.
        Start(BlobStart) = 3, at most 64;
        /// No.
        Refused(Refusal) = 4, at most 1024;
        /// It is here, whole and right.
        Done(Ack) = 5, at most 64;
    }
}

/// Content of a chunk; the last one is shorter.
pub const CHUNK_BYTES: usize = 256 << 10;

/// What a file is for; each has its own bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlobKind {
    /// A signed reveal.
    Reveal,
    /// A clip.
    Clip,
    /// A file of a model.
    ModelFile,
    /// A run's evidence.
    Evidence,
}

impl BlobKind {
    /// Largest file of this kind in bytes.
    pub const fn limit_bytes(self) -> u64 {
        match self {
            // A bundle, or a part of one.
            Self::Reveal | Self::Clip | Self::Evidence => Bundle::MAX_BYTES,
            // The largest open video models are 14 billion parameters, 56 GB in f32.
            Self::ModelFile => 64 << 30,
        }
    }
}

/// Which file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobSubject {
    /// The signed reveal of a job.
    Reveal {
        /// Which job.
        #[serde(with = "fixed")]
        job_id: JobId,
    },
    /// The clip of a job.
    Clip {
        /// Which job.
        #[serde(with = "fixed")]
        job_id: JobId,
    },
    /// A file of a model.
    ModelFile {
        /// Which model.
        #[serde(with = "fixed")]
        model: Digest,
        /// Relative path with `/`, as in the model's manifest.
        path: String,
    },
    /// The bundle of an attempt, for validators that judge it too.
    Evidence {
        /// Which job.
        #[serde(with = "fixed")]
        job_id: JobId,
        /// Which attempt.
        attempt: u32,
    },
}

impl BlobSubject {
    /// Its kind.
    pub const fn kind(&self) -> BlobKind {
        match self {
            Self::Reveal { .. } => BlobKind::Reveal,
            Self::Clip { .. } => BlobKind::Clip,
            Self::ModelFile { .. } => BlobKind::ModelFile,
            Self::Evidence { .. } => BlobKind::Evidence,
        }
    }

    fn check(&self, fields: Fields) -> Result<(), WireError> {
        match self {
            Self::ModelFile { path, .. } => check_path(fields, path),
            Self::Reveal { .. } | Self::Clip { .. } | Self::Evidence { .. } => Ok(()),
        }
    }
}

/// A path that stays inside its folder on every system: parts of letters, digits, `.`, `_`, `-` and space, none of which
/// begins with a dot.
pub(super) fn check_path(fields: Fields, path: &str) -> Result<(), WireError> {
    const MAX_PATH_BYTES: usize = 256;
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', ' '])
            && !part.ends_with(['.', ' '])
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._- ".contains(&byte))
    };
    fields.that(
        path.len() <= MAX_PATH_BYTES && path.split('/').all(part),
        "path",
        || format!("{path:?}"),
        || {
            format!(
                "a relative path of at most {MAX_PATH_BYTES} of a-z, 0-9, `.`, `_`, `-`, no part beginning with a dot"
            )
        },
    )
}

/// A file before its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobHeader {
    /// Which file.
    pub subject: BlobSubject,
    /// SHA-256 of the content.
    #[serde(with = "fixed")]
    pub digest: Digest,
    /// Length, at most its kind's [`BlobKind::limit_bytes`].
    pub bytes: u64,
}

impl Body for BlobHeader {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        let fields = Fields(message);
        self.subject.check(fields)?;
        fields.within("bytes", self.bytes, 0, self.subject.kind().limit_bytes())
    }
}

/// A question for a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobFetch {
    /// Which file.
    pub subject: BlobSubject,
}

impl Body for BlobFetch {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        self.subject.check(Fields(message))
    }
}

/// Where the sender goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobStart {
    /// Bytes that the receiver has already.
    pub offset: u64,
}

unbounded!(BlobStart);

/// What precedes a chunk's content: its length (u32, little-endian) and the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHeader {
    /// Bytes of content that follow, 1 to [`CHUNK_BYTES`].
    pub bytes: u32,
    /// SHA-256 of the file up to the end of this chunk.
    pub running: Digest,
}

impl ChunkHeader {
    /// Encoded length.
    pub const LEN: usize = 36;

    /// The encoding.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let (length, running) = out.split_at_mut(4);
        length.copy_from_slice(&self.bytes.to_le_bytes());
        running.copy_from_slice(&self.running.0);
        out
    }

    /// Reads one.
    ///
    /// # Errors
    /// A length of zero or above [`CHUNK_BYTES`].
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, WireError> {
        let [a, b, c, d, running @ ..] = *bytes;
        let header = Self { bytes: u32::from_le_bytes([a, b, c, d]), running: Digest(running) };
        Fields("chunk").within("length", u64::from(header.bytes), 1, CHUNK_BYTES as u64)?;
        Ok(header)
    }
}
