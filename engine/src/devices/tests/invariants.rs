//! What holds for whatever sources may say.

use std::collections::HashSet;

use proptest::prelude::*;

use crate::devices::{
    AdapterReading, ComputeBackend, ComputeDevice, CudaDriver, DevicePreference, DeviceReport, EngineBackends, GpuKind,
    GraphicsBackend, MajorMinor, NvmlCard, NvmlFacts, NvmlFailure, NvmlFailureKind, NvmlReading, PciAddress, PciCard,
    Readings, Usability, Vendor, assemble, choose,
};

// Few values each, so that sources agree, contradict and repeat each other often.
fn address() -> impl Strategy<Value = Option<PciAddress>> {
    prop::option::of((0u8..3).prop_map(|bus| PciAddress { domain: 0, bus, device: 0, function: 0 }))
}

fn vendor_id() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![0, 0x10de, 0x1002, 0x8086, 0x1af4, 0x10005])
}

fn text() -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop::sample::select(vec![
        "",
        "nvidia",
        "nouveau",
        "580.65.06",
        "32.0.15.8097",
        "NVIDIA GeForce RTX 4070",
        "llvmpipe",
        "é(/",
    ]))
    .prop_map(|text| text.map(str::to_owned))
}

fn kind() -> impl Strategy<Value = GpuKind> {
    prop::sample::select(vec![
        GpuKind::Discrete,
        GpuKind::Integrated,
        GpuKind::Virtual,
        GpuKind::Software,
        GpuKind::Unknown,
    ])
}

fn pci_card() -> impl Strategy<Value = PciCard> {
    (address(), vendor_id(), 0u32..3, text(), any::<Option<u64>>(), any::<Option<u64>>()).prop_map(
        |(address, vendor_id, device_id, kernel_driver, vram_total_bytes, vram_used_bytes)| PciCard {
            address,
            vendor_id,
            device_id,
            kernel_driver,
            vram_total_bytes,
            vram_used_bytes,
            ..PciCard::default()
        },
    )
}

fn adapter() -> impl Strategy<Value = AdapterReading> {
    let backend = prop::sample::select(vec![
        GraphicsBackend::Vulkan,
        GraphicsBackend::Dx12,
        GraphicsBackend::Metal,
        GraphicsBackend::Gl,
    ]);
    (backend, text(), vendor_id(), 0u32..3, kind(), address(), text(), text(), any::<Option<u64>>()).prop_map(
        |(backend, name, vendor_id, device_id, kind, address, driver, driver_info, local_memory_bytes)| {
            AdapterReading {
                backend,
                name: name.unwrap_or_default(),
                vendor_id,
                device_id,
                kind,
                address,
                driver,
                driver_info,
                local_memory_bytes,
            }
        },
    )
}

fn nvml() -> impl Strategy<Value = NvmlReading> {
    let facts = (address(), 0u32..3, any::<Option<u64>>(), prop::option::of((6u32..9, 0u32..9)), text(), any::<bool>())
        .prop_map(|(address, device_id, vram_free_bytes, capability, lost, compute_prohibited)| NvmlFacts {
            address,
            device_id: Some(device_id),
            vram_free_bytes,
            compute_capability: capability.map(|(major, minor)| MajorMinor::new(major, minor)),
            lost: lost.filter(|_| compute_prohibited),
            compute_prohibited,
            ..NvmlFacts::default()
        });
    let card = prop_oneof![4 => facts.prop_map(Ok), 1 => Just(Err("it fell off the bus".to_owned()))];
    let cuda = prop::sample::select(vec![
        CudaDriver::Missing,
        CudaDriver::Unknown,
        CudaDriver::Version(MajorMinor::new(13, 0)),
    ]);
    let read =
        (text(), cuda, prop::collection::vec(card, 0..4)).prop_map(|(driver_version, cuda, cards)| NvmlReading::Read {
            driver_version,
            cuda,
            cards: cards
                .into_iter()
                .enumerate()
                .map(|(index, facts)| NvmlCard { index: index as u32, facts })
                .collect(),
        });
    let failed = NvmlFailure { kind: NvmlFailureKind::Other, detail: "detail".to_owned() };
    prop_oneof![4 => read, 1 => Just(NvmlReading::NotAsked), 1 => Just(NvmlReading::Failed(failed))]
}

fn readings() -> impl Strategy<Value = Readings> {
    let pci = prop::collection::vec(pci_card(), 0..4).prop_map(|mut cards: Vec<PciCard>| {
        // A bus has one card per address.
        let mut seen = HashSet::new();
        cards.retain(|card| card.address.is_none_or(|address| seen.insert(address)));
        cards
    });
    (pci, nvml(), prop::collection::vec(adapter(), 0..6), any::<(bool, bool, bool)>()).prop_map(
        |(pci_cards, nvml, adapters, engine)| {
            let base: Readings = serde_json::from_str(include_str!("../fixtures/nothing_installed.json")).unwrap();
            let engine =
                EngineBackends { cuda_worker_found: engine.0, cuda_built_in: engine.1, metal_built_in: engine.2 };
            Readings { pci_cards, nvml, adapters, engine, ..base }
        },
    )
}

proptest! {
    #[test]
    fn every_report_is_sound(readings in readings()) {
        let report = assemble(&readings);

        let mut addresses = HashSet::new();
        for gpu in &report.gpus {
            prop_assert!(!gpu.name.is_empty());
            if let Usability::Unusable { reason, next_step, .. } = &gpu.usability {
                prop_assert!(!reason.is_empty() && next_step.ends_with('.'));
            }
            if gpu.usability.backend().is_some() {
                prop_assert!(gpu.kind != GpuKind::Software && matches!(gpu.vendor, Vendor::Nvidia | Vendor::Apple));
            }
        }
        // Each card on the bus is there once, whoever else lists it.
        for card in &readings.pci_cards {
            if let Some(address) = card.address {
                prop_assert!(addresses.insert(address));
                let entries = report.gpus.iter().filter(|gpu| gpu.pci_address == Some(address) && gpu.kernel_driver == card.kernel_driver);
                prop_assert!(entries.count() >= 1);
            }
        }
        let said = readings.pci_cards.len() + readings.adapters.len();
        let nvml = match &readings.nvml { NvmlReading::Read { cards, .. } => cards.len(), _ => 0 };
        prop_assert!(report.gpus.len() <= said + nvml);
        prop_assert_eq!(report.gpus.iter().filter(|gpu| gpu.nvml_index.is_some()).count() <= nvml, true);

        match &report.chosen {
            ComputeDevice::Cpu { reason } => prop_assert!(!reason.is_empty()),
            ComputeDevice::Cuda { gpu_index, .. } => prop_assert_eq!(report.gpus[*gpu_index].usability.backend(), Some(ComputeBackend::Cuda)),
            ComputeDevice::Metal { gpu_index, .. } => prop_assert_eq!(report.gpus[*gpu_index].usability.backend(), Some(ComputeBackend::Metal)),
        }
        for preference in [DevicePreference::Auto, DevicePreference::Cpu] {
            prop_assert!(choose(&report, preference).is_ok());
        }

        let json = serde_json::to_string(&report).unwrap();
        prop_assert_eq!(&serde_json::from_str::<DeviceReport>(&json).unwrap(), &report);
        prop_assert!(report.summary_lines().iter().all(|line| !line.contains('\n')));
        let json = serde_json::to_string(&readings).unwrap();
        prop_assert_eq!(serde_json::from_str::<Readings>(&json).unwrap(), readings);
    }
}
