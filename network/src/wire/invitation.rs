//! `infernet://join/...`: all that a node needs to find a private network and be let in.
//!
//! The payload is base58 (the alphabet of Bitcoin: no 0, O, I or l) of: version (one byte, 1), CBOR in canonical form, and the
//! first four bytes of SHA-256 over both, so that a slip of the keyboard is told from an invitation that has changed.

use std::fmt;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize;

use super::body::Body;
use super::canonical;
use super::chain::NetworkChain;
use super::error::WireError;
use super::field::{Fields, Fixed, fixed, fixed_bytes, list};
use crate::proof::{Digest, PublicKey};

/// The pre-shared key of a private swarm: who does not have it can't speak to any node. A secret; `Debug` never shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SwarmKey(#[serde(with = "fixed")] Key);

#[derive(Clone, PartialEq, Eq)]
struct Key([u8; 32]);

fixed_bytes!(Key: 32);

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl SwarmKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Key(bytes))
    }

    /// The secret.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0.0
    }

    /// What two people can compare: the first 8 bytes of SHA-256 over a tag and the key, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::new().chain_update("infernet/swarm-key/v1").chain_update(self.expose()).finalize();
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for SwarmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SwarmKey(fingerprint {})", self.fingerprint())
    }
}

/// The way into a network. Whoever holds one with a swarm key can join: treat it like the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Which network.
    #[serde(with = "fixed")]
    pub network: Digest,
    /// Its name, for people; at most 64 bytes.
    pub name: String,
    /// The validator that keeps the ledger.
    #[serde(with = "fixed")]
    pub validator: PublicKey,
    /// Where to begin: multiaddresses that end in `/p2p/...`, at most 16 of at most 256 bytes.
    #[serde(deserialize_with = "list::<_, _, { Invitation::MAX_ADDRESSES }>")]
    pub bootstrap: Vec<String>,
    /// The pre-shared key, where the swarm has one.
    pub swarm_key: Option<SwarmKey>,
    /// The contract that settles its jobs, where they are settled on a chain and not by the validator's ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<NetworkChain>,
}

/// A text that is no invitation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// Something else.
    #[error("an invitation begins with `{PREFIX}`, this begins with {found:?}; copy the whole link")]
    Prefix {
        /// Its beginning.
        found: String,
    },
    /// Too long.
    #[error("this link has {chars} characters, an invitation has at most {limit}", limit = Invitation::MAX_URI_CHARS)]
    TooLong {
        /// Its length.
        chars: usize,
    },
    /// A character that base58 does not have.
    #[error("the invitation has a character that can't be in one at position {position}; copy the whole link again")]
    Character {
        /// Counted from the beginning of the link.
        position: usize,
    },
    /// A character is missing or wrong.
    #[error("the invitation's checksum does not hold: a part is missing or mistyped; copy the whole link again")]
    Checksum,
    /// From a later program.
    #[error("the invitation has version {found}, this program reads {VERSION}; update InferNet")]
    Version {
        /// Version found.
        found: u8,
    },
    /// The content is wrong although the checksum holds.
    #[error("the invitation can't be used: {0}; ask for a new one")]
    Content(#[from] WireError),
}

impl InvitationError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Prefix { .. } => "invitation.prefix",
            Self::TooLong { .. } => "invitation.too_long",
            Self::Character { .. } => "invitation.character",
            Self::Checksum => "invitation.checksum",
            Self::Version { .. } => "invitation.version",
            Self::Content(_) => "invitation.content",
        }
    }
}

const PREFIX: &str = "infernet://join/";
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
const MAX_BODY_BYTES: u32 = 6 << 10;

impl Invitation {
    /// Longest link: base58 makes 1.37 characters of a byte.
    pub const MAX_URI_CHARS: usize = 9 << 10;
    /// Most bootstrap addresses.
    pub const MAX_ADDRESSES: usize = 16;

    /// The link.
    ///
    /// # Errors
    /// A field above its bound.
    pub fn to_uri(&self) -> Result<String, WireError> {
        let mut bytes = vec![VERSION];
        bytes.extend(canonical::encode("Invitation", self, MAX_BODY_BYTES)?);
        let checksum = checksum(&bytes);
        bytes.extend(checksum);
        Ok(format!("{PREFIX}{}", bs58::encode(bytes).into_string()))
    }

    /// Reads a link; white space around it is fine.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvitationError> {
        let text = text.trim();
        let Some(payload) = text.strip_prefix(PREFIX) else {
            return Err(InvitationError::Prefix { found: text.chars().take(PREFIX.len()).collect() });
        };
        if text.len() > Self::MAX_URI_CHARS {
            return Err(InvitationError::TooLong { chars: text.len() });
        }
        let bytes = bs58::decode(payload).into_vec().map_err(|error| InvitationError::Character {
            position: PREFIX.len()
                + match error {
                    bs58::decode::Error::InvalidCharacter { index, .. }
                    | bs58::decode::Error::NonAsciiCharacter { index } => index,
                    _ => 0,
                },
        })?;
        let (content, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(InvitationError::Checksum)?;
        if checksum(content) != *sum {
            return Err(InvitationError::Checksum);
        }
        match content {
            [VERSION, body @ ..] if body.len() <= MAX_BODY_BYTES as usize => Ok(canonical::decode("Invitation", body)?),
            [VERSION, ..] => Err(InvitationError::TooLong { chars: text.len() }),
            [found, ..] => Err(InvitationError::Version { found: *found }),
            [] => Err(InvitationError::Checksum),
        }
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}

impl Body for Invitation {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        let fields = Fields(message);
        fields.text("name", &self.name, 64)?;
        fields.at_most("bootstrap", self.bootstrap.len(), Self::MAX_ADDRESSES)?;
        for address in &self.bootstrap {
            fields.text("bootstrap address", address, 256)?;
            let parsed = address.parse::<Multiaddr>();
            let named = parsed.is_ok_and(|address| matches!(address.iter().last(), Some(Protocol::P2p(_))));
            let expected = || "a multiaddress that ends in /p2p/ and the peer's id".to_owned();
            fields.that(named, "bootstrap address", || address.clone(), expected)?;
        }
        self.chain.as_ref().map_or(Ok(()), |chain| chain.check(fields))
    }
}
