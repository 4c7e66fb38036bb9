//! What is checked in is what the pinned tools make.

use std::process::Command;

use crate::chain::contracts;

fn node(script: &str) {
    let output = Command::new("node").args([script, "--check"]).current_dir(contracts()).output();
    let output = output.expect("node is needed: run tools/setup.sh test");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script} --check (after `npm ci` in contracts/):\n{out}{err}");
}

#[test]
fn artefacts_are_what_the_pinned_compiler_makes() {
    node("build.mjs");
}

#[test]
fn vectors_are_what_ethers_makes() {
    node("vectors.mjs");
}
