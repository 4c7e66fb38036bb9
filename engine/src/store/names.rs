//! Names that come from outside: model ids and paths inside a model folder.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Longest model id, in bytes.
const MAX_ID_LEN: usize = 64;
/// Longest path inside a model folder, in bytes.
const MAX_PATH_LEN: usize = 240;
/// Longest single name of such a path, in bytes.
const MAX_SEGMENT_LEN: usize = 128;
/// Deepest path inside a model folder.
const MAX_DEPTH: usize = 6;

/// A name that can't be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {what} {shown:?} can't be used: {reason}")]
pub struct NameError {
    /// What the name stands for: "model id" or "file path".
    pub what: &'static str,
    /// The name, cut to a length that can be shown.
    pub shown: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl NameError {
    fn new(what: &'static str, name: &str, reason: &'static str) -> Self {
        Self { what, shown: name.chars().take(80).collect(), reason }
    }
}

/// The short name of a model and of its folder: lower-case letters, digits, `.`, `_`, `-`, starting with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelId(String);

impl ModelId {
    /// Checks and wraps a model id.
    ///
    /// # Errors
    /// [`NameError`] when the id is empty, too long, or has a character or form that no folder name may have everywhere.
    pub fn parse(id: &str) -> Result<Self, NameError> {
        let refuse = |reason| Err(NameError::new("model id", id, reason));
        if id.is_empty() {
            return refuse("it is empty");
        }
        if id.len() > MAX_ID_LEN {
            return refuse("it is longer than 64 characters");
        }
        if !id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b)) {
            return refuse("only a-z, 0-9, '.', '_' and '-' are allowed");
        }
        if !id.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return refuse("it must start with a letter or a digit");
        }
        if id.ends_with('.') {
            return refuse("it must not end with a dot");
        }
        if is_reserved_on_windows(id) {
            return refuse("Windows reserves this name");
        }
        Ok(Self(id.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ModelId {
    type Error = NameError;

    fn try_from(id: String) -> Result<Self, NameError> {
        Self::parse(&id)
    }
}

impl From<ModelId> for String {
    fn from(id: ModelId) -> Self {
        id.0
    }
}

/// The path of a file inside a model folder, with `/` between its names on every platform.
///
/// A value of this type can be joined to a folder and stays inside it: no absolute path, no `..`, no drive letter,
/// no alternate data stream, no device name, printable ASCII only, bounded lengths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(String);

impl RelPath {
    /// Checks and wraps a path.
    ///
    /// # Errors
    /// [`NameError`] when the path could leave the folder, or could not be created on some platform we support.
    pub fn parse(path: &str) -> Result<Self, NameError> {
        let refuse = |reason| Err(NameError::new("file path", path, reason));
        if path.is_empty() {
            return refuse("it is empty");
        }
        if path.len() > MAX_PATH_LEN {
            return refuse("it is longer than 240 characters");
        }
        if path.split('/').count() > MAX_DEPTH {
            return refuse("it is more than 6 folders deep");
        }
        for segment in path.split('/') {
            if segment.is_empty() {
                return refuse("it is absolute or has an empty name in it");
            }
            if segment == "." || segment == ".." {
                return refuse("it has '.' or '..' in it");
            }
            if segment.len() > MAX_SEGMENT_LEN {
                return refuse("a name in it is longer than 128 characters");
            }
            if !segment.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
                return refuse("only printable ASCII characters are allowed");
            }
            if segment.bytes().any(|b| b"\\:*?\"<>|".contains(&b)) {
                return refuse("it has a character that some platform does not allow in a file name");
            }
            if segment.starts_with(' ') || segment.ends_with([' ', '.']) {
                return refuse("a name in it starts with a space or ends with a space or a dot");
            }
            if is_reserved_on_windows(segment) {
                return refuse("Windows reserves a name in it");
            }
        }
        Ok(Self(path.to_owned()))
    }

    /// The path as text, with `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below `root`, with the platform's separators.
    #[must_use]
    pub fn under(&self, root: &Path) -> PathBuf {
        self.0.split('/').fold(root.to_path_buf(), |path, segment| path.join(segment))
    }

    /// The file name: what follows the last `/`.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// This path with `suffix` after its file name, for our own side files; may be longer than the bounds for names from outside.
    pub(crate) fn under_with_suffix(&self, root: &Path, suffix: &str) -> PathBuf {
        let mut path = self.under(root).into_os_string();
        path.push(suffix);
        PathBuf::from(path)
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RelPath {
    type Error = NameError;

    fn try_from(path: String) -> Result<Self, NameError> {
        Self::parse(&path)
    }
}

impl From<RelPath> for String {
    fn from(path: RelPath) -> Self {
        path.0
    }
}

/// Device names that Windows gives a meaning in every folder, with or without an extension.
fn is_reserved_on_windows(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&stem.as_str()) {
        return true;
    }
    (stem.starts_with("COM") || stem.starts_with("LPT"))
        && stem.len() == 4
        && stem.ends_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_the_names_models_have() {
        for path in
            ["model_index.json", "unet/diffusion_pytorch_model.bin", "text_encoder/model-00001-of-00002.safetensors"]
        {
            assert_eq!(RelPath::parse(path).unwrap().as_str(), path);
        }
        for id in ["starter", "zeroscope-v2-576w", "modelscope-1.7b", "a"] {
            assert_eq!(ModelId::parse(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn refuses_paths_that_leave_the_folder_or_break_a_platform() {
        let long_name = "a".repeat(129);
        let long_path = ["abcdefgh"; 40].join("/");
        for path in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a/./b",
            "a//b",
            "a/",
            "C:/x",
            "a\\b",
            "x:stream",
            "a/con.json",
            "NUL",
            "com1.bin",
            "a ",
            "a.",
            " a",
            "caf\u{e9}",
            "a\0b",
            "a\nb",
            "a*b",
            "a?b",
            "~\u{202e}x",
            &long_name,
            &long_path,
            "1/2/3/4/5/6/7",
        ] {
            assert!(RelPath::parse(path).is_err(), "{path:?} was accepted");
        }
        for id in ["", ".partial", "..", "a/b", "a\\b", "Starter", "-x", "a b", "x.", "con", "nul.v2", &"a".repeat(65)]
        {
            assert!(ModelId::parse(id).is_err(), "{id:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_path_stays_below_its_root(path in any::<String>()) {
            check_below_root(&path);
        }

        #[test]
        fn an_accepted_path_of_hostile_pieces_stays_below_its_root(pieces in prop::collection::vec(
            prop::sample::select(vec!["..", ".", "", "/", "\\", "a", "C:", "con", "%2e%2e", "~", "unet", " ", "\u{2024}\u{2024}", "x.json"]), 0..8)) {
            check_below_root(&pieces.join("/"));
            check_below_root(&pieces.concat());
        }

        #[test]
        fn an_accepted_id_is_one_plain_folder_name(id in "[a-zA-Z0-9._/\\\\ -]{0,70}") {
            if let Ok(id) = ModelId::parse(&id) {
                let components: Vec<_> = Path::new(id.as_str()).components().collect();
                prop_assert!(matches!(components.as_slice(), [Component::Normal(_)]));
                prop_assert!(!id.as_str().starts_with('.'));
            }
        }
    }

    fn check_below_root(path: &str) {
        if let Ok(rel) = RelPath::parse(path) {
            let root = Path::new("root").join("model");
            let joined = rel.under(&root);
            let rest = joined.strip_prefix(&root).expect("left its root");
            assert!(rest.components().all(|c| matches!(c, Component::Normal(_))), "{path:?} became {joined:?}");
            assert_eq!(rest.components().count(), path.split('/').count());
        }
    }
}
