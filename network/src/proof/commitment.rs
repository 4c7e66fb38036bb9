//! What a miner signs when the clip is done and nothing has been revealed.

use super::bytes::{Digest, PublicKey};
use super::codec::{Reader, Writer};
use super::error::DecodeError;
use super::signed::{Signable, Signed};

const DIGEST_TAG: &str = "infernet/commitment-digest/v1";

/// Root over the members of a shard group ([`group`](super::group)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupRoot {
    /// Merkle root over the members' commitments.
    pub root: Digest,
    /// Members.
    pub members: u16,
}

/// A miner's commitment to a whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// Digest of the job.
    pub job: Digest,
    /// Digest of the challenge: C, the nonce commitment and the terms.
    pub session: Digest,
    /// Who ran it, and signs this.
    pub miner: PublicKey,
    /// The seed.
    pub seed: [u8; 32],
    /// Merkle root over the leaves.
    pub root: Digest,
    /// Number of leaves.
    pub leaf_count: u32,
    /// Digest of the clip's bytes.
    pub clip: Digest,
    /// The members, where several machines made the clip.
    pub group: Option<GroupRoot>,
}

impl Commitment {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            job: reader.digest("committed job")?,
            session: reader.digest("session")?,
            miner: reader.key("miner")?,
            seed: reader.array("seed")?,
            root: reader.digest("root")?,
            leaf_count: reader.u32("leaf count")?,
            clip: reader.digest("clip digest")?,
            group: if reader.flag("group")? {
                Some(GroupRoot { root: reader.digest("group root")?, members: reader.u16("members")? })
            } else {
                None
            },
        })
    }
}

impl Signable for Commitment {
    const DOMAIN: &'static str = "infernet/commit/v1";

    fn signer(&self) -> &PublicKey {
        &self.miner
    }

    fn canonical_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.raw(&self.job.0).raw(&self.session.0).raw(&self.miner.0).raw(&self.seed).raw(&self.root.0);
        out.u32(self.leaf_count).raw(&self.clip.0).flag(self.group.is_some());
        if let Some(group) = &self.group {
            out.raw(&group.root.0).u16(group.members);
        }
        out.finish()
    }
}

impl Signed<Commitment> {
    /// `SHA-256("infernet/commitment-digest/v1" || encoding || signature)`.
    pub fn digest(&self) -> Digest {
        Digest::tagged(DIGEST_TAG, &[&self.to_bytes()])
    }

    /// Reads a signed commitment.
    ///
    /// # Errors
    /// The bytes are not one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(bytes, |reader| Self::read(reader, Commitment::read))
    }
}
