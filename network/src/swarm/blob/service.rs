//! What all transfers share: streams, places, paths in use.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::PeerId;
use libp2p_stream::{Control, OpenStreamError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::transfer::{hear, out_of_turn, receive, say, send};
use super::{BLOB_PROTOCOL, BlobDemand, BlobOffer, BlobSink, BlobSource, BlobTimeouts, Exchange, Received};
use crate::proof::Digest;
use crate::swarm::error::{BlobError, DialFailure};
use crate::swarm::event::SwarmEvent;
use crate::swarm::handle::Command;
use crate::swarm::score::Action;
use crate::wire::{BlobFetch, BlobHeader, BlobMessage, BlobSubject};

/// Transfers of one swarm; cheap to clone.
#[derive(Clone)]
pub(in crate::swarm) struct BlobService {
    control: Control,
    timeouts: BlobTimeouts,
    /// Where scores are kept.
    commands: mpsc::WeakSender<Command>,
    shared: Arc<Shared>,
}

struct Shared {
    per_peer: usize,
    places: Mutex<HashMap<PeerId, Arc<Semaphore>>>,
    paths: Mutex<HashSet<PathBuf>>,
}

/// A path that is being received into.
pub(super) struct Claim {
    shared: Arc<Shared>,
    path: PathBuf,
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.shared.paths).remove(&self.path);
    }
}

/// No code panics while it holds one of these locks; the data would be good even so.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl BlobService {
    pub(in crate::swarm) fn new(
        control: Control,
        timeouts: BlobTimeouts,
        per_peer: usize,
        commands: mpsc::WeakSender<Command>,
    ) -> Self {
        let shared = Shared { per_peer, places: Mutex::default(), paths: Mutex::default() };
        Self { control, timeouts, commands, shared: Arc::new(shared) }
    }

    pub(super) fn timeouts(&self) -> &BlobTimeouts {
        &self.timeouts
    }

    /// A place among a peer's transfers.
    pub(in crate::swarm) fn place(&self, peer: PeerId) -> Result<OwnedSemaphorePermit, BlobError> {
        let mut places = lock(&self.shared.places);
        // Peers without transfers are forgotten here, so that the table is as long as the list of transfers at most.
        places.retain(|_, place| place.available_permits() < self.shared.per_peer);
        let place = places.entry(peer).or_insert_with(|| Arc::new(Semaphore::new(self.shared.per_peer)));
        Arc::clone(place).try_acquire_owned().map_err(|_| BlobError::Overloaded)
    }

    pub(super) fn claim(&self, path: &Path) -> Result<Claim, BlobError> {
        if !lock(&self.shared.paths).insert(path.to_owned()) {
            return Err(BlobError::Busy { path: path.to_owned() });
        }
        Ok(Claim { shared: Arc::clone(&self.shared), path: path.to_owned() })
    }

    /// What the outcome says about the peer.
    pub(super) fn judge<T>(&self, peer: PeerId, result: &Result<T, BlobError>) {
        let action = match result {
            Err(BlobError::WrongDigest { .. } | BlobError::OutOfTurn { .. } | BlobError::OtherFile { .. }) => {
                Action::InvalidMessage
            }
            Err(BlobError::TooLong { .. }) => Action::Oversized,
            Err(BlobError::Wire(error)) => Action::of(error),
            Err(BlobError::Idle { .. } | BlobError::Deadline { .. }) => Action::Timeout,
            Ok(_) => Action::GoodAnswer,
            Err(_) => return,
        };
        if let Some(commands) = self.commands.upgrade() {
            let _ = commands.try_send(Command::Note { peer, action });
        }
    }

    async fn open(&self, peer: PeerId) -> Result<libp2p::Stream, BlobError> {
        let unreachable = |reason: String| BlobError::Dial(DialFailure::Unreachable { to: peer.to_string(), reason });
        let mut control = self.control.clone();
        match tokio::time::timeout(self.timeouts.idle, control.open_stream(peer, BLOB_PROTOCOL)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(OpenStreamError::UnsupportedProtocol(_))) => {
                Err(unreachable("it does not speak the file protocol".to_owned()))
            }
            Ok(Err(error)) => Err(unreachable(error.to_string())),
            Err(_) => Err(BlobError::Idle { after: self.timeouts.idle, at: 0 }),
        }
    }

    pub(in crate::swarm) async fn send(
        &self,
        peer: PeerId,
        header: BlobHeader,
        source: BlobSource,
    ) -> Result<(), BlobError> {
        let _place = self.place(peer)?;
        let mut stream = self.open(peer).await?;
        let result = send(&mut stream, header, source, self).await;
        self.judge(peer, &result);
        result
    }

    pub(in crate::swarm) async fn fetch(
        &self,
        peer: PeerId,
        subject: BlobSubject,
        expected: Option<Digest>,
        sink: BlobSink,
    ) -> Result<Received, BlobError> {
        let _place = self.place(peer)?;
        let mut stream = self.open(peer).await?;
        let result = async {
            say(&mut stream, &BlobMessage::Fetch(BlobFetch { subject: subject.clone() }), &self.timeouts).await?;
            let header = match hear(&mut stream, &self.timeouts).await? {
                BlobMessage::Push(header) => header,
                other => return Err(out_of_turn("Push", &other)),
            };
            if header.subject != subject {
                let (expected, found) = (format!("{subject:?}"), format!("{:?}", header.subject));
                return Err(BlobError::OtherFile { expected, found });
            }
            if let Some(expected) = expected
                && header.digest != expected
            {
                let (expected, found) = (format!("SHA-256 {expected}"), format!("SHA-256 {}", header.digest));
                return Err(BlobError::OtherFile { expected, found });
            }
            receive(&mut stream, header, sink, self).await
        }
        .await;
        self.judge(peer, &result);
        result
    }

    /// Hears what a peer that has opened a stream wants.
    pub(in crate::swarm) async fn greet(
        self,
        peer: PeerId,
        mut stream: libp2p::Stream,
        permit: OwnedSemaphorePermit,
    ) -> Option<SwarmEvent> {
        let message = hear(&mut stream, &self.timeouts).await;
        let (service, exchange) = (self.clone(), |stream| Exchange { stream, service: self, _permit: permit });
        match message {
            Ok(BlobMessage::Push(header)) => {
                Some(SwarmEvent::BlobOffered(BlobOffer { peer, header, exchange: exchange(stream) }))
            }
            Ok(BlobMessage::Fetch(BlobFetch { subject })) => {
                Some(SwarmEvent::BlobRequested(BlobDemand { peer, subject, exchange: exchange(stream) }))
            }
            other => {
                let result = other.and_then(|message| Err::<(), _>(out_of_turn("Push or Fetch", &message)));
                service.judge(peer, &result);
                None
            }
        }
    }
}
