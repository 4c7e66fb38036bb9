//! Small models in the diffusers layout, and catalogues that describe them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use infernet_engine::store::{Cancel, Catalogue, ModelStore, digest};

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) const UNET: &str = "unet/diffusion_pytorch_model.safetensors";

/// A whole safetensors file with one tensor of `len` bytes.
pub(crate) fn safetensors(len: usize, seed: u64) -> Vec<u8> {
    let header = format!(r#"{{"weight":{{"dtype":"U8","shape":[{len}],"data_offsets":[0,{len}]}}}}"#);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    let mut state = seed;
    bytes.extend((0..len).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    }));
    bytes
}

/// A model whose UNet weights have `unet_len` bytes of data.
pub(crate) fn files(unet_len: usize) -> Files {
    let index = r#"{"_class_name": "TextToVideoSDPipeline", "_diffusers_version": "0.32.2", "requires_safety_checker": false,
        "safety_checker": [null, null], "scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["models.unet_3d_condition", "UNet3DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"]}"#;
    [
        ("model_index.json", index.as_bytes().to_vec()),
        ("scheduler/scheduler_config.json", b"{\"_class_name\": \"DDIMScheduler\"}".to_vec()),
        ("text_encoder/config.json", b"{}".to_vec()),
        ("text_encoder/model.safetensors", safetensors(5_000, 2)),
        ("tokenizer/merges.txt", b"#version: 0.2\na b\n".to_vec()),
        ("tokenizer/vocab.json", b"{\"a\": 0}".to_vec()),
        ("unet/config.json", b"{\"in_channels\": 4}".to_vec()),
        (UNET, safetensors(unet_len, 1)),
        ("vae/config.json", b"{}".to_vec()),
        ("vae/diffusion_pytorch_model.safetensors", safetensors(20_000, 3)),
    ]
    .map(|(path, content)| (path.to_owned(), content))
    .into()
}

pub(crate) fn write(files: &Files, root: &Path) {
    for (path, content) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

pub(crate) fn sha256(content: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    fs::write(&path, content).unwrap();
    digest::file_sha256(&path, &Cancel::new(), |_| ()).unwrap().to_string()
}

/// How much a catalogue knows of its files.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Known {
    SizeAndHash,
    Hash,
    Size,
    Nothing,
}

/// A catalogue with the model `m` of these files, and the built-in `starter`.
pub(crate) fn catalogue(hub: &str, files: &Files, known: Known) -> Catalogue {
    let defaults = "defaults = { width = 8, height = 8, frames = 1, fps = 1, steps = 1, guidance = 1.0 }";
    let licence = "licence = { name = \"MIT\", url = \"https://licence.example\", commercial_use = true }";
    let mut text = format!(
        "version = 1\nhub = \"{hub}\"\n\
         [[model]]\nid = \"starter\"\ntitle = \"Starter\"\nsummary = \"\"\nbuiltin = true\n{licence}\n{defaults}\n\
         [[model]]\nid = \"m\"\ntitle = \"Model\"\nsummary = \"\"\n{licence}\n{defaults}\nsource = {{ repository = \"o/n\", revision = \"rev\" }}\n"
    );
    for (path, content) in files {
        write!(text, "[[model.file]]\npath = \"{path}\"\n").unwrap();
        if matches!(known, Known::SizeAndHash | Known::Size) {
            writeln!(text, "size = {}", content.len()).unwrap();
        }
        if matches!(known, Known::SizeAndHash | Known::Hash) {
            writeln!(text, "sha256 = \"{}\"", sha256(content)).unwrap();
        }
    }
    Catalogue::from_toml(&text).unwrap()
}

/// A store in a temporary folder.
pub(crate) fn store(dir: &Path, catalogue: Catalogue) -> ModelStore {
    ModelStore::with_catalogue(dir.join("models"), vec![dir.join("builtin")], catalogue)
}

/// Checks that the model on the disk has exactly these bytes and that nothing of a download is left.
pub(crate) fn assert_complete(store: &ModelStore, files: &Files) {
    let model = store.open("m").unwrap();
    for (path, content) in files {
        assert!(fs::read(model.root().join(path)).unwrap() == *content, "{path} differs");
    }
    assert!(!store.models_dir().join(".partial/m").exists(), "something is left of the download");
}

/// Gives a file a time stamp in the past, as a file has that was not written a moment ago.
pub(crate) fn age(path: &Path) -> SystemTime {
    let time = SystemTime::now() - Duration::from_secs(1_000);
    set_time(path, time);
    time
}

pub(crate) fn set_time(path: &Path, time: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}
