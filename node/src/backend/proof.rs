//! Verdicts and evidence.

use infernet_api::types::verdict::{BundleInfo, CheckRow, JobProof, LeafKind, OpenedLeaf, ProofKind, VerdictSummary};
use infernet_api::{ApiError, Digest, ErrorCode, JobId};
use infernet_engine::store::{Cancel, file_sha256};
use infernet_ledger::{AccountId, Receipt};
use infernet_network::proof::{
    Bundle, Challenge, Commitment, JobSpec, LeafPayload, LeafPosition, Proof, Reveal, Signed, Verdict,
};

use super::{NodeBackend, books, convert, errors};
use crate::clock::now_ms;
use crate::http::StoredFile;

/// A verdict for people.
pub(super) fn summary(verdict: &Verdict, job: &JobSpec, decided_unix_ms: u64) -> VerdictSummary {
    let failure = verdict.failure();
    let mut audited: Vec<u32> = verdict
        .checks
        .iter()
        .filter(|row| row.check.needs_model())
        .filter_map(|row| match job.leaf_position(row.leaf?)? {
            LeafPosition::Step(step) => Some(step),
            _ => None,
        })
        .collect();
    audited.sort_unstable();
    audited.dedup();
    VerdictSummary {
        accepted: verdict.accepted(),
        failed_check: failure.map(|failure| failure.check.name().to_owned()),
        failed_leaf: failure.and_then(|failure| failure.leaf),
        proof: verdict.proof().map(|proof| match proof {
            Proof::Signed => ProofKind::Signed,
            Proof::Measured => ProofKind::Measured,
            Proof::Attested => ProofKind::Attested,
        }),
        miner: convert::node_id(&verdict.miner),
        validator: convert::node_id(&verdict.validator),
        checks: verdict
            .checks
            .iter()
            .map(|row| CheckRow {
                name: row.check.name().to_owned(),
                ok: row.passed,
                leaf: row.leaf,
                error: row.error,
                bound: row.bound,
            })
            .collect(),
        reexecuted_ppm: (audited.len() as u64 * 1_000_000 / u64::from(job.steps.max(1))).min(1_000_000) as u32,
        audited_steps: audited,
        decided_unix_ms,
    }
}

/// Where a validator has what a verdict rests on.
struct Files {
    bundle: std::path::PathBuf,
    verdict: Vec<u8>,
    receipt: Option<Receipt>,
}

impl NodeBackend {
    /// The run that was paid, or the newest with evidence here.
    async fn evidence(&self, id: JobId) -> Result<Files, ApiError> {
        let none = |next_step: &str| {
            let message = format!("the evidence of job {id} is not on this node");
            Err(ApiError::new(ErrorCode::ProofNotFound, message, next_step))
        };
        let Some(validator) = &self.node().roles().validator else {
            let job = self.one_job(id).await?;
            return none(if job.verdict.is_some() {
                "look at the job itself, which has the verdict's checks; the evidence is at the validator"
            } else {
                "wait for the verdict; the evidence is at the validator"
            });
        };
        let found = validator.look(move |desk| {
            let wire = convert::wire_job(id);
            let record = desk.jobs.get(&wire)?;
            let run = record.runs().find(|run| desk.store.verdict(&wire, *run).exists());
            let receipt = desk.journal.job_history(&infernet_ledger::JobId(id.0)).ok().and_then(|mut all| all.pop());
            Some(run.map(|run| (desk.store.bundle(&wire, run), desk.store.verdict(&wire, run), receipt)))
        });
        match found.await.flatten() {
            None => Err(errors::no_job(id)),
            Some(None) => none("wait for the verdict"),
            Some(Some((bundle, verdict, receipt))) => match tokio::fs::read(&verdict).await {
                Ok(verdict) => Ok(Files { bundle, verdict, receipt }),
                Err(error) => Err(errors::disk("the verdict can't be read", &error)),
            },
        }
    }

    pub(super) async fn bundle_file(&self, id: JobId) -> Result<StoredFile, ApiError> {
        let path = self.evidence(id).await?.bundle;
        let hashed = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || file_sha256(&path, &Cancel::new(), |_| {}))
        };
        match hashed.await.map_err(|error| errors::broken(&error))? {
            Ok(digest) => Ok(StoredFile { path, sha256: Digest(digest.0) }),
            Err(error) => {
                let message = format!("the evidence of job {id} can't be read: {error}");
                Err(ApiError::new(ErrorCode::ProofNotFound, message, "bring the validator's folder back from a backup"))
            }
        }
    }

    pub(super) async fn proof_of(&self, id: JobId) -> Result<JobProof, ApiError> {
        let files = self.evidence(id).await?;
        let own = *self.inner.books.own();
        let read = tokio::task::spawn_blocking(move || told(id, &files, &own));
        read.await.map_err(|error| errors::broken(&error))?.map_err(|reason| {
            tracing::error!(job = %id, "the evidence can't be told: {reason}");
            ApiError::internal(format!("the evidence of job {id} can't be read"))
        })
    }
}

fn told(id: JobId, files: &Files, own: &AccountId) -> Result<JobProof, String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let bytes = std::fs::read(&files.bundle).map_err(|error| said(&error))?;
    let bundle = Bundle::from_bytes(&bytes).map_err(|error| said(&error))?;
    let verdict = Signed::<Verdict>::from_bytes(&files.verdict).map_err(|error| said(&error))?;
    let challenge: &Signed<Challenge> = &bundle.challenge;
    let commitment: &Signed<Commitment> = &bundle.commitment;
    let session = challenge.body.session();
    // A reveal that can't be read is a reason to reject a run; nothing of it is shown.
    let reveal = bundle.reveal.as_ref().and_then(|reveal| Reveal::from_bytes(&reveal.bytes).ok());
    let leaf = |leaf: &infernet_network::proof::OpenedLeaf| OpenedLeaf {
        index: leaf.index,
        kind: match leaf.payload {
            LeafPayload::Step { .. } => LeafKind::Step,
            LeafPayload::Final { .. } => LeafKind::Final,
            LeafPayload::Frame { .. } => LeafKind::Frame,
            LeafPayload::Clip { .. } => LeafKind::Clip,
            LeafPayload::Text { .. } => LeafKind::Text,
        },
        hash: convert::digest(&leaf.payload.leaf_hash(&session, leaf.index)),
        path: leaf.path.iter().map(convert::digest).collect(),
    };
    let decided = files.receipt.as_ref().map_or_else(now_ms, |receipt| receipt.time_ms);
    Ok(JobProof {
        job: id,
        job_digest: convert::digest(&bundle.job.digest()),
        challenge_digest: convert::digest(&session),
        root: convert::digest(&commitment.body.root),
        leaf_count: commitment.body.leaf_count,
        opened: reveal.iter().flat_map(|reveal| &reveal.leaves).map(leaf).collect(),
        verdict: summary(&verdict.body, &bundle.job, decided),
        receipt: files.receipt.as_ref().and_then(|receipt| books::shown(receipt, own)),
        bundle: Some(BundleInfo {
            url: format!("/v1/jobs/{id}/proof/bundle"),
            bytes: bytes.len() as u64,
            digest: convert::digest(&verdict.body.bundle),
        }),
    })
}
