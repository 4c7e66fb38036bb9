//! What a model's files were when they came: the reference that `verify` compares with where the catalogue has none.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::FileDigest;
use super::disk;
use super::error::StoreError;
use super::names::ModelId;

const FORMAT_VERSION: u32 = 1;
const MAX_LEN: u64 = 4 << 20;

/// Sizes and digests of a model's files at the time it was downloaded or imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    version: u32,
    /// The files.
    pub(crate) files: Vec<FileDigest>,
}

impl Record {
    pub(crate) fn new(mut files: Vec<FileDigest>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { version: FORMAT_VERSION, files }
    }

    pub(crate) fn path(models_dir: &Path, id: &ModelId) -> PathBuf {
        models_dir.join(".records").join(format!("{id}.json"))
    }

    /// The record of a model. A missing or unreadable one is none: it only adds to what `verify` can say.
    pub(crate) fn read(models_dir: &Path, id: &ModelId) -> Option<Self> {
        let path = Self::path(models_dir, id);
        if !path.exists() {
            return None;
        }
        match disk::read_json::<Self>(&path, MAX_LEN) {
            Ok(record) if record.version == FORMAT_VERSION => Some(record),
            Ok(record) => {
                tracing::warn!(path = %path.display(), version = record.version, "record of another version is not used");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "record is not used");
                None
            }
        }
    }

    pub(crate) fn write(&self, models_dir: &Path, id: &ModelId) -> Result<(), StoreError> {
        let path = Self::path(models_dir, id);
        let text = serde_json::to_vec_pretty(self).map_err(|error| StoreError::Damaged {
            path: path.clone(),
            reason: format!("it can't be written as JSON: {error}"),
        })?;
        disk::write_atomically(&path, &text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::digest::Sha256Digest;
    use super::super::names::RelPath;
    use super::*;

    #[test]
    fn a_record_comes_back_sorted_and_a_damaged_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let id = ModelId::parse("m").unwrap();
        assert_eq!(Record::read(dir.path(), &id), None);
        let file =
            |path: &str| FileDigest { path: RelPath::parse(path).unwrap(), size: 3, sha256: Sha256Digest([9; 32]) };
        Record::new(vec![file("b"), file("a")]).write(dir.path(), &id).unwrap();
        assert_eq!(Record::read(dir.path(), &id).unwrap().files, vec![file("a"), file("b")]);
        std::fs::write(Record::path(dir.path(), &id), "no").unwrap();
        assert_eq!(Record::read(dir.path(), &id), None);
    }
}
