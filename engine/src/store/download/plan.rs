//! A whole model: what is there already, what is to be fetched, and the move into place.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::cancel::Cancel;
use super::super::catalogue::{CatalogueEntry, CatalogueFile, Source};
use super::super::digest::FileDigest;
use super::super::disk::{self, Lock};
use super::super::error::StoreError;
use super::super::layout::{self, Bounds};
use super::super::models::{LOCK_PATIENCE, LOCK_POLL, MAX_WALK, ModelDir, ModelStore, model_dir, remember};
use super::super::names::ModelId;
use super::super::progress::{PUBLISH_EVERY, Progress, RateMeter, Tracker, Transfer};
use super::super::record::Record;
use super::file::{self, Job, Shared};
use super::options::DownloadOptions;
use super::part::blocking;
use super::transport::{Failure, Transport};

/// Most bytes of a file of which nothing is known in advance.
const MAX_UNKNOWN_BYTES: u64 = 64 << 30;

impl ModelStore {
    /// Downloads a model of the catalogue. What an earlier attempt left is used; what is damaged in a model that is
    /// there is fetched again; a model that is whole is only checked. Dropping the future or setting `cancel` stops
    /// at once and loses nothing that has arrived.
    ///
    /// # Errors
    /// [`StoreError`] with what went wrong; the files that are verified by then stay for the next attempt.
    pub async fn download(
        &self,
        name: &str,
        options: &DownloadOptions,
        progress: &watch::Sender<Progress>,
        cancel: &Cancel,
    ) -> Result<ModelDir, StoreError> {
        options.check()?;
        let id = self.known_id(name)?;
        if self.builtin_root(&id).is_some() {
            progress.send_replace(Progress::Done);
            return self.open(id.as_str());
        }
        let entry =
            self.catalogue().models.iter().find(|entry| entry.id == id).ok_or_else(|| self.unknown(name))?.clone();
        let source = entry.source.clone().ok_or_else(|| StoreError::NoSource { id: id.to_string() })?;
        let transport = Transport::new(&self.catalogue().hub, options)?;
        let jobs = jobs(&entry, &source, &transport)?;
        progress.send_replace(Progress::Starting);
        let lock = Arc::new(self.wait_for_lock(&id, cancel).await?);

        if let Some(model) = self.adopt(&id, &entry, cancel, &lock).await? {
            progress.send_replace(Progress::Done);
            return Ok(model);
        }
        let partial = self.partial_root(&id);
        let (tree, parts) = (partial.join("tree"), partial.join("parts"));
        let (mut done, mut jobs) = self.sort_out(&id, jobs, &tree, &lock, progress, cancel).await?;
        ask_sizes(&transport, &mut jobs, progress, cancel).await?;
        self.check_space(&entry, &jobs, &parts, options)?;

        for (index, job) in jobs.iter_mut().enumerate() {
            job.index = index;
        }
        let tracker = Arc::new(Tracker::new(
            jobs.iter().map(|job| job.planned_size).collect(),
            done.iter().map(|file| file.size).sum(),
            done.len(),
        ));
        let shared = Arc::new(Shared {
            transport,
            options: options.clone(),
            cancel: cancel.clone(),
            tracker,
            lock: lock.clone(),
            tree: tree.clone(),
            parts,
        });
        done.extend(fetch_all(&shared, jobs, progress).await?);
        progress.send_replace(Progress::Finishing);
        let model = self.put_in_place(id, tree, done, lock).await?;
        progress.send_replace(Progress::Done);
        Ok(model)
    }

    async fn wait_for_lock(&self, id: &ModelId, cancel: &Cancel) -> Result<Lock, StoreError> {
        let started = Instant::now();
        loop {
            if let Some(lock) = self.try_lock(id)? {
                return Ok(lock);
            }
            cancel.check()?;
            if started.elapsed() >= LOCK_PATIENCE {
                return Err(StoreError::Busy { id: id.to_string() });
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
    }

    /// Returns a model that is there and whole; one that is not goes back among the files on their way.
    async fn adopt(
        &self,
        id: &ModelId,
        entry: &CatalogueEntry,
        cancel: &Cancel,
        lock: &Arc<Lock>,
    ) -> Result<Option<ModelDir>, StoreError> {
        let (store, id, entry, cancel, lock) = (self.clone(), id.clone(), entry.clone(), cancel.clone(), lock.clone());
        blocking(move || {
            let _lock = lock;
            let root = store.model_root(&id);
            if std::fs::symlink_metadata(&root).is_err() {
                return Ok(None);
            }
            match store.is_whole(&root, &id, &entry, &cancel) {
                Ok(model) => return Ok(Some(model)),
                Err(StoreError::Cancelled) => return Err(StoreError::Cancelled),
                Err(error) => tracing::info!(%id, %error, "the model is there but not whole: the rest is fetched"),
            }
            let tree = store.partial_root(&id).join("tree");
            if std::fs::symlink_metadata(&tree).is_err()
                && std::fs::symlink_metadata(&root).is_ok_and(|metadata| metadata.is_dir())
            {
                disk::rename(&root, &tree)?;
                return Ok(None);
            }
            merge(&root, &tree)?;
            Ok(None)
        })
        .await
    }

    fn is_whole(
        &self,
        root: &Path,
        id: &ModelId,
        entry: &CatalogueEntry,
        cancel: &Cancel,
    ) -> Result<ModelDir, StoreError> {
        let bounds = Bounds::of_folder(root)?;
        let inspection = layout::inspect(root, &bounds)?;
        if !inspection.missing.is_empty() {
            return Err(StoreError::Incomplete { path: root.to_path_buf(), missing: inspection.missing });
        }
        layout::check_contents(root, &inspection.layout)?;
        let record = Record::read(self.models_dir(), id);
        let mut cache = self.cache();
        for wanted in &entry.files {
            let path = wanted.path.under(root);
            let known = record.as_ref().and_then(|record| record.files.iter().find(|file| file.path == wanted.path));
            if bounds.file_size(&path)?.is_none() {
                return Err(StoreError::Incomplete {
                    path: root.to_path_buf(),
                    missing: vec![wanted.path.to_string()],
                });
            }
            let (size, sha256) = cache.digest(&path, cancel, |_| ())?;
            let file = || wanted.path.to_string();
            if let Some(expected) = wanted.size.or(known.map(|file| file.size)).filter(|expected| *expected != size) {
                return Err(StoreError::WrongSize { file: file(), expected, found: size });
            }
            if let Some(expected) =
                wanted.sha256.or(known.map(|file| file.sha256)).filter(|expected| *expected != sha256)
            {
                // So that the damaged file, once moved, is not believed by its old time stamp.
                cache.forget(&path);
                cache.save();
                return Err(StoreError::WrongHash { file: file(), expected, found: sha256 });
            }
        }
        cache.save();
        Ok(model_dir(id.clone(), root.to_path_buf(), inspection.layout))
    }

    /// Files of an earlier attempt that are good, and what is left to do.
    async fn sort_out(
        &self,
        id: &ModelId,
        jobs: Vec<Job>,
        tree: &Path,
        lock: &Arc<Lock>,
        progress: &watch::Sender<Progress>,
        cancel: &Cancel,
    ) -> Result<(Vec<FileDigest>, Vec<Job>), StoreError> {
        let record = Record::read(self.models_dir(), id);
        let total = jobs.len();
        let (mut done, mut left) = (Vec::new(), Vec::new());
        for mut job in jobs {
            cancel.check()?;
            let transfer = Transfer {
                bytes_done: done.iter().map(|file: &FileDigest| file.size).sum(),
                files_done: done.len(),
                files_total: total,
                ..Transfer::default()
            };
            progress.send_replace(Progress::Checking(transfer));
            // For the check of what is there the record of an earlier complete download is as good as the catalogue.
            let known = record.as_ref().and_then(|record| record.files.iter().find(|file| file.path == job.path));
            let (size, sha256) = (job.size, job.sha256);
            job.size = size.or(known.map(|file| file.size));
            job.sha256 = sha256.or(known.map(|file| file.sha256));
            match file::check_existing(job.clone(), tree.to_path_buf(), cancel.clone(), self.clone(), lock.clone())
                .await?
            {
                Some(file) => done.push(file),
                None => left.push(Job { size, sha256, ..job }),
            }
        }
        Ok((done, left))
    }

    fn check_space(
        &self,
        entry: &CatalogueEntry,
        jobs: &[Job],
        parts: &Path,
        options: &DownloadOptions,
    ) -> Result<(), StoreError> {
        let needed = jobs.iter().map(|job| {
            let approx = entry.files.iter().find(|file| file.path == job.path).and_then(|file| file.approx_size);
            let have =
                std::fs::metadata(job.path.under_with_suffix(parts, ".part")).map_or(0, |metadata| metadata.len());
            job.planned_size.or(approx).unwrap_or(0).saturating_sub(have)
        });
        disk::ensure_free(self.models_dir(), needed.fold(0, u64::saturating_add), options.reserve_bytes)
    }

    async fn put_in_place(
        &self,
        id: ModelId,
        tree: PathBuf,
        files: Vec<FileDigest>,
        lock: Arc<Lock>,
    ) -> Result<ModelDir, StoreError> {
        let store = self.clone();
        blocking(move || {
            let _lock = lock;
            let inspection = layout::inspect(&tree, &Bounds::of_folder(&tree)?)?;
            if !inspection.missing.is_empty() {
                return Err(StoreError::Incomplete { path: tree, missing: inspection.missing });
            }
            layout::check_contents(&tree, &inspection.layout)?;
            Record::new(files.clone()).write(store.models_dir(), &id)?;
            let root = store.model_root(&id);
            disk::rename(&tree, &root)?;
            disk::remove_all(&store.partial_root(&id))?;
            remember(&store, &root, &files);
            Ok(model_dir(id, root, inspection.layout))
        })
        .await
    }
}

fn jobs(entry: &CatalogueEntry, source: &Source, transport: &Transport) -> Result<Vec<Job>, StoreError> {
    entry
        .files
        .iter()
        .map(|file| {
            let url = transport.url_of(source, file)?;
            Ok(Job {
                index: 0,
                path: file.path.clone(),
                url,
                size: file.size,
                sha256: file.sha256,
                planned_size: file.size,
                size_limit: size_limit(file),
            })
        })
        .collect()
}

/// Most bytes that are taken for a file: its size where the catalogue knows it, so that no source can fill the disk.
fn size_limit(file: &CatalogueFile) -> u64 {
    match (file.size, file.approx_size) {
        (Some(size), _) => size,
        // Rounded sizes are close for large files and may be far off for small ones.
        (None, Some(approx)) => approx.saturating_add(approx / 4).saturating_add(16 << 20),
        (None, None) => MAX_UNKNOWN_BYTES,
    }
}

/// Asks the source for sizes that the catalogue does not know, for the disk check and for the time left. A source that
/// fails here is not given up on: the download itself tries again and says what is wrong.
async fn ask_sizes(
    transport: &Transport,
    jobs: &mut [Job],
    progress: &watch::Sender<Progress>,
    cancel: &Cancel,
) -> Result<(), StoreError> {
    let files_total = jobs.iter().filter(|job| job.planned_size.is_none()).count();
    for (files_done, job) in jobs.iter_mut().filter(|job| job.planned_size.is_none()).enumerate() {
        progress.send_replace(Progress::Asking { files_done, files_total });
        let size = tokio::select! {
            size = transport.size(&job.url) => size,
            () = cancel.cancelled() => return Err(StoreError::Cancelled),
        };
        match size {
            Ok(size) => job.planned_size = size.filter(|size| *size > 0),
            // Some sources refuse this question and still give the file.
            Err(Failure { error: StoreError::Status { .. }, .. }) => {}
            Err(Failure { error, retry: false }) => return Err(error),
            Err(Failure { error, .. }) => {
                tracing::debug!(file = %job.path, %error, "the size is not known in advance");
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn fetch_all(
    shared: &Arc<Shared>,
    jobs: Vec<Job>,
    progress: &watch::Sender<Progress>,
) -> Result<Vec<FileDigest>, StoreError> {
    let started = Instant::now();
    let mut meter = RateMeter::default();
    let mut publish = || {
        let transfer = shared.tracker.snapshot(&mut meter, started.elapsed().as_secs_f64());
        progress.send_replace(Progress::Downloading(transfer));
    };
    let mut waiting = jobs.into_iter();
    // Dropping the set ends its tasks.
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    let mut ticks = tokio::time::interval(PUBLISH_EVERY);
    loop {
        while running.len() < shared.options.parallel_files
            && let Some(job) = waiting.next()
        {
            running.spawn(file::fetch(shared.clone(), job));
        }
        tokio::select! {
            _ = ticks.tick() => publish(),
            finished = running.join_next() => match finished {
                None => break,
                Some(Ok(Ok(file))) => done.push(file),
                Some(Ok(Err(error))) => {
                    stop(shared, running, matches!(error, StoreError::Cancelled)).await;
                    return Err(error);
                }
                Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Some(Err(_)) => return Err(StoreError::Cancelled),
            },
        }
    }
    publish();
    Ok(done)
}

/// Ends the other files. When the user stopped they write what they hold first, which takes a moment.
async fn stop(shared: &Shared, mut running: JoinSet<Result<FileDigest, StoreError>>, by_user: bool) {
    if by_user {
        let all_ended = async { while running.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LOCK_PATIENCE, all_ended).await;
    }
    running.shutdown().await;
    tracing::debug!(parts = %shared.parts.display(), "what has arrived stays for the next attempt");
}

/// Moves the files of a damaged model to those on their way, where they are checked; what is there twice is dropped.
fn merge(root: &Path, tree: &Path) -> Result<(), StoreError> {
    if std::fs::symlink_metadata(root).is_ok_and(|metadata| metadata.is_dir()) {
        for file in disk::walk(root, MAX_WALK)? {
            let (from, to) = (root.join(&file), tree.join(&file));
            if std::fs::symlink_metadata(&to).is_err() {
                disk::rename(&from, &to)?;
            }
        }
    }
    disk::remove_all(root)
}
