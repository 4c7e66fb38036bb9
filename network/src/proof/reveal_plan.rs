//! What a draw asks a miner to open.

use std::collections::BTreeMap;

use infernet_engine::schedulers::Scheduler;

use super::indices::Draw;
use super::job::{JobSpec, LeafPosition};
use super::tensor::precision_bytes;

/// How far a leaf is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContentKind {
    /// Payload digests and path.
    Digests,
    /// The tensors as well.
    Tensors,
}

/// Steps whose transition is checked: those drawn, and the last, which leads to what is decoded.
pub(crate) fn checked_transitions(job: &JobSpec, draw: &Draw) -> impl Iterator<Item = u32> {
    let last = job.steps.saturating_sub(1);
    let more = draw.steps.last() != Some(&last);
    draw.steps.iter().copied().chain(more.then_some(last))
}

/// The leaves to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevealPlan {
    /// By leaf index.
    pub leaves: BTreeMap<u32, ContentKind>,
}

impl RevealPlan {
    /// For each drawn step, and the last one, its tensors, the digests of the state after it and, where the solver needs it, the
    /// tensors of the step before; the digests of the first state, clip and text; the final state and the drawn frames.
    pub fn new(job: &JobSpec, scheduler: &Scheduler, draw: &Draw) -> Self {
        let mut plan = Self { leaves: BTreeMap::new() };
        let mut open = |position, kind| {
            let found = plan.leaves.entry(job.leaf_index(position)).or_insert(kind);
            *found = kind.max(*found);
        };
        open(LeafPosition::Step(0), ContentKind::Digests);
        for step in checked_transitions(job, draw) {
            open(LeafPosition::Step(step), ContentKind::Tensors);
            let next = if step + 1 == job.steps { LeafPosition::Final } else { LeafPosition::Step(step + 1) };
            open(next, ContentKind::Digests);
            if scheduler.needs_previous(step as usize) {
                open(LeafPosition::Step(step.saturating_sub(1)), ContentKind::Tensors);
            }
        }
        open(LeafPosition::Final, ContentKind::Tensors);
        for &frame in &draw.frames {
            open(LeafPosition::Frame(frame), ContentKind::Tensors);
        }
        open(LeafPosition::Clip, ContentKind::Digests);
        open(LeafPosition::Text, ContentKind::Digests);
        plan
    }

    /// No honest reveal is longer than this.
    pub fn max_bytes(&self, job: &JobSpec) -> u64 {
        const LEAF: u64 = 4 + (1 + 32 + 32 + 33 + 16) + (1 + 32 * 32) + 1;
        const TENSOR_HEAD: u64 = 2 + 4 * 5 + 8;
        let elements = job.latent.elements() as u64;
        let state = TENSOR_HEAD + elements * precision_bytes(job.latent_dtype);
        let output = TENSOR_HEAD + 4 * elements;
        let contents = |index| match job.leaf_position(index) {
            Some(LeafPosition::Step(_)) => state + output + 1 + u64::from(job.is_guided()) * output,
            Some(LeafPosition::Final) => state,
            Some(LeafPosition::Frame(_)) => 16 + job.frame_bytes(),
            _ => 0,
        };
        let opened = |(&index, &kind): (&u32, &ContentKind)| {
            LEAF + if kind == ContentKind::Tensors { contents(index) } else { 0 }
        };
        4 + self.leaves.iter().map(opened).sum::<u64>()
    }
}
