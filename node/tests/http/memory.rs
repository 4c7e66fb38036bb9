//! A node in memory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use infernet_api::types::device::DeviceList;
use infernet_api::types::doctor::DoctorReport;
use infernet_api::types::job::{Job, JobFilter, JobList, NewJob, Quote};
use infernet_api::types::log::{LogFilter, LogLines};
use infernet_api::types::model::{Model, ModelAction, ModelList, ModelState};
use infernet_api::types::money::{
    ClaimRequest, Claimed, Earnings, EarningsQuery, ReceiptFilter, ReceiptList, Refund, RefundList, RefundRequest,
    StakeChanged, StakeInfo, StakeRequest,
};
use infernet_api::types::peer::{InvitationLink, PeerList};
use infernet_api::types::settings::Settings;
use infernet_api::types::status::{MiningState, MiningStatus, PauseRequest, Status};
use infernet_api::types::trust::Trust;
use infernet_api::types::verdict::JobProof;
use infernet_api::{ApiError, Digest, ErrorCode, JobId, ModelId, RequestId};
use infernet_node::http::{Answer, Backend, EventLog, Measure, Preview, StoredFile};
use serde_json::Value;

use crate::fixtures;

/// A node in memory: jobs by number, everything else from the fixtures.
pub(crate) struct MemoryNode {
    events: EventLog,
    jobs: Mutex<BTreeMap<JobId, Job>>,
    submitted: Mutex<BTreeMap<RequestId, JobId>>,
    settings: Mutex<Settings>,
    /// Methods called, in order.
    calls: Mutex<Vec<&'static str>>,
    /// What `clip` and `bundle` give.
    file: Mutex<Option<StoredFile>>,
    doctor_takes: Duration,
}

impl MemoryNode {
    pub(crate) fn new() -> Self {
        // A small buffer, so that a reader can be made to lag.
        Self::with_events(EventLog::with_capacity(0xabc, 100, 50))
    }

    pub(crate) fn with_events(events: EventLog) -> Self {
        Self {
            events,
            jobs: Mutex::new((1..=5).map(|number| (fixtures::job(number).id, fixtures::job(number))).collect()),
            submitted: Mutex::default(),
            settings: Mutex::default(),
            calls: Mutex::default(),
            file: Mutex::default(),
            doctor_takes: Duration::ZERO,
        }
    }

    /// With a `doctor` that takes so long.
    pub(crate) fn with_slow_doctor(takes: Duration) -> Self {
        Self { doctor_takes: takes, ..Self::new() }
    }

    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn store(&self, path: PathBuf, sha256: Digest) {
        *self.file.lock().unwrap() = Some(StoredFile { path, sha256 });
    }

    fn called(&self, method: &'static str) {
        self.calls.lock().unwrap().push(method);
    }

    fn known(&self, id: JobId) -> Answer<Job> {
        let missing = || ApiError::new(ErrorCode::JobNotFound, format!("no job {id} is known here"), "list the jobs");
        self.jobs.lock().unwrap().get(&id).cloned().ok_or_else(missing)
    }

    fn stored(&self, id: JobId, missing: ErrorCode) -> Answer<StoredFile> {
        self.known(id)?;
        let none = || ApiError::new(missing, "there is none", "wait for the end of the job");
        self.file.lock().unwrap().clone().ok_or_else(none)
    }
}

impl Backend for MemoryNode {
    fn events(&self) -> &EventLog {
        &self.events
    }

    async fn status(&self) -> Answer<Status> {
        self.called("status");
        Ok(fixtures::status())
    }

    async fn devices(&self) -> Answer<DeviceList> {
        self.called("devices");
        Ok(fixtures::devices())
    }

    async fn rescan_devices(&self) -> Answer<DeviceList> {
        self.called("rescan_devices");
        Ok(fixtures::devices())
    }

    async fn jobs(&self, filter: JobFilter) -> Answer<JobList> {
        self.called("jobs");
        let jobs = self.jobs.lock().unwrap();
        let mut wanted: Vec<_> = jobs.values().filter(|job| filter.wants(job)).cloned().collect();
        wanted.sort_by_key(|job| std::cmp::Reverse((job.created_unix_ms, job.id)));
        let total = wanted.len() as u64;
        if let Some(before) = filter.before {
            let position = wanted.iter().position(|job| job.id == before).map_or(wanted.len(), |position| position + 1);
            wanted.drain(..position);
        }
        let page = filter.page()? as usize;
        let more = wanted.len() > page;
        wanted.truncate(page);
        let next = wanted.last().filter(|_| more).map(|job| job.id);
        Ok(JobList { jobs: wanted, total, next })
    }

    async fn submit(&self, job: NewJob) -> Answer<Job> {
        self.called("submit");
        let mut submitted = self.submitted.lock().unwrap();
        if let Some(id) = job.request_id.and_then(|request| submitted.get(&request)) {
            return self.known(*id);
        }
        let mut jobs = self.jobs.lock().unwrap();
        let new = Job { prompt: Some(job.prompt), ..fixtures::job(u8::try_from(jobs.len()).unwrap() + 1) };
        jobs.insert(new.id, new.clone());
        submitted.extend(job.request_id.map(|request| (request, new.id)));
        Ok(new)
    }

    async fn quote(&self, _job: NewJob) -> Answer<Quote> {
        self.called("quote");
        Ok(fixtures::quote())
    }

    async fn job(&self, id: JobId) -> Answer<Job> {
        self.called("job");
        self.known(id)
    }

    async fn cancel(&self, id: JobId) -> Answer<Job> {
        self.called("cancel");
        self.known(id)
    }

    async fn clip(&self, id: JobId) -> Answer<StoredFile> {
        self.called("clip");
        self.stored(id, ErrorCode::ClipNotFound)
    }

    async fn proof(&self, id: JobId) -> Answer<JobProof> {
        self.called("proof");
        Ok(fixtures::proof(self.known(id)?.id))
    }

    async fn bundle(&self, id: JobId) -> Answer<StoredFile> {
        self.called("bundle");
        self.stored(id, ErrorCode::ProofNotFound)
    }

    async fn preview(&self, id: JobId) -> Answer<Preview> {
        self.called("preview");
        self.known(id)?;
        Ok(Preview { png: b"\x89PNG".to_vec(), step: 9 })
    }

    async fn earnings(&self, _query: EarningsQuery) -> Answer<Earnings> {
        self.called("earnings");
        Ok(fixtures::earnings())
    }

    async fn claim(&self, request: ClaimRequest) -> Answer<Claimed> {
        self.called("claim");
        Ok(fixtures::claimed(request.amount_microcredits.unwrap_or(7_500)))
    }

    async fn receipts(&self, _filter: ReceiptFilter) -> Answer<ReceiptList> {
        self.called("receipts");
        Ok(fixtures::receipts())
    }

    async fn stake(&self) -> Answer<StakeInfo> {
        self.called("stake");
        Ok(fixtures::stake())
    }

    async fn change_stake(&self, request: StakeRequest) -> Answer<StakeChanged> {
        self.called("change_stake");
        if request.amount_microcredits > Some(1_000_000) {
            let message = "the balance is 1000000 micro-credits";
            return Err(ApiError::new(ErrorCode::InsufficientBalance, message, "stake less"));
        }
        Ok(fixtures::stake_changed())
    }

    async fn refunds(&self) -> Answer<RefundList> {
        self.called("refunds");
        Ok(fixtures::refunds())
    }

    async fn refund(&self, request: RefundRequest) -> Answer<Refund> {
        self.called("refund");
        Ok(fixtures::refund(self.known(request.job)?.id))
    }

    async fn trust(&self) -> Answer<Trust> {
        self.called("trust");
        Ok(fixtures::trust())
    }

    async fn invitation(&self) -> Answer<InvitationLink> {
        self.called("invitation");
        Ok(fixtures::invitation())
    }

    async fn peers(&self) -> Answer<PeerList> {
        self.called("peers");
        Ok(fixtures::peers())
    }

    async fn models(&self) -> Answer<ModelList> {
        self.called("models");
        Ok(fixtures::models())
    }

    async fn change_model(&self, id: ModelId, action: ModelAction) -> Answer<Model> {
        self.called("change_model");
        if id != fixtures::model_id() {
            return Err(ApiError::new(ErrorCode::ModelNotFound, format!("no model {id}"), "list the models"));
        }
        Ok(fixtures::model(match action {
            ModelAction::Download => ModelState::Downloading { done_bytes: 1, total_bytes: 2, bytes_per_sec: 3 },
            _ => ModelState::Available,
        }))
    }

    async fn settings(&self) -> Answer<Settings> {
        self.called("settings");
        Ok(self.settings.lock().unwrap().clone())
    }

    async fn patch_settings(&self, patch: Value) -> Answer<Settings> {
        self.called("patch_settings");
        let mut settings = self.settings.lock().unwrap();
        *settings = settings.patched(&patch)?;
        Ok(settings.clone())
    }

    async fn start_mining(&self) -> Answer<MiningStatus> {
        self.called("start_mining");
        Ok(fixtures::mining(MiningState::Starting))
    }

    async fn pause_mining(&self, request: PauseRequest) -> Answer<MiningStatus> {
        self.called("pause_mining");
        let ends = request.for_secs.map(|secs| fixtures::NOW_MS + 1000 * u64::from(secs));
        Ok(MiningStatus { pause_ends_unix_ms: ends, ..fixtures::mining(MiningState::Paused) })
    }

    async fn doctor(&self) -> Answer<DoctorReport> {
        self.called("doctor");
        tokio::time::sleep(self.doctor_takes).await;
        Ok(fixtures::doctor())
    }

    async fn measures(&self) -> Vec<Measure> {
        vec![Measure::gauge("peers_connected", "Peers connected", 3.0)]
    }

    async fn log(&self, filter: LogFilter) -> Answer<LogLines> {
        self.called("log");
        Ok(fixtures::log(filter))
    }
}
