//! The bounds that come with a model: `tolerances.json` in its folder, one table per number format that miners run it in.

use std::path::{Path, PathBuf};

use infernet_engine::video::write_atomically;
use infernet_network::proof::{Digest, ToleranceTable};
use serde::{Deserialize, Serialize};

const FILE: &str = "tolerances.json";
const FORMAT: &str = "infernet tolerances 1";

/// The file.
#[derive(Serialize, Deserialize)]
pub struct Bounds {
    format: String,
    /// How they were measured.
    pub measured: String,
    /// One table per number format.
    pub tables: Vec<ToleranceTable>,
}

/// There are no bounds to judge by.
#[derive(Debug, thiserror::Error)]
pub enum BoundsError {
    /// The file can't be opened.
    #[error("the model has no bounds to judge by ({path}: {reason}); run `infernet calibrate` first")]
    Missing {
        /// Where it was looked for.
        path: String,
        /// Why.
        reason: String,
    },
    /// The file is none of ours.
    #[error("{path} can't be read: {reason}; run `infernet calibrate` again")]
    Unreadable {
        /// Where.
        path: String,
        /// Why.
        reason: String,
    },
    /// It is about other files.
    #[error(
        "{path} has no bounds for model {model}: the files or the number format are others; name the run's model, or run `infernet calibrate`"
    )]
    OtherModel {
        /// Where.
        path: String,
        /// The model asked for.
        model: Digest,
    },
}

impl Bounds {
    /// Bounds as they were measured.
    pub fn new(measured: String, tables: Vec<ToleranceTable>) -> Self {
        Self { format: FORMAT.to_owned(), measured, tables }
    }

    /// The table for what miners run.
    ///
    /// # Errors
    /// There is none.
    pub fn of_model(folder: &Path, model: &Digest) -> Result<ToleranceTable, BoundsError> {
        let path = path(folder);
        let name = path.display().to_string();
        let text = std::fs::read(&path)
            .map_err(|error| BoundsError::Missing { path: name.clone(), reason: error.to_string() })?;
        let bounds: Self = serde_json::from_slice(&text)
            .map_err(|error| BoundsError::Unreadable { path: name.clone(), reason: error.to_string() })?;
        if bounds.format != FORMAT {
            let reason = format!("it is `{}`, expected `{FORMAT}`", bounds.format);
            return Err(BoundsError::Unreadable { path: name, reason });
        }
        let table = bounds.tables.into_iter().find(|table| table.model == *model);
        table.ok_or(BoundsError::OtherModel { path: name, model: *model })
    }

    /// Writes the file into a model's folder, whole or not at all.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, folder: &Path) -> std::io::Result<PathBuf> {
        let path = path(folder);
        let mut text = serde_json::to_vec_pretty(self).map_err(std::io::Error::other)?;
        text.push(b'\n');
        write_atomically(&path, &text).map_err(std::io::Error::other)?;
        Ok(path)
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}
