//! Agreement with diffusers and transformers on the golden cases beside this file.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use infernet_engine::parity::{check, find_cases};

fn all_pass(kind: &str, at_least: usize) {
    let cases = find_cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(kind)).unwrap();
    assert!(cases.len() >= at_least, "only {} cases of {kind}", cases.len());
    for case in cases {
        let report = check(&case).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
        assert!(!report.stages.is_empty());
        assert!(report.passed(), "{}: {:?}\n{:#?}", report.name, report.worst(), report.stages);
    }
}

#[test]
fn unet3d() {
    all_pass("unet3d", 6);
}

#[test]
fn vae() {
    all_pass("vae", 4);
}

#[test]
fn clip_text() {
    all_pass("clip_text", 4);
}

#[test]
fn schedulers() {
    all_pass("scheduler", 25);
}

#[test]
fn tokenizers() {
    all_pass("tokenizer", 2);
}

#[test]
fn pipelines() {
    all_pass("pipeline", 3);
}
