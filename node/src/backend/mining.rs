//! Mining: pauses by hand, which survive a restart, those that the surroundings ask for, and the one word for what the miner is
//! doing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use infernet_api::types::status::{MiningState, MiningStatus, PauseReason, PauseRequest};
use infernet_api::{ApiError, Problem};
use infernet_engine::video::write_atomically;
use serde::{Deserialize, Serialize};

use super::{NodeBackend, errors};
use crate::clock::now_ms;
use crate::worker::WorkerState;

/// The file in the node's folder; not there: no pause.
const FILE: &str = "pause.json";
/// Crashes of the worker in a row after which the owner should look.
const CRASHES: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pause {
    until_unix_ms: Option<u64>,
}

/// What the surroundings ask for.
#[derive(Clone, Debug, Default)]
pub(super) struct Around {
    pub(super) reasons: BTreeSet<PauseReason>,
    /// When the schedule lets the miner work again, where that is what it waits for.
    pub(super) opens_unix_ms: Option<u64>,
}

/// The pause by hand, what pauses besides, and since when the miner has been in its state.
#[derive(Debug)]
pub(super) struct Mining {
    file: PathBuf,
    pause: Mutex<Option<Pause>>,
    around: Mutex<Around>,
    since: Mutex<(MiningState, u64)>,
}

impl Mining {
    /// Reads the pause of the last run. A file that can't be read is one: better idle than against the owner's will.
    pub(super) fn open(folder: &Path, start: bool) -> Self {
        let file = folder.join(FILE);
        let read = std::fs::read(&file).ok();
        let kept = read.map(|bytes| serde_json::from_slice(&bytes).unwrap_or(Pause { until_unix_ms: None }));
        let pause = kept.or((!start).then_some(Pause { until_unix_ms: None }));
        Self {
            file,
            pause: Mutex::new(pause),
            around: Mutex::default(),
            since: Mutex::new((MiningState::Starting, now_ms())),
        }
    }

    /// Whether there is a pause now, and when it ends by itself.
    fn now(&self) -> Option<Pause> {
        let pause = *self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        pause.filter(|pause| pause.until_unix_ms.is_none_or(|until| now_ms() < until))
    }

    fn around(&self) -> MutexGuard<'_, Around> {
        // Replaced as a whole, so whole after any panic.
        self.around.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, next: Option<Pause>) -> std::io::Result<()> {
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        match &next {
            Some(next) => {
                let bytes = serde_json::to_vec(next).map_err(std::io::Error::other)?;
                write_atomically(&self.file, &bytes).map_err(std::io::Error::other)?;
            }
            None => match std::fs::remove_file(&self.file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            },
        }
        *pause = next;
        Ok(())
    }
}

impl NodeBackend {
    pub(super) fn pause(&self, request: &PauseRequest) -> Result<MiningStatus, ApiError> {
        let until_unix_ms = request.for_secs.map(|secs| now_ms() + 1000 * u64::from(secs));
        self.change_pause(Some(Pause { until_unix_ms }))
    }

    pub(super) fn start_now(&self) -> Result<MiningStatus, ApiError> {
        self.change_pause(None)
    }

    fn change_pause(&self, pause: Option<Pause>) -> Result<MiningStatus, ApiError> {
        if self.node().roles().miner.is_none() {
            return Err(errors::role_off("miner"));
        }
        self.inner.mining.set(pause).map_err(|error| errors::disk("the pause can't be kept", &error))?;
        self.apply_pause();
        Ok(self.mining_status())
    }

    /// Notes what the surroundings ask for.
    pub(super) fn note_around(&self, around: Around) {
        *self.inner.mining.around() = around;
        self.apply_pause();
    }

    /// Everything that pauses now.
    pub(super) fn pause_reasons(&self) -> BTreeSet<PauseReason> {
        let manual = self.inner.mining.now().map(|_| PauseReason::Manual);
        self.inner.mining.around().reasons.iter().copied().chain(manual).collect()
    }

    /// Tells the miner what pauses it; called when that changes, and from time to time since pauses end.
    pub(super) fn apply_pause(&self) {
        let Some(miner) = &self.node().roles().miner else { return };
        let reasons: Vec<String> = self.pause_reasons().into_iter().map(|reason| reason.name().to_owned()).collect();
        if miner.snapshot().borrow().pause_reasons != reasons {
            miner.pause(reasons);
        }
    }

    pub(super) fn mining_status(&self) -> MiningStatus {
        let pause = self.inner.mining.now();
        let pause_reasons = self.pause_reasons();
        let (mut state, mut attention) = (MiningState::Off, None);
        if let Some(miner) = &self.node().roles().miner {
            let working = miner.snapshot().borrow().job.is_some();
            let crashed = match &*self.node().supervisor().state().borrow() {
                WorkerState::Waiting { crashes, reason } if *crashes >= CRASHES => Some(reason.clone()),
                _ => None,
            };
            state = if let Some(reason) = crashed {
                attention = Some(Problem {
                    code: "worker_crashes".to_owned(),
                    message: format!("the worker crashes again and again: {reason}"),
                    next_step: "look at what is wrong with this computer: infernet doctor".to_owned(),
                });
                MiningState::Attention
            } else if !pause_reasons.is_empty() && !working {
                MiningState::Paused
            } else if working {
                MiningState::Working
            } else if self.validator_connected() {
                MiningState::Waiting
            } else {
                MiningState::Starting
            };
        }
        let mut since = self.inner.mining.since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.0 != state {
            *since = (state, now_ms());
        }
        // Known where one thing is waited for.
        let pause_ends_unix_ms = match (pause, pause_reasons.len()) {
            (Some(pause), 1) => pause.until_unix_ms,
            (None, 1) => self.inner.mining.around().opens_unix_ms,
            _ => None,
        };
        let pause_reasons = if state == MiningState::Off { BTreeSet::new() } else { pause_reasons };
        MiningStatus { state, pause_reasons, pause_ends_unix_ms, since_unix_ms: since.1, attention }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_by_hand_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mining = Mining::open(folder.path(), true);
        assert_eq!(mining.now(), None);
        mining.set(Some(Pause { until_unix_ms: None })).unwrap();
        assert!(Mining::open(folder.path(), true).now().is_some());
        mining.set(None).unwrap();
        mining.set(None).unwrap();
        assert_eq!(Mining::open(folder.path(), true).now(), None);
        assert!(Mining::open(folder.path(), false).now().is_some(), "the owner starts it by hand");
    }

    #[test]
    fn pauses_end_by_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let mining = Mining::open(folder.path(), true);
        mining.set(Some(Pause { until_unix_ms: Some(now_ms() - 1) })).unwrap();
        assert_eq!(mining.now(), None);
        mining.set(Some(Pause { until_unix_ms: Some(now_ms() + 60_000) })).unwrap();
        assert!(mining.now().is_some());
    }
}
