//! Files of a node, as they arrive.

use std::io::Write;

use reqwest::Response;
use reqwest::header::ETAG;
use sha2::{Digest as _, Sha256};

use super::{Client, ClientError};
use crate::Digest;

/// A file on its way.
#[derive(Debug)]
pub struct FileStream {
    client: Client,
    response: Response,
    expected: Option<Digest>,
}

impl FileStream {
    pub(super) async fn open(client: &Client, path: &str) -> Result<Self, ClientError> {
        let response = client.open(client.stream(path, "*/*")).await?;
        let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
        let expected = tag.and_then(|tag| tag.trim_matches('"').parse().ok());
        Ok(Self { client: client.clone(), response, expected })
    }

    /// Its length, where the node says.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// Its SHA-256, where the node says.
    #[must_use]
    pub fn sha256(&self) -> Option<Digest> {
        self.expected
    }

    /// Writes all of it and compares its digest with the announced one. Use only what was written when this succeeds.
    ///
    /// # Errors
    /// The connection broke, the bytes are others than announced, or they can't be written.
    pub async fn save(mut self, to: &mut (impl Write + ?Sized)) -> Result<u64, ClientError> {
        let mut hash = Sha256::new();
        let mut length = 0;
        while let Some(chunk) = self.response.chunk().await.map_err(|error| self.client.failed(&error))? {
            hash.update(&chunk);
            to.write_all(&chunk).map_err(ClientError::Write)?;
            length += chunk.len() as u64;
        }
        let found = Digest(hash.finalize().into());
        match self.expected {
            Some(expected) if expected != found => Err(ClientError::Damaged { expected, found }),
            _ => Ok(length),
        }
    }
}
