//! Reading configurations: from the JSON that ships with a model, never from constants here.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::error::{EngineError, Result};
use crate::kernels::elementwise::Activation;

/// Largest configuration file read.
const MAX_CONFIG_BYTES: u64 = 4 << 20;

/// A parsed file and where it came from.
pub(crate) struct ConfigFile<T> {
    pub(crate) path: PathBuf,
    pub(crate) value: T,
}

impl<T: DeserializeOwned> ConfigFile<T> {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let unreadable = |source| EngineError::ReadConfig { file: path.to_owned(), source };
        let len = std::fs::metadata(path).map_err(unreadable)?.len();
        if len > MAX_CONFIG_BYTES {
            return Err(EngineError::Config {
                file: path.to_owned(),
                reason: format!("{len} bytes are too many for a config"),
            });
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let value = serde_json::from_str(&without_non_finite(&text))
            .map_err(|error| EngineError::Config { file: path.to_owned(), reason: error.to_string() })?;
        Ok(Self { path: path.to_owned(), value })
    }
}

impl<T> ConfigFile<T> {
    /// An error about this file.
    pub(crate) fn error(&self, reason: impl Into<String>) -> EngineError {
        EngineError::Config { file: self.path.clone(), reason: reason.into() }
    }

    /// Fails with `reason` unless `condition` holds.
    pub(crate) fn require(&self, condition: bool, reason: impl FnOnce() -> String) -> Result<()> {
        if condition { Ok(()) } else { Err(self.error(reason())) }
    }
}

/// An activation by diffusers' or transformers' name.
pub(crate) fn activation(name: &str) -> Option<Activation> {
    match name.to_ascii_lowercase().as_str() {
        "silu" | "swish" => Some(Activation::Silu),
        "gelu" => Some(Activation::Gelu),
        "quick_gelu" => Some(Activation::QuickGelu),
        "mish" => Some(Activation::Mish),
        "relu" => Some(Activation::Relu),
        _ => None,
    }
}

/// Python writes infinities and NaN as bare words, which are not JSON; fields that hold them become null.
fn without_non_finite(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word = ["-Infinity", "Infinity", "NaN"].into_iter().find(|word| !in_string && rest.starts_with(word));
        if let Some(word) = word {
            out.push_str("null");
            rest = &rest[word.len()..];
            continue;
        }
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_words_are_replaced() {
        assert_eq!(
            without_non_finite(r#"{"a": -Infinity, "NaN": "Infinity \" NaN", "b": NaN}"#),
            r#"{"a": null, "NaN": "Infinity \" NaN", "b": null}"#
        );
    }
}
