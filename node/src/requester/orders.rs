//! Orders: on disk before they are sent, so that a deposit is never forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use infernet_api::types::job::NewJob;
use infernet_engine::pipeline::{Precision, latent_shape};
use infernet_engine::video::{FrameRate, write_atomically};
use infernet_ledger::{AccountId, JobOrder, LedgerId};
use infernet_network::proof::{
    CommitmentScheme, Digest, JobSpec, PromptOpening, PublicKey, Signature, Signed, SigningKey, Verdict,
};
use infernet_network::swarm::{Rates, RequestError};
use infernet_network::wire::{
    BlobSubject, CancelJob, JobId, JobPreview, JobProgress, JobStage, JobStatus, PostJob, Preview, PreviewQuery,
    Request, Response,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};

use super::deposits::chain_refusal;
use crate::chain::Chain;
use crate::clock::{ValidatorClock, now_ms, random};
use crate::courier::Courier;
use crate::models::LocalModels;
use crate::pace::Pace;
use crate::validator::DEPOSIT_CODE;

/// Patience with the validator.
const ASK: Duration = Duration::from_secs(15);
/// How often an order's state is asked for.
const POLL: Duration = Duration::from_millis(500);
/// The same while the validator can't be reached.
const SLOW_POLL: Duration = Duration::from_secs(3);
/// Clips fetched at once: fewer than the files that a peer serves another at a time.
const FETCHES: usize = 2;
/// Open orders that are looked at at full pace.
const CROWD: usize = 4;
/// How long after its deadline an order is still asked about.
const AFTER_DEADLINE_MS: u64 = 3_600_000;
/// Deadline where the order names none.
const DEADLINE_SECS: u64 = 1800;

/// How a requester is to be.
#[derive(Clone)]
pub struct RequesterConfig {
    /// Where orders are kept.
    pub folder: PathBuf,
    /// Where clips go.
    pub clips: PathBuf,
    /// Which network.
    pub network: Digest,
    /// Who keeps its ledger.
    pub validator: PublicKey,
    /// What a step may cost where the order names no deposit, in micro-credits.
    pub usual_price_per_step: u64,
    /// Its account with the contract, where the network settles on a chain.
    pub chain: Option<Chain>,
}

/// An order as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// `JobSpec`, encoded.
    #[serde(with = "serde_bytes")]
    pub spec: Vec<u8>,
    /// `PromptOpening`, encoded.
    #[serde(with = "serde_bytes")]
    pub opening: Vec<u8>,
    /// Name of the model.
    pub model: String,
    /// The client's own id of the request.
    pub request_id: Option<String>,
    /// Miners that compute it side by side.
    #[serde(default = "one_miner")]
    pub miners: u8,
    /// When it was made.
    pub created_ms: u64,
    /// How it is going.
    pub state: OrderState,
}

fn one_miner() -> u8 {
    1
}

/// How an order is going.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderState {
    /// Whether the validator has it.
    pub posted: bool,
    /// Where it is.
    pub stage: JobStage,
    /// Which miner in turn.
    pub attempt: u32,
    /// Done, in millionths.
    pub progress_ppm: u32,
    /// When anything last changed.
    pub updated_ms: u64,
    /// `Signed<Verdict>`, encoded.
    #[serde(with = "serde_bytes")]
    pub verdict: Vec<u8>,
    /// The ledger's receipt.
    #[serde(with = "serde_bytes")]
    pub receipt: Vec<u8>,
    /// A sentence for people.
    pub message: String,
    /// The clip, once it is here.
    pub clip: Option<PathBuf>,
    /// Why it could not be posted, for good.
    pub refused: Option<(String, String)>,
    /// When its present stage must be over; 0 where the validator has not said.
    #[serde(default)]
    pub stage_deadline_ms: u64,
}

impl OrderState {
    /// Whether nothing more happens to it.
    pub fn is_over(&self) -> bool {
        self.refused.is_some()
            || match self.stage {
                JobStage::Settled => self.clip.is_some(),
                JobStage::Refunded | JobStage::Cancelled => true,
                _ => false,
            }
    }
}

/// An order can't be made.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The model is not here.
    #[error("the model `{0}` is not on this computer; download it first: infernet model download {0}")]
    Model(String),
    /// The job can't be.
    #[error("{0}")]
    Job(String),
    /// The disk or the system.
    #[error("the order can't be kept: {0}")]
    Disk(#[from] std::io::Error),
    /// No randomness.
    #[error("the operating system gives no randomness: {0}")]
    Random(String),
    /// The validator said no.
    #[error("{message}")]
    Refused {
        /// Stable code.
        code: String,
        /// A sentence.
        message: String,
    },
    /// The validator can't be asked.
    #[error("the validator can't be reached: {0}; the order was not sent")]
    Unreachable(String),
}

/// A requester; cheap to clone.
#[derive(Clone)]
pub struct Requester {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    key: SigningKey,
    pub(super) config: RequesterConfig,
    models: Arc<LocalModels>,
    courier: Courier,
    pub(super) orders: Mutex<BTreeMap<JobId, Order>>,
    /// How clips look by now, with the step; none of an order that is over.
    previews: Mutex<BTreeMap<JobId, (u32, Arc<Preview>)>>,
    /// Clips that are on their way here.
    fetching: Mutex<BTreeSet<JobId>>,
    fetches: Semaphore,
    changes: watch::Sender<u64>,
    clock: ValidatorClock,
    pace: Pace,
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in it is whole after any panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Requester {
    /// Starts a requester on the current tokio runtime; orders that were under way are followed again.
    ///
    /// # Errors
    /// Its folders can't be made.
    pub fn start(
        key: &SigningKey,
        config: RequesterConfig,
        models: Arc<LocalModels>,
        courier: Courier,
    ) -> std::io::Result<Self> {
        std::fs::create_dir_all(&config.folder)?;
        std::fs::create_dir_all(&config.clips)?;
        let orders = read_all(&config.folder)?;
        let open: Vec<JobId> = orders.iter().filter(|(_, order)| !order.state.is_over()).map(|(id, _)| *id).collect();
        let inner = Inner {
            key: key.clone(),
            config,
            models,
            courier,
            orders: Mutex::new(orders),
            previews: Mutex::default(),
            fetching: Mutex::default(),
            fetches: Semaphore::new(FETCHES),
            changes: watch::Sender::new(0),
            clock: ValidatorClock::default(),
            pace: Pace::new(&Rates::default()),
        };
        let requester = Self { inner: Arc::new(inner) };
        for id in open {
            tokio::spawn(requester.clone().follow(id));
        }
        Ok(requester)
    }

    /// Counts changes of orders.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// All orders.
    pub fn orders(&self) -> BTreeMap<JobId, Order> {
        locked(&self.inner.orders).clone()
    }

    /// How a clip looks by now, and after which step.
    pub fn preview(&self, id: JobId) -> Option<(u32, Arc<Preview>)> {
        locked(&self.inner.previews).get(&id).cloned()
    }

    /// Which ledger this is about.
    pub fn ledger(&self) -> LedgerId {
        LedgerId {
            network: infernet_ledger::Digest(self.inner.config.network.0),
            validator: AccountId(self.inner.config.validator.0),
        }
    }

    /// Makes an order, keeps it, and sends it. The same `request_id` again gives the order it gave before.
    ///
    /// # Errors
    /// The order can't be, or the validator refuses it; nothing was paid then.
    pub async fn order(&self, new: &NewJob) -> Result<JobId, OrderError> {
        let request_id = new.request_id.as_ref().map(ToString::to_string);
        if let Some(request_id) = &request_id {
            let known = locked(&self.inner.orders)
                .iter()
                .find(|(_, order)| order.request_id.as_ref() == Some(request_id))
                .map(|(id, _)| *id);
            if let Some(id) = known {
                return Ok(id);
            }
        }
        self.ask_the_time().await;
        let (job, opening) = self.job(new)?;
        if let Some(chain) = &self.inner.config.chain {
            chain.check_deposit(&job).await.map_err(|error| chain_refusal(&error))?;
        }
        let id = JobId(job.job_id);
        let state = OrderState {
            posted: false,
            stage: JobStage::Posted,
            attempt: 0,
            progress_ppm: 0,
            updated_ms: now_ms(),
            verdict: Vec::new(),
            receipt: Vec::new(),
            message: String::new(),
            clip: None,
            refused: None,
            stage_deadline_ms: 0,
        };
        let order = Order {
            spec: job.to_bytes(),
            opening: opening.to_bytes(),
            model: new.model.to_string(),
            request_id,
            miners: new.miners,
            created_ms: now_ms(),
            state,
        };
        self.keep(id, order)?;
        match self.post(id).await {
            Ok(()) => {
                tokio::spawn(self.clone().follow(id));
                Ok(id)
            }
            Err(RequestError::Refused(refusal)) => {
                self.drop_order(id);
                Err(OrderError::Refused { code: refusal.code, message: refusal.message })
            }
            // All is fine but the deposit: only now is it made.
            Err(RequestError::Remote(refusal)) if refusal.code == DEPOSIT_CODE => {
                if let Err(error) = self.deposit(id) {
                    self.drop_order(id);
                    return Err(chain_refusal(&error));
                }
                tokio::spawn(self.clone().follow(id));
                Ok(id)
            }
            Err(error @ (RequestError::Timeout { .. } | RequestError::Remote(_))) => {
                // It may have arrived: it is followed, and sent again.
                tracing::warn!(job = %id, "the order is sent again: {error}");
                tokio::spawn(self.clone().follow(id));
                Ok(id)
            }
            Err(error) => {
                self.drop_order(id);
                Err(OrderError::Unreachable(error.to_string()))
            }
        }
    }

    /// Asks the validator to give a job up.
    ///
    /// # Errors
    /// It can't be reached, or it is too late.
    pub async fn cancel(&self, id: JobId) -> Result<(), OrderError> {
        match self.ask(Request::CancelJob(CancelJob { job_id: id })).await {
            Ok(Response::JobState(state)) => {
                self.change(id, |order| apply(order, &state));
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(RequestError::Refused(refusal)) => {
                Err(OrderError::Refused { code: refusal.code, message: refusal.message })
            }
            Err(error) => Err(OrderError::Unreachable(error.to_string())),
        }
    }

    /// The job that an order would make; nothing is sent.
    ///
    /// # Errors
    /// The order can't be.
    pub fn plan(&self, new: &NewJob) -> Result<JobSpec, OrderError> {
        self.job(new).map(|(job, _)| job)
    }

    /// Deadline where the order names none, in seconds.
    pub fn usual_deadline_secs(&self) -> u64 {
        DEADLINE_SECS
    }

    /// The job that an order asks for, with the model's values for what it leaves open.
    fn job(&self, new: &NewJob) -> Result<(JobSpec, PromptOpening), OrderError> {
        let name = new.model.to_string();
        let model = self.inner.models.named(&name, Precision::F32).ok_or(OrderError::Model(name))?;
        let said = |error: &dyn std::fmt::Display| OrderError::Job(error.to_string());
        let defaults = &model.defaults;
        let width = new.width.map_or(defaults.width, |value| value as usize);
        let height = new.height.map_or(defaults.height, |value| value as usize);
        let frames = new.frames.map_or(defaults.frames, |value| value as usize);
        let steps = new.steps.unwrap_or(defaults.steps as u32);
        let latent = latent_shape(&model.folder, width, height, frames).map_err(|error| said(&error))?;
        let scheduler = model.scheduler(new.scheduler.as_deref()).map_err(|error| said(&error))?;
        let rate = FrameRate::nearest(new.frames_per_second.unwrap_or(defaults.frames_per_second))
            .map_err(|error| said(&error))?;
        let salt = random().map_err(|error| OrderError::Random(error.to_string()))?;
        let opening = PromptOpening { salt, prompt: new.prompt.clone(), negative_prompt: new.negative_prompt.clone() };
        let (prompt, negative_prompt) = opening.commitments(CommitmentScheme::Sha256);
        let deadline_secs = new.deadline_secs.map_or(DEADLINE_SECS, u64::from);
        let job = JobSpec {
            network: self.inner.config.network,
            job_id: random().map_err(|error| OrderError::Random(error.to_string()))?,
            requester: PublicKey::from(&self.inner.key),
            model: model.digest,
            prompt,
            negative_prompt,
            width: width as u32,
            height: height as u32,
            frames: frames as u32,
            frame_rate: rate.into(),
            steps,
            guidance: new.guidance.unwrap_or(defaults.guidance),
            scheduler,
            latent_dtype: model.precision,
            latent,
            shard_plan: Digest::ZERO,
            deposit_microcredits: new.deposit_microcredits.unwrap_or_else(|| self.usual_deposit(steps, new.miners)),
            deadline_unix_ms: self.inner.clock.now_ms() + 1000 * deadline_secs,
        };
        job.check().map_err(|error| said(&error))?;
        Ok((job, opening))
    }

    /// Deposit for an order that names none: for each miner the usual price, a half more, and the validator's part.
    pub fn usual_deposit(&self, steps: u32, miners: u8) -> u64 {
        u64::from(steps) * self.inner.config.usual_price_per_step * 2 * u64::from(miners.max(1))
    }

    async fn ask(&self, request: Request) -> Result<Response, RequestError> {
        self.inner.pace.turn(&request).await;
        self.inner.courier.request(&self.inner.config.validator, request, ASK).await
    }

    /// A deadline is by the validator's clock. Where it does not answer, the order itself will not be sent either.
    async fn ask_the_time(&self) {
        // News of no job: what any role may send, and the answer is the time.
        let news = JobProgress { job_id: JobId([0; 16]), step: 0, steps: 0, preview: None };
        if let Ok(Response::Ack(ack)) = self.ask(Request::JobProgress(news)).await {
            self.inner.clock.note(ack.now_unix_ms);
        }
    }

    async fn post(&self, id: JobId) -> Result<(), RequestError> {
        let Some(order) = locked(&self.inner.orders).get(&id).cloned() else { return Ok(()) };
        let Ok(job) = JobSpec::from_bytes(&order.spec) else { return Ok(()) };
        let signed = JobOrder::sign(
            &self.ledger(),
            infernet_ledger::JobId(job.job_id),
            infernet_ledger::Digest(job.digest().0),
            job.deposit_microcredits,
            job.steps,
            job.deadline_unix_ms,
            &self.inner.key,
        );
        let post = PostJob {
            spec: order.spec.into(),
            opening: order.opening.into(),
            deposit_microcredits: job.deposit_microcredits,
            signature: Signature(signed.signature.0),
            miners: order.miners,
        };
        if let Response::Posted(posted) = self.ask(Request::PostJob(post)).await? {
            self.change(id, |order| {
                order.state.posted = true;
                order.state.message.clear();
                order.state.receipt = posted.receipt.to_vec();
            });
        }
        Ok(())
    }

    /// The validator says that something happened: its next state is asked for at once.
    pub fn nudge(&self, id: JobId) {
        let requester = self.clone();
        tokio::spawn(async move {
            let order = locked(&requester.inner.orders).get(&id).cloned();
            if let Some(order) = order.filter(|order| !order.state.is_over())
                && let Err(error) = requester.look(id, &order).await
            {
                tracing::debug!(job = %id, "{error}");
            }
        });
    }

    /// Asks after an order until it is over and its clip is here.
    async fn follow(self, id: JobId) {
        loop {
            let Some(order) = locked(&self.inner.orders).get(&id).cloned() else { return };
            if order.state.is_over() {
                return;
            }
            let deadline = JobSpec::from_bytes(&order.spec).map_or(0, |job| job.deadline_unix_ms);
            if self.inner.clock.now_ms() > deadline.saturating_add(AFTER_DEADLINE_MS) {
                tracing::warn!(job = %id, "the order is no longer asked after; its deposit is on the ledger");
                return;
            }
            let wait = match self.look(id, &order).await {
                Ok(()) => POLL,
                Err(error) => {
                    tracing::debug!(job = %id, "{error}");
                    SLOW_POLL
                }
            };
            tokio::time::sleep(wait * self.crowd()).await;
        }
    }

    /// Many open orders are looked at less often each; the validator tells of those that are over.
    fn crowd(&self) -> u32 {
        let open = locked(&self.inner.orders).values().filter(|order| !order.state.is_over()).count();
        u32::try_from(open / CROWD).unwrap_or(u32::MAX).clamp(1, 1000)
    }

    async fn look(&self, id: JobId, order: &Order) -> Result<(), RequestError> {
        if !order.state.posted {
            if !self.deposit_stands(id, order) {
                return Ok(());
            }
            match self.post(id).await {
                // The order was sent and nothing came back: the deposit is made now, or the validator's view of the chain is behind.
                Err(RequestError::Remote(refusal)) if refusal.code == DEPOSIT_CODE => {
                    if let Err(error) = self.deposit(id) {
                        tracing::warn!(job = %id, code = error.code(), "no deposit was made: {error}");
                    }
                }
                Err(RequestError::Refused(refusal)) => {
                    self.change(id, |order| order.state.refused = Some((refusal.code, refusal.message)));
                }
                other => other?,
            }
            return Ok(());
        }
        if let Response::JobState(state) = self.ask(Request::JobStatus(JobStatus { job_id: id })).await? {
            self.change(id, |order| apply(order, &state));
            if state.stage == JobStage::Running {
                self.look_at_preview(id).await?;
            }
            if state.stage == JobStage::Settled {
                self.bring(id, order).await;
            }
        }
        Ok(())
    }

    async fn look_at_preview(&self, id: JobId) -> Result<(), RequestError> {
        let after_step = self.preview(id).map_or(0, |(step, _)| step);
        let query = Request::JobPreview(PreviewQuery { job_id: id, after_step });
        if let Response::JobPreview(JobPreview { step, preview: Some(preview) }) = self.ask(query).await? {
            locked(&self.inner.previews).insert(id, (step, Arc::new(preview)));
            self.inner.changes.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    /// Fetches the clip, if the verdict on it holds.
    async fn bring(&self, id: JobId, order: &Order) {
        let Some(known) = locked(&self.inner.orders).get(&id).cloned() else { return };
        if let Err(reason) = self.check(&known) {
            self.change(id, |order| order.state.message = format!("the verdict does not hold: {reason}"));
            return;
        }
        let path = self.inner.config.clips.join(format!("{id}.mp4"));
        let subject = BlobSubject::Clip { job_id: id };
        // The validator's word and the order's own look may come at once.
        if known.state.clip.is_some() || !locked(&self.inner.fetching).insert(id) {
            return;
        }
        // Never closed.
        let _turn = self.inner.fetches.acquire().await;
        match self.inner.courier.fetch(&self.inner.config.validator, subject, path.clone()).await {
            Ok(()) => self.change(id, |order| order.state.clip = Some(path)),
            Err(error) => tracing::warn!(job = %id, model = order.model, "the clip is fetched again: {error}"),
        }
        locked(&self.inner.fetching).remove(&id);
    }

    /// The verdict is the validator's, about this job, and accepts.
    fn check(&self, order: &Order) -> Result<(), String> {
        let verdict = Signed::<Verdict>::from_bytes(&order.state.verdict).map_err(|error| error.to_string())?;
        let job = JobSpec::from_bytes(&order.spec).map_err(|error| error.to_string())?;
        if !verdict.verify() || verdict.body.validator != self.inner.config.validator {
            return Err("it is not signed by this network's validator".to_owned());
        }
        if verdict.body.job != job.digest() {
            return Err("it is about another job".to_owned());
        }
        if verdict.body.accepted() { Ok(()) } else { Err("it rejects the run".to_owned()) }
    }

    pub(super) fn change(&self, id: JobId, change: impl FnOnce(&mut Order)) {
        let mut orders = locked(&self.inner.orders);
        let Some(order) = orders.get_mut(&id) else { return };
        let before = order.state.clone();
        change(order);
        if order.state == before {
            return;
        }
        order.state.updated_ms = now_ms();
        if order.state.is_over() {
            locked(&self.inner.previews).remove(&id);
        }
        if let Err(error) = write(&self.inner.config.folder, id, order) {
            tracing::error!(job = %id, "the order can't be kept: {error}");
        }
        drop(orders);
        self.inner.changes.send_modify(|count| *count += 1);
    }

    fn keep(&self, id: JobId, order: Order) -> std::io::Result<()> {
        write(&self.inner.config.folder, id, &order)?;
        locked(&self.inner.orders).insert(id, order);
        self.inner.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// An order that was never posted.
    fn drop_order(&self, id: JobId) {
        locked(&self.inner.orders).remove(&id);
        let path = file(&self.inner.config.folder, id);
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!("{} can't be removed: {error}", path.display());
        }
    }
}

fn apply(order: &mut Order, state: &infernet_network::wire::JobState) {
    let known = &mut order.state;
    known.stage = state.stage;
    known.attempt = state.attempt;
    known.stage_deadline_ms = state.deadline_unix_ms;
    known.progress_ppm = state.progress_ppm;
    known.message.clone_from(&state.message);
    if let Some(verdict) = &state.verdict {
        known.verdict = verdict.to_vec();
    }
    if let Some(receipt) = &state.receipt {
        known.receipt = receipt.to_vec();
    }
}

fn file(folder: &Path, id: JobId) -> PathBuf {
    folder.join(format!("{id}.cbor"))
}

fn write(folder: &Path, id: JobId, order: &Order) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    ciborium::into_writer(order, &mut bytes).map_err(std::io::Error::other)?;
    write_atomically(&file(folder, id), &bytes).map_err(std::io::Error::other)
}

fn read_all(folder: &Path) -> std::io::Result<BTreeMap<JobId, Order>> {
    let mut orders = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let id = path.file_stem().and_then(|name| name.to_str()).and_then(crate::validator::store::id_of);
        let order =
            std::fs::read(&path).ok().and_then(|bytes| ciborium::from_reader::<Order, _>(bytes.as_slice()).ok());
        match (id, order) {
            (Some(id), Some(order)) => {
                orders.insert(id, order);
            }
            _ => tracing::warn!("{} is no order", path.display()),
        }
    }
    Ok(orders)
}
