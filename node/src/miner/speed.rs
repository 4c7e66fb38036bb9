//! How long an evaluation takes here: the median of the last steps of real jobs, per model and size.

use std::collections::HashMap;
use std::path::PathBuf;

use infernet_engine::video::write_atomically;
use serde::{Deserialize, Serialize};

/// What is assumed of a model that has not run here: slow enough that no deadline is set too early.
const UNKNOWN_SECONDS: f64 = 5.0;
/// Weight of a new measurement.
const NEWEST: f64 = 0.3;

/// Seconds per evaluation and latent element, by model digest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Speeds {
    #[serde(skip)]
    path: Option<PathBuf>,
    per_element: HashMap<String, f64>,
}

impl Speeds {
    /// Reads the file; measures anew where there is none.
    pub(super) fn open(path: PathBuf) -> Self {
        let read = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        Self { path: Some(path), ..read.unwrap_or_default() }
    }

    /// Seconds of one evaluation of a latent with so many elements.
    pub(super) fn seconds(&self, model: &str, elements: usize) -> f64 {
        self.per_element.get(model).map_or(UNKNOWN_SECONDS, |seconds| seconds * elements as f64)
    }

    /// Notes a measurement.
    pub(super) fn note(&mut self, model: &str, elements: usize, seconds: f64) {
        if elements == 0 || !seconds.is_finite() || seconds <= 0.0 {
            return;
        }
        let measured = seconds / elements as f64;
        let known = self.per_element.entry(model.to_owned()).or_insert(measured);
        *known += NEWEST * (measured - *known);
        if let (Some(path), Ok(bytes)) = (&self.path, serde_json::to_vec(self))
            && let Err(error) = write_atomically(path, &bytes)
        {
            tracing::warn!("measured speeds can't be kept: {error}");
        }
    }
}
