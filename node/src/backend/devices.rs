//! What the node can compute on: the engine's report under the API's names.

use std::time::{Duration, Instant};

use infernet_api::types::device::{Device, DeviceKind, DeviceList, DeviceUsability, Memory};
use infernet_api::{ApiError, Problem};
use infernet_engine::devices::{
    ComputeDevice, DEFAULT_PROBE_TIMEOUT, DeviceReport, Gpu, GpuKind, Usability, probe, probe_here,
};
use serde::Serialize;

use super::{NodeBackend, errors};
use crate::clock::now_ms;

/// How long a report is good: asking drivers starts a process.
const FRESH: Duration = Duration::from_secs(5);

/// The newest report.
pub(super) type Cached = tokio::sync::Mutex<Option<(Instant, DeviceList)>>;

impl NodeBackend {
    /// Devices, asked anew where the last report is old or `fresh` is wanted.
    pub(super) async fn device_list(&self, fresh: bool) -> Result<DeviceList, ApiError> {
        // One asks the drivers at a time; the others take what it found.
        let mut cached = self.inner.devices.lock().await;
        if let Some((_, list)) = cached.as_ref().filter(|(at, _)| !fresh && at.elapsed() < FRESH) {
            return Ok(list.clone());
        }
        let command = self.inner.config.device_probe.clone();
        let report = tokio::task::spawn_blocking(move || match command {
            Some(command) => probe(&command, DEFAULT_PROBE_TIMEOUT),
            None => probe_here(),
        });
        let list = listed(&report.await.map_err(|error| errors::broken(&error))?);
        *cached = Some((Instant::now(), list.clone()));
        Ok(list)
    }
}

/// A word of the engine as it stands in its JSON.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}

fn listed(report: &DeviceReport) -> DeviceList {
    let mut devices: Vec<Device> = report.gpus.iter().enumerate().map(|(at, gpu)| card(at, gpu)).collect();
    devices.push(Device {
        id: "cpu".to_owned(),
        name: report.cpu.brand.clone().unwrap_or_else(|| "processor".to_owned()),
        vendor: std::env::consts::ARCH.to_owned(),
        kind: DeviceKind::Cpu,
        driver: None,
        vram_total_bytes: None,
        vram_used_bytes: None,
        vram_ours_bytes: None,
        temperature_celsius: None,
        power_watts: None,
        load_percent: None,
        usability: DeviceUsability::Usable { backend: "cpu".to_owned() },
        benchmarks: Vec::new(),
    });
    let chosen = match &report.chosen {
        ComputeDevice::Cpu { .. } => "cpu".to_owned(),
        ComputeDevice::Cuda { gpu_index, .. } | ComputeDevice::Metal { gpu_index, .. } => {
            devices.get(*gpu_index).map(|device| device.id.clone()).unwrap_or_default()
        }
    };
    let note = |note: &infernet_engine::devices::Note| Problem {
        code: word(&note.code),
        message: note.reason.clone(),
        next_step: note.next_step.clone(),
    };
    DeviceList {
        sampled_unix_ms: now_ms(),
        devices,
        chosen,
        chosen_reason: report.chosen.reason().to_owned(),
        memory: Memory {
            total_bytes: report.memory.usable_total_bytes(),
            available_bytes: report.memory.available_bytes,
            // The report's peak is that of the process that asked the drivers, not the node's.
            ours_bytes: None,
        },
        notes: report.notes.iter().map(note).collect(),
    }
}

fn card(at: usize, gpu: &Gpu) -> Device {
    let backend = gpu.usability.backend().map(|backend| word(&backend));
    let place = || gpu.pci_address.as_ref().map_or_else(|| format!("gpu:{at}"), ToString::to_string);
    let id = match (backend.as_deref(), gpu.nvml_index) {
        (Some("cuda"), Some(index)) => format!("cuda:{index}"),
        (Some("metal"), _) => format!("metal:{at}"),
        _ => place(),
    };
    let driver: Vec<&str> = [&gpu.driver_name, &gpu.driver_version].into_iter().flatten().map(String::as_str).collect();
    Device {
        id,
        name: gpu.name.clone(),
        vendor: word(&gpu.vendor),
        kind: match gpu.kind {
            GpuKind::Discrete => DeviceKind::DiscreteGpu,
            GpuKind::Integrated => DeviceKind::IntegratedGpu,
            GpuKind::Virtual => DeviceKind::VirtualGpu,
            GpuKind::Software => DeviceKind::SoftwareGpu,
            GpuKind::Unknown => DeviceKind::OtherGpu,
        },
        driver: if driver.is_empty() { gpu.kernel_driver.clone() } else { Some(driver.join(" ")) },
        vram_total_bytes: gpu.vram_total_bytes,
        vram_used_bytes: gpu.vram_used_bytes,
        vram_ours_bytes: None,
        temperature_celsius: gpu.temperature_celsius,
        power_watts: gpu.power_watts,
        load_percent: gpu.load_percent,
        usability: match &gpu.usability {
            Usability::Usable { backend } => DeviceUsability::Usable { backend: word(backend) },
            Usability::Unusable { code, reason, next_step } => DeviceUsability::Unusable {
                problem: Problem { code: word(code), message: reason.clone(), next_step: next_step.clone() },
            },
        },
        benchmarks: Vec::new(),
    }
}
