//! One good NVIDIA card, and every way in which it can fail to be usable.

use crate::devices::{
    AdapterReading, ComputeBackend, CudaDriver, GpuKind, GraphicsBackend, MIN_COMPUTE_CAPABILITY, MIN_CUDA_DRIVER,
    MajorMinor, NvmlCard, NvmlFacts, NvmlFailure, NvmlFailureKind, NvmlReading, PciCard, Readings, UnusableCode,
    Usability, assemble,
};

const UUID: &str = "GPU-5f0c2d1e-1111-2222-3333-444444444444";

fn base() -> Readings {
    serde_json::from_str(include_str!("../fixtures/software_vulkan.json")).unwrap()
}

fn facts() -> NvmlFacts {
    NvmlFacts {
        name: Some("NVIDIA GeForce RTX 4070".to_owned()),
        address: "0000:01:00.0".parse().ok(),
        vendor_id: Some(0x10de),
        device_id: Some(0x2786),
        uuid: Some(UUID.to_owned()),
        compute_capability: Some(MajorMinor::new(8, 9)),
        ..NvmlFacts::default()
    }
}

fn pci(kernel_driver: Option<&str>) -> PciCard {
    PciCard {
        address: "0000:01:00.0".parse().ok(),
        vendor_id: 0x10de,
        device_id: 0x2786,
        kernel_driver: kernel_driver.map(str::to_owned),
        ..PciCard::default()
    }
}

fn nvml(driver: Option<&str>, cuda: CudaDriver, facts: NvmlFacts) -> NvmlReading {
    NvmlReading::Read {
        driver_version: driver.map(str::to_owned),
        cuda,
        cards: vec![NvmlCard { index: 0, facts: Ok(facts) }],
    }
}

fn good() -> Readings {
    let nvml = nvml(Some("580.65.06"), CudaDriver::Version(MIN_CUDA_DRIVER), facts());
    Readings { pci_cards: vec![pci(Some("nvidia"))], nvml, adapters: Vec::new(), ..base() }
}

/// The verdict on the only hardware card: `Ok` or the code.
fn verdict(readings: &Readings) -> Result<ComputeBackend, UnusableCode> {
    let report = assemble(readings);
    let cards: Vec<_> = report.gpus.iter().filter(|gpu| gpu.kind != GpuKind::Software).collect();
    assert_eq!(cards.len(), 1, "one card, one entry: {report}");
    match &cards[0].usability {
        Usability::Usable { backend } => Ok(*backend),
        Usability::Unusable { code, reason, next_step } => {
            assert!(!reason.is_empty() && !reason.ends_with('.'), "goes into a sentence: {reason}");
            assert!(next_step.ends_with('.'), "is a sentence: {next_step}");
            Err(*code)
        }
    }
}

#[test]
fn a_good_card_is_usable_with_or_without_sysfs() {
    assert_eq!(verdict(&good()), Ok(ComputeBackend::Cuda));
    assert_eq!(verdict(&Readings { pci_cards: Vec::new(), ..good() }), Ok(ComputeBackend::Cuda), "Windows");
    assert_eq!(
        verdict(&Readings { pci_cards: vec![pci(None)], ..good() }),
        Ok(ComputeBackend::Cuda),
        "a container hides the driver"
    );
}

#[test]
fn drivers() {
    let version = |major, minor| CudaDriver::Version(MajorMinor::new(major, minor));
    for (driver, cuda, want) in [
        (Some("580.65.06"), version(13, 0), Ok(ComputeBackend::Cuda)),
        (Some("590.10"), version(13, 1), Ok(ComputeBackend::Cuda)),
        (Some("535.230.02"), version(13, 0), Ok(ComputeBackend::Cuda)), // compatibility package
        (Some("575.64.03"), version(12, 9), Err(UnusableCode::DriverTooOld)),
        (Some("580.65.06"), CudaDriver::Unknown, Ok(ComputeBackend::Cuda)),
        (Some("579.99"), CudaDriver::Unknown, Err(UnusableCode::DriverTooOld)),
        (Some("rubbish"), CudaDriver::Unknown, Err(UnusableCode::DriverSilent)),
        (None, CudaDriver::Unknown, Err(UnusableCode::DriverSilent)),
        (Some("580.65.06"), CudaDriver::Missing, Err(UnusableCode::CudaLibraryMissing)),
    ] {
        assert_eq!(verdict(&Readings { nvml: nvml(driver, cuda, facts()), ..good() }), want, "{driver:?} {cuda:?}");
    }
}

#[test]
fn cards() {
    let with = |change: &dyn Fn(&mut NvmlFacts)| {
        let mut facts = facts();
        change(&mut facts);
        verdict(&Readings { nvml: nvml(Some("580.65.06"), CudaDriver::Version(MIN_CUDA_DRIVER), facts), ..good() })
    };
    assert_eq!(with(&|facts| facts.compute_capability = Some(MIN_COMPUTE_CAPABILITY)), Ok(ComputeBackend::Cuda));
    assert_eq!(with(&|facts| facts.compute_capability = Some(MajorMinor::new(12, 0))), Ok(ComputeBackend::Cuda));
    let too_low = Err(UnusableCode::ComputeCapabilityTooLow);
    assert_eq!(with(&|facts| facts.compute_capability = Some(MajorMinor::new(7, 0))), too_low);
    assert_eq!(with(&|facts| facts.compute_capability = None), Err(UnusableCode::ComputeCapabilityUnknown));
    assert_eq!(with(&|facts| facts.compute_prohibited = true), Err(UnusableCode::ComputeProhibited));
    assert_eq!(with(&|facts| facts.lost = Some("it fell off the bus".to_owned())), Err(UnusableCode::GpuLost));
    // Without ids the card still joins the one on the bus by address, and without an address by ids.
    assert_eq!(with(&|facts| (facts.vendor_id, facts.device_id) = (None, None)), Ok(ComputeBackend::Cuda));
    assert_eq!(with(&|facts| facts.address = None), Ok(ComputeBackend::Cuda));
}

#[test]
fn kernel_drivers() {
    let missing = NvmlFailure { kind: NvmlFailureKind::LibraryMissing, detail: "not there".to_owned() };
    for (driver, want) in [
        (Some("nouveau"), UnusableCode::OpenDriver),
        (Some("vfio-pci"), UnusableCode::HandedToVm),
        (None, UnusableCode::NoDriver),
        (Some("nvidia"), UnusableCode::NvmlMissing),
    ] {
        let readings = Readings { pci_cards: vec![pci(driver)], nvml: NvmlReading::Failed(missing.clone()), ..good() };
        assert_eq!(verdict(&readings), Err(want), "{driver:?}");
    }
}

#[test]
fn a_library_that_fails() {
    for (kind, want) in [
        (NvmlFailureKind::LibraryMissing, UnusableCode::NvmlMissing),
        (NvmlFailureKind::VersionMismatch, UnusableCode::DriverMismatch),
        (NvmlFailureKind::DriverNotLoaded, UnusableCode::DriverNotLoaded),
        (NvmlFailureKind::NoPermission, UnusableCode::DriverSilent),
        (NvmlFailureKind::Other, UnusableCode::DriverSilent),
        (NvmlFailureKind::NoSuchSystem, UnusableCode::NoDriver),
    ] {
        let readings =
            Readings { nvml: NvmlReading::Failed(NvmlFailure { kind, detail: "detail".to_owned() }), ..good() };
        assert_eq!(verdict(&readings), Err(want), "{kind:?}");
        let noted = assemble(&readings).notes.len();
        assert_eq!(noted, usize::from(kind != NvmlFailureKind::NoSuchSystem), "{kind:?}");
    }
    assert_eq!(verdict(&Readings { nvml: NvmlReading::NotAsked, ..good() }), Err(UnusableCode::DriverSilent));
}

#[test]
fn a_library_that_lists_no_card() {
    let nvml = NvmlReading::Read {
        driver_version: Some("580.65.06".to_owned()),
        cuda: CudaDriver::Unknown,
        cards: Vec::new(),
    };
    assert_eq!(verdict(&Readings { nvml, ..good() }), Err(UnusableCode::DriverIgnoresCard));
}

#[test]
fn the_environment_can_hide_a_card() {
    for (visible, shown) in [
        (None, true),
        (Some("0"), true),
        (Some("1, 0"), true),
        (Some(UUID), true),
        (Some("GPU-5f0c"), true),
        (Some(""), false),
        (Some("-1"), false),
        (Some("1"), false),
        (Some("-1,0"), false),
        (Some("GPU-ffff"), false),
        (Some("MIG-5f0c"), false),
        (Some("none"), false),
    ] {
        let want = if shown { Ok(ComputeBackend::Cuda) } else { Err(UnusableCode::HiddenByEnvironment) };
        let readings = Readings { cuda_visible_devices: visible.map(str::to_owned), ..good() };
        assert_eq!(verdict(&readings), want, "{visible:?}");
    }
}

#[test]
fn other_makers() {
    let adapter = |name: &str, vendor_id, kind, backend| AdapterReading {
        backend,
        name: name.to_owned(),
        vendor_id,
        device_id: 0,
        kind,
        address: None,
        driver: None,
        driver_info: None,
        local_memory_bytes: None,
    };
    let seen = |adapter, metal_built_in| {
        let mut readings = base();
        readings.adapters = vec![adapter];
        readings.engine.metal_built_in = metal_built_in;
        verdict(&readings)
    };
    use GpuKind::{Discrete, Integrated, Unknown, Virtual};
    use GraphicsBackend::{Gl, Metal, Vulkan};
    assert_eq!(seen(adapter("Apple M3", 0, Integrated, Metal), true), Ok(ComputeBackend::Metal));
    assert_eq!(seen(adapter("Apple M3", 0, Integrated, Metal), false), Err(UnusableCode::MetalNotBuilt));
    assert_eq!(seen(adapter("AMD Radeon Pro 5500M", 0, Discrete, Metal), true), Err(UnusableCode::NoBackend));
    assert_eq!(seen(adapter("Intel(R) Arc(tm) A770", 0x8086, Discrete, Vulkan), false), Err(UnusableCode::NoBackend));
    assert_eq!(seen(adapter("Virtio-GPU", 0x1af4, Virtual, Vulkan), false), Err(UnusableCode::VirtualDisplay));
    assert_eq!(seen(adapter("Mystery", 0, Unknown, Gl), false), Err(UnusableCode::NoBackend));
}
