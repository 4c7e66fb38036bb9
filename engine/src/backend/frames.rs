//! Where a clip's frames are: all here, or some here and the others with other members of a group.
//!
//! Only temporal layers see more than one frame. What they need of the others is little enough to name: group norm sums of
//! every frame, the frames on either side of one's own, and, for attention over frames, some pixels of all frames instead of
//! all pixels of some frames. All of it is copied, never recomputed or added up on the way, so results keep their bits.

use crate::error::Result;
use crate::kernels::norm::GroupSums;

/// Which frames a temporal layer is given.
#[derive(Clone, Copy)]
pub(crate) enum Frames<'a> {
    /// All of the clip's.
    All,
    /// Some; the others can be asked.
    Some(&'a dyn Exchange),
}

/// What a temporal convolution needs of other members.
pub(crate) struct Edges {
    /// Sums of all the clip's frames, in their order.
    pub(crate) sums: Vec<GroupSums>,
    /// The frame before the first one here, unless that is the clip's first.
    pub(crate) before: Option<Vec<f32>>,
    /// The frame after the last one here, unless that is the clip's last.
    pub(crate) after: Option<Vec<f32>>,
}

/// Pixels of all frames, `(frames, own pixels, channels)`.
pub(crate) struct Columns {
    /// Sums of all the clip's frames, in their order.
    pub(crate) sums: Vec<GroupSums>,
    pub(crate) values: Vec<f32>,
    /// Frames of the clip.
    pub(crate) frames: usize,
    /// Pixels of this member.
    pub(crate) pixels: usize,
}

/// The members that hold a clip's frames between them, seen from one of them. Every member makes the same calls in the same order.
pub(crate) trait Exchange: Send + Sync {
    /// Gives each member the sums of this member's frames, and its neighbours the raw frames `(pixels, channels)` beside theirs.
    fn edges(&self, sums: &[GroupSums], first: &[f32], last: &[f32]) -> Result<Edges>;

    /// From all pixels of this member's frames, `(frames, pixels, channels)`, to some pixels of all frames.
    fn to_columns(&self, sums: &[GroupSums], frames: &[f32], pixels: usize) -> Result<Columns>;

    /// And back.
    fn to_frames(&self, columns: &[f32], pixels: usize, channels: usize) -> Result<Vec<f32>>;
}
