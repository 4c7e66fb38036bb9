//! The report: plain data, the same in memory, in JSON and across the probe's process border.

use serde::{Deserialize, Serialize};

use super::pci::PciAddress;
use super::version::MajorMinor;

/// Everything found about this computer's means to compute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// Every GPU, hardware first in PCI order, software rasterisers last. One entry per card, however many drivers see it.
    pub gpus: Vec<Gpu>,
    /// The processor.
    pub cpu: Cpu,
    /// Main memory.
    pub memory: SystemMemory,
    /// What this installation of the engine can drive.
    pub engine: EngineBackends,
    /// What `auto` computes on, and why.
    pub chosen: ComputeDevice,
    /// What could not be asked or is in the way, each with its next step.
    pub notes: Vec<Note>,
}

/// One graphics card, integrated GPU or software rasteriser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    /// The maker's name for it, from the best source that has one.
    pub name: String,
    /// Who made it.
    pub vendor: Vendor,
    /// How it is attached.
    pub kind: GpuKind,
    /// Where it sits on the PCI bus; `None` for a GPU that is not on PCI, or where no driver says.
    pub pci_address: Option<PciAddress>,
    /// PCI vendor id (or Vulkan's vendor id above 16 bits for what is not PCI).
    pub vendor_id: Option<u32>,
    /// PCI device id.
    pub device_id: Option<u32>,
    /// Graphics interfaces that list it, sorted.
    pub backends: Vec<GraphicsBackend>,
    /// The driver's name, such as `NVIDIA` or `radv`.
    pub driver_name: Option<String>,
    /// The driver's version as its maker writes it, such as `580.65.06`.
    pub driver_version: Option<String>,
    /// Kernel driver bound to the card (Linux), such as `nvidia`, `nouveau`, `amdgpu`, `vfio-pci`.
    pub kernel_driver: Option<String>,
    /// NVIDIA's unique id, `GPU-...`: the safe way to name a card to CUDA.
    pub uuid: Option<String>,
    /// NVML's index, which is the one that `nvidia-smi` shows and that `cuda:N` means.
    pub nvml_index: Option<u32>,
    /// CUDA compute capability.
    pub compute_capability: Option<MajorMinor>,
    /// Newest CUDA version that the installed driver runs.
    pub cuda_driver_version: Option<MajorMinor>,
    /// The card's own memory; for an integrated GPU, what the driver calls its own of the main memory.
    pub vram_total_bytes: Option<u64>,
    /// Of that, in use by all programs together.
    pub vram_used_bytes: Option<u64>,
    /// Of that, free now.
    pub vram_free_bytes: Option<u64>,
    /// Core temperature.
    pub temperature_celsius: Option<f32>,
    /// Power drawn by the board (by the whole package for an integrated GPU).
    pub power_watts: Option<f32>,
    /// Share of the last sampling period with work on the GPU, 0 to 100.
    pub load_percent: Option<f32>,
    /// Whether the engine can compute on it.
    pub usability: Usability,
}

/// Whether the engine can compute on a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Usability {
    /// Card and driver are fit for this backend.
    Usable {
        /// The backend.
        backend: ComputeBackend,
    },
    /// It can't be used.
    Unusable {
        /// Stable code.
        code: UnusableCode,
        /// Why, one sentence.
        reason: String,
        /// What to do about it, one sentence.
        next_step: String,
    },
}

impl Usability {
    /// The backend, if usable.
    #[must_use]
    pub fn backend(&self) -> Option<ComputeBackend> {
        match self {
            Usability::Usable { backend } => Some(*backend),
            Usability::Unusable { .. } => None,
        }
    }
}

/// Why a GPU can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnusableCode {
    /// A rasteriser that runs on the CPU.
    SoftwareRasterizer,
    /// A display adapter of a virtual machine.
    VirtualDisplay,
    /// The engine has no backend for this maker's GPUs.
    NoBackend,
    /// This build has no Metal in it.
    MetalNotBuilt,
    /// No driver is bound to the card.
    NoDriver,
    /// A driver without CUDA (nouveau, nova) is bound to the card.
    OpenDriver,
    /// The card is handed to a virtual machine.
    HandedToVm,
    /// NVML is missing, so driver and compute capability are unknown.
    NvmlMissing,
    /// User-space and kernel parts of the driver differ.
    DriverMismatch,
    /// The driver is installed but not running.
    DriverNotLoaded,
    /// The driver did not answer.
    DriverSilent,
    /// The driver does not list the card.
    DriverIgnoresCard,
    /// The card fell off the bus.
    GpuLost,
    /// The driver is too old for the CUDA worker.
    DriverTooOld,
    /// The CUDA part of the driver is not installed.
    CudaLibraryMissing,
    /// Compute capability below what the CUDA worker needs.
    ComputeCapabilityTooLow,
    /// Compute capability could not be read.
    ComputeCapabilityUnknown,
    /// The administrator switched computing off on this card.
    ComputeProhibited,
    /// `CUDA_VISIBLE_DEVICES` hides it.
    HiddenByEnvironment,
}

/// The processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// The maker's name for it.
    pub brand: Option<String>,
    /// Cores.
    pub physical_cores: Option<usize>,
    /// Hardware threads.
    pub logical_cores: usize,
    /// Threads that this process may use: affinity and control-group quota applied.
    pub usable_threads: usize,
    /// Vector instructions.
    pub simd: Simd,
}

/// Vector instructions that the kernels have code for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simd {
    /// x86: AVX2 and FMA.
    pub avx2_fma: bool,
    /// x86: AVX-512 F.
    pub avx512f: bool,
    /// 64-bit Arm: NEON.
    pub neon: bool,
}

/// Main memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemMemory {
    /// Physical memory of the computer.
    pub total_bytes: Option<u64>,
    /// What this process can still take without swapping, control-group limits applied.
    pub available_bytes: Option<u64>,
    /// The tightest control-group limit on this process, where there is one below the physical memory.
    pub limit_bytes: Option<u64>,
    /// Most that this process has held so far.
    pub process_peak_bytes: Option<u64>,
}

impl SystemMemory {
    /// What this process could use at most: the physical memory, or the limit below it.
    #[must_use]
    pub fn usable_total_bytes(&self) -> Option<u64> {
        [self.total_bytes, self.limit_bytes].into_iter().flatten().min()
    }
}

/// What this installation of the engine can drive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineBackends {
    /// `infernet-worker-cuda` lies beside the executable.
    pub cuda_worker_found: bool,
    /// CUDA is linked into this very program (true only inside the worker).
    pub cuda_built_in: bool,
    /// Metal is linked in.
    pub metal_built_in: bool,
}

/// What to compute on, and the sentence that says why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "backend", rename_all = "snake_case")]
pub enum ComputeDevice {
    /// The processor, in this process.
    Cpu {
        /// Why.
        reason: String,
    },
    /// An NVIDIA card, in the CUDA worker.
    Cuda {
        /// Index into [`DeviceReport::gpus`].
        gpu_index: usize,
        /// NVML's index.
        nvml_index: Option<u32>,
        /// NVIDIA's unique id.
        uuid: Option<String>,
        /// The card's name.
        name: String,
        /// Why.
        reason: String,
    },
    /// An Apple GPU, in this process.
    Metal {
        /// Index into [`DeviceReport::gpus`].
        gpu_index: usize,
        /// The GPU's name.
        name: String,
        /// Why.
        reason: String,
    },
}

impl ComputeDevice {
    /// The backend.
    #[must_use]
    pub fn backend(&self) -> ComputeBackend {
        match self {
            ComputeDevice::Cpu { .. } => ComputeBackend::Cpu,
            ComputeDevice::Cuda { .. } => ComputeBackend::Cuda,
            ComputeDevice::Metal { .. } => ComputeBackend::Metal,
        }
    }

    /// Why this one.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            ComputeDevice::Cpu { reason }
            | ComputeDevice::Cuda { reason, .. }
            | ComputeDevice::Metal { reason, .. } => reason,
        }
    }

    /// Environment variables to start the CUDA worker with, so that its CUDA device 0 is this card and no other.
    ///
    /// CUDA numbers cards fastest first and NVML by PCI address, so an index alone can name the wrong card; the unique id
    /// can't. Empty for the other backends.
    #[must_use]
    pub fn worker_environment(&self) -> Vec<(&'static str, String)> {
        let ComputeDevice::Cuda { nvml_index, uuid, .. } = self else {
            return Vec::new();
        };
        let visible = uuid.clone().or_else(|| nvml_index.map(|index| index.to_string()));
        let mut environment = vec![("CUDA_DEVICE_ORDER", "PCI_BUS_ID".to_owned())];
        environment.extend(visible.map(|card| ("CUDA_VISIBLE_DEVICES", card)));
        environment
    }
}

/// Something that computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComputeBackend {
    /// The processor.
    Cpu,
    /// NVIDIA.
    Cuda,
    /// Apple.
    Metal,
}

impl ComputeBackend {
    /// The name people know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ComputeBackend::Cpu => "CPU",
            ComputeBackend::Cuda => "CUDA",
            ComputeBackend::Metal => "Metal",
        }
    }
}

/// A graphics interface through which GPUs are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GraphicsBackend {
    /// Vulkan.
    Vulkan,
    /// Direct3D 12.
    Dx12,
    /// Metal.
    Metal,
    /// OpenGL or OpenGL ES.
    Gl,
}

impl GraphicsBackend {
    /// The name people know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            GraphicsBackend::Vulkan => "Vulkan",
            GraphicsBackend::Dx12 => "Direct3D 12",
            GraphicsBackend::Metal => "Metal",
            GraphicsBackend::Gl => "OpenGL",
        }
    }
}

/// How a GPU is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GpuKind {
    /// A card with memory of its own.
    Discrete,
    /// Part of the processor, sharing main memory.
    Integrated,
    /// A virtual machine's GPU.
    Virtual,
    /// A rasteriser that runs on the CPU.
    Software,
    /// No source says.
    Unknown,
}

/// Who made a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// NVIDIA.
    Nvidia,
    /// AMD.
    Amd,
    /// Intel.
    Intel,
    /// Apple.
    Apple,
    /// Qualcomm.
    Qualcomm,
    /// Arm.
    Arm,
    /// Microsoft (WARP, Hyper-V).
    Microsoft,
    /// Mesa's software rasterisers.
    Mesa,
    /// Anyone else; see the vendor id.
    Other,
}

/// Something that could not be asked, or is in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Stable code.
    pub code: NoteCode,
    /// What is the matter, one sentence.
    pub reason: String,
    /// What to do about it, one sentence.
    pub next_step: String,
}

/// What a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteCode {
    /// A graphics interface could not be started.
    GraphicsUnavailable,
    /// A graphics interface failed while it listed its cards.
    GraphicsFailed,
    /// NVML is not installed.
    NvmlMissing,
    /// NVML and the kernel driver differ in version.
    NvmlMismatch,
    /// NVML is there, the driver is not running.
    NvidiaDriverNotLoaded,
    /// NVML failed otherwise.
    NvmlFailed,
    /// A card that NVML lists does not answer.
    GpuLost,
    /// NVIDIA's driver is too old for the CUDA worker.
    NvidiaDriverTooOld,
    /// A usable NVIDIA card, but no CUDA worker beside the program.
    CudaWorkerMissing,
    /// The probing process could not be started.
    ProbeNotStarted,
    /// The probing process crashed.
    ProbeCrashed,
    /// The probing process hung and was killed.
    ProbeHung,
    /// The probing process printed something else than a report.
    ProbeGarbled,
}
