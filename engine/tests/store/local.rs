//! What needs no network: importing, listing, opening, verifying and removing.

use std::fs;
use std::path::Path;

use infernet_engine::store::{Cancel, FileVerdict, ImportMode, ModelDir, ModelState, ModelStore, Progress, StoreError};
use tempfile::TempDir;
use tokio::sync::watch;

use super::model::{self, Files, Known, UNET};

const HUB: &str = "https://hub.example";

/// A store on an empty folder, and a folder with a model to import.
struct Case {
    dir: TempDir,
    store: ModelStore,
    files: Files,
}

impl Case {
    fn new() -> Self {
        Self::with_catalogue_of(&model::files(50_000), Known::SizeAndHash)
    }

    fn with_catalogue_of(catalogued: &Files, known: Known) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = model::store(dir.path(), model::catalogue(HUB, catalogued, known));
        let files = model::files(50_000);
        model::write(&files, &dir.path().join("source"));
        Self { dir, store, files }
    }

    fn source(&self) -> std::path::PathBuf {
        self.dir.path().join("source")
    }

    fn import_as(&self, id: &str, mode: ImportMode) -> Result<ModelDir, StoreError> {
        self.store.import(&self.source(), id, mode, &watch::Sender::default(), &Cancel::new())
    }

    /// The import fails with this code, the error names this, and nothing is left of it.
    fn assert_refused(&self, code: &str, names: &str) {
        let error = self.import_as("mine", ImportMode::Copy).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(names), "{error} should name {names}");
        assert_eq!(self.store.open("mine").unwrap_err().code(), "model.unknown");
        assert!(!self.store.models_dir().join("mine").exists());
        assert!(!self.store.models_dir().join(".import/mine").exists(), "remains of the import");
    }

    fn digest(&self, model: &ModelDir) -> [u8; 32] {
        self.store.model_digest(model, "f16", "none", &Cancel::new()).unwrap()
    }
}

#[test]
fn an_import_takes_what_the_model_needs_and_nothing_else() {
    for mode in [ImportMode::Copy, ImportMode::Link] {
        let case = Case::new();
        let source = case.source();
        for extra in ["zs2_576w/big.pth", "unet/diffusion_pytorch_model.bin", "README.md", "unet/notes.txt"] {
            fs::create_dir_all(source.join(extra).parent().unwrap()).unwrap();
            fs::write(source.join(extra), "extra").unwrap();
        }
        let (progress, seen) = watch::channel(Progress::Starting);
        let model = case.store.import(&source, "mine", mode, &progress, &Cancel::new()).unwrap();
        assert_eq!(*seen.borrow(), Progress::Done);
        for (path, content) in &case.files {
            assert!(fs::read(model.root().join(path)).unwrap() == *content, "{path}");
        }
        assert!(model.root().join("README.md").exists());
        for left_behind in ["zs2_576w", "unet/diffusion_pytorch_model.bin", "unet/notes.txt"] {
            assert!(!model.root().join(left_behind).exists(), "{left_behind}");
        }
        assert!(source.join(UNET).exists(), "the source is left alone");
        assert_eq!(case.store.open("mine").unwrap(), model);
        assert_eq!(model.weight_paths("unet"), [model.root().join("unet").join("diffusion_pytorch_model.safetensors")]);
        assert_eq!(model.component("unet").unwrap().class, "UNet3DConditionModel");

        let info = case.store.info("mine").unwrap();
        assert_eq!(info.state, ModelState::Complete);
        assert!(info.bytes_on_disk > 75_000);
        let by_path = case.store.open(source.to_str().unwrap()).unwrap();
        assert_eq!(case.digest(&by_path), case.digest(&model), "the digest does not depend on where the model lies");
        let report = case.store.verify("mine", &watch::Sender::default(), &Cancel::new()).unwrap();
        assert!(report.is_good() && report.files.iter().all(|file| file.verdict == FileVerdict::Matches), "{report:?}");

        assert_eq!(case.import_as("mine", mode).unwrap_err().code(), "model.already_there");
        assert!(case.store.remove("mine").unwrap() > 75_000);
        assert_eq!(case.store.open("mine").unwrap_err().code(), "model.unknown");
        assert_eq!(case.store.remove("mine").unwrap_err().code(), "model.unknown");
        assert!(source.join(UNET).exists());
    }
}

#[test]
fn an_import_names_what_is_missing() {
    for (file, names) in [
        ("model_index.json", "model_index.json"),
        ("scheduler/scheduler_config.json", "scheduler/scheduler_config.json"),
        ("tokenizer/vocab.json", "tokenizer/vocab.json"),
        ("unet/config.json", "unet/config.json"),
        (UNET, "unet: weights"),
    ] {
        let case = Case::new();
        fs::remove_file(case.source().join(file)).unwrap();
        case.assert_refused(if file == "model_index.json" { "model.not_a_model" } else { "model.incomplete" }, names);
    }
    let case = Case::new();
    fs::remove_dir_all(case.source().join("vae")).unwrap();
    fs::remove_dir_all(case.source().join("tokenizer")).unwrap();
    case.assert_refused("model.incomplete", "vae/config.json");
    case.assert_refused("model.incomplete", "tokenizer/vocab.json");
}

#[test]
fn an_import_names_what_is_damaged() {
    let whole = model::safetensors(50_000, 1);
    let long_header = [&u64::MAX.to_le_bytes()[..], &whole[8..]].concat();
    for (file, content) in [
        ("model_index.json", &b"{oops"[..]),
        ("unet/config.json", b"[]"),
        ("unet/config.json", b""),
        ("tokenizer/vocab.json", b"{"),
        ("scheduler/scheduler_config.json", b"\xff"),
        (UNET, &whole[..whole.len() - 1]),
        (UNET, b""),
        (UNET, &long_header),
    ] {
        let case = Case::new();
        fs::write(case.source().join(file), content).unwrap();
        case.assert_refused("model.damaged", Path::new(file).file_name().unwrap().to_str().unwrap());
    }
    for index in [
        r#"{"unet": ["a", "B"]}"#,
        r#"{"_class_name": "P"}"#,
        r#"{"_class_name": "P", "../x": ["a", "B"]}"#,
        r#"{"_class_name": "P", "a/b": ["a", "B"]}"#,
    ] {
        let case = Case::new();
        fs::write(case.source().join("model_index.json"), index).unwrap();
        case.assert_refused("model.not_a_model", "source");
    }
    let case = Case::new();
    fs::remove_file(case.source().join("unet/config.json")).unwrap();
    fs::create_dir(case.source().join("unet/config.json")).unwrap();
    case.assert_refused("model.damaged", "not a file");
}

#[test]
fn shards_are_found_through_their_index_and_stay_in_their_folder() {
    let sharded = |map: &str| {
        let case = Case::new();
        fs::remove_file(case.source().join(UNET)).unwrap();
        for (part, seed) in [(1, 7), (2, 8)] {
            let path = case.source().join(format!("unet/diffusion_pytorch_model-0000{part}-of-00002.safetensors"));
            fs::write(path, model::safetensors(1_000, seed)).unwrap();
        }
        fs::write(case.source().join("unet/diffusion_pytorch_model.safetensors.index.json"), map).unwrap();
        case
    };
    let case = sharded(
        r#"{"metadata": {}, "weight_map": {"b": "diffusion_pytorch_model-00002-of-00002.safetensors",
            "a": "diffusion_pytorch_model-00001-of-00002.safetensors", "c": "diffusion_pytorch_model-00001-of-00002.safetensors"}}"#,
    );
    let model = case.import_as("mine", ImportMode::Copy).unwrap();
    let names: Vec<_> =
        model.weight_paths("unet").iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(
        names,
        ["diffusion_pytorch_model-00001-of-00002.safetensors", "diffusion_pytorch_model-00002-of-00002.safetensors"]
    );
    let files = model.layout().result_files();
    assert!(files.iter().any(|file| file.as_str() == "unet/diffusion_pytorch_model.safetensors.index.json"));

    sharded(r#"{"weight_map": {"a": "gone.safetensors"}}"#).assert_refused("model.incomplete", "unet/gone.safetensors");
    for map in [
        r#"{"weight_map": {"a": "../vae/diffusion_pytorch_model.safetensors"}}"#,
        r#"{"weight_map": {"a": "/etc/passwd"}}"#,
        r#"{"weight_map": {"a": ".."}}"#,
        r#"{"weight_map": {"a": "C:\\x"}}"#,
        r#"{"weight_map": {"a": 3}}"#,
        r#"{"weight_map": {}}"#,
        r#"{"a": "b"}"#,
    ] {
        sharded(map).assert_refused("model.damaged", "index.json");
    }
}

#[cfg(unix)]
#[test]
fn links_that_leave_the_folder_are_refused_and_the_hub_cache_is_not() {
    use std::os::unix::fs::symlink;

    let outside = Case::new();
    let secret = outside.dir.path().join("secret.json");
    fs::write(&secret, "{}").unwrap();
    fs::remove_file(outside.source().join("unet/config.json")).unwrap();
    symlink(&secret, outside.source().join("unet/config.json")).unwrap();
    outside.assert_refused("model.link_outside", "unet/config.json");
    fs::remove_file(&secret).unwrap();
    outside.assert_refused("model.damaged", "link to nothing");

    let folder = Case::new();
    fs::rename(folder.source().join("vae"), folder.dir.path().join("vae")).unwrap();
    symlink(folder.dir.path().join("vae"), folder.source().join("vae")).unwrap();
    folder.assert_refused("model.link_outside", "vae/config.json");

    // A hub client's cache: snapshots of links to blobs.
    let case = Case::new();
    let cache = case.dir.path().join("models--o--n");
    let snapshot = cache.join("snapshots/abc");
    for (number, (path, content)) in case.files.iter().enumerate() {
        let (blob, link) = (cache.join(format!("blobs/{number}")), snapshot.join(path));
        for file in [&blob, &link] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
        }
        fs::write(&blob, content).unwrap();
        symlink(blob, link).unwrap();
    }
    for (id, mode) in [("copied", ImportMode::Copy), ("linked", ImportMode::Link)] {
        let model = case.store.import(&snapshot, id, mode, &watch::Sender::default(), &Cancel::new()).unwrap();
        let metadata = fs::symlink_metadata(model.root().join(UNET)).unwrap();
        assert!(metadata.is_file(), "{id} has links in it");
    }
}

#[test]
fn an_import_under_a_catalogue_id_must_be_the_catalogues_model() {
    let right = Case::new();
    right.import_as("m", ImportMode::Copy).unwrap();
    assert_eq!(right.store.info("o/n").unwrap().state, ModelState::Complete);

    let mut other = model::files(50_000);
    other.insert(UNET.to_owned(), model::safetensors(50_000, 99));
    for known in [Known::SizeAndHash, Known::Hash] {
        let wrong = Case::with_catalogue_of(&other, known);
        let error = wrong.import_as("m", ImportMode::Link).unwrap_err();
        assert_eq!(error.code(), "model.not_the_catalogues", "{error}");
        assert!(error.to_string().contains(UNET));
        assert_eq!(wrong.store.open("m").unwrap_err().code(), "model.not_downloaded");
        wrong.import_as("mine", ImportMode::Copy).unwrap();
    }
}

#[test]
fn bad_ids_and_built_in_models_are_not_imported_over() {
    let case = Case::new();
    for id in ["", "..", ".partial", "A", "a/b", "con"] {
        assert_eq!(case.import_as(id, ImportMode::Copy).unwrap_err().code(), "model.bad_name", "{id}");
    }
    assert_eq!(case.import_as("starter", ImportMode::Copy).unwrap_err().code(), "model.built_in");
    let nowhere = case.store.import(
        Path::new("no/such/folder"),
        "x",
        ImportMode::Copy,
        &watch::Sender::default(),
        &Cancel::new(),
    );
    assert_eq!(nowhere.unwrap_err().code(), "model.not_a_model");
    let cancel = Cancel::new();
    cancel.cancel();
    let stopped = case.store.import(&case.source(), "x", ImportMode::Copy, &watch::Sender::default(), &cancel);
    assert_eq!(stopped.unwrap_err().code(), "cancelled");
    assert!(!case.store.models_dir().join(".import/x").exists());
}

#[test]
fn models_that_ship_with_the_program_are_used_and_never_removed() {
    let case = Case::new();
    assert_eq!(case.store.open("starter").unwrap_err().code(), "model.not_downloaded");
    let builtin = case.dir.path().join("builtin");
    model::write(&case.files, &builtin.join("starter"));
    fs::create_dir(builtin.join("starter-clip")).unwrap();
    assert_eq!(case.store.open("starter").unwrap().root(), builtin.join("starter"));
    assert_eq!(case.store.info("starter").unwrap().state, ModelState::BuiltIn);
    assert_eq!(case.store.remove("starter").unwrap_err().code(), "model.built_in");
    let report = case.store.verify("starter", &watch::Sender::default(), &Cancel::new()).unwrap();
    assert!(report.is_good() && report.files.iter().all(|file| file.verdict == FileVerdict::NoReference));

    case.import_as("zebra", ImportMode::Copy).unwrap();
    fs::create_dir(case.store.models_dir().join("no-model")).unwrap();
    let ids: Vec<_> = case.store.list().unwrap().into_iter().map(|info| info.id).collect();
    assert_eq!(ids, ["starter", "m", "zebra"], "the catalogue's first, no folders that are no models");
}

#[test]
fn unknown_names_list_the_known_ones() {
    let case = Case::new();
    let error = case.store.open("nonsense").unwrap_err();
    assert!(error.to_string().contains("starter, m"), "{error}");
    for result in [
        case.store.info("nonsense").map(|_| ()),
        case.store.remove("nonsense").map(|_| ()),
        case.store.open("../..").map(|_| ()),
    ] {
        assert!(["model.unknown", "model.not_a_model"].contains(&result.unwrap_err().code()));
    }
    assert_eq!(case.store.remove("../source").unwrap_err().code(), "model.unknown");
    assert_eq!(case.store.remove("m").unwrap_err().code(), "model.not_downloaded");
    assert!(case.source().join(UNET).exists());
}

#[test]
fn verify_reads_the_bytes_and_says_which_file_is_wrong() {
    let case = Case::new();
    let root = case.import_as("mine", ImportMode::Copy).unwrap().root().to_path_buf();
    let before = case.digest(&case.store.open("mine").unwrap());
    let weights = root.join(UNET);
    let time = model::age(&weights);
    assert_eq!(case.digest(&case.store.open("mine").unwrap()), before);

    let mut content = fs::read(&weights).unwrap();
    content[20_000] ^= 1;
    fs::write(&weights, &content).unwrap();
    model::set_time(&weights, time);
    fs::write(root.join("vae/config.json"), "{ }").unwrap();
    fs::remove_file(root.join("tokenizer/merges.txt")).unwrap();
    let (progress, cancel) = (watch::Sender::default(), Cancel::new());
    let report = case.store.verify("mine", &progress, &cancel).unwrap();
    let verdict = |path: &str| report.files.iter().find(|file| file.path.as_str() == path).unwrap().verdict.clone();
    assert!(matches!(verdict(UNET), FileVerdict::WrongHash { .. }));
    assert_eq!(verdict("vae/config.json"), FileVerdict::WrongSize { expected: 2 });
    assert_eq!(verdict("tokenizer/merges.txt"), FileVerdict::Missing);
    assert_eq!(verdict("unet/config.json"), FileVerdict::Matches);
    assert!(!report.is_good() && report.problems.iter().any(|problem| problem.contains("tokenizer")), "{report:?}");

    fs::write(root.join("tokenizer/merges.txt"), &case.files["tokenizer/merges.txt"]).unwrap();
    let after = case.digest(&case.store.open("mine").unwrap());
    assert_ne!(after, before, "the cache was corrected by verify");
    cancel.cancel();
    assert_eq!(case.store.verify("mine", &progress, &cancel).unwrap_err().code(), "cancelled");
}

#[test]
fn the_digest_ignores_files_that_do_not_decide_the_result() {
    let case = Case::new();
    let model = case.import_as("mine", ImportMode::Copy).unwrap();
    let before = case.digest(&model);
    for extra in [
        "README.md",
        "scores.json",
        "infernet.json",
        "unet/preview.png",
        "unet/diffusion_pytorch_model.bin",
        "unet/extra.json",
    ] {
        fs::write(model.root().join(extra), r#"{"version": 1}"#).unwrap();
    }
    assert_eq!(case.digest(&case.store.open("mine").unwrap()), before);
    fs::write(model.root().join("tokenizer/added_tokens.json"), "{}").unwrap();
    assert_ne!(case.digest(&case.store.open("mine").unwrap()), before);
}

#[test]
fn the_shipped_starter_model_is_whole() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models");
    let dir = tempfile::tempdir().unwrap();
    let store = ModelStore::new(dir.path().join("models"), vec![shipped]).unwrap();
    let starter = store.open("starter").unwrap();
    for component in ["unet", "vae", "text_encoder"] {
        assert_eq!(starter.weight_paths(component).len(), 1, "{component}");
    }
    let report = store.verify("starter", &watch::Sender::default(), &Cancel::new()).unwrap();
    assert!(report.is_good(), "{report:?}");
    let listed = store.list().unwrap();
    assert_eq!(listed[0].state, ModelState::BuiltIn);
    assert!(listed.iter().all(|info| info.id != "starter-clip"), "a scorer is no video model");
    assert!(listed[1..].iter().all(|info| info.state == ModelState::NotDownloaded));
}
