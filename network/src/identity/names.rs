//! One key, two names.

use libp2p::PeerId;
use libp2p::identity::{self, ed25519};

use crate::proof::PublicKey;

/// libp2p's name of a key; `None` where the bytes are no point of the curve.
pub fn peer_id(key: &PublicKey) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(&key.0).ok()?;
    Some(identity::PublicKey::from(key).to_peer_id())
}

/// The key in a peer id; `None` where it is not an Ed25519 one. Ids of these contain the key itself (identity multihash).
pub fn public_key(peer: &PeerId) -> Option<PublicKey> {
    const IDENTITY_MULTIHASH: u64 = 0;
    let hash = peer.as_ref();
    if hash.code() != IDENTITY_MULTIHASH {
        return None;
    }
    let key = identity::PublicKey::try_decode_protobuf(hash.digest()).ok()?;
    Some(PublicKey(key.try_into_ed25519().ok()?.to_bytes()))
}
