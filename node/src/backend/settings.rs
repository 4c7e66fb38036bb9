//! The owner's settings on disk: versioned TOML in the node's folder, replaced as a whole.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use infernet_api::types::settings::{MiningSettings, PolicySettings, SETTINGS_VERSION, Settings};
use infernet_api::{ApiError, types::job};
use infernet_engine::video::write_atomically;
use serde_json::Value;

use crate::miner::{Caps, Policy};

/// The file in a node's folder.
pub const SETTINGS_FILE: &str = "settings.toml";

/// The settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file can't be read or written.
    #[error(
        "the settings in {file} can't be used: {reason}; correct the file, or delete it to begin with the defaults"
    )]
    File {
        /// Which.
        file: String,
        /// Why.
        reason: String,
    },
    /// A newer program wrote it.
    #[error(
        "the settings in {file} have layout {found}, this program knows {SETTINGS_VERSION}; bring the node up to date"
    )]
    Newer {
        /// Which.
        file: String,
        /// Its version.
        found: u64,
    },
    /// A value can't be.
    #[error("{0}")]
    Value(#[from] ApiError),
}

/// The settings and their file.
#[derive(Debug)]
pub struct SettingsStore {
    file: PathBuf,
    now: Mutex<Settings>,
}

impl SettingsStore {
    /// Reads the settings in a node's folder, or begins with these and writes them.
    ///
    /// # Errors
    /// The file can't be read or written, or has something in it that can't be.
    pub fn open(folder: &Path, initial: Settings) -> Result<Self, SettingsError> {
        let file = folder.join(SETTINGS_FILE);
        let settings = match std::fs::read_to_string(&file) {
            Ok(text) => read(&file, &text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                write(&file, &initial)?;
                initial
            }
            Err(error) => return Err(failed(&file, &error)),
        };
        Ok(Self { file, now: Mutex::new(settings) })
    }

    /// The settings now.
    #[must_use]
    pub fn get(&self) -> Settings {
        self.lock().clone()
    }

    /// Applies a JSON merge patch and keeps the result; only then does it count.
    ///
    /// # Errors
    /// A value that can't be, another revision than the present one, or the disk.
    pub fn patch(&self, patch: &Value) -> Result<Settings, SettingsError> {
        let mut now = self.lock();
        let next = now.patched(patch)?;
        if next != *now {
            write(&self.file, &next)?;
            now.clone_from(&next);
        }
        Ok(next)
    }

    fn lock(&self) -> MutexGuard<'_, Settings> {
        // Replaced as a whole, so whole after any panic.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(file: &Path, reason: &dyn std::fmt::Display) -> SettingsError {
    SettingsError::File { file: file.display().to_string(), reason: reason.to_string() }
}

fn read(file: &Path, text: &str) -> Result<Settings, SettingsError> {
    let table: toml::Table = toml::from_str(text).map_err(|error| failed(file, &error))?;
    let version =
        table.get("version").and_then(toml::Value::as_integer).and_then(|version| u64::try_from(version).ok());
    if let Some(found) = version.filter(|found| *found > u64::from(SETTINGS_VERSION)) {
        return Err(SettingsError::Newer { file: file.display().to_string(), found });
    }
    let settings: Settings = toml::from_str(text).map_err(|error| failed(file, &error))?;
    match settings.check().problems.first() {
        Some(problem) => Err(failed(file, &problem.message)),
        None => Ok(settings),
    }
}

fn write(file: &Path, settings: &Settings) -> Result<(), SettingsError> {
    let text = toml::to_string_pretty(settings).map_err(|error| failed(file, &error))?;
    write_atomically(file, text.as_bytes()).map_err(|error| failed(file, &error))
}

/// The miner's rules that settings mean. A bound that is the API's largest is none.
#[must_use]
pub fn policy_of(settings: &PolicySettings) -> Policy {
    let bound = |value: u32, most: u32| if value >= most { 0 } else { value };
    Policy {
        models: settings.models.iter().map(ToString::to_string).collect(),
        licenses: settings.licenses.clone(),
        max_side: bound(settings.max_side, job::MAX_SIDE),
        max_frames: bound(settings.max_frames, job::MAX_FRAMES),
        max_steps: bound(settings.max_steps, job::MAX_STEPS),
        price_microcredits_per_step: settings.min_fee_per_step_microcredits,
        blocked_words: settings.blocked_words.clone(),
    }
}

/// The most that settings let a miner take.
pub(super) fn caps_of(settings: &MiningSettings) -> Caps {
    Caps { threads: settings.cpu_threads.map(usize::from), memory_bytes: settings.max_vram_bytes }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use infernet_api::ErrorCode;
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let store = SettingsStore::open(folder.path(), Settings::default()).unwrap();
        let patch = json!({
            "node": {"name": "a rig"},
            "mining": {"schedule": [{"days": [0, 6], "from_minute": 1320, "to_minute": 360}], "cpu_threads": 2},
            "policy": {"max_steps": 30, "blocked_words": ["x"], "min_fee_per_step_microcredits": 7},
        });
        let kept = store.patch(&patch).unwrap();
        assert_eq!(kept.revision, 1);
        let again = SettingsStore::open(folder.path(), Settings::default()).unwrap();
        assert_eq!(again.get(), kept);
        let policy = policy_of(&kept.policy);
        assert_eq!((policy.max_steps, policy.max_side, policy.price_microcredits_per_step), (30, 0, 7));
    }

    #[test]
    fn a_refused_patch_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = SettingsStore::open(folder.path(), Settings::default()).unwrap();
        let before = std::fs::read(folder.path().join(SETTINGS_FILE)).unwrap();
        let error = store.patch(&json!({"policy": {"max_steps": 0}})).unwrap_err();
        let SettingsError::Value(error) = error else { panic!("{error}") };
        assert_eq!(error.code, ErrorCode::InvalidSettings);
        assert_eq!(store.get(), Settings::default());
        assert_eq!(std::fs::read(folder.path().join(SETTINGS_FILE)).unwrap(), before);
    }

    #[test]
    fn files_that_can_not_be_are_named_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(SETTINGS_FILE);
        for (text, said) in [
            ("version = 2\nnew = 1\n", "layout 2"),
            ("version = 1\n[polcy]\n", "polcy"),
            ("version = 1\n[policy]\nmax_steps = 0\n", "policy.max_steps"),
            ("version", "settings.toml"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = SettingsStore::open(folder.path(), Settings::default()).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
    }
}
