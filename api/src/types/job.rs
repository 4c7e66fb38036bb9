//! Jobs: clips that were ordered here, computed here or audited here.

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::verdict::{Quality, VerdictSummary};
use crate::{ApiError, Digest, ErrorCode, JobId, ModelId, NodeId, Problem, RequestId};

/// Longest prompt in characters; the networks of today read 77 tokens.
pub const MAX_PROMPT_CHARS: usize = 2000;
/// Largest width and height in pixels.
pub const MAX_SIDE: u32 = 4096;
/// Most frames.
pub const MAX_FRAMES: u32 = 1024;
/// Most denoising steps.
pub const MAX_STEPS: u32 = 1000;
/// Largest guidance scale.
pub const MAX_GUIDANCE: f32 = 100.0;
/// Largest frame rate.
pub const MAX_FRAMES_PER_SECOND: f64 = 1000.0;
/// Longest that a job may be given: a day.
pub const MAX_DEADLINE_SECS: u32 = 24 * 3600;
/// Most miners that one job may be given to.
pub const MAX_MINERS: u8 = 16;
/// Most jobs in one answer.
pub const MAX_PAGE: u32 = 500;
/// Jobs in one answer where nothing else is asked for.
pub const DEFAULT_PAGE: u32 = 50;

/// A job as this node knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// This node's part in it.
    pub part: JobPart,
    /// When it was posted, milliseconds since 1970 UTC.
    pub created_unix_ms: u64,
    /// When anything about it last changed, milliseconds since 1970 UTC.
    pub updated_unix_ms: u64,
    /// What the clip should show; only of jobs ordered here.
    pub prompt: Option<String>,
    /// What it should not show; only of jobs ordered here.
    pub negative_prompt: Option<String>,
    /// The model, where it is in this node's catalogue.
    pub model: Option<ModelId>,
    /// Digest of the model.
    pub model_digest: Digest,
    /// What is computed.
    pub size: JobSize,
    /// How far it is.
    pub stage: JobStage,
    /// Which attempt this is, from 1: a miner that fails is followed by another.
    pub attempt: u32,
    /// How far the computation is.
    pub progress: JobProgress,
    /// When the present stage must be over, milliseconds since 1970 UTC.
    pub stage_deadline_unix_ms: Option<u64>,
    /// When the whole job must be over, milliseconds since 1970 UTC.
    pub deadline_unix_ms: u64,
    /// Deposited by the requester.
    pub deposit_microcredits: u64,
    /// Paid to miners (offered, until it is settled).
    pub fee_microcredits: u64,
    /// Paid back to the requester.
    pub refunded_microcredits: u64,
    /// Who computes the present attempt, and how it went.
    pub miners: Vec<JobMiner>,
    /// The audit's outcome, of the miner whose clip was taken, or of the last one that was rejected.
    pub verdict: Option<VerdictSummary>,
    /// Scores of the clip.
    pub quality: Option<Quality>,
    /// The clip, when it is on this node.
    pub clip: Option<ClipInfo>,
    /// Step of the newest preview, when there is one (`/v1/jobs/{id}/preview`).
    pub preview_step: Option<u32>,
    /// Why it failed, was refunded, or goes through another attempt.
    pub problem: Option<Problem>,
}

/// A node's part in a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobPart {
    /// Ordered here.
    Requested,
    /// Computed here.
    Mined,
    /// Audited here.
    Validated,
}

/// What is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobSize {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames.
    pub frames: u32,
    /// Frames per second of the clip.
    pub frames_per_second: f64,
    /// Denoising steps.
    pub steps: u32,
    /// Guidance scale; 1 turns guidance off.
    pub guidance: f32,
    /// Sampler: `ddim`, `dpm++` or `euler`.
    pub scheduler: String,
}

/// How far a job is.
///
/// ```text
/// posted -> assigned -> running -> committed -> auditing -> settled
///    ^                                             |
///    +------ another attempt <- slashed or failed -+---> refunded
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobStage {
    /// The deposit is in escrow; a miner is sought.
    Posted,
    /// A miner has taken it.
    Assigned,
    /// It is being computed.
    Running,
    /// The miner is bound to its result; reveal and clip are on their way.
    Committed,
    /// The validator runs parts of it again.
    Auditing,
    /// Accepted and paid.
    Settled,
    /// Given up; the deposit went back.
    Refunded,
    /// On a miner: its attempt was rejected and its stake slashed. Final for the miner only.
    Slashed,
    /// On a miner: its attempt ended without blame. Final for the miner only.
    Released,
}

impl JobStage {
    /// All, in their order.
    pub const ALL: [Self; 9] = [
        Self::Posted,
        Self::Assigned,
        Self::Running,
        Self::Committed,
        Self::Auditing,
        Self::Settled,
        Self::Refunded,
        Self::Slashed,
        Self::Released,
    ];

    /// Whether nothing more will happen to it on this node.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Settled | Self::Refunded | Self::Slashed | Self::Released)
    }

    /// The word for people and for the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Posted => "posted",
            Self::Assigned => "assigned",
            Self::Running => "running",
            Self::Committed => "committed",
            Self::Auditing => "auditing",
            Self::Settled => "settled",
            Self::Refunded => "refunded",
            Self::Slashed => "slashed",
            Self::Released => "released",
        }
    }
}

/// How far a computation is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobProgress {
    /// Share of all the job's work that is done, 0 to 1,000,000.
    pub done_ppm: u32,
    /// Denoising steps done.
    pub step: u32,
    /// Denoising steps in all.
    pub steps: u32,
    /// Duration of the last step.
    pub seconds_per_step: Option<f64>,
    /// Estimate of the time to the clip.
    pub seconds_left: Option<f64>,
}

/// A miner of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobMiner {
    /// Who.
    pub id: NodeId,
    /// Stake locked for this job.
    pub locked_stake_microcredits: u64,
    /// Paid to it.
    pub reward_microcredits: u64,
    /// Taken from its stake.
    pub slashed_microcredits: u64,
}

/// A clip on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClipInfo {
    /// Where it is, relative to the node's URL.
    pub url: String,
    /// Length of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: Digest,
}

/// Orders a clip. What is not given is the model's default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// Protects against paying twice when an answer is lost: repeat the request with the same id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// What the clip should show.
    #[schema(max_length = 2000)]
    pub prompt: String,
    /// What it should not show.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 2000)]
    pub negative_prompt: String,
    /// The model.
    pub model: ModelId,
    /// Pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4096)]
    pub width: Option<u32>,
    /// Pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4096)]
    pub height: Option<u32>,
    /// Frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1024)]
    pub frames: Option<u32>,
    /// Frames per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(exclusive_minimum = 0, maximum = 1000)]
    pub frames_per_second: Option<f64>,
    /// Denoising steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub steps: Option<u32>,
    /// Guidance scale; 1 turns guidance off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 100)]
    pub guidance: Option<f32>,
    /// Sampler: `ddim`, `dpm++` or `euler`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<String>,
    /// Deposit; the quote's suggestion without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub deposit_microcredits: Option<u64>,
    /// How long the job may take in all; the quote's suggestion without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86400)]
    pub deadline_secs: Option<u32>,
    /// How many miners compute it, each for a share of the reward.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schema(minimum = 1, maximum = 16, default = 1)]
    pub miners: u8,
}

fn one() -> u8 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(count: &u8) -> bool {
    *count == 1
}

impl NewJob {
    /// An order with the model's defaults.
    #[must_use]
    pub fn new(model: ModelId, prompt: impl Into<String>) -> Self {
        Self {
            request_id: None,
            prompt: prompt.into(),
            negative_prompt: String::new(),
            model,
            width: None,
            height: None,
            frames: None,
            frames_per_second: None,
            steps: None,
            guidance: None,
            scheduler: None,
            deposit_microcredits: None,
            deadline_secs: None,
            miners: 1,
        }
    }

    /// Checks everything that does not depend on the model and the network.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`] that names the field.
    pub fn check(&self) -> Result<(), ApiError> {
        let characters = [("prompt", &self.prompt), ("negative_prompt", &self.negative_prompt)];
        for (field, text) in characters {
            let count = text.chars().count();
            if count > MAX_PROMPT_CHARS {
                return Err(invalid(field, format!("{count} characters"), format!("at most {MAX_PROMPT_CHARS}")));
            }
        }
        if self.prompt.trim().is_empty() {
            return Err(invalid("prompt", "nothing", "what the clip should show"));
        }
        let whole = [
            ("width", self.width, MAX_SIDE),
            ("height", self.height, MAX_SIDE),
            ("frames", self.frames, MAX_FRAMES),
            ("steps", self.steps, MAX_STEPS),
            ("deadline_secs", self.deadline_secs, MAX_DEADLINE_SECS),
            ("miners", Some(u32::from(self.miners)), u32::from(MAX_MINERS)),
        ];
        for (field, value, most) in whole {
            if let Some(value) = value.filter(|value| !(1..=most).contains(value)) {
                return Err(invalid(field, value, format!("1 to {most}")));
            }
        }
        if let Some(guidance) = self.guidance.filter(|value| !(0.0..=MAX_GUIDANCE).contains(value)) {
            return Err(invalid("guidance", guidance, format!("0 to {MAX_GUIDANCE}")));
        }
        let rate = self.frames_per_second.filter(|rate| !(*rate > 0.0 && *rate <= MAX_FRAMES_PER_SECOND));
        if let Some(rate) = rate {
            let expected = format!("above 0 and at most {MAX_FRAMES_PER_SECOND}");
            return Err(invalid("frames_per_second", rate, expected));
        }
        if self.deposit_microcredits == Some(0) {
            return Err(invalid("deposit_microcredits", 0, "at least 1"));
        }
        Ok(())
    }
}

fn invalid(field: &str, found: impl Display, expected: impl Display) -> ApiError {
    let message = format!("{field} is {found}; expected {expected}");
    ApiError::new(ErrorCode::InvalidRequest, message, format!("change {field} and send it again")).at(field)
}

/// What a job would cost and need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Quote {
    /// What would be computed, with the model's defaults filled in.
    pub size: JobSize,
    /// Smallest deposit that is accepted.
    pub least_deposit_microcredits: u64,
    /// Deposit that is used when the order names none.
    pub suggested_deposit_microcredits: u64,
    /// Part of the suggested deposit that pays the miner.
    pub fee_microcredits: u64,
    /// The account's balance.
    pub balance_microcredits: u64,
    /// Miners connected now that could take it.
    pub miners_able: u32,
    /// Estimate of the time to the clip, where the miners' speeds are known.
    pub seconds: Option<f64>,
    /// Deadline that is used when the order names none.
    pub suggested_deadline_secs: u32,
    /// What the deposit costs on the chain, where a contract settles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainCost>,
}

/// What a deposit on a chain costs beside itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChainCost {
    /// Chain id.
    pub chain_id: u64,
    /// The contract.
    pub contract: String,
    /// The account that pays.
    pub account: String,
    /// Gas of the deposit's transactions, at most.
    pub gas: u64,
    /// What that costs now, in ether of the chain.
    pub fee_ether: f64,
    /// What the account has for it, in ether of the chain.
    pub ether: f64,
    /// Blocks on top of the deposit from which on it counts.
    pub confirmations: u64,
}

/// Which jobs to list. They come newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobFilter {
    /// Only those with this part of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<JobPart>,
    /// Only those in this stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<JobStage>,
    /// Only those that are finished, or only those that are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<bool>,
    /// Only those of this model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// Only those older than this job: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<JobId>,
    /// At most this many, 1 to 500; 50 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
}

impl JobFilter {
    /// How many jobs to return.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidQuery`] where it is 0 or above [`MAX_PAGE`].
    pub fn page(&self) -> Result<u32, ApiError> {
        super::page(self.limit)
    }

    /// Whether a job is wanted; `before` and `limit` are about the page and not looked at.
    #[must_use]
    pub fn wants(&self, job: &Job) -> bool {
        self.part.is_none_or(|part| part == job.part)
            && self.stage.is_none_or(|stage| stage == job.stage)
            && self.finished.is_none_or(|finished| finished == job.stage.is_final())
            && self.model.as_ref().is_none_or(|model| job.model.as_ref() == Some(model))
    }
}

/// A page of jobs, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// All that match, on all pages.
    pub total: u64,
    /// Pass as `before` for the next page; nothing on the last.
    pub next: Option<JobId>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn order() -> NewJob {
        NewJob::new("starter".parse().unwrap(), "a red circle")
    }

    /// The order after a change must be refused, naming the field.
    fn refused(field: &str, change: impl FnOnce(&mut NewJob)) {
        let mut changed = order();
        change(&mut changed);
        let error = changed.check().unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::InvalidRequest, Some(field)), "{error}");
        assert!(error.message.starts_with(field), "{error}");
    }

    #[test]
    fn orders_out_of_range_are_refused() {
        order().check().unwrap();
        refused("prompt", |job| job.prompt = " \n".to_owned());
        refused("prompt", |job| job.prompt = "x".repeat(MAX_PROMPT_CHARS + 1));
        refused("negative_prompt", |job| job.negative_prompt = "x".repeat(MAX_PROMPT_CHARS + 1));
        refused("width", |job| job.width = Some(0));
        refused("height", |job| job.height = Some(MAX_SIDE + 1));
        refused("frames", |job| job.frames = Some(MAX_FRAMES + 1));
        refused("steps", |job| job.steps = Some(0));
        refused("guidance", |job| job.guidance = Some(f32::NAN));
        refused("guidance", |job| job.guidance = Some(-1.0));
        refused("frames_per_second", |job| job.frames_per_second = Some(0.0));
        refused("frames_per_second", |job| job.frames_per_second = Some(f64::INFINITY));
        refused("deposit_microcredits", |job| job.deposit_microcredits = Some(0));
        refused("deadline_secs", |job| job.deadline_secs = Some(MAX_DEADLINE_SECS + 1));
        refused("miners", |job| job.miners = 0);
    }

    #[test]
    fn typing_errors_are_not_taken_for_defaults() {
        let error = serde_json::from_str::<NewJob>(r#"{"prompt":"x","model":"starter","widht":64}"#).unwrap_err();
        assert!(error.to_string().contains("widht"), "{error}");
    }

    #[test]
    fn what_is_not_given_is_not_sent() {
        assert_eq!(serde_json::to_string(&order()).unwrap(), r#"{"prompt":"a red circle","model":"starter"}"#);
    }
}
