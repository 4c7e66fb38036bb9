//! SHA-256 with a domain tag.

use infernet_network::proof::Digest;
use sha2::{Digest as _, Sha256};

/// `SHA-256(tag || bytes)`.
pub(crate) fn hash(tag: &str, bytes: &[u8]) -> Digest {
    Digest(Sha256::new().chain_update(tag).chain_update(bytes).finalize().into())
}
