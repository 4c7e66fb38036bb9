//! Version numbers as drivers write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A version of two numbers: a CUDA version or a compute capability. JSON: `"8.9"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MajorMinor {
    /// Before the point.
    pub major: u32,
    /// After the point.
    pub minor: u32,
}

/// A text that is no version of two numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version; expected two numbers with a point between, such as 8.9")]
pub struct VersionError(String);

impl MajorMinor {
    /// `major.minor`.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// From CUDA's single number: 1000 x major + 10 x minor (`cuDriverGetVersion`).
    pub(super) fn from_cuda_number(number: i32) -> Option<Self> {
        let number = u32::try_from(number).ok().filter(|&n| n >= 1000)?;
        Some(Self::new(number / 1000, number % 1000 / 10))
    }
}

impl fmt::Display for MajorMinor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for MajorMinor {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('.').and_then(|(major, minor)| Some(Self::new(number(major)?, number(minor)?)));
        parsed.ok_or_else(|| VersionError(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for MajorMinor {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MajorMinor> for String {
    fn from(version: MajorMinor) -> Self {
        version.to_string()
    }
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The branch of an NVIDIA driver: `580` of `580.65.06` (Linux) or of `580.97` (Windows).
pub(super) fn nvidia_branch(version: &str) -> Option<u32> {
    let (branch, rest) = version.trim().split_once('.')?;
    let plausible = branch.len() == 3 && rest.starts_with(|c: char| c.is_ascii_digit());
    plausible.then(|| number(branch)).flatten()
}

/// The NVIDIA driver version inside the one that Windows gives to every driver: its last five digits, so
/// `32.0.15.8097` is `580.97`. `None` if the text is no such version.
pub(super) fn nvidia_version_from_windows(version: &str) -> Option<String> {
    let parts: Vec<u32> = version.trim().split('.').map(number).collect::<Option<_>>()?;
    let [_, _, third, fourth] = parts[..] else {
        return None;
    };
    let digits = (third % 10) * 10_000 + fourth;
    (fourth < 10_000 && digits >= 10_000).then(|| format!("{}.{:02}", digits / 100, digits % 100))
}

/// The version that stands in an OpenGL version string after the maker's name: `580.65.06` of
/// `4.6.0 NVIDIA 580.65.06`, `Mesa 25.0.7` of `4.6 (Core Profile) Mesa 25.0.7-2`.
pub(super) fn gl_driver_version(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let maker = words.find(|word| matches!(*word, "NVIDIA" | "Mesa"))?;
    let version = words.next().filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let version = version.split('-').next().unwrap_or(version);
    Some(if maker == "Mesa" { format!("Mesa {version}") } else { version.to_owned() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn driver_branches() {
        for (text, want) in [
            ("580.65.06", Some(580)),
            ("580.159.03", Some(580)),
            ("581.29", Some(581)),
            ("  470.256.02\n", Some(470)),
            ("31.0.15.3623", None),
            ("580", None),
            ("580.", None),
            ("+58.1", None),
            ("Mesa 25.1", None),
            ("", None),
        ] {
            assert_eq!(nvidia_branch(text), want, "{text:?}");
        }
    }

    #[test]
    fn windows_versions_hold_nvidia_versions() {
        for (text, want) in [
            ("32.0.15.8097", Some("580.97")),
            ("31.0.15.3623", Some("536.23")),
            ("27.21.14.5671", Some("456.71")),
            ("30.0.15.1006", Some("510.06")),
            ("31.0.101.4502", Some("145.02")),
            ("0.0.0.0", None),
            ("32.0.15", None),
            ("32.0.15.80970", None),
            ("a.b.c.d", None),
        ] {
            assert_eq!(nvidia_version_from_windows(text).as_deref(), want, "{text:?}");
        }
    }

    #[test]
    fn gl_strings_hold_driver_versions() {
        for (text, want) in [
            ("4.6.0 NVIDIA 580.65.06", Some("580.65.06")),
            ("OpenGL ES 3.2 NVIDIA 470.256.02", Some("470.256.02")),
            ("4.6 (Core Profile) Mesa 22.3.6", Some("Mesa 22.3.6")),
            ("OpenGL ES 3.2 Mesa 25.0.7-2", Some("Mesa 25.0.7")),
            ("4.6.0 - Build 31.0.101.4502", None),
            ("NVIDIA", None),
            ("", None),
        ] {
            assert_eq!(gl_driver_version(text).as_deref(), want, "{text:?}");
        }
    }

    #[test]
    fn cuda_numbers() {
        assert_eq!(MajorMinor::from_cuda_number(13_000), Some(MajorMinor::new(13, 0)));
        assert_eq!(MajorMinor::from_cuda_number(12_080), Some(MajorMinor::new(12, 8)));
        assert_eq!(MajorMinor::from_cuda_number(0), None);
        assert_eq!(MajorMinor::from_cuda_number(-1), None);
    }

    #[test]
    fn versions_compare_by_number_not_by_text() {
        let parse = |text: &str| text.parse::<MajorMinor>().unwrap();
        assert!(parse("12.0") > parse("8.9") && parse("8.10") > parse("8.9"));
        for text in ["", "8", "8.", ".9", "8.9.1", "-8.9", "8.x", "99999999999.0"] {
            assert!(text.parse::<MajorMinor>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_version_survives_json(major in any::<u32>(), minor in any::<u32>()) {
            let version = MajorMinor::new(major, minor);
            let json = serde_json::to_string(&version).unwrap();
            prop_assert_eq!(serde_json::from_str::<MajorMinor>(&json).unwrap(), version);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = (nvidia_branch(&text), nvidia_version_from_windows(&text), gl_driver_version(&text), text.parse::<MajorMinor>());
        }
    }
}
