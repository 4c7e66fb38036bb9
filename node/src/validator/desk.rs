//! One thread that owns the ledger and every job. Nothing else writes either, so that no two things happen at once.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use infernet_ledger::{AccountId, Entry, Issue, Journal, JournalError, LedgerParameters};
use infernet_network::proof::{AuditPolicy, Challenge, Digest, PublicKey, Signed, SigningKey};
use infernet_network::wire::{
    JobId, Message as _, MinerOffer, OfferJob, Preview, Request, Response, Settled as SettledNotice,
};
use infernet_settlement::SignedAcceptance;
use infernet_settlement::evm::{Address, B256};
use tokio::sync::{mpsc, oneshot};

use super::lifecycle::{Action, Event, resume, step};
use super::onchain::OnChain;
use super::record::{At, Attempt, JobRecord, Part, Stage};
use super::store::JobStore;
use crate::chain::{Chain, signed_acceptance};
use crate::clock::now_ms;
use crate::courier::Courier;
use crate::hash::hash;
use crate::models::LocalModels;
use crate::worker::Supervisor;

/// Messages that wait for the desk; askers wait when it is full.
const QUEUE: usize = 1024;
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(200);
/// How long a miner may think about an offer.
pub(super) const OFFER_MS: u64 = 15_000;
/// Time for an audit.
pub(super) const AUDIT_MS: u64 = 900_000;
/// Patience with peers that are told something.
const NOTICE: Duration = Duration::from_secs(10);

/// How a validator is to be.
#[derive(Clone)]
pub struct ValidatorConfig {
    /// Its folder: ledger and jobs.
    pub folder: PathBuf,
    /// Which network.
    pub network: Digest,
    /// What every account gets when it is first seen, in micro-credits.
    pub welcome_microcredits: u64,
    /// CLIP model for quality scores.
    pub clip_model: Option<PathBuf>,
    /// How deep audits go.
    pub policy: AuditPolicy,
    /// Rules of the ledger, where it is a new one; on a chain those by which trust moves.
    pub parameters: LedgerParameters,
    /// The contract that moves the money, where it is not the ledger.
    pub chain: Option<Chain>,
}

/// A validator can't start.
#[derive(Debug, thiserror::Error)]
pub enum ValidatorError {
    /// Its books can't be opened.
    #[error("the ledger can't be opened: {0}")]
    Ledger(#[from] JournalError),
    /// Its jobs can't be read.
    #[error("the jobs in {folder} can't be read: {reason}")]
    Jobs {
        /// Where.
        folder: String,
        /// Why.
        reason: String,
    },
}

/// What the desk hears.
pub(super) enum Message {
    /// A peer asks.
    Ask { peer: PublicKey, request: Request, reply: oneshot::Sender<Response> },
    /// Somebody is there.
    Seen { peer: PublicKey },
    /// A miner would deliver: where to?
    MayDeliver { miner: PublicKey, job: JobId, reveal: bool, bytes: u64, reply: oneshot::Sender<Option<PathBuf>> },
    /// Something happened to a job.
    Job { job: JobId, event: Event },
    /// A miner has answered an offer.
    Answered { job: JobId, attempt: u32, miner: PublicKey, answer: Answer },
    /// A member of the contract has signed a judgement, or nobody has this time.
    Signed { digest: B256, signature: Option<[u8; 65]> },
    /// A peer has shown which account is its own.
    Member { peer: PublicKey, account: Address },
    /// A member wants the evidence of an attempt.
    Evidence { peer: PublicKey, job: JobId, attempt: u32, reply: oneshot::Sender<Option<PathBuf>> },
    /// A requester wants its clip.
    Clip { peer: PublicKey, job: JobId, reply: oneshot::Sender<Option<PathBuf>> },
    /// A look at everything.
    Look { look: Box<dyn FnOnce(&Desk) + Send> },
    /// Stop, with the ledger's snapshot made.
    Stop { done: oneshot::Sender<()> },
}

/// A miner's answer to an offer: its word for the contract where there is one, or why not.
pub(super) type Answer = Result<Option<SignedAcceptance>, (String, String)>;

/// A miner as it was last heard of.
pub(crate) struct Miner {
    pub(crate) offer: MinerOffer,
    pub(crate) seen_ms: u64,
}

/// The desk's own.
pub struct Desk {
    pub(super) key: SigningKey,
    pub(super) public: PublicKey,
    pub(super) config: ValidatorConfig,
    pub(crate) journal: Journal,
    /// Instead of the journal, where a contract settles.
    pub(crate) chain: Option<OnChain>,
    pub(crate) store: JobStore,
    pub(crate) jobs: BTreeMap<JobId, JobRecord>,
    pub(crate) miners: HashMap<PublicKey, Miner>,
    pub(super) busy: HashMap<PublicKey, JobId>,
    /// How runs look by now, with the step; none of a job that is not running.
    pub(super) previews: HashMap<JobId, (u32, Preview)>,
    pub(super) models: Arc<LocalModels>,
    pub(super) courier: Courier,
    supervisor: Arc<Supervisor>,
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) send: mpsc::WeakSender<Message>,
}

/// The way to the desk; cheap to clone. The desk stops with the last one.
#[derive(Clone)]
pub struct Validator {
    send: mpsc::Sender<Message>,
}

impl Validator {
    /// Opens the books and starts the desk on the current tokio runtime.
    ///
    /// # Errors
    /// Ledger or jobs can't be opened.
    pub fn start(
        key: &SigningKey,
        config: ValidatorConfig,
        models: Arc<LocalModels>,
        courier: Courier,
        supervisor: Arc<Supervisor>,
    ) -> Result<Self, ValidatorError> {
        let failed = |error: std::io::Error| ValidatorError::Jobs {
            folder: config.folder.display().to_string(),
            reason: error.to_string(),
        };
        std::fs::create_dir_all(&config.folder).map_err(failed)?;
        let network = infernet_ledger::Digest(config.network.0);
        let path = config.folder.join("ledger.sqlite");
        let journal = Journal::open_or_create(path, key, network, config.parameters, now_ms())?;
        let store = JobStore::open(config.folder.join("jobs")).map_err(failed)?;
        let jobs: BTreeMap<JobId, JobRecord> = store.all().map_err(failed)?.into_iter().collect();
        let (send, receive) = mpsc::channel(QUEUE);
        let chain = config.chain.clone().map(|chain| OnChain::new(chain, config.parameters));
        let desk = Desk {
            key: key.clone(),
            public: PublicKey::from(key),
            config,
            journal,
            chain,
            store,
            jobs,
            miners: HashMap::new(),
            busy: HashMap::new(),
            previews: HashMap::new(),
            models,
            courier,
            supervisor,
            runtime: tokio::runtime::Handle::current(),
            send: send.downgrade(),
        };
        std::thread::Builder::new()
            .name("validator".to_owned())
            .spawn(move || desk.work(receive))
            .map_err(|error| ValidatorError::Jobs { folder: "a new thread".to_owned(), reason: error.to_string() })?;
        Ok(Self { send })
    }

    async fn tell(&self, message: Message) {
        // A desk that has stopped answers nobody: replies are dropped, and askers hear that.
        let _ = self.send.send(message).await;
    }

    /// Answers a peer.
    pub async fn ask(&self, peer: PublicKey, request: Request) -> Response {
        let (reply, answer) = oneshot::channel();
        self.tell(Message::Ask { peer, request, reply }).await;
        answer
            .await
            .unwrap_or_else(|_| Response::error("validator.stopped", "the validator is stopping; ask again later"))
    }

    /// Somebody has connected.
    pub async fn seen(&self, peer: PublicKey) {
        self.tell(Message::Seen { peer }).await;
    }

    /// Where a miner's reveal or clip may go; none when nobody waits for it.
    pub async fn may_deliver(&self, miner: PublicKey, job: JobId, reveal: bool, bytes: u64) -> Option<PathBuf> {
        let (reply, answer) = oneshot::channel();
        self.tell(Message::MayDeliver { miner, job, reveal, bytes, reply }).await;
        answer.await.ok().flatten()
    }

    /// It is there.
    pub async fn delivered(&self, miner: PublicKey, job: JobId, reveal: bool) {
        let what = if reveal { super::lifecycle::Delivery::Reveal } else { super::lifecycle::Delivery::Clip };
        let event = Event::Delivered { miner, what, audit_deadline_ms: now_ms() + AUDIT_MS };
        self.tell(Message::Job { job, event }).await;
    }

    /// The clip of a job, for who paid for it.
    pub async fn clip(&self, peer: PublicKey, job: JobId) -> Option<PathBuf> {
        let (reply, answer) = oneshot::channel();
        self.tell(Message::Clip { peer, job, reply }).await;
        answer.await.ok().flatten()
    }

    /// The evidence of an attempt, for members of the contract that were asked to sign.
    pub async fn evidence(&self, peer: PublicKey, job: JobId, attempt: u32) -> Option<PathBuf> {
        let (reply, answer) = oneshot::channel();
        self.tell(Message::Evidence { peer, job, attempt, reply }).await;
        answer.await.ok().flatten()
    }

    /// Looks at the desk from its own thread: ledger, jobs, miners.
    pub async fn look<T: Send + 'static>(&self, look: impl FnOnce(&Desk) -> T + Send + 'static) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let look = Box::new(move |desk: &Desk| {
            // Who asked may have given up.
            let _ = reply.send(look(desk));
        });
        self.tell(Message::Look { look }).await;
        answer.await.ok()
    }

    /// Stops the desk in order.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        self.tell(Message::Stop { done }).await;
        let _ = stopped.await;
    }
}

impl Desk {
    /// Jobs that were paid.
    pub fn settled_count(&self) -> usize {
        self.jobs.values().filter(|record| matches!(record.stage, Stage::Settled(..))).count()
    }

    /// Jobs that nothing more happens to.
    pub fn over_count(&self) -> usize {
        self.jobs.values().filter(|record| record.stage.is_final()).count()
    }

    /// How many jobs are in each stage, those that are over left out.
    pub fn open_stages(&self) -> BTreeMap<&'static str, usize> {
        let mut stages = BTreeMap::new();
        for record in self.jobs.values().filter(|record| !record.stage.is_final()) {
            *stages.entry(record.stage.name()).or_default() += 1;
        }
        stages
    }

    fn work(mut self, mut receive: mpsc::Receiver<Message>) {
        let ids: Vec<JobId> = self.jobs.keys().copied().collect();
        for id in ids {
            let Some(record) = self.jobs.get(&id) else { continue };
            for attempt in record.stage.at_work() {
                self.busy.insert(attempt.miner, id);
            }
            let actions = resume(record);
            self.act(id, actions);
        }
        loop {
            let message = self.runtime.block_on(async { tokio::time::timeout(TICK, receive.recv()).await });
            match message {
                Ok(None) => break,
                Ok(Some(Message::Stop { done })) => {
                    if let Err(error) = self.journal.snapshot() {
                        tracing::warn!("the ledger has no new snapshot: {error}");
                    }
                    // Nobody may wait any more.
                    let _ = done.send(());
                    return;
                }
                Ok(Some(message)) => self.hear(message),
                Err(_) => {}
            }
            self.tick();
        }
    }

    fn tick(&mut self) {
        let now = now_ms();
        let due = |record: &JobRecord| match &record.stage {
            Stage::Settled(..) | Stage::Refunded { .. } => false,
            Stage::Posted { not_before_ms } => now >= *not_before_ms || now >= record.deadline_ms,
            stage => now >= record.deadline_ms || stage.at_work().into_iter().any(|attempt| now >= attempt.deadline_ms),
        };
        let due: Vec<JobId> = self.jobs.iter().filter(|(_, record)| due(record)).map(|(id, _)| *id).collect();
        for id in due {
            self.happen(id, Event::Tick);
        }
        self.collect_signatures(now);
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Ask { peer, request, reply } => {
                let response = self.answer(peer, request);
                // Who asked may be gone.
                let _ = reply.send(response);
            }
            Message::Seen { peer } => self.welcome(peer),
            Message::MayDeliver { miner, job, reveal, bytes, reply } => {
                let _ = reply.send(self.place_for(miner, job, reveal, bytes));
            }
            Message::Job { job, event } => self.happen(job, event),
            Message::Answered { job, attempt, miner, answer } => self.answered(job, attempt, miner, answer),
            Message::Clip { peer, job, reply } => {
                let _ = reply.send(self.clip_for(peer, job));
            }
            Message::Look { look } => look(self),
            Message::Member { peer, account } => self.member(peer, account),
            Message::Signed { digest, signature } => self.signed(digest, signature),
            Message::Evidence { peer, job, attempt, reply } => {
                let _ = reply.send(self.evidence_for(peer, job, attempt));
            }
            Message::Stop { .. } => {}
        }
    }

    /// Credits for a newcomer, once.
    fn welcome(&mut self, peer: PublicKey) {
        let account = AccountId(peer.0);
        // Nobody makes tokens.
        if self.chain.is_some()
            || self.config.welcome_microcredits == 0
            || self.journal.ledger().account(&account).is_some()
        {
            return;
        }
        let digest = hash("infernet/welcome/v1", &peer.0);
        let mut reference = [0; 16];
        reference.copy_from_slice(&digest.0[..16]);
        let issue = Issue {
            reference: infernet_ledger::JobId(reference),
            to: account,
            amount_microcredits: self.config.welcome_microcredits,
        };
        if let Err(error) = self.journal.append(&Entry::Issue(issue), now_ms()) {
            tracing::warn!("{peer} gets no welcome credits: {error}");
        }
    }

    /// Something happened to a job: money first, then the record, then the rest. A crash in between repeats what was not recorded, and
    /// the ledger knows what it has seen.
    pub(super) fn happen(&mut self, id: JobId, event: Event) {
        let Some(record) = self.jobs.get(&id).cloned() else {
            tracing::debug!(job = %id, "news of a job that is not here");
            return;
        };
        // How far a run is matters to those who watch; after a crash the next message says it again.
        let only_progress = matches!(event, Event::Progress { .. });
        let (next, actions) = match step(&record, event, now_ms()) {
            Ok(result) => result,
            Err(misfit) => {
                tracing::debug!(job = %id, "{misfit}");
                return;
            }
        };
        for action in &actions {
            if let Err(error) = self.book(id, &next, action) {
                // The books win: nothing happened. Deadlines ask again.
                tracing::error!(job = %id, "the ledger refuses: {error}");
                return;
            }
        }
        if only_progress {
            self.jobs.insert(id, next);
            return;
        }
        if next != record {
            let (before, after) = (record.stage.name(), next.stage.name());
            if before == after {
                tracing::debug!(job = %id, attempt = next.attempt, "still {after}");
            } else {
                tracing::info!(job = %id, attempt = next.attempt, "{before} -> {after}");
            }
            if let Err(error) = self.store.keep(&id, &next) {
                tracing::error!(job = %id, "the job can't be kept: {error}");
                return;
            }
            self.busy.retain(|_, job| *job != id);
            for attempt in next.stage.at_work() {
                self.busy.insert(attempt.miner, id);
            }
            if next.stage.parts().iter().all(|part| part.at != At::Running) {
                self.previews.remove(&id);
            }
            self.jobs.insert(id, next);
        }
        self.act(id, actions);
    }

    /// What needs other threads.
    fn act(&mut self, id: JobId, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Choose => {
                    let event = self.choose(id);
                    self.happen(id, event);
                }
                Action::Offer { miner } => self.offer(id, miner),
                Action::Begin => self.let_begin(id),
                Action::Audit { miner } => self.audit(id, miner),
                Action::Stop { miner } => self.stop(miner, id),
                Action::Announce => self.announce(id),
                // Answered where it was asked for.
                Action::PublishNonce => {}
                // Booked before the record was kept.
                Action::Release { .. } | Action::Settle { .. } | Action::Slash { .. } | Action::Refund => {}
            }
        }
    }

    fn notify(&self, peer: PublicKey, request: Request) {
        let courier = self.courier.clone();
        self.runtime.spawn(async move {
            let name = request.name();
            if let Err(error) = courier.request(&peer, request, NOTICE).await {
                tracing::debug!(%peer, "{name} was not heard: {error}");
            }
        });
    }

    fn stop(&self, miner: PublicKey, id: JobId) {
        let courier = self.courier.clone();
        self.runtime.spawn(async move {
            if let Err(error) = courier.stop(&miner, id, NOTICE).await {
                tracing::debug!(%miner, job = %id, "the miner was not told to stop: {error}");
            }
        });
    }

    fn announce(&self, id: JobId) {
        let Some(record) = self.jobs.get(&id) else { return };
        let (verdict, receipt) = (self.verdict_bytes(&id), self.receipt_bytes(&id));
        let notice = SettledNotice { job_id: id, receipt: receipt.into(), verdict: verdict.into() };
        let miner = record.stage.attempt().map(|attempt| attempt.miner);
        for peer in [Some(record.requester), miner].into_iter().flatten() {
            self.notify(peer, Request::Settled(notice.clone()));
        }
        // Whose clip was not taken is paid as well, and hears of its own verdict.
        let paid = self.journal.ledger().job(&super::money::ledger_job(id)).and_then(|known| known.attempt.as_ref());
        let Some(paid) = paid.filter(|_| record.miners > 1 && matches!(record.stage, Stage::Settled(..))) else {
            return;
        };
        for peer in paid.miners.keys().map(|account| PublicKey(account.0)).filter(|peer| Some(*peer) != miner) {
            let notice =
                SettledNotice { job_id: id, receipt: self.receipt_bytes(&id).into(), verdict: Vec::new().into() };
            self.notify(peer, Request::Settled(notice));
        }
    }

    fn offer(&self, id: JobId, miner: PublicKey) {
        let Some(record) = self.jobs.get(&id) else { return };
        let Some(Part { attempt, at: At::Offered }) = record.stage.part(&miner) else { return };
        let Some(send) = self.send.upgrade() else { return };
        let (courier, number) = (self.courier.clone(), attempt.number);
        let offer = OfferJob {
            spec: record.spec.clone().into(),
            opening: record.opening.clone().into(),
            challenge: attempt.challenge.into(),
            fee_microcredits: attempt.fee_microcredits,
            required_stake_microcredits: attempt.stake_microcredits,
            attempt: number,
            payer: self.payer(id),
        };
        self.runtime.spawn(async move {
            let asked = courier.request(&miner, Request::OfferJob(offer), Duration::from_millis(OFFER_MS)).await;
            let answer = match asked {
                Ok(Response::Accepted(accepted)) => Ok(accepted.acceptance.as_ref().map(signed_acceptance)),
                Ok(Response::Declined(refusal)) => Err((refusal.code, refusal.message)),
                Ok(_) => Err(("network.answer".to_owned(), "the answer fits no offer".to_owned())),
                Err(error) => Err((error.code().to_owned(), error.to_string())),
            };
            // A desk that has stopped asks again when it is back.
            let _ = send.send(Message::Answered { job: id, attempt: number, miner, answer }).await;
        });
    }

    /// The stake is locked before the miner may begin; a miner that can't lock it is told to stop.
    fn answered(&mut self, id: JobId, number: u32, miner: PublicKey, answer: Answer) {
        let Some(record) = self.jobs.get(&id) else { return };
        let Some(Part { attempt, at: At::Offered }) = record.stage.part(&miner) else { return };
        if attempt.number != number {
            return;
        }
        let refused = match answer {
            Err(reason) => Some(reason),
            // Locked when all have answered.
            Ok(_) if matches!(record.stage, Stage::Several(_)) => None,
            Ok(acceptance) => match self.assign(id, &attempt, acceptance) {
                Ok(()) => None,
                Err(error) => {
                    self.stop(miner, id);
                    Some((error.code().to_owned(), error.to_string()))
                }
            },
        };
        let event = match refused {
            Some((code, message)) => Event::Declined { miner, code, message },
            None => Event::Accepted { miner, run_deadline_ms: commit_by(&attempt) },
        };
        self.happen(id, event);
    }

    /// All have answered: the stake of those who agreed is locked at once.
    fn let_begin(&mut self, id: JobId) {
        let Some(Stage::Several(parts)) = self.jobs.get(&id).map(|record| record.stage.clone()) else { return };
        let event = match self.begin(id, &parts) {
            Ok(()) => Event::Begun,
            Err(error) => Event::NotBegun { code: error.code().to_owned(), message: error.to_string() },
        };
        self.happen(id, event);
    }

    fn audit(&self, id: JobId, miner: PublicKey) {
        let (Some(record), Some(send)) = (self.jobs.get(&id), self.send.upgrade()) else { return };
        let Some(part) = record.stage.part(&miner) else { return };
        let (number, Some(stage)) = (part.attempt.number, part.stage()) else { return };
        let work = super::audit::Work {
            store: self.store.clone(),
            id,
            record: record.clone(),
            stage,
            models: Arc::clone(&self.models),
            clip_model: self.config.clip_model.clone(),
            key: self.key.clone(),
        };
        let supervisor = Arc::clone(&self.supervisor);
        self.runtime.spawn(async move {
            let event = match work.judge(&supervisor).await {
                Ok(verdict) => Event::Judged { attempt: number, miner, verdict },
                Err(message) => {
                    tracing::warn!(job = %id, "the audit failed: {message}");
                    // Tried again, not at once.
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    Event::AuditFailed { attempt: number, miner, message }
                }
            };
            let _ = send.send(Message::Job { job: id, event }).await;
        });
    }
}

/// Until when the challenge lets the miner commit.
fn commit_by(attempt: &Attempt) -> u64 {
    Signed::<Challenge>::from_bytes(&attempt.challenge)
        .map_or(attempt.deadline_ms, |challenge| challenge.body.commit_by_unix_ms)
}
