//! Where the chain's files are: `chain.json` (which contract), and one outbox for each contract and account.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use infernet_settlement::evm::{ChainConfig, Domain, Driver, EvmKey, Store};

use crate::cli::ChainFiles;
use crate::failure::{Failure, Result};
use crate::paths;
use crate::safe::Safe;

const CONFIG_FILE: &str = "chain.json";

pub(super) fn folder(files: &ChainFiles) -> Result<PathBuf> {
    match &files.data {
        Some(folder) => Ok(folder.clone()),
        None => paths::data_dir(),
    }
}

/// The account's key: from the file that is named, or derived from the identity.
pub(super) fn key(files: &ChainFiles) -> Result<EvmKey> {
    if let Some(path) = &files.key_file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::input(format!("can't read the key file {}: {error}", path.display())))?;
        return EvmKey::from_hex(&text).map_err(|error| super::failed(&error));
    }
    let folder = folder(files)?;
    std::fs::create_dir_all(&folder)?;
    let (identity, new) = Safe::new(&folder, files.passphrase_file.as_deref()).open_or_create()?;
    if new && !files.json {
        eprintln!("made a new identity in {}; back it up, it is the key to the account", folder.display());
    }
    Ok(EvmKey::derive(&identity.signing_key().to_bytes()))
}

pub(super) fn config(files: &ChainFiles) -> Result<ChainConfig> {
    let folder = folder(files)?;
    chosen(&folder)?.ok_or_else(|| {
        Failure::input(format!(
            "no contract is chosen ({} is not there)\n  run `infernet chain use` with the contract's address, or `infernet chain deploy`",
            folder.join(CONFIG_FILE).display()
        ))
    })
}

/// The contract that was chosen in a folder; none where none was.
pub(in crate::commands) fn chosen(folder: &Path) -> Result<Option<ChainConfig>> {
    let path = folder.join(CONFIG_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::input(format!("can't read {}: {error}", path.display()))),
    };
    let config: ChainConfig = serde_json::from_str(&text).map_err(|error| {
        Failure::input(format!("{} is damaged: {error}\n  run `infernet chain use` again", path.display()))
    })?;
    config.check().map_err(|error| super::failed(&error))?;
    Ok(Some(config))
}

/// Writes `chain.json`, whole or not at all.
pub(super) fn save(files: &ChainFiles, config: &ChainConfig) -> Result<PathBuf> {
    choose(&folder(files)?, config)
}

/// The same, in a folder.
pub(in crate::commands) fn choose(folder: &Path, config: &ChainConfig) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(CONFIG_FILE);
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    let text = serde_json::to_string_pretty(config).map_err(anyhow::Error::from)?;
    draft.write_all(text.as_bytes())?;
    draft.write_all(b"\n")?;
    draft.as_file().sync_all()?;
    draft.persist(&path).map_err(|error| Failure::Failed(error.error.into()))?;
    Ok(path)
}

pub(in crate::commands) fn store(folder: &Path, domain: Domain, key: &EvmKey) -> Result<Store> {
    let path = folder.join("chain").join(Store::file_name(domain, key.address()));
    Store::open(path, domain, key.address()).map_err(|error| super::failed(&error))
}

/// Everything to talk to the contract that is chosen.
pub(super) fn driver(files: &ChainFiles) -> Result<(Driver, EvmKey)> {
    let (config, key) = (config(files)?, key(files)?);
    let domain = Domain { chain_id: config.address.chain_id, contract: config.address.contract };
    let store = store(&folder(files)?, domain, &key)?;
    let driver = Driver::new(config, key.clone(), store).map_err(|error| super::failed(&error))?;
    Ok((driver, key))
}
