//! Key files. All integers are little-endian.
//!
//! | encrypted, 140 bytes | plain, 72 bytes |
//! |---|---|
//! | `infkey1e` | `infkey1p` |
//! | Argon2id: u32 memory in KiB, u32 passes, u32 lanes | public key, 32 bytes |
//! | salt, 16 bytes | seed, 32 bytes |
//! | nonce, 24 bytes | |
//! | public key, 32 bytes | |
//! | XChaCha20-Poly1305 of the seed, all of the above authenticated | |
//!
//! The public key tells damage from a wrong file, and shows whose key it is without the passphrase.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::atomic::{Mode, write_atomically};
use super::error::IdentityError;
use super::key::Identity;
use crate::proof::PublicKey;

const ENCRYPTED: &[u8; 8] = b"infkey1e";
const PLAIN: &[u8; 8] = b"infkey1p";
const HEADER_LEN: usize = 8 + 12 + 16 + 24 + 32;
const ENCRYPTED_LEN: usize = HEADER_LEN + 32 + 16;
const PLAIN_LEN: usize = 8 + 32 + 32;
/// Nothing of ours is longer.
const MAX_FILE_BYTES: u64 = 4096;

/// What a guess at the passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl KdfCost {
    /// RFC 9106, section 4, second recommended option: 64 MiB, 3 passes, 4 lanes.
    pub const RECOMMENDED: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: 4 };
    /// The most that a file may ask for: a changed file must not take the machine's memory or the user's day.
    pub const MOST: Self = Self { memory_kib: 1 << 20, passes: 16, lanes: 16 };

    fn is_bearable(self) -> bool {
        self.memory_kib <= Self::MOST.memory_kib && self.passes <= Self::MOST.passes && self.lanes <= Self::MOST.lanes
    }
}

pub(super) fn encode_plain(identity: &Identity) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(PLAIN_LEN));
    bytes.extend(PLAIN);
    bytes.extend(identity.public_key().0);
    bytes.extend(identity.seed());
    bytes
}

pub(super) fn encode_encrypted(identity: &Identity, passphrase: &str, cost: KdfCost) -> Result<Vec<u8>, IdentityError> {
    let mut random = [0; 16 + 24];
    getrandom::fill(&mut random).map_err(|error| IdentityError::Random(error.to_string()))?;
    let mut bytes = Vec::with_capacity(ENCRYPTED_LEN);
    bytes.extend(ENCRYPTED);
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(random);
    bytes.extend(identity.public_key().0);
    let (salt, nonce) = random.split_at(16);
    let mut xnonce = [0; 24];
    xnonce.copy_from_slice(nonce);
    let key = derive(passphrase, salt, cost)?;
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    let sealed = cipher
        .encrypt(&XNonce::from(xnonce), Payload { msg: identity.seed(), aad: &bytes })
        .map_err(|_| IdentityError::Derivation("the cipher refuses".to_owned()))?;
    bytes.extend(sealed);
    Ok(bytes)
}

/// Reads either kind.
pub(super) fn decode(path: &Path, bytes: &[u8], passphrase: Option<&str>) -> Result<Identity, IdentityError> {
    let damaged = |reason: &str| IdentityError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or_else(|| damaged("it is cut off"))?;
    let identity = match (magic, passphrase) {
        (PLAIN, Some(_)) => return Err(IdentityError::NotEncrypted { path: path.to_owned() }),
        (PLAIN, None) => {
            let rest: &[u8; PLAIN_LEN - 8] =
                rest.try_into().map_err(|_| damaged(&format!("it has {} bytes, {PLAIN_LEN} expected", bytes.len())))?;
            let (public, seed) = rest.split_at(32);
            (public.to_vec(), Identity::from_seed(&array(seed)))
        }
        (ENCRYPTED, None) => return Err(IdentityError::NeedsPassphrase { path: path.to_owned() }),
        (ENCRYPTED, Some(passphrase)) => {
            if bytes.len() != ENCRYPTED_LEN {
                return Err(damaged(&format!("it has {} bytes, {ENCRYPTED_LEN} expected", bytes.len())));
            }
            let (header, sealed) = bytes.split_at(HEADER_LEN);
            let number = |at: usize| u32::from_le_bytes(array(&header[at..at + 4]));
            let cost = KdfCost { memory_kib: number(8), passes: number(12), lanes: number(16) };
            if !cost.is_bearable() {
                return Err(damaged(&format!("it asks for {cost:?}, at most {:?} is borne", KdfCost::MOST)));
            }
            let key = derive(passphrase, &header[20..36], cost)?;
            let cipher = XChaCha20Poly1305::new(&Key::from(*key));
            let seed = cipher
                .decrypt(&XNonce::from(array::<24>(&header[36..60])), Payload { msg: sealed, aad: header })
                .map_err(|_| IdentityError::WrongPassphrase { path: path.to_owned() })?;
            let seed = Zeroizing::new(seed);
            (header[60..92].to_vec(), Identity::from_seed(&array(&seed)))
        }
        _ => return Err(damaged("it is not a key file of InferNet")),
    };
    let (public, identity) = identity;
    if public != identity.public_key().0 {
        return Err(damaged("its public key is not that of its seed"));
    }
    Ok(identity)
}

/// Whose key a file holds, without opening it.
pub(super) fn public_key(bytes: &[u8]) -> Option<PublicKey> {
    let at = match bytes.first_chunk::<8>()? {
        ENCRYPTED => 60,
        PLAIN => 8,
        _ => return None,
    };
    Some(PublicKey(bytes.get(at..at + 32)?.try_into().ok()?))
}

fn derive(passphrase: &str, salt: &[u8], cost: KdfCost) -> Result<Zeroizing<[u8; 32]>, IdentityError> {
    let failed = |error: argon2::Error| IdentityError::Derivation(error.to_string());
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(failed)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut())
        .map_err(failed)?;
    Ok(key)
}

/// Callers give slices of this very length.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(bytes);
    out
}

/// Reads a key file that others may not read.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let disk = |action, reason| IdentityError::Disk { action, path: path.to_owned(), reason };
    let file = File::open(path).map_err(|reason| match reason.kind() {
        io::ErrorKind::NotFound => IdentityError::Missing { place: path.display().to_string() },
        _ => disk("open", reason),
    })?;
    check_permissions(path, &file)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(ENCRYPTED_LEN + 1));
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(|reason| disk("read", reason))?;
    Ok(bytes)
}

#[cfg(unix)]
fn check_permissions(path: &Path, file: &File) -> Result<(), IdentityError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata =
        file.metadata().map_err(|reason| IdentityError::Disk { action: "read", path: path.to_owned(), reason })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(IdentityError::Permissions { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Elsewhere the user's profile folder keeps others out.
#[cfg(not(unix))]
fn check_permissions(_path: &Path, _file: &File) -> Result<(), IdentityError> {
    Ok(())
}

pub(super) fn write(path: &Path, bytes: &[u8], replace: bool) -> Result<(), IdentityError> {
    write_atomically(path, bytes, Mode::Private, replace).map_err(|reason| match reason.kind() {
        io::ErrorKind::AlreadyExists => IdentityError::Exists { place: path.display().to_string() },
        _ => IdentityError::Disk { action: "write", path: path.to_owned(), reason },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Cheap, for tests.
    const CHEAP: KdfCost = KdfCost { memory_kib: 64, passes: 1, lanes: 1 };

    fn path() -> &'static Path {
        Path::new("identity.key")
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let identity = Identity::from_seed(&[9; 32]);
        let encrypted = encode_encrypted(&identity, "correct horse", CHEAP).unwrap();
        assert_eq!(encrypted.len(), ENCRYPTED_LEN);
        assert_eq!(public_key(&encrypted), Some(identity.public_key()));
        let read = decode(path(), &encrypted, Some("correct horse")).unwrap();
        assert_eq!(read.public_key(), identity.public_key());
        for at in 0..encrypted.len() {
            // The costs are tried with one bit alone: all of them are authenticated, some take minutes.
            let mut bytes = encrypted.clone();
            bytes[at] ^= 1;
            let error = decode(path(), &bytes, Some("correct horse")).unwrap_err();
            let code = error.code();
            assert!(
                ["identity.damaged", "identity.wrong_passphrase", "identity.derivation"].contains(&code),
                "{at} {code}"
            );
        }
        for len in 0..encrypted.len() {
            assert_eq!(
                decode(path(), &encrypted[..len], Some("correct horse")).unwrap_err().code(),
                "identity.damaged"
            );
        }
        let plain = encode_plain(&identity);
        for at in 0..plain.len() {
            let mut bytes = plain.to_vec();
            bytes[at] ^= 1;
            assert_eq!(decode(path(), &bytes, None).unwrap_err().code(), "identity.damaged", "{at}");
        }
    }

    #[test]
    fn a_file_can_not_ask_for_the_machine() {
        let mut bytes = encode_encrypted(&Identity::from_seed(&[9; 32]), "correct horse", CHEAP).unwrap();
        bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decode(path(), &bytes, Some("correct horse")).unwrap_err().code(), "identity.damaged");
    }

    /// Argon2id of RFC 9106, section 5.3, has a secret and associated data; this one, without, is from the reference
    /// implementation's own test (phc-winner-argon2, src/test.c).
    #[test]
    fn argon2id_is_the_standard_one() {
        let cost = KdfCost { memory_kib: 1 << 16, passes: 2, lanes: 1 };
        let key = derive("password", b"somesalt", cost).unwrap();
        let expected = "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7";
        assert_eq!(crate::proof::Digest(*key).to_string(), expected);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200), plain in any::<bool>()) {
            let mut file = if plain { PLAIN.to_vec() } else { Vec::new() };
            file.extend(bytes);
            if let Ok(identity) = decode(path(), &file, None) {
                prop_assert_eq!(public_key(&file), Some(identity.public_key()));
            }
        }
    }
}
