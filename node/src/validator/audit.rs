//! The evidence of a run, put together for the worker, and its verdict, signed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use infernet_engine::video::write_atomically;
use infernet_network::proof::{
    AuditNonce, Bundle, Challenge, Commitment, Digest, JobSpec, PromptOpening, Signature, Signed, SignedReveal,
    SigningKey, Timing, Verdict,
};
use infernet_network::wire::JobId;
use tokio_util::sync::CancellationToken;

use super::lifecycle::Judgement;
use super::record::{JobRecord, Stage};
use super::store::JobStore;
use crate::hash::hash;
use crate::models::LocalModels;
use crate::worker::{AuditCommand, Command, Report, Supervisor};

/// Bytes of a signature, in front of a reveal on the wire.
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// A run to be judged.
pub(super) struct Work {
    pub(super) store: JobStore,
    pub(super) id: JobId,
    pub(super) record: JobRecord,
    /// Of the run that is judged.
    pub(super) stage: Stage,
    pub(super) models: Arc<LocalModels>,
    pub(super) clip_model: Option<PathBuf>,
    pub(super) key: SigningKey,
}

/// What judges bundles: models, their bounds, a worker.
pub(crate) struct Judge<'a> {
    pub(crate) models: &'a LocalModels,
    pub(crate) clip_model: Option<&'a Path>,
    pub(crate) supervisor: &'a Supervisor,
}

impl Judge<'_> {
    /// The audit of a bundle in a file.
    pub(crate) fn command(&self, digest: &Digest, tolerance: &Digest, path: &Path) -> Result<AuditCommand, String> {
        let model = self.models.get(digest).ok_or("the model is no longer here")?;
        let table = model.bounds().map_err(said)?;
        if table.digest() != *tolerance {
            return Err("the model's bounds have changed since the challenge; bring the old ones back".to_owned());
        }
        Ok(AuditCommand {
            model: model.folder.clone(),
            precision: model.precision,
            threads: None,
            bundle: path.to_owned(),
            table,
            digest: digest.0,
            clip_model: self.clip_model.map(Path::to_owned),
        })
    }

    /// The verdict, and the clip's quality in millionths (0 of a rejected one).
    pub(crate) async fn judge(&self, command: AuditCommand) -> Result<(Verdict, u32), String> {
        let report = self.supervisor.run(&Command::Audit(command), &CancellationToken::new(), |_| {}).await;
        let Report::Audited(audited) = report.map_err(said)? else {
            return Err("the worker answered something else".to_owned());
        };
        let quality = if audited.not_authentic.is_some() { 0.0 } else { audited.quality.unwrap_or(0.0) };
        let verdict = Verdict::from_canonical_bytes(&audited.verdict).map_err(said)?;
        // Between 0 and 1.
        Ok((verdict, (quality.clamp(0.0, 1.0) * 1e6).round() as u32))
    }
}

/// A signed reveal as it travels.
pub(crate) fn encode_reveal(reveal: &SignedReveal) -> Vec<u8> {
    [reveal.signature.0.as_slice(), &reveal.bytes].concat()
}

fn decode_reveal(bytes: &[u8]) -> Option<SignedReveal> {
    let (signature, reveal) = bytes.split_at_checked(SIGNATURE_BYTES)?;
    Some(SignedReveal { bytes: reveal.to_vec(), signature: Signature(signature.try_into().ok()?) })
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Work {
    /// Writes the bundle, has it judged, signs the verdict and keeps it.
    pub(super) async fn judge(self, supervisor: &Supervisor) -> Result<Judgement, String> {
        let attempt = self.stage.attempt().ok_or("the job has no attempt")?.clone();
        let path = self.store.bundle(&self.id, attempt.run());
        let job = JobSpec::from_bytes(&self.record.spec).map_err(said)?;
        let judge = Judge { models: &self.models, clip_model: self.clip_model.as_deref(), supervisor };
        let command = judge.command(&job.model, &attempt.tolerance, &path)?;
        let written = tokio::task::spawn_blocking({
            let (store, id, record, stage) = (self.store.clone(), self.id, self.record.clone(), self.stage.clone());
            move || {
                bundle(&store, &id, &record, &stage)
                    .and_then(|bundle| write_atomically(&path, &bundle.to_bytes()).map_err(said))
            }
        });
        written.await.map_err(said)??;
        let (verdict, quality_ppm) = judge.judge(command).await?;
        let failure = verdict.failure();
        let signed = Signed::sign(verdict, &self.key).map_err(said)?;
        let bytes = signed.to_bytes();
        let digest = hash("infernet/signed-verdict/v1", &bytes);
        write_atomically(&self.store.verdict(&self.id, attempt.run()), &bytes).map_err(said)?;
        Ok(match failure {
            None => Judgement::Accepted { quality_ppm, digest },
            Some(failure) => {
                Judgement::Rejected { check: failure.check.name().to_owned(), proof: failure.check.proof(), digest }
            }
        })
    }
}

fn bundle(store: &JobStore, id: &JobId, record: &JobRecord, stage: &Stage) -> Result<Bundle, String> {
    let (Some(attempt), Some(commitment)) = (stage.attempt(), stage.commitment()) else {
        return Err("the job has no commitment".to_owned());
    };
    let read = |path: PathBuf| std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()));
    Ok(Bundle {
        job: JobSpec::from_bytes(&record.spec).map_err(said)?,
        opening: PromptOpening::from_bytes(&record.opening).map_err(said)?,
        challenge: Signed::<Challenge>::from_bytes(&attempt.challenge).map_err(said)?,
        pledge: None,
        commitment: Signed::<Commitment>::from_bytes(&commitment.bytes).map_err(said)?,
        nonce: AuditNonce(attempt.nonce),
        timing: Timing {
            committed_unix_ms: commitment.committed_ms,
            nonce_published_unix_ms: commitment.published_ms,
            revealed_unix_ms: commitment.revealed_ms.unwrap_or(u64::MAX),
        },
        reveal: decode_reveal(&read(store.reveal(id, attempt.run()))?),
        clip: read(store.clip(id, attempt.run()))?,
    })
}
