//! Where this computer's identity is kept, and how it is opened.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use infernet_network::identity::{Identity, IdentityError, Keeper, Passphrase};
use infernet_network::proof::PublicKey;

use crate::failure::{Failure, Result};

/// The key in a node's folder, encrypted or not.
pub(crate) const KEY_FILE: &str = "identity.key";
/// Instead of the key: the name of the keychain's entry.
const KEYCHAIN_FILE: &str = "identity.keychain";
/// Whose phrase was written down.
pub(crate) const BACKUP_FILE: &str = infernet_node::backend::BACKUP_FILE;
/// A file whose first line is the passphrase, for rigs that start unattended.
pub(crate) const PASSPHRASE_VARIABLE: &str = "INFERNET_PASSPHRASE_FILE";

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        let input = matches!(
            error,
            IdentityError::WrongPassphrase { .. }
                | IdentityError::WeakPassphrase { .. }
                | IdentityError::NeedsPassphrase { .. }
                | IdentityError::Phrase { .. }
                | IdentityError::Exists { .. }
        );
        if input { Self::Input(error.into()) } else { Self::Failed(error.into()) }
    }
}

/// A node's folder as the place of its identity.
pub(crate) struct Safe<'a> {
    folder: &'a Path,
    passphrase_file: Option<&'a Path>,
}

/// How an identity is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Nothing is there.
    Nowhere,
    /// In the system's keychain.
    Keychain,
    /// In a file under a passphrase.
    Encrypted,
    /// In a file that only its owner may read.
    Plain,
}

impl Kept {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nowhere => "nowhere",
            Self::Keychain => "keychain",
            Self::Encrypted => "passphrase",
            Self::Plain => "file",
        }
    }
}

impl<'a> Safe<'a> {
    pub(crate) fn new(folder: &'a Path, passphrase_file: Option<&'a Path>) -> Self {
        Self { folder, passphrase_file }
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.join(KEY_FILE)
    }

    fn keychain_file(&self) -> PathBuf {
        self.folder.join(KEYCHAIN_FILE)
    }

    fn plain(&self) -> Keeper {
        Keeper::PlainFile { path: self.key_file() }
    }

    fn keychain(&self) -> Result<Option<Keeper>> {
        match std::fs::read_to_string(self.keychain_file()) {
            Ok(account) => Ok(Some(Keeper::Keychain { account: account.trim().to_owned() })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// How the identity is kept, without opening it.
    pub(crate) fn kept(&self) -> Result<Kept> {
        if self.keychain()?.is_some() {
            return Ok(Kept::Keychain);
        }
        match self.plain().load() {
            Ok(_) => Ok(Kept::Plain),
            Err(IdentityError::NeedsPassphrase { .. }) => Ok(Kept::Encrypted),
            Err(IdentityError::Missing { .. }) => Ok(Kept::Nowhere),
            Err(error) => Err(error.into()),
        }
    }

    /// Whose identity it is, without asking for a passphrase.
    pub(crate) fn owner(&self) -> Result<Option<PublicKey>> {
        Ok(match self.keychain()? {
            Some(keychain) => Some(keychain.load()?.public_key()),
            None => self.plain().peek(),
        })
    }

    /// Opens the identity, asking for what it takes; makes one in a plain file where there is none (`true`).
    pub(crate) fn open_or_create(&self) -> Result<(Identity, bool)> {
        if self.kept()? == Kept::Nowhere {
            return Ok(self.plain().load_or_create()?);
        }
        Ok((self.open()?, false))
    }

    /// Opens the identity, asking for what it takes.
    pub(crate) fn open(&self) -> Result<Identity> {
        if let Some(keychain) = self.keychain()? {
            return Ok(keychain.load()?);
        }
        match self.plain().load() {
            Err(IdentityError::NeedsPassphrase { path }) => {
                let passphrase = self.passphrase("passphrase of the identity: ")?;
                Ok(Keeper::EncryptedFile { path, passphrase }.load()?)
            }
            loaded => Ok(loaded?),
        }
    }

    /// Keeps an identity in another way, then removes where it was. A crash in between leaves it in both.
    pub(crate) fn keep(&self, identity: &Identity, how: Kept) -> Result {
        use infernet_network::identity::Overwrite::Replace;

        let before = self.keychain()?;
        match how {
            Kept::Nowhere => return Ok(()),
            Kept::Keychain => {
                // The entry is named for its owner: several folders of one user do not meet.
                let account = identity.public_key().to_string();
                let keychain = Keeper::Keychain { account: account.clone() };
                keychain.store(identity, Replace)?;
                if keychain.load()?.public_key() != identity.public_key() {
                    return Err(Failure::Failed(anyhow::anyhow!("the keychain does not give back what was stored")));
                }
                infernet_engine::video::write_atomically(&self.keychain_file(), account.as_bytes())?;
                remove(&self.key_file())?;
            }
            Kept::Encrypted => {
                let passphrase = self.new_passphrase()?;
                Keeper::EncryptedFile { path: self.key_file(), passphrase }.store(identity, Replace)?;
            }
            Kept::Plain => self.plain().store(identity, Replace)?,
        }
        if how != Kept::Keychain && before.is_some() {
            // The entry itself stays in the keychain: it is the user's, and its name says whose it is.
            remove(&self.keychain_file())?;
        }
        Ok(())
    }

    fn passphrase(&self, question: &str) -> Result<Passphrase> {
        let file = self.passphrase_file.map(Path::to_owned);
        let file = file.or_else(|| std::env::var_os(PASSPHRASE_VARIABLE).map(PathBuf::from));
        if let Some(file) = file {
            let text = std::fs::read_to_string(&file)
                .map_err(|error| Failure::input(format!("can't read the passphrase in {}: {error}", file.display())))?;
            return Ok(Passphrase::new(text.lines().next().unwrap_or_default().to_owned()));
        }
        hidden(question).map(Passphrase::new)
    }

    fn new_passphrase(&self) -> Result<Passphrase> {
        let from_file = self.passphrase_file.is_some() || std::env::var_os(PASSPHRASE_VARIABLE).is_some();
        if from_file || !std::io::stdin().is_terminal() {
            return self.passphrase("");
        }
        let (first, second) = (hidden("new passphrase: ")?, hidden("again: ")?);
        if first != second {
            return Err(Failure::input("the two are not the same; nothing was changed"));
        }
        Ok(Passphrase::new(first))
    }

    /// Whether its words were written down.
    pub(crate) fn backed_up(&self, owner: &PublicKey) -> bool {
        infernet_node::backend::is_backed_up(self.folder, owner)
    }

    /// Notes that the words were written down.
    pub(crate) fn note_backup(&self, owner: &PublicKey) -> Result {
        Ok(infernet_engine::video::write_atomically(&self.folder.join(BACKUP_FILE), owner.to_string().as_bytes())?)
    }
}

fn remove(path: &Path) -> Result {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// A line without echo; from a pipe, its next line.
pub(crate) fn hidden(question: &str) -> Result<String> {
    if std::io::stdin().is_terminal() {
        return Ok(rpassword::prompt_password(question)?);
    }
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(Failure::input(format!(
            "there is no terminal to ask for the passphrase; give --passphrase-file FILE or set {PASSPHRASE_VARIABLE}"
        )));
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
