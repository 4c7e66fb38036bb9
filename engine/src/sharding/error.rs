//! What can go wrong before and while a group works.

use std::time::Duration;

/// A plan that can't be used. Every error has a stable code and a next step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A part that is not in the grammar.
    #[error("`{part}` is not part of a plan; expected {expected}")]
    Grammar {
        /// What was written.
        part: String,
        /// What could be there.
        expected: &'static str,
    },
    /// The same part twice.
    #[error("`{part}` is in the plan twice")]
    Twice {
        /// The part's name.
        part: String,
    },
    /// Two parts that exclude each other.
    #[error("`{part}` and `{with}` exclude each other")]
    Clash {
        /// The second.
        part: String,
        /// The first.
        with: &'static str,
    },
    /// More members than a group may have.
    #[error("the plan has {members} members, the most is {most}")]
    TooManyMembers {
        /// Found.
        members: usize,
        /// Bound.
        most: usize,
    },
    /// Members that compute but hold no share of the weights.
    #[error("weights are shared by {parts} members, but {computing} compute")]
    TooFewHolders {
        /// Shares.
        parts: usize,
        /// Members that compute.
        computing: usize,
    },
    /// Frames that can't be cut as the plan says.
    #[error("the clip has {frames} frames, which `{part}` does not cut into parts of at least one frame")]
    Frames {
        /// The part of the plan.
        part: String,
        /// Frames of the clip.
        frames: usize,
    },
    /// Levels that can't be cut as the plan says.
    #[error("the model has {levels} levels, which `depth={part}` does not cut into stages of at least one level")]
    Levels {
        /// The part of the plan.
        part: String,
        /// Levels of the model.
        levels: usize,
    },
    /// Windows that overlap others than their neighbours.
    #[error("an overlap of {overlap} frames is longer than the shortest part, {shortest} frames")]
    Overlap {
        /// Asked for.
        overlap: usize,
        /// Bound.
        shortest: usize,
    },
    /// `cfg=2` for a clip without guidance.
    #[error("`cfg=2` needs guidance, and this clip is made without")]
    NoGuidance,
    /// A group of another size than the plan.
    #[error("the plan has {members} members, the group has {found}")]
    GroupSize {
        /// Of the plan.
        members: usize,
        /// Of the group.
        found: usize,
    },
    /// Nothing fits.
    #[error("no plan fits these peers: {reason}")]
    NothingFits {
        /// The smallest need and what there is.
        reason: String,
    },
    /// A description of peers that can't be used.
    #[error("the peers can't be used: {reason}")]
    Peers {
        /// Which entry and what is wrong.
        reason: String,
    },
}

impl PlanError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            PlanError::Grammar { .. } => "plan.grammar",
            PlanError::Twice { .. } => "plan.twice",
            PlanError::Clash { .. } => "plan.clash",
            PlanError::TooManyMembers { .. } => "plan.too_many_members",
            PlanError::TooFewHolders { .. } => "plan.too_few_holders",
            PlanError::Frames { .. } => "plan.frames",
            PlanError::Levels { .. } => "plan.levels",
            PlanError::Overlap { .. } => "plan.overlap",
            PlanError::NoGuidance => "plan.no_guidance",
            PlanError::GroupSize { .. } => "plan.group_size",
            PlanError::NothingFits { .. } => "plan.nothing_fits",
            PlanError::Peers { .. } => "plan.peers",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            PlanError::Grammar { .. } => {
                "write a plan such as `solo`, `stream`, `cfg=2,frames=3` or `depth=2`".to_owned()
            }
            PlanError::Twice { part } => format!("write `{part}` once"),
            PlanError::Clash { .. } => "leave one of the two out".to_owned(),
            PlanError::TooManyMembers { most, .. } => format!("choose numbers whose product is at most {most}"),
            PlanError::TooFewHolders { computing, .. } => format!("write `params={computing}` or more"),
            PlanError::Frames { frames, .. } => {
                format!("choose at most {frames} parts, or lengths that add up to {frames}")
            }
            PlanError::Levels { levels, .. } => {
                format!("choose at most {levels} stages, or levels per stage that add up to {levels}")
            }
            PlanError::Overlap { shortest, .. } => format!("choose an overlap of at most {shortest} frames"),
            PlanError::NoGuidance => "leave `cfg=2` out, or choose a guidance scale above 1".to_owned(),
            PlanError::GroupSize { members, .. } => format!("form a group of {members}, or choose another plan"),
            PlanError::NothingFits { .. } => {
                "add peers or memory, or ask for fewer frames or a smaller picture".to_owned()
            }
            PlanError::Peers { .. } => "correct the description; docs/SHARDING.md shows one".to_owned(),
        }
    }
}

/// A group that can't go on. The job can, in a new group, from its last checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CollectiveError {
    /// Nothing came in time.
    #[error("member {peer} did not answer within {waited:.1?} ({what})")]
    Deadline {
        /// Who.
        peer: usize,
        /// How long was waited.
        waited: Duration,
        /// For what.
        what: &'static str,
    },
    /// The connection to a member ended.
    #[error("member {peer} is gone: {reason}")]
    Gone {
        /// Who.
        peer: usize,
        /// Why, as far as known.
        reason: String,
    },
    /// A member gave up and said so.
    #[error("member {peer} gave up: {reason}")]
    Aborted {
        /// Who.
        peer: usize,
        /// Its words, cut to a line.
        reason: String,
    },
    /// A message larger than what may come here.
    #[error("member {peer} sent {bytes} bytes where at most {limit} may come")]
    TooLarge {
        /// Who.
        peer: usize,
        /// Announced or received.
        bytes: u64,
        /// Bound.
        limit: u64,
    },
    /// A message that is not what the protocol says.
    #[error("member {peer} sent something unexpected: {reason}")]
    Unexpected {
        /// Who.
        peer: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A rank that the group does not have.
    #[error("there is no member {peer} in a group of {world}")]
    NoMember {
        /// Asked for.
        peer: usize,
        /// Size of the group.
        world: usize,
    },
}

impl CollectiveError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            CollectiveError::Deadline { .. } => "group.deadline",
            CollectiveError::Gone { .. } => "group.gone",
            CollectiveError::Aborted { .. } => "group.aborted",
            CollectiveError::TooLarge { .. } => "group.too_large",
            CollectiveError::Unexpected { .. } => "group.unexpected",
            CollectiveError::NoMember { .. } => "group.no_member",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            CollectiveError::Deadline { peer, .. }
            | CollectiveError::Gone { peer, .. }
            | CollectiveError::Aborted { peer, .. }
            | CollectiveError::TooLarge { peer, .. }
            | CollectiveError::Unexpected { peer, .. } => {
                format!("form a group without member {peer} and go on from the last checkpoint")
            }
            CollectiveError::NoMember { .. } => "form a group as large as the plan".to_owned(),
        }
    }
}
