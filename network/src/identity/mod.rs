//! Who a node is: one Ed25519 key. libp2p's peer id, the miner's id and the ledger's account are all its public half.
//!
//! The secret is a seed of 32 bytes from the operating system's generator. A [`Keeper`] stores it in the system's
//! keychain, in a file under a passphrase (Argon2id, XChaCha20-Poly1305), or, on rigs that start unattended, in a file
//! that only its owner may read: whoever can read that file, a backup or the disk is then this node. A [`Phrase`] of 24
//! words (BIP-39) is the same seed on paper. An identity with money on it is never overwritten unasked.

mod atomic;
mod error;
mod file;
mod keeper;
mod key;
mod names;
mod phrase;

pub(crate) use atomic::{Mode, write_atomically};
pub use error::IdentityError;
pub use file::KdfCost;
pub use keeper::{Keeper, Overwrite, Passphrase};
pub use key::Identity;
pub use names::{peer_id, public_key};
pub use phrase::Phrase;
