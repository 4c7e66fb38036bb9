//! The direction of dependencies between our crates, as docs/ARCHITECTURE.md states it.
#![allow(clippy::unwrap_used)]

use std::process::Command;

/// For every crate, those of ours that it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("infernet-api", &[]),
    ("infernet-economics", &[]),
    ("infernet-engine", &[]),
    ("infernet-ledger", &["infernet-economics"]),
    ("infernet-network", &["infernet-engine"]),
    ("infernet-settlement", &["infernet-ledger"]),
    ("infernet-adversary", &["infernet-engine", "infernet-network"]),
    (
        "infernet-node",
        &[
            "infernet-api",
            "infernet-economics",
            "infernet-engine",
            "infernet-ledger",
            "infernet-network",
            "infernet-settlement",
        ],
    ),
    ("infernet-ui", &["infernet-api", "infernet-economics"]),
    (
        "infernet",
        &[
            "infernet-adversary",
            "infernet-api",
            "infernet-economics",
            "infernet-engine",
            "infernet-ledger",
            "infernet-network",
            "infernet-node",
            "infernet-settlement",
            "infernet-ui",
        ],
    ),
];

#[test]
fn crates_depend_downwards_only() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: Vec<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            panic!("crate `{name}` has no place in the layers: add it to ALLOWED and to docs/ARCHITECTURE.md");
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let dependency = dependency["name"].as_str().unwrap();
            let fine = !ours.contains(&dependency) || allowed.contains(&dependency);
            assert!(fine, "`{name}` must not depend on `{dependency}`");
        }
    }
}
