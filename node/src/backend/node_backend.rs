//! The backend itself.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex, PoisonError};

use infernet_api::types::device::DeviceList;
use infernet_api::types::doctor::DoctorReport;
use infernet_api::types::event::EventKind;
use infernet_api::types::job::{Job, JobFilter, JobList, NewJob, Quote};
use infernet_api::types::log::{LogFilter, LogLines};
use infernet_api::types::model::{Model, ModelAction, ModelList};
use infernet_api::types::money::{
    ClaimRequest, Claimed, Earnings, EarningsQuery, ReceiptFilter, ReceiptList, Refund, RefundList, RefundRequest,
    StakeChanged, StakeInfo, StakeRequest,
};
use infernet_api::types::peer::{InvitationLink, PeerList};
use infernet_api::types::settings::Settings;
use infernet_api::types::status::{MiningStatus, PauseRequest, Status};
use infernet_api::types::trust::Trust;
use infernet_api::types::verdict::JobProof;
use infernet_api::{ApiError, Digest, ErrorCode, JobId, ModelId};
use infernet_engine::devices::ProbeCommand;
use infernet_ledger::{Account, AccountId};
use infernet_network::wire::{Invitation, Roles};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::books::Books;
use super::mining::Mining;
use super::once::Once;
use super::settings::{SettingsError, SettingsStore, caps_of, policy_of};
use super::{devices, errors};
use crate::clock::{now_ms, random};
use crate::http::{Answer, Backend, EventLog, Measure, Preview, StoredFile};
use crate::logbook::LogBook;
use crate::node::Node;

/// What the backend is told about its node.
#[derive(Clone, Debug)]
pub struct BackendConfig {
    /// The node's folder.
    pub data: PathBuf,
    /// The network, as invitations name it.
    pub network: Invitation,
    /// The node's roles.
    pub roles: Roles,
    /// The file with the node's key, where it is in one.
    pub identity_file: Option<PathBuf>,
    /// What the worker computes on, such as `CPU`.
    pub worker_device: String,
    /// How devices are asked in a process of their own, since drivers crash; in this one without it.
    pub device_probe: Option<ProbeCommand>,
}

/// The backend can't start.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No randomness.
    #[error("the operating system gives no randomness: {0}")]
    Random(String),
}

/// The node's answers to its API; cheap to clone.
#[derive(Clone)]
pub struct NodeBackend {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    node: Node,
    pub(super) config: BackendConfig,
    pub(super) settings: SettingsStore,
    pub(super) events: EventLog,
    pub(super) books: Books,
    pub(super) mining: Mining,
    pub(super) once: Once,
    /// Held by whoever makes a request of the account: each carries the account's next number.
    pub(super) paying: tokio::sync::Mutex<()>,
    pub(super) devices: devices::Cached,
    /// Length and digest of clips.
    pub(super) clips: tokio::sync::Mutex<HashMap<JobId, (u64, Digest)>>,
    pub(super) restarts: AtomicU32,
    pub(super) validator_connected: AtomicBool,
    account: Mutex<Option<Account>>,
    pub(super) started_ms: u64,
    pub(super) ending: CancellationToken,
}

impl NodeBackend {
    /// Starts answering for a node, on the current tokio runtime: the owner's rules and pause take effect, events begin.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn start(node: Node, settings: SettingsStore, config: BackendConfig) -> Result<Self, BackendError> {
        let run = random().map(u64::from_le_bytes).map_err(|error| BackendError::Random(error.to_string()))?;
        let chosen = settings.get();
        let inner = Inner {
            mining: Mining::open(&config.data, chosen.mining.start_with_node),
            once: Once::open(&config.data),
            books: Books::new(AccountId(node.public_key().0)),
            events: EventLog::new(run),
            paying: tokio::sync::Mutex::default(),
            devices: devices::Cached::default(),
            clips: tokio::sync::Mutex::default(),
            restarts: AtomicU32::new(0),
            validator_connected: AtomicBool::new(false),
            account: Mutex::default(),
            started_ms: now_ms(),
            ending: CancellationToken::new(),
            settings,
            config,
            node,
        };
        let backend = Self { inner: Arc::new(inner) };
        if let Some(miner) = &backend.node().roles().miner {
            miner.set_policy(policy_of(&chosen.policy));
            miner.set_caps(caps_of(&chosen.mining));
        }
        backend.apply_pause();
        backend.watch();
        Ok(backend)
    }

    /// Tells those who listen that the node ends, and publishes nothing after.
    pub fn stop(&self) {
        self.inner.events.publish(EventKind::ShuttingDown);
        self.inner.ending.cancel();
    }

    pub(super) fn node(&self) -> &Node {
        &self.inner.node
    }

    /// The account as it was last seen; none before the validator was first reached.
    pub(super) fn last_account(&self) -> Option<Account> {
        self.inner.account.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note_account(&self, account: Account) {
        *self.inner.account.lock().unwrap_or_else(PoisonError::into_inner) = Some(account);
    }

    /// Runs to its end what must not be cut off when a client goes away.
    async fn whole<T: Send + 'static, F>(&self, task: impl FnOnce(Self) -> F) -> Answer<T>
    where
        F: Future<Output = Answer<T>> + Send + 'static,
    {
        if self.inner.ending.is_cancelled() {
            let next_step = "start the node again: infernet node";
            return Err(ApiError::new(ErrorCode::ShuttingDown, "the node is ending", next_step));
        }
        tokio::spawn(task(self.clone())).await.map_err(|error| errors::broken(&error))?
    }
}

impl Backend for NodeBackend {
    fn events(&self) -> &EventLog {
        &self.inner.events
    }

    async fn status(&self) -> Answer<Status> {
        self.status_now().await
    }

    async fn devices(&self) -> Answer<DeviceList> {
        self.device_list(false).await
    }

    async fn rescan_devices(&self) -> Answer<DeviceList> {
        self.device_list(true).await
    }

    async fn jobs(&self, filter: JobFilter) -> Answer<JobList> {
        self.job_page(filter).await
    }

    async fn submit(&self, job: NewJob) -> Answer<Job> {
        // One after the other: two requests of one id are one order.
        self.whole(|backend| async move {
            let _one = backend.inner.paying.lock().await;
            backend.submit_now(job).await
        })
        .await
    }

    async fn quote(&self, job: NewJob) -> Answer<Quote> {
        self.quote_now(job).await
    }

    async fn job(&self, id: JobId) -> Answer<Job> {
        self.one_job(id).await
    }

    async fn cancel(&self, id: JobId) -> Answer<Job> {
        self.whole(|backend| async move { backend.cancel_now(id).await }).await
    }

    async fn clip(&self, id: JobId) -> Answer<StoredFile> {
        self.clip_file(id).await
    }

    async fn proof(&self, id: JobId) -> Answer<JobProof> {
        self.proof_of(id).await
    }

    async fn bundle(&self, id: JobId) -> Answer<StoredFile> {
        self.bundle_file(id).await
    }

    async fn preview(&self, id: JobId) -> Answer<Preview> {
        let job = self.one_job(id).await?;
        if let Some(preview) = self.newest_preview(id) {
            return preview.map_err(|reason| errors::broken(&reason));
        }
        let (message, next_step) = if job.stage.is_final() {
            (format!("job {id} is over: there is no preview any more"), "look at its clip")
        } else {
            (format!("job {id} has no preview yet: the first comes with the first steps"), "ask again in a moment")
        };
        Err(ApiError::new(ErrorCode::PreviewNotFound, message, next_step))
    }

    async fn earnings(&self, query: EarningsQuery) -> Answer<Earnings> {
        self.earnings_now(query).await
    }

    async fn claim(&self, request: ClaimRequest) -> Answer<Claimed> {
        self.whole(|backend| async move { backend.claim_now(request).await }).await
    }

    async fn receipts(&self, filter: ReceiptFilter) -> Answer<ReceiptList> {
        let limit = filter.page()? as usize;
        self.inner.books.refresh(self.node()).await?;
        Ok(self.inner.books.page(&filter, limit))
    }

    async fn stake(&self) -> Answer<StakeInfo> {
        self.stake_now().await
    }

    async fn change_stake(&self, request: StakeRequest) -> Answer<StakeChanged> {
        self.whole(|backend| async move { backend.change_stake_now(request).await }).await
    }

    async fn refunds(&self) -> Answer<RefundList> {
        self.refund_list().await
    }

    async fn refund(&self, request: RefundRequest) -> Answer<Refund> {
        self.whole(|backend| async move { backend.refund_now(request).await }).await
    }

    async fn trust(&self) -> Answer<Trust> {
        self.trust_now().await
    }

    async fn invitation(&self) -> Answer<InvitationLink> {
        self.invitation_now().await
    }

    async fn peers(&self) -> Answer<PeerList> {
        self.peer_list().await
    }

    async fn models(&self) -> Answer<ModelList> {
        self.model_list().await
    }

    async fn change_model(&self, id: ModelId, action: ModelAction) -> Answer<Model> {
        self.change_model_now(id, action).await
    }

    async fn settings(&self) -> Answer<Settings> {
        Ok(self.inner.settings.get())
    }

    async fn patch_settings(&self, patch: Value) -> Answer<Settings> {
        let before = self.inner.settings.get().revision;
        let settings = self.inner.settings.patch(&patch).map_err(|error| match error {
            SettingsError::Value(error) => error,
            other => {
                tracing::error!("{other}");
                ApiError::internal("the settings can't be kept")
            }
        })?;
        if settings.revision != before {
            if let Some(miner) = &self.node().roles().miner {
                miner.set_policy(policy_of(&settings.policy));
                miner.set_caps(caps_of(&settings.mining));
            }
            self.inner.events.publish(EventKind::Settings { revision: settings.revision });
        }
        Ok(settings)
    }

    async fn start_mining(&self) -> Answer<MiningStatus> {
        self.start_now()
    }

    async fn pause_mining(&self, request: PauseRequest) -> Answer<MiningStatus> {
        self.pause(&request)
    }

    async fn doctor(&self) -> Answer<DoctorReport> {
        self.doctor_now().await
    }

    async fn measures(&self) -> Vec<Measure> {
        self.measures_now().await
    }

    async fn log(&self, filter: LogFilter) -> Answer<LogLines> {
        Ok(LogBook::of_process().read(&filter))
    }
}
