//! The miner itself.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use infernet_engine::devices::available_memory_bytes;
use infernet_engine::pipeline::{GenerateRequest, Precision, check_memory};
use infernet_network::proof::{JobSpec, PromptOpening, PublicKey, SigningKey};
use infernet_network::wire::{self, Ack, JobFailed, JobId, MinerOffer, OfferJob, OfferedModel, Request, Response};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::job::{self, Accepted, MinedJob, Outcome};
use super::policy::Policy;
use super::speed::Speeds;
use crate::chain::Chain;
use crate::clock::{ValidatorClock, now_ms};
use crate::courier::Courier;
use crate::models::{LocalModel, LocalModels};
use crate::worker::{News, Preview, Stage, Supervisor};

/// How often the validator hears from the miner.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Patience with the validator for small questions.
const ASK: Duration = Duration::from_secs(15);
/// Least time between two progress messages of a job.
const PROGRESS: Duration = Duration::from_millis(400);

/// How a miner is to be.
#[derive(Clone)]
pub struct MinerConfig {
    /// Where jobs are kept.
    pub folder: PathBuf,
    /// Whom it works for.
    pub validator: PublicKey,
    /// Threads of the worker in this run of the node, whatever the caps say.
    pub threads: Option<usize>,
    /// How it cheats: for demonstrations of what audits catch.
    pub attack: Option<String>,
    /// Its account with the contract, where the network settles on a chain.
    pub chain: Option<Chain>,
}

/// The most that a miner takes of its computer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Threads of the worker; all where there is none.
    pub threads: Option<usize>,
    /// Memory of a run in bytes, VRAM on a GPU; what is free where there is none.
    pub memory_bytes: Option<u64>,
}

/// What a miner is doing, for its owner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MinerSnapshot {
    /// The job under way.
    pub job: Option<JobId>,
    /// Where its run is.
    pub stage: Option<Stage>,
    /// How its clip looks by now.
    pub preview: Option<Arc<Preview>>,
    /// What keeps it from taking jobs.
    pub pause_reasons: Vec<String>,
    /// Jobs committed and opened since the start.
    pub finished: u64,
    /// Jobs that failed here since the start.
    pub failed: u64,
}

/// A miner; cheap to clone.
#[derive(Clone)]
pub struct Miner {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) key: SigningKey,
    pub(super) public: PublicKey,
    pub(super) config: MinerConfig,
    pub(super) models: Arc<LocalModels>,
    pub(super) courier: Courier,
    pub(super) supervisor: Arc<Supervisor>,
    policy: Mutex<Policy>,
    caps: Mutex<Caps>,
    speeds: Mutex<Speeds>,
    current: Mutex<Option<Current>>,
    pub(super) snapshot: watch::Sender<MinerSnapshot>,
    pub(super) clock: ValidatorClock,
}

struct Current {
    job: JobId,
    attempt: u32,
    cancel: CancellationToken,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in these is whole after any panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Miner {
    /// Starts a miner on the current tokio runtime; what a crash left is taken up again.
    ///
    /// # Errors
    /// Its folder can't be made.
    pub fn start(
        key: &SigningKey,
        config: MinerConfig,
        policy: Policy,
        models: Arc<LocalModels>,
        courier: Courier,
        supervisor: Arc<Supervisor>,
    ) -> std::io::Result<Self> {
        std::fs::create_dir_all(&config.folder)?;
        let speeds = Speeds::open(config.folder.join("speeds.json"));
        let inner = Inner {
            key: key.clone(),
            public: PublicKey::from(key),
            models,
            courier,
            supervisor,
            policy: Mutex::new(policy),
            caps: Mutex::default(),
            speeds: Mutex::new(speeds),
            current: Mutex::default(),
            snapshot: watch::Sender::default(),
            clock: ValidatorClock::default(),
            config,
        };
        let miner = Self { inner: Arc::new(inner) };
        let left: Vec<Accepted> = job::left(&miner.inner.config.folder);
        tokio::spawn(miner.clone().take_up(left));
        tokio::spawn(miner.clone().heartbeats());
        Ok(miner)
    }

    /// What it is doing, and changes of it.
    pub fn snapshot(&self) -> watch::Receiver<MinerSnapshot> {
        self.inner.snapshot.subscribe()
    }

    /// Its jobs, those that were dropped left out. Reads the disk.
    pub fn jobs(&self) -> Vec<MinedJob> {
        job::all(&self.inner.config.folder)
    }

    /// Replaces the reasons not to take jobs; none: it takes jobs.
    pub fn pause(&self, reasons: Vec<String>) {
        self.inner.snapshot.send_modify(|snapshot| snapshot.pause_reasons = reasons);
        tokio::spawn(self.clone().beat());
    }

    /// Replaces the owner's rules.
    pub fn set_policy(&self, policy: Policy) {
        *locked(&self.inner.policy) = policy;
        tokio::spawn(self.clone().beat());
    }

    /// Replaces the most that it takes; a job under way keeps what it has.
    pub fn set_caps(&self, caps: Caps) {
        *locked(&self.inner.caps) = caps;
        tokio::spawn(self.clone().beat());
    }

    /// The most that it takes.
    pub(super) fn caps(&self) -> Caps {
        let caps = *locked(&self.inner.caps);
        Caps { threads: self.inner.config.threads.or(caps.threads), ..caps }
    }

    /// Memory that a run may take now; none where the system does not tell.
    fn memory_bytes(&self) -> Option<u64> {
        let (free, cap) = (available_memory_bytes(), self.caps().memory_bytes);
        free.into_iter().chain(cap).min()
    }

    /// Answers an offer.
    pub fn offered(&self, peer: PublicKey, offer: &OfferJob) -> Response {
        let declined = |code: &str, message: String| Response::declined(code, message);
        if peer != self.inner.config.validator {
            return declined("miner.validator", "this miner works for another validator".to_owned());
        }
        let accepted = match Accepted::of(offer) {
            Ok(accepted) => accepted,
            Err(message) => return declined("offer.unreadable", message),
        };
        let (job, challenge) = (&accepted.job, &accepted.challenge.body);
        if challenge.miner != self.inner.public || challenge.validator != peer || challenge.job != job.digest() {
            return declined("offer.challenge", "the challenge is not for this miner and job".to_owned());
        }
        let id = JobId(job.job_id);
        let mut current = locked(&self.inner.current);
        if let Some(current) = current.as_ref() {
            return if current.job == id && current.attempt == accepted.attempt {
                match self.word(job, offer) {
                    Ok(acceptance) => Response::Accepted(wire::Accepted { now_unix_ms: now_ms(), acceptance }),
                    Err(response) => *response,
                }
            } else {
                declined("miner.busy", "this miner is at work on another job".to_owned())
            };
        }
        if let Some(reason) = self.inner.snapshot.borrow().pause_reasons.first() {
            return declined("miner.paused", format!("this miner is paused: {reason}"));
        }
        let Some(model) = self.inner.models.get(&job.model) else {
            return declined("miner.model", "this miner does not have the model".to_owned());
        };
        let policy = locked(&self.inner.policy).clone();
        let prompt = format!("{} {}", accepted.opening.prompt, accepted.opening.negative_prompt);
        let license = model.license.as_deref();
        if let Err(reason) = policy.check(job, &prompt, &model.id, license, offer.fee_microcredits) {
            return declined(reason.code(), reason.to_string());
        }
        if let Err(message) = fits_memory(model, job, &accepted.opening, self.memory_bytes()) {
            return declined("miner.memory", message);
        }
        let acceptance = match self.word(job, offer) {
            Ok(acceptance) => acceptance,
            Err(response) => return *response,
        };
        if let Err(error) = accepted.keep(&self.inner.config.folder) {
            return declined("miner.disk", format!("the job can't be kept: {error}"));
        }
        let cancel = CancellationToken::new();
        *current = Some(Current { job: id, attempt: accepted.attempt, cancel: cancel.clone() });
        drop(current);
        tokio::spawn(self.clone().work(accepted, cancel));
        Response::Accepted(wire::Accepted { now_unix_ms: now_ms(), acceptance })
    }

    /// This miner's word for the contract: job, fee and stake, without which it could neither be paid nor slashed. None where the network's
    /// ledger settles.
    fn word(&self, job: &JobSpec, offer: &OfferJob) -> Result<Option<wire::ChainAcceptance>, Box<Response>> {
        let declined = |code: &str, message: String| Err(Box::new(Response::declined(code, message)));
        match (&self.inner.config.chain, &offer.payer) {
            (None, None) => Ok(None),
            (Some(chain), Some(payer)) => {
                match chain.accept(job, payer, offer.fee_microcredits, offer.required_stake_microcredits) {
                    Ok(acceptance) => Ok(Some(acceptance)),
                    Err(error) => declined("miner.stake", error.to_string()),
                }
            }
            (Some(_), None) => declined("miner.deposit", "the offer names nobody who has paid for it".to_owned()),
            (None, Some(_)) => {
                declined("miner.chain", "this miner has no account on the network's chain; join again".to_owned())
            }
        }
    }

    /// The validator no longer wants a job.
    pub fn stopped(&self, peer: PublicKey, id: JobId) -> Response {
        if peer != self.inner.config.validator {
            return Response::refused("miner.validator", "this miner works for another validator");
        }
        if let Some(current) = locked(&self.inner.current).as_ref().filter(|current| current.job == id) {
            current.cancel.cancel();
        }
        Response::Ack(Ack { now_unix_ms: now_ms() })
    }

    async fn take_up(self, left: Vec<Accepted>) {
        for accepted in left {
            let cancel = CancellationToken::new();
            *locked(&self.inner.current) =
                Some(Current { job: accepted.id(), attempt: accepted.attempt, cancel: cancel.clone() });
            self.clone().work(accepted, cancel).await;
        }
    }

    /// A job from acceptance to delivery; its failure is told to the validator, so that nobody waits.
    async fn work(self, accepted: Accepted, cancel: CancellationToken) {
        let id = accepted.id();
        self.inner.snapshot.send_modify(|snapshot| snapshot.job = Some(id));
        tokio::spawn(self.clone().beat());
        let outcome = job::run(&self, &accepted, &cancel).await;
        match &outcome {
            Ok(Outcome::Delivered) => self.inner.snapshot.send_modify(|snapshot| snapshot.finished += 1),
            Ok(Outcome::Dropped) => {}
            Err(failure) => {
                tracing::warn!(job = %id, code = failure.code, "the job failed: {}", failure.message);
                self.inner.snapshot.send_modify(|snapshot| snapshot.failed += 1);
                let code: String = failure.code.chars().take(48).collect();
                let message: String = failure.message.chars().filter(|c| !c.is_control()).take(200).collect();
                self.tell(Request::JobFailed(JobFailed { job_id: id, code, message })).await;
            }
        }
        accepted.forget(&self.inner.config.folder, matches!(outcome, Ok(Outcome::Delivered)));
        self.inner
            .snapshot
            .send_modify(|snapshot| (snapshot.job, snapshot.stage, snapshot.preview) = (None, None, None));
        *locked(&self.inner.current) = None;
        self.beat().await;
    }

    /// Asks the validator, once.
    pub(super) async fn ask(&self, request: Request) -> Result<Response, infernet_network::swarm::RequestError> {
        let answer = self.inner.courier.request(&self.inner.config.validator, request, ASK).await;
        if let Ok(Response::Ack(ack)) = &answer {
            self.inner.clock.note(ack.now_unix_ms);
        }
        answer
    }

    /// Tells the validator something that it may miss.
    async fn tell(&self, request: Request) {
        if let Err(error) = self.ask(request).await {
            tracing::debug!("the validator did not hear: {error}");
        }
    }

    /// Notes how far the run is, and tells those who watch, not too often.
    pub(super) fn progress(&self, id: JobId, news: News, last: &mut tokio::time::Instant, job: &JobSpec) {
        let stage = match news {
            News::Stage(stage) => stage,
            News::Preview(preview) => {
                let preview = Arc::new(preview);
                self.inner.snapshot.send_modify(|snapshot| snapshot.preview = Some(Arc::clone(&preview)));
                self.tell_progress(id, preview.step, job.steps, Some(wire_preview(&preview)));
                return;
            }
        };
        self.inner.snapshot.send_modify(|snapshot| snapshot.stage = Some(stage));
        let Stage::Step { done, total, seconds } = stage else { return };
        let branches = if job.is_guided() { 2.0 } else { 1.0 };
        // The first step of a run also fills caches.
        if done > 1 {
            locked(&self.inner.speeds).note(&job.model.to_string(), job.latent.elements(), seconds / branches);
        }
        if last.elapsed() < PROGRESS && done != total {
            return;
        }
        *last = tokio::time::Instant::now();
        self.tell_progress(id, done, total, None);
    }

    fn tell_progress(&self, id: JobId, step: u32, steps: u32, preview: Option<infernet_network::wire::Preview>) {
        let progress = infernet_network::wire::JobProgress { job_id: id, step, steps, preview };
        let miner = self.clone();
        tokio::spawn(async move { miner.tell(Request::JobProgress(progress)).await });
    }

    async fn heartbeats(self) {
        // Ends with the swarm: a weak reference would let the miner go while its node still runs.
        loop {
            self.clone().beat().await;
            tokio::time::sleep(HEARTBEAT).await;
        }
    }

    async fn beat(self) {
        let offer = self.offer();
        self.tell(Request::MinerOffer(offer)).await;
    }

    fn offer(&self) -> MinerOffer {
        let policy = locked(&self.inner.policy).clone();
        let snapshot = self.inner.snapshot.borrow().clone();
        let speeds = locked(&self.inner.speeds);
        let side = if policy.max_side == 0 { 4096 } else { policy.max_side };
        let taken = |model: &&LocalModel| {
            (policy.models.is_empty() || policy.models.contains(&model.id))
                && (policy.licenses.is_empty()
                    || model.license.as_ref().is_some_and(|license| policy.licenses.contains(license)))
        };
        let models = self.inner.models.iter().filter(taken).take(MinerOffer::MAX_MODELS).map(|model| {
            let defaults = &model.defaults;
            let elements = defaults.frames * defaults.width * defaults.height / 16;
            OfferedModel {
                digest: model.digest,
                dtype: model.precision.name().to_owned(),
                max_frames: if policy.max_frames == 0 { 1024 } else { policy.max_frames },
                max_width: side,
                max_height: side,
                seconds_per_evaluation: speeds.seconds(&model.digest.to_string(), elements),
                price_microcredits_per_step: policy.price_microcredits_per_step,
            }
        });
        MinerOffer {
            models: models.collect(),
            memory_bytes: self.memory_bytes().unwrap_or(0),
            accepting: snapshot.pause_reasons.is_empty() && locked(&self.inner.current).is_none(),
            pause_reasons: snapshot.pause_reasons,
            account: self.inner.config.chain.as_ref().map(Chain::wire_address),
        }
    }
}

fn wire_preview(preview: &Preview) -> infernet_network::wire::Preview {
    let (width, height) = (preview.width, preview.height);
    infernet_network::wire::Preview { width, height, rgb: preview.rgb.clone().into() }
}

fn fits_memory(
    model: &LocalModel,
    job: &JobSpec,
    opening: &PromptOpening,
    available: Option<u64>,
) -> Result<(), String> {
    let request = GenerateRequest {
        prompt: opening.prompt.clone(),
        negative_prompt: opening.negative_prompt.clone(),
        width: job.width as usize,
        height: job.height as usize,
        frames: job.frames as usize,
        steps: job.steps as usize,
        guidance: job.guidance,
        seed: 0,
    };
    let precision: Precision = job.latent_dtype;
    check_memory(&model.folder, &request, precision, available).map_err(|error| error.to_string())
}
