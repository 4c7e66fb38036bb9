//! Who is at fault for a step that failed.

use std::collections::BTreeMap;
use std::ops::Range;

use super::commitment::{BoundaryRecord, MemberCommitment, Shipment, boundary_digest};
use crate::proof::bytes::Digest;
use crate::proof::merkle::verify_path;
use crate::proof::reexecution::ReexecutionError;
use crate::proof::signed::Signed;
use crate::proof::tensor::{Tensor, precision_bytes};

/// A message of a step, by the shard plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exchange {
    /// Number within the step.
    pub exchange: u32,
    /// Sender.
    pub from: u16,
    /// Receiver.
    pub to: u16,
}

/// What a member does between two exchanges: it waits for some messages, computes, and sends others. A member's outputs of the
/// model are messages to the coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Who.
    pub member: u16,
    /// Messages it needs.
    pub receives: Vec<Exchange>,
    /// Messages it sends.
    pub sends: Vec<Exchange>,
}

/// A boundary tensor opened under a member's commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundaryTensor {
    /// What the member recorded.
    pub record: BoundaryRecord,
    /// Place among its records.
    pub index: u32,
    /// Path to its boundary root.
    pub path: Vec<Digest>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// One that was received, with the sender's word for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedTensor {
    /// The tensor.
    pub tensor: BoundaryTensor,
    /// What the sender signed when it sent it.
    pub shipment: Signed<Shipment>,
}

/// What one member opens of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disclosure {
    /// What it sent.
    pub sent: Vec<BoundaryTensor>,
    /// What it received.
    pub received: Vec<ReceivedTensor>,
}

/// A validator's own run of single pieces, called in the order of the plan. It keeps each member's activations from one piece
/// to the next, computed from the messages it is given.
pub trait PieceReplay {
    /// Runs a piece on what the member received, and says how far each message that the member sent is from the validator's own
    /// (relative L2, or infinite for another size). Bytes are as on the wire, in the order of the piece's lists.
    ///
    /// # Errors
    /// The validator can't run the piece.
    fn replay(&mut self, piece: &Piece, received: &[&[u8]], sent: &[&[u8]]) -> Result<Vec<f64>, ReexecutionError>;
}

/// What a member did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// It does not open a message that the plan has, or opens other bytes than it signed.
    Withholds,
    /// It claims to have received what the sender did not sign.
    UnsignedClaim,
    /// It signed one message for the receiver and another in its own commitment.
    Equivocates,
    /// What it sent does not follow from what it received.
    Deviates {
        /// Measured error.
        error: f64,
        /// Bound.
        bound: f64,
    },
}

/// The outcome: at most one member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attribution {
    /// The first fault in the order of the plan; only this member is slashed.
    Member {
        /// Who.
        member: u16,
        /// At which message.
        exchange: Exchange,
        /// What.
        fault: Fault,
    },
    /// Every message follows from those before it: what failed is the coordinator's own part.
    Coordinator,
}

/// Finds who is at fault for a failed step. `members` have been checked with
/// [`check_members`](super::check_members); `pieces` are the plan's for one step, in an order in which they can run.
///
/// # Errors
/// The validator can't run a piece.
pub fn attribute(
    session: &Digest,
    step: u32,
    pieces: &[Piece],
    members: &[Signed<MemberCommitment>],
    disclosures: &[Disclosure],
    bound: f64,
    replay: &mut dyn PieceReplay,
) -> Result<Attribution, ReexecutionError> {
    let case = Case { session, step, members, disclosures };
    for piece in pieces {
        let blame =
            |exchange: &Exchange, fault| Ok(Attribution::Member { member: piece.member, exchange: *exchange, fault });
        let mut received = Vec::with_capacity(piece.receives.len());
        for exchange in &piece.receives {
            match case.received(piece.member, exchange) {
                Ok(bytes) => received.push(bytes),
                Err(fault) => return blame(exchange, fault),
            }
        }
        let mut sent = Vec::with_capacity(piece.sends.len());
        for exchange in &piece.sends {
            match case.sent(piece.member, exchange) {
                Ok(bytes) => sent.push(bytes),
                Err(fault) => return blame(exchange, fault),
            }
        }
        let errors = replay.replay(piece, &received, &sent)?;
        if errors.len() != sent.len() {
            let reason = format!("a piece of {} messages was judged as one of {}", sent.len(), errors.len());
            return Err(ReexecutionError::Unusable(reason));
        }
        for (exchange, error) in piece.sends.iter().zip(errors) {
            // An error that is no number is no proof of honesty.
            if error > bound || error.is_nan() {
                return blame(exchange, Fault::Deviates { error, bound });
            }
        }
    }
    Ok(Attribution::Coordinator)
}

struct Case<'a> {
    session: &'a Digest,
    step: u32,
    members: &'a [Signed<MemberCommitment>],
    disclosures: &'a [Disclosure],
}

impl<'a> Case<'a> {
    /// A message that a member received: recorded, opened, and signed by its sender.
    fn received(&self, member: u16, exchange: &Exchange) -> Result<&'a [u8], Fault> {
        let disclosure = self.disclosures.get(usize::from(member)).ok_or(Fault::Withholds)?;
        let found = disclosure.received.iter().find(|received| self.is_message(&received.tensor, exchange, false));
        let received = found.ok_or(Fault::Withholds)?;
        if !self.holds(member, &received.tensor) {
            return Err(Fault::Withholds);
        }
        let shipment = &received.shipment.body;
        let sender = self.members.get(usize::from(exchange.from)).map(|sender| sender.body.key);
        let about = (shipment.step, shipment.exchange, shipment.from, shipment.to);
        let backed = shipment.session == *self.session
            && Some(shipment.sender) == sender
            && about == (self.step, exchange.exchange, exchange.from, exchange.to)
            && shipment.digest == received.tensor.record.digest
            && received.shipment.verify();
        if backed { Ok(&received.tensor.bytes) } else { Err(Fault::UnsignedClaim) }
    }

    /// A message that a member sent: recorded, opened, and the one its receiver holds a signature for.
    fn sent(&self, member: u16, exchange: &Exchange) -> Result<&'a [u8], Fault> {
        let disclosure = self.disclosures.get(usize::from(member)).ok_or(Fault::Withholds)?;
        let found = disclosure.sent.iter().find(|tensor| self.is_message(tensor, exchange, true));
        let tensor = found.filter(|tensor| self.holds(member, tensor)).ok_or(Fault::Withholds)?;
        if self.shipped(member, exchange).is_some_and(|digest| digest != tensor.record.digest) {
            return Err(Fault::Equivocates);
        }
        Ok(&tensor.bytes)
    }

    /// The digest of a message that its sender verifiably signed for the receiver, if the receiver shows one.
    fn shipped(&self, sender: u16, exchange: &Exchange) -> Option<Digest> {
        let key = self.members.get(usize::from(sender))?.body.key;
        let received = &self.disclosures.get(usize::from(exchange.to))?.received;
        let found = received.iter().find(|received| self.is_message(&received.tensor, exchange, false))?;
        let body = &found.shipment.body;
        let about = (body.session, body.sender, body.step, body.exchange, body.from, body.to);
        let expected = (*self.session, key, self.step, exchange.exchange, exchange.from, exchange.to);
        (about == expected && found.shipment.verify()).then_some(body.digest)
    }

    fn is_message(&self, tensor: &BoundaryTensor, exchange: &Exchange, sent: bool) -> bool {
        let BoundaryRecord { step, exchange: number, from, to, sent: by_sender, .. } = tensor.record;
        (step, number, from, to, by_sender) == (self.step, exchange.exchange, exchange.from, exchange.to, sent)
    }

    /// Whether the bytes are those of the record, and the record is in the member's commitment.
    fn holds(&self, member: u16, tensor: &BoundaryTensor) -> bool {
        let Some(commitment) = self.members.get(usize::from(member)).map(|member| &member.body) else { return false };
        let leaf = tensor.record.leaf_hash(self.session);
        boundary_digest(&tensor.bytes) == tensor.record.digest
            && verify_path(&commitment.boundary_root, &leaf, tensor.index, commitment.boundary_count, &tensor.path)
    }
}

/// Frames `frames` of a tensor of (1, channels, frames, height, width), as a tensor of its own; `None` where it has no
/// such frames.
pub fn frame_slice(whole: &Tensor, frames: Range<u32>) -> Option<Tensor> {
    let &[batch, channels, count, height, width] = whole.dims.as_slice() else { return None };
    if frames.start >= frames.end || frames.end > count || !whole.has_format(whole.dtype, &whole.dims) {
        return None;
    }
    let plane = usize::try_from(u64::from(height) * u64::from(width) * precision_bytes(whole.dtype)).ok()?;
    let one = plane * count as usize;
    let range = plane * frames.start as usize..plane * frames.end as usize;
    let bytes =
        whole.bytes.chunks_exact(one.max(1)).flat_map(|channel| channel[range.clone()].iter().copied()).collect();
    Some(Tensor { dtype: whole.dtype, dims: vec![batch, channels, frames.end - frames.start, height, width], bytes })
}

/// Whether a tensor that the coordinator committed is made of the slices that members committed: the first member whose
/// slice is another. The coordinator saw all members' commitments before it signed, so the fault is its own.
///
/// # Errors
/// The member.
pub fn check_slices(whole: &Tensor, slices: &BTreeMap<u16, (Range<u32>, Digest)>) -> Result<(), u16> {
    for (&member, (frames, digest)) in slices {
        if frame_slice(whole, frames.clone()).map(|slice| slice.digest()) != Some(*digest) {
            return Err(member);
        }
    }
    Ok(())
}
