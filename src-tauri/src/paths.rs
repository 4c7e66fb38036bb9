//! Where things are on this computer.

use std::path::PathBuf;

use directories::ProjectDirs;
use infernet_engine::store::ModelStore;

use crate::failure::{Failure, Result};

/// Overrides the folder of data (models); used by tests and by people with a second disk.
const DATA_VARIABLE: &str = "INFERNET_DATA_DIR";
/// Overrides the folder of shipped files.
const ASSETS_VARIABLE: &str = "INFERNET_ASSETS_DIR";

/// The folder for models and other data.
pub(crate) fn data_dir() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(DATA_VARIABLE) {
        return Ok(folder.into());
    }
    match ProjectDirs::from("org", "InferNet", "infernet") {
        Some(dirs) => Ok(dirs.data_dir().to_owned()),
        None => {
            Err(Failure::input(format!("this user has no home folder; set {DATA_VARIABLE} to a folder for models")))
        }
    }
}

/// The folder of shipped files: beside the program, where packages put it, or in a checkout the program was built in.
pub(crate) fn assets_dir() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(ASSETS_VARIABLE) {
        return Ok(folder.into());
    }
    let program = std::env::current_exe()?;
    let mut candidates = Vec::new();
    for folder in program.ancestors().skip(1) {
        candidates.push(folder.join("assets"));
        candidates.push(folder.join("share").join("infernet").join("assets"));
        candidates.push(folder.join("lib").join("infernet").join("assets"));
    }
    // A target folder outside the checkout: only builds for development know where that is.
    #[cfg(debug_assertions)]
    candidates.push(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets")));
    let marker = |folder: &PathBuf| folder.join("models").join("starter").join("model_index.json").is_file();
    candidates.into_iter().find(marker).ok_or_else(|| {
        Failure::input(format!("the files that come with InferNet (assets/models) are not beside {}; set {ASSETS_VARIABLE} or install again", program.display()))
    })
}

/// The models of this computer and of the catalogue.
pub(crate) fn model_store() -> Result<ModelStore> {
    let builtin = assets_dir().map(|assets| vec![assets.join("models")]).unwrap_or_default();
    Ok(ModelStore::new(data_dir()?.join("models"), builtin)?)
}
