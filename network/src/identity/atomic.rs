//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The owner alone: 0600. On systems without modes, whoever the folder lets.
    Private,
}

/// Writes beside the path, then takes its place. A crash leaves the old file or the new one. Without `replace`, an existing
/// file is an error of kind [`AlreadyExists`](io::ErrorKind::AlreadyExists) and stays as it is, however close the race.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], mode: Mode, replace: bool) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let draft = Draft(beside(path)?);
    let mut file = create(&draft.0, mode)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    if replace {
        fs::rename(&draft.0, path)?;
    } else {
        take_free_place(&draft.0, path)?;
    }
    sync_folder(folder);
    Ok(())
}

/// Removed unless renamed.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn beside(path: &Path) -> io::Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    };
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let mut draft = std::ffi::OsString::from(".");
    draft.push(name);
    draft.push(format!(".{:016x}.new", u64::from_le_bytes(random)));
    Ok(path.with_file_name(draft))
}

fn create(path: &Path, mode: Mode) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        match mode {
            Mode::Private => options.mode(0o600),
        };
    }
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

fn take_free_place(draft: &Path, path: &Path) -> io::Result<()> {
    // A hard link fails where the name is taken, in one step.
    match fs::hard_link(draft, path) {
        Ok(()) => fs::remove_file(draft),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // File systems without hard links (FAT): the best there is.
        Err(_) if path.try_exists()? => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(draft, path),
    }
}

/// The name lives in the folder, which is written on its own.
fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
        // The file itself is safe; some file systems can't sync folders.
        tracing::debug!(folder = %folder.display(), %error, "can't sync a folder");
    }
    #[cfg(not(unix))]
    let _ = folder;
}
