//! What peers say to each other: versioned, bounded messages with one encoding each.
//!
//! | message | types | carried by |
//! |---|---|---|
//! | question and answer | [`Request`], [`Response`] | request-response, one stream per question |
//! | news | [`Announcement`] | gossip |
//! | files | [`BlobMessage`], [`BlobHeader`], [`ChunkHeader`] | a stream of its own |
//! | the way in | [`Invitation`] | a link, `infernet://join/...` |
//!
//! A message on the wire is a header of [`HEADER_BYTES`] (version, kind, length of the body) and a CBOR body. The header
//! alone decides whether the body is read: every kind has a size of its own, and a longer one is refused before a byte of
//! it is held. A body is the encoding that this module would write, or it is refused; so are fields above their bounds.
//! Opaque fields carry the encodings of [`proof`](crate::proof) and of the ledger untouched.

mod announcement;
mod blob;
mod body;
mod canonical;
mod chain;
mod error;
mod field;
mod frame;
mod invitation;
mod job;
mod offer;
mod request;
mod response;

pub use announcement::{Announcement, JobNotice, ValidatorHello};
pub use blob::{BlobFetch, BlobHeader, BlobKind, BlobMessage, BlobStart, BlobSubject, CHUNK_BYTES, ChunkHeader};
pub use body::Body;
pub use chain::{ChainAcceptance, CoSign, CoSigned, EvmAddress, EvmSignature, MemberQuery, NetworkChain};
pub use error::WireError;
pub use field::Opaque;
pub use frame::{HEADER_BYTES, Header, Message, Rule, VERSION};
pub use invitation::{Invitation, InvitationError, SwarmKey};
pub use job::{
    AccountQuery, CancelJob, Commit, JobFailed, JobId, JobProgress, JobStage, JobStatus, LedgerRequest, ManifestQuery,
    OfferJob, PostJob, Preview, PreviewQuery, ReceiptsQuery, Settled,
};
pub use offer::{Hello, MinerOffer, OfferedModel, Roles};
pub use request::{Expectation, Request};
pub use response::{
    Accepted, Account, Ack, JobPreview, JobState, LedgerAnswer, ManifestFile, ModelManifest, Nonce, Posted,
    ReceiptList, Refusal, Response,
};
