//! Asking the place, and fetching a package. Nothing reads a package before its signature has held.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign_verify::{PublicKey, Signature};
use reqwest::{Client, Url};
use semver::Version;

use super::manifest::{Release, newer};
use super::source::Source;
use crate::failure::{Failure, Result};

/// Largest list.
const MAX_LIST: u64 = 256 << 10;
/// Largest package.
const MAX_PACKAGE: u64 = 1 << 30;
/// Patience with a server that says nothing.
const STALL: Duration = Duration::from_secs(30);

/// The newest version for this system, where it is newer than this program.
///
/// # Errors
/// The place does not answer, or its answer can't be used.
pub(crate) async fn newest(source: &Source) -> Result<Option<Release>> {
    let text = get(&client()?, &source.url, MAX_LIST, |_, _| {}).await?;
    let present = Version::parse(env!("CARGO_PKG_VERSION")).map_err(anyhow::Error::from)?;
    newer(&text, &present)
}

/// Fetches a package into a folder and says where it is. `progress` gets the bytes that are here, and how many there will be.
///
/// # Errors
/// It does not come, or is not signed by the key as this version.
pub(crate) async fn fetch(
    source: &Source,
    release: &Release,
    folder: &Path,
    progress: impl FnMut(u64, Option<u64>),
) -> Result<PathBuf> {
    let bytes = get(&client()?, &release.url, MAX_PACKAGE, progress).await?;
    let name = signed_name(&source.key, release, &bytes)?;
    std::fs::create_dir_all(folder)?;
    let file = folder.join(name);
    infernet_engine::video::write_atomically(&file, &bytes)?;
    Ok(file)
}

/// The file name that was signed with the bytes.
fn signed_name(key: &PublicKey, release: &Release, bytes: &[u8]) -> Result<String> {
    let refused = |why: String| {
        Failure::Failed(anyhow::anyhow!("the update {} is refused, nothing was installed: {why}", release.version))
    };
    let text = release.signature.trim();
    let text = if text.starts_with("untrusted comment:") {
        text.to_owned()
    } else {
        let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.ok_or_else(|| refused("its signature can't be read".to_owned()))?
    };
    let signature =
        Signature::decode(&text).map_err(|error| refused(format!("its signature can't be read ({error})")))?;
    key.verify(bytes, &signature, false).map_err(|error| refused(format!("its signature does not hold ({error})")))?;
    // The trusted comment is signed with the bytes; `file:` is what minisign's and Tauri's tools write.
    let comment = signature.trusted_comment();
    let name = comment.split(['\t', ' ']).find_map(|part| part.strip_prefix("file:")).unwrap_or_default();
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '~');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(safe) {
        return Err(refused(format!("no file name was signed with it (`{comment}`)")));
    }
    let version = release.version.to_string();
    let mut parts = name.split(['_', '-']);
    // `infernet_0.2.0_amd64.deb`, `infernet-0.2.0-1.x86_64.rpm`; a version with a suffix has a dash of its own.
    if !(parts.any(|part| part == version) || (version.contains('-') && name.contains(&version))) {
        return Err(refused(format!("what was signed is `{name}`")));
    }
    Ok(name.to_owned())
}

fn client() -> Result<Client> {
    // Whoever installed a provider before us is welcome.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().connect_timeout(STALL).read_timeout(STALL);
    client.build().map_err(|error| Failure::Failed(error.into()))
}

async fn get(client: &Client, url: &Url, most: u64, mut progress: impl FnMut(u64, Option<u64>)) -> Result<Vec<u8>> {
    let failed = |error: reqwest::Error| {
        Failure::Failed(anyhow::Error::new(error).context(format!("{url} does not give it; try again later")))
    };
    let too_large = || Failure::Failed(anyhow::anyhow!("{url} sends more than {most} bytes"));
    let mut answer =
        client.get(url.clone()).send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
    let total = answer.content_length();
    if total.is_some_and(|total| total > most) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > most {
            return Err(too_large());
        }
        progress(bytes.len() as u64, total);
    }
    Ok(bytes)
}
