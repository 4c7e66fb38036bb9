//! NVIDIA's management library, opened once per process and asked card by card.
//!
//! It comes with the driver and is loaded at run time, so a computer without it is only one [`NvmlFailure`] poorer.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

use nvml_wrapper::enum_wrappers::device::{ComputeMode, TemperatureSensor};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::pci::vendor_id;
use super::readings::{CudaDriver, NvmlCard, NvmlFacts, NvmlFailure, NvmlFailureKind, NvmlReading};
use super::version::MajorMinor;

/// More cards than any board holds; a broken driver's count is not trusted beyond.
const MAX_CARDS: u32 = 64;

/// Asks NVML about driver and cards.
pub(super) fn read() -> NvmlReading {
    // One init per process: repeated init and shutdown is slow and leaks in some drivers. A failure is kept as well; a
    // later look runs in a new process.
    static NVML: OnceLock<Result<Nvml, NvmlFailure>> = OnceLock::new();
    match NVML.get_or_init(open) {
        Ok(nvml) => read_all(nvml),
        Err(failure) => NvmlReading::Failed(failure.clone()),
    }
}

fn open() -> Result<Nvml, NvmlFailure> {
    let paths = library_paths();
    if paths.is_empty() {
        let detail = "NVIDIA has no driver for this operating system".to_owned();
        return Err(NvmlFailure { kind: NvmlFailureKind::NoSuchSystem, detail });
    }
    let mut first_error = None;
    for path in paths {
        match Nvml::builder().lib_path(&path).init() {
            Ok(nvml) => return Ok(nvml),
            // Not there: try the next place. Anything else is the library's own answer, and final.
            Err(error @ NvmlError::LibloadingError(_)) => first_error = first_error.or(Some(error)),
            Err(error) => return Err(failure(&error)),
        }
    }
    Err(failure(&first_error.unwrap_or(NvmlError::LibraryNotFound)))
}

/// Where the library lies, best first.
fn library_paths() -> Vec<OsString> {
    if cfg!(target_os = "windows") {
        // By full path, so that no file of this name in a working folder is loaded.
        let below = |variable: &str, rest: &str| {
            std::env::var_os(variable).map(|root| PathBuf::from(root).join(rest).into_os_string())
        };
        let paths =
            [below("SystemRoot", r"System32\nvml.dll"), below("ProgramFiles", r"NVIDIA Corporation\NVSMI\nvml.dll")];
        paths.into_iter().flatten().collect()
    } else if cfg!(target_os = "linux") {
        // By the loader's search, then where WSL 2 and NixOS keep drivers.
        ["libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1", "/run/opengl-driver/lib/libnvidia-ml.so.1"]
            .map(OsString::from)
            .to_vec()
    } else {
        Vec::new()
    }
}

pub(super) fn failure(error: &NvmlError) -> NvmlFailure {
    let kind = match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => NvmlFailureKind::LibraryMissing,
        NvmlError::LibRmVersionMismatch => NvmlFailureKind::VersionMismatch,
        NvmlError::DriverNotLoaded => NvmlFailureKind::DriverNotLoaded,
        NvmlError::NoPermission | NvmlError::OperatingSystem => NvmlFailureKind::NoPermission,
        _ => NvmlFailureKind::Other,
    };
    NvmlFailure { kind, detail: words(error) }
}

/// The error in words that fit into a sentence.
fn words(error: &NvmlError) -> String {
    match error {
        NvmlError::GpuLost => "it fell off the bus".to_owned(),
        NvmlError::ResetRequired => "it must be reset first".to_owned(),
        NvmlError::IrqIssue => "its interrupts fail".to_owned(),
        NvmlError::InsufficientPower => "its power cables are not attached properly".to_owned(),
        other => other.to_string(),
    }
}

fn read_all(nvml: &Nvml) -> NvmlReading {
    let cuda = cuda_driver(&nvml.sys_cuda_driver_version());
    let count = match nvml.device_count() {
        Ok(count) => count.min(MAX_CARDS),
        Err(error) => return NvmlReading::Failed(failure(&error)),
    };
    let cards = (0..count).map(|index| NvmlCard {
        index,
        facts: nvml.device_by_index(index).map(|device| facts(&device)).map_err(|error| words(&error)),
    });
    NvmlReading::Read { driver_version: nvml.sys_driver_version().ok(), cuda, cards: cards.collect() }
}

pub(super) fn cuda_driver(answer: &Result<i32, NvmlError>) -> CudaDriver {
    match answer {
        Ok(number) => MajorMinor::from_cuda_number(*number).map_or(CudaDriver::Unknown, CudaDriver::Version),
        Err(NvmlError::LibraryNotFound | NvmlError::FunctionNotFound) => CudaDriver::Missing,
        Err(_) => CudaDriver::Unknown,
    }
}

fn facts(device: &Device<'_>) -> NvmlFacts {
    let mut lost = None;
    let memory = told(&mut lost, device.memory_info());
    let pci = told(&mut lost, device.pci_info());
    NvmlFacts {
        name: told(&mut lost, device.name()),
        address: pci.as_ref().and_then(|pci| pci.bus_id.parse().ok()),
        // NVML's number holds the device id above the vendor id.
        vendor_id: pci.as_ref().map(|pci| pci.pci_device_id & 0xffff).or(Some(vendor_id::NVIDIA)),
        device_id: pci.as_ref().map(|pci| pci.pci_device_id >> 16),
        uuid: told(&mut lost, device.uuid()),
        vram_total_bytes: memory.as_ref().map(|memory| memory.total),
        // What the driver keeps for itself is as unavailable as what programs hold.
        vram_used_bytes: memory.as_ref().and_then(|memory| memory.total.checked_sub(memory.free)),
        vram_free_bytes: memory.as_ref().map(|memory| memory.free),
        temperature_celsius: told(&mut lost, device.temperature(TemperatureSensor::Gpu)).map(|celsius| celsius as f32),
        power_watts: told(&mut lost, device.power_usage()).map(|milliwatts| milliwatts as f32 / 1e3),
        load_percent: told(&mut lost, device.utilization_rates()).map(|rates| rates.gpu.min(100) as f32),
        compute_capability: told(&mut lost, device.cuda_compute_capability())
            .and_then(|cc| Some(MajorMinor::new(u32::try_from(cc.major).ok()?, u32::try_from(cc.minor).ok()?))),
        compute_prohibited: matches!(told(&mut lost, device.compute_mode()), Some(ComputeMode::Prohibited)),
        lost,
    }
}

/// The answer, or `None`; an answer that the card is gone is kept in `lost`.
pub(super) fn told<T>(lost: &mut Option<String>, answer: Result<T, NvmlError>) -> Option<T> {
    match answer {
        Ok(value) => Some(value),
        Err(
            error
            @ (NvmlError::GpuLost | NvmlError::ResetRequired | NvmlError::IrqIssue | NvmlError::InsufficientPower),
        ) => {
            lost.get_or_insert_with(|| words(&error));
            None
        }
        Err(error) => {
            tracing::debug!(%error, "NVML has no answer");
            None
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart_by_what_to_do() {
        for (error, want) in [
            (NvmlError::LibraryNotFound, NvmlFailureKind::LibraryMissing),
            (NvmlError::LibRmVersionMismatch, NvmlFailureKind::VersionMismatch),
            (NvmlError::DriverNotLoaded, NvmlFailureKind::DriverNotLoaded),
            (NvmlError::NoPermission, NvmlFailureKind::NoPermission),
            (NvmlError::Unknown, NvmlFailureKind::Other),
        ] {
            assert_eq!(failure(&error).kind, want);
            assert!(!failure(&error).detail.is_empty());
        }
    }

    #[test]
    fn the_cuda_part_can_be_absent_unknown_or_of_a_version() {
        assert_eq!(cuda_driver(&Ok(13_000)), CudaDriver::Version(MajorMinor::new(13, 0)));
        assert_eq!(cuda_driver(&Ok(0)), CudaDriver::Unknown);
        assert_eq!(cuda_driver(&Err(NvmlError::LibraryNotFound)), CudaDriver::Missing);
        assert_eq!(cuda_driver(&Err(NvmlError::Unknown)), CudaDriver::Unknown);
    }

    #[test]
    fn a_sensor_that_is_not_supported_is_no_lost_card() {
        let mut lost = None;
        assert_eq!(told(&mut lost, Ok(3)), Some(3));
        assert_eq!(told::<u32>(&mut lost, Err(NvmlError::NotSupported)), None);
        assert_eq!(lost, None);
        assert_eq!(told::<u32>(&mut lost, Err(NvmlError::GpuLost)), None);
        assert_eq!(lost.as_deref(), Some("it fell off the bus"));
    }

    #[test]
    fn asking_twice_gives_the_same_outcome() {
        let outcomes = [read(), read()].map(|reading| matches!(reading, NvmlReading::Failed(_)));
        assert_eq!(outcomes[0], outcomes[1]);
    }
}
