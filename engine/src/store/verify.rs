//! Reading every byte of a model again and comparing it with what it should be.

use serde::Serialize;
use tokio::sync::watch;

use super::cancel::Cancel;
use super::digest::{FileDigest, Sha256Digest, file_sha256};
use super::error::StoreError;
use super::layout::{self, Bounds};
use super::models::ModelStore;
use super::names::RelPath;
use super::progress::{Progress, Work};
use super::record::Record;

/// The outcome of a verification.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifyReport {
    /// What was asked for: an id or a path.
    pub model: String,
    /// Every file that decides the result, and every file that should be there and is not.
    pub files: Vec<VerifiedFile>,
    /// What is wrong with the folder as a whole or with a file's form; empty where nothing is.
    pub problems: Vec<String>,
}

/// One file of a verification.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifiedFile {
    /// Path inside the model folder.
    pub path: RelPath,
    /// Size in bytes, where the file is there.
    pub size: Option<u64>,
    /// SHA-256 as read now, where the file is there.
    pub sha256: Option<Sha256Digest>,
    /// What that means.
    pub verdict: FileVerdict,
}

/// What a verification says of a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum FileVerdict {
    /// The content is what the catalogue, or the record from when the file came, says.
    Matches,
    /// Nobody said what the content should be; it could be read.
    NoReference,
    /// The size is another.
    WrongSize {
        /// Expected bytes.
        expected: u64,
    },
    /// The content is another.
    WrongHash {
        /// Expected digest.
        expected: Sha256Digest,
    },
    /// The file is not there.
    Missing,
}

impl FileVerdict {
    /// Whether the file is as it should be, as far as is known.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Matches | Self::NoReference)
    }
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.problems.is_empty() && self.files.iter().all(|file| file.verdict.is_good())
    }
}

impl ModelStore {
    /// Reads every file of a model and compares sizes and SHA-256 with the catalogue and with the record from when
    /// the model came; also checks that the layout is complete and the files have the right form. Blocking; takes as
    /// long as the disk needs. The digest cache is not used, and corrected where it was wrong.
    ///
    /// # Errors
    /// [`StoreError`] when the model is unknown, can't be read at all, or `cancel` was set. What is wrong with the
    /// model is in the report, not in an error.
    pub fn verify(
        &self,
        id_or_path: &str,
        progress: &watch::Sender<Progress>,
        cancel: &Cancel,
    ) -> Result<VerifyReport, StoreError> {
        let (root, id) = self.locate(id_or_path)?;
        let mut problems = Vec::new();
        let bounds = Bounds::of_folder(&root)?;
        let mut wanted: Vec<RelPath> = match layout::inspect(&root, &bounds) {
            Ok(inspection) => {
                if inspection.missing.is_empty() {
                    problems
                        .extend(layout::check_contents(&root, &inspection.layout).err().map(|error| error.to_string()));
                } else {
                    problems.extend(inspection.missing.iter().map(|what| format!("missing: {what}")));
                }
                inspection.layout.result_files()
            }
            Err(error) => {
                problems.push(error.to_string());
                Vec::new()
            }
        };
        let entry = id.as_ref().and_then(|id| self.catalogue().get(id.as_str()));
        let catalogued = entry.map_or(&[][..], |entry| &entry.files[..]);
        let record = id.as_ref().and_then(|id| Record::read(self.models_dir(), id));
        let recorded: &[FileDigest] = record.as_ref().map_or(&[], |record| &record.files);
        wanted.extend(catalogued.iter().map(|file| file.path.clone()));
        wanted.extend(recorded.iter().map(|file| file.path.clone()));
        wanted.sort();
        wanted.dedup();

        let sizes = wanted.iter().map(|path| bounds.file_size(&path.under(&root))).collect::<Result<Vec<_>, _>>()?;
        let mut work = Work::new(
            Progress::Verifying,
            sizes.iter().copied().map(|size| Some(size.unwrap_or(0))).collect(),
            progress,
        );
        let mut cache = self.cache();
        let mut files = Vec::with_capacity(wanted.len());
        for (index, path) in wanted.into_iter().enumerate() {
            let Some(size) = sizes[index] else {
                files.push(VerifiedFile { path, size: None, sha256: None, verdict: FileVerdict::Missing });
                continue;
            };
            let sha256 = file_sha256(&path.under(&root), cancel, |bytes| work.bytes(index, bytes))?;
            work.file_done(index, size);
            let in_catalogue = catalogued.iter().find(|file| file.path == path);
            let in_record = recorded.iter().find(|file| file.path == path);
            let expected_size = in_catalogue.and_then(|file| file.size).or(in_record.map(|file| file.size));
            let expected_hash = in_catalogue.and_then(|file| file.sha256).or(in_record.map(|file| file.sha256));
            let verdict = match (expected_size, expected_hash) {
                (Some(expected), _) if expected != size => FileVerdict::WrongSize { expected },
                (_, Some(expected)) if expected != sha256 => FileVerdict::WrongHash { expected },
                (_, Some(_)) => FileVerdict::Matches,
                (_, None) => FileVerdict::NoReference,
            };
            if verdict.is_good() {
                cache.correct(&path.under(&root), sha256);
            } else {
                cache.forget(&path.under(&root));
            }
            files.push(VerifiedFile { path, size: Some(size), sha256: Some(sha256), verdict });
        }
        cache.save();
        progress.send_replace(Progress::Done);
        Ok(VerifyReport { model: id_or_path.to_owned(), files, problems })
    }
}
