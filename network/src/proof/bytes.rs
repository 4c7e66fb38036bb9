//! Fixed-width values that are shown and stored as hexadecimal.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::codec::Writer;

macro_rules! hex_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Reads hexadecimal digits of either case; `None` for anything else or another length.
            pub fn from_hex(text: &str) -> Option<Self> {
                let mut bytes = [0; $len];
                read_hex(text, &mut bytes).then_some(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                Self::from_hex(&text).ok_or_else(|| format!("expected {} hexadecimal digits", 2 * $len))
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
    };
}

hex_bytes!(
    /// A SHA-256 digest (or Keccak-256, for prompts that a contract checks).
    Digest,
    32
);
hex_bytes!(
    /// An Ed25519 public key: who somebody is.
    PublicKey,
    32
);
hex_bytes!(
    /// An Ed25519 signature.
    Signature,
    64
);

impl Digest {
    /// 32 zero bytes, where there is nothing to name.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 of a domain tag and parts. Parts are fixed-width or carry their length, so that no two inputs run together.
    pub(crate) fn tagged(tag: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(tag);
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// Like [`tagged`](Self::tagged), of what `write` writes.
    pub(crate) fn of(tag: &str, write: impl FnOnce(&mut Writer)) -> Self {
        let mut out = Writer::default();
        write(&mut out);
        Self::tagged(tag, &[&out.finish()])
    }
}

fn read_hex(text: &str, out: &mut [u8]) -> bool {
    let digits = text.as_bytes();
    digits.len() == 2 * out.len()
        && out.iter_mut().zip(digits.as_chunks::<2>().0).all(|(byte, pair)| {
            let digit = |d: u8| char::from(d).to_digit(16);
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else { return false };
            // Two digits are below 256.
            *byte = (high * 16 + low) as u8;
            true
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hex_goes_there_and_back(bytes in any::<[u8; 32]>()) {
            let digest = Digest(bytes);
            prop_assert_eq!(Digest::from_hex(&digest.to_string()), Some(digest));
            prop_assert_eq!(Digest::from_hex(&digest.to_string().to_uppercase()), Some(digest));
        }

        #[test]
        fn other_text_is_refused(text in "\\PC{0,70}") {
            if let Some(digest) = Digest::from_hex(&text) {
                prop_assert_eq!(digest.to_string(), text.to_lowercase());
            }
        }
    }
}
