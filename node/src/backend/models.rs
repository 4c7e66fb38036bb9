//! Models of the catalogue and of this computer.

use std::sync::Arc;

use infernet_api::types::job::JobSize;
use infernet_api::types::model::{Model, ModelAction, ModelList, ModelState as Shown};
use infernet_api::{ApiError, ErrorCode, ModelId, Problem};
use infernet_engine::pipeline::{GenerateRequest, Precision, estimated_peak_bytes};
use infernet_engine::store::{CatalogueEntry, ModelInfo, ModelState};

use super::{NodeBackend, convert, errors};
use crate::models::{LocalModel, LocalModels};

impl NodeBackend {
    pub(super) async fn model_list(&self) -> Result<ModelList, ApiError> {
        let roles = self.node().roles();
        let (store, models) = (Arc::clone(&roles.store), Arc::clone(&roles.models));
        let listed = tokio::task::spawn_blocking(move || {
            store.list().map(|list| list.iter().filter_map(|info| shown(info, &models)).collect())
        });
        match listed.await.map_err(|error| errors::broken(&error))? {
            Ok(models) => Ok(ModelList { models, disk_free_bytes: None }),
            Err(error) => {
                tracing::error!("the models can't be listed: {error}");
                Err(ApiError::internal("the models can't be listed"))
            }
        }
    }

    /// Models are changed on the command line for now, and the node looks at them when it starts.
    pub(super) async fn change_model_now(&self, id: ModelId, action: ModelAction) -> Result<Model, ApiError> {
        if !self.model_list().await?.models.iter().any(|model| model.id == id) {
            let message = format!("there is no model `{id}`");
            return Err(ApiError::new(
                ErrorCode::ModelNotFound,
                message,
                "choose one of the list: infernet model list",
            ));
        }
        let (word, command) = match action {
            ModelAction::Download => ("download models", "download"),
            ModelAction::Pause => ("pause downloads", "download"),
            ModelAction::Verify => ("verify models", "verify"),
            ModelAction::Delete => ("delete models", "remove"),
        };
        let message = format!("a running node can't {word} yet");
        let next_step = format!("run `infernet model {command} {id}` and start the node again");
        Err(ApiError::new(ErrorCode::InvalidRequest, message, next_step).at("action"))
    }
}

fn shown(info: &ModelInfo, models: &LocalModels) -> Option<Model> {
    let id: ModelId = info.id.parse().ok()?;
    let local = models.named(&info.id, Precision::F32);
    let entry = info.catalogue.as_ref();
    let defaults = match (local, entry) {
        (Some(local), _) => JobSize {
            width: local.defaults.width as u32,
            height: local.defaults.height as u32,
            frames: local.defaults.frames as u32,
            frames_per_second: local.defaults.frames_per_second,
            steps: local.defaults.steps as u32,
            guidance: local.defaults.guidance,
            scheduler: local.scheduler(None).map(|scheduler| scheduler.kind().name().to_owned()).unwrap_or_default(),
        },
        (None, Some(entry)) => JobSize {
            width: entry.defaults.width,
            height: entry.defaults.height,
            frames: entry.defaults.frames,
            frames_per_second: f64::from(entry.defaults.fps),
            steps: entry.defaults.steps,
            guidance: entry.defaults.guidance as f32,
            // Told by the model's own files, which are not here.
            scheduler: String::new(),
        },
        // A folder of the user's that can't be read: nothing is known of it that a window could show.
        (None, None) => return None,
    };
    let needed = entry.and_then(|entry| entry.memory.iter().map(|plan| plan.peak_bytes).min());
    Some(Model {
        id,
        name: info.title.clone(),
        description: entry.map(|entry| entry.summary.clone()).unwrap_or_default(),
        license: entry.map(|entry| entry.licence.name.clone()).unwrap_or_default(),
        digest: local.map(|local| convert::digest(&local.digest)),
        size_bytes: entry
            .and_then(CatalogueEntry::download_size)
            .filter(|size| *size > 0)
            .unwrap_or(info.bytes_on_disk),
        memory_needed_bytes: local.and_then(peak).or(needed),
        devices_needed: None,
        defaults,
        state: match &info.state {
            ModelState::BuiltIn => Shown::Installed { built_in: true },
            ModelState::Complete => Shown::Installed { built_in: false },
            ModelState::Broken { reasons } => Shown::Broken {
                problem: Problem {
                    code: "model_broken".to_owned(),
                    message: reasons.join("; "),
                    next_step: format!("run `infernet model download {}` again", info.id),
                },
            },
            ModelState::Partial { bytes_done, bytes_total } => Shown::Paused {
                done_bytes: *bytes_done,
                total_bytes: bytes_total.or_else(|| entry?.download_size()).unwrap_or(*bytes_done),
            },
            ModelState::NotDownloaded => Shown::Available,
        },
    })
}

/// Memory of a usual clip here.
fn peak(local: &LocalModel) -> Option<u64> {
    let defaults = &local.defaults;
    let request = GenerateRequest {
        prompt: String::new(),
        negative_prompt: String::new(),
        width: defaults.width,
        height: defaults.height,
        frames: defaults.frames,
        steps: defaults.steps,
        guidance: defaults.guidance,
        seed: 0,
    };
    estimated_peak_bytes(&local.folder, &request, local.precision).ok()
}
