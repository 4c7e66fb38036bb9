//! A model, loaded for a command.

use std::path::PathBuf;

use infernet_engine::pipeline::{LoadOptions, ModelDefaults, TensorDevice, VideoModel, load, model_defaults};
use infernet_engine::schedulers::{SchedulerConfig, SchedulerKind};
use infernet_engine::store::{Cancel, ModelDir, ModelStore};

use super::device;
use crate::cli::ModelArgs;
use crate::failure::Result;
use crate::paths;

/// A model folder with what the catalogue says of it.
pub(super) struct Found {
    pub(super) store: ModelStore,
    pub(super) dir: ModelDir,
    pub(super) defaults: ModelDefaults,
}

/// Finds the model; nothing is loaded.
pub(super) fn find(name: &str) -> Result<Found> {
    let store = paths::model_store()?;
    let dir = store.open(name)?;
    let known = dir.id().and_then(|id| store.catalogue().get(id.as_str())).map(|entry| entry.defaults);
    let defaults = match known {
        Some(known) => ModelDefaults {
            width: known.width as usize,
            height: known.height as usize,
            frames: known.frames as usize,
            frames_per_second: f64::from(known.fps),
            steps: known.steps as usize,
            guidance: known.guidance as f32,
        },
        None => model_defaults(dir.root())?,
    };
    Ok(Found { store, dir, defaults })
}

impl Found {
    /// The sampler: the model's, or another with its parameters.
    pub(super) fn scheduler(&self, name: Option<&str>) -> Result<SchedulerConfig> {
        let kind = name.map(str::parse::<SchedulerKind>).transpose()?;
        Ok(SchedulerConfig::read(&self.scheduler_path(), kind)?)
    }

    fn scheduler_path(&self) -> PathBuf {
        self.dir.root().join("scheduler").join("scheduler_config.json")
    }

    /// Loads the model on the device that the arguments ask for.
    pub(super) fn load(&self, arguments: &ModelArgs) -> Result<Box<dyn VideoModel>> {
        let choice = device::resolve(arguments)?;
        if !choice.reason.is_empty() {
            tracing::info!(reason = choice.reason, "computing on the CPU");
        }
        Ok(load(
            self.dir.root(),
            &LoadOptions { device: TensorDevice::Cpu, precision: choice.precision, threads: choice.threads },
        )?)
    }

    /// The model's digest, in hex.
    pub(super) fn digest(&self) -> Result<String> {
        // Weights are used in the format they are stored in.
        let digest = self.store.model_digest(&self.dir, "stored", "none", &Cancel::new())?;
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
