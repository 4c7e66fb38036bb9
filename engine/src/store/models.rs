//! What is on the disk: listing, opening and removing models.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::cache::DigestCache;
use super::cancel::Cancel;
use super::catalogue::{Catalogue, CatalogueEntry};
use super::digest::{FileDigest, model_digest};
use super::disk::{self, Lock};
use super::error::StoreError;
use super::layout::{self, Bounds, Component, INDEX_FILE, ModelLayout};
use super::names::{ModelId, RelPath};
use super::record::Record;

/// Most files looked at in a model folder.
pub(crate) const MAX_WALK: usize = 10_000;
/// How long a lock that is about to be released is waited for: a stopped download ends its last write first.
pub(crate) const LOCK_PATIENCE: Duration = Duration::from_secs(3);
pub(crate) const LOCK_POLL: Duration = Duration::from_millis(25);

/// The models of this computer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ModelStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    models_dir: PathBuf,
    builtin_dirs: Vec<PathBuf>,
    catalogue: Catalogue,
}

/// A complete model on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDir {
    id: Option<ModelId>,
    root: PathBuf,
    layout: ModelLayout,
}

impl ModelDir {
    /// Its id, where it was opened by one.
    #[must_use]
    pub fn id(&self) -> Option<&ModelId> {
        self.id.as_ref()
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its components and their files.
    #[must_use]
    pub fn layout(&self) -> &ModelLayout {
        &self.layout
    }

    /// The component of this name.
    #[must_use]
    pub fn component(&self, name: &str) -> Option<&Component> {
        self.layout.component(name)
    }

    /// The weight files of a component, as paths that can be opened; empty where there is no such component.
    #[must_use]
    pub fn weight_paths(&self, component: &str) -> Vec<PathBuf> {
        self.component(component)
            .map_or_else(Vec::new, |found| found.weights.iter().map(|path| path.under(&self.root)).collect())
    }
}

/// A model as it is listed: what the catalogue says and what is on the disk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelInfo {
    /// Short name.
    pub id: String,
    /// Name for people; the id where the catalogue does not know the model.
    pub title: String,
    /// What is on the disk.
    pub state: ModelState,
    /// Its folder, where there is one.
    pub path: Option<PathBuf>,
    /// Bytes it takes on the disk, with what a stopped download left.
    pub bytes_on_disk: u64,
    /// What the catalogue says of it.
    pub catalogue: Option<CatalogueEntry>,
}

/// What is on the disk of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ModelState {
    /// It came with the program.
    BuiltIn,
    /// Every file is there.
    Complete,
    /// The folder is there but can't be used.
    Broken {
        /// What is missing or wrong.
        reasons: Vec<String>,
    },
    /// A download was started and has not ended.
    Partial {
        /// Bytes that are on the disk.
        bytes_done: u64,
        /// Bytes in all, as far as the catalogue knows.
        bytes_total: Option<u64>,
    },
    /// It can be downloaded.
    NotDownloaded,
}

impl ModelState {
    /// Whether the model can be used now.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        matches!(self, Self::BuiltIn | Self::Complete)
    }
}

impl ModelStore {
    /// A store with the catalogue that ships with the program. `models_dir` need not exist; `builtin_dirs` are folders
    /// whose subfolders are models that ship with the program, and are never written to.
    ///
    /// # Errors
    /// [`StoreError::Catalogue`], which does not happen with a catalogue that passed its tests.
    pub fn new(models_dir: impl Into<PathBuf>, builtin_dirs: Vec<PathBuf>) -> Result<Self, StoreError> {
        Ok(Self::with_catalogue(models_dir, builtin_dirs, Catalogue::builtin()?))
    }

    /// A store with a catalogue of the caller's.
    #[must_use]
    pub fn with_catalogue(models_dir: impl Into<PathBuf>, builtin_dirs: Vec<PathBuf>, catalogue: Catalogue) -> Self {
        Self { inner: Arc::new(Inner { models_dir: models_dir.into(), builtin_dirs, catalogue }) }
    }

    /// The folder that downloads and imports go to.
    #[must_use]
    pub fn models_dir(&self) -> &Path {
        &self.inner.models_dir
    }

    /// The catalogue.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.inner.catalogue
    }

    /// All models: the catalogue's in its order, then those that only the disk knows, by id.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the models folder is there and can't be listed.
    pub fn list(&self) -> Result<Vec<ModelInfo>, StoreError> {
        let mut ids: Vec<ModelId> = self.catalogue().models.iter().map(|entry| entry.id.clone()).collect();
        let mut others = Vec::new();
        for folder in self.inner.builtin_dirs.iter().chain([&self.inner.models_dir]) {
            if !folder.is_dir() {
                continue;
            }
            for entry in fs::read_dir(folder).map_err(|source| StoreError::io("list", folder, source))? {
                let entry = entry.map_err(|source| StoreError::io("list", folder, source))?;
                let id = entry.file_name().to_str().and_then(|name| ModelId::parse(name).ok());
                others.extend(id.filter(|id| !ids.contains(id) && entry.path().join(INDEX_FILE).exists()));
            }
        }
        others.sort();
        others.dedup();
        ids.extend(others);
        Ok(ids.iter().map(|id| self.info_of(id)).collect())
    }

    /// One model, by id or by the name of its repository.
    ///
    /// # Errors
    /// [`StoreError::UnknownModel`] when neither the catalogue nor the disk knows it.
    pub fn info(&self, name: &str) -> Result<ModelInfo, StoreError> {
        let id = self.known_id(name)?;
        let info = self.info_of(&id);
        if info.catalogue.is_none() && info.path.is_none() && info.bytes_on_disk == 0 {
            return Err(self.unknown(name));
        }
        Ok(info)
    }

    /// Opens a model by id, by the name of its repository, or by the path of its folder. Every file its components
    /// need is there; their content is not read.
    ///
    /// # Errors
    /// [`StoreError::UnknownModel`], [`StoreError::NotDownloaded`], [`StoreError::NotAModel`], [`StoreError::Incomplete`]
    /// or an error of a single file.
    pub fn open(&self, id_or_path: &str) -> Result<ModelDir, StoreError> {
        let (root, id) = self.locate(id_or_path)?;
        let inspection = layout::inspect(&root, &Bounds::of_folder(&root)?)?;
        if !inspection.missing.is_empty() {
            return Err(StoreError::Incomplete { path: root, missing: inspection.missing });
        }
        Ok(ModelDir { id, root, layout: inspection.layout })
    }

    /// Removes a model and what a stopped download of it left. Returns the bytes that this freed.
    ///
    /// # Errors
    /// [`StoreError::BuiltIn`], [`StoreError::Busy`], [`StoreError::UnknownModel`], [`StoreError::NotDownloaded`] or
    /// [`StoreError::Io`].
    pub fn remove(&self, name: &str) -> Result<u64, StoreError> {
        let id = self.known_id(name)?;
        if self.builtin_root(&id).is_some() {
            return Err(StoreError::BuiltIn { id: id.to_string(), action: "removed" });
        }
        let root = self.model_root(&id);
        let partial = self.partial_root(&id);
        if !exists(&root) && !exists(&partial) {
            return Err(self.absent(&id, name));
        }
        let _lock = self.lock(&id)?;
        let freed = tree_size(&root) + tree_size(&partial);
        // Out of sight in one step, so that a removal that is killed leaves no half model under its name.
        let trash = self.inner.models_dir.join(".trash");
        disk::remove_all(&trash)?;
        if exists(&root) {
            disk::rename(&root, &trash.join(id.as_str()))?;
        }
        disk::remove_all(&partial)?;
        disk::remove_all(&Record::path(self.models_dir(), &id))?;
        disk::remove_all(&trash)?;
        Ok(freed)
    }

    /// Size and SHA-256 of every file that decides a model's result. Files that have not changed since they were last
    /// read are not read again. Blocking.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Cancelled`].
    pub fn file_digests(&self, model: &ModelDir, cancel: &Cancel) -> Result<Vec<FileDigest>, StoreError> {
        let mut cache = self.cache();
        let digests = model
            .layout
            .result_files()
            .into_iter()
            .map(|path| {
                let (size, sha256) = cache.digest(&path.under(&model.root), cancel, |_| ())?;
                Ok(FileDigest { path, size, sha256 })
            })
            .collect();
        // Also what was hashed before an error is worth keeping.
        cache.save();
        digests
    }

    /// The digest that a proof of inference commits to: see [`model_digest`]. Blocking.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Cancelled`].
    pub fn model_digest(
        &self,
        model: &ModelDir,
        dtype: &str,
        quantisation: &str,
        cancel: &Cancel,
    ) -> Result<[u8; 32], StoreError> {
        model_digest(&self.file_digests(model, cancel)?, dtype, quantisation)
    }

    /// Folder and id of a model that is on the disk.
    pub(crate) fn locate(&self, id_or_path: &str) -> Result<(PathBuf, Option<ModelId>), StoreError> {
        let id = self.known_id(id_or_path).ok();
        if let Some(id) = &id {
            let found = self.builtin_root(id).or_else(|| Some(self.model_root(id)).filter(|root| root.is_dir()));
            if let Some(root) = found {
                return Ok((root, Some(id.clone())));
            }
        }
        let path = Path::new(id_or_path);
        if path.is_dir() {
            return Ok((path.to_path_buf(), None));
        }
        Err(id.map_or_else(|| self.unknown(id_or_path), |id| self.absent(&id, id_or_path)))
    }

    /// The id that a name stands for: an id, or the name of a repository in the catalogue.
    pub(crate) fn known_id(&self, name: &str) -> Result<ModelId, StoreError> {
        match self.catalogue().get(name) {
            Some(entry) => Ok(entry.id.clone()),
            None => ModelId::parse(name).map_err(|_| self.unknown(name)),
        }
    }

    pub(crate) fn model_root(&self, id: &ModelId) -> PathBuf {
        self.inner.models_dir.join(id.as_str())
    }

    pub(crate) fn partial_root(&self, id: &ModelId) -> PathBuf {
        self.inner.models_dir.join(".partial").join(id.as_str())
    }

    pub(crate) fn import_root(&self, id: &ModelId) -> PathBuf {
        self.inner.models_dir.join(".import").join(id.as_str())
    }

    pub(crate) fn builtin_root(&self, id: &ModelId) -> Option<PathBuf> {
        self.inner
            .builtin_dirs
            .iter()
            .map(|folder| folder.join(id.as_str()))
            .find(|root| root.join(INDEX_FILE).is_file())
    }

    pub(crate) fn cache(&self) -> DigestCache {
        DigestCache::open(&self.inner.models_dir)
    }

    pub(crate) fn try_lock(&self, id: &ModelId) -> Result<Option<Lock>, StoreError> {
        Lock::try_take(&self.inner.models_dir.join(".locks").join(format!("{id}.lock")))
    }

    /// Takes a model's lock, waiting a moment for one that is about to be released. Blocking.
    pub(crate) fn lock(&self, id: &ModelId) -> Result<Lock, StoreError> {
        let started = Instant::now();
        loop {
            if let Some(lock) = self.try_lock(id)? {
                return Ok(lock);
            }
            if started.elapsed() >= LOCK_PATIENCE {
                return Err(StoreError::Busy { id: id.to_string() });
            }
            std::thread::sleep(LOCK_POLL);
        }
    }

    fn info_of(&self, id: &ModelId) -> ModelInfo {
        let catalogue = self.catalogue().models.iter().find(|entry| entry.id == *id).cloned();
        let builtin = self.builtin_root(id);
        let is_builtin = builtin.is_some();
        let path = builtin.or_else(|| Some(self.model_root(id)).filter(|root| root.is_dir()));
        let left_over = tree_size(&self.partial_root(id));
        let state = match &path {
            Some(root) => self.state_of(root, id, is_builtin),
            None if left_over > 0 => ModelState::Partial {
                bytes_done: left_over,
                bytes_total: catalogue.as_ref().and_then(CatalogueEntry::download_size),
            },
            None => ModelState::NotDownloaded,
        };
        ModelInfo {
            id: id.to_string(),
            title: catalogue.as_ref().map_or_else(|| id.to_string(), |entry| entry.title.clone()),
            state,
            bytes_on_disk: left_over + path.as_deref().map_or(0, tree_size),
            path,
            catalogue,
        }
    }

    fn state_of(&self, root: &Path, id: &ModelId, is_builtin: bool) -> ModelState {
        match self.open(id.as_str()) {
            Ok(_) if is_builtin => ModelState::BuiltIn,
            Ok(_) => ModelState::Complete,
            Err(StoreError::Incomplete { missing, .. }) => ModelState::Broken { reasons: missing },
            Err(error) => {
                tracing::debug!(root = %root.display(), %error, "model can't be used");
                ModelState::Broken { reasons: vec![error.to_string()] }
            }
        }
    }

    fn absent(&self, id: &ModelId, name: &str) -> StoreError {
        if self.catalogue().models.iter().any(|entry| entry.id == *id) {
            StoreError::NotDownloaded { id: id.to_string() }
        } else {
            self.unknown(name)
        }
    }

    pub(crate) fn unknown(&self, name: &str) -> StoreError {
        let known: Vec<_> = self.catalogue().models.iter().map(|entry| entry.id.as_str()).collect();
        StoreError::UnknownModel { name: name.chars().take(200).collect(), known: known.join(", ") }
    }
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Bytes of the regular files below a folder; 0 where it can't be read.
fn tree_size(root: &Path) -> u64 {
    let is_dir = fs::symlink_metadata(root).is_ok_and(|metadata| metadata.is_dir());
    if !is_dir {
        return 0;
    }
    let files = disk::walk(root, MAX_WALK).unwrap_or_default();
    files
        .iter()
        .filter_map(|file| fs::symlink_metadata(root.join(file)).ok())
        .filter(fs::Metadata::is_file)
        .map(|file| file.len())
        .sum()
}

/// The model in a folder that has just been completed and checked.
pub(crate) fn model_dir(id: ModelId, root: PathBuf, layout: ModelLayout) -> ModelDir {
    ModelDir { id: Some(id), root, layout }
}

/// Digests of files below `root` go to the cache under the paths they have now.
pub(crate) fn remember(store: &ModelStore, root: &Path, files: &[FileDigest]) {
    let mut cache = store.cache();
    for FileDigest { path, sha256, .. } in files {
        let path: &RelPath = path;
        cache.insert_own(&path.under(root), *sha256);
    }
    cache.save();
}
