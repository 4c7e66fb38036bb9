//! Files: offers, demands, where they come from and go to. The transfer itself is in `transfer`.

mod service;
mod transfer;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use libp2p::{PeerId, Stream, StreamProtocol};
use tokio::sync::OwnedSemaphorePermit;

use super::error::BlobError;
use crate::wire::{BlobHeader, BlobMessage, BlobSubject, Refusal};

pub(super) use service::BlobService;

/// Protocol of file streams.
pub const BLOB_PROTOCOL: StreamProtocol = StreamProtocol::new("/infernet/blob/1");

/// How long a transfer may take.
#[derive(Clone, Copy, Debug)]
pub struct BlobTimeouts {
    /// Without a byte in either direction.
    pub idle: Duration,
    /// Altogether, beside what the size allows.
    pub base: Duration,
    /// Slowest pace in bytes a second: `base + size / pace` is the deadline.
    pub bytes_per_second: u64,
}

impl Default for BlobTimeouts {
    fn default() -> Self {
        // 64 KiB/s is half of a poor home uplink.
        Self { idle: Duration::from_secs(30), base: Duration::from_secs(60), bytes_per_second: 64 << 10 }
    }
}

impl BlobTimeouts {
    pub(super) fn deadline(&self, bytes: u64) -> Duration {
        self.base + Duration::from_secs(bytes / self.bytes_per_second.max(1))
    }
}

/// Where a file to send is.
#[derive(Clone, Debug)]
pub enum BlobSource {
    /// On disk.
    File(PathBuf),
    /// In memory.
    Memory(Arc<[u8]>),
}

/// Where a received file goes.
#[derive(Clone, Debug)]
pub enum BlobSink {
    /// On disk. Until it is whole and verified it is beside this path, with `.part` at its end, where a later transfer
    /// goes on; then it is renamed, replacing what was there.
    File(PathBuf),
    /// In memory; not resumed.
    Memory,
}

/// A file that is here, whole and verified.
#[derive(Clone, Debug)]
pub struct Received {
    /// What it is.
    pub header: BlobHeader,
    /// Content, where it was received into memory.
    pub content: Option<Vec<u8>>,
    /// Bytes that came over the wire this time: fewer than the file has where a transfer was taken up.
    pub transferred_bytes: u64,
}

/// A peer wants to send a file. Dropped, the stream ends without a reason.
pub struct BlobOffer {
    /// Who.
    pub peer: PeerId,
    /// What.
    pub header: BlobHeader,
    pub(super) exchange: Exchange,
}

/// A peer wants a file. Dropped, the stream ends without a reason.
pub struct BlobDemand {
    /// Who.
    pub peer: PeerId,
    /// What.
    pub subject: BlobSubject,
    pub(super) exchange: Exchange,
}

/// A stream that somebody opened to us, and its place among that peer's transfers.
pub(super) struct Exchange {
    stream: Stream,
    service: BlobService,
    _permit: OwnedSemaphorePermit,
}

impl BlobOffer {
    /// Receives it. The caller has decided that there is room for [`BlobHeader::bytes`].
    ///
    /// # Errors
    /// The content is not what was promised, the connection or the disk fails, or it takes too long.
    pub async fn accept(mut self, sink: BlobSink) -> Result<Received, BlobError> {
        let Exchange { stream, service, .. } = &mut self.exchange;
        let result = transfer::receive(stream, self.header, sink, service).await;
        service.judge(self.peer, &result);
        result
    }

    /// Says no.
    pub async fn refuse(mut self, code: &str, message: impl Into<String>) {
        self.exchange.refuse(code, message.into()).await;
    }
}

impl BlobDemand {
    /// Sends it and waits until the peer has verified it. The header's subject must be the one asked for.
    ///
    /// # Errors
    /// The peer refuses, the connection or the disk fails, or it takes too long.
    pub async fn send(mut self, header: BlobHeader, source: BlobSource) -> Result<(), BlobError> {
        let Exchange { stream, service, .. } = &mut self.exchange;
        let result = transfer::send(stream, header, source, service).await;
        service.judge(self.peer, &result);
        result
    }

    /// Says no.
    pub async fn refuse(mut self, code: &str, message: impl Into<String>) {
        self.exchange.refuse(code, message.into()).await;
    }
}

impl Exchange {
    async fn refuse(&mut self, code: &str, message: String) {
        let refusal = BlobMessage::Refused(Refusal::new(code, message));
        // A peer that is gone needs no refusal.
        let _ = transfer::say(&mut self.stream, &refusal, self.service.timeouts()).await;
    }
}

impl fmt::Debug for BlobOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobOffer").field("peer", &self.peer).field("header", &self.header).finish_non_exhaustive()
    }
}

impl fmt::Debug for BlobDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobDemand").field("peer", &self.peer).field("subject", &self.subject).finish_non_exhaustive()
    }
}
