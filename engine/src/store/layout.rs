//! A model folder in the diffusers layout: which components `model_index.json` names and which of their files decide
//! the result.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::disk;
use super::error::StoreError;
use super::header::check_safetensors;
use super::names::RelPath;

/// The file that makes a folder a model.
pub(crate) const INDEX_FILE: &str = "model_index.json";

const MAX_INDEX_LEN: u64 = 1 << 20;
const MAX_CONFIG_LEN: u64 = 16 << 20;
const MAX_SHARD_INDEX_LEN: u64 = 64 << 20;
const MAX_COMPONENTS: usize = 32;
const MAX_SHARDS: usize = 256;

/// The parts of a tokenizer that are read, where they are there.
const TOKENIZER_FILES: [&str; 10] = [
    "added_tokens.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
];

/// A model's components, as its `model_index.json` and its folders have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelLayout {
    /// Class of the pipeline, for example `TextToVideoSDPipeline`.
    pub pipeline_class: String,
    /// The components, by name.
    pub components: Vec<Component>,
}

/// A component of a model: a folder with a configuration and, for networks, weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Name of the component and of its folder, for example `unet`.
    pub name: String,
    /// Class, for example `UNet3DConditionModel`.
    pub class: String,
    /// What it is.
    pub kind: ComponentKind,
    /// Its configuration and other small files that decide the result, as paths inside the model folder.
    pub configs: Vec<RelPath>,
    /// Its weight files (shards in name order), as paths inside the model folder; empty where it has none.
    pub weights: Vec<RelPath>,
}

/// What a component is, which decides the files it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentKind {
    /// A network: `config.json` and weights.
    Network,
    /// A scheduler: `scheduler_config.json`.
    Scheduler,
    /// A tokenizer: vocabulary and merges, or a tokenizer file of another kind.
    Tokenizer,
    /// An image preprocessor: `preprocessor_config.json`.
    Preprocessor,
}

impl ModelLayout {
    /// The component of this name.
    #[must_use]
    pub fn component(&self, name: &str) -> Option<&Component> {
        self.components.iter().find(|component| component.name == name)
    }

    /// Every file that decides the result: `model_index.json`, configurations, tokenizer files and the weights that
    /// are loaded, sorted. Where a folder has weights in several forms these are, in this order: safetensors, f16
    /// safetensors, PyTorch pickle, f16 pickle. Read-me files, pictures and unused forms are not among them.
    #[must_use]
    pub fn result_files(&self) -> Vec<RelPath> {
        let mut files: Vec<RelPath> = RelPath::parse(INDEX_FILE).into_iter().collect();
        for component in &self.components {
            files.extend(component.configs.iter().chain(&component.weights).cloned());
        }
        files.sort();
        files
    }
}

/// What was found in a folder.
#[derive(Debug)]
pub(crate) struct Inspection {
    pub(crate) layout: ModelLayout,
    /// What is missing, in words; empty for a complete model.
    pub(crate) missing: Vec<String>,
}

/// Folders that files of a model may really lie in.
#[derive(Debug)]
pub(crate) struct Bounds {
    allowed: Vec<PathBuf>,
}

impl Bounds {
    /// Only the folder itself.
    pub(crate) fn of_folder(root: &Path) -> Result<Self, StoreError> {
        let canonical = fs::canonicalize(root).map_err(|source| StoreError::io("open", root, source))?;
        Ok(Self { allowed: vec![canonical] })
    }

    /// The folder itself; and, where it is a snapshot in a hub client's cache (`…/snapshots/<revision>`), the folder
    /// of blobs beside it that all of its files are links to.
    pub(crate) fn of_import(root: &Path) -> Result<Self, StoreError> {
        let mut bounds = Self::of_folder(root)?;
        let blobs = bounds.allowed.first().and_then(|root| {
            let snapshots =
                root.parent().filter(|parent| parent.file_name().is_some_and(|name| name == "snapshots"))?;
            fs::canonicalize(snapshots.parent()?.join("blobs")).ok()
        });
        bounds.allowed.extend(blobs);
        Ok(bounds)
    }

    /// Size of a regular file; `None` where nothing is there.
    pub(crate) fn file_size(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        let Ok(link) = fs::symlink_metadata(path) else {
            return Ok(None);
        };
        let Ok(canonical) = fs::canonicalize(path) else {
            let reason = if link.is_symlink() { "it is a link to nothing" } else { "it can't be opened" };
            return Err(StoreError::Damaged { path: path.to_path_buf(), reason: reason.into() });
        };
        if !self.allowed.iter().any(|allowed| canonical.starts_with(allowed)) {
            return Err(StoreError::LinkOutside { path: path.to_path_buf() });
        }
        let metadata = fs::metadata(&canonical).map_err(|source| StoreError::io("look at", path, source))?;
        if !metadata.is_file() {
            return Err(StoreError::Damaged { path: path.to_path_buf(), reason: "it is not a file".into() });
        }
        Ok(Some(metadata.len()))
    }
}

/// Reads `model_index.json` and looks for every file that its components need.
///
/// # Errors
/// [`StoreError::NotAModel`] where there is no usable `model_index.json`; an error of a single file where that file is
/// there and can't be used. Missing files are no error here, they are listed.
pub(crate) fn inspect(root: &Path, bounds: &Bounds) -> Result<Inspection, StoreError> {
    let not_a_model = |reason: String| StoreError::NotAModel { path: root.to_path_buf(), reason };
    let index_path = root.join(INDEX_FILE);
    if bounds.file_size(&index_path)?.is_none() {
        return Err(not_a_model(format!("there is no {INDEX_FILE} in it")));
    }
    let index: Map<String, Value> = disk::read_json(&index_path, MAX_INDEX_LEN)?;
    let pipeline_class = index
        .get("_class_name")
        .and_then(Value::as_str)
        .ok_or_else(|| not_a_model(format!("its {INDEX_FILE} has no \"_class_name\"")))?
        .to_owned();
    let mut layout = ModelLayout { pipeline_class, components: Vec::new() };
    let mut missing = Vec::new();
    for (name, value) in &index {
        let Some(class) = class_of(name, value) else {
            continue;
        };
        if RelPath::parse(name).is_err() || name.contains('/') {
            let shown: String = name.chars().take(80).collect();
            return Err(not_a_model(format!("its {INDEX_FILE} names a component {shown:?}, which is no folder name")));
        }
        if layout.components.len() == MAX_COMPONENTS {
            return Err(not_a_model(format!("its {INDEX_FILE} names more than {MAX_COMPONENTS} components")));
        }
        layout.components.push(inspect_component(root, bounds, name, class, &mut missing)?);
    }
    if !layout.components.iter().any(|component| component.kind == ComponentKind::Network) {
        return Err(not_a_model(format!("its {INDEX_FILE} names no network")));
    }
    layout.components.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Inspection { layout, missing })
}

/// Checks that every JSON file of a complete model is JSON and every safetensors file is whole.
pub(crate) fn check_contents(root: &Path, layout: &ModelLayout) -> Result<(), StoreError> {
    for file in layout.result_files() {
        let path = file.under(root);
        if file.as_str().ends_with(".safetensors") {
            check_safetensors(&path)?;
        } else if file.as_str().ends_with(".json") {
            disk::read_json::<Value>(&path, MAX_SHARD_INDEX_LEN)?;
        }
    }
    for component in &layout.components {
        if component.kind == ComponentKind::Network {
            let config = RelPath::parse(&format!("{}/config.json", component.name))?;
            disk::read_json::<Map<String, Value>>(&config.under(root), MAX_CONFIG_LEN)?;
        }
    }
    Ok(())
}

/// The class in an entry of `model_index.json`, where the entry is a component: `["library", "Class"]`. The library
/// is not looked at: ZeroScope's has a module path of its author's program there.
fn class_of<'a>(name: &str, value: &'a Value) -> Option<&'a str> {
    if name.starts_with('_') {
        return None;
    }
    match value.as_array()?.as_slice() {
        [_, Value::String(class)] => Some(class),
        _ => None,
    }
}

fn kind_of(class: &str) -> ComponentKind {
    if class.contains("Scheduler") {
        ComponentKind::Scheduler
    } else if class.contains("Tokenizer") {
        ComponentKind::Tokenizer
    } else if class.contains("Processor") || class.contains("FeatureExtractor") {
        ComponentKind::Preprocessor
    } else {
        ComponentKind::Network
    }
}

fn inspect_component(
    root: &Path,
    bounds: &Bounds,
    name: &str,
    class: &str,
    missing: &mut Vec<String>,
) -> Result<Component, StoreError> {
    let kind = kind_of(class);
    let mut component =
        Component { name: name.to_owned(), class: class.to_owned(), kind, configs: Vec::new(), weights: Vec::new() };
    let mut take = |file: &str| -> Result<bool, StoreError> {
        let path = RelPath::parse(&format!("{name}/{file}"))?;
        let there = match bounds.file_size(&path.under(root))? {
            Some(0) => {
                return Err(StoreError::Damaged { path: path.under(root), reason: "it is empty".into() });
            }
            size => size.is_some(),
        };
        if there {
            component.configs.push(path);
        }
        Ok(there)
    };
    let required = match kind {
        ComponentKind::Network => "config.json",
        ComponentKind::Scheduler => "scheduler_config.json",
        ComponentKind::Preprocessor => "preprocessor_config.json",
        ComponentKind::Tokenizer => {
            let mut there = BTreeSet::new();
            for file in TOKENIZER_FILES {
                if take(file)? {
                    there.insert(file);
                }
            }
            let whole = there.contains("vocab.json") && there.contains("merges.txt");
            if !whole
                && !there
                    .iter()
                    .any(|file| file.ends_with(".model") || *file == "tokenizer.json" || *file == "vocab.txt")
            {
                missing.push(format!("{name}/vocab.json and {name}/merges.txt"));
            }
            return Ok(component);
        }
    };
    if !take(required)? {
        missing.push(format!("{name}/{required}"));
    }
    if kind == ComponentKind::Network {
        find_weights(root, bounds, &mut component, missing)?;
    }
    Ok(component)
}

/// Finds the weights that are loaded: safetensors before pickles, full precision before f16, one file before shards;
/// in the order in which the loader (`crate::weights`) looks for them.
fn find_weights(
    root: &Path,
    bounds: &Bounds,
    component: &mut Component,
    missing: &mut Vec<String>,
) -> Result<(), StoreError> {
    let folder = component.name.clone();
    for (extension, stems) in
        [("safetensors", ["diffusion_pytorch_model", "model"]), ("bin", ["diffusion_pytorch_model", "pytorch_model"])]
    {
        for stem in stems {
            for variant in ["", ".fp16"] {
                let single = RelPath::parse(&format!("{folder}/{stem}{variant}.{extension}"))?;
                if let Some(size) = bounds.file_size(&single.under(root))? {
                    if size == 0 {
                        return Err(StoreError::Damaged { path: single.under(root), reason: "it is empty".into() });
                    }
                    component.weights.push(single);
                    return Ok(());
                }
                let index = RelPath::parse(&format!("{folder}/{stem}.{extension}.index{variant}.json"))?;
                if bounds.file_size(&index.under(root))?.is_some() {
                    component.weights = find_shards(root, bounds, &folder, &index, missing)?;
                    component.configs.push(index);
                    return Ok(());
                }
            }
        }
    }
    missing.push(format!("{folder}: weights (diffusion_pytorch_model or model, .safetensors or .bin)"));
    Ok(())
}

fn find_shards(
    root: &Path,
    bounds: &Bounds,
    folder: &str,
    index: &RelPath,
    missing: &mut Vec<String>,
) -> Result<Vec<RelPath>, StoreError> {
    let path = index.under(root);
    let damaged = |reason: String| StoreError::Damaged { path: path.clone(), reason };
    let content: Map<String, Value> = disk::read_json(&path, MAX_SHARD_INDEX_LEN)?;
    let map = content
        .get("weight_map")
        .and_then(Value::as_object)
        .ok_or_else(|| damaged("it has no \"weight_map\"".into()))?;
    let mut shards = BTreeSet::new();
    for (tensor, file) in map {
        let file = file.as_str().ok_or_else(|| damaged(format!("tensor {tensor:?} has no file name")))?;
        if file.contains('/') {
            return Err(damaged(format!("the file name {file:?} in it leads to another folder")));
        }
        shards.insert(RelPath::parse(&format!("{folder}/{file}")).map_err(|error| damaged(error.to_string()))?);
        if shards.len() > MAX_SHARDS {
            return Err(damaged(format!("it names more than {MAX_SHARDS} files")));
        }
    }
    if shards.is_empty() {
        return Err(damaged("its \"weight_map\" is empty".into()));
    }
    for shard in &shards {
        match bounds.file_size(&shard.under(root))? {
            None => missing.push(shard.to_string()),
            Some(0) => {
                return Err(StoreError::Damaged { path: shard.under(root), reason: "it is empty".into() });
            }
            Some(_) => {}
        }
    }
    Ok(shards.into_iter().collect())
}
