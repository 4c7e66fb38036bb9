//! Events: what changes is published as it changes, each source by a task of its own, until the backend stops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use infernet_api::NodeId;
use infernet_api::types::event::EventKind;
use infernet_api::types::job::JobPart;
use infernet_ledger::{Account, Entry, LedgerParameters, Outcome, Receipt};
use infernet_network::wire::JobId;
use tokio::time::sleep;

use super::{NodeBackend, books, convert, money, trust};
use crate::miner::MinerSnapshot;
use crate::requester::OrderState;
use crate::worker::{Stage, WorkerState};

/// Least time between two looks at a source that changes fast.
const PACE: Duration = Duration::from_millis(200);
/// How often peers, pauses and reachability are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often the account is, in looks.
const ACCOUNT_EVERY: u32 = 4;

impl NodeBackend {
    /// Starts the tasks.
    pub(super) fn watch(&self) {
        let tasks = [
            tokio::spawn(self.clone().watch_orders()).abort_handle(),
            tokio::spawn(self.clone().watch_miner()).abort_handle(),
            tokio::spawn(self.clone().watch_worker()).abort_handle(),
            tokio::spawn(self.clone().watch_others()).abort_handle(),
            tokio::spawn(self.clone().watch_around()).abort_handle(),
        ];
        let ending = self.inner.ending.clone();
        tokio::spawn(async move {
            ending.cancelled().await;
            tasks.iter().for_each(tokio::task::AbortHandle::abort);
        });
    }

    fn publish(&self, kind: EventKind) {
        self.inner.events.publish(kind);
    }

    async fn watch_orders(self) {
        let Some(requester) = self.node().roles().requester.clone() else { return };
        let states = || -> BTreeMap<JobId, OrderState> {
            requester.orders().into_iter().map(|(id, order)| (id, order.state)).collect()
        };
        let mut changes = requester.changes();
        let mut known = states();
        let mut shown: BTreeMap<JobId, u32> = BTreeMap::new();
        while changes.changed().await.is_ok() {
            let now = states();
            for id in now.iter().filter(|(_, state)| !state.is_over()).map(|(id, _)| *id) {
                let Some((step, _)) = requester.preview(id) else { continue };
                if shown.insert(id, step) != Some(step) {
                    self.publish(EventKind::Preview { id: convert::job_id(id), step });
                }
            }
            shown.retain(|id, _| now.get(id).is_some_and(|state| !state.is_over()));
            for (id, state) in &now {
                let before = known.get(id);
                if before == Some(state) {
                    continue;
                }
                let Some(job) = self.requested_one(convert::job_id(*id)) else { continue };
                if before.is_some_and(|before| is_progress(before, state)) {
                    self.publish(EventKind::JobProgress { id: job.id, progress: job.progress });
                    continue;
                }
                if state.is_over()
                    && let Err(error) = self.inner.books.refresh(self.node()).await
                {
                    tracing::debug!(job = %id, "its receipts come later: {error}");
                }
                let job = self.completed(job).await;
                let judged = before.is_none_or(|before| before.verdict != state.verdict);
                if let Some(verdict) = job.verdict.clone().filter(|_| judged) {
                    self.publish(EventKind::Verdict { id: job.id, verdict: Box::new(verdict) });
                }
                self.publish(EventKind::Job { job: Box::new(job) });
            }
            known = now;
            sleep(PACE).await;
        }
    }

    async fn watch_miner(self) {
        let Some(miner) = self.node().roles().miner.clone() else { return };
        let mut changes = miner.snapshot();
        let mut before = MinerSnapshot::default();
        loop {
            let now = changes.borrow_and_update().clone();
            if (now.job, &now.pause_reasons) != (before.job, &before.pause_reasons) {
                self.publish(EventKind::Mining { mining: self.mining_status() });
            }
            if let (Some(id), Some(preview)) = (now.job, &now.preview)
                && before.preview.as_ref().is_none_or(|before| !std::sync::Arc::ptr_eq(before, preview))
            {
                self.publish(EventKind::Preview { id: convert::job_id(id), step: preview.step });
            }
            let of_stage = |stage: Option<Stage>| stage.map(|stage| std::mem::discriminant(&stage));
            let id = now.job.or(before.job);
            if let Some(id) = id.filter(|_| now != before) {
                match self.mined().await.ok().and_then(|jobs| jobs.into_iter().find(|job| job.id.0 == id.0)) {
                    Some(job) if (now.job, of_stage(now.stage)) == (before.job, of_stage(before.stage)) => {
                        self.publish(EventKind::JobProgress { id: job.id, progress: job.progress });
                    }
                    Some(job) => {
                        let job = self.completed(job).await;
                        self.publish(EventKind::Job { job: Box::new(job) });
                    }
                    None => {}
                }
            }
            before = now;
            sleep(PACE).await;
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    async fn watch_worker(self) {
        let mut changes = self.node().supervisor().state();
        while changes.changed().await.is_ok() {
            if matches!(*changes.borrow_and_update(), WorkerState::Waiting { .. }) {
                self.inner.restarts.fetch_add(1, Ordering::Relaxed);
            }
            self.publish(EventKind::Worker { worker: self.worker_status() });
            sleep(PACE).await;
        }
    }

    /// What has no news of its own: peers, reachability, the ends of pauses, the account.
    async fn watch_others(self) {
        let mut peers: BTreeSet<NodeId> = BTreeSet::new();
        let mut reachability = None;
        let mut mining = self.mining_status();
        let mut looks = 0_u32;
        let mut seen = None;
        let mut sent = self.transactions();
        loop {
            let now: BTreeSet<NodeId> =
                self.node().swarm().peers().await.iter().map(|peer| convert::node_id(&peer.key)).collect();
            let validator = convert::node_id(&self.node().roles().validator_key);
            self.inner.validator_connected.store(now.contains(&validator), Ordering::Relaxed);
            let peers_connected = convert::count(now.len() as u64);
            for id in now.difference(&peers) {
                self.publish(EventKind::PeerConnected { id: *id, peers_connected });
            }
            for id in peers.difference(&now) {
                self.publish(EventKind::PeerDisconnected { id: *id, peers_connected });
            }
            peers = now;
            let reach = self.reachability().await;
            if reachability.as_ref().is_some_and(|known| *known != reach) {
                self.publish(EventKind::Reachability { reachability: reach.clone() });
            }
            reachability = Some(reach);
            self.apply_pause();
            let status = self.mining_status();
            if status != mining {
                self.publish(EventKind::Mining { mining: status.clone() });
                mining = status;
            }
            if looks.is_multiple_of(ACCOUNT_EVERY) {
                self.watch_account(&mut seen).await;
            }
            let now = self.transactions();
            if now != sent {
                sent = now;
                if let Some(account) = self.last_account() {
                    self.publish(EventKind::Earnings { earnings: Box::new(self.totals(&account)) });
                }
            }
            looks = looks.wrapping_add(1);
            sleep(LOOK).await;
        }
    }

    /// Publishes what changed in the account since it was last looked at.
    async fn watch_account(&self, seen: &mut Option<u64>) {
        let before = self.last_account().unwrap_or_default();
        let account = match (self.inner.books.refresh(self.node()).await, self.account().await) {
            (Ok(_), Ok(account)) => account,
            (Err(error), _) | (_, Err(error)) => {
                tracing::debug!("the account can't be looked at: {error}");
                return;
            }
        };
        let newest = self.inner.books.with(|receipts| receipts.last().map_or(0, |last| last.sequence));
        // What was before this run is no news. Others fetch receipts too, so what is new is told by number.
        let Some(after) = seen.replace(newest) else { return };
        let fresh: Vec<Receipt> = self.inner.books.with(|receipts| {
            receipts.iter().skip(receipts.partition_point(|receipt| receipt.sequence <= after)).cloned().collect()
        });
        for receipt in &fresh {
            self.publish_receipt(receipt);
        }
        self.publish_account(&before, &account);
        for id in fresh.iter().filter_map(|receipt| books::job_of(&receipt.entry)).collect::<BTreeSet<_>>() {
            let Ok(jobs) = self.all_jobs(Some(JobPart::Mined)).await else { return };
            if let Some(job) = jobs.into_iter().find(|job| job.id == id) {
                let job = self.completed(job).await;
                self.publish(EventKind::Job { job: Box::new(job) });
            }
        }
    }

    fn publish_receipt(&self, receipt: &Receipt) {
        let own = self.inner.books.own();
        let (Some(id), Some(shown)) = (books::job_of(&receipt.entry), books::shown(receipt, own)) else { return };
        let one = std::slice::from_ref(receipt);
        let (reward, slashed) = (books::rewards(one, own), books::slashes(one, own));
        if reward > 0 {
            self.publish(EventKind::Reward { id, amount_microcredits: reward, receipt: Box::new(shown) });
        } else if slashed > 0 {
            let failed_check = self.inner.books.of_job(&id).iter().rev().find_map(|receipt| match &receipt.entry {
                Entry::Audited(audited) if audited.miner == *own => match &audited.outcome {
                    Outcome::Rejected { check, .. } => Some(check.to_string()),
                    Outcome::Accepted { .. } => None,
                },
                _ => None,
            });
            self.publish(EventKind::Slashed {
                id,
                amount_microcredits: slashed,
                failed_check: failed_check.unwrap_or_default(),
                receipt: Box::new(shown),
            });
        }
    }

    fn publish_account(&self, before: &Account, now: &Account) {
        if (before.balance, before.claimable) != (now.balance, now.claimable) {
            self.publish(EventKind::Earnings { earnings: Box::new(self.totals(now)) });
        }
        if before.stake != now.stake {
            let mut stake = money::stake_of(now);
            self.complete_stake(&mut stake);
            self.publish(EventKind::Stake { stake: Box::new(stake) });
        }
        if before.standing != now.standing {
            let id = convert::account_node(self.inner.books.own());
            self.publish(EventKind::Trust { miner: trust::shown(id, &now.standing, &LedgerParameters::default()) });
        }
    }
}

/// Whether nothing but the progress is new.
fn is_progress(before: &OrderState, now: &OrderState) -> bool {
    let same = OrderState {
        progress_ppm: now.progress_ppm,
        updated_ms: now.updated_ms,
        stage_deadline_ms: now.stage_deadline_ms,
        ..before.clone()
    };
    same == *now
}
