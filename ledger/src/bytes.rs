//! Fixed-width values that are shown and stored as hexadecimal, and hashes with domain tags.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Text that is not the hexadecimal form of a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {digits} hexadecimal digits; `{found}` is not (check that it was copied whole)")]
pub struct HexError {
    /// What was to be read.
    pub what: &'static str,
    /// How many digits it has.
    pub digits: usize,
    /// What was given, shortened.
    pub found: String,
}

macro_rules! hex_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; $len]);

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

        impl FromStr for $name {
            type Err = HexError;

            /// Reads hexadecimal digits of either case.
            fn from_str(text: &str) -> Result<Self, HexError> {
                let read = read_hex(text, $len).and_then(|bytes| bytes.try_into().ok());
                let shortened = || text.chars().take(80).collect();
                read.map(Self).ok_or_else(|| HexError { what: $what, digits: 2 * $len, found: shortened() })
            }
        }

        impl TryFrom<String> for $name {
            type Error = HexError;

            fn try_from(text: String) -> Result<Self, HexError> {
                text.parse()
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
    /// Who holds an account: an Ed25519 public key, the same that names the peer and the miner.
    AccountId,
    32,
    "an account"
);
hex_bytes!(
    /// A SHA-256 digest.
    Digest,
    32,
    "a digest"
);
hex_bytes!(
    /// The random name of a job, chosen by its requester.
    JobId,
    16,
    "a job's id"
);
hex_bytes!(
    /// The name of an entry: follows from what it is about, so that the same thing can't be entered twice.
    EntryId,
    16,
    "an entry's id"
);
hex_bytes!(
    /// An Ed25519 signature.
    Signature,
    64,
    "a signature"
);

impl Digest {
    /// 32 zero bytes: what comes before the first entry.
    pub const ZERO: Self = Self([0; 32]);
}

/// SHA-256 of a domain tag and one byte string.
pub(crate) fn tagged(tag: &str, bytes: &[u8]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(tag);
    hasher.update(bytes);
    Digest(hasher.finalize().into())
}

/// Lower-case hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Reads exactly `len` bytes of hexadecimal digits.
fn read_hex(text: &str, len: usize) -> Option<Vec<u8>> {
    (text.len() == 2 * len).then(|| from_hex(text)).flatten()
}

/// Reads hexadecimal digits of either case.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    // Two digits are below 256.
    let bytes = pairs.iter().map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8)).collect();
    if rest.is_empty() { bytes } else { None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn errors_say_what_was_expected() {
        let error = "12".parse::<AccountId>().unwrap_err().to_string();
        assert!(error.starts_with("an account is 64 hexadecimal digits; `12` is not"), "{error}");
        assert!("zz".repeat(32).parse::<AccountId>().is_err());
        assert!("é".repeat(16).parse::<JobId>().is_err());
    }

    proptest! {
        #[test]
        fn hex_goes_there_and_back(bytes in any::<[u8; 32]>()) {
            let id = AccountId(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
            prop_assert_eq!(from_hex(&to_hex(&bytes)), Some(bytes.to_vec()));
        }

        #[test]
        fn other_text_is_refused(text in "\\PC{0,70}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text.to_lowercase());
            }
        }
    }
}
