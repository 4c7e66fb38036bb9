//! What a worker does: runs jobs and judges runs on a model that stays loaded.

use std::path::{Path, PathBuf};
use std::time::Instant;

use infernet_engine::pipeline::{LoadOptions, Precision, Progress, TensorDevice, VideoModel, load};
use infernet_engine::quality::FramesView;
use infernet_engine::quality::authenticity;
use infernet_engine::quality::score::Scorer;
use infernet_engine::video::{mp4, write_atomically};
use infernet_network::inference::{ModelAuditor, Picture, RunError, RunOptions, run_job};
use infernet_network::proof::{Bundle, Challenge, Digest, Evidence, JobSpec, PromptOpening, Signable, Signed, audit};

use crate::worker::{AuditCommand, Audited, Failure, Preview, Ran, Reporter, RunCommand, Runner, Stage};

/// Runs jobs honestly.
pub struct ModelRunner {
    device: TensorDevice,
    loaded: Option<Loaded>,
    scorer: Option<(PathBuf, Scorer)>,
}

struct Loaded {
    folder: PathBuf,
    precision: Precision,
    threads: Option<usize>,
    model: Box<dyn VideoModel>,
}

/// What a job is run from.
pub struct DecodedRun {
    /// The job.
    pub job: JobSpec,
    /// Its prompts.
    pub opening: PromptOpening,
    /// The challenge.
    pub challenge: Signed<Challenge>,
}

impl DecodedRun {
    /// Decodes a command's parts.
    ///
    /// # Errors
    /// One of them is none.
    pub fn of(command: &RunCommand) -> Result<Self, Failure> {
        let bad = |what: &str, error: &dyn std::fmt::Display| {
            failure("worker.command", format!("the {what} can't be read: {error}"))
        };
        Ok(Self {
            job: JobSpec::from_bytes(&command.job).map_err(|error| bad("job", &error))?,
            opening: PromptOpening::from_bytes(&command.opening).map_err(|error| bad("prompts", &error))?,
            challenge: Signed::<Challenge>::from_bytes(&command.challenge).map_err(|error| bad("challenge", &error))?,
        })
    }
}

/// A failure with its code.
pub fn failure(code: &str, message: impl std::fmt::Display) -> Failure {
    Failure { code: code.to_owned(), message: message.to_string() }
}

fn run_failure(error: &RunError) -> Failure {
    let code = match error {
        RunError::Engine(infernet_engine::EngineError::Cancelled) => "worker.cancelled",
        RunError::Engine(_) => "worker.engine",
        RunError::Job(_) | RunError::Mismatch { .. } => "worker.job",
        RunError::Video(_) => "worker.video",
    };
    failure(code, error)
}

impl ModelRunner {
    /// A runner on a device.
    pub fn new(device: TensorDevice) -> Self {
        Self { device, loaded: None, scorer: None }
    }

    /// The model, loaded where it is not. One is kept.
    ///
    /// # Errors
    /// It can't be loaded.
    pub fn model(
        &mut self,
        folder: &Path,
        precision: Precision,
        threads: Option<usize>,
        report: &Reporter<'_>,
    ) -> Result<&dyn VideoModel, Failure> {
        let fits =
            |loaded: &Loaded| loaded.folder == folder && loaded.precision == precision && loaded.threads == threads;
        if !self.loaded.as_ref().is_some_and(fits) {
            // The old one goes first: two may not fit into memory.
            self.loaded = None;
            report.stage(Stage::Loading);
            let options = LoadOptions { device: self.device, precision, threads };
            let model = load(folder, &options).map_err(|error| failure("worker.model", error))?;
            self.loaded = Some(Loaded { folder: folder.to_owned(), precision, threads, model });
        }
        match &self.loaded {
            Some(loaded) => Ok(loaded.model.as_ref()),
            None => Err(failure("worker.model", "no model is loaded")),
        }
    }

    fn score(&mut self, clip_model: &Path, bundle: &Bundle) -> Result<(Option<f64>, Option<String>), Failure> {
        let clip = mp4::decode(&bundle.clip).map_err(|error| failure("worker.score", error))?;
        let frames = FramesView::try_from(&clip).map_err(|error| failure("worker.score", error))?;
        if self.scorer.as_ref().is_none_or(|(folder, _)| folder != clip_model) {
            let scorer = Scorer::load(clip_model, None, &infernet_engine::Device::Cpu)
                .map_err(|error| failure("worker.score", error))?;
            self.scorer = Some((clip_model.to_owned(), scorer));
        }
        let Some((_, scorer)) = &self.scorer else { return Ok((None, None)) };
        let score = scorer.score(frames, &bundle.opening.prompt).map_err(|error| failure("worker.score", error))?;
        let reason = authenticity::judge(frames).reason.map(|reason| format!("{:?}", reason.refusal));
        Ok((score.md_vqs, reason))
    }
}

/// The engine's progress as a stage.
pub fn stage(progress: Progress) -> Stage {
    // Steps and frames of a job are u32.
    match progress {
        Progress::EncodingText => Stage::EncodingText,
        Progress::Step { done, total, seconds } => Stage::Step { done: done as u32, total: total as u32, seconds },
        Progress::Decoding { done, total } => Stage::Decoding { done: done as u32, total: total as u32 },
    }
}

fn preview(picture: Picture) -> Preview {
    Preview { step: picture.step, width: picture.width, height: picture.height, rgb: picture.rgb }
}

/// Writes the record of a run.
///
/// # Errors
/// The file can't be written.
pub fn keep(evidence: &Evidence, path: &Path, start: Instant) -> Result<Ran, Failure> {
    write_atomically(path, &evidence.to_bytes())
        .map_err(|error| failure("worker.disk", format!("{}: {error}", path.display())))?;
    Ok(Ran { seconds: start.elapsed().as_secs_f64(), peak_memory_bytes: infernet_engine::devices::peak_memory_bytes() })
}

impl Runner for ModelRunner {
    fn run(&mut self, command: &RunCommand, report: &Reporter<'_>) -> Result<Ran, Failure> {
        let start = Instant::now();
        if let Some(attack) = &command.attack {
            return Err(failure("worker.attack", format!("this worker does not cheat ({attack} was asked for)")));
        }
        let run = DecodedRun::of(command)?;
        let model = self.model(&command.model, command.precision, command.threads, report)?;
        let mut options = RunOptions {
            progress: &mut |progress| report.stage(stage(progress)),
            cancelled: report.cancelled(),
            encoding: mp4::EncodeOptions::default(),
            preview: Some(&mut |picture| report.preview(preview(picture))),
        };
        let evidence = run_job(model, &run.job, &run.opening, &run.challenge, &mut options)
            .map_err(|error| run_failure(&error))?;
        keep(&evidence, &command.evidence, start)
    }

    fn audit(&mut self, command: &AuditCommand, report: &Reporter<'_>) -> Result<Audited, Failure> {
        let start = Instant::now();
        let bytes = std::fs::read(&command.bundle)
            .map_err(|error| failure("worker.disk", format!("{}: {error}", command.bundle.display())))?;
        let bundle = Bundle::from_bytes(&bytes).map_err(|error| failure("worker.bundle", error))?;
        drop(bytes);
        let audit = {
            let model = self.model(&command.model, command.precision, command.threads, report)?;
            report.stage(Stage::Auditing);
            let mut auditor = ModelAuditor::new(model, Digest(command.digest));
            audit(&bundle, &command.table, &mut auditor).map_err(|error| failure("worker.audit", error))?
        };
        let (mut quality, mut not_authentic) = (None, None);
        if let (true, Some(clip_model)) = (audit.verdict.accepted(), &command.clip_model) {
            report.stage(Stage::Scoring);
            (quality, not_authentic) = self.score(clip_model, &bundle)?;
        }
        Ok(Audited {
            verdict: audit.verdict.canonical_bytes(),
            evaluations: audit.evaluations,
            bias: audit.bias.iter().map(|sample| [sample.mean, sample.gain, sample.guidance]).collect(),
            quality,
            not_authentic,
            seconds: start.elapsed().as_secs_f64(),
        })
    }
}
