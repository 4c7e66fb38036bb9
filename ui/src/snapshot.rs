//! Everything that is drawn, as it was at one moment. The client thread replaces it; pages only read it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use egui::ColorImage;
use infernet_api::types::device::DeviceList;
use infernet_api::types::doctor::DoctorReport;
use infernet_api::types::event::{Event, EventKind};
use infernet_api::types::job::{Job, JobList, NewJob, Quote};
use infernet_api::types::log::LogLines;
use infernet_api::types::model::ModelList;
use infernet_api::types::money::{Bucket, Earnings, ReceiptList, RefundList, StakeInfo};
use infernet_api::types::peer::{InvitationLink, PeerList};
use infernet_api::types::settings::Settings;
use infernet_api::types::status::Status;
use infernet_api::types::trust::Trust;
use infernet_api::types::verdict::JobProof;
use infernet_api::{JobId, Problem};

use crate::actions::ActionId;
use crate::backup::Words;

/// Most events that are kept.
pub const MAX_EVENTS: usize = 10_000;
/// Most jobs that are kept.
pub const MAX_JOBS: usize = 1_000;
/// Readings kept for each device: half an hour, one each five seconds.
pub const MAX_SAMPLES: usize = 360;
/// Most outcomes of actions that are kept.
pub const MAX_OUTCOMES: usize = 64;

/// Something that comes from the node.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Loadable<T> {
    /// On its way.
    #[default]
    Loading,
    /// Here.
    Ready(T),
    /// It did not come.
    Failed(Problem),
}

impl<T> Loadable<T> {
    /// What came.
    pub fn ready(&self) -> Option<&T> {
        match self {
            Self::Ready(value) => Some(value),
            _ => None,
        }
    }

    /// What came, to change.
    pub fn ready_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Ready(value) => Some(value),
            _ => None,
        }
    }

    /// Takes what came. A failure does not replace what is there already: old numbers with a banner say more.
    pub fn update(&mut self, result: Result<T, Problem>) {
        match result {
            Ok(value) => *self = Self::Ready(value),
            Err(_) if matches!(self, Self::Ready(_)) => {}
            Err(problem) => *self = Self::Failed(problem),
        }
    }

    /// It did not come; what is there stays.
    pub fn fail(&mut self, problem: &Problem) {
        self.update(Err(problem.clone()));
    }
}

/// Whether the node answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// Not yet.
    #[default]
    Connecting,
    /// It does.
    Connected,
    /// It did, or does not.
    Lost(Problem),
}

/// One reading of a device, for the timeline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceSample {
    /// When, milliseconds since 1970 UTC.
    pub time_unix_ms: u64,
    /// Memory used by the node.
    pub ours_bytes: u64,
    /// Memory used by all.
    pub used_bytes: u64,
    /// Load.
    pub load_percent: Option<f32>,
}

/// A decoded clip.
#[derive(Clone, PartialEq)]
pub struct Clip {
    /// Its frames, `(height, width)` each.
    pub frames: Vec<Arc<ColorImage>>,
    /// Frames per second.
    pub frames_per_second: f64,
    /// The file it was decoded from.
    pub mp4: Arc<Vec<u8>>,
}

impl std::fmt::Debug for Clip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clip({} frames, {} bytes)", self.frames.len(), self.mp4.len())
    }
}

/// The newest preview of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// After which step.
    pub step: Option<u32>,
    /// The picture.
    pub picture: Arc<ColorImage>,
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Which.
    pub id: ActionId,
    /// What to say, or what went wrong.
    pub result: Result<String, Problem>,
}

/// A quote and what it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Quoted {
    /// The order.
    pub order: NewJob,
    /// What it would cost.
    pub quote: Loadable<Quote>,
}

/// Everything that is drawn.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Counts changes.
    pub version: u64,
    /// This computer's clock when it was made, milliseconds since 1970 UTC.
    pub now_unix_ms: u64,
    /// Where the node is.
    pub node_url: String,
    /// Whether the shell can start the node again.
    pub can_restart: bool,
    /// Whether the shell can take the node to another network.
    pub can_join: bool,
    /// A link that lets others in, once it was asked for.
    pub invitation: Option<Loadable<InvitationLink>>,
    /// Whether the identity is this computer's and its words can be shown.
    pub can_backup: bool,
    /// The identity's words, while they are shown.
    pub words: Option<Loadable<Words>>,
    /// Whether the node answers.
    pub connection: Connection,
    /// The node.
    pub status: Loadable<Status>,
    /// Devices.
    pub devices: Loadable<DeviceList>,
    /// Readings by device, oldest first.
    pub samples: BTreeMap<String, VecDeque<DeviceSample>>,
    /// Jobs, newest first.
    pub jobs: Loadable<JobList>,
    /// Proofs that were asked for.
    pub proofs: BTreeMap<JobId, Loadable<JobProof>>,
    /// Earnings.
    pub earnings: Loadable<Earnings>,
    /// How wide their bars are.
    pub bucket: Bucket,
    /// Receipts, newest first.
    pub receipts: Loadable<ReceiptList>,
    /// Stake.
    pub stake: Loadable<StakeInfo>,
    /// Refunds.
    pub refunds: Loadable<RefundList>,
    /// Trust.
    pub trust: Loadable<Trust>,
    /// Peers.
    pub peers: Loadable<PeerList>,
    /// Models.
    pub models: Loadable<ModelList>,
    /// Settings.
    pub settings: Loadable<Settings>,
    /// What is in order, once it was asked for.
    pub doctor: Option<Loadable<DoctorReport>>,
    /// What the node has logged, once it was asked for.
    pub log: Option<Loadable<LogLines>>,
    /// The newest quote.
    pub quoted: Option<Quoted>,
    /// Previews of jobs on their way.
    pub previews: BTreeMap<JobId, Preview>,
    /// Clips that were asked for.
    pub clips: BTreeMap<JobId, Loadable<Arc<Clip>>>,
    /// First frames of clips.
    pub thumbnails: BTreeMap<JobId, Arc<ColorImage>>,
    /// What happened, oldest first.
    pub events: VecDeque<Event>,
    /// How actions ended, oldest first.
    pub outcomes: VecDeque<Outcome>,
}

impl Snapshot {
    /// The outcome of an action, once it has one.
    #[must_use]
    pub fn outcome(&self, id: ActionId) -> Option<&Result<String, Problem>> {
        self.outcomes.iter().rev().find(|outcome| outcome.id == id).map(|outcome| &outcome.result)
    }

    /// Notes how an action ended.
    pub fn finish(&mut self, id: ActionId, result: Result<String, Problem>) {
        self.outcomes.push_back(Outcome { id, result });
        while self.outcomes.len() > MAX_OUTCOMES {
            self.outcomes.pop_front();
        }
    }

    /// A job by its id.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.ready()?.jobs.iter().find(|job| job.id == id)
    }

    /// Takes new readings.
    pub fn devices_read(&mut self, list: DeviceList) {
        for device in &list.devices {
            let Some(used_bytes) = device.vram_used_bytes else { continue };
            let samples = self.samples.entry(device.id.clone()).or_default();
            samples.push_back(DeviceSample {
                time_unix_ms: list.sampled_unix_ms,
                ours_bytes: device.vram_ours_bytes.unwrap_or(0).min(used_bytes),
                used_bytes,
                load_percent: device.load_percent,
            });
            while samples.len() > MAX_SAMPLES {
                samples.pop_front();
            }
        }
        self.devices = Loadable::Ready(list);
    }

    /// Puts a job in its place: changed where it is known, in front where it is new.
    pub fn job_changed(&mut self, job: Job) {
        if let Some(status) = self.status.ready_mut()
            && status.current_job.as_ref().is_some_and(|current| current.id == job.id)
        {
            status.current_job = (!job.stage.is_final()).then(|| job.clone());
        }
        if job.stage.is_final() {
            self.previews.remove(&job.id);
        }
        let Some(list) = self.jobs.ready_mut() else { return };
        match list.jobs.iter_mut().find(|known| known.id == job.id && known.part == job.part) {
            Some(known) => *known = job,
            None => {
                let place = list.jobs.partition_point(|known| known.created_unix_ms > job.created_unix_ms);
                list.jobs.insert(place, job);
                list.total = list.total.saturating_add(1);
                list.jobs.truncate(MAX_JOBS);
            }
        }
    }

    /// Takes an event: what it carries replaces what is here. Says which parts must be asked for again.
    pub fn event(&mut self, event: Event) -> Vec<Part> {
        let stale = self.take(&event.kind);
        let quiet =
            matches!(event.kind, EventKind::JobProgress { .. } | EventKind::Devices { .. } | EventKind::Preview { .. });
        if !quiet {
            self.events.push_back(event);
            while self.events.len() > MAX_EVENTS {
                self.events.pop_front();
            }
        }
        stale
    }

    fn take(&mut self, kind: &EventKind) -> Vec<Part> {
        match kind {
            EventKind::Lagged => return Part::ALL.to_vec(),
            EventKind::Mining { mining } => {
                if let Some(status) = self.status.ready_mut() {
                    status.mining = mining.clone();
                }
            }
            EventKind::Worker { worker } => {
                if let Some(status) = self.status.ready_mut() {
                    status.worker = worker.clone();
                }
            }
            EventKind::Job { job } => {
                self.job_changed((**job).clone());
                return vec![Part::Status];
            }
            EventKind::JobProgress { id, progress } => {
                let jobs = self.jobs.ready_mut().into_iter().flat_map(|list| list.jobs.iter_mut());
                let current = self.status.ready_mut().and_then(|status| status.current_job.as_mut());
                for job in jobs.chain(current).filter(|job| job.id == *id) {
                    job.progress = progress.clone();
                }
            }
            EventKind::Preview { id, .. } => return vec![Part::Preview(*id)],
            EventKind::Verdict { id, .. } => {
                self.proofs.remove(id);
                return vec![Part::Jobs, Part::Trust];
            }
            EventKind::Slashed { .. } | EventKind::Reward { .. } => {
                return vec![Part::Earnings, Part::Receipts, Part::Stake, Part::Status];
            }
            EventKind::Earnings { earnings } => {
                if let Some(known) = self.earnings.ready_mut() {
                    let (buckets, models) = (std::mem::take(&mut known.buckets), std::mem::take(&mut known.models));
                    *known = Earnings { buckets, models, ..(**earnings).clone() };
                }
                return vec![Part::Earnings, Part::Receipts];
            }
            EventKind::Stake { stake } => self.stake = Loadable::Ready((**stake).clone()),
            EventKind::Trust { .. } => return vec![Part::Trust, Part::Status],
            EventKind::Devices { devices } => self.devices_read((**devices).clone()),
            EventKind::PeerConnected { peers_connected, .. } | EventKind::PeerDisconnected { peers_connected, .. } => {
                if let Some(status) = self.status.ready_mut() {
                    status.peers_connected = *peers_connected;
                }
                return vec![Part::Peers];
            }
            EventKind::Reachability { reachability } => {
                if let Some(status) = self.status.ready_mut() {
                    status.reachability = reachability.clone();
                }
                if let Some(peers) = self.peers.ready_mut() {
                    peers.reachability = reachability.clone();
                }
            }
            EventKind::Model { model } => {
                if let Some(list) = self.models.ready_mut()
                    && let Some(known) = list.models.iter_mut().find(|known| known.id == model.id)
                {
                    *known = (**model).clone();
                } else {
                    return vec![Part::Models];
                }
            }
            EventKind::Settings { .. } => return vec![Part::Settings, Part::Status],
            EventKind::Notice { .. } | EventKind::ShuttingDown | EventKind::Unknown => {}
        }
        Vec::new()
    }
}

/// A part of the node that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// `/v1/status`
    Status,
    /// `/v1/devices`
    Devices,
    /// `/v1/jobs`
    Jobs,
    /// `/v1/earnings`
    Earnings,
    /// `/v1/receipts`
    Receipts,
    /// `/v1/stake`
    Stake,
    /// `/v1/refunds`
    Refunds,
    /// `/v1/trust`
    Trust,
    /// `/v1/peers`
    Peers,
    /// `/v1/models`
    Models,
    /// `/v1/settings`
    Settings,
    /// `/v1/jobs/{id}/preview`
    Preview(JobId),
}

impl Part {
    /// All that are not about one job.
    pub const ALL: [Self; 11] = [
        Self::Status,
        Self::Devices,
        Self::Jobs,
        Self::Earnings,
        Self::Receipts,
        Self::Stake,
        Self::Refunds,
        Self::Trust,
        Self::Peers,
        Self::Models,
        Self::Settings,
    ];
}

impl Snapshot {
    /// The node does not answer. What was never loaded says so, too; what was stays to be seen below the banner.
    pub fn lost(&mut self, connection: Connection) {
        if let Connection::Lost(problem) = &connection {
            self.status.fail(problem);
            self.devices.fail(problem);
            self.jobs.fail(problem);
            self.earnings.fail(problem);
            self.receipts.fail(problem);
            self.stake.fail(problem);
            self.refunds.fail(problem);
            self.trust.fail(problem);
            self.peers.fail(problem);
            self.models.fail(problem);
            self.settings.fail(problem);
        }
        self.connection = connection;
    }
}
