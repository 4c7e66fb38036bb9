//! What a node and its worker say to each other: CBOR messages, each after its length (u32, little-endian), over the worker's
//! standard input and output.

use std::io::{Read, Write};
use std::path::PathBuf;

use infernet_engine::pipeline::Precision;
use infernet_network::proof::ToleranceTable;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// No message is longer: the largest holds a preview.
pub const MAX_MESSAGE_BYTES: u32 = 16 << 20;

/// To the worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Run a job.
    Run(RunCommand),
    /// Judge a run.
    Audit(AuditCommand),
    /// Stop what is under way.
    Cancel,
}

/// A job to be run. The worker writes the record of the run, `infernet_network::proof::Evidence`, into a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunCommand {
    /// Folder of the model.
    pub model: PathBuf,
    /// Number format of the run.
    pub precision: Precision,
    /// Threads; all where there is none.
    pub threads: Option<usize>,
    /// `JobSpec`, encoded.
    #[serde(with = "serde_bytes")]
    pub job: Vec<u8>,
    /// `PromptOpening`, encoded.
    #[serde(with = "serde_bytes")]
    pub opening: Vec<u8>,
    /// `Signed<Challenge>`, encoded.
    #[serde(with = "serde_bytes")]
    pub challenge: Vec<u8>,
    /// Where the record goes.
    pub evidence: PathBuf,
    /// How to cheat, for demonstrations of what audits catch; runners of honest nodes refuse it.
    pub attack: Option<String>,
}

/// A run to be judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditCommand {
    /// Folder of the model.
    pub model: PathBuf,
    /// Number format of the validator.
    pub precision: Precision,
    /// Threads; all where there is none.
    pub threads: Option<usize>,
    /// File with the `Bundle`.
    pub bundle: PathBuf,
    /// The bounds that the challenge named.
    pub table: ToleranceTable,
    /// Digest of the model as the job names it.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 32],
    /// CLIP model for the quality score; none: no score is made.
    pub clip_model: Option<PathBuf>,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Stage {
    /// Reading weights.
    Loading,
    /// Encoding the prompts.
    EncodingText,
    /// Denoising.
    Step {
        /// Steps done.
        done: u32,
        /// Steps in all.
        total: u32,
        /// Of the last step.
        seconds: f64,
    },
    /// Decoding frames.
    Decoding {
        /// Frames done.
        done: u32,
        /// Frames in all.
        total: u32,
    },
    /// Judging a run.
    Auditing,
    /// Scoring the clip.
    Scoring,
}

/// From the worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Report {
    /// It has started.
    Ready {
        /// Of the program.
        version: String,
    },
    /// It is at work, and this far.
    Progress(Stage),
    /// How the clip looks by now.
    Preview(Preview),
    /// A run is done.
    Ran(Ran),
    /// An audit is done.
    Audited(Audited),
    /// The command failed; the worker goes on.
    Failed(Failure),
}

/// A small picture of a clip on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// Steps done.
    pub step: u32,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// `3 x width x height` bytes.
    #[serde(with = "serde_bytes")]
    pub rgb: Vec<u8>,
}

/// What is heard of a command under way.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// It is this far.
    Stage(Stage),
    /// It looks like this.
    Preview(Preview),
}

/// A finished run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ran {
    /// From the command to the record on disk.
    pub seconds: f64,
    /// Largest memory of the worker so far, where the system says it.
    pub peak_memory_bytes: Option<u64>,
}

/// A finished audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Audited {
    /// `Verdict`, encoded; the node signs it.
    #[serde(with = "serde_bytes")]
    pub verdict: Vec<u8>,
    /// Model evaluations made.
    pub evaluations: u32,
    /// Signed errors of the outputs that were measured: mean, gain, guidance.
    pub bias: Vec<[f64; 3]>,
    /// Quality of the clip, 0 to 1, where it was scored (an accepted run, and a score is defined).
    pub quality: Option<f64>,
    /// Why the clip is none that a person would take for one, where it is.
    pub not_authentic: Option<String>,
    /// From the command on.
    pub seconds: f64,
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable.
    pub code: String,
    /// One sentence.
    pub message: String,
}

/// A message can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The pipe.
    #[error("the pipe between node and worker broke: {0}")]
    Io(#[from] std::io::Error),
    /// Too long.
    #[error("a message of {found} bytes between node and worker; at most {MAX_MESSAGE_BYTES} are allowed")]
    TooLong {
        /// Its length.
        found: u64,
    },
    /// Not a message.
    #[error("node and worker do not understand each other: {0}; both must be of one version")]
    Decode(String),
}

/// Writes a message and flushes.
///
/// # Errors
/// The pipe is gone, or the message is too long.
pub fn write(out: &mut impl Write, message: &impl Serialize) -> Result<(), ProtocolError> {
    let bytes = encode(message)?;
    out.write_all(&bytes)?;
    Ok(out.flush()?)
}

/// A message with its length in front.
pub(super) fn encode(message: &impl Serialize) -> Result<Vec<u8>, ProtocolError> {
    let mut bytes = vec![0; 4];
    ciborium::into_writer(message, &mut bytes).map_err(|error| ProtocolError::Decode(error.to_string()))?;
    let len = bytes.len() as u64 - 4;
    let len =
        u32::try_from(len).ok().filter(|len| *len <= MAX_MESSAGE_BYTES).ok_or(ProtocolError::TooLong { found: len })?;
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    Ok(bytes)
}

/// Checks a length before anything of that size is held.
pub(super) fn checked_len(len: [u8; 4]) -> Result<usize, ProtocolError> {
    let len = u32::from_le_bytes(len);
    if len > MAX_MESSAGE_BYTES {
        return Err(ProtocolError::TooLong { found: u64::from(len) });
    }
    Ok(len as usize)
}

/// Decodes what followed a length.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ProtocolError> {
    ciborium::from_reader(bytes).map_err(|error| ProtocolError::Decode(error.to_string()))
}

/// Reads a message; none at the end of the pipe.
///
/// # Errors
/// The pipe ends within a message, or what it carries is none.
pub fn read<T: DeserializeOwned>(input: &mut impl Read) -> Result<Option<T>, ProtocolError> {
    let mut len = [0; 4];
    match input.read_exact(&mut len) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let mut bytes = vec![0; checked_len(len)?];
    input.read_exact(&mut bytes)?;
    decode(&bytes).map(Some)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_one_after_the_other() {
        let mut pipe = Vec::new();
        write(&mut pipe, &Report::Ready { version: "1".to_owned() }).unwrap();
        write(&mut pipe, &Report::Progress(Stage::Step { done: 1, total: 2, seconds: 0.5 })).unwrap();
        let mut input = pipe.as_slice();
        assert!(matches!(read::<Report>(&mut input).unwrap(), Some(Report::Ready { version }) if version == "1"));
        assert!(matches!(read::<Report>(&mut input).unwrap(), Some(Report::Progress(Stage::Step { done: 1, .. }))));
        assert!(read::<Report>(&mut input).unwrap().is_none());
    }

    #[test]
    fn broken_pipes_and_other_programs_are_errors() {
        let mut pipe = Vec::new();
        write(&mut pipe, &Command::Cancel).unwrap();
        assert!(matches!(read::<Command>(&mut &pipe[..pipe.len() - 1]), Err(ProtocolError::Io(_))));
        assert!(matches!(read::<Command>(&mut &[255; 8][..]), Err(ProtocolError::TooLong { .. })));
        // A program that prints text: "Usag" is a length above the bound.
        assert!(matches!(read::<Command>(&mut &b"Usage: x"[..]), Err(ProtocolError::TooLong { .. })));
        assert!(matches!(read::<Command>(&mut &[1, 0, 0, 0, 0xff][..]), Err(ProtocolError::Decode(_))));
        let long = Report::Failed(Failure { code: String::new(), message: "x".repeat(MAX_MESSAGE_BYTES as usize) });
        assert!(matches!(encode(&long), Err(ProtocolError::TooLong { .. })));
    }
}
