//! What this computer can compute on: every GPU, the CPU, memory, and why a GPU is not used.
//!
//! The work is split so that most of it can be tested without hardware:
//!
//! | part | does |
//! |---|---|
//! | `adapters`, `nvml`, `sysfs`, `cpu`, `memory` | I/O: each fills its piece of [`Readings`] and never fails as a whole |
//! | `join`, `usability`, `choose`, `version` | pure: one entry per card, why it can or can't compute, what to use |
//! | `here` | asks the sources in this process, safest first |
//! | `child` | has a child process do that, with a deadline, because drivers crash and hang |
//!
//! A program calls [`probe`] with a command that runs [`write_probe_lines`] (a hidden subcommand of the same
//! executable). Nothing here returns an error because of a driver: what could not be asked is a [`Note`] with its next
//! step, a card that can't compute says why in its [`Usability`], and the CPU is always there.
//!
//! A value that no driver told is `None`, never a guess. Names carry units; the JSON form is stable, and a
//! field may be added but never renamed.

mod adapters;
mod child;
mod choose;
mod cpu;
mod here;
mod join;
mod memory;
mod nvml;
mod pci;
mod peak;
mod preference;
mod readings;
mod report;
mod summary;
mod sysfs;
mod usability;
mod version;

#[cfg(test)]
mod tests;

pub use child::{DEFAULT_PROBE_TIMEOUT, ProbeCommand, probe};
pub use choose::{ChooseError, choose};
pub use cpu::available_memory_bytes;
pub use here::{cuda_worker_path, probe_here, readings_here, write_probe_lines};
pub use pci::{PciAddress, PciAddressError};
pub use peak::peak_memory_bytes;
pub use preference::{DevicePreference, DevicePreferenceError};
pub use readings::{
    AdapterReading, CudaDriver, GraphicsFailure, NvmlCard, NvmlFacts, NvmlFailure, NvmlFailureKind, NvmlReading,
    PciCard, Readings, assemble,
};
pub use report::{
    ComputeBackend, ComputeDevice, Cpu, DeviceReport, EngineBackends, Gpu, GpuKind, GraphicsBackend, Note, NoteCode,
    Simd, SystemMemory, UnusableCode, Usability, Vendor,
};
pub use usability::{MIN_COMPUTE_CAPABILITY, MIN_CUDA_DRIVER, MIN_NVIDIA_DRIVER_BRANCH};
pub use version::{MajorMinor, VersionError};
