//! The model store: which models there are, which of them are on this disk, and how they get there.
//!
//! * [`Catalogue`] is what can be had: titles, licences, sources, files, defaults (`assets/catalogue.toml`).
//! * [`ModelStore`] is what is on this disk. The disk is the only truth: no database says that a model is there,
//!   its folder does, and only when every file of every component of its `model_index.json` is in it.
//! * [`ModelStore::download`] fetches with resume, hashes while it streams, and renames into place when all is
//!   verified. [`ModelStore::import`] brings in a folder the user already has. [`ModelStore::verify`] reads every byte again.
//! * [`digest`] turns a model's files into the 32 bytes that a proof of inference commits to.
//!
//! On disk, under the models folder:
//!
//! ```text
//! <id>/                  a complete model in the diffusers layout
//! .partial/<id>/tree/    files of a running or stopped download that are verified
//! .partial/<id>/parts/   files on their way (`.part`) and the ETag to resume them with (`.etag`)
//! .import/<id>/          an import on its way; removed when it fails
//! .records/<id>.json     size and SHA-256 of each file when it came, what `verify` compares with
//! .cache/digests.json    SHA-256 by path, size, mtime and inode; only saves time
//! .trash/                models on their way out
//! .locks/<id>.lock       one writer per model, across processes
//! ```
//!
//! Names in the catalogue, in index files and in safetensors headers are untrusted: no absolute paths, no `..`, no
//! links that leave the folder, everything bounded ([`RelPath`], [`ModelId`]).

mod cache;
mod cancel;
mod catalogue;
pub mod digest;
mod disk;
mod download;
mod error;
mod header;
mod import;
mod layout;
mod manifest;
mod models;
mod names;
mod progress;
mod record;
mod verify;

pub use cancel::Cancel;
pub use catalogue::{Catalogue, CatalogueEntry, CatalogueFile, Defaults, Licence, PlanMemory, Source};
pub use digest::{FileDigest, Sha256Digest, file_sha256};
pub use download::{DownloadOptions, ProxyMode};
pub use error::StoreError;
pub use header::check_safetensors;
pub use import::ImportMode;
pub use layout::{Component, ComponentKind, ModelLayout};
pub use manifest::Manifest;
pub use models::{ModelDir, ModelInfo, ModelState, ModelStore};
pub use names::{ModelId, NameError, RelPath};
pub use progress::{Progress, Transfer};
pub use verify::{FileVerdict, VerifiedFile, VerifyReport};
