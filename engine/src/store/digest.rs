//! SHA-256 of files, and the digest of a whole model that a proof of inference commits to.
//!
//! The model digest covers the path, size and content of every file that decides the result (see
//! [`ModelLayout::result_files`](super::ModelLayout::result_files)), the number type it is run in and its quantisation:
//!
//! ```text
//! leaf   = SHA-256(0x00 || "infernet/model-file/v1" || u32le(len(path)) || path || u64le(size) || sha256)
//! node   = SHA-256(0x01 || left || right)                      RFC 6962, section 2.1
//! digest = SHA-256("infernet/model/v1" || root || u32le(len(dtype)) || dtype || u32le(len(quantisation)) || quantisation)
//! ```
//!
//! Files are sorted by the bytes of their paths, which have `/` between names. The domain bytes 0x00 and 0x01 keep a
//! node from passing for a leaf; in a tree of RFC 6962 no leaf is ever doubled, so no two file lists share a root.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use rs_merkle::{Hasher, MerkleTree};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::cancel::Cancel;
use super::error::StoreError;
use super::names::RelPath;

const LEAF_DOMAIN: &[u8] = b"infernet/model-file/v1";
const MODEL_DOMAIN: &[u8] = b"infernet/model/v1";

/// How much of a file is read at once while hashing.
pub(crate) const READ_CHUNK: usize = 1 << 20;

/// A SHA-256 digest; shown and stored as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Digest(pub [u8; 32]);

impl Sha256Digest {
    /// Reads 64 hexadecimal digits of either case; `None` for anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256Digest({self})")
    }
}

impl TryFrom<String> for Sha256Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::from_hex(&text).ok_or_else(|| "a SHA-256 has 64 hexadecimal digits".into())
    }
}

impl From<Sha256Digest> for String {
    fn from(digest: Sha256Digest) -> Self {
        digest.to_string()
    }
}

/// A file of a model with its size and digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// Path inside the model folder.
    pub path: RelPath,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content.
    pub sha256: Sha256Digest,
}

/// SHA-256 of a file. `on_bytes` gets the number of bytes read so far.
///
/// # Errors
/// [`StoreError::Io`] when the file can't be read, [`StoreError::Cancelled`] when `cancel` is set meanwhile.
pub fn file_sha256(path: &Path, cancel: &Cancel, mut on_bytes: impl FnMut(u64)) -> Result<Sha256Digest, StoreError> {
    let mut file = File::open(path).map_err(|source| StoreError::io("open", path, source))?;
    let mut hasher = Sha256::new();
    hash_into(&mut hasher, &mut file, path, cancel, &mut on_bytes)?;
    Ok(Sha256Digest(hasher.finalize().into()))
}

/// Feeds all of `reader` to a hasher and returns how many bytes that were.
pub(crate) fn hash_into(
    hasher: &mut Sha256,
    reader: &mut impl Read,
    path: &Path,
    cancel: &Cancel,
    on_bytes: &mut impl FnMut(u64),
) -> Result<u64, StoreError> {
    let mut buffer = vec![0; READ_CHUNK];
    let mut total = 0;
    loop {
        cancel.check()?;
        let read = match reader.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(StoreError::io("read", path, source)),
        };
        if read == 0 {
            return Ok(total);
        }
        hasher.update(&buffer[..read]);
        total += read as u64;
        on_bytes(total);
    }
}

/// The digest of a model: its files, the number type it is run in (`"f32"`, `"f16"`, `"bf16"`) and its quantisation
/// (`"none"` where there is none). The order of `files` does not matter.
///
/// # Errors
/// [`StoreError::NotAModel`] when there are no files or one path is there twice: no model has such a digest.
pub fn model_digest(files: &[FileDigest], dtype: &str, quantisation: &str) -> Result<[u8; 32], StoreError> {
    let mut sorted: Vec<&FileDigest> = files.iter().collect();
    sorted.sort_by(|a, b| a.path.as_str().as_bytes().cmp(b.path.as_str().as_bytes()));
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0].path == pair[1].path) {
        return Err(StoreError::NotAModel {
            path: twice[0].path.as_str().into(),
            reason: "this file is listed twice".into(),
        });
    }
    let leaves: Vec<[u8; 32]> = sorted.iter().map(|file| leaf_hash(file)).collect();
    let root = merkle_root(&leaves).ok_or_else(|| StoreError::NotAModel {
        path: ".".into(),
        reason: "there are no files to make a digest of".into(),
    })?;
    let mut hasher = Sha256::new();
    hasher.update(MODEL_DOMAIN);
    hasher.update(root);
    for text in [dtype, quantisation] {
        update_with_length(&mut hasher, text);
    }
    Ok(hasher.finalize().into())
}

fn leaf_hash(file: &FileDigest) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    hasher.update(LEAF_DOMAIN);
    update_with_length(&mut hasher, file.path.as_str());
    hasher.update(file.size.to_le_bytes());
    hasher.update(file.sha256.0);
    hasher.finalize().into()
}

fn update_with_length(hasher: &mut Sha256, text: &str) {
    // Paths are bounded by RelPath, dtype and quantisation are our own words: none comes near 4 GiB.
    hasher.update((text.len() as u32).to_le_bytes());
    hasher.update(text.as_bytes());
}

/// The root of a tree in the shape of RFC 6962 over leaf hashes; `None` for no leaves.
fn merkle_root(leaves: &[[u8; 32]]) -> Option<[u8; 32]> {
    MerkleTree::<Rfc6962>::from_leaves(leaves).root()
}

/// Nodes as RFC 6962 has them. Pairing level by level and promoting a node that has no neighbour gives the same
/// tree as splitting at the largest power of two (tested below against that definition).
#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        Sha256::digest(data).into()
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        let Some(right) = right else { return *left };
        let mut hasher = Sha256::new();
        hasher.update([0x01]);
        hasher.update(left);
        hasher.update(right);
        hasher.finalize().into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6962, section 2.1, word by word: split at the largest power of two below n.
    fn root_by_definition(leaves: &[[u8; 32]]) -> [u8; 32] {
        if leaves.len() == 1 {
            return leaves[0];
        }
        let mut split = 1;
        while split * 2 < leaves.len() {
            split *= 2;
        }
        let mut hasher = Sha256::new();
        hasher.update([0x01]);
        hasher.update(root_by_definition(&leaves[..split]));
        hasher.update(root_by_definition(&leaves[split..]));
        hasher.finalize().into()
    }

    #[test]
    fn the_tree_has_the_shape_of_rfc_6962_for_every_size() {
        let leaves: Vec<[u8; 32]> = (0..300_u32).map(|i| Sha256::digest(i.to_le_bytes()).into()).collect();
        for count in 1..=leaves.len() {
            assert_eq!(merkle_root(&leaves[..count]).unwrap(), root_by_definition(&leaves[..count]), "{count} leaves");
        }
        assert_eq!(merkle_root(&[]), None);
    }

    fn sample(count: usize) -> Vec<FileDigest> {
        (0..count)
            .map(|i| FileDigest {
                path: RelPath::parse(&format!("part{}/file-{i}.bin", i % 3)).unwrap(),
                size: (i * 1_000_003) as u64,
                sha256: Sha256Digest(Sha256::digest(format!("content {i}")).into()),
            })
            .collect()
    }

    /// Made with Python's hashlib by a recursive implementation that shares no code with this one
    /// (`split = 1 << (n - 1).bit_length() - 1`), over the same sample files.
    const KNOWN: &[(usize, &str, &str, &str)] = &[
        (1, "f32", "none", "f4e01f4b4538b9706aec3975017f528037fb848fdd2c8eb1f6a11011ea2697ef"),
        (2, "f16", "none", "7cff2c97d5b71760fae80207d1e7b384c15c73ceb0df4d78e4c79419ca3c2731"),
        (3, "f16", "none", "3ba9f78a643f81e1d8032233b0370dcb15ea73ef42076c57ee13708d7199beb9"),
        (7, "bf16", "none", "25ce2f601f580c9ce77c265f2a2864af4d99c3ba458cf36d9b6e6d13e42ec304"),
        (13, "f16", "q8_0", "8063b535681ddde57d2375c056dcffc36d6a970dec9758649eafd75ccc55efee"),
        (16, "", "", "0144faf1435dbaf5da25966ab03a08cf236ede34c5976df66a872cb81f7462fe"),
    ];

    #[test]
    fn known_answers_from_an_independent_implementation() {
        for &(count, dtype, quantisation, expected) in KNOWN {
            let digest = Sha256Digest(model_digest(&sample(count), dtype, quantisation).unwrap());
            assert_eq!(digest.to_string(), expected, "{count} files, {dtype}, {quantisation}");
        }
    }

    #[test]
    fn the_digest_depends_on_everything_but_the_order() {
        let files = sample(5);
        let base = model_digest(&files, "f16", "none").unwrap();
        let mut reversed = files.clone();
        reversed.reverse();
        assert_eq!(model_digest(&reversed, "f16", "none").unwrap(), base);
        assert_ne!(model_digest(&files, "f32", "none").unwrap(), base);
        assert_ne!(model_digest(&files, "f16", "q8").unwrap(), base);
        assert_ne!(model_digest(&files, "f16n", "one").unwrap(), base);
        assert_ne!(model_digest(&files[..4], "f16", "none").unwrap(), base);
        let mut changed = files.clone();
        changed[2].size += 1;
        assert_ne!(model_digest(&changed, "f16", "none").unwrap(), base);
        let mut changed = files.clone();
        changed[2].sha256.0[31] ^= 1;
        assert_ne!(model_digest(&changed, "f16", "none").unwrap(), base);
        let mut changed = files.clone();
        changed[2].path = RelPath::parse("else.bin").unwrap();
        assert_ne!(model_digest(&changed, "f16", "none").unwrap(), base);
        assert!(model_digest(&[], "f16", "none").is_err());
        let mut twice = files;
        twice.push(twice[0].clone());
        assert!(model_digest(&twice, "f16", "none").is_err());
    }

    #[test]
    fn a_file_hashes_as_everybody_hashes_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let mut seen = 0;
        let digest = file_sha256(&path, &Cancel::new(), |bytes| seen = bytes).unwrap();
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(seen, 3);
        let cancel = Cancel::new();
        cancel.cancel();
        assert_eq!(file_sha256(&path, &cancel, |_| ()).unwrap_err().code(), "cancelled");
        assert_eq!(file_sha256(&dir.path().join("no"), &Cancel::new(), |_| ()).unwrap_err().code(), "disk.io");
    }

    proptest! {
        #[test]
        fn hex_goes_there_and_back(bytes in any::<[u8; 32]>()) {
            let digest = Sha256Digest(bytes);
            prop_assert_eq!(Sha256Digest::from_hex(&digest.to_string()), Some(digest));
            prop_assert_eq!(Sha256Digest::from_hex(&digest.to_string().to_uppercase()), Some(digest));
        }

        #[test]
        fn other_text_is_no_digest(text in "\\PC{0,70}") {
            if let Some(digest) = Sha256Digest::from_hex(&text) {
                prop_assert_eq!(digest.to_string(), text.to_lowercase());
            }
        }
    }
}
