//! How the roles of this node reach those of others, and each other: a node may be miner, validator and requester at once, and
//! nobody dials itself.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use infernet_network::identity::peer_id;
use infernet_network::proof::PublicKey;
use infernet_network::swarm::{BlobError, BlobSink, BlobSource, DialFailure, PeerId, RequestError, SwarmHandle};
use infernet_network::wire::{BlobHeader, BlobSubject, CancelJob, JobId, Refusal, Request, Response};

use crate::roles::Roles;

/// Carries requests and files; cheap to clone.
#[derive(Clone)]
pub struct Courier {
    swarm: SwarmHandle,
    own: PublicKey,
    here: Arc<OnceLock<Roles>>,
}

impl Courier {
    /// A courier; [`set`](Self::set) tells it of the roles of this node once they have started.
    pub fn new(swarm: SwarmHandle) -> Self {
        let own = swarm.public_key();
        Self { swarm, own, here: Arc::default() }
    }

    /// Tells the roles of this node. Only the first call counts.
    pub fn set(&self, roles: Roles) {
        // A second set of roles would be a bug; the first goes on.
        let _ = self.here.set(roles);
    }

    fn peer(key: &PublicKey) -> Result<PeerId, RequestError> {
        peer_id(key).ok_or(RequestError::Dial(DialFailure::Stopped))
    }

    /// Asks a peer, or this node.
    ///
    /// # Errors
    /// As [`SwarmHandle::request`].
    pub async fn request(&self, to: &PublicKey, request: Request, timeout: Duration) -> Result<Response, RequestError> {
        if *to != self.own {
            return self.swarm.request(Self::peer(to)?, request, timeout).await;
        }
        let Some(here) = self.here.get() else {
            return Err(RequestError::Remote(Refusal::new("node.starting", "the node is starting; ask again")));
        };
        match here.answer(self.own, request).await {
            Response::Refused(refusal) => Err(RequestError::Refused(refusal)),
            Response::Error(refusal) => Err(RequestError::Remote(refusal)),
            response => Ok(response),
        }
    }

    /// Tells a miner to stop a job.
    ///
    /// # Errors
    /// As [`SwarmHandle::request`].
    pub async fn stop(&self, miner: &PublicKey, id: JobId, timeout: Duration) -> Result<(), RequestError> {
        if *miner != self.own {
            self.swarm.request(Self::peer(miner)?, Request::CancelJob(CancelJob { job_id: id }), timeout).await?;
        } else if let Some(miner) = self.here.get().and_then(|here| here.miner.as_ref()) {
            miner.stopped(self.own, id);
        }
        Ok(())
    }

    /// Sends a file.
    ///
    /// # Errors
    /// As [`SwarmHandle::send_blob`].
    pub async fn send(&self, to: &PublicKey, header: BlobHeader, content: Arc<[u8]>) -> Result<(), BlobError> {
        if *to != self.own {
            let Some(peer) = peer_id(to) else { return Err(refused("node.key", "the receiver's key is none")) };
            return self.swarm.send_blob(peer, header, BlobSource::Memory(content)).await;
        }
        let place = match self.here.get() {
            Some(here) => here.place_for(self.own, &header).await,
            None => None,
        };
        let Some((path, id, reveal)) = place else {
            return Err(refused("blob.not_wanted", "nobody waits for this file"));
        };
        let written =
            tokio::task::spawn_blocking(move || infernet_engine::video::write_atomically(&path, &content)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(refused("blob.disk", &error.to_string())),
            Err(error) => return Err(refused("blob.disk", &error.to_string())),
        }
        if let Some(validator) = self.here.get().and_then(|here| here.validator.as_ref()) {
            validator.delivered(self.own, id, reveal).await;
        }
        Ok(())
    }

    /// Fetches a file.
    ///
    /// # Errors
    /// As [`SwarmHandle::fetch_blob`].
    pub async fn fetch(&self, from: &PublicKey, subject: BlobSubject, path: PathBuf) -> Result<(), BlobError> {
        if *from != self.own {
            let Some(peer) = peer_id(from) else { return Err(refused("node.key", "the sender's key is none")) };
            return self.swarm.fetch_blob(peer, subject, None, BlobSink::File(path)).await.map(|_| ());
        }
        let there = match self.here.get() {
            Some(here) => here.file_for(self.own, &subject).await,
            None => None,
        };
        let Some(there) = there else { return Err(refused("blob.unknown", "there is no such file")) };
        let copied = tokio::task::spawn_blocking(move || {
            let bytes = std::fs::read(there)?;
            infernet_engine::video::write_atomically(&path, &bytes).map_err(std::io::Error::other)
        });
        match copied.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(refused("blob.disk", &error.to_string())),
            Err(error) => Err(refused("blob.disk", &error.to_string())),
        }
    }

    /// The swarm.
    pub fn swarm(&self) -> &SwarmHandle {
        &self.swarm
    }
}

fn refused(code: &str, message: &str) -> BlobError {
    BlobError::Refused(Refusal::new(code, message))
}
