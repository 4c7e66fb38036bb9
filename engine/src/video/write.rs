//! Files and folders that are either complete or not there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Error, Result};

/// Writes `bytes` to `path`: into a temporary file in the same folder, flushed to the drive, then renamed, so that `path` never holds half
/// a file, not even after a power cut. A file that is there already is replaced; after an error it is as before.
///
/// # Errors
/// [`Error::Write`] with the path, the system's reason and a next step.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |cause| Error::write(path, cause);
    if path.file_name().is_none() || path.is_dir() {
        return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    let temporary = Temporary::claim(path, |candidate| File::options().write(true).create_new(true).open(candidate))
        .map_err(failed)?;
    let (temporary, mut file) = temporary;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    drop(file); // Windows renames closed files only
    temporary.rename_to(path).map_err(failed)
}

/// Fills a new folder `path` by `fill`, which gets a temporary folder beside it; `path` appears when all is done.
///
/// # Errors
/// [`Error::FolderNotEmpty`], [`Error::Write`], and what `fill` returns.
pub(crate) fn fill_folder_atomically(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let failed = |cause| Error::write(path, cause);
    // "." and ".." have no name to rename to.
    let path = &if path.file_name().is_some() { path.to_owned() } else { fs::canonicalize(path).map_err(failed)? };
    match fs::read_dir(path) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(Error::FolderNotEmpty { path: path.clone() });
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let (temporary, ()) = Temporary::claim(path, |candidate| fs::create_dir(candidate)).map_err(failed)?;
    fill(&temporary.path)?;
    sync_folder(&temporary.path);
    // Windows does not rename over a folder, not even an empty one.
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    temporary.rename_to(path).map_err(failed)
}

/// A file or folder under a name of its own beside its future place; removed unless it gets there.
struct Temporary {
    path: PathBuf,
}

/// Names tried before giving up: others can only be left over from crashes of a process with our number.
const MAX_NAMES: u32 = 1000;

impl Temporary {
    /// Creates something with `create` beside `path`, under a name that nobody has.
    fn claim<T>(path: &Path, create: impl Fn(&Path) -> io::Result<T>) -> io::Result<(Self, T)> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for _ in 0..MAX_NAMES {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            // Short whatever the final name is: file systems stop at 255 bytes.
            let candidate = path.with_file_name(format!(".infernet-{}-{number}.tmp", std::process::id()));
            match create(&candidate) {
                Ok(made) => return Ok((Self { path: candidate }, made)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn rename_to(mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.path.clear(); // nothing left to remove
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => sync_folder(folder),
            _ => sync_folder(Path::new(".")),
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        // Best effort: the error that brought us here is the one to report.
        let _ = if self.path.is_dir() { fs::remove_dir_all(&self.path) } else { fs::remove_file(&self.path) };
    }
}

/// Makes a rename last through a power cut, where folders can be flushed (not on Windows, which does so by itself).
fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        // The file itself is safe already; some network drives refuse this.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn writes_and_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.mp4");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(entries(folder.path()), ["clip.mp4"]);
        let long = folder.path().join("n".repeat(255));
        write_atomically(&long, b"long name").unwrap();
        assert_eq!(fs::read(&long).unwrap(), b"long name");
    }

    #[test]
    fn failures_name_the_path_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"kept").unwrap();
        for (path, next_step) in [
            (folder.path().join("missing/clip.mp4"), "create"),
            (folder.path().to_owned(), "add a file name"),
            (file.join("clip.mp4"), "not a folder"),
            (folder.path().join("n".repeat(256)), "shorter"),
            (PathBuf::from("/"), "add a file name"),
            (PathBuf::new(), "add a file name"),
        ] {
            let error = write_atomically(&path, b"bytes").unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, Error::Write { .. }) && text.contains(next_step), "{text}");
            assert!(text.contains(path.to_str().unwrap()), "{text}");
        }
        assert_eq!(entries(folder.path()), ["file"]);
        assert_eq!(fs::read(&file).unwrap(), b"kept");
    }

    #[test]
    fn a_folder_appears_complete_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frames");
        let fill = |to: &Path| {
            assert!(!path.join("a").exists());
            fs::write(to.join("a"), b"1").map_err(|e| Error::write(to, e))
        };
        fill_folder_atomically(&path, fill).unwrap();
        assert_eq!(entries(&path), ["a"]);
        assert!(matches!(fill_folder_atomically(&path, |_| Ok(())), Err(Error::FolderNotEmpty { .. })));

        let empty = folder.path().join("empty");
        fs::create_dir(&empty).unwrap();
        fill_folder_atomically(&empty, |to| fs::write(to.join("b"), b"2").map_err(|e| Error::write(to, e))).unwrap();
        assert_eq!(entries(&empty), ["b"]);

        let failing = folder.path().join("failing");
        let fail = |to: &Path| {
            fs::write(to.join("half"), b"").unwrap();
            Err(Error::write(to, io::Error::from(io::ErrorKind::StorageFull)))
        };
        assert!(matches!(fill_folder_atomically(&failing, fail), Err(Error::Write { .. })));
        assert!(matches!(fill_folder_atomically(&path.join("a"), |_| Ok(())), Err(Error::Write { .. })));
        assert!(matches!(
            fill_folder_atomically(&folder.path().join("no/frames"), |_| Ok(())),
            Err(Error::Write { .. })
        ));
        assert_eq!(entries(folder.path()), ["empty", "frames"]);
    }
}
