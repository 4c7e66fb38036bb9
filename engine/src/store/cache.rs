//! Digests of files that have not changed since they were hashed, so that gigabytes are not read at every start.
//!
//! A file counts as unchanged while its path, size, modification time (nanoseconds) and inode (where there is one)
//! are the same. The cache only saves time: it can be deleted at any moment, and `verify` does not use it.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::cancel::Cancel;
use super::digest::{Sha256Digest, file_sha256};
use super::disk;
use super::error::StoreError;

const FORMAT_VERSION: u32 = 1;
const MAX_LEN: u64 = 16 << 20;
/// Entries above this are dropped, files that are gone first.
const MAX_ENTRIES: usize = 8192;
/// A file changed this shortly before it was hashed may change again within the same tick of its time stamp.
const SETTLED_NANOS: u64 = 2_000_000_000;

/// The cache, in memory; [`DigestCache::save`] writes it.
#[derive(Debug)]
pub(crate) struct DigestCache {
    file: PathBuf,
    entries: BTreeMap<String, Entry>,
    changed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    size: u64,
    mtime_nanos: u64,
    inode: u64,
    sha256: Sha256Digest,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    entries: BTreeMap<String, Entry>,
}

impl DigestCache {
    /// Opens the cache of a models folder. Anything unreadable is an empty cache.
    pub(crate) fn open(models_dir: &Path) -> Self {
        let file = models_dir.join(".cache").join("digests.json");
        Self { entries: Self::load(&file), file, changed: false }
    }

    fn load(file: &Path) -> BTreeMap<String, Entry> {
        if !file.exists() {
            return BTreeMap::new();
        }
        match disk::read_json::<Stored>(file, MAX_LEN) {
            Ok(stored) if stored.version == FORMAT_VERSION => stored.entries,
            Ok(_) => BTreeMap::new(),
            Err(error) => {
                tracing::debug!(%error, "digest cache is not used");
                BTreeMap::new()
            }
        }
    }

    /// Size and digest of a file, from the cache where the file is unchanged, else by reading it.
    pub(crate) fn digest(
        &mut self,
        path: &Path,
        cancel: &Cancel,
        mut on_bytes: impl FnMut(u64),
    ) -> Result<(u64, Sha256Digest), StoreError> {
        let (key, before) = look_at(path)?;
        if let Some(known) = self.entries.get(&key)
            && (known.size, known.mtime_nanos, known.inode) == (before.size, before.mtime_nanos, before.inode)
        {
            on_bytes(known.size);
            return Ok((known.size, known.sha256));
        }
        let sha256 = file_sha256(path, cancel, on_bytes)?;
        let (_, after) = look_at(path)?;
        let now = nanos_since_epoch(SystemTime::now());
        if before == after && after.mtime_nanos + SETTLED_NANOS < now {
            self.insert(key, after, sha256);
        }
        Ok((after.size, sha256))
    }

    /// Takes a digest that was computed while the file was written by us.
    pub(crate) fn insert_own(&mut self, path: &Path, sha256: Sha256Digest) {
        if let Ok((key, seen)) = look_at(path) {
            self.insert(key, seen, sha256);
        }
    }

    /// Corrects what is remembered of a file that was just read in full.
    pub(crate) fn correct(&mut self, path: &Path, sha256: Sha256Digest) {
        if let Ok((key, _)) = look_at(path)
            && let Some(entry) = self.entries.get_mut(&key)
            && entry.sha256 != sha256
        {
            entry.sha256 = sha256;
            self.changed = true;
        }
    }

    /// Forgets a file, so that it is read again.
    pub(crate) fn forget(&mut self, path: &Path) {
        if let Ok((key, _)) = look_at(path) {
            self.changed |= self.entries.remove(&key).is_some();
        }
    }

    fn insert(&mut self, key: String, seen: Entry, sha256: Sha256Digest) {
        self.entries.insert(key, Entry { sha256, ..seen });
        self.changed = true;
    }

    /// Writes the cache where it changed. A failure costs only time, so it is logged, not returned.
    pub(crate) fn save(&mut self) {
        if !self.changed {
            return;
        }
        if self.entries.len() > MAX_ENTRIES {
            self.entries.retain(|path, _| Path::new(path).exists());
        }
        while self.entries.len() > MAX_ENTRIES {
            self.entries.pop_first();
        }
        let stored = Stored { version: FORMAT_VERSION, entries: self.entries.clone() };
        let written = serde_json::to_vec(&stored)
            .map_err(|error| error.to_string())
            .and_then(|text| disk::write_atomically(&self.file, &text).map_err(|error| error.to_string()));
        match written {
            Ok(()) => self.changed = false,
            Err(error) => tracing::debug!(%error, "digest cache is not saved"),
        }
    }
}

/// The cache's key for a file, and its state with an empty digest.
fn look_at(path: &Path) -> Result<(String, Entry), StoreError> {
    let absolute = fs::canonicalize(path).map_err(|source| StoreError::io("look at", path, source))?;
    let metadata = fs::metadata(&absolute).map_err(|source| StoreError::io("look at", path, source))?;
    let mtime_nanos = metadata.modified().map_or(0, nanos_since_epoch);
    let entry = Entry { size: metadata.len(), mtime_nanos, inode: inode(&metadata), sha256: Sha256Digest([0; 32]) };
    Ok((absolute.to_string_lossy().into_owned(), entry))
}

/// 64 bits of nanoseconds last until the year 2554.
fn nanos_since_epoch(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_metadata: &Metadata) -> u64 {
    0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn set_mtime(path: &Path, age_secs: u64) {
        let time = SystemTime::now() - Duration::from_secs(age_secs);
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    /// Reads through the cache; whether the file itself was read is told by a wrong digest planted in the cache.
    fn digest(cache: &mut DigestCache, path: &Path) -> String {
        cache.digest(path, &Cancel::new(), |_| ()).unwrap().1.to_string()
    }

    #[test]
    fn an_unchanged_file_is_not_read_again_and_a_changed_one_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights");
        fs::write(&path, "one").unwrap();
        set_mtime(&path, 100);
        let mut cache = DigestCache::open(dir.path());
        let one = digest(&mut cache, &path);
        let planted = Sha256Digest([7; 32]);
        cache.insert_own(&path, planted);
        cache.save();
        let mut cache = DigestCache::open(dir.path());
        assert_eq!(digest(&mut cache, &path), planted.to_string(), "answered from the saved cache");
        cache.forget(&path);
        assert_eq!(digest(&mut cache, &path), one);
        cache.insert_own(&path, planted);
        set_mtime(&path, 50);
        assert_eq!(digest(&mut cache, &path), one, "another time stamp: read again");
        cache.insert_own(&path, planted);
        fs::write(&path, "three").unwrap();
        assert_ne!(digest(&mut cache, &path), one, "another size: read again");
    }

    #[test]
    fn a_file_that_changed_a_moment_ago_is_not_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights");
        fs::write(&path, "one").unwrap();
        let mut cache = DigestCache::open(dir.path());
        let one = digest(&mut cache, &path);
        assert!(cache.entries.is_empty());
        fs::write(&path, "two").unwrap();
        assert_ne!(digest(&mut cache, &path), one);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_replaced_has_another_inode() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&path, "one").unwrap();
        fs::write(&other, "two").unwrap();
        let time = SystemTime::now() - Duration::from_secs(100);
        for file in [&path, &other] {
            fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
        }
        let mut cache = DigestCache::open(dir.path());
        let one = digest(&mut cache, &path);
        fs::rename(&other, &path).unwrap();
        assert_ne!(digest(&mut cache, &path), one);
    }

    #[test]
    fn a_broken_cache_is_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".cache")).unwrap();
        fs::write(dir.path().join(".cache/digests.json"), "{oops").unwrap();
        assert!(DigestCache::open(dir.path()).entries.is_empty());
    }
}
