//! What the user asks to compute on: `auto`, `cpu`, `cuda`, `cuda:1`, `metal`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What to compute on, as asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DevicePreference {
    /// The best usable GPU, else the CPU.
    #[default]
    Auto,
    /// The CPU, whatever else there is.
    Cpu,
    /// An NVIDIA card or an error: the one with this index (as `nvidia-smi` counts), or the best one.
    Cuda(Option<u32>),
    /// An Apple GPU or an error.
    Metal,
}

/// A text that names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no device; use auto, cpu, cuda, cuda:N (N as nvidia-smi counts) or metal")]
pub struct DevicePreferenceError(String);

impl fmt::Display for DevicePreference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DevicePreference::Auto => f.write_str("auto"),
            DevicePreference::Cpu => f.write_str("cpu"),
            DevicePreference::Cuda(None) => f.write_str("cuda"),
            DevicePreference::Cuda(Some(index)) => write!(f, "cuda:{index}"),
            DevicePreference::Metal => f.write_str("metal"),
        }
    }
}

impl FromStr for DevicePreference {
    type Err = DevicePreferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.trim().to_ascii_lowercase();
        match lower.as_str() {
            "auto" => return Ok(DevicePreference::Auto),
            "cpu" => return Ok(DevicePreference::Cpu),
            "cuda" => return Ok(DevicePreference::Cuda(None)),
            "metal" => return Ok(DevicePreference::Metal),
            _ => {}
        }
        let index = lower.strip_prefix("cuda:").filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        match index.and_then(|digits| digits.parse().ok()) {
            Some(index) => Ok(DevicePreference::Cuda(Some(index))),
            None => Err(DevicePreferenceError(text.chars().take(64).collect())),
        }
    }
}

impl TryFrom<String> for DevicePreference {
    type Error = DevicePreferenceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DevicePreference> for String {
    fn from(preference: DevicePreference) -> Self {
        preference.to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (text, want) in [
            ("auto", Some(DevicePreference::Auto)),
            (" CPU ", Some(DevicePreference::Cpu)),
            ("cuda", Some(DevicePreference::Cuda(None))),
            ("cuda:0", Some(DevicePreference::Cuda(Some(0)))),
            ("CUDA:12", Some(DevicePreference::Cuda(Some(12)))),
            ("metal", Some(DevicePreference::Metal)),
            ("", None),
            ("cuda:", None),
            ("cuda:-1", None),
            ("cuda:+1", None),
            ("cuda:99999999999", None),
            ("gpu", None),
        ] {
            assert_eq!(text.parse::<DevicePreference>().ok(), want, "{text:?}");
            if let Some(preference) = want {
                assert_eq!(preference.to_string().parse(), Ok(preference));
                let json = serde_json::to_string(&preference).unwrap();
                assert_eq!(serde_json::from_str::<DevicePreference>(&json).unwrap(), preference);
            }
        }
    }
}
