//! Models of the catalogue and of this computer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::job::JobSize;
use crate::{Digest, ModelId, Problem};

/// Models of the catalogue and of this computer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelList {
    /// The models.
    pub models: Vec<Model>,
    /// Free room where models are kept.
    pub disk_free_bytes: Option<u64>,
}

/// A model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Model {
    /// Its id.
    pub id: ModelId,
    /// Its name.
    pub name: String,
    /// What it is good for, one or two sentences.
    pub description: String,
    /// Its licence (SPDX, or the licence's own name).
    pub license: String,
    /// Digest that jobs name it by, where it is known.
    pub digest: Option<Digest>,
    /// Size of its files.
    pub size_bytes: u64,
    /// Memory that a usual clip needs on the device that is computed on.
    pub memory_needed_bytes: Option<u64>,
    /// How many devices like this one a usual clip needs, 1 where it fits.
    pub devices_needed: Option<u32>,
    /// What a usual clip is.
    pub defaults: JobSize,
    /// Whether it is here.
    pub state: ModelState,
}

/// Whether a model is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ModelState {
    /// Not here; it can be downloaded.
    Available,
    /// On its way.
    Downloading {
        /// Here already.
        done_bytes: u64,
        /// Of so many.
        total_bytes: u64,
        /// Speed of the last seconds.
        bytes_per_sec: u64,
    },
    /// Partly here; the download was paused.
    Paused {
        /// Here already.
        done_bytes: u64,
        /// Of so many.
        total_bytes: u64,
    },
    /// Every byte is read again and compared.
    Verifying {
        /// Read.
        done_bytes: u64,
        /// Of so many.
        total_bytes: u64,
    },
    /// Here and whole.
    Installed {
        /// Whether it came with the program and can't be deleted.
        built_in: bool,
    },
    /// Here and not usable.
    Broken {
        /// Why, and what to do about it.
        problem: Problem,
    },
}

/// Does something with a model; progress comes as events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelRequest {
    /// What.
    pub action: ModelAction,
}

/// What to do with a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelAction {
    /// Download it, or go on where the download was paused.
    Download,
    /// Pause the download.
    Pause,
    /// Read every byte again and compare.
    Verify,
    /// Delete its files.
    Delete,
}
