//! `doctor`: what is in order on this computer and what is not.

use std::time::Duration;

use infernet_api::ApiError;
use infernet_api::types::doctor::{DoctorCheck, DoctorOutcome, DoctorReport};
use infernet_network::wire::{JobId, JobProgress, Request, Response};

use super::NodeBackend;
use crate::clock::now_ms;
use crate::worker::WorkerState;

/// Clocks further apart than this are worth a word; further than ten times this, deadlines are missed.
const CLOCK_MS: u64 = 3_000;
/// Patience with a worker that starts.
const WORKER_START: Duration = Duration::from_secs(10);

fn check(code: &str, title: &str, outcome: DoctorOutcome, found: impl Into<String>, next_step: &str) -> DoctorCheck {
    DoctorCheck {
        code: code.to_owned(),
        title: title.to_owned(),
        outcome,
        found: found.into(),
        next_step: if outcome == DoctorOutcome::Ok { String::new() } else { next_step.to_owned() },
    }
}

impl NodeBackend {
    pub(super) async fn doctor_now(&self) -> Result<DoctorReport, ApiError> {
        let mut checks = vec![self.identity_check(), self.folder_check()];
        checks.push(self.model_check());
        checks.extend(self.validator_checks().await);
        checks.push(self.worker_check().await);
        checks.extend(self.chain_check().await);
        Ok(DoctorReport { checks })
    }

    fn identity_check(&self) -> DoctorCheck {
        let (code, title) = ("identity", "the node's key");
        let Some(file) = &self.inner.config.identity_file else {
            return check(code, title, DoctorOutcome::Skipped, "the key is not kept in a file", "nothing");
        };
        let shown = file.display();
        match std::fs::metadata(file) {
            Err(error) => {
                let next_step =
                    "bring the file back from a backup before the node is stopped: what it earned belongs to the key";
                check(code, title, DoctorOutcome::Failed, format!("{shown} can't be looked at: {error}"), next_step)
            }
            #[cfg(unix)]
            Ok(metadata) if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 => {
                let next_step = format!("run `chmod 600 {shown}`");
                check(
                    code,
                    title,
                    DoctorOutcome::Failed,
                    format!("others of this computer may read {shown}"),
                    &next_step,
                )
            }
            Ok(_) => check(code, title, DoctorOutcome::Ok, format!("{shown} is there, for its owner only"), ""),
        }
    }

    fn folder_check(&self) -> DoctorCheck {
        let folder = &self.inner.config.data;
        let (outcome, found) = match tempfile::tempfile_in(folder) {
            Ok(_) => (DoctorOutcome::Ok, format!("{} can be written", folder.display())),
            Err(error) => (DoctorOutcome::Failed, format!("{} can't be written: {error}", folder.display())),
        };
        check(
            "folder",
            "the node's folder",
            outcome,
            found,
            "make room, and give the folder to the user that runs the node",
        )
    }

    fn model_check(&self) -> DoctorCheck {
        let (code, title) = ("models", "models and the bounds to judge them by");
        let models: Vec<_> = self.node().roles().models.iter().collect();
        if models.is_empty() {
            let next_step = "download one: infernet model list";
            return check(code, title, DoctorOutcome::Failed, "no model can be run here", next_step);
        }
        let missing: Vec<String> = models
            .iter()
            .filter_map(|model| model.bounds().err().map(|error| format!("{}: {error}", model.id)))
            .collect();
        if missing.is_empty() {
            let names: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
            return check(
                code,
                title,
                DoctorOutcome::Ok,
                format!("{} with bounds: {}", models.len(), names.join(", ")),
                "",
            );
        }
        check(code, title, DoctorOutcome::Warning, missing.join("; "), "measure them: infernet calibrate")
    }

    /// Whether the chain answers, and the account can pay for what it sends; none where the ledger settles.
    async fn chain_check(&self) -> Option<DoctorCheck> {
        let chain = self.chain()?;
        let (code, title) = ("chain", "the contract that settles");
        let status = match chain.driver().status().await {
            Ok(status) => status,
            Err(error) => {
                let (found, next_step) = (format!("{error} ({})", error.code()), error.next_step());
                return Some(check(code, title, DoctorOutcome::Failed, found, next_step));
            }
        };
        let seen = chain.store().seen_block().ok().flatten().map_or(0, |(block, _)| block);
        let found = format!(
            "contract {} on chain {}, block {}, read to {seen}; account {} has {} micro-credits in tokens",
            status.contract, status.chain_id, status.head, status.account, status.balance_microcredits
        );
        if status.gas_balance_wei.is_zero() {
            let next_step = "send the account some of the chain's coin: it pays for its own transactions";
            return Some(check(
                code,
                title,
                DoctorOutcome::Warning,
                format!("{found}, and nothing for gas"),
                next_step,
            ));
        }
        Some(check(code, title, DoctorOutcome::Ok, found, ""))
    }

    /// Whether the validator answers, and whether it has the same time.
    async fn validator_checks(&self) -> Vec<DoctorCheck> {
        let (reach, clock) = (("validator", "the validator"), ("clock", "this computer's clock"));
        let before = now_ms();
        // News of no job: what any role may send, and the answer is the validator's time.
        let news = JobProgress { job_id: JobId([0; 16]), step: 0, steps: 0, preview: None };
        let answer = self.node().ask(Request::JobProgress(news)).await;
        let after = now_ms();
        let key = self.node().roles().validator_key;
        let theirs = match answer {
            Ok(Response::Ack(ack)) => ack.now_unix_ms,
            other => {
                let reason = match other {
                    Ok(_) => "its answer fits no question of ours".to_owned(),
                    Err(error) => error.to_string(),
                };
                let next_step =
                    "check the network connection, and that the validator runs; its invitation has its addresses";
                let found = format!("{key} can't be reached: {reason}");
                return vec![
                    check(reach.0, reach.1, DoctorOutcome::Failed, found, next_step),
                    check(
                        clock.0,
                        clock.1,
                        DoctorOutcome::Skipped,
                        "there was nobody to ask the time",
                        "reach the validator first",
                    ),
                ];
            }
        };
        let round = after.saturating_sub(before);
        let apart = theirs.abs_diff(before + round / 2).saturating_sub(round / 2);
        let outcome = match apart {
            0..=CLOCK_MS => DoctorOutcome::Ok,
            apart if apart <= 10 * CLOCK_MS => DoctorOutcome::Warning,
            _ => DoctorOutcome::Failed,
        };
        vec![
            check(reach.0, reach.1, DoctorOutcome::Ok, format!("{key} answers in {round} ms"), ""),
            check(
                clock.0,
                clock.1,
                outcome,
                format!("{apart} ms apart from the validator's"),
                "set the clock by a time server: deadlines are told in the validator's time",
            ),
        ]
    }

    async fn worker_check(&self) -> DoctorCheck {
        let (code, title) = ("worker", "the worker process");
        let supervisor = self.node().supervisor();
        let state = supervisor.state().borrow().clone();
        let next_step = "look at the reason; where files of InferNet are missing, install it again";
        match state {
            WorkerState::Idle | WorkerState::Busy => check(code, title, DoctorOutcome::Ok, "it runs", ""),
            WorkerState::Waiting { crashes, reason } => check(
                code,
                title,
                DoctorOutcome::Failed,
                format!("it crashed {crashes} times in a row: {reason}"),
                next_step,
            ),
            WorkerState::Stopped => match tokio::time::timeout(WORKER_START, supervisor.warm()).await {
                Ok(Ok(())) => check(code, title, DoctorOutcome::Ok, "it starts", ""),
                Ok(Err(error)) => check(code, title, DoctorOutcome::Failed, error.to_string(), next_step),
                Err(_) => {
                    let found = format!("it did not start in {} s", WORKER_START.as_secs());
                    check(code, title, DoctorOutcome::Failed, found, next_step)
                }
            },
        }
    }
}
