//! What members of a group sign.

use sha2::{Digest as _, Sha256};

use crate::proof::bytes::{Digest, PublicKey};
use crate::proof::codec::{Reader, Writer};
use crate::proof::commitment::GroupRoot;
use crate::proof::error::DecodeError;
use crate::proof::merkle::MerkleTree;
use crate::proof::signed::{Signable, Signed};

const BOUNDARY_TAG: &str = "infernet/boundary/v1";
const STEP_LEAF: &str = "infernet/leaf/member-step/v1";
const BOUNDARY_LEAF: &str = "infernet/leaf/boundary/v1";
const MEMBER_LEAF: &str = "infernet/leaf/member/v1";

/// Digest of a boundary tensor's bytes, as they go over the wire.
pub fn boundary_digest(bytes: &[u8]) -> Digest {
    Digest::tagged(BOUNDARY_TAG, &[bytes])
}

/// A member's part of a step: digests of its slices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberLeaf {
    /// Step; the number of steps for the final state.
    pub step: u32,
    /// Its slice of the state.
    pub state: Digest,
    /// Its slice of the output with the prompt, if it made one.
    pub conditional: Option<Digest>,
    /// Its slice of the output with the negative prompt, if it made one.
    pub unconditional: Option<Digest>,
}

impl MemberLeaf {
    /// `SHA-256(0x00 || tag || session || member u16 || step u32 || digests)`.
    pub fn leaf_hash(&self, session: &Digest, member: u16) -> Digest {
        leaf(STEP_LEAF, session, |out| {
            out.u16(member).u32(self.step).raw(&self.state.0);
            out.optional_digest(self.conditional.as_ref()).optional_digest(self.unconditional.as_ref());
        })
    }
}

/// A boundary tensor that a member sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoundaryRecord {
    /// Step.
    pub step: u32,
    /// Number of the exchange within the step; the shard plan says which that is.
    pub exchange: u32,
    /// Sender.
    pub from: u16,
    /// Receiver.
    pub to: u16,
    /// Whether the member that records this sent it.
    pub sent: bool,
    /// [`boundary_digest`] of its bytes.
    pub digest: Digest,
}

impl BoundaryRecord {
    /// `SHA-256(0x00 || tag || session || step u32 || exchange u32 || from u16 || to u16 || sent u8 || digest)`.
    pub fn leaf_hash(&self, session: &Digest) -> Digest {
        leaf(BOUNDARY_LEAF, session, |out| {
            out.u32(self.step).u32(self.exchange).u16(self.from).u16(self.to).flag(self.sent).raw(&self.digest.0);
        })
    }
}

fn leaf(tag: &str, session: &Digest, write: impl FnOnce(&mut Writer)) -> Digest {
    let mut out = Writer::default();
    out.u8(0x00).raw(tag.as_bytes()).raw(&session.0);
    write(&mut out);
    Digest(Sha256::digest(out.finish()).into())
}

/// What travels with every boundary tensor: the sender's word for it. A receiver keeps it, or it has nothing to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipment {
    /// Session of the group's challenge.
    pub session: Digest,
    /// The sender's key, which signs this.
    pub sender: PublicKey,
    /// Step.
    pub step: u32,
    /// Exchange within the step.
    pub exchange: u32,
    /// Sender.
    pub from: u16,
    /// Receiver.
    pub to: u16,
    /// [`boundary_digest`] of the bytes.
    pub digest: Digest,
}

impl Shipment {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            session: reader.digest("session")?,
            sender: reader.key("sender")?,
            step: reader.u32("step")?,
            exchange: reader.u32("exchange")?,
            from: reader.u16("from")?,
            to: reader.u16("to")?,
            digest: reader.digest("boundary digest")?,
        })
    }
}

impl Signable for Shipment {
    const DOMAIN: &'static str = "infernet/shipment/v1";

    fn signer(&self) -> &PublicKey {
        &self.sender
    }

    fn canonical_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.raw(&self.session.0).raw(&self.sender.0).u32(self.step).u32(self.exchange);
        out.u16(self.from).u16(self.to).raw(&self.digest.0);
        out.finish()
    }
}

impl Signed<Shipment> {
    /// Reads a signed shipment.
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(bytes, |reader| Self::read(reader, Shipment::read))
    }
}

/// A member's commitment to its part of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberCommitment {
    /// Session of the group's challenge.
    pub session: Digest,
    /// Place in the shard plan.
    pub member: u16,
    /// The member's key, which signs this.
    pub key: PublicKey,
    /// Merkle root over its [`MemberLeaf`]s, by step.
    pub root: Digest,
    /// How many there are.
    pub leaf_count: u32,
    /// Merkle root over its [`BoundaryRecord`]s, ascending; zero where there are none.
    pub boundary_root: Digest,
    /// How many there are.
    pub boundary_count: u32,
}

impl MemberCommitment {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            session: reader.digest("session")?,
            member: reader.u16("member")?,
            key: reader.key("member key")?,
            root: reader.digest("member root")?,
            leaf_count: reader.u32("member leaf count")?,
            boundary_root: reader.digest("boundary root")?,
            boundary_count: reader.u32("boundary count")?,
        })
    }
}

impl Signable for MemberCommitment {
    const DOMAIN: &'static str = "infernet/member-commit/v1";

    fn signer(&self) -> &PublicKey {
        &self.key
    }

    fn canonical_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.raw(&self.session.0).u16(self.member).raw(&self.key.0).raw(&self.root.0).u32(self.leaf_count);
        out.raw(&self.boundary_root.0).u32(self.boundary_count);
        out.finish()
    }
}

impl Signed<MemberCommitment> {
    /// Reads a signed member commitment.
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(bytes, |reader| Self::read(reader, MemberCommitment::read))
    }
}

/// A member's commitment over its leaves and records. Records are sorted here.
///
/// # Errors
/// [`GroupError::Empty`] without leaves, [`GroupError::Twice`] for a record that is there twice.
pub fn member_commitment(
    session: Digest,
    member: u16,
    key: PublicKey,
    leaves: &[MemberLeaf],
    records: &mut [BoundaryRecord],
) -> Result<MemberCommitment, GroupError> {
    records.sort_unstable();
    let place = |record: &BoundaryRecord| (record.step, record.exchange, record.from, record.to, record.sent);
    if records.windows(2).any(|pair| place(&pair[0]) == place(&pair[1])) {
        return Err(GroupError::Twice(member));
    }
    let hashes: Vec<Digest> = leaves.iter().map(|leaf| leaf.leaf_hash(&session, member)).collect();
    let boundary: Vec<Digest> = records.iter().map(|record| record.leaf_hash(&session)).collect();
    Ok(MemberCommitment {
        session,
        member,
        key,
        root: MerkleTree::new(&hashes).ok_or(GroupError::Empty(member))?.root(),
        leaf_count: u32::try_from(hashes.len()).map_err(|_| GroupError::Empty(member))?,
        boundary_root: MerkleTree::new(&boundary).map_or(Digest::ZERO, |tree| tree.root()),
        boundary_count: u32::try_from(boundary.len()).map_err(|_| GroupError::Twice(member))?,
    })
}

/// Root over the members, in the order of the shard plan; `None` for none or more than a u16 counts.
pub fn group_root(members: &[Signed<MemberCommitment>]) -> Option<GroupRoot> {
    let leaves: Vec<Digest> = members
        .iter()
        .map(|member| {
            leaf(MEMBER_LEAF, &member.body.session, |out| {
                out.raw(&member.to_bytes());
            })
        })
        .collect();
    Some(GroupRoot { root: MerkleTree::new(&leaves)?.root(), members: u16::try_from(members.len()).ok()? })
}

/// What is wrong with a group's commitments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// A member committed to nothing.
    #[error("member {0} has no leaves to commit to")]
    Empty(u16),
    /// Two records for one message.
    #[error("member {0} has two records for one exchange")]
    Twice(u16),
    /// Members are missing, out of order, or not those of the root.
    #[error(
        "the members' commitments are not those under the group's root; ask the coordinator for all of them, in order"
    )]
    Root,
    /// A commitment is for another session or another key than the plan's, or its signature does not hold.
    #[error("the commitment of member {0} is not signed by that member for this session")]
    Signature(u16),
}

/// Checks all members' commitments against the group's: `keys` are the plan's, in order.
///
/// # Errors
/// What does not fit.
pub fn check_members(
    group: &GroupRoot,
    session: &Digest,
    keys: &[PublicKey],
    members: &[Signed<MemberCommitment>],
) -> Result<(), GroupError> {
    if members.len() != keys.len() || group_root(members).as_ref() != Some(group) {
        return Err(GroupError::Root);
    }
    for ((member, key), index) in members.iter().zip(keys).zip(0_u16..) {
        let body = &member.body;
        if body.member != index || body.key != *key || body.session != *session || !member.verify() {
            return Err(GroupError::Signature(index));
        }
    }
    Ok(())
}
