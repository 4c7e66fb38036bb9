//! The private record of a committed run, from which `infernet reveal` opens what a nonce draws.
//!
//! By hand, one person plays miner and validator: both keys are made for the run and kept here. In the network, the miner's
//! node holds its own key and the validator is somebody else.

use std::io::Write;
use std::path::Path;

use infernet_network::proof::{Commitment, Committed, Evidence, PromptOpening, Signed, SigningKey};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};

const FORMAT: &str = "infernet proof 1";

#[derive(Serialize, Deserialize)]
struct Stored {
    format: String,
    #[serde(with = "serde_bytes")]
    miner_key: [u8; 32],
    #[serde(with = "serde_bytes")]
    validator_key: [u8; 32],
    opening: PromptOpening,
    #[serde(with = "serde_bytes")]
    commitment: Vec<u8>,
    #[serde(with = "serde_bytes")]
    evidence: Vec<u8>,
    committed_unix_ms: u64,
}

impl Stored {
    /// Whole or not at all.
    fn write(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let mut out = std::io::BufWriter::new(file.as_file_mut());
        ciborium::into_writer(self, &mut out).map_err(|error| match error {
            ciborium::ser::Error::Io(error) => error,
            ciborium::ser::Error::Value(reason) => std::io::Error::other(reason),
        })?;
        out.flush()?;
        drop(out);
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// A committed run with the keys of both sides.
pub(crate) struct ProofFile {
    pub(crate) miner: SigningKey,
    pub(crate) validator: SigningKey,
    pub(crate) opening: PromptOpening,
    pub(crate) commitment: Signed<Commitment>,
    pub(crate) evidence: Evidence,
    pub(crate) committed_unix_ms: u64,
}

impl ProofFile {
    /// Writes a file, readable by its owner alone.
    pub(crate) fn write(
        path: &Path,
        miner: &SigningKey,
        validator: &SigningKey,
        opening: PromptOpening,
        committed: &Committed,
        committed_unix_ms: u64,
    ) -> Result {
        let stored = Stored {
            format: FORMAT.to_owned(),
            miner_key: miner.to_bytes(),
            validator_key: validator.to_bytes(),
            opening,
            commitment: committed.commitment().to_bytes(),
            evidence: committed.evidence().to_bytes(),
            committed_unix_ms,
        };
        stored.write(path).map_err(|error| {
            Failure::Failed(anyhow::anyhow!(
                "can't write {}: {error}; the clip is written, but without this file its run can't be opened: make room or name another place, and generate again",
                path.display()
            ))
        })
    }

    /// Reads the file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let unusable =
            |reason: String| Failure::input(format!("{name} is not what `generate --prove` writes: {reason}"));
        let file = std::fs::File::open(path).map_err(|error| {
            Failure::input(format!("can't open {name}: {error}; name the file of `generate --prove`"))
        })?;
        let stored: Stored =
            ciborium::from_reader(std::io::BufReader::new(file)).map_err(|error| unusable(error.to_string()))?;
        if stored.format != FORMAT {
            return Err(unusable(format!("its format is `{}`, expected `{FORMAT}`", stored.format)));
        }
        Ok(Self {
            miner: SigningKey::from_bytes(&stored.miner_key),
            validator: SigningKey::from_bytes(&stored.validator_key),
            opening: stored.opening,
            commitment: Signed::<Commitment>::from_bytes(&stored.commitment)
                .map_err(|error| unusable(error.to_string()))?,
            evidence: Evidence::from_bytes(&stored.evidence).map_err(|error| unusable(error.to_string()))?,
            committed_unix_ms: stored.committed_unix_ms,
        })
    }
}
