//! One transfer over one stream, from either end.

use std::future::Future;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use sha2::{Digest as _, Sha256};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use super::{BlobService, BlobSink, BlobSource, BlobTimeouts, Received};
use crate::proof::Digest;
use crate::swarm::error::BlobError;
use crate::wire::{
    Ack, BlobHeader, BlobMessage, BlobStart, Body, CHUNK_BYTES, ChunkHeader, HEADER_BYTES, Message, Refusal,
};

/// Both halves of a stream.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// Sends a message.
pub(super) async fn say(
    stream: &mut impl Duplex,
    message: &BlobMessage,
    timeouts: &BlobTimeouts,
) -> Result<(), BlobError> {
    let bytes = message.to_bytes()?;
    lively(timeouts, 0, async {
        stream.write_all(&bytes).await?;
        stream.flush().await
    })
    .await
}

/// Reads a message; the header decides whether its body is read.
pub(super) async fn hear(stream: &mut impl Duplex, timeouts: &BlobTimeouts) -> Result<BlobMessage, BlobError> {
    let mut header = [0; HEADER_BYTES];
    lively(timeouts, 0, stream.read_exact(&mut header)).await?;
    let header = BlobMessage::header(&header)?;
    let mut body = vec![0; header.body_bytes as usize];
    lively(timeouts, 0, stream.read_exact(&mut body)).await?;
    match BlobMessage::from_body(header.kind, &body)? {
        BlobMessage::Refused(refusal) => Err(BlobError::Refused(refusal)),
        message => Ok(message),
    }
}

/// Offers a file and sends it from where the receiver says.
pub(super) async fn send(
    stream: &mut impl Duplex,
    header: BlobHeader,
    source: BlobSource,
    service: &BlobService,
) -> Result<(), BlobError> {
    let timeouts = service.timeouts();
    header.check("BlobHeader")?;
    within(timeouts, header.bytes, async {
        let mut source = Source::open(source, header.bytes).await?;
        say(stream, &BlobMessage::Push(header.clone()), timeouts).await?;
        let offset = match hear(stream, timeouts).await? {
            BlobMessage::Start(BlobStart { offset }) => offset,
            other => return Err(out_of_turn("Start", &other)),
        };
        if offset > header.bytes {
            return Err(BlobError::TooLong { promised: header.bytes });
        }
        let mut hasher = Sha256::new();
        let mut content = vec![0; CHUNK_BYTES];
        let mut at = 0;
        while at < header.bytes {
            // The receiver's part is read for the digest alone.
            let end = if at < offset { offset } else { header.bytes };
            let len = (end - at).min(CHUNK_BYTES as u64) as usize;
            let content = &mut content[..len];
            source.read(content).await?;
            hasher.update(&content);
            at += len as u64;
            if at > offset {
                let running = Digest(hasher.clone().finalize().into());
                // At most CHUNK_BYTES.
                let chunk = ChunkHeader { bytes: len as u32, running }.to_bytes();
                let sent = lively(timeouts, at, async {
                    stream.write_all(&chunk).await?;
                    stream.write_all(content).await
                });
                if let Err(error) = sent.await {
                    return Err(refusal_behind(stream, error).await);
                }
            }
        }
        lively(timeouts, at, stream.flush()).await?;
        match hear(stream, timeouts).await? {
            BlobMessage::Done(_) => Ok(()),
            other => Err(out_of_turn("Done", &other)),
        }
    })
    .await
}

/// A receiver that gives up says why and closes; the reason is worth more than the broken pipe it causes.
async fn refusal_behind(stream: &mut impl Duplex, error: BlobError) -> BlobError {
    let patience = BlobTimeouts { idle: Duration::from_millis(500), ..BlobTimeouts::default() };
    match hear(stream, &patience).await {
        Err(refused @ BlobError::Refused(_)) => refused,
        _ => error,
    }
}

/// Receives an offered file, from where an earlier transfer stopped.
pub(super) async fn receive(
    stream: &mut impl Duplex,
    header: BlobHeader,
    sink: BlobSink,
    service: &BlobService,
) -> Result<Received, BlobError> {
    let timeouts = service.timeouts();
    header.check("BlobHeader")?;
    let result = within(timeouts, header.bytes, receive_within(stream, &header, sink, service)).await;
    if let Err(error) = &result
        && !matches!(error, BlobError::Refused(_) | BlobError::Connection(_))
    {
        // The sender should know; whether it can still hear is another matter.
        let refusal = BlobMessage::Refused(Refusal::new(error.code(), error.to_string()));
        let patience = BlobTimeouts { idle: Duration::from_millis(500), ..*timeouts };
        let _ = say(stream, &refusal, &patience).await;
    }
    let _ = tokio::time::timeout(Duration::from_millis(500), stream.close()).await;
    result
}

async fn receive_within(
    stream: &mut impl Duplex,
    header: &BlobHeader,
    sink: BlobSink,
    service: &BlobService,
) -> Result<Received, BlobError> {
    let timeouts = service.timeouts();
    let (mut sink, mut hasher) = Sink::open(sink, header.bytes, service).await?;
    let offset = sink.len();
    say(stream, &BlobMessage::Start(BlobStart { offset }), timeouts).await?;
    let mut content = vec![0; CHUNK_BYTES.min(usize::try_from(header.bytes).unwrap_or(CHUNK_BYTES))];
    while sink.len() < header.bytes {
        let at = sink.len();
        let mut chunk = [0; ChunkHeader::LEN];
        lively(timeouts, at, stream.read_exact(&mut chunk)).await?;
        let chunk = ChunkHeader::from_bytes(&chunk)?;
        let len = chunk.bytes as usize;
        if u64::from(chunk.bytes) > header.bytes - at {
            sink.discard().await;
            return Err(BlobError::TooLong { promised: header.bytes });
        }
        let content = &mut content[..len];
        lively(timeouts, at, stream.read_exact(content)).await?;
        hasher.update(&content);
        let found = Digest(hasher.clone().finalize().into());
        if found != chunk.running {
            // Either the sender's own sum is wrong, or what was taken up is of another file.
            sink.discard().await;
            return Err(BlobError::WrongDigest { expected: chunk.running, found });
        }
        sink.append(content).await?;
    }
    let found = Digest(hasher.finalize().into());
    if found != header.digest {
        sink.discard().await;
        return Err(BlobError::WrongDigest { expected: header.digest, found });
    }
    let content = sink.finish().await?;
    let now_unix_ms = crate::swarm::task::unix_ms();
    say(stream, &BlobMessage::Done(Ack { now_unix_ms }), timeouts).await?;
    Ok(Received { header: header.clone(), content, transferred_bytes: header.bytes - offset })
}

/// A deadline for all of it.
async fn within<T>(
    timeouts: &BlobTimeouts,
    bytes: u64,
    work: impl Future<Output = Result<T, BlobError>>,
) -> Result<T, BlobError> {
    let after = timeouts.deadline(bytes);
    tokio::time::timeout(after, work).await.unwrap_or(Err(BlobError::Deadline { after }))
}

/// A deadline for each read and write.
async fn lively<T>(
    timeouts: &BlobTimeouts,
    at: u64,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, BlobError> {
    match tokio::time::timeout(timeouts.idle, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(BlobError::Connection(error.to_string())),
        Err(_) => Err(BlobError::Idle { after: timeouts.idle, at }),
    }
}

pub(super) fn out_of_turn(expected: &'static str, found: &BlobMessage) -> BlobError {
    BlobError::OutOfTurn { expected, found: found.name() }
}

enum Source {
    File { file: File, path: PathBuf },
    Memory { bytes: std::sync::Arc<[u8]>, at: usize },
}

impl Source {
    async fn open(source: BlobSource, expected: u64) -> Result<Self, BlobError> {
        let (source, found) = match source {
            BlobSource::Memory(bytes) => {
                let len = bytes.len() as u64;
                (Self::Memory { bytes, at: 0 }, len)
            }
            BlobSource::File(path) => {
                let file = File::open(&path).await.map_err(|reason| disk("open", &path, reason))?;
                let found = file.metadata().await.map_err(|reason| disk("read", &path, reason))?.len();
                (Self::File { file, path }, found)
            }
        };
        if found == expected { Ok(source) } else { Err(BlobError::SourceChanged { expected, found }) }
    }

    async fn read(&mut self, out: &mut [u8]) -> Result<(), BlobError> {
        match self {
            Self::Memory { bytes, at } => {
                // The length was checked against the header, which bounds all reads.
                out.copy_from_slice(&bytes[*at..*at + out.len()]);
                *at += out.len();
            }
            Self::File { file, path } => {
                file.read_exact(out).await.map_err(|reason| disk("read", path, reason))?;
            }
        }
        Ok(())
    }
}

enum Sink {
    File { file: File, part: PathBuf, path: PathBuf, len: u64, _claim: super::service::Claim },
    Memory { bytes: Vec<u8> },
}

impl Sink {
    /// Opens a sink, with the digest of what is there already.
    async fn open(sink: BlobSink, total: u64, service: &BlobService) -> Result<(Self, Sha256), BlobError> {
        let BlobSink::File(path) = sink else {
            // Grows with what comes.
            return Ok((Self::Memory { bytes: Vec::new() }, Sha256::new()));
        };
        let claim = service.claim(&path)?;
        let mut part = path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&part).await.map_err(|reason| disk("open", &part, reason))?;
        let there = file.metadata().await.map_err(|reason| disk("read", &part, reason))?.len();
        // Longer than the file: of another one.
        let len = if there > total { 0 } else { there };
        let hasher = hash_prefix(&mut file, len).await.map_err(|reason| disk("read", &part, reason))?;
        file.set_len(len).await.map_err(|reason| disk("write", &part, reason))?;
        file.seek(SeekFrom::Start(len)).await.map_err(|reason| disk("write", &part, reason))?;
        Ok((Self::File { file, part, path, len, _claim: claim }, hasher))
    }

    fn len(&self) -> u64 {
        match self {
            Self::File { len, .. } => *len,
            Self::Memory { bytes } => bytes.len() as u64,
        }
    }

    async fn append(&mut self, content: &[u8]) -> Result<(), BlobError> {
        match self {
            Self::Memory { bytes } => bytes.extend_from_slice(content),
            Self::File { file, part, len, .. } => {
                file.write_all(content).await.map_err(|reason| disk("write", part, reason))?;
                // Tokio's file writes in the background; without this an error would surface one chunk late.
                file.flush().await.map_err(|reason| disk("write", part, reason))?;
                *len += content.len() as u64;
            }
        }
        Ok(())
    }

    async fn finish(self) -> Result<Option<Vec<u8>>, BlobError> {
        match self {
            Self::Memory { bytes } => Ok(Some(bytes)),
            Self::File { file, part, path, .. } => {
                file.sync_all().await.map_err(|reason| disk("write", &part, reason))?;
                drop(file);
                fs::rename(&part, &path).await.map_err(|reason| disk("rename", &part, reason))?;
                Ok(None)
            }
        }
    }

    /// Nothing of it can be used.
    async fn discard(&mut self) {
        match self {
            Self::Memory { bytes } => *bytes = Vec::new(),
            Self::File { part, .. } => {
                if let Err(error) = fs::remove_file(&part).await {
                    tracing::warn!(path = %part.display(), %error, "can't remove a useless part of a file");
                }
            }
        }
    }
}

async fn hash_prefix(file: &mut File, len: u64) -> io::Result<Sha256> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut left = len;
    while left > 0 {
        let piece = &mut buffer[..left.min(CHUNK_BYTES as u64) as usize];
        file.read_exact(piece).await?;
        hasher.update(&piece);
        left -= piece.len() as u64;
    }
    Ok(hasher)
}

fn disk(action: &'static str, path: &Path, reason: io::Error) -> BlobError {
    BlobError::Disk { action, path: path.to_owned(), reason }
}
