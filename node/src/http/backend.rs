//! What the server serves: the node, seen from its API.

use std::future::Future;
use std::path::PathBuf;

use infernet_api::types::device::DeviceList;
use infernet_api::types::doctor::DoctorReport;
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
use infernet_api::{ApiError, Digest, JobId, ModelId};
use serde_json::Value;

use super::{EventLog, Measure};

/// Result of a request.
pub type Answer<T> = Result<T, ApiError>;

/// The node, seen from its API. Write the methods as `async fn`.
///
/// The server has already checked token, host, origin, the form of ids, and what `NewJob::check`, `StakeRequest::check` and the
/// filters' `page` check. A method that takes longer than the server waits is dropped where it awaits, and the client gets
/// [`RequestTimeout`](infernet_api::ErrorCode::RequestTimeout): what must not be cut off (an entry in the ledger) belongs into a task of its own. A request with a `request_id` that was
/// served before must be answered as it was then.
pub trait Backend: Send + Sync + 'static {
    /// Where the node's events are published.
    fn events(&self) -> &EventLog;

    /// What the node measures of itself, for Prometheus.
    fn measures(&self) -> impl Future<Output = Vec<Measure>> + Send;

    /// The node at one moment.
    fn status(&self) -> impl Future<Output = Answer<Status>> + Send;

    /// Devices with their newest readings.
    fn devices(&self) -> impl Future<Output = Answer<DeviceList>> + Send;
    /// Looks for devices again (a card was plugged in, a driver installed).
    fn rescan_devices(&self) -> impl Future<Output = Answer<DeviceList>> + Send;

    /// Jobs, newest first; `filter.page()` of them.
    fn jobs(&self, filter: JobFilter) -> impl Future<Output = Answer<JobList>> + Send;
    /// Orders a clip.
    fn submit(&self, job: NewJob) -> impl Future<Output = Answer<Job>> + Send;
    /// What a job would cost and need; nothing is ordered.
    fn quote(&self, job: NewJob) -> impl Future<Output = Answer<Quote>> + Send;
    /// One job.
    fn job(&self, id: JobId) -> impl Future<Output = Answer<Job>> + Send;
    /// Gives an own job up, where its stage allows it.
    fn cancel(&self, id: JobId) -> impl Future<Output = Answer<Job>> + Send;
    /// The clip of a job.
    fn clip(&self, id: JobId) -> impl Future<Output = Answer<StoredFile>> + Send;
    /// What a window shows of a job's proof.
    fn proof(&self, id: JobId) -> impl Future<Output = Answer<JobProof>> + Send;
    /// The evidence of a job.
    fn bundle(&self, id: JobId) -> impl Future<Output = Answer<StoredFile>> + Send;
    /// The newest preview of a job.
    fn preview(&self, id: JobId) -> impl Future<Output = Answer<Preview>> + Send;

    /// What was earned.
    fn earnings(&self, query: EarningsQuery) -> impl Future<Output = Answer<Earnings>> + Send;
    /// Moves rewards to the balance.
    fn claim(&self, request: ClaimRequest) -> impl Future<Output = Answer<Claimed>> + Send;
    /// Receipts, newest first; `filter.page()` of them.
    fn receipts(&self, filter: ReceiptFilter) -> impl Future<Output = Answer<ReceiptList>> + Send;
    /// The stake.
    fn stake(&self) -> impl Future<Output = Answer<StakeInfo>> + Send;
    /// Changes the stake.
    fn change_stake(&self, request: StakeRequest) -> impl Future<Output = Answer<StakeChanged>> + Send;
    /// Deposits of own jobs that went back, or can.
    fn refunds(&self) -> impl Future<Output = Answer<RefundList>> + Send;
    /// Asks for a deposit back. Asking again for one that went back is answered like the first time.
    fn refund(&self, request: RefundRequest) -> impl Future<Output = Answer<Refund>> + Send;

    /// Trust.
    fn trust(&self) -> impl Future<Output = Answer<Trust>> + Send;
    /// A link by which others join.
    fn invitation(&self) -> impl Future<Output = Answer<InvitationLink>> + Send;
    /// Peers.
    fn peers(&self) -> impl Future<Output = Answer<PeerList>> + Send;

    /// Models.
    fn models(&self) -> impl Future<Output = Answer<ModelList>> + Send;
    /// Starts something with a model; answers with its state then, progress comes as events.
    fn change_model(&self, id: ModelId, action: ModelAction) -> impl Future<Output = Answer<Model>> + Send;

    /// Settings.
    fn settings(&self) -> impl Future<Output = Answer<Settings>> + Send;
    /// Applies a JSON merge patch (`Settings::patched`) and keeps the result; one patch at a time.
    fn patch_settings(&self, patch: Value) -> impl Future<Output = Answer<Settings>> + Send;

    /// Ends a pause by hand.
    fn start_mining(&self) -> impl Future<Output = Answer<MiningStatus>> + Send;
    /// Pauses by hand.
    fn pause_mining(&self, request: PauseRequest) -> impl Future<Output = Answer<MiningStatus>> + Send;

    /// What is in order on this computer and what is not.
    fn doctor(&self) -> impl Future<Output = Answer<DoctorReport>> + Send;
    /// The newest lines that were logged, oldest first.
    fn log(&self, filter: LogFilter) -> impl Future<Output = Answer<LogLines>> + Send;
}

/// A file of the node that a client may have. It must not change while it is served: replace it under its name instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256, which becomes the `ETag`.
    pub sha256: Digest,
}

/// A picture of a job on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// A PNG file.
    pub png: Vec<u8>,
    /// The step after which it was made.
    pub step: u32,
}
