//! Proof of inference: a miner commits to every state of a run before it knows which will be audited, opens those that
//! are drawn, and a validator runs the model on them again. `docs/PROTOCOL.md` has every field, width and reason.
//!
//! | step | types |
//! |---|---|
//! | job | [`JobSpec`], [`PromptOpening`], [`PromptCommitment`] |
//! | challenge | [`Challenge`], [`Pledge`], [`AuditTerms`], [`AuditNonce`], [`JobSeed`] |
//! | commitment | [`Evidence`], [`LeafPayload`], [`MerkleTree`], [`Commitment`] |
//! | reveal | [`Draw`], [`RevealPlan`], [`Reveal`], [`SignedReveal`] |
//! | verdict | [`check_structure`], [`audit`] through [`Reexecution`], [`ToleranceTable`], [`Verdict`], [`review`] |
//! | file | [`Bundle`] |
//! | how much | [`AuditPolicy`], [`detection_probability`], [`BiasLedger`] |
//! | groups | [`group`] |

mod audit;
mod bias;
mod bundle;
mod bytes;
mod challenge;
mod check;
mod codec;
mod commitment;
mod depth;
mod error;
mod evidence;
pub mod group;
mod indices;
mod job;
mod leaf;
mod measure;
mod merkle;
mod prompt;
mod reexecution;
mod reveal;
mod reveal_plan;
mod review;
mod seed;
mod signed;
mod structure;
mod tensor;
mod tolerance;
mod verdict;

pub use audit::{Audit, audit};
pub use bias::{BiasLedger, BiasReport, BiasSample, BiasStatistic};
pub use bundle::{Bundle, Timing};
pub use bytes::{Digest, PublicKey, Signature};
pub use challenge::{AuditNonce, AuditTerms, Auditor, Challenge, Pledge};
pub use check::{Check, CheckReport, CheckResult, CheckRow, Failure, Proof};
pub use commitment::{Commitment, GroupRoot};
pub use depth::{AuditPolicy, detection_probability};
pub use error::{AuditError, DecodeError, EvidenceError, JobError};
pub use evidence::{Committed, Evidence, StepTensors};
pub use indices::Draw;
pub use job::{FrameRate, JobSpec, LeafPosition};
pub use leaf::LeafPayload;
pub use measure::{relative_l2, rms_levels, worst_block_rms_levels, worst_frame_relative_l2};
pub use merkle::{MerkleTree, verify_path};
pub use prompt::{CommitmentScheme, PromptCommitment, PromptOpening};
pub use reexecution::{Reexecution, ReexecutionError, StepInput, StepOutputs, TextEmbeddings};
pub use reveal::{Contents, OpenedLeaf, Reveal, SignedReveal};
pub use reveal_plan::{ContentKind, RevealPlan};
pub use review::{Review, review};
pub use seed::JobSeed;
pub use signed::{Signable, Signed, WrongKey};
pub use structure::{Opened, Structure, check_structure};
pub use tensor::{RgbFrame, Tensor};
pub use tolerance::{PairTolerance, SigmaBin, ToleranceError, ToleranceTable};
pub use verdict::{Verdict, VerdictError};

pub use ed25519_dalek::SigningKey;
