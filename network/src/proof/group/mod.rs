//! Shard groups: what members sign besides the group's commitment, and who is at fault when a checked step fails.
//!
//! The member that answers for the job (the coordinator: the challenge's miner) commits, reveals and is judged like a single miner.
//! Every member signs a [`MemberCommitment`] over its own pieces and over each boundary tensor it sent or received; the
//! coordinator's commitment carries the root over all of them. When a step fails, [`attribute`] goes through the
//! step's pieces in the order they ran and names the first member whose signed message does not follow from what it received.

mod attribution;
mod commitment;

pub use attribution::{
    Attribution, BoundaryTensor, Disclosure, Exchange, Fault, Piece, PieceReplay, ReceivedTensor, attribute,
    check_slices, frame_slice,
};
pub use commitment::{
    BoundaryRecord, GroupError, MemberCommitment, MemberLeaf, Shipment, boundary_digest, check_members, group_root,
    member_commitment,
};
