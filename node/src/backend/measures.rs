//! The node's figures for Prometheus.

use super::NodeBackend;
use crate::http::Measure;

/// A share in parts per million, as a fraction.
fn fraction(ppm: u32) -> f64 {
    f64::from(ppm) / 1e6
}

impl NodeBackend {
    pub(super) async fn measures_now(&self) -> Vec<Measure> {
        let mut all = self.own_measures().await;
        all.extend(self.validator_measures().await);
        all
    }

    async fn own_measures(&self) -> Vec<Measure> {
        // A status that can't be had is told where it is asked for.
        let Ok(status) = self.status_now().await else { return Vec::new() };
        let states = |name: &str| f64::from(u8::from(name == word(&status.mining.state)));
        let mining = ["off", "starting", "waiting", "working", "paused", "attention"].into_iter().map(|name| {
            Measure::gauge("mining_state", "1 for what mining is doing now", states(name)).of("state", name)
        });
        let reasons = status.mining.pause_reasons.iter().map(|reason| {
            Measure::gauge("pause_reason", "1 for each reason that keeps the miner from its next job", 1.0)
                .of("reason", word(reason))
        });
        let mut all: Vec<Measure> = mining.chain(reasons).collect();
        all.extend([
            Measure::gauge("uptime_seconds", "Time since the node started", status.uptime_secs as f64),
            Measure::gauge("peers_connected", "Peers connected", f64::from(status.peers_connected)),
            Measure::gauge(
                "validator_connected",
                "1 while the network's validator can be reached",
                f64::from(u8::from(status.network.validator_connected)),
            ),
            Measure::gauge("balance_microcredits", "Balance of this node", status.balance_microcredits as f64),
            Measure::gauge(
                "earned_today_microcredits",
                "Earned since midnight UTC",
                status.earned_today_microcredits as f64,
            ),
            Measure::counter(
                "worker_restarts",
                "Starts of the worker after the first",
                f64::from(status.worker.restarts),
            ),
        ]);
        all.extend(
            status.trust_ppm.map(|trust| Measure::gauge("trust_ratio", "Trust in this miner, 0 to 1", fraction(trust))),
        );
        all
    }

    async fn validator_measures(&self) -> Vec<Measure> {
        let Some(validator) = &self.node().roles().validator else { return Vec::new() };
        let looked = validator.look(|desk| {
            let ledger = desk.journal.ledger();
            let totals = ledger.totals();
            let open = desk.open_stages().into_iter();
            let mut all: Vec<Measure> = open
                .map(|(stage, count)| {
                    Measure::gauge("validator_open_jobs", "Jobs that are not over, by stage", count as f64)
                        .of("stage", stage)
                })
                .collect();
            all.extend([
                Measure::gauge("validator_settled_jobs", "Jobs that were paid", desk.settled_count() as f64),
                Measure::gauge("validator_finished_jobs", "Jobs that are over", desk.over_count() as f64),
                Measure::gauge("validator_known_miners", "Miners heard of since the start", desk.miners.len() as f64),
                Measure::gauge("ledger_entries", "Entries of the ledger", desk.journal.head().0 as f64),
                Measure::gauge(
                    "ledger_conserved",
                    "1 while all credits that were issued are somewhere, and no others",
                    f64::from(u8::from(totals.conserved())),
                ),
            ]);
            let pockets = [
                ("issued", totals.issued),
                ("burned", totals.burned),
                ("balances", totals.balances),
                ("free_stake", totals.free_stake),
                ("locked_stake", totals.locked_stake),
                ("unstaking", totals.unstaking),
                ("claimable", totals.claimable),
                ("escrow", totals.escrow),
            ];
            all.extend(pockets.map(|(pocket, amount)| {
                Measure::gauge("ledger_microcredits", "Where the credits are", amount as f64).of("pocket", pocket)
            }));
            all
        });
        looked.await.unwrap_or_default()
    }
}

/// The name that the API has for a value.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
