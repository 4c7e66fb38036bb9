//! Bringing in a model that the user already has as a folder.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::cancel::Cancel;
use super::catalogue::CatalogueEntry;
use super::digest::{FileDigest, file_sha256};
use super::disk;
use super::error::StoreError;
use super::layout::{self, Bounds};
use super::manifest;
use super::models::{ModelDir, ModelStore, model_dir, remember};
use super::names::{ModelId, RelPath};
use super::progress::{Progress, Work};
use super::record::Record;

/// Bytes copied between two looks at the cancel flag.
const COPY_CHUNK: u64 = 64 << 20;
/// Bytes that stay free on the disk after an import.
const RESERVE_BYTES: u64 = 64 << 20;
/// Files beside the model's own that are worth taking along: our manifest, and what its authors ask to be kept.
const COMPANIONS: [&str; 5] = [manifest::FILE_NAME, "LICENSE", "LICENSE.md", "LICENSE.txt", "README.md"];

/// How an import gets at the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// Copies them. On file systems that can, copies share their blocks and take no room.
    Copy,
    /// Makes hard links, which take no room, and copies what lies on another disk. A file that is later changed in
    /// place changes in both folders; `verify` finds that.
    Link,
}

impl ModelStore {
    /// Brings in a model folder in the diffusers layout under an id of its own. Only what the model needs is taken:
    /// its index, configurations, tokenizer and the weights that are loaded. It becomes visible when all is there and
    /// checked; before that, and after an error, there is nothing under its id. Blocking.
    ///
    /// Under the id of a model in the catalogue the files must be the catalogue's.
    ///
    /// # Errors
    /// [`StoreError`] names the file and what is missing or wrong with it.
    pub fn import(
        &self,
        source: &Path,
        id: &str,
        mode: ImportMode,
        progress: &watch::Sender<Progress>,
        cancel: &Cancel,
    ) -> Result<ModelDir, StoreError> {
        let id = ModelId::parse(id)?;
        if self.builtin_root(&id).is_some() || self.catalogue().get(id.as_str()).is_some_and(|entry| entry.builtin) {
            return Err(StoreError::BuiltIn { id: id.to_string(), action: "replaced" });
        }
        if !source.is_dir() {
            return Err(StoreError::NotAModel { path: source.to_path_buf(), reason: "it is not a folder".into() });
        }
        let _lock = self.lock(&id)?;
        let target = self.model_root(&id);
        if fs::symlink_metadata(&target).is_ok() {
            return Err(StoreError::AlreadyThere { id: id.to_string(), path: target });
        }

        let bounds = Bounds::of_import(source)?;
        let inspection = layout::inspect(source, &bounds)?;
        if !inspection.missing.is_empty() {
            return Err(StoreError::Incomplete { path: source.to_path_buf(), missing: inspection.missing });
        }
        layout::check_contents(source, &inspection.layout)?;
        let result_files = inspection.layout.result_files();
        let files = with_sizes(source, &bounds, &result_files)?;
        if mode == ImportMode::Copy {
            disk::ensure_free(self.models_dir(), files.iter().map(|(_, size)| size).sum(), RESERVE_BYTES)?;
        }

        let staging = Staging::new(self.import_root(&id))?;
        let digests = bring_in(source, &staging.path, &files, mode, progress, cancel)?;
        let digests: Vec<FileDigest> = digests.into_iter().filter(|file| result_files.contains(&file.path)).collect();
        if let Some(entry) = self.catalogue().get(id.as_str()) {
            compare_with_catalogue(entry, &digests)?;
        }
        progress.send_replace(Progress::Finishing);
        let inspection = layout::inspect(&staging.path, &Bounds::of_folder(&staging.path)?)?;
        layout::check_contents(&staging.path, &inspection.layout)?;
        Record::new(digests.clone()).write(self.models_dir(), &id)?;
        disk::rename(&staging.path, &target)?;
        remember(self, &target, &digests);
        progress.send_replace(Progress::Done);
        Ok(model_dir(id, target, inspection.layout))
    }
}

/// The model's files and their companions, with sizes.
fn with_sizes(source: &Path, bounds: &Bounds, result_files: &[RelPath]) -> Result<Vec<(RelPath, u64)>, StoreError> {
    let mut files = Vec::with_capacity(result_files.len() + COMPANIONS.len());
    for path in result_files {
        let full = path.under(source);
        let size = bounds
            .file_size(&full)?
            .ok_or_else(|| StoreError::Damaged { path: full, reason: "it has just vanished".into() })?;
        files.push((path.clone(), size));
    }
    for name in COMPANIONS {
        let path = RelPath::parse(name)?;
        // A companion that can't be used is left behind, unless it is ours and would be missed.
        match bounds.file_size(&path.under(source)) {
            Ok(Some(size)) => files.push((path, size)),
            Ok(None) => {}
            Err(error) if name == manifest::FILE_NAME => return Err(error),
            Err(error) => tracing::debug!(%error, "companion file is left behind"),
        }
    }
    manifest::Manifest::read(source)?;
    Ok(files)
}

fn bring_in(
    source: &Path,
    staging: &Path,
    files: &[(RelPath, u64)],
    mode: ImportMode,
    progress: &watch::Sender<Progress>,
    cancel: &Cancel,
) -> Result<Vec<FileDigest>, StoreError> {
    let sizes: Vec<Option<u64>> = files.iter().map(|(_, size)| Some(*size)).collect();
    let mut work = Work::new(Progress::Copying, sizes.clone(), progress);
    for (index, (path, size)) in files.iter().enumerate() {
        cancel.check()?;
        let (from, to) = (path.under(source), path.under(staging));
        disk::create_parent(&to)?;
        if mode == ImportMode::Copy || !hard_link(&from, &to) {
            disk::ensure_free(staging, *size, 0)?;
            copy(&from, &to, cancel, |bytes| work.bytes(index, bytes))?;
        }
        work.file_done(index, *size);
    }
    // Hashed from the copy: what was read back is what was recorded.
    let mut work = Work::new(Progress::Verifying, sizes, progress);
    let mut digests = Vec::with_capacity(files.len());
    for (index, (path, _)) in files.iter().enumerate() {
        let copied = path.under(staging);
        let sha256 = file_sha256(&copied, cancel, |bytes| work.bytes(index, bytes))?;
        let size = fs::metadata(&copied).map_err(|source| StoreError::io("look at", &copied, source))?.len();
        work.file_done(index, size);
        digests.push(FileDigest { path: path.clone(), size, sha256 });
    }
    Ok(digests)
}

/// Links to the file itself, not to a link that leads to it. `false` where that is not possible: another disk, or a
/// file system without hard links.
fn hard_link(from: &Path, to: &Path) -> bool {
    fs::canonicalize(from).and_then(|real| fs::hard_link(real, to)).is_ok()
}

fn copy(from: &Path, to: &Path, cancel: &Cancel, on_bytes: impl FnMut(u64)) -> Result<(), StoreError> {
    let copied =
        if cfg!(target_os = "linux") { copy_in_chunks(from, to, cancel, on_bytes)? } else { copy_whole(from, to) };
    copied.map_err(|source| StoreError::io("copy to", to, source))
}

/// On Linux `io::copy` between files has the kernel copy, which shares blocks where the file system can (btrfs, xfs).
fn copy_in_chunks(
    from: &Path,
    to: &Path,
    cancel: &Cancel,
    mut on_bytes: impl FnMut(u64),
) -> Result<io::Result<()>, StoreError> {
    let reader = File::open(from).map_err(|source| StoreError::io("open", from, source))?;
    let mut writer = File::create(to).map_err(|source| StoreError::io("create", to, source))?;
    let mut total = 0;
    loop {
        cancel.check()?;
        match io::copy(&mut io::Read::take(&reader, COPY_CHUNK), &mut writer) {
            Ok(0) => return Ok(writer.sync_all()),
            Ok(copied) => {
                total += copied;
                on_bytes(total);
            }
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// Elsewhere `fs::copy` is what shares blocks (APFS, ReFS). It also copies the read-only flag, which would be in the
/// way of a later removal.
fn copy_whole(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    let mut permissions = fs::metadata(to)?.permissions();
    if permissions.readonly() {
        #[allow(clippy::permissions_set_readonly_false)]
        // only reached where this means the Windows or owner flag
        permissions.set_readonly(false);
        fs::set_permissions(to, permissions)?;
    }
    File::options().write(true).open(to)?.sync_all()
}

fn compare_with_catalogue(entry: &CatalogueEntry, found: &[FileDigest]) -> Result<(), StoreError> {
    let differs = |reason: String| StoreError::NotTheCataloguesModel { id: entry.id.to_string(), reason };
    for wanted in &entry.files {
        let Some(file) = found.iter().find(|file| file.path == wanted.path) else {
            return Err(differs(format!("{} is not among the files that are loaded", wanted.path)));
        };
        if let Some(size) = wanted.size.filter(|size| *size != file.size) {
            return Err(differs(format!("{} has {} bytes, not {size}", wanted.path, file.size)));
        }
        if let Some(sha256) = wanted.sha256.filter(|sha256| *sha256 != file.sha256) {
            return Err(differs(format!("{} has the SHA-256 {}, not {sha256}", wanted.path, file.sha256)));
        }
    }
    Ok(())
}

/// A folder for the import on its way, which is removed unless it was moved into place.
struct Staging {
    path: PathBuf,
}

impl Staging {
    fn new(path: PathBuf) -> Result<Self, StoreError> {
        disk::remove_all(&path)?;
        disk::create_dir(&path)?;
        Ok(Self { path })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = disk::remove_all(&self.path) {
            tracing::warn!(%error, "the remains of an import could not be removed");
        }
    }
}
