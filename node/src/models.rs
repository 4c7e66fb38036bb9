//! The models on this computer, by the digest that jobs name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use infernet_engine::pipeline::{ModelDefaults, Precision, model_defaults};
use infernet_engine::schedulers::{SchedulerConfig, SchedulerKind};
use infernet_engine::store::{Cancel, ModelStore};
use infernet_network::proof::{Digest, ToleranceTable};

use crate::bounds::{Bounds, BoundsError};

/// A model that can be run here, in one number format.
#[derive(Clone, Debug)]
pub struct LocalModel {
    /// Its name.
    pub id: String,
    /// Digest of its files with the number format.
    pub digest: Digest,
    /// Number format.
    pub precision: Precision,
    /// Its folder.
    pub folder: PathBuf,
    /// What its makers recommend.
    pub defaults: ModelDefaults,
    /// Its licence, where the catalogue knows it.
    pub license: Option<String>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct LocalModels(BTreeMap<Digest, LocalModel>);

impl LocalModels {
    /// Looks through a store. Models that can't be read are left out, with a warning in the log.
    pub fn scan(store: &ModelStore, precisions: &[Precision]) -> Self {
        let list = store.list().unwrap_or_else(|error| {
            tracing::warn!("the models can't be listed: {error}");
            Vec::new()
        });
        let mut models = BTreeMap::new();
        for info in list.into_iter().filter(|info| info.state.is_usable()) {
            let id = info.id;
            for &precision in precisions {
                match LocalModel::open(store, &id, precision) {
                    Ok(model) => {
                        models.insert(model.digest, model);
                    }
                    Err(error) => tracing::warn!(model = id, "the model is not offered: {error}"),
                }
            }
        }
        Self(models)
    }

    /// The model of a digest.
    pub fn get(&self, digest: &Digest) -> Option<&LocalModel> {
        self.0.get(digest)
    }

    /// The model of a name, in a number format.
    pub fn named(&self, id: &str, precision: Precision) -> Option<&LocalModel> {
        self.0.values().find(|model| model.id == id && model.precision == precision)
    }

    /// All, by digest.
    pub fn iter(&self) -> impl Iterator<Item = &LocalModel> {
        self.0.values()
    }
}

impl LocalModel {
    fn open(store: &ModelStore, id: &str, precision: Precision) -> Result<Self, String> {
        let dir = store.open(id).map_err(|error| error.to_string())?;
        let digest =
            store.model_digest(&dir, precision.name(), "none", &Cancel::new()).map_err(|error| error.to_string())?;
        let entry = dir.id().and_then(|id| store.catalogue().get(id.as_str()));
        let defaults = match entry.map(|entry| entry.defaults) {
            Some(known) => ModelDefaults {
                width: known.width as usize,
                height: known.height as usize,
                frames: known.frames as usize,
                frames_per_second: f64::from(known.fps),
                steps: known.steps as usize,
                guidance: known.guidance as f32,
            },
            None => model_defaults(dir.root()).map_err(|error| error.to_string())?,
        };
        let license = entry.map(|entry| entry.licence.name.clone());
        Ok(Self {
            id: id.to_owned(),
            digest: Digest(digest),
            precision,
            folder: dir.root().to_owned(),
            defaults,
            license,
        })
    }

    /// Its sampler, or another with its parameters.
    ///
    /// # Errors
    /// There is none of that name, or the model's can't be read.
    pub fn scheduler(&self, name: Option<&str>) -> infernet_engine::Result<SchedulerConfig> {
        let kind = name.map(str::parse::<SchedulerKind>).transpose()?;
        SchedulerConfig::read(&self.folder.join("scheduler").join("scheduler_config.json"), kind)
    }

    /// The bounds that come with it.
    ///
    /// # Errors
    /// There are none for this number format.
    pub fn bounds(&self) -> Result<ToleranceTable, BoundsError> {
        Bounds::of_model(&self.folder, &self.digest)
    }
}

/// Where a model's files are, for those who ask for them.
pub fn file_of(model: &LocalModel, path: &str) -> PathBuf {
    path.split('/').fold(model.folder.clone(), |folder: PathBuf, part| Path::new(&folder).join(part))
}
