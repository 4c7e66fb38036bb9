//! Where an identity is kept.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::error::IdentityError;
use super::file::{self, KdfCost};
use super::key::Identity;
use crate::proof::PublicKey;

/// A secret that opens a key file. Wiped from memory at the end; `Debug` shows nothing.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Fewest characters of a new one. Argon2id makes guesses slow, not few.
    pub const LEAST_CHARS: usize = 8;

    /// Takes it over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    fn check(&self) -> Result<(), IdentityError> {
        let chars = self.0.chars().count();
        if chars < Self::LEAST_CHARS {
            return Err(IdentityError::WeakPassphrase { chars, least: Self::LEAST_CHARS });
        }
        Ok(())
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// Where an identity is kept.
#[derive(Clone, Debug)]
pub enum Keeper {
    /// In the system's keychain (macOS Keychain, Windows Credential Manager, Secret Service), under this name. Calls may
    /// wait for the user to unlock it: never make them on an asynchronous task.
    Keychain {
        /// Which of the user's identities; `default` where there is one.
        account: String,
    },
    /// In a file of mode 0600, under a passphrase.
    EncryptedFile {
        /// Where.
        path: PathBuf,
        /// What opens it.
        passphrase: Passphrase,
    },
    /// In a file of mode 0600, unencrypted: for rigs that start unattended. Who reads the disk is this node.
    PlainFile {
        /// Where.
        path: PathBuf,
    },
}

/// What happens to an identity that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// It stays: storing fails.
    Never,
    /// It is lost, and with it whatever only its key can claim.
    Replace,
}

const SERVICE: &str = "infernet";

impl Keeper {
    /// Where, for people.
    pub fn place(&self) -> String {
        match self {
            Self::Keychain { account } => format!("the system's keychain ({SERVICE}, {account})"),
            Self::EncryptedFile { path, .. } | Self::PlainFile { path } => path.display().to_string(),
        }
    }

    /// Stores an identity.
    ///
    /// # Errors
    /// There is one already and `overwrite` says never; the passphrase is too short; the keychain or the disk fails.
    pub fn store(&self, identity: &Identity, overwrite: Overwrite) -> Result<(), IdentityError> {
        self.store_at_cost(identity, overwrite, KdfCost::RECOMMENDED)
    }

    /// As [`store`](Self::store), with another cost of a guess.
    ///
    /// # Errors
    /// As [`store`](Self::store).
    pub fn store_at_cost(&self, identity: &Identity, overwrite: Overwrite, cost: KdfCost) -> Result<(), IdentityError> {
        let replace = overwrite == Overwrite::Replace;
        match self {
            Self::Keychain { account } => {
                let entry = entry(account)?;
                if !replace && secret(&entry)?.is_some() {
                    return Err(IdentityError::Exists { place: self.place() });
                }
                entry.set_secret(identity.seed()).map_err(keychain)
            }
            Self::EncryptedFile { path, passphrase } => {
                passphrase.check()?;
                file::write(path, &file::encode_encrypted(identity, &passphrase.0, cost)?, replace)
            }
            Self::PlainFile { path } => file::write(path, &file::encode_plain(identity), replace),
        }
    }

    /// Loads the identity.
    ///
    /// # Errors
    /// There is none, others may read it, it is damaged, the passphrase is wrong, or the keychain or the disk fails.
    pub fn load(&self) -> Result<Identity, IdentityError> {
        match self {
            Self::Keychain { account } => {
                let missing = || IdentityError::Missing { place: self.place() };
                let secret = secret(&entry(account)?)?.ok_or_else(missing)?;
                let seed: &[u8; 32] = secret.as_slice().try_into().map_err(|_| IdentityError::Keychain {
                    reason: format!("its entry has {} bytes, 32 expected", secret.len()),
                })?;
                Ok(Identity::from_seed(seed))
            }
            Self::EncryptedFile { path, passphrase } => file::decode(path, &file::read(path)?, Some(&passphrase.0)),
            Self::PlainFile { path } => file::decode(path, &file::read(path)?, None),
        }
    }

    /// Loads the identity, or makes and stores a new one where there is none; `true` where it is new.
    ///
    /// # Errors
    /// As [`load`](Self::load) and [`store`](Self::store). A damaged or locked identity is an error, never replaced.
    pub fn load_or_create(&self) -> Result<(Identity, bool), IdentityError> {
        match self.load() {
            Err(IdentityError::Missing { .. }) => {}
            loaded => return loaded.map(|identity| (identity, false)),
        }
        let identity = Identity::generate()?;
        match self.store(&identity, Overwrite::Never) {
            // Another process was faster: its identity is the one.
            Err(IdentityError::Exists { .. }) => self.load().map(|identity| (identity, false)),
            stored => stored.map(|()| (identity, true)),
        }
    }

    /// Whose identity is kept here, without opening it where it is a file; `None` where there is none or it can't be told.
    pub fn peek(&self) -> Option<PublicKey> {
        match self {
            Self::Keychain { .. } => self.load().ok().map(|identity| identity.public_key()),
            Self::EncryptedFile { path, .. } | Self::PlainFile { path } => file::public_key(&file::read(path).ok()?),
        }
    }
}

fn entry(account: &str) -> Result<keyring::v1::Entry, IdentityError> {
    keyring::v1::Entry::new(SERVICE, account).map_err(|error| match (error, keyring::v1::Entry::store_status()) {
        // The reason is in the store's status.
        (keyring::v1::Error::NoDefaultStore, Err(status)) => IdentityError::Keychain { reason: status.to_string() },
        (error, _) => keychain(error),
    })
}

fn secret(entry: &keyring::v1::Entry) -> Result<Option<Zeroizing<Vec<u8>>>, IdentityError> {
    match entry.get_secret() {
        Ok(secret) => Ok(Some(Zeroizing::new(secret))),
        Err(keyring::v1::Error::NoEntry) => Ok(None),
        Err(error) => Err(keychain(error)),
    }
}

#[allow(clippy::needless_pass_by_value)] // The shape that `map_err` wants.
fn keychain(error: keyring::v1::Error) -> IdentityError {
    IdentityError::Keychain { reason: error.to_string() }
}
