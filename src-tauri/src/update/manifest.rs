//! What there is: Tauri's static JSON (`version`, `notes`, `platforms` by system and processor).

use std::collections::BTreeMap;

use semver::Version;
use serde::Deserialize;

use super::source::address;
use crate::failure::{Failure, Result};

#[derive(Deserialize)]
struct Manifest {
    version: String,
    #[serde(default)]
    notes: String,
    platforms: BTreeMap<String, Platform>,
}

#[derive(Deserialize)]
struct Platform {
    signature: String,
    url: String,
}

/// A newer version for this system.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Release {
    pub(crate) version: Version,
    pub(crate) notes: String,
    pub(super) url: reqwest::Url,
    /// As minisign writes it, or the same in base64 as Tauri's tools write it.
    pub(super) signature: String,
}

/// Systems under which a package may be listed, the closest first. One for the way it was installed comes before any other.
fn platforms() -> Vec<String> {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let plain = format!("{system}-{}", std::env::consts::ARCH);
    let installed = super::install::how();
    installed.map(|how| format!("{plain}-{how}")).into_iter().chain([plain]).collect()
}

/// The release that a list has for this system, where it is newer than `present`.
pub(super) fn newer(text: &[u8], present: &Version) -> Result<Option<Release>> {
    let bad = |what: String| Failure::Failed(anyhow::anyhow!("the list of updates can't be used: {what}"));
    let manifest: Manifest = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
    let version = manifest.version.trim_start_matches('v');
    let version = Version::parse(version).map_err(|error| bad(format!("version `{version}`: {error}")))?;
    if version <= *present {
        return Ok(None);
    }
    let all = platforms();
    let Some(platform) = all.iter().find_map(|name| manifest.platforms.get(name)) else {
        return Err(bad(format!("{version} is not there for {}", all.join(" or "))));
    };
    let notes: String = manifest.notes.chars().filter(|c| !c.is_control() || *c == '\n').take(4000).collect();
    Ok(Some(Release { version, notes, url: address(&platform.url)?, signature: platform.signature.clone() }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn list(version: &str, url: &str) -> Vec<u8> {
        let platform = platforms().pop().unwrap();
        json!({"version": version, "notes": "better\u{7}", "platforms": {platform: {"signature": "s", "url": url}}})
            .to_string()
            .into_bytes()
    }

    #[test]
    fn only_what_is_newer_counts() {
        let present = Version::new(1, 2, 3);
        for (version, newer_) in
            [("v1.2.4", true), ("1.10.0", true), ("1.2.3", false), ("1.2.4-rc.1", true), ("0.9.0", false)]
        {
            let release = newer(&list(version, "https://example.org/a.deb"), &present).unwrap();
            assert_eq!(release.is_some(), newer_, "{version}");
        }
        let release = newer(&list("2.0.0", "https://example.org/a.deb"), &present).unwrap().unwrap();
        assert_eq!(release.notes, "better", "what a terminal would obey is left out");
    }

    #[test]
    fn what_can_not_be_used_is_said() {
        let present = Version::new(0, 1, 0);
        for text in
            [&b"{}"[..], b"", b"[1]", br#"{"version":"new","platforms":{}}"#, br#"{"version":"9.0.0","platforms":{}}"#]
        {
            assert!(newer(text, &present).is_err(), "{}", String::from_utf8_lossy(text));
        }
        assert!(newer(&list("9.0.0", "http://example.org/a.deb"), &present).is_err(), "not encrypted");
    }
}
