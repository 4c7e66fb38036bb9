//! Where updates come from.

use minisign_verify::PublicKey;
use reqwest::Url;

use crate::failure::{Failure, Result};

/// Overrides the place that was built in.
const URL_VARIABLE: &str = "INFERNET_UPDATE_URL";
/// Overrides the key that was built in.
const KEY_VARIABLE: &str = "INFERNET_UPDATE_KEY";

/// A place and whose signature counts.
pub(crate) struct Source {
    pub(crate) url: Url,
    pub(crate) key: PublicKey,
}

impl Source {
    /// What is given, else what the environment says, else what was built in; none where nobody says.
    ///
    /// # Errors
    /// An address or key that is none, or one of the two without the other.
    pub(crate) fn find(url: Option<&str>, key: Option<&str>) -> Result<Option<Self>> {
        let said = |given: Option<&str>, variable: &str, built_in: Option<&str>| {
            let given = given.map(str::to_owned).or_else(|| std::env::var(variable).ok());
            given.or_else(|| built_in.map(str::to_owned)).filter(|text| !text.is_empty())
        };
        let url = said(url, URL_VARIABLE, option_env!("INFERNET_UPDATE_URL"));
        let key = said(key, KEY_VARIABLE, option_env!("INFERNET_UPDATE_KEY"));
        match (url, key) {
            (None, None) => Ok(None),
            (Some(url), Some(key)) => Ok(Some(Self { url: address(&url)?, key: public_key(&key)? })),
            (Some(_), None) => Err(Failure::input(format!(
                "updates have an address and no key; give the key too (--key or {KEY_VARIABLE})"
            ))),
            (None, Some(_)) => Err(Failure::input(format!(
                "updates have a key and no address; give the address too (--url or {URL_VARIABLE})"
            ))),
        }
    }
}

/// An address that is encrypted on its way, or stays on this computer.
pub(super) fn address(text: &str) -> Result<Url> {
    let url = Url::parse(text).map_err(|error| Failure::input(format!("`{text}` is no address: {error}")))?;
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() == "https" || (url.scheme() == "http" && here) {
        return Ok(url);
    }
    Err(Failure::input(format!("updates come over https, not from `{text}`")))
}

fn public_key(text: &str) -> Result<PublicKey> {
    // The last line of a minisign.pub.
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    PublicKey::from_base64(line).map_err(|error| {
        Failure::input(format!("the key of updates is none ({error}); expected the last line of a minisign.pub"))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    #[test]
    fn only_encrypted_places_and_whole_pairs_count() {
        assert!(Source::find(Some("https://example.org/latest.json"), Some(KEY)).unwrap().is_some());
        assert!(Source::find(Some("http://127.0.0.1:1/latest.json"), Some(KEY)).unwrap().is_some());
        for (url, key) in [
            (Some("http://example.org/latest.json"), Some(KEY)),
            (Some("nonsense"), Some(KEY)),
            (Some("https://example.org/latest.json"), Some("no key")),
            (Some("https://example.org/latest.json"), None),
            (None, Some(KEY)),
        ] {
            assert!(Source::find(url, key).is_err(), "{url:?} {key:?}");
        }
    }
}
