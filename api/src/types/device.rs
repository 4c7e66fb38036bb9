//! What the node can compute on.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ModelId, Problem};

/// Every GPU, the processor and memory, with readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeviceList {
    /// When the readings were taken, milliseconds since 1970 UTC.
    pub sampled_unix_ms: u64,
    /// Every GPU, usable or not, and the processor last.
    pub devices: Vec<Device>,
    /// Id of the device that is computed on.
    pub chosen: String,
    /// Why this one, one sentence.
    pub chosen_reason: String,
    /// Main memory.
    pub memory: Memory,
    /// What could not be asked or is in the way.
    pub notes: Vec<Problem>,
}

/// A GPU or the processor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// Stable name on this computer: `cpu`, `cuda:0`, `metal:0`, or the PCI address of a GPU that can't be used.
    pub id: String,
    /// The maker's name for it.
    pub name: String,
    /// Who made it, such as `nvidia`, `amd`, `intel`, `apple`.
    pub vendor: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The driver's name and version.
    pub driver: Option<String>,
    /// All of the device's own memory.
    pub vram_total_bytes: Option<u64>,
    /// Of that, used by all programs together.
    pub vram_used_bytes: Option<u64>,
    /// Of that, used by this node.
    pub vram_ours_bytes: Option<u64>,
    /// Temperature of the core.
    pub temperature_celsius: Option<f32>,
    /// Power drawn.
    pub power_watts: Option<f32>,
    /// Share of the last sampling period in which it had work.
    #[schema(minimum = 0, maximum = 100)]
    pub load_percent: Option<f32>,
    /// Whether it can be computed on; the reason why not otherwise.
    pub usability: DeviceUsability,
    /// How fast it is at what, as far as it was measured.
    pub benchmarks: Vec<Benchmark>,
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// A card with memory of its own.
    DiscreteGpu,
    /// Part of the processor.
    IntegratedGpu,
    /// A virtual machine's GPU.
    VirtualGpu,
    /// A rasteriser that runs on the processor.
    SoftwareGpu,
    /// A GPU of which no source says how it is attached.
    OtherGpu,
}

/// Whether a device can be computed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeviceUsability {
    /// It can.
    Usable {
        /// Through what: `cpu`, `cuda` or `metal`.
        backend: String,
    },
    /// It can't.
    Unusable {
        /// Why, and what to do about it.
        problem: Problem,
    },
}

/// A measured speed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Benchmark {
    /// The model.
    pub model: ModelId,
    /// One evaluation of the model at its default size.
    pub seconds_per_evaluation: f64,
    /// When it was measured, milliseconds since 1970 UTC.
    pub measured_unix_ms: u64,
}

/// Main memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Memory {
    /// What this node may use at most: physical memory, or a limit below it.
    pub total_bytes: Option<u64>,
    /// Free now.
    pub available_bytes: Option<u64>,
    /// Held by the node and its worker.
    pub ours_bytes: Option<u64>,
}
