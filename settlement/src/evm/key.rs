//! The account on the chain.

use std::fmt;

use alloy::primitives::{Address, B256, keccak256};
use alloy::signers::SignerSync as _;
use alloy::signers::local::PrivateKeySigner;
use zeroize::Zeroizing;

use crate::error::SettlementError;

const DERIVATION_TAG: &[u8] = b"infernet/evm-key/v1";

/// A secp256k1 key. `Debug` shows the address only.
#[derive(Clone)]
pub struct EvmKey(PrivateKeySigner);

impl EvmKey {
    /// The key that belongs to an identity: `keccak256("infernet/evm-key/v1" || u32 counter || seed)`, big-endian, the counter
    /// from 0 up to the first value that is a key (the first one but for one seed in 2^127). So the identity's 24 words are a backup of
    /// the money, too, and there is one key file. Keccak is one-way and the tag is used nowhere else: who learns this key learns nothing
    /// of the identity.
    pub fn derive(identity_seed: &[u8; 32]) -> Self {
        let mut message = Zeroizing::new([0u8; 19 + 4 + 32]);
        message[..19].copy_from_slice(DERIVATION_TAG);
        message[23..].copy_from_slice(identity_seed);
        let mut counter = 0u32;
        loop {
            message[19..23].copy_from_slice(&counter.to_be_bytes());
            let secret = Zeroizing::new(keccak256(message.as_ref()).0);
            if let Ok(signer) = PrivateKeySigner::from_bytes(&B256::from(*secret)) {
                return Self(signer);
            }
            counter = counter.wrapping_add(1);
        }
    }

    /// A key from elsewhere: 64 hexadecimal digits, with or without `0x`.
    ///
    /// # Errors
    /// It is no key. The text is not repeated in the error.
    pub fn from_hex(text: &str) -> Result<Self, SettlementError> {
        let bad = |reason: &str| SettlementError::Key { reason: reason.to_owned() };
        let digits = text.trim().trim_start_matches("0x");
        if digits.len() != 64 {
            return Err(bad("it does not have 64 hexadecimal digits"));
        }
        let mut secret = Zeroizing::new([0u8; 32]);
        alloy::hex::decode_to_slice(digits, secret.as_mut()).map_err(|_| bad("it is not hexadecimal"))?;
        let signer = PrivateKeySigner::from_bytes(&B256::from(*secret));
        signer.map(Self).map_err(|_| bad("it is zero, or not below the order of the curve"))
    }

    /// The account.
    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// Signs a digest: 65 bytes, r, s (low), v (27 or 28).
    ///
    /// # Errors
    /// The signer fails, which a key in memory does not.
    pub fn sign(&self, digest: B256) -> Result<[u8; 65], SettlementError> {
        let signature = self.0.sign_hash_sync(&digest);
        signature.map(|s| s.as_bytes()).map_err(|error| SettlementError::Key { reason: error.to_string() })
    }

    pub(crate) fn signer(&self) -> &PrivateKeySigner {
        &self.0
    }
}

impl fmt::Debug for EvmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EvmKey({})", self.address())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bad_keys_are_refused_and_never_shown() {
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        for text in ["", "12", &"0".repeat(64), order, &"g".repeat(64)] {
            let error = EvmKey::from_hex(text).unwrap_err();
            assert_eq!(error.code(), "chain.key");
            assert!(text.len() < 3 || !error.to_string().contains(text));
        }
        let key = EvmKey::from_hex(&format!("0x{}1", "0".repeat(63))).unwrap();
        assert_eq!(format!("{key:?}"), "EvmKey(0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf)");
    }
}
