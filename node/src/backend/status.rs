//! The node at one moment.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;

use infernet_api::types::job::{Job, JobFilter, JobPart};
use infernet_api::types::status::{
    NetworkInfo, Reachability as Shown, ReachabilityState, Role, Status, WorkerState as ShownWorker, WorkerStatus,
};
use infernet_api::{ApiError, JobId, Problem};
use infernet_network::proof::PublicKey;
use infernet_network::swarm::Reachability;
use infernet_network::wire::Roles;

use super::{NodeBackend, books, convert};
use crate::clock::now_ms;
use crate::worker::WorkerState;

/// Names whose words were written down, in the node's folder.
pub const BACKUP_FILE: &str = "identity.backed-up";

/// Whether the words of this identity were written down.
pub fn is_backed_up(folder: &Path, owner: &PublicKey) -> bool {
    std::fs::read_to_string(folder.join(BACKUP_FILE)).is_ok_and(|noted| noted.trim() == owner.to_string())
}

const DAY_MS: u64 = 24 * 3_600_000;

pub(super) fn roles_of(bits: Roles) -> BTreeSet<Role> {
    let all = [(Roles::MINER, Role::Miner), (Roles::VALIDATOR, Role::Validator), (Roles::REQUESTER, Role::Requester)];
    all.into_iter().filter(|(bit, _)| bits.has(*bit)).map(|(_, role)| role).collect()
}

impl NodeBackend {
    pub(super) async fn status_now(&self) -> Result<Status, ApiError> {
        let (inner, now) = (&self.inner, now_ms());
        let account = self.last_account();
        let midnight = now - now % DAY_MS;
        let earned_today = match self.chain() {
            Some(chain) => {
                let gains = chain.gains().unwrap_or_default();
                let today = gains.iter().filter(|gain| gain.time_ms >= midnight);
                today.map(|gain| gain.earned_microcredits).fold(0, u64::saturating_add)
            }
            None => inner.books.with(|receipts| {
                let first = receipts.partition_point(|receipt| receipt.time_ms < midnight);
                books::rewards(receipts.get(first..).unwrap_or_default(), inner.books.own())
            }),
        };
        let key = self.node().public_key();
        Ok(Status {
            node_id: convert::node_id(&key),
            name: inner.settings.get().node.name,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            network: NetworkInfo {
                id: infernet_api::Digest(self.node().ledger().network.0),
                name: inner.config.network.name.clone(),
                validator: Some(convert::node_id(&self.node().roles().validator_key)),
                validator_connected: self.validator_connected(),
                chain: self.chain_info(),
            },
            roles: roles_of(inner.config.roles),
            started_unix_ms: inner.started_ms,
            now_unix_ms: now,
            uptime_secs: now.saturating_sub(inner.started_ms) / 1000,
            mining: self.mining_status(),
            worker: self.worker_status(),
            reachability: self.reachability().await,
            peers_connected: convert::count(self.node().swarm().peers().await.len() as u64),
            current_job: self.current_job().await?,
            earned_today_microcredits: earned_today,
            balance_microcredits: account.as_ref().map_or(0, |account| account.balance),
            trust_ppm: account
                .filter(|_| self.node().roles().miner.is_some())
                .map(|account| account.standing.trust_ppm),
            identity_backed_up: is_backed_up(&inner.config.data, &self.node().public_key()),
        })
    }

    /// The job that is computed here, or else the newest own one that is not finished.
    async fn current_job(&self) -> Result<Option<Job>, ApiError> {
        if let Some(id) = self.mined_now() {
            let filter = JobFilter { part: Some(JobPart::Mined), ..JobFilter::default() };
            let all = self.all_jobs(filter.part).await?;
            if let Some(job) = all.into_iter().find(|job| job.id == id) {
                return Ok(Some(self.completed(job).await));
            }
        }
        if self.node().roles().requester.is_none() {
            return Ok(None);
        }
        let open = self.all_jobs(Some(JobPart::Requested)).await?.into_iter().find(|job| !job.stage.is_final());
        Ok(match open {
            Some(job) => Some(self.completed(job).await),
            None => None,
        })
    }

    /// The job in this node's worker.
    pub(super) fn mined_now(&self) -> Option<JobId> {
        let miner = self.node().roles().miner.as_ref()?;
        miner.snapshot().borrow().job.map(convert::job_id)
    }

    /// Whether the validator is connected, as of the last look; true on the validator itself.
    pub(super) fn validator_connected(&self) -> bool {
        self.node().roles().validator_key == self.node().public_key()
            || self.inner.validator_connected.load(Ordering::Relaxed)
    }

    pub(super) fn worker_status(&self) -> WorkerStatus {
        let state = self.node().supervisor().state().borrow().clone();
        let mined = self.mined_now();
        let (state, last_failure) = match state {
            WorkerState::Stopped => (ShownWorker::Stopped, None),
            WorkerState::Idle => (ShownWorker::Idle, None),
            WorkerState::Busy => (ShownWorker::Busy, None),
            WorkerState::Waiting { reason, .. } => {
                let problem = Problem {
                    code: "worker_crashed".to_owned(),
                    message: reason,
                    next_step: "nothing: it is started again by itself; where it keeps crashing, run infernet doctor"
                        .to_owned(),
                };
                (ShownWorker::BackingOff, Some(problem))
            }
        };
        WorkerStatus {
            state,
            device: Some(self.inner.config.worker_device.clone()),
            job: mined.filter(|_| state == ShownWorker::Busy),
            restarts: self.inner.restarts.load(Ordering::Relaxed),
            next_start_unix_ms: None,
            memory_bytes: None,
            last_failure,
        }
    }

    pub(super) async fn reachability(&self) -> Shown {
        let swarm = self.node().swarm();
        let mut addresses: Vec<String> = swarm.external_addresses().await.iter().map(ToString::to_string).collect();
        let reachability = swarm.reachability().await;
        let state = match &reachability {
            Reachability::Direct { .. } => ReachabilityState::Direct,
            Reachability::Relayed { .. } => ReachabilityState::Relayed,
            Reachability::Unreachable { .. } => ReachabilityState::Unreachable,
            Reachability::Unknown { .. } => ReachabilityState::Unknown,
        };
        if addresses.is_empty() {
            addresses = swarm.listen_addresses().await.iter().map(ToString::to_string).collect();
        }
        let next_step = match state {
            ReachabilityState::Direct | ReachabilityState::Unknown => "",
            ReachabilityState::Relayed | ReachabilityState::Unreachable => {
                "forward a port to this computer on the router and announce it: infernet node --external ADDRESS"
            }
        };
        Shown { state, reason: reachability.to_string(), next_step: next_step.to_owned(), addresses }
    }
}
