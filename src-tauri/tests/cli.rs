//! The command line as a user runs it: real processes, the shipped starter model.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets");
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../engine/tests/golden");

struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn infernet(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_infernet"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("INFERNET_ASSETS_DIR", ASSETS)
            .env("INFERNET_DATA_DIR", self.path("data"))
            .output()
            .unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.infernet(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The command must fail with this code, name `what`, and leave no file behind.
    fn fails(&self, arguments: &[&str], code: i32, what: &str) {
        let before = self.files();
        let output = self.infernet(arguments);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
        assert!(message.contains(what), "{arguments:?}: expected `{what}` in: {message}");
        assert!(!message.contains("panicked"), "{message}");
        assert_eq!(self.files(), before, "{arguments:?} left files behind");
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut names: Vec<_> =
            std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.retain(|path| !path.ends_with("data"));
        names.sort();
        names
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A copy of a tiny model that a test may spoil.
fn tiny_model(workplace: &Workplace, name: &str) -> PathBuf {
    let folder = workplace.path(name);
    copy_folder(&Path::new(GOLDEN).join("pipeline/ddim-v-prediction/model"), &folder);
    folder
}

#[test]
fn generate_reports_what_it_made() {
    let here = Workplace::new();
    let report = here.json(&[
        "generate",
        "a red circle moving right",
        "--steps",
        "3",
        "--seed",
        "5",
        "--out",
        "a.mp4",
        "--gif",
        "a.gif",
        "--frames-dir",
        "frames",
        "--json",
    ]);
    assert_eq!(report["frames"], 16);
    assert_eq!((report["width"].as_u64(), report["height"].as_u64()), (Some(64), Some(64)));
    assert_eq!((report["seed"].as_u64(), report["steps"].as_u64()), (Some(5), Some(3)));
    assert_eq!(report["model_digest"].as_str().unwrap().len(), 64);
    assert!(report["seconds"].as_f64().unwrap() > 0.0);
    assert!(report["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
    assert!(here.path("a.mp4").is_file() && here.path("a.gif").is_file());
    assert_eq!(std::fs::read_dir(here.path("frames")).unwrap().count(), 16);
}

#[test]
fn same_seed_same_clip_for_any_threads() {
    let here = Workplace::new();
    let clip = |threads: &str, seed: &str| {
        let name = format!("{threads}-{seed}.mp4");
        here.json(&[
            "generate",
            "a blue star",
            "--steps",
            "3",
            "--seed",
            seed,
            "--threads",
            threads,
            "--out",
            &name,
            "--json",
        ]);
        std::fs::read(here.path(&name)).unwrap()
    };
    let one = clip("1", "7");
    assert_eq!(one, clip("2", "7"));
    assert_eq!(one, clip("4", "7"));
    assert_ne!(one, clip("2", "8"));
}

#[test]
fn a_trace_can_be_replayed_from_its_noise() {
    let here = Workplace::new();
    let generate = |extra: &[&str]| {
        let mut arguments = vec!["generate", "a green square", "--steps", "4", "--seed", "3", "--json"];
        arguments.extend(extra);
        here.json(&arguments);
    };
    generate(&["--out", "a.mp4", "--trace", "a.safetensors"]);
    generate(&["--out", "b.mp4", "--noise", "a.safetensors", "--trace", "b.safetensors"]);
    assert_eq!(std::fs::read(here.path("a.mp4")).unwrap(), std::fs::read(here.path("b.mp4")).unwrap());
    let bytes = std::fs::read(here.path("a.safetensors")).unwrap();
    let trace = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for name in ["noise", "text_cond", "text_uncond", "x_0", "x_4", "cond_3", "uncond_3", "latents"] {
        assert!(trace.tensor(name).is_ok(), "{name} is missing from {:?}", trace.names());
    }
    assert_eq!(trace.tensor("frames").unwrap().shape(), [16, 64, 64, 3]);
}

#[test]
fn bad_requests_are_refused_before_anything_is_written() {
    let here = Workplace::new();
    let generate = |extra: &[&'static str]| [&["generate", "x", "--out", "x.mp4"], extra].concat();
    here.fails(&generate(&["--frames", "0"]), 2, "frames is 0");
    here.fails(&generate(&["--frames", "1000000"]), 2, "frames is 1000000");
    here.fails(&generate(&["--width", "65"]), 2, "width 65");
    here.fails(&generate(&["--guidance", "nan"]), 2, "guidance");
    here.fails(&generate(&["--steps", "0"]), 2, "0 steps");
    here.fails(&generate(&["--steps", "5000"]), 2, "5000 steps");
    here.fails(&generate(&["--scheduler", "heun"]), 2, "unknown scheduler `heun`");
    here.fails(&generate(&["--fps", "0"]), 2, "--fps");
    here.fails(&generate(&["--device", "cuda"]), 2, "");
    here.fails(&generate(&["--device", "tpu"]), 2, "tpu");
    here.fails(&generate(&["--model", "no-such-model"]), 1, "no-such-model");
    here.fails(&["generate", "x", "--out", "nowhere/x.mp4"], 2, "nowhere");
    here.fails(
        &["generate", "x", "--width", "4096", "--height", "4096", "--frames", "1024", "--out", "x.mp4"],
        2,
        "would fit",
    );
    std::fs::write(here.path("taken.mp4"), b"keep").unwrap();
    here.fails(&["generate", "x", "--out", "taken.mp4"], 2, "taken.mp4 exists");
    assert_eq!(std::fs::read(here.path("taken.mp4")).unwrap(), b"keep");
}

#[test]
fn long_and_empty_prompts_work_with_a_warning() {
    let here = Workplace::new();
    let long = "red ".repeat(25_000);
    let output = here.infernet(&["generate", &long, "--steps", "1", "--out", "long.mp4"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("cut off"));
    let output = here.infernet(&["generate", "", "--steps", "1", "--out", "empty.mp4"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("empty"));
}

#[test]
fn damaged_models_are_named() {
    let here = Workplace::new();
    let attempt = |model: &Path, what: &str| {
        let model = model.to_str().unwrap();
        here.fails(
            &[
                "generate", "x", "--model", model, "--width", "16", "--height", "16", "--frames", "2", "--steps", "2",
                "--out", "x.mp4",
            ],
            2,
            what,
        );
    };
    let unet = |model: &Path| model.join("unet/diffusion_pytorch_model.safetensors");

    let model = tiny_model(&here, "truncated");
    let bytes = std::fs::read(unet(&model)).unwrap();
    std::fs::write(unet(&model), &bytes[..bytes.len() - 10]).unwrap();
    attempt(&model, "diffusion_pytorch_model.safetensors");

    let model = tiny_model(&here, "header");
    let mut spoilt = bytes.clone();
    spoilt[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    std::fs::write(unet(&model), &spoilt).unwrap();
    attempt(&model, "header");

    let model = tiny_model(&here, "shape");
    let config = std::fs::read_to_string(model.join("unet/config.json")).unwrap();
    let wrong = config.replace("\"cross_attention_dim\": 8", "\"cross_attention_dim\": 16");
    assert_ne!(config, wrong);
    std::fs::write(model.join("unet/config.json"), wrong).unwrap();
    attempt(&model, "16");

    let model = tiny_model(&here, "layers");
    let wrong = config.replace("\"layers_per_block\": 1", "\"layers_per_block\": 2");
    assert_ne!(config, wrong);
    std::fs::write(model.join("unet/config.json"), wrong).unwrap();
    attempt(&model, "is missing");
}

#[test]
fn pickles_that_would_run_code_are_refused() {
    let here = Workplace::new();
    let model = tiny_model(&here, "evil");
    std::fs::remove_file(model.join("unet/diffusion_pytorch_model.safetensors")).unwrap();
    let evil = walk(&Path::new(GOLDEN).join("pickle/evil-zip"));
    std::fs::copy(evil, model.join("unet/diffusion_pytorch_model.bin")).unwrap();
    let arguments = [
        "generate",
        "x",
        "--model",
        model.to_str().unwrap(),
        "--width",
        "16",
        "--height",
        "16",
        "--frames",
        "2",
        "--steps",
        "1",
        "--out",
        "x.mp4",
    ];
    here.fails(&arguments, 2, "nothing was executed");
    assert!(!Path::new("PWNED").exists() && !here.path("PWNED").exists());
}

/// The one `.bin` file below a folder.
fn walk(folder: &Path) -> PathBuf {
    let mut found = None;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return walk(&path);
        }
        if path.extension().is_some_and(|extension| extension == "bin") {
            found = Some(path);
        }
    }
    found.unwrap()
}

#[test]
fn devices_always_answers() {
    let here = Workplace::new();
    let report = here.json(&["devices", "--json"]);
    assert!(report["cpu"]["logical_cores"].as_u64().unwrap_or(1) >= 1, "{report}");
    assert!(report["chosen"].is_object() || report["chosen"].is_string(), "{report}");
    let output = here.infernet(&["devices"]);
    assert!(output.status.success() && !output.stdout.is_empty());
}

#[test]
fn models_can_be_imported_verified_used_and_removed() {
    let here = Workplace::new();
    let source = tiny_model(&here, "source");
    let listed = here.json(&["model", "list", "--json"]);
    assert!(listed.as_array().unwrap().iter().any(|model| model["id"] == "starter"));
    here.json(&["model", "import", source.to_str().unwrap(), "--id", "tiny", "--json"]);
    assert_eq!(here.json(&["model", "info", "tiny", "--json"])["state"]["state"], "complete");
    here.json(&["model", "verify", "tiny", "--json"]);
    here.json(&[
        "generate", "x", "--model", "tiny", "--width", "16", "--height", "16", "--frames", "2", "--steps", "2",
        "--out", "t.mp4", "--json",
    ]);
    let weights = here.path("data").join("models/tiny/unet/diffusion_pytorch_model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    here.fails(&["model", "verify", "tiny"], 1, "damaged");
    here.fails(&["model", "remove", "tiny"], 2, "--yes");
    here.json(&["model", "remove", "tiny", "--yes", "--json"]);
    here.fails(&["model", "info", "tiny"], 1, "tiny");
}

#[test]
fn scores_tell_right_from_wrong_prompts() {
    let here = Workplace::new();
    here.json(&[
        "generate",
        "a red square moving right on a white background",
        "--seed",
        "1",
        "--out",
        "a.mp4",
        "--json",
    ]);
    let score = |prompt: &str| here.json(&["score", "a.mp4", prompt, "--json"]);
    let right = score("a red square moving right on a white background");
    let wrong = score("a green star moving right on a navy background");
    let fidelity = |report: &Value| report["prompt"]["fidelity"].as_f64().unwrap();
    assert!(fidelity(&right) > fidelity(&wrong) + 0.2, "{right} {wrong}");
    assert!((0.0..=1.0).contains(&right["md_vqs"].as_f64().unwrap()));
    assert_eq!(right["authenticity"]["ok"], true);
    here.fails(&["score", "missing.mp4", "x"], 2, "missing.mp4");
    std::fs::write(here.path("junk.mp4"), b"junk").unwrap();
    here.fails(&["score", "junk.mp4", "x"], 2, "junk.mp4");
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_cleanly() {
    let here = Workplace::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_infernet"))
        .args(["generate", "x", "--steps", "900", "--out", "x.mp4"])
        .current_dir(here.folder.path())
        .env("INFERNET_ASSETS_DIR", ASSETS)
        .env("INFERNET_DATA_DIR", here.path("data"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(here.files().is_empty(), "{:?}", here.files());
}

#[test]
fn parity_with_the_reference_can_be_checked_by_anyone() {
    let here = Workplace::new();
    let cases = format!("{GOLDEN}/vae");
    let report = here.json(&["parity", &cases, "--json"]);
    assert_eq!(report["failed"], 0);
    assert!(report["passed"].as_u64().unwrap() > 0);
    assert_eq!(report["device"], "cpu");
    here.fails(&["parity", "nowhere"], 2, "nowhere");
    std::fs::create_dir(here.path("empty")).unwrap();
    here.fails(&["parity", "empty"], 2, "python -m reference");
}

const CHALLENGE: &str = "abababababababababababababababababababababababababababababababab";
const NONCE: &str = "1717171717171717171717171717171717171717171717171717171717171717";

/// A committed run of the tiny model, with bounds for it; returns the arguments that name the model.
fn committed(here: &Workplace) -> [String; 2] {
    let model = tiny_model(here, "tiny").display().to_string();
    let arguments = ["--model".to_owned(), model.clone()];
    here.json(&[
        "calibrate",
        "--model",
        &model,
        "--dtypes",
        "f32",
        "--runs",
        "1",
        "--steps",
        "6",
        "--frames",
        "3",
        "--width",
        "16",
        "--height",
        "16",
        "--json",
    ]);
    let report = here.json(&[
        "generate",
        "a prompt",
        "--model",
        &model,
        "--steps",
        "6",
        "--frames",
        "3",
        "--width",
        "16",
        "--height",
        "16",
        "--guidance",
        "4",
        "--prove",
        "run.proof",
        "--challenge",
        CHALLENGE,
        "--out",
        "clip.mp4",
        "--json",
    ]);
    assert_eq!(report["proof"]["challenge"], CHALLENGE);
    // Steps, the final state, frames, clip, text.
    assert_eq!(report["proof"]["leaves"], 6 + 1 + 3 + 1 + 1);
    assert_eq!(report["seed"], Value::Null);
    arguments
}

#[test]
fn a_run_can_be_committed_revealed_and_verified_by_hand() {
    let here = Workplace::new();
    let [flag, model] = committed(&here);
    let reveal = here.json(&["reveal", "run.proof", "--nonce", NONCE, &flag, &model, "--out", "a.bundle", "--json"]);
    assert_eq!(reveal["nonce"], NONCE);
    let verdict = here.json(&["verify", "--bundle", "a.bundle", &flag, &model, "--json"]);
    assert_eq!(verdict["accepted"], true);
    assert_eq!(verdict["failed_check"], Value::Null);
    let checks = verdict["checks"].as_array().unwrap();
    let measured = checks.iter().filter(|check| check["name"] == "model_output").collect::<Vec<_>>();
    assert!(!measured.is_empty());
    // The same kernels: not one bit of difference.
    assert!(measured.iter().all(|check| check["error"] == 0.0 && check["bound"].as_f64().unwrap() > 0.0), "{verdict}");
    // The same nonce opens the same leaves, another one others.
    let again = here.json(&["reveal", "run.proof", "--nonce", NONCE, &flag, &model, "--out", "b.bundle", "--json"]);
    assert_eq!(again["opened_leaves"], reveal["opened_leaves"]);
    here.fails(&["reveal", "run.proof", "--nonce", NONCE, &flag, &model, "--out", "b.bundle"], 2, "--force");
    here.fails(&["reveal", "run.proof", "--nonce", "17", &flag, &model, "--out", "c.bundle"], 2, "64 hexadecimal");
    here.fails(&["reveal", "clip.mp4", &flag, &model, "--out", "c.bundle"], 2, "generate --prove");
}

#[test]
fn a_bundle_that_was_touched_is_rejected_or_refused() {
    let here = Workplace::new();
    let [flag, model] = committed(&here);
    here.json(&["reveal", "run.proof", "--nonce", NONCE, &flag, &model, "--out", "a.bundle", "--json"]);
    let bundle = std::fs::read(here.path("a.bundle")).unwrap();
    let verify = |bytes: &[u8]| {
        std::fs::write(here.path("bad.bundle"), bytes).unwrap();
        let output = here.infernet(&["verify", "--bundle", "bad.bundle", &flag, &model, "--json"]);
        let verdict: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        (output.status.code(), verdict.map(|verdict| verdict["failed_check"].clone()))
    };
    // The clip is the end of a bundle.
    let mut other_clip = bundle.clone();
    let last = other_clip.len() - 1;
    other_clip[last] ^= 1;
    assert_eq!(verify(&other_clip), (Some(3), Some(Value::from("clip_delivery"))));
    // A bit anywhere: never accepted, never a crash.
    for at in (0..bundle.len()).step_by(bundle.len() / 40) {
        let mut bytes = bundle.clone();
        bytes[at] ^= 0x10;
        let (code, _) = verify(&bytes);
        assert!(matches!(code, Some(2 | 3)), "bit at {at}: {code:?}");
    }
    assert_eq!(verify(&bundle[..bundle.len() / 2]).0, Some(2));
    assert_eq!(verify(b"").0, Some(2));
    // Another model's bounds do not fit, and say so.
    here.fails(&["verify", "--bundle", "a.bundle"], 2, "calibrate");
}

#[test]
fn attacks_are_measured_on_any_model_with_bounds() {
    let here = Workplace::new();
    let [flag, model] = committed(&here);
    let bench = |attacks: &str| {
        let size = ["--steps", "6", "--frames", "3", "--width", "16", "--height", "16"];
        let times = ["--runs", "1", "--audits", "40", "--honest-audits", "40", "--json"];
        let start = ["attack-bench", &flag, &model, "--attacks", attacks];
        here.json(&[&start[..], &size, &times].concat())
    };
    let report = bench("cached-outputs,swapped-clip");
    let honest = &report["honest"][0];
    assert_eq!((honest["audits"].as_u64(), honest["rejected"].as_u64()), (Some(40), Some(0)), "{report}");
    assert_eq!(honest["largest_error_over_bound"], 0.0);
    let attacks = report["attacks"].as_array().unwrap();
    assert_eq!(attacks.len(), 2);
    for attack in attacks {
        let number = |field: &str| attack[field].as_f64().unwrap();
        assert!(number("detected_when_drawn") == number("drawn") && number("drawn") > 0.0, "{attack}");
        let (low, high) = (&attack["detection_interval"][0], &attack["detection_interval"][1]);
        let expected = number("expected_detection");
        assert!(low.as_f64().unwrap() <= expected && expected <= high.as_f64().unwrap(), "{attack}");
    }
    here.fails(&["attack-bench", "--attacks", "wishful-thinking"], 2, "cached-outputs");
    here.fails(&["calibrate", "--model", "nowhere"], 1, "nowhere");
}
