//! Statements with a signature: Ed25519 over a domain tag and the canonical encoding.

use ed25519_dalek::{Signature as DalekSignature, Signer, SigningKey, VerifyingKey};

use super::bytes::{PublicKey, Signature};
use super::codec::{Reader, Writer};
use super::error::DecodeError;

/// Something one party says.
pub trait Signable: Sized {
    /// Domain tag; no tag is the beginning of another.
    const DOMAIN: &'static str;

    /// Who says it. The key is a part of the statement.
    fn signer(&self) -> &PublicKey;

    /// The canonical encoding: fixed-width, or carrying its own length.
    fn canonical_bytes(&self) -> Vec<u8>;
}

/// A statement and its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T> {
    /// Statement.
    pub body: T,
    /// Signature by [`Signable::signer`].
    pub signature: Signature,
}

/// A statement in another party's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the statement names {named} as its signer, and the key at hand is {own}; sign with the named key")]
pub struct WrongKey {
    /// Key in the statement.
    pub named: PublicKey,
    /// Key given.
    pub own: PublicKey,
}

impl<T: Signable> Signed<T> {
    /// Signs a statement.
    ///
    /// # Errors
    /// The key is not the one the statement names.
    pub fn sign(body: T, key: &SigningKey) -> Result<Self, WrongKey> {
        let own = public_key(key);
        if body.signer() != &own {
            return Err(WrongKey { named: *body.signer(), own });
        }
        let signature = Signature(key.sign(&message(&body)).to_bytes());
        Ok(Self { body, signature })
    }

    /// Whether the named signer signed this. Strict: no weak keys, no second form of a signature.
    pub fn verify(&self) -> bool {
        let signature = DalekSignature::from_bytes(&self.signature.0);
        VerifyingKey::from_bytes(&self.body.signer().0)
            .is_ok_and(|key| key.verify_strict(&message(&self.body), &signature).is_ok())
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.raw(&self.body.canonical_bytes()).raw(&self.signature.0);
    }

    pub(crate) fn read(
        reader: &mut Reader<'_>,
        body: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<Self, DecodeError> {
        Ok(Self { body: body(reader)?, signature: reader.signature("signature")? })
    }

    /// Statement and signature, one after the other.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.write(&mut out);
        out.finish()
    }
}

/// The public half.
pub(crate) fn public_key(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

impl From<&SigningKey> for PublicKey {
    fn from(key: &SigningKey) -> Self {
        public_key(key)
    }
}

fn message<T: Signable>(body: &T) -> Vec<u8> {
    let mut out = Writer::default();
    out.raw(T::DOMAIN.as_bytes()).raw(&body.canonical_bytes());
    out.finish()
}
