//! A model, loaded for a command.

use std::path::PathBuf;

use infernet_engine::pipeline::{
    GenerateRequest, LoadOptions, ModelDefaults, Precision, VideoModel, load, model_defaults,
};
use infernet_engine::schedulers::{SchedulerConfig, SchedulerKind};
use infernet_engine::store::{Cancel, ModelDir, ModelStore};

use infernet_network::proof::Digest;

use crate::cli::SizeArgs;
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

    /// Loads the model.
    pub(super) fn load(&self, options: &LoadOptions) -> Result<Box<dyn VideoModel>> {
        Ok(load(self.dir.root(), options)?)
    }

    /// The job that arguments ask for, with the model's values for what they leave open.
    pub(super) fn request(&self, size: &SizeArgs, prompt: &str) -> GenerateRequest {
        let defaults = &self.defaults;
        GenerateRequest {
            prompt: prompt.to_owned(),
            negative_prompt: String::new(),
            width: size.width.unwrap_or(defaults.width),
            height: size.height.unwrap_or(defaults.height),
            frames: size.frames.unwrap_or(defaults.frames),
            steps: size.steps.unwrap_or(defaults.steps),
            guidance: defaults.guidance,
            seed: 0,
        }
    }

    /// The digest a proof names, for who runs the model in a number format.
    pub(super) fn proof_digest(&self, precision: Precision) -> Result<Digest> {
        Ok(Digest(self.store.model_digest(&self.dir, precision.name(), "none", &Cancel::new())?))
    }

    /// The model's digest, in hex.
    pub(super) fn digest(&self) -> Result<String> {
        // Weights are used in the format they are stored in.
        let digest = self.store.model_digest(&self.dir, "stored", "none", &Cancel::new())?;
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
