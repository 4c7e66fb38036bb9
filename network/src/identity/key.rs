//! The key.

use std::fmt;

use libp2p::PeerId;
use libp2p::identity::{Keypair, ed25519};
use zeroize::{Zeroize, Zeroizing};

use super::error::IdentityError;
use super::phrase::Phrase;
use crate::proof::{PublicKey, SigningKey};

/// A node's identity. The secret is wiped from memory at the end; `Debug` shows the public half alone.
#[derive(Clone)]
pub struct Identity {
    seed: Zeroizing<[u8; 32]>,
    public: PublicKey,
}

impl Identity {
    /// A new one, from the operating system's generator.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn generate() -> Result<Self, IdentityError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|error| IdentityError::Random(error.to_string()))?;
        Ok(Self::from_seed(&seed))
    }

    /// The identity of a seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let public = PublicKey::from(&SigningKey::from_bytes(seed));
        Self { seed: Zeroizing::new(*seed), public }
    }

    /// The identity of a phrase.
    pub fn from_phrase(phrase: &Phrase) -> Self {
        Self::from_seed(&phrase.seed())
    }

    /// The backup on paper. Who has it is this node.
    pub fn phrase(&self) -> Phrase {
        Phrase::of(&self.seed)
    }

    /// For signatures of the proof and the ledger.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.seed)
    }

    /// For libp2p.
    pub fn keypair(&self) -> Keypair {
        let mut seed = *self.seed;
        let secret = ed25519::SecretKey::try_from_bytes(&mut seed[..]);
        seed.zeroize();
        // Any 32 bytes are an Ed25519 seed.
        #[allow(clippy::expect_used)]
        Keypair::from(ed25519::Keypair::from(secret.expect("a seed of 32 bytes")))
    }

    /// Who this is.
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Who this is for libp2p.
    pub fn peer_id(&self) -> PeerId {
        self.keypair().public().to_peer_id()
    }

    pub(super) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.public)
    }
}
