//! The quality scores against the packages that define them.
//!
//! `golden/quality` is made by `tools/reference/quality_golden.py golden`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "quality/clips.rs"]
mod clips;

use candle_core::{DType, Device, Tensor};
use clips::{OwnedClip, Random, moving_shape, noise, soft_noise};
use infernet_engine::quality::authenticity::{Authenticity, Refusal, judge};
use infernet_engine::quality::clip::{Clip, Preprocessor};
use infernet_engine::quality::flow::{FlowField, Gray, optical_flow};
use infernet_engine::quality::lpips::Lpips;
use infernet_engine::quality::score::{ClipScore, Scorer, VisualMetric, temporal_consistency};
use infernet_engine::quality::{FramesView, QualityError};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Relative L2 distance that features may have from transformers'.
const FEATURE_TOLERANCE: f64 = 1e-4;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/quality")
}

fn starter_clip() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models/starter-clip")
}

fn tensors(path: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn relative_distance(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |v: f32| f64::from(v) * f64::from(v);
    let gap: f64 = found.iter().zip(expected).map(|(a, b)| square(a - b)).sum();
    let size: f64 = expected.iter().map(|&v| square(v)).sum();
    (gap / size).sqrt()
}

/// Checks tokens, pixels and features of the CLIP in `model` against `expected.*` in `folder`.
fn check_clip(model: &Path, folder: &Path, frames: &Path) {
    let expected = json(&folder.join("expected.json"));
    let golden = tensors(&folder.join("expected.safetensors"));
    let frames = tensors(frames);
    let clip = Clip::load(model, &Device::Cpu).unwrap();
    if let Some(digest) = expected.get("sha256") {
        assert_eq!(
            Some(clip.identity().sha256.as_str()),
            digest.as_str(),
            "the CLIP has new weights: run tools/reference/quality_golden.py starter"
        );
    }
    let positions = clip.config().text.max_positions;
    let texts: Vec<Vec<f32>> = golden["text_features"].to_vec2().unwrap();
    let prompts = expected["prompts"].as_array().unwrap();
    let mut worst = 0f64;
    for ((prompt, tokens), features) in prompts.iter().zip(expected["tokens"].as_array().unwrap()).zip(&texts) {
        let prompt = prompt.as_str().unwrap();
        let wanted: Vec<u32> = tokens.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
        assert_eq!(clip.tokenizer().encode(prompt, positions).unwrap().ids, wanted, "{prompt:?}");
        worst = worst.max(relative_distance(&clip.text_features(prompt).unwrap().0, features));
    }
    println!("{}: text features {worst:.1e}", folder.display());
    assert!(worst <= FEATURE_TOLERANCE, "text features are off by {worst:e}");
    let preprocessor = Preprocessor::read(model).unwrap();
    for (index, frame) in (0..).map_while(|index| Some((index, frames.get(&format!("frame_{index}"))?))) {
        let (height, width, _) = frame.dims3().unwrap();
        let data = bytes(frame);
        if let Some(crop) = golden.get(&format!("crop_{index}")) {
            assert_eq!(preprocessor.resize_and_crop(&data, width, height), bytes(crop), "pixels of frame {index}");
        }
        let view = FramesView::new(width as u32, height as u32, &data).unwrap();
        let found = &clip.image_features(view).unwrap()[0];
        let distance = relative_distance(found, &floats(&golden[&format!("image_features_{index}")]));
        // The other processor rounds some resized pixels the other way.
        let rounded = relative_distance(found, &floats(&golden[&format!("fast_image_features_{index}")]));
        println!("  frame {index}: image features {distance:.1e}, with torchvision's resize {rounded:.1e}");
        assert!(distance <= FEATURE_TOLERANCE, "image features of frame {index} are off by {distance:e}");
        assert!(rounded <= 0.05, "torchvision's resize gives {rounded:e}");
    }
}

#[test]
fn clip_equals_transformers_on_random_weights() {
    let frames = golden().join("frames.safetensors");
    for name in ["clip_quick_gelu", "clip_gelu_legacy", "clip_gelu_new"] {
        let folder = golden().join(name);
        check_clip(&folder, &folder, &frames);
    }
}

#[test]
fn clip_equals_transformers_on_the_starter_weights() {
    check_clip(&starter_clip(), &golden().join("starter_clip"), &golden().join("frames.safetensors"));
}

/// The folder made by `quality_golden.py clip-b32` or `lpips-full`.
fn large_golden() -> PathBuf {
    PathBuf::from(std::env::var_os("INFERNET_QUALITY_GOLDEN").expect("INFERNET_QUALITY_GOLDEN names a folder"))
}

#[test]
#[ignore = "needs a folder of 350 MB from tools/reference/quality_golden.py clip-b32"]
fn clip_equals_transformers_at_the_size_of_vit_b32() {
    let folder = large_golden();
    check_clip(&folder, &folder, &folder.join("frames.safetensors"));
}

/// `count` numbers in [-1, 1), the same as `uniform` in quality_golden.py: splitmix64.
fn uniform(seed: u64, count: usize) -> Vec<f32> {
    const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
    (0..count as u64)
        .map(|index| {
            let mut z = seed.wrapping_mul(GOLDEN_GAMMA).wrapping_add(index.wrapping_mul(GOLDEN_GAMMA));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            ((z >> 40) as f64 / f64::from(1 << 23) - 1.0) as f32
        })
        .collect()
}

/// An LPIPS folder whose weights follow the formulas of quality_golden.py.
fn formula_lpips(folder: &Path) {
    let layers = [(0, 3, 64, 11), (3, 64, 192, 5), (6, 192, 384, 3), (8, 384, 256, 3), (10, 256, 256, 3)];
    let (mut backbone, mut heads) = (HashMap::new(), HashMap::new());
    for (place, (index, inputs, outputs, kernel)) in layers.into_iter().enumerate() {
        let fan_in = inputs * kernel * kernel;
        let scale = (6.0 / fan_in as f64).sqrt() as f32;
        let weight: Vec<f32> = uniform(100 + place as u64, outputs * fan_in).iter().map(|v| v * scale).collect();
        let bias: Vec<f32> = uniform(200 + place as u64, outputs).iter().map(|v| v * 0.1).collect();
        let head: Vec<f32> = uniform(300 + place as u64, outputs).iter().map(|v| v.abs()).collect();
        let tensor = |data, shape: &[usize]| Tensor::from_vec(data, shape, &Device::Cpu).unwrap();
        backbone.insert(format!("features.{index}.weight"), tensor(weight, &[outputs, inputs, kernel, kernel]));
        backbone.insert(format!("features.{index}.bias"), tensor(bias, &[outputs]));
        heads.insert(format!("lin{place}.model.1.weight"), tensor(head, &[1, outputs, 1, 1]));
    }
    candle_core::safetensors::save(&backbone, folder.join("alexnet.safetensors")).unwrap();
    candle_core::safetensors::save(&heads, folder.join("lpips_alex.safetensors")).unwrap();
}

fn check_lpips(folder: &Path, expected: &Path) {
    let lpips = Lpips::load(folder, &Device::Cpu).unwrap();
    let golden = tensors(expected);
    for index in 0..3 {
        let frames = &golden[&format!("frames_{index}")];
        let (_, height, width, _) = frames.dims4().unwrap();
        let data = bytes(frames);
        let view = FramesView::new(width as u32, height as u32, &data).unwrap();
        let found = lpips.neighbour_distances(view).unwrap();
        let wanted = floats(&golden[&format!("distances_{index}")]);
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            let wanted = f64::from(wanted);
            println!("{width}x{height}: {found:.6}, the package gives {wanted:.6}");
            assert!((found - wanted).abs() <= 1e-4 * wanted.max(1e-3), "{found} is not {wanted}");
        }
    }
}

#[test]
fn lpips_equals_the_package_on_random_weights() {
    let folder = tempfile::tempdir().unwrap();
    formula_lpips(folder.path());
    check_lpips(folder.path(), &golden().join("lpips.safetensors"));
}

#[test]
#[ignore = "needs a folder from tools/reference/quality_golden.py lpips-full"]
fn lpips_equals_the_package_with_its_own_heads() {
    check_lpips(&large_golden(), &large_golden().join("expected_lpips.safetensors"));
}

/// The true displacement at pixel `(x, y)` of a case of flow.json.
fn true_flow(case: &Value, x: f64, y: f64) -> (f64, f64) {
    let number = |field: &str, index: usize| case[field][index].as_f64().unwrap();
    let (px, py) = (x - number("centre", 0), y - number("centre", 1));
    let inside = match (case.get("shape").and_then(Value::as_str), case["radius"].as_f64()) {
        (Some("circle"), Some(radius)) => px.hypot(py) < radius,
        (Some(_), Some(radius)) => px.abs().max(py.abs()) < 0.88 * radius,
        _ => true,
    };
    if !inside {
        return (0.0, 0.0);
    }
    let u = (number("matrix", 0) - 1.0) * px + number("matrix", 1) * py + number("shift", 0);
    let v = number("matrix", 2) * px + (number("matrix", 3) - 1.0) * py + number("shift", 1);
    (u, v)
}

fn end_point_error(flow: &FlowField, case: &Value, margin: usize) -> f64 {
    let (width, height) = (flow.width(), flow.height());
    let (mut sum, mut count) = (0.0, 0.0);
    for y in margin..height - margin {
        for x in margin..width - margin {
            let (u, v) = true_flow(case, x as f64, y as f64);
            let index = y * width + x;
            sum += (f64::from(flow.u()[index]) - u).hypot(f64::from(flow.v()[index]) - v);
            count += 1.0;
        }
    }
    sum / count
}

fn flow_pair(name: &str) -> (Gray, Gray) {
    let frames = &tensors(&golden().join("flow.safetensors"))[name];
    let (_, height, width) = frames.dims3().unwrap();
    let data = floats(frames);
    let (first, second) = data.split_at(width * height);
    let gray = |data: &[f32]| Gray::new(width, height, data.to_vec()).unwrap();
    (gray(first), gray(second))
}

#[test]
fn flow_is_as_exact_as_opencvs() {
    let golden = json(&golden().join("flow.json"));
    let margin = golden["margin"].as_u64().unwrap() as usize;
    println!("{:26} {:>9} {:>10} {:>10} {:>10}", "end-point error, pixels", "ours", "DIS", "DIS full", "Farneback");
    let (mut ours_total, mut best_total) = (0.0, 0.0);
    let mut failures = Vec::new();
    for (name, case) in golden["cases"].as_object().unwrap() {
        let (first, second) = flow_pair(name);
        let ours = end_point_error(&optical_flow(&first, &second).unwrap(), case, margin);
        let theirs = &case["opencv_end_point_error"];
        let [dis, full, farneback] = ["dis_medium", "dis_full", "farneback"].map(|kind| theirs[kind].as_f64().unwrap());
        let best = dis.min(full).min(farneback);
        println!("{name:26} {ours:9.4} {dis:10.4} {full:10.4} {farneback:10.4}");
        ours_total += ours;
        best_total += best;
        if ours > 1.25 * best {
            failures.push(name.clone());
        }
    }
    println!("{:26} {ours_total:9.4} {best_total:10.4} (the best of each row)", "sum");
    assert!(failures.is_empty(), "worse than 1.25 x OpenCV: {failures:?}");
    assert!(ours_total <= best_total, "{ours_total} against {best_total}");
}

fn verdict(clip: &OwnedClip) -> Authenticity {
    let bytes = clip.bytes();
    judge(FramesView::new(clip.width as u32, clip.height as u32, &bytes).unwrap())
}

fn drawn(seed: u64, speed: f64) -> OwnedClip {
    moving_shape(&mut Random(seed * 7919 + 13), 64, 64, 16, speed)
}

/// Every clip must pass; says which do not, and why.
fn all_pass(what: &str, count: u64, clip: impl Fn(u64) -> OwnedClip) {
    let refused: Vec<_> = (0..count).filter_map(|seed| Some((seed, verdict(&clip(seed)).reason?))).collect();
    println!("{what}: {} of {count} pass", count - refused.len() as u64);
    assert!(refused.is_empty(), "{what}: {refused:?}");
}

/// No clip may pass, and each must be taken for one of `refusals`.
fn none_pass(what: &str, count: u64, refusals: &[Refusal], clip: impl Fn(u64) -> OwnedClip) {
    for seed in 0..count {
        let verdict = verdict(&clip(seed));
        let reason = verdict.reason.unwrap_or_else(|| panic!("{what} {seed} passes: {:?}", verdict.stats));
        assert!(!verdict.ok && reason.measured < reason.bound);
        assert!(refusals.contains(&reason.refusal), "{what} {seed} is taken for {reason:?}");
    }
    println!("{what}: {count} of {count} refused");
}

#[test]
fn moving_shapes_are_authentic() {
    all_pass("moving shapes", 500, |seed| drawn(seed, 1.0));
    all_pass("at a quarter of the speed", 100, |seed| drawn(seed, 0.25));
    all_pass("coded in blocks", 60, |seed| drawn(seed, 1.0).block_coded(20.0));
    all_pass("slow and coded in blocks", 40, |seed| drawn(seed, 0.25).block_coded(20.0));
    all_pass("with noise", 60, |seed| drawn(seed, 1.0).with_noise(10.0, &mut Random(seed)));
    let of_size =
        |width, height, frames| move |seed: u64| moving_shape(&mut Random(seed + 99), width, height, frames, 1.0);
    all_pass("160x96, 24 frames", 40, of_size(160, 96, 24));
    all_pass("320x192, 20 frames", 10, of_size(320, 192, 20));
    all_pass("32x32, 8 frames", 60, of_size(32, 32, 8));
}

fn still(seed: u64) -> OwnedClip {
    drawn(seed, 1.0).ordered([(seed % 16) as usize; 16])
}

fn blank(seed: u64) -> OwnedClip {
    let colour = [37, 91, 53].map(|step| (seed * step % 256) as u8);
    OwnedClip { width: 64, height: 64, frames: vec![colour.repeat(64 * 64); 16] }
}

/// Gain and offset that jump from frame to frame.
fn flickering(clip: OwnedClip, seed: u64) -> OwnedClip {
    let mut random = Random(seed + 5);
    let levels: Vec<(f64, f64)> =
        (0..clip.frames.len()).map(|_| (random.between(0.8, 1.2), random.between(-15.0, 15.0))).collect();
    clip.map(|frame, _, _, value| value * levels[frame].0 + levels[frame].1)
}

#[test]
fn stills_are_refused_with_noise_coding_and_flicker() {
    none_pass("still", 60, &[Refusal::Still], still);
    for deviation in [2.0, 6.0, 15.0] {
        let what = format!("still with noise of {deviation} levels");
        none_pass(&what, 60, &[Refusal::Still], |seed| still(seed).with_noise(deviation, &mut Random(seed)));
    }
    let coded = |seed| still(seed).with_noise(6.0, &mut Random(seed)).block_coded(20.0);
    none_pass("still, noise, block coding", 30, &[Refusal::Still], coded);
    none_pass("still with flicker", 100, &[Refusal::Still], |seed| flickering(still(seed), seed));
    let both = |seed| flickering(still(seed), seed).with_noise(4.0, &mut Random(seed));
    none_pass("still with flicker and noise", 60, &[Refusal::Still], both);
}

#[test]
fn blanks_and_noise_are_refused() {
    let either = [Refusal::Blank, Refusal::Noise];
    none_pass("blank", 30, &[Refusal::Blank], blank);
    none_pass("blank with flicker", 30, &[Refusal::Blank], |seed| flickering(blank(seed), seed));
    for deviation in [1.0, 8.0, 30.0] {
        let what = format!("blank with noise of {deviation} levels");
        none_pass(&what, 30, &either, |seed| blank(seed).with_noise(deviation, &mut Random(seed)));
    }
    let coded = |seed| blank(seed).with_noise(8.0, &mut Random(seed)).block_coded(20.0);
    none_pass("blank, noise, block coding", 30, &either, coded);
    for grain in [1, 2, 3, 4, 8] {
        let what = format!("noise in squares of {grain}");
        none_pass(&what, 40, &[Refusal::Noise], |seed| noise(&mut Random(seed), 64, 64, 16, grain));
    }
    none_pass("noise, 256x256", 8, &[Refusal::Noise], |seed| noise(&mut Random(seed), 256, 256, 6, 1));
    let frozen = |grain| move |seed| noise(&mut Random(seed), 64, 64, 1, grain).ordered([0; 16]);
    none_pass("one frame of noise", 40, &[Refusal::Noise], frozen(1));
    none_pass("one frame of coarse noise", 40, &[Refusal::Still], frozen(8));
    none_pass("soft noise", 60, &[Refusal::Noise], |seed| soft_noise(&mut Random(seed), 64, 64, 16));
}

#[test]
fn loops_of_two_pictures_are_refused() {
    let pictures = |seed: u64| [(seed % 5) as usize, 8 + (seed % 6) as usize];
    let looped = |seed: u64, which: &dyn Fn(usize) -> usize| {
        let clip = moving_shape(&mut Random(seed), 64, 64, 14, 1.0);
        clip.ordered((0..16).map(|frame| pictures(seed)[which(frame)]))
    };
    // Where both pictures happen to be the same (a bounce), it is a still.
    let kinds = [Refusal::TwoFrameLoop, Refusal::Still];
    let turns = |seed| looped(seed, &|frame| frame % 2);
    none_pass("two pictures in turn", 60, &kinds, turns);
    none_pass("with noise", 60, &kinds, |seed| turns(seed).with_noise(8.0, &mut Random(seed)));
    none_pass("coded in blocks", 30, &kinds, |seed| turns(seed).block_coded(20.0));
    let flicker = |seed| flickering(turns(seed), seed).with_noise(3.0, &mut Random(seed));
    none_pass("with flicker and noise", 60, &kinds, flicker);
    none_pass("in pairs", 60, &kinds, |seed| looped(seed, &|frame| frame / 2 % 2));
    none_pass("one, then the other", 60, &kinds, |seed| looped(seed, &|frame| usize::from(frame > 8)));
    let random_order = |seed: u64| looped(seed, &|frame| (Random(seed + frame as u64).next() % 2) as usize);
    none_pass("in random order", 60, &kinds, random_order);
    none_pass("six frames", 60, &kinds, |seed| drawn(seed, 1.0).ordered([1, 9, 1, 9, 1, 9]));
}

#[test]
fn short_and_tiny_clips_leave_terms_undefined_and_never_panic() {
    let clip = drawn(1, 1.0);
    let one = verdict(&clip.ordered([3]));
    assert!(one.ok && one.stats.temporal_change.is_none() && one.stats.two_picture_residual.is_none());
    let three = verdict(&clip.ordered([0, 5, 10]));
    assert!(three.ok && three.stats.temporal_change.is_some() && three.stats.continuity.is_none());
    for (width, height) in [(1, 1), (1, 9), (2, 2), (3, 5), (17, 1), (31, 33)] {
        let tiny = noise(&mut Random(4), width, height, 5, 1);
        let text = serde_json::to_string(&verdict(&tiny)).unwrap();
        assert!(!text.contains("NaN"));
        let stats = verdict(&tiny).stats;
        assert!(stats.structured_share.is_finite() && stats.cell_correlation.is_finite());
        let bytes = tiny.bytes();
        let view = FramesView::new(width as u32, height as u32, &bytes).unwrap();
        let temporal = temporal_consistency(view).unwrap();
        assert!((0.0..=1.0).contains(&temporal.consistency));
    }
}

/// The starter CLIP with a calibration, in a folder of its own.
fn calibrated_starter(folder: &Path) {
    for entry in std::fs::read_dir(starter_clip()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    let text = r#"{"cosine_zero": 0.66, "cosine_one": 0.86, "unrelated_distance": 0.97}"#;
    std::fs::write(folder.join("score_calibration.json"), text).unwrap();
}

/// A red circle that moves right on black, as the starter model draws it.
fn red_circle() -> OwnedClip {
    let frames = (0..16).map(|index| {
        let centre = 16.0 + 2.2 * f64::from(index);
        let pixel = |i: usize| {
            let gap = ((i % 64) as f64 + 0.5 - centre).hypot((i / 64) as f64 + 0.5 - 32.0) - 11.0;
            let cover = (0.5 - gap).clamp(0.0, 1.0);
            [225.0, 35.0, 35.0].map(|value| (cover * value) as u8)
        };
        (0..64 * 64).flat_map(pixel).collect()
    });
    OwnedClip { width: 64, height: 64, frames: frames.collect() }
}

fn score(scorer: &Scorer, clip: &OwnedClip, prompt: &str) -> ClipScore {
    let bytes = clip.bytes();
    scorer.score(FramesView::new(clip.width as u32, clip.height as u32, &bytes).unwrap(), prompt).unwrap()
}

#[test]
fn scores_fall_with_everything_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    calibrated_starter(folder.path());
    let scorer = Scorer::load(folder.path(), None, &Device::Cpu).unwrap();
    let prompt = "a red circle moving right on a black background";
    let clip = red_circle();
    let good = score(&scorer, &clip, prompt);
    println!("{}", serde_json::to_string_pretty(&good).unwrap());
    let value = good.md_vqs.unwrap();
    assert!(value > 0.9, "{value}");
    assert_eq!(good.visual.as_ref().unwrap().metric, VisualMetric::ClipImageDistance);
    let parts = 0.4 * good.prompt.as_ref().unwrap().fidelity
        + 0.3 * good.visual.as_ref().unwrap().quality
        + 0.3 * good.temporal.as_ref().unwrap().consistency;
    assert!((value - parts).abs() < 1e-12);

    let fidelity = |prompt| score(&scorer, &clip, prompt).prompt.unwrap().fidelity;
    for wrong in ["a blue circle moving right on a black background", "a red circle moving right on a white background"]
    {
        assert!(fidelity(wrong) < 0.3, "{wrong}: {}", fidelity(wrong));
    }
    let flicker = score(&scorer, &flickering(red_circle(), 3), prompt);
    let temporal = |score: &ClipScore| score.temporal.as_ref().unwrap().consistency;
    assert!(temporal(&flicker) < temporal(&good) - 0.1);
    let chaos = score(&scorer, &noise(&mut Random(1), 64, 64, 16, 1), prompt);
    assert_eq!(temporal(&chaos), 0.0);
    assert!(chaos.md_vqs.unwrap() < 0.5);
    let text = serde_json::to_string(&good).unwrap();
    assert!(text.contains("\"clip_image_distance\"") && text.contains(&scorer.clip().identity().sha256));
    // serde_json reads floats back to within a unit in the last place.
    let read: ClipScore = serde_json::from_str(&text).unwrap();
    assert!((read.md_vqs.unwrap() - value).abs() < 1e-12 && read.models == good.models);
}

#[test]
fn scores_have_the_same_bits_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    calibrated_starter(folder.path());
    let lpips = tempfile::tempdir().unwrap();
    formula_lpips(lpips.path());
    let scorer = Scorer::load(folder.path(), Some(lpips.path()), &Device::Cpu).unwrap();
    let clip = drawn(5, 1.0);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| score(&scorer, &clip, "a circle"))
    };
    let one = with(1);
    assert_eq!(one.visual.as_ref().unwrap().metric, VisualMetric::LpipsAlex);
    assert_eq!(one.models.len(), 2);
    assert_eq!(one, with(2));
    assert_eq!(one, with(4));
}

#[test]
fn undefined_parts_are_absent() {
    let folder = tempfile::tempdir().unwrap();
    calibrated_starter(folder.path());
    let scorer = Scorer::load(folder.path(), None, &Device::Cpu).unwrap();
    let single = score(&scorer, &red_circle().ordered([4]), "a red circle on a black background");
    assert!(single.visual.is_none() && single.temporal.is_none());
    assert_eq!(single.md_vqs, single.prompt.map(|part| part.fidelity));
    let unprompted = score(&scorer, &red_circle(), "  ");
    assert!(unprompted.prompt.is_none() && unprompted.md_vqs.is_some());
    assert_eq!(score(&scorer, &red_circle().ordered([4]), "").md_vqs, None);
    for (width, height) in [(1, 1), (5, 3), (200, 1)] {
        let tiny = score(&scorer, &noise(&mut Random(2), width, height, 3, 1), "a star");
        assert!((0.0..=1.0).contains(&tiny.md_vqs.unwrap()));
    }
    let long = "star ".repeat(20_000);
    let score = score(&scorer, &red_circle(), &long);
    assert!(score.prompt.unwrap().similarity.prompt_truncated);
}

#[test]
fn damaged_model_folders_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = || {
        for entry in std::fs::read_dir(golden().join("clip_quick_gelu")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    };
    let error = || Clip::load(folder.path(), &Device::Cpu).unwrap_err();
    for name in ["config.json", "preprocessor_config.json", "vocab.json", "merges.txt", "model.safetensors"] {
        fresh();
        std::fs::remove_file(folder.path().join(name)).unwrap();
        let error = error();
        assert!(matches!(error, QualityError::Read { .. } | QualityError::Tokenizer { .. }), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
    fresh();
    std::fs::write(folder.path().join("vocab.json"), "{\"a\": 0}").unwrap();
    assert!(matches!(error(), QualityError::Tokenizer { .. }));
    fresh();
    std::fs::write(folder.path().join("preprocessor_config.json"), "{\"crop_size\": 32}").unwrap();
    assert!(matches!(error(), QualityError::Config { field: "crop_size", .. }));

    let path = folder.path().join("model.safetensors");
    let change = |edit: &dyn Fn(&mut HashMap<String, Tensor>)| {
        fresh();
        let mut weights = tensors(&path);
        edit(&mut weights);
        candle_core::safetensors::save(&weights, &path).unwrap();
    };
    change(&|weights| {
        weights.remove("vision_model.embeddings.class_embedding");
    });
    assert!(
        matches!(error(), QualityError::MissingTensor { tensor, .. } if tensor == "vision_model.embeddings.class_embedding")
    );
    change(&|weights| {
        let half = weights["text_projection.weight"].narrow(0, 0, 10).unwrap().contiguous().unwrap();
        weights.insert("text_projection.weight".to_owned(), half);
    });
    assert!(matches!(error(), QualityError::TensorShape { tensor, .. } if tensor == "text_projection.weight"));
    change(&|weights| {
        let projection = &weights["visual_projection.weight"];
        let nan = (projection.zeros_like().unwrap() + f64::NAN).unwrap();
        weights.insert("visual_projection.weight".to_owned(), nan);
    });
    let clip = Clip::load(folder.path(), &Device::Cpu).unwrap();
    let found = clip.image_features(FramesView::new(1, 1, &[1, 2, 3]).unwrap());
    assert!(matches!(found, Err(QualityError::NotFinite { .. })));
}
