//! A file on its way: what is on the disk, its hash so far, and the ETag to go on with.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::super::cancel::Cancel;
use super::super::digest::{Sha256Digest, hash_into};
use super::super::disk::{self, Lock};
use super::super::error::StoreError;
use super::super::names::RelPath;

/// Longest ETag that is kept.
const MAX_ETAG_LEN: usize = 1024;

/// A shared handle on a part. Every blocking operation runs on a thread of its own and holds the model's lock to its
/// end, also when the download that asked for it is dropped: nobody else writes meanwhile.
#[derive(Debug, Clone)]
pub(super) struct Part {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    file: File,
    path: PathBuf,
    etag_path: PathBuf,
    etag: Option<String>,
    hasher: Sha256,
    len: u64,
    _lock: Arc<Lock>,
}

impl Part {
    /// Opens or creates a part and hashes what is in it.
    pub(super) async fn open(
        parts_root: &Path,
        rel: &RelPath,
        lock: Arc<Lock>,
        cancel: Cancel,
        on_bytes: impl FnMut(u64) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let path = rel.under_with_suffix(parts_root, ".part");
        let etag_path = rel.under_with_suffix(parts_root, ".etag");
        blocking(move || State::open(path, etag_path, lock, &cancel, on_bytes))
            .await
            .map(|state| Self { state: Arc::new(Mutex::new(state)) })
    }

    pub(super) fn len(&self) -> u64 {
        self.state().len
    }

    pub(super) fn etag(&self) -> Option<String> {
        self.state().etag.clone()
    }

    /// SHA-256 of what is there.
    pub(super) fn sha256(&self) -> Sha256Digest {
        Sha256Digest(self.state().hasher.clone().finalize().into())
    }

    /// Appends bytes and hashes them.
    pub(super) async fn append(&self, bytes: Vec<u8>) -> Result<u64, StoreError> {
        self.run(move |state| state.append(&bytes)).await
    }

    /// Throws away what is there.
    pub(super) async fn restart(&self) -> Result<(), StoreError> {
        self.run(State::restart).await
    }

    /// Keeps the ETag of the answer that the bytes come from; `None` forgets it.
    pub(super) async fn keep_etag(&self, etag: Option<String>) -> Result<(), StoreError> {
        self.run(move |state| state.keep_etag(etag)).await
    }

    /// Makes the bytes last and moves the file to its place.
    pub(super) async fn commit(&self, target: PathBuf) -> Result<(), StoreError> {
        self.run(move |state| state.commit(&target)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let part = self.clone();
        blocking(move || work(&mut part.state())).await
    }

    /// A panic in another holder leaves length, hash and file as they were after its last complete step.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn open(
        path: PathBuf,
        etag_path: PathBuf,
        lock: Arc<Lock>,
        cancel: &Cancel,
        mut on_bytes: impl FnMut(u64),
    ) -> Result<Self, StoreError> {
        disk::create_parent(&path)?;
        // A link here is not ours: writing through it would leave the folder.
        if fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            disk::remove_all(&path)?;
        }
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|source| StoreError::io("open", &path, source))?;
        let mut hasher = Sha256::new();
        let len = hash_into(&mut hasher, &mut file, &path, cancel, &mut on_bytes)?;
        let etag = read_etag(&etag_path);
        Ok(Self { file, path, etag_path, etag, hasher, len, _lock: lock })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<u64, StoreError> {
        if let Err(source) = self.file.write_all(bytes) {
            // Whatever part of it was written is not in the hash, so it goes.
            let _ = self.file.set_len(self.len).and_then(|()| self.file.seek(SeekFrom::Start(self.len)));
            return Err(StoreError::io("write", &self.path, source));
        }
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(self.len)
    }

    fn restart(&mut self) -> Result<(), StoreError> {
        self.keep_etag(None)?;
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .map_err(|source| StoreError::io("empty", &self.path, source))?;
        self.hasher = Sha256::new();
        self.len = 0;
        Ok(())
    }

    fn keep_etag(&mut self, etag: Option<String>) -> Result<(), StoreError> {
        let etag = etag.filter(|etag| etag.len() <= MAX_ETAG_LEN);
        if etag == self.etag {
            return Ok(());
        }
        match &etag {
            Some(etag) => disk::write_atomically(&self.etag_path, etag.as_bytes())?,
            None => disk::remove_all(&self.etag_path)?,
        }
        self.etag = etag;
        Ok(())
    }

    fn commit(&mut self, target: &Path) -> Result<(), StoreError> {
        self.file.sync_all().map_err(|source| StoreError::io("write", &self.path, source))?;
        disk::rename(&self.path, target)?;
        disk::remove_all(&self.etag_path)
    }
}

fn read_etag(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_ETAG_LEN as u64 + 1).read_to_string(&mut text).ok()?;
    (!text.is_empty() && text.len() <= MAX_ETAG_LEN).then_some(text)
}

/// Runs blocking work on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // The runtime is shutting down, or the work panicked; a panic goes on in the caller.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(StoreError::Cancelled),
    }
}
