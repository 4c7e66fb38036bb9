//! The roles of a node, and what peers may ask of them.

use std::path::PathBuf;
use std::sync::Arc;

use infernet_engine::store::{Cancel, ModelStore};
use infernet_network::proof::{Digest, PublicKey};
use infernet_network::wire::{Ack, BlobHeader, BlobSubject, JobId, ManifestFile, ModelManifest, Request, Response};

use crate::chain::{Chain, CoSigner};
use crate::clock::now_ms;
use crate::miner::Miner;
use crate::models::{LocalModels, file_of};
use crate::requester::Requester;
use crate::validator::Validator;

/// The roles of a node.
#[derive(Clone)]
pub struct Roles {
    /// Who keeps this network's ledger.
    pub validator_key: PublicKey,
    /// Keeps the ledger and audits.
    pub validator: Option<Validator>,
    /// Makes clips.
    pub miner: Option<Miner>,
    /// Orders clips.
    pub requester: Option<Requester>,
    /// Its account with the contract, where the network settles on a chain.
    pub chain: Option<Chain>,
    /// Signs what another validator of the contract has judged, after judging it too.
    pub(crate) co_signer: Option<CoSigner>,
    /// What can be run here.
    pub models: Arc<LocalModels>,
    /// Where models are.
    pub store: Arc<ModelStore>,
}

impl Roles {
    /// Answers a peer.
    pub async fn answer(&self, peer: PublicKey, request: Request) -> Response {
        let from_validator = peer == self.validator_key;
        match request {
            Request::OfferJob(offer) => match &self.miner {
                Some(miner) => miner.offered(peer, &offer),
                None => Response::declined("miner.none", "this node does not mine"),
            },
            // From another node's validator: our miner is meant. Everyone else means our validator.
            Request::CancelJob(cancel) if from_validator && self.validator.is_none() => match &self.miner {
                Some(miner) => miner.stopped(peer, cancel.job_id),
                None => Response::refused("miner.none", "this node does not mine"),
            },
            Request::Settled(settled) => {
                if let Some(requester) = self.requester.as_ref().filter(|_| from_validator) {
                    requester.nudge(settled.job_id);
                }
                Response::Ack(Ack { now_unix_ms: now_ms() })
            }
            Request::CoSign(request) => match &self.co_signer {
                Some(signer) => signer.answer(peer, &request),
                None => Response::refused("cosign.none", "this node signs no judgements of others"),
            },
            Request::MemberQuery(query) => match &self.co_signer {
                Some(signer) => signer.is_member(peer, &query),
                None => Response::refused("cosign.none", "this node signs no judgements of others"),
            },
            Request::ModelOffer(query) => match self.manifest(&query.digest).await {
                Some(manifest) => Response::ModelManifest(manifest),
                None => Response::refused("model.unknown", "this node does not have the model"),
            },
            request => match &self.validator {
                Some(validator) => validator.ask(peer, request).await,
                None => Response::refused("validator.none", "this node is no validator"),
            },
        }
    }

    /// Where a file that a peer sends may go: path, job, and whether it is a reveal.
    pub async fn place_for(&self, peer: PublicKey, header: &BlobHeader) -> Option<(PathBuf, JobId, bool)> {
        let validator = self.validator.as_ref()?;
        let (id, reveal) = match header.subject {
            BlobSubject::Reveal { job_id } => (job_id, true),
            BlobSubject::Clip { job_id } => (job_id, false),
            BlobSubject::ModelFile { .. } | BlobSubject::Evidence { .. } => return None,
        };
        let path = validator.may_deliver(peer, id, reveal, header.bytes).await?;
        Some((path, id, reveal))
    }

    /// A file that a peer may have.
    pub async fn file_for(&self, peer: PublicKey, subject: &BlobSubject) -> Option<PathBuf> {
        match subject {
            BlobSubject::Clip { job_id } => self.validator.as_ref()?.clip(peer, *job_id).await,
            BlobSubject::ModelFile { model, path } => {
                // Only files of the manifest, so that nothing else of the folder leaves this computer.
                let listed = self.manifest(model).await?.files.iter().any(|file| file.path == *path);
                let model = self.models.get(model)?;
                listed.then(|| file_of(model, path))
            }
            BlobSubject::Evidence { job_id, attempt } => {
                self.validator.as_ref()?.evidence(peer, *job_id, *attempt).await
            }
            BlobSubject::Reveal { .. } => None,
        }
    }

    /// The files of a model that is here.
    async fn manifest(&self, digest: &Digest) -> Option<ModelManifest> {
        let (id, store) = (self.models.get(digest)?.id.clone(), Arc::clone(&self.store));
        let listed = tokio::task::spawn_blocking(move || {
            let dir = store.open(&id).ok()?;
            let digests = store.file_digests(&dir, &Cancel::new()).ok()?;
            let file = |file: infernet_engine::store::FileDigest| {
                let path = file.path.to_string();
                let bytes = std::fs::metadata(dir.root().join(&path)).ok()?.len();
                Some(ManifestFile { path, bytes, sha256: Digest(file.sha256.0) })
            };
            let files: Vec<ManifestFile> = digests.into_iter().map(file).collect::<Option<_>>()?;
            (files.len() <= ModelManifest::MAX_FILES).then_some(ModelManifest { files })
        });
        listed.await.ok().flatten()
    }
}
