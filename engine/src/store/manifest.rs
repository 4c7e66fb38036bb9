//! `infernet.json` in a model's folder: what we know about the model beyond its files.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::disk;
use super::error::StoreError;

/// Name of the manifest in a model's folder. It is no part of the model digest.
pub(crate) const FILE_NAME: &str = "infernet.json";

const FORMAT_VERSION: u32 = 1;
const MAX_LEN: u64 = 16 << 20;

/// What we know about a model beyond its files. Fields this version does not know are kept when it is written back,
/// so that a newer program's calibration survives an older one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of this file.
    pub version: u32,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for Manifest {
    fn default() -> Self {
        Self { version: FORMAT_VERSION, other: Map::new() }
    }
}

impl Manifest {
    /// Reads a model's manifest; `None` where it has none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the file is there and is no manifest.
    pub fn read(model_dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = model_dir.join(FILE_NAME);
        if !path.exists() {
            return Ok(None);
        }
        disk::read_json(&path, MAX_LEN).map(Some)
    }

    /// Writes a model's manifest; either the old or the new one is there at any time.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::DiskFull`].
    pub fn write(&self, model_dir: &Path) -> Result<(), StoreError> {
        let path = model_dir.join(FILE_NAME);
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
    use super::*;

    #[test]
    fn unknown_fields_survive() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap(), None);
        let text = r#"{"version": 1, "from_the_future": {"threshold": 0.25, "list": [1, 2]}}"#;
        std::fs::write(dir.path().join(FILE_NAME), text).unwrap();
        let manifest = Manifest::read(dir.path()).unwrap().unwrap();
        manifest.write(dir.path()).unwrap();
        let after: Value = serde_json::from_slice(&std::fs::read(dir.path().join(FILE_NAME)).unwrap()).unwrap();
        assert_eq!(after, serde_json::from_str::<Value>(text).unwrap());
        std::fs::write(dir.path().join(FILE_NAME), "[]").unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap_err().code(), "model.damaged");
    }
}
