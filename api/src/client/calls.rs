//! One method per endpoint.

use reqwest::Method;
use serde_json::Value;

use super::{Client, ClientError, EventStream, FileStream};
use crate::types::device::DeviceList;
use crate::types::doctor::DoctorReport;
use crate::types::event::EventId;
use crate::types::job::{Job, JobFilter, JobList, NewJob, Quote};
use crate::types::log::{LogFilter, LogLines};
use crate::types::model::{Model, ModelAction, ModelList, ModelRequest};
use crate::types::money::{
    ClaimRequest, Claimed, Earnings, EarningsQuery, ReceiptFilter, ReceiptList, Refund, RefundList, RefundRequest,
    StakeChanged, StakeInfo, StakeRequest,
};
use crate::types::peer::{InvitationLink, PeerList};
use crate::types::settings::{Settings, SettingsCheck};
use crate::types::status::{MiningStatus, PauseRequest, Status};
use crate::types::trust::Trust;
use crate::types::verdict::JobProof;
use crate::{JobId, ModelId};

type Result<T> = std::result::Result<T, ClientError>;

/// Every method fails with a [`ClientError`]: the node can't be reached, or refuses.
#[allow(clippy::missing_errors_doc, reason = "said once, above")]
impl Client {
    /// The node at one moment.
    pub async fn status(&self) -> Result<Status> {
        self.get("/v1/status").await
    }

    /// Whether a node answers; needs no token.
    pub async fn is_alive(&self) -> Result<()> {
        self.bytes("/healthz").await.map(|_| ())
    }

    /// Events from now on, or from after one that was seen.
    #[must_use]
    pub fn events(&self, after: Option<EventId>) -> EventStream {
        EventStream::new(self.clone(), after)
    }

    /// Devices with their newest readings.
    pub async fn devices(&self) -> Result<DeviceList> {
        self.get("/v1/devices").await
    }

    /// Looks for devices again.
    pub async fn rescan_devices(&self) -> Result<DeviceList> {
        self.post("/v1/devices/rescan").await
    }

    /// A page of jobs, newest first.
    pub async fn jobs(&self, filter: &JobFilter) -> Result<JobList> {
        self.get_with("/v1/jobs", filter).await
    }

    /// Orders a clip.
    pub async fn submit(&self, job: &NewJob) -> Result<Job> {
        self.send(Method::POST, "/v1/jobs", job).await
    }

    /// What a job would cost and need.
    pub async fn quote(&self, job: &NewJob) -> Result<Quote> {
        self.send(Method::POST, "/v1/jobs/quote", job).await
    }

    /// One job.
    pub async fn job(&self, id: JobId) -> Result<Job> {
        self.get(&format!("/v1/jobs/{id}")).await
    }

    /// Gives an own job up.
    pub async fn cancel(&self, id: JobId) -> Result<Job> {
        self.post(&format!("/v1/jobs/{id}/cancel")).await
    }

    /// The clip of a job.
    pub async fn clip(&self, id: JobId) -> Result<FileStream> {
        FileStream::open(self, &format!("/v1/jobs/{id}/clip.mp4")).await
    }

    /// The newest preview of a job as a PNG file, and its step.
    pub async fn preview(&self, id: JobId) -> Result<(Vec<u8>, Option<u32>)> {
        let (headers, png) = self.bytes(&format!("/v1/jobs/{id}/preview")).await?;
        let step = headers.get("x-infernet-step").and_then(|step| step.to_str().ok()?.parse().ok());
        Ok((png, step))
    }

    /// What was checked of a job.
    pub async fn proof(&self, id: JobId) -> Result<JobProof> {
        self.get(&format!("/v1/jobs/{id}/proof")).await
    }

    /// The evidence of a job.
    pub async fn bundle(&self, id: JobId) -> Result<FileStream> {
        FileStream::open(self, &format!("/v1/jobs/{id}/proof/bundle")).await
    }

    /// What was earned.
    pub async fn earnings(&self, query: &EarningsQuery) -> Result<Earnings> {
        self.get_with("/v1/earnings", query).await
    }

    /// Moves rewards to the balance.
    pub async fn claim(&self, request: &ClaimRequest) -> Result<Claimed> {
        self.send(Method::POST, "/v1/earnings/claim", request).await
    }

    /// A page of receipts, newest first.
    pub async fn receipts(&self, filter: &ReceiptFilter) -> Result<ReceiptList> {
        self.get_with("/v1/receipts", filter).await
    }

    /// The stake.
    pub async fn stake(&self) -> Result<StakeInfo> {
        self.get("/v1/stake").await
    }

    /// Stakes, unstakes or withdraws.
    pub async fn change_stake(&self, request: &StakeRequest) -> Result<StakeChanged> {
        self.send(Method::POST, "/v1/stake", request).await
    }

    /// Deposits of own jobs that went back, or can.
    pub async fn refunds(&self) -> Result<RefundList> {
        self.get("/v1/refunds").await
    }

    /// Asks for a deposit back.
    pub async fn refund(&self, job: JobId) -> Result<Refund> {
        self.send(Method::POST, "/v1/refunds", &RefundRequest { job }).await
    }

    /// Trust.
    pub async fn trust(&self) -> Result<Trust> {
        self.get("/v1/trust").await
    }

    /// A link by which others join.
    pub async fn invitation(&self) -> Result<InvitationLink> {
        self.get("/v1/invitation").await
    }

    /// Peers.
    pub async fn peers(&self) -> Result<PeerList> {
        self.get("/v1/peers").await
    }

    /// Models.
    pub async fn models(&self) -> Result<ModelList> {
        self.get("/v1/models").await
    }

    /// Downloads, pauses, verifies or deletes a model.
    pub async fn change_model(&self, id: &ModelId, action: ModelAction) -> Result<Model> {
        self.send(Method::POST, &format!("/v1/models/{id}"), &ModelRequest { action }).await
    }

    /// Settings.
    pub async fn settings(&self) -> Result<Settings> {
        self.get("/v1/settings").await
    }

    /// Changes settings with a JSON merge patch.
    pub async fn patch_settings(&self, patch: &Value) -> Result<Settings> {
        self.send(Method::PATCH, "/v1/settings", patch).await
    }

    /// Whether a patch would be accepted.
    pub async fn validate_settings(&self, patch: &Value) -> Result<SettingsCheck> {
        self.send(Method::POST, "/v1/settings/validate", patch).await
    }

    /// Ends a pause by hand.
    pub async fn start_mining(&self) -> Result<MiningStatus> {
        self.post("/v1/mining/start").await
    }

    /// Pauses by hand.
    pub async fn pause_mining(&self, request: &PauseRequest) -> Result<MiningStatus> {
        self.send(Method::POST, "/v1/mining/pause", request).await
    }

    /// What is in order on the node's computer and what is not.
    pub async fn doctor(&self) -> Result<DoctorReport> {
        self.get("/v1/doctor").await
    }

    /// What the node has logged, oldest first.
    pub async fn log(&self, filter: &LogFilter) -> Result<LogLines> {
        self.get_with("/v1/log", filter).await
    }

    /// Counters and gauges as OpenMetrics text.
    pub async fn metrics(&self) -> Result<String> {
        let (_, text) = self.bytes("/metrics").await?;
        String::from_utf8(text).map_err(|error| self.unexpected(error.to_string()))
    }
}
