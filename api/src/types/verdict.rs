//! Audits: what was checked, and how the clip scores.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::money::Receipt;
use crate::{Digest, JobId, NodeId};

/// The outcome of an audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VerdictSummary {
    /// Whether every check held.
    pub accepted: bool,
    /// Name of the check that failed, such as `model_output`.
    pub failed_check: Option<String>,
    /// The leaf at which it failed.
    pub failed_leaf: Option<u32>,
    /// What a rejection rests on.
    pub proof: Option<ProofKind>,
    /// Who was judged.
    pub miner: NodeId,
    /// Who judged.
    pub validator: NodeId,
    /// Checks made, in order.
    pub checks: Vec<CheckRow>,
    /// Steps that the validator ran again.
    pub audited_steps: Vec<u32>,
    /// Share of the job's model evaluations that was run again, 0 to 1,000,000.
    pub reexecuted_ppm: u32,
    /// When it was signed, milliseconds since 1970 UTC.
    pub decided_unix_ms: u64,
}

/// What a rejection rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProofKind {
    /// Bytes that the miner signed: anyone confirms it, to the bit.
    Signed,
    /// Bytes that the miner signed and a run of the model: anyone with the model confirms it, within tolerance.
    Measured,
    /// The validator's word; nobody is slashed for it.
    Attested,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckRow {
    /// Its name.
    pub name: String,
    /// Whether it held.
    pub ok: bool,
    /// The leaf it is about.
    pub leaf: Option<u32>,
    /// Measured error: relative L2, or root mean square in 8-bit levels for pictures.
    pub error: Option<f64>,
    /// Its bound, in the same unit.
    pub bound: Option<f64>,
}

/// Scores of a clip, each 0 to 1,000,000; nothing where a part is not defined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quality {
    /// All together (MD-VQS).
    pub score_ppm: Option<u32>,
    /// Does it show the prompt?
    pub prompt_fidelity_ppm: Option<u32>,
    /// Do neighbouring frames look alike?
    pub visual_quality_ppm: Option<u32>,
    /// Does it move as one scene?
    pub temporal_consistency_ppm: Option<u32>,
}

/// Everything about a job's proof that a window shows. The evidence itself is at `/v1/jobs/{id}/proof/bundle`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobProof {
    /// The job.
    pub job: JobId,
    /// Digest of the job.
    pub job_digest: Digest,
    /// Digest of the challenge.
    pub challenge_digest: Digest,
    /// Merkle root that the miner signed.
    pub root: Digest,
    /// Leaves under it: steps, final state, frames, clip, text.
    pub leaf_count: u32,
    /// Leaves that were opened, with their paths.
    pub opened: Vec<OpenedLeaf>,
    /// The outcome.
    pub verdict: VerdictSummary,
    /// The ledger's receipt of settlement, slash or refund.
    pub receipt: Option<Receipt>,
    /// The evidence, when it is on this node.
    pub bundle: Option<BundleInfo>,
}

/// An opened leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenedLeaf {
    /// Its index.
    pub index: u32,
    /// What it is about.
    pub kind: LeafKind,
    /// Hash of the leaf.
    pub hash: Digest,
    /// Siblings from the leaf up to the root.
    pub path: Vec<Digest>,
}

/// What a leaf is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeafKind {
    /// State and model outputs of a step.
    Step,
    /// The last state.
    Final,
    /// A decoded frame.
    Frame,
    /// The encoded clip.
    Clip,
    /// The text embeddings.
    Text,
}

/// Evidence that anyone can verify with `infernet verify --bundle`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleInfo {
    /// Where it is, relative to the node's URL.
    pub url: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest, which the verdict names.
    pub digest: Digest,
}
