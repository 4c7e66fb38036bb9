//! A validator's jobs on disk: one folder each, `job.cbor` in it replaced as a whole at every change.

use std::path::{Path, PathBuf};

use infernet_engine::video::write_atomically;
use infernet_network::wire::JobId;

use super::record::{JobRecord, Run};

const FILE: &str = "job.cbor";

/// The folder of all jobs.
#[derive(Clone, Debug)]
pub struct JobStore {
    root: PathBuf,
}

impl JobStore {
    /// Opens or makes the folder.
    ///
    /// # Errors
    /// It can't be made.
    pub fn open(root: PathBuf) -> std::io::Result<Self> {
        std::fs::create_dir_all(&root)?;
        Ok(Self { root })
    }

    /// A job's folder.
    pub fn folder(&self, id: &JobId) -> PathBuf {
        self.root.join(id.to_string())
    }

    /// Where the reveal of a run goes.
    pub fn reveal(&self, id: &JobId, run: Run) -> PathBuf {
        self.folder(id).join(format!("reveal-{run}.bin"))
    }

    /// Where the clip of a run goes.
    pub fn clip(&self, id: &JobId, run: Run) -> PathBuf {
        self.folder(id).join(format!("clip-{run}.mp4"))
    }

    /// Where the evidence of a run is kept.
    pub fn bundle(&self, id: &JobId, run: Run) -> PathBuf {
        self.folder(id).join(format!("evidence-{run}.bundle"))
    }

    /// Where the signed verdict on a run is kept.
    pub fn verdict(&self, id: &JobId, run: Run) -> PathBuf {
        self.folder(id).join(format!("verdict-{run}.bin"))
    }

    /// Keeps a record.
    ///
    /// # Errors
    /// The disk is full, or the folder is gone.
    pub fn keep(&self, id: &JobId, record: &JobRecord) -> std::io::Result<()> {
        let folder = self.folder(id);
        std::fs::create_dir_all(&folder)?;
        let mut bytes = Vec::new();
        ciborium::into_writer(record, &mut bytes).map_err(std::io::Error::other)?;
        write_atomically(&folder.join(FILE), &bytes).map_err(std::io::Error::other)
    }

    /// All records, with folders that hold none left out and told of in the log.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn all(&self) -> std::io::Result<Vec<(JobId, JobRecord)>> {
        let mut jobs = Vec::new();
        for entry in std::fs::read_dir(&self.root)? {
            let folder = entry?.path();
            let id = folder.file_name().and_then(|name| name.to_str()).and_then(id_of);
            match (id, read(&folder)) {
                (Some(id), Ok(record)) => jobs.push((id, record)),
                (_, Err(error)) => tracing::warn!("{} holds no job: {error}", folder.display()),
                (None, _) => tracing::warn!("{} is no job's folder", folder.display()),
            }
        }
        Ok(jobs)
    }
}

fn read(folder: &Path) -> std::io::Result<JobRecord> {
    let bytes = std::fs::read(folder.join(FILE))?;
    ciborium::from_reader(bytes.as_slice()).map_err(std::io::Error::other)
}

/// A job's id from its hexadecimal digits.
pub fn id_of(text: &str) -> Option<JobId> {
    let digits = text.as_bytes();
    if digits.len() != 32 || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut id = [0; 16];
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(JobId(id))
}
