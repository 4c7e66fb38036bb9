//! `infernet identity`: made, protected, lost, brought back.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Of the seed 8080...80, from the vectors that BIP-39 points to.
const WORDS: &str = "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic avoid \
                     letter advice cage absurd amount doctor acoustic bless";

fn infernet(arguments: &[&str], folder: &Path, input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_infernet"))
        .arg("identity")
        .args(arguments)
        .arg("--data")
        .arg(folder)
        .env_remove("INFERNET_PASSPHRASE_FILE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who needs no input may have gone.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn shown(arguments: &[&str], folder: &Path, input: &str) -> Value {
    let output = infernet(&[arguments, &["--json"]].concat(), folder, input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(arguments: &[&str], folder: &Path, input: &str) -> String {
    let output = infernet(arguments, folder, input);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn an_identity_comes_back_from_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(refused(&["show"], folder, "").contains("identity restore"));
    assert!(refused(&["restore"], folder, "letter advice").contains("2 words"));
    assert!(refused(&["show"], folder, "").contains("there is no identity"));

    let restored = shown(&["restore"], folder, WORDS);
    assert_eq!((&restored["kept"], &restored["backed_up"]), (&"file".into(), &true.into()));
    assert_eq!(shown(&["show"], folder, ""), restored);

    // Words go into no pipe; into a new file only.
    assert!(refused(&["phrase"], folder, "").contains("terminal"));
    let out = folder.join("words.txt");
    assert!(infernet(&["phrase", "--out", out.to_str().unwrap()], folder, "").status.success());
    assert_eq!(std::fs::read_to_string(&out).unwrap().trim(), WORDS);
    assert!(refused(&["phrase", "--out", out.to_str().unwrap()], folder, "").contains("exists"));
    #[cfg(unix)]
    for file in [out, folder.join("identity.key")] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn an_identity_is_replaced_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let first = shown(&["restore"], folder, WORDS);
    let other = "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo vote";
    assert!(refused(&["restore"], folder, other).contains("--replace"));
    assert_eq!(shown(&["show"], folder, ""), first);
    let second = shown(&["restore", "--replace"], folder, other);
    assert_ne!(second["node"], first["node"]);
    assert_eq!(shown(&["show"], folder, ""), second);
}

#[test]
fn a_passphrase_is_asked_for_and_can_be_taken_off() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let before = shown(&["restore"], folder, WORDS);
    assert!(refused(&["protect", "passphrase"], folder, "short\n").contains("at least 8"));
    assert_eq!(shown(&["show"], folder, "")["kept"], "file");

    let protected = shown(&["protect", "passphrase"], folder, "a long sentence\n");
    assert_eq!((&protected["kept"], &protected["node"]), (&"passphrase".into(), &before["node"]));
    // Whose it is can be seen without the passphrase; the words can't.
    assert_eq!(shown(&["show"], folder, "")["node"], before["node"]);
    let out = folder.join("words.txt");
    let phrase = ["phrase", "--out", out.to_str().unwrap()];
    assert!(refused(&phrase, folder, "another sentence\n").contains("does not open"));
    assert!(refused(&phrase, folder, "").contains("--passphrase-file"));
    assert!(!out.exists());

    let secret = folder.join("passphrase");
    std::fs::write(&secret, "a long sentence\n").unwrap();
    let file = ["--passphrase-file", secret.to_str().unwrap()];
    assert!(infernet(&[&phrase[..], &file].concat(), folder, "").status.success());
    let plain = shown(&[&["protect", "file"], &file[..]].concat(), folder, "");
    assert_eq!((&plain["kept"], &plain["node"]), (&"file".into(), &before["node"]));
}
