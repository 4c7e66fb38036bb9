//! Small file operations that leave nothing half-written.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// Bytes a user may write on the disk that holds `path`, which need not exist yet.
///
/// # Errors
/// The system's error when the disk can't be asked.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let absolute = std::path::absolute(path)?;
    let existing = absolute.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("."));
    fs4::available_space(existing)
}

/// Refuses when `needed_bytes` and a reserve do not fit on the disk that holds `path`.
pub(crate) fn ensure_free(path: &Path, needed_bytes: u64, reserve_bytes: u64) -> Result<(), StoreError> {
    if needed_bytes == 0 {
        return Ok(());
    }
    let wanted = needed_bytes.saturating_add(reserve_bytes);
    let free_bytes = free_bytes(path).map_err(|source| StoreError::io("ask for the free space of", path, source))?;
    if free_bytes < wanted {
        return Err(StoreError::DiskFull { path: path.to_path_buf(), needed_bytes: wanted, free_bytes });
    }
    Ok(())
}

/// Creates a folder and its parents.
pub(crate) fn create_dir(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(|source| StoreError::io("create", path, source))
}

/// Creates the folder that a file is to lie in.
pub(crate) fn create_parent(file: &Path) -> Result<(), StoreError> {
    file.parent().map_or(Ok(()), create_dir)
}

/// Writes a small file so that either the old or the new content is there, also after a power cut.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    create_parent(path)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if let Err(source) = written {
        // The temporary file is of no use to anybody; its removal can only fail where it was never made.
        let _ = fs::remove_file(&temporary);
        return Err(StoreError::io("write", path, source));
    }
    if let Some(parent) = path.parent() {
        sync_dir(parent);
    }
    Ok(())
}

/// Renames, and makes the rename last.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    create_parent(to)?;
    fs::rename(from, to).map_err(|source| StoreError::io("move into place", to, source))?;
    if let Some(parent) = to.parent() {
        sync_dir(parent);
    }
    Ok(())
}

/// Asks the system to write a folder's entries to the disk. Where a folder can't be opened as a file (Windows) the
/// file system journals them itself, so a failure is no error.
pub(crate) fn sync_dir(path: &Path) {
    if let Ok(dir) = File::open(path) {
        let _ = dir.sync_all();
    }
}

/// Reads a text file of at most `limit` bytes.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, StoreError> {
    let file = File::open(path).map_err(|source| StoreError::io("open", path, source))?;
    let mut text = String::new();
    // One byte more than allowed tells a file at the limit from one above it.
    let read = file.take(limit.saturating_add(1)).read_to_string(&mut text);
    match read {
        Ok(_) if text.len() as u64 > limit => {
            Err(StoreError::Damaged { path: path.to_path_buf(), reason: format!("it is larger than {limit} bytes") })
        }
        Ok(_) => Ok(text),
        Err(source) if source.kind() == io::ErrorKind::InvalidData => {
            Err(StoreError::Damaged { path: path.to_path_buf(), reason: "it is not UTF-8 text".into() })
        }
        Err(source) => Err(StoreError::io("read", path, source)),
    }
}

/// Reads a JSON file of at most `limit` bytes.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path, limit: u64) -> Result<T, StoreError> {
    serde_json::from_str(&read_text(path, limit)?).map_err(|error| StoreError::Damaged {
        path: path.to_path_buf(),
        reason: format!("it is not the JSON it should be: {error}"),
    })
}

/// Removes a file or a folder with all in it, without following links; nothing there is no error.
pub(crate) fn remove_all(path: &Path) -> Result<(), StoreError> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let removed = if metadata.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path, source)),
        _ => Ok(()),
    }
}

/// Every regular file and link below a folder, as paths relative to it; folders that are links are not entered.
/// At most `limit` entries.
pub(crate) fn walk(root: &Path, limit: usize) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        let entries = fs::read_dir(&path).map_err(|source| StoreError::io("list", &path, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| StoreError::io("list", &path, source))?;
            let kind = entry.file_type().map_err(|source| StoreError::io("look at", &entry.path(), source))?;
            let relative = folder.join(entry.file_name());
            if kind.is_dir() {
                folders.push(relative);
            } else {
                found.push(relative);
            }
            if found.len() + folders.len() > limit {
                return Err(StoreError::NotAModel {
                    path: root.to_path_buf(),
                    reason: format!("it has more than {limit} files"),
                });
            }
        }
    }
    found.sort();
    Ok(found)
}

/// An exclusive lock on a model, held by this process while the value lives; across processes, released by the
/// system when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    // Closing the file releases the lock.
    _file: File,
}

impl Lock {
    /// Takes the lock, or `None` when someone else has it.
    pub(crate) fn try_take(path: &Path) -> Result<Option<Self>, StoreError> {
        create_parent(path)?;
        let file = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path)
            .map_err(|source| StoreError::io("open", path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(source)) => Err(StoreError::io("lock", path, source)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn free_space_can_be_asked_for_folders_that_do_not_exist_yet() {
        let dir = tempfile::tempdir().unwrap();
        let free = free_bytes(&dir.path().join("a/b/c")).unwrap();
        assert!(free > 0);
        assert!(ensure_free(dir.path(), 1, 0).is_ok());
        assert!(ensure_free(dir.path(), 0, u64::MAX).is_ok());
        let error = ensure_free(dir.path(), 1_000, u64::MAX).unwrap_err();
        assert_eq!(error.code(), "disk.full");
    }

    #[test]
    fn a_failed_atomic_write_leaves_the_old_content_and_no_other_file() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("taken");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("x"), "old").unwrap();
        assert_eq!(write_atomically(&target, b"new").unwrap_err().code(), "disk.io");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let file = dir.path().join("sub/file");
        write_atomically(&file, b"one").unwrap();
        write_atomically(&file, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_lock_is_taken_once_and_comes_back_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".locks/x.lock");
        let held = Lock::try_take(&path).unwrap().expect("free");
        assert!(Lock::try_take(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::try_take(&path).unwrap().is_some());
    }

    #[test]
    fn reading_is_bounded_and_text_must_be_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert_eq!(read_text(&path, 4).unwrap_err().code(), "model.damaged");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(read_text(&path, 5).unwrap_err().code(), "model.damaged");
        fs::write(&path, "{").unwrap();
        assert_eq!(read_json::<serde_json::Value>(&path, 5).unwrap_err().code(), "model.damaged");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_from_other_errors() {
        let path = Path::new("/dev/full");
        let source = File::options().write(true).open(path).unwrap().write_all(b"x").unwrap_err();
        assert_eq!(StoreError::io("write", path, source).code(), "disk.full");
    }
}
