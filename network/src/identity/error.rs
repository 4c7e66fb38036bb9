//! What can go wrong with an identity.

use std::io;
use std::path::PathBuf;

use crate::proof::PublicKey;

/// An identity that is not made, kept or found.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No randomness.
    #[error("the operating system gives no random bytes ({0}); no key is made without")]
    Random(String),
    /// There is one already.
    #[error("there is an identity in {place} already; it is kept. Back it up, then ask for it to be replaced")]
    Exists {
        /// File or keychain entry.
        place: String,
    },
    /// There is none.
    #[error("there is no identity in {place}; make one, or restore one from its 24 words")]
    Missing {
        /// File or keychain entry.
        place: String,
    },
    /// Others may read the file.
    #[error(
        "{} may be read by others (mode {mode:03o}); run `chmod 600 {}`, and if others have used this machine, \
         move to a new identity", .path.display(), .path.display()
    )]
    Permissions {
        /// File.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is no identity, or a part of it is missing or changed.
    #[error("{} is damaged: {reason}; restore the identity from its 24 words or a backup", .path.display())]
    Damaged {
        /// File.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Wrong passphrase. A changed file looks the same.
    #[error("the passphrase does not open {}; try again, or restore the identity from its 24 words", .path.display())]
    WrongPassphrase {
        /// File.
        path: PathBuf,
    },
    /// The file wants a passphrase and none was given.
    #[error("{} is encrypted; give its passphrase", .path.display())]
    NeedsPassphrase {
        /// File.
        path: PathBuf,
    },
    /// The file has no passphrase and one was given.
    #[error(
        "{} is not encrypted although a passphrase was given; open it without one, and store it again under the passphrase",
        .path.display()
    )]
    NotEncrypted {
        /// File.
        path: PathBuf,
    },
    /// Too short to mean anything.
    #[error("the passphrase has {chars} characters, at least {least} are needed")]
    WeakPassphrase {
        /// Its length.
        chars: usize,
        /// Needed.
        least: usize,
    },
    /// The words are no backup.
    #[error("these words are no backup of an identity: {reason}; check spelling and order")]
    Phrase {
        /// What is wrong.
        reason: String,
    },
    /// The keychain.
    #[error("the system's keychain can't be used: {reason}; unlock it, or keep the identity in a file")]
    Keychain {
        /// What it says.
        reason: String,
    },
    /// Somebody else's.
    #[error("this is the identity {found}, expected {expected}")]
    Other {
        /// Found.
        found: PublicKey,
        /// Expected.
        expected: PublicKey,
    },
    /// Key derivation refuses.
    #[error("the key can't be derived from the passphrase: {0}")]
    Derivation(String),
    /// The disk.
    #[error("can't {action} {}: {reason}", .path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
}

impl IdentityError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Random(_) => "identity.random",
            Self::Exists { .. } => "identity.exists",
            Self::Missing { .. } => "identity.missing",
            Self::Permissions { .. } => "identity.permissions",
            Self::Damaged { .. } => "identity.damaged",
            Self::WrongPassphrase { .. } => "identity.wrong_passphrase",
            Self::NeedsPassphrase { .. } => "identity.needs_passphrase",
            Self::NotEncrypted { .. } => "identity.not_encrypted",
            Self::WeakPassphrase { .. } => "identity.weak_passphrase",
            Self::Phrase { .. } => "identity.phrase",
            Self::Keychain { .. } => "identity.keychain",
            Self::Other { .. } => "identity.other",
            Self::Derivation(_) => "identity.derivation",
            Self::Disk { .. } => "identity.disk",
        }
    }
}
