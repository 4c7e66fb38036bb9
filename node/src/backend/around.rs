//! Looks around from time to time, for the reasons to pause.

use std::time::Duration;

use infernet_api::types::device::DeviceKind;
use infernet_api::types::status::PauseReason;
use tokio::sync::mpsc;

use super::NodeBackend;
use super::mining::Around;
use crate::clock::now_ms;
use crate::manners::{Senses, Surroundings, minutes_until_open, pauses};

/// How often.
const LOOK: Duration = Duration::from_secs(5);
/// How often settings are compared with those of the last look.
const NOTICE: Duration = Duration::from_millis(500);
const MINUTE_MS: u64 = 60_000;

impl NodeBackend {
    /// Applies what the surroundings ask for, until the backend stops.
    pub(super) async fn watch_around(self) {
        if self.node().roles().miner.is_none() {
            return;
        }
        let (send, mut looks) = mpsc::channel(1);
        let backend = self.clone();
        // Asks services that may take their time, on a thread of its own.
        let started = std::thread::Builder::new().name("surroundings".to_owned()).spawn(move || backend.look(&send));
        if let Err(error) = started {
            tracing::warn!("nothing pauses mining by itself: {error}");
            return;
        }
        let mut reasons = std::collections::BTreeSet::new();
        while let Some(mut around) = looks.recv().await {
            self.look_at_device(&mut around).await;
            let settings = self.inner.settings.get().mining;
            reasons = pauses(&settings, &around, &reasons);
            let opens_unix_ms = reasons
                .contains(&PauseReason::Schedule)
                .then(|| minutes_until_open(&settings.schedule, around.minute_of_week))
                .flatten()
                .map(|minutes| (now_ms() / MINUTE_MS + u64::from(minutes)) * MINUTE_MS);
            self.note_around(Around { reasons: reasons.clone(), opens_unix_ms });
        }
    }

    fn look(&self, send: &mpsc::Sender<Surroundings>) {
        let mut senses = Senses::new();
        while !self.inner.ending.is_cancelled() {
            let settings = self.inner.settings.get();
            let around = senses.look(&settings.mining, &self.inner.config.data);
            if send.blocking_send(around).is_err() {
                return;
            }
            let begin = std::time::Instant::now();
            // A change of the settings takes effect at once.
            while begin.elapsed() < LOOK
                && !self.inner.ending.is_cancelled()
                && self.inner.settings.get().revision == settings.revision
            {
                std::thread::sleep(NOTICE);
            }
        }
    }

    /// Temperature and load of the GPU that is computed on; the processor is everybody's.
    async fn look_at_device(&self, around: &mut Surroundings) {
        let on_cpu = self.inner.devices.lock().await.as_ref().is_some_and(|(_, list)| list.chosen == "cpu");
        // Every look starts a process that asks the drivers: not where the processor computes, and not where that can't be.
        if on_cpu || self.inner.config.device_probe.is_none() {
            return;
        }
        let Ok(list) = self.device_list(false).await else { return };
        let device = list.devices.iter().find(|device| device.id == list.chosen && device.kind != DeviceKind::Cpu);
        let Some(device) = device else { return };
        let working = self.node().roles().miner.as_ref().is_some_and(|miner| miner.snapshot().borrow().job.is_some());
        around.temperature_celsius = device.temperature_celsius;
        around.others_load_percent = device.load_percent.filter(|_| !working);
    }
}
