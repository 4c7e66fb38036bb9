//! The bounds that come with a model: `tolerances.json` in its folder, one table per number format that miners run it in.

use std::path::{Path, PathBuf};

use infernet_engine::video::write_atomically;
use infernet_network::proof::{Digest, ToleranceTable};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};

const FILE: &str = "tolerances.json";
const FORMAT: &str = "infernet tolerances 1";

/// The file.
#[derive(Serialize, Deserialize)]
pub(super) struct Bounds {
    format: String,
    /// How they were measured.
    pub(super) measured: String,
    /// One table per number format.
    pub(super) tables: Vec<ToleranceTable>,
}

impl Bounds {
    pub(super) fn new(measured: String, tables: Vec<ToleranceTable>) -> Self {
        Self { format: FORMAT.to_owned(), measured, tables }
    }

    /// The table for what miners run.
    pub(super) fn of_model(folder: &Path, model: &Digest) -> Result<ToleranceTable> {
        let path = path(folder);
        let name = path.display();
        let text = std::fs::read(&path).map_err(|error| {
            Failure::input(format!(
                "the model has no bounds to judge by ({name}: {error}); run `infernet calibrate` first"
            ))
        })?;
        let bounds: Self = serde_json::from_slice(&text).map_err(|error| {
            Failure::input(format!("{name} can't be read: {error}; run `infernet calibrate` again"))
        })?;
        if bounds.format != FORMAT {
            return Err(Failure::input(format!(
                "{name} is `{}`, expected `{FORMAT}`; run `infernet calibrate` again",
                bounds.format
            )));
        }
        bounds.tables.into_iter().find(|table| table.model == *model).ok_or_else(|| {
            Failure::input(format!(
                "{name} has no bounds for model {model}: the files or the number format are others; name the run's model, or run `infernet calibrate`"
            ))
        })
    }

    pub(super) fn write(&self, folder: &Path) -> Result<PathBuf> {
        let path = path(folder);
        let mut text = serde_json::to_vec_pretty(self).map_err(anyhow::Error::from)?;
        text.push(b'\n');
        write_atomically(&path, &text)?;
        Ok(path)
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}
