//! What each source said, before anything is concluded from it.
//!
//! Plain data with a JSON form, so that what a strange computer answered can be kept and tested against.

use serde::{Deserialize, Serialize};

use super::choose::choose_among;
use super::join::join;
use super::pci::PciAddress;
use super::preference::DevicePreference;
use super::report::{ComputeDevice, Cpu, DeviceReport, EngineBackends, GpuKind, GraphicsBackend, Note, SystemMemory};
use super::usability::notes;
use super::version::MajorMinor;

/// Everything that the sources said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Readings {
    /// Display controllers on the PCI bus (Linux).
    pub pci_cards: Vec<PciCard>,
    /// NVIDIA's management library.
    pub nvml: NvmlReading,
    /// Adapters that the graphics interfaces list, in their order.
    pub adapters: Vec<AdapterReading>,
    /// Graphics interfaces that failed.
    pub graphics_failures: Vec<GraphicsFailure>,
    /// The processor.
    pub cpu: Cpu,
    /// Main memory.
    pub memory: SystemMemory,
    /// What this installation can drive.
    pub engine: EngineBackends,
    /// The value of `CUDA_VISIBLE_DEVICES`, where set.
    pub cuda_visible_devices: Option<String>,
}

/// A display controller as Linux's sysfs shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PciCard {
    /// Where it sits.
    pub address: Option<PciAddress>,
    /// PCI vendor id.
    pub vendor_id: u32,
    /// PCI device id.
    pub device_id: u32,
    /// Kind, where the driver's files tell it.
    pub kind: Option<GpuKind>,
    /// Driver bound to it.
    pub kernel_driver: Option<String>,
    /// That driver's version, where it has one of its own.
    pub kernel_driver_version: Option<String>,
    /// Memory of the card.
    pub vram_total_bytes: Option<u64>,
    /// Of that, in use.
    pub vram_used_bytes: Option<u64>,
    /// Temperature.
    pub temperature_celsius: Option<f32>,
    /// Power.
    pub power_watts: Option<f32>,
    /// Load, 0 to 100.
    pub load_percent: Option<f32>,
}

/// An adapter that a graphics interface lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdapterReading {
    /// The interface.
    pub backend: GraphicsBackend,
    /// Name.
    pub name: String,
    /// Vendor id, 0 where the interface has none.
    pub vendor_id: u32,
    /// Device id, 0 where the interface has none.
    pub device_id: u32,
    /// Kind.
    pub kind: GpuKind,
    /// PCI address, where the interface has one.
    pub address: Option<PciAddress>,
    /// Driver name, where told.
    pub driver: Option<String>,
    /// Driver version or description, where told.
    pub driver_info: Option<String>,
    /// Memory that the interface calls local to the device.
    pub local_memory_bytes: Option<u64>,
}

/// A graphics interface that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphicsFailure {
    /// The interface.
    pub backend: GraphicsBackend,
    /// What its error was.
    pub detail: String,
    /// It started, then failed; otherwise it could not be started.
    pub while_listing: bool,
}

/// What NVIDIA's management library said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum NvmlReading {
    /// It has not been asked (the probe ended before).
    NotAsked,
    /// It could not be started.
    Failed(NvmlFailure),
    /// It answered.
    Read {
        /// Driver version.
        driver_version: Option<String>,
        /// The CUDA part of the driver.
        cuda: CudaDriver,
        /// Its cards.
        cards: Vec<NvmlCard>,
    },
}

/// Why NVML could not be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvmlFailure {
    /// What kind of failure.
    pub kind: NvmlFailureKind,
    /// The library's or the loader's words.
    pub detail: String,
}

/// Kinds of NVML failure that differ in what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NvmlFailureKind {
    /// NVIDIA has no driver for this operating system.
    NoSuchSystem,
    /// The library is not there.
    LibraryMissing,
    /// The library's version is not that of the running driver.
    VersionMismatch,
    /// The kernel part of the driver is not running.
    DriverNotLoaded,
    /// Access refused.
    NoPermission,
    /// Anything else.
    Other,
}

/// The CUDA part of the driver (`libcuda`, `nvcuda.dll`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CudaDriver {
    /// Installed, and runs CUDA up to this version.
    Version(MajorMinor),
    /// Not installed.
    Missing,
    /// Could not be told.
    Unknown,
}

/// A card that NVML lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NvmlCard {
    /// NVML's index.
    pub index: u32,
    /// What it said of the card; the error's words if it could not be reached at all.
    pub facts: Result<NvmlFacts, String>,
}

/// What NVML said of a card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NvmlFacts {
    /// Name.
    pub name: Option<String>,
    /// PCI address.
    pub address: Option<PciAddress>,
    /// PCI vendor id.
    pub vendor_id: Option<u32>,
    /// PCI device id.
    pub device_id: Option<u32>,
    /// Unique id.
    pub uuid: Option<String>,
    /// Memory of the card.
    pub vram_total_bytes: Option<u64>,
    /// Of that, in use or reserved.
    pub vram_used_bytes: Option<u64>,
    /// Of that, free.
    pub vram_free_bytes: Option<u64>,
    /// Temperature.
    pub temperature_celsius: Option<f32>,
    /// Power.
    pub power_watts: Option<f32>,
    /// Load, 0 to 100.
    pub load_percent: Option<f32>,
    /// Compute capability.
    pub compute_capability: Option<MajorMinor>,
    /// The administrator switched computing off.
    pub compute_prohibited: bool,
    /// Some answer was that the card is lost, with the library's words.
    pub lost: Option<String>,
}

/// Makes the report: joins the sources, judges every card, chooses. Pure.
#[must_use]
pub fn assemble(readings: &Readings) -> DeviceReport {
    let gpus = join(readings);
    let mut notes = notes(readings, &gpus);
    // `auto` always finds the CPU; should that ever change, the CPU it is, with the error as the reason.
    let chosen = choose_among(&gpus, readings.engine, DevicePreference::Auto)
        .unwrap_or_else(|error| ComputeDevice::Cpu { reason: error.to_string() });
    notes.extend(worker_note(&chosen, &gpus, readings.engine));
    DeviceReport {
        gpus,
        cpu: readings.cpu.clone(),
        memory: readings.memory.clone(),
        engine: readings.engine,
        chosen,
        notes,
    }
}

/// A good card that stays idle because a file is missing deserves more than the chosen device's reason.
fn worker_note(chosen: &ComputeDevice, gpus: &[super::Gpu], engine: EngineBackends) -> Option<Note> {
    use super::report::{ComputeBackend, NoteCode};
    let idle = gpus.iter().find(|gpu| gpu.usability.backend() == Some(ComputeBackend::Cuda))?;
    let missing = chosen.backend() != ComputeBackend::Cuda && !engine.cuda_worker_found && !engine.cuda_built_in;
    missing.then(|| Note {
        code: NoteCode::CudaWorkerMissing,
        reason: format!(
            "{} could compute, but the CUDA worker {} is not beside this program",
            idle.name,
            super::here::CUDA_WORKER
        ),
        next_step: "Install the package with the CUDA worker, or put the worker into this program's folder.".to_owned(),
    })
}
