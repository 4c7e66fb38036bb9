//! Files that a command will write: refused before the work when they could not be written after it.

use std::path::Path;

use crate::failure::{Failure, Result};

/// A file that may be written: no folder, not there already unless `force`, in a folder that takes new files.
pub(crate) fn check_new_file(path: &Path, force: bool) -> Result {
    if path.is_dir() {
        return Err(Failure::input(format!("{} is a folder; name a file", path.display())));
    }
    if path.exists() && !force {
        return Err(Failure::input(format!("{} exists; choose another name or add --force", path.display())));
    }
    check_folder(path)
}

/// The folder that holds `path` must exist and take new files.
pub(crate) fn check_folder(path: &Path) -> Result {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(Failure::input(format!("the folder {} does not exist; create it first", folder.display())));
    }
    tempfile::tempfile_in(folder).map(drop).map_err(|error| {
        Failure::input(format!("can't write into {}: {error}; choose another folder", folder.display()))
    })
}
