//! What a plan is: who computes which part of a clip, as data.

use serde::{Deserialize, Serialize};

use super::cut::Cut;

/// How the members of a group make one clip between them. Written and read as text: see [`Plan::from_str`](std::str::FromStr).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Plan {
    /// The two branches of guidance on different members (`cfg=2`).
    pub branches: bool,
    /// Levels of the U on different members, from the outside in (`depth=`).
    pub depth: Option<Cut>,
    /// How frames are spread.
    pub frames: Spread,
    /// Where weights are.
    pub weights: Holding,
}

/// How a clip's frames are spread over members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Spread {
    /// Every member has all frames.
    #[default]
    Whole,
    /// Each member has some, and they exchange what temporal layers need (`frames=`): the same bits as [`Spread::Whole`].
    Shards(Cut),
    /// Each member has an overlapping window and computes as if it were the clip (`window=`): not the same clip.
    Windows(Windows),
}

/// Where a member's weights are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Holding {
    /// In memory, all that the member runs.
    #[default]
    Resident,
    /// On disk; only the running layer and what fits of the next are in memory (`stream`).
    Streamed,
    /// Each of so many members keeps its share of every layer, and layers are gathered just in time (`params=`).
    Shared(usize),
}

/// Overlapping windows of frames.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Windows {
    /// How the clip is cut before windows are widened.
    pub cut: Cut,
    /// Frames that neighbouring windows have in common.
    pub overlap: usize,
    /// Adds [`CONTEXT_SHARE`] of the mean of the initial noise over frames to every window's input, so that windows have
    /// something in common.
    pub context: bool,
    /// When overlaps are blended.
    pub blend: Blend,
}

/// When the overlap of two windows becomes one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Blend {
    /// After every step (`MultiDiffusion`, Bar-Tal et al., 2023).
    #[default]
    EachStep,
    /// Once, after the last step: each window is a clip of its own until then.
    AtEnd,
}

/// Weight of the mean of the initial noise that [`Windows::context`] adds.
pub const CONTEXT_SHARE: f32 = 0.35;
/// Frames that neighbouring windows share unless the plan says otherwise.
pub const DEFAULT_OVERLAP: usize = 2;
/// Most members a plan may have.
pub const MAX_MEMBERS: usize = 64;

impl Plan {
    /// One member with everything.
    #[must_use]
    pub fn solo() -> Self {
        Self::default()
    }

    /// Whether the clip has the same bits as that of [`Plan::solo`] on the same kind of device.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !matches!(self.frames, Spread::Windows(_))
    }

    /// Members that compute branches.
    pub(crate) fn branch_count(&self) -> usize {
        if self.branches { 2 } else { 1 }
    }

    /// Members along the depth of the U.
    #[must_use]
    pub fn stages(&self) -> usize {
        self.depth.as_ref().map_or(1, Cut::parts)
    }

    /// Members along the frames.
    #[must_use]
    pub fn shards(&self) -> usize {
        match &self.frames {
            Spread::Whole => 1,
            Spread::Shards(cut) | Spread::Windows(Windows { cut, .. }) => cut.parts(),
        }
    }

    /// Members that compute.
    #[must_use]
    pub fn computing(&self) -> usize {
        self.branch_count() * self.stages() * self.shards()
    }

    /// Members in all; with [`Holding::Shared`] there may be some that only keep weights.
    #[must_use]
    pub fn members(&self) -> usize {
        match self.weights {
            Holding::Shared(parts) => parts.max(self.computing()),
            Holding::Resident | Holding::Streamed => self.computing(),
        }
    }

    /// What member `rank` does, or `None` for one that only keeps weights. Rank 0 leads.
    #[must_use]
    pub fn place(&self, rank: usize) -> Option<Place> {
        let (stages, shards) = (self.stages(), self.shards());
        (rank < self.computing()).then(|| Place {
            branch: rank / (stages * shards),
            stage: rank / shards % stages,
            shard: rank % shards,
        })
    }

    /// The rank of a place.
    #[must_use]
    pub fn rank(&self, place: Place) -> usize {
        (place.branch * self.stages() + place.stage) * self.shards() + place.shard
    }
}

/// Where a member stands in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Branch of guidance: 0, or 0 (with the prompt) and 1 (without) where a plan has `cfg=2`.
    pub branch: usize,
    /// Stage of the U, from the outside in.
    pub stage: usize,
    /// Frame shard or window, in the clip's order.
    pub shard: usize,
}

impl Serialize for Plan {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
