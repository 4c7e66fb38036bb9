//! Merkle trees in the shape of RFC 6962, with positions bound by the path.
//!
//! `rs_merkle` builds the tree and the paths: pairing level by level and promoting a node without neighbour gives the same
//! tree as splitting at the largest power of two (tested against that definition). Paths are *checked* here, after RFC 9162
//! section 2.1.3.2, because `rs_merkle`'s own check takes what it needs from a path and ignores what is left over, so one
//! leaf would have any number of accepted paths (tested below). Leaves are hashed by [`LeafPayload`](super::LeafPayload)
//! with a leading 0x00, nodes here with 0x01: neither passes for the other.

use rs_merkle::Hasher;
use sha2::{Digest as _, Sha256};

use super::bytes::Digest;

/// Nodes of RFC 6962.
#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        Sha256::digest(data).into()
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        let Some(right) = right else { return *left };
        node(left, right)
    }
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update([0x01]).chain_update(left).chain_update(right).finalize().into()
}

/// A tree over leaf hashes.
#[derive(Clone)]
pub struct MerkleTree {
    tree: rs_merkle::MerkleTree<Rfc6962>,
}

impl MerkleTree {
    /// The tree over at least one leaf hash; `None` for none.
    pub fn new(leaves: &[Digest]) -> Option<Self> {
        let leaves: Vec<[u8; 32]> = leaves.iter().map(|leaf| leaf.0).collect();
        let tree = rs_merkle::MerkleTree::from_leaves(&leaves);
        tree.root().map(|_| Self { tree })
    }

    /// Root.
    pub fn root(&self) -> Digest {
        // Trees have at least one leaf, so there always is one.
        Digest(self.tree.root().unwrap_or_default())
    }

    /// Siblings from the leaf up; `None` past the last leaf.
    pub fn path(&self, index: u32) -> Option<Vec<Digest>> {
        let index = index as usize;
        (index < self.tree.leaves_len())
            .then(|| self.tree.proof(&[index]).proof_hashes().iter().map(|&hash| Digest(hash)).collect())
    }
}

/// Whether the leaf hash is at `index` of `leaf_count` leaves under `root`. The path must have exactly the length that
/// this position has.
pub fn verify_path(root: &Digest, leaf: &Digest, index: u32, leaf_count: u32, path: &[Digest]) -> bool {
    if index >= leaf_count {
        return false;
    }
    let (mut position, mut last) = (index, leaf_count - 1);
    let mut hash = leaf.0;
    for sibling in path {
        if last == 0 {
            return false;
        }
        if position % 2 == 1 || position == last {
            hash = node(&sibling.0, &hash);
            // A node without neighbour was promoted until it became a right child.
            while position % 2 == 0 && position != 0 {
                position /= 2;
                last /= 2;
            }
        } else {
            hash = node(&hash, &sibling.0);
        }
        position /= 2;
        last /= 2;
    }
    last == 0 && hash == root.0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn leaves(count: u32) -> Vec<Digest> {
        (0..count).map(|i| Digest(Sha256::digest(i.to_le_bytes()).into())).collect()
    }

    /// RFC 6962, section 2.1: split at the largest power of two below n.
    fn root_by_definition(leaves: &[Digest]) -> [u8; 32] {
        if leaves.len() == 1 {
            return leaves[0].0;
        }
        let split = leaves.len().next_power_of_two() / 2;
        node(&root_by_definition(&leaves[..split]), &root_by_definition(&leaves[split..]))
    }

    /// RFC 6962, section 2.1.1.
    fn path_by_definition(index: usize, leaves: &[Digest]) -> Vec<Digest> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let split = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(split);
        let (mut path, sibling) = if index < split {
            (path_by_definition(index, left), root_by_definition(right))
        } else {
            (path_by_definition(index - split, right), root_by_definition(left))
        };
        path.push(Digest(sibling));
        path
    }

    #[test]
    fn shape_and_paths_are_those_of_rfc_6962() {
        for count in 1..=70 {
            let leaves = leaves(count);
            let tree = MerkleTree::new(&leaves).unwrap();
            let root = tree.root();
            assert_eq!(root.0, root_by_definition(&leaves), "{count} leaves");
            for index in 0..count {
                let path = tree.path(index).unwrap();
                assert_eq!(path, path_by_definition(index as usize, &leaves), "leaf {index} of {count}");
                // Exactly one position and one length is accepted.
                for position in 0..count + 2 {
                    let accepted = verify_path(&root, &leaves[index as usize], position, count, &path);
                    assert_eq!(accepted, position == index, "leaf {index} of {count} at {position}");
                }
                let mut longer = path.clone();
                longer.push(root);
                assert!(!verify_path(&root, &leaves[index as usize], index, count, &longer));
                if let Some((_, shorter)) = path.split_last() {
                    assert!(!verify_path(&root, &leaves[index as usize], index, count, shorter));
                    assert!(!verify_path(&root, &leaves[index as usize], index, count, &path[1..]));
                }
            }
            assert!(tree.path(count).is_none());
        }
        assert!(MerkleTree::new(&[]).is_none());
    }

    #[test]
    fn why_paths_are_checked_here() {
        let leaves = leaves(5);
        let tree = MerkleTree::new(&leaves).unwrap();
        let mut path: Vec<[u8; 32]> = tree.path(2).unwrap().iter().map(|hash| hash.0).collect();
        path.push([7; 32]);
        let proof = rs_merkle::MerkleProof::<Rfc6962>::new(path.clone());
        assert!(proof.verify(tree.root().0, &[2], &[leaves[2].0], 5), "rs_merkle refuses surplus hashes by now");
        let path: Vec<Digest> = path.into_iter().map(Digest).collect();
        assert!(!verify_path(&tree.root(), &leaves[2], 2, 5, &path));
    }

    /// By pymerkle 7.0.0 (`InmemoryTree(algorithm="sha256")`) over the entries `entry 0`, `entry 1`, ...
    const PYMERKLE: &[(u32, &str)] = &[
        (1, "773885a613489e24ce2cf76199d6a423f042e4bbf12d7eecee912ef276c65701"),
        (2, "5a47662fd8a317d96049a3f9f47c55dc67ca66051baa3683dbb19b2fe09a07b0"),
        (3, "94fbd0dd836f50301692e6d0eade728ee19ec52bfff1606ed807c8575d5aaa19"),
        (5, "7caa345dbd892a66454d6c6512ea3c3ea3f0d3ec21be3fc2e2375705fd38f672"),
        (7, "98c97f0ba3175cd08b031dd084b9dc4e649b64d1a28e6ea694646503173ab587"),
        (8, "b69732ce5c914162ca9accfaf4e95d3f9874d68805437088aaff184a4db96773"),
        (9, "240d9bb6a55f0cb375b5d008251e7145458b7b1adc8463ab8fef76fd14f75f6b"),
        (31, "684159040cbddb2eb7e472046204eb3c3a97eb6e2d9add0aa8d99cbee55ba871"),
        (45, "a83582f4177f7fb0944dec96b0a26b1ea38f20f759e4ecec4943025a2ade8481"),
        (67, "13a383bf5f4e3156edcfbfeb676b1c80ae0eb1d726a06ffe0e787e5961025fa1"),
    ];

    #[test]
    fn known_answers_from_pymerkle() {
        for &(count, root) in PYMERKLE {
            let leaves: Vec<Digest> =
                (0..count).map(|i| Digest(Sha256::digest(format!("\0entry {i}")).into())).collect();
            assert_eq!(MerkleTree::new(&leaves).unwrap().root().to_string(), root, "{count} leaves");
        }
    }
}
