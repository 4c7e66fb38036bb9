//! The catalogue: which models can be had, under which licence, from where, in which files.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::digest::Sha256Digest;
use super::error::StoreError;
use super::names::{ModelId, RelPath};

/// Version of the catalogue's format that this program reads.
const FORMAT_VERSION: u32 = 1;
/// Largest catalogue text, in bytes.
const MAX_TEXT_LEN: usize = 4 << 20;
/// Most models in a catalogue, and most files of a model.
const MAX_MODELS: usize = 256;
const MAX_FILES: usize = 512;

/// The catalogue of models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    version: u32,
    /// Address of the hub that sources are relative to, without a `/` at its end; a mirror replaces it.
    pub hub: String,
    /// The models, in the order they are shown.
    #[serde(default, rename = "model")]
    pub models: Vec<CatalogueEntry>,
}

/// One model of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueEntry {
    /// Short name, also the name of its folder.
    pub id: ModelId,
    /// Name for people.
    pub title: String,
    /// One or two sentences.
    pub summary: String,
    /// Whether the model ships with the program, so that there is nothing to download.
    #[serde(default)]
    pub builtin: bool,
    /// What may be done with it.
    pub licence: Licence,
    /// Where it comes from; absent for a model that ships with the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// What to generate when the user asks for nothing in particular.
    pub defaults: Defaults,
    /// Memory by plan, where it has been measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<PlanMemory>,
    /// The files to download.
    #[serde(default, rename = "file", skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<CatalogueFile>,
}

/// A licence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// SPDX identifier.
    pub name: String,
    /// Where its text can be read.
    pub url: String,
    /// Whether clips made with the model may be used commercially. A miner earns with it, so this is shown before a download.
    pub commercial_use: bool,
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Repository on the hub, as `owner/name`.
    pub repository: String,
    /// Commit (or branch) the files are taken from; a commit makes the download the same for everybody.
    pub revision: String,
    /// Other names of the same repository, for finding it by a name the user knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_known_as: Vec<String>,
}

/// What a model makes when the user asks for nothing in particular.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Number of frames.
    pub frames: u32,
    /// Frames per second of the clip.
    pub fps: u32,
    /// Denoising steps.
    pub steps: u32,
    /// Scale of classifier-free guidance.
    pub guidance: f64,
}

/// Memory that a plan needs for the default clip, measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanMemory {
    /// Name of the plan.
    pub plan: String,
    /// Peak memory of the device that needs most, in bytes.
    pub peak_bytes: u64,
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueFile {
    /// Path inside the model folder.
    pub path: RelPath,
    /// Path in the source's repository where it differs (a half-precision variant gets the plain name here).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RelPath>,
    /// Exact size in bytes, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Rounded or estimated size where the exact one is not known: for what is shown before a download, never checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approx_size: Option<u64>,
    /// SHA-256, where it is known. Where it is not, the one the hub gives with the file must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Digest>,
}

impl CatalogueFile {
    /// The path in the source's repository.
    #[must_use]
    pub fn remote_path(&self) -> &RelPath {
        self.remote.as_ref().unwrap_or(&self.path)
    }
}

impl CatalogueEntry {
    /// Bytes to download, from exact sizes where known and rounded ones elsewhere; `None` where a file has neither.
    #[must_use]
    pub fn download_size(&self) -> Option<u64> {
        self.files.iter().map(|file| file.size.or(file.approx_size)).sum()
    }
}

impl Catalogue {
    /// The catalogue that ships with the program.
    ///
    /// # Errors
    /// [`StoreError::Catalogue`]; a test reads the shipped file, so this does not happen in a release.
    pub fn builtin() -> Result<Self, StoreError> {
        Self::from_toml(include_str!("../../../assets/catalogue.toml"))
    }

    /// Reads a catalogue and checks everything in it that is used later without a check.
    ///
    /// # Errors
    /// [`StoreError::Catalogue`] names the model and what is wrong with it.
    pub fn from_toml(text: &str) -> Result<Self, StoreError> {
        if text.len() > MAX_TEXT_LEN {
            return Err(bad(format!("it is larger than {MAX_TEXT_LEN} bytes")));
        }
        let catalogue: Self = toml::from_str(text).map_err(|error| bad(error.to_string()))?;
        catalogue.check()?;
        Ok(catalogue)
    }

    /// The model of this id, or of this repository name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&CatalogueEntry> {
        self.models.iter().find(|entry| entry.id.as_str() == name).or_else(|| {
            self.models.iter().find(|entry| {
                entry.source.as_ref().is_some_and(|source| {
                    source.repository == name || source.also_known_as.iter().any(|other| other == name)
                })
            })
        })
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.version != FORMAT_VERSION {
            return Err(bad(format!("it has format {}, this program reads format {FORMAT_VERSION}", self.version)));
        }
        if self.models.len() > MAX_MODELS {
            return Err(bad(format!("it has more than {MAX_MODELS} models")));
        }
        let mut ids = HashSet::new();
        for entry in &self.models {
            if !ids.insert(entry.id.as_str()) {
                return Err(bad(format!("model {} is there twice", entry.id)));
            }
            entry.check().map_err(|reason| bad(format!("model {}: {reason}", entry.id)))?;
        }
        Ok(())
    }
}

impl CatalogueEntry {
    fn check(&self) -> Result<(), String> {
        let defaults = &self.defaults;
        for (name, value) in [
            ("width", defaults.width),
            ("height", defaults.height),
            ("frames", defaults.frames),
            ("fps", defaults.fps),
            ("steps", defaults.steps),
        ] {
            if value == 0 {
                return Err(format!("its default {name} is 0"));
            }
        }
        if !defaults.guidance.is_finite() || defaults.guidance < 0.0 {
            return Err("its default guidance is not a number from 0 up".into());
        }
        match &self.source {
            None if !self.builtin => {
                return Err("it has no source and does not ship with the program".into());
            }
            None if !self.files.is_empty() => return Err("it has files but no source".into()),
            Some(_) if self.files.is_empty() => return Err("it has a source but no files".into()),
            Some(source) => source.check()?,
            None => {}
        }
        if self.files.len() > MAX_FILES {
            return Err(format!("it has more than {MAX_FILES} files"));
        }
        // Compared without case: two names that differ only in case are one file on Windows and macOS.
        let mut paths = HashSet::new();
        for file in &self.files {
            let folded = file.path.as_str().to_ascii_lowercase();
            if file.path.file_name().eq_ignore_ascii_case(super::manifest::FILE_NAME) {
                return Err(format!("{} is a name of our own", file.path));
            }
            if !paths.insert(folded) {
                return Err(format!("file {} is there twice", file.path));
            }
        }
        for file in &self.files {
            let folded = file.path.as_str().to_ascii_lowercase();
            let inside_a_file = folded.match_indices('/').any(|(end, _)| paths.contains(&folded[..end]));
            if inside_a_file {
                return Err(format!("{} lies in a folder that is also a file", file.path));
            }
        }
        Ok(())
    }
}

impl Source {
    fn check(&self) -> Result<(), String> {
        let plain = |text: &str, limit: usize| {
            !text.is_empty()
                && text.len() <= limit
                && !text.starts_with('.')
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let is_repository =
            |name: &str| name.split_once('/').is_some_and(|(owner, rest)| plain(owner, 96) && plain(rest, 96));
        for name in std::iter::once(&self.repository).chain(&self.also_known_as) {
            if !is_repository(name) {
                return Err(format!("{name:?} is not a repository name of the form owner/name"));
            }
        }
        if !plain(&self.revision, 64) {
            return Err(format!("{:?} is not a revision", self.revision));
        }
        Ok(())
    }
}

fn bad(reason: String) -> StoreError {
    StoreError::Catalogue { reason }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_shipped_catalogue_is_sound() {
        let catalogue = Catalogue::builtin().unwrap();
        let ids: Vec<_> = catalogue.models.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, ["starter", "zeroscope-v2-576w", "zeroscope-v2-xl", "modelscope-1.7b"]);
        let starter = catalogue.get("starter").unwrap();
        assert!(starter.builtin && starter.files.is_empty() && starter.licence.commercial_use);
        for entry in catalogue.models.iter().filter(|entry| !entry.builtin) {
            assert!(!entry.licence.commercial_use, "{} is CC-BY-NC", entry.id);
            assert!(entry.download_size().unwrap() > 3 << 30, "{}", entry.id);
            assert_eq!(entry.source.as_ref().unwrap().revision.len(), 40, "{} is not pinned to a commit", entry.id);
            for needed in [
                "model_index.json",
                "unet/config.json",
                "vae/config.json",
                "text_encoder/config.json",
                "scheduler/scheduler_config.json",
            ] {
                assert!(entry.files.iter().any(|file| file.path.as_str() == needed), "{} lacks {needed}", entry.id);
            }
        }
        assert_eq!(catalogue.get("damo-vilab/text-to-video-ms-1.7b").unwrap().id.as_str(), "modelscope-1.7b");
        assert_eq!(catalogue.get("cerspense/zeroscope_v2_XL").unwrap().id.as_str(), "zeroscope-v2-xl");
        assert!(catalogue.get("nothing").is_none());
    }

    #[test]
    fn a_catalogue_survives_being_written_and_read() {
        let catalogue = Catalogue::builtin().unwrap();
        let text = toml::to_string(&catalogue).unwrap();
        assert_eq!(Catalogue::from_toml(&text).unwrap(), catalogue);
    }

    fn with_file(file: &str) -> String {
        format!(
            "version = 1\nhub = \"https://hub.example\"\n[[model]]\nid = \"m\"\ntitle = \"M\"\nsummary = \"\"\n\
             licence = {{ name = \"MIT\", url = \"https://x.example\", commercial_use = true }}\n\
             source = {{ repository = \"o/n\", revision = \"main\" }}\n\
             defaults = {{ width = 8, height = 8, frames = 1, fps = 1, steps = 1, guidance = 1.0 }}\n\
             [[model.file]]\n{file}\n"
        )
    }

    #[test]
    fn bad_catalogues_are_refused_with_the_reason() {
        let good = with_file("path = \"a\"");
        Catalogue::from_toml(&good).unwrap();
        for (from, to, expected) in [
            ("version = 1", "version = 2", "format 2"),
            ("id = \"m\"", "id = \"../m\"", "a-z"),
            ("\"o/n\"", "\"o/../n\"", "owner/name"),
            ("\"o/n\"", "\"https://evil.example/x\"", "owner/name"),
            ("\"main\"", "\"../main\"", "revision"),
            ("path = \"a\"", "path = \"/etc/passwd\"", "absolute"),
            ("path = \"a\"", "path = \"../a\"", "'..'"),
            ("path = \"a\"", "path = \"a\"\nremote = \"a/../../b\"", "'..'"),
            ("path = \"a\"", "path = \"a\"\nsha256 = \"abc\"", "64"),
            ("path = \"a\"", "path = \"a\"\nsize = -1", "u64"),
            ("path = \"a\"", "path = \"a\"\n[[model.file]]\npath = \"A\"", "twice"),
            ("path = \"a\"", "path = \"a\"\n[[model.file]]\npath = \"A/b\"", "also a file"),
            ("path = \"a\"", "path = \"infernet.json\"", "our own"),
            ("path = \"a\"", "path = \"a\"\nsize_bytes = 3", "size_bytes"),
            ("width = 8", "width = 0", "width is 0"),
            ("guidance = 1.0", "guidance = nan", "guidance"),
            ("source = { repository = \"o/n\", revision = \"main\" }\n", "", "no source"),
        ] {
            assert!(good.contains(from), "{from}");
            let error = Catalogue::from_toml(&good.replacen(from, to, 1)).unwrap_err();
            assert_eq!(error.code(), "model.bad_catalogue");
            assert!(error.to_string().contains(expected), "{to}: {error}");
        }
        let twice =
            format!("{good}{}", good.split_once("[[model]]").map(|(_, rest)| format!("[[model]]{rest}")).unwrap());
        assert!(Catalogue::from_toml(&twice).unwrap_err().to_string().contains("twice"));
        assert!(Catalogue::from_toml(&"#".repeat(MAX_TEXT_LEN + 1)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in "\\PC{0,200}") {
            let _ = Catalogue::from_toml(&text);
        }

        #[test]
        fn an_accepted_file_path_stays_inside(path in "[a-zA-Z0-9./\\\\: ]{0,30}") {
            let text = with_file(&format!("path = {path:?}"));
            if let Ok(catalogue) = Catalogue::from_toml(&text) {
                let accepted = &catalogue.models[0].files[0].path;
                prop_assert!(!accepted.as_str().contains("..") || !accepted.as_str().split('/').any(|segment| segment == ".."));
                prop_assert!(accepted.under(std::path::Path::new("root")).starts_with("root"));
            }
        }
    }
}
