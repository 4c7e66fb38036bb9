//! Readings of whole computers and the report that they must give, as people read it.
//!
//! `software_vulkan` and `nothing_installed` were taken from a computer with `readings_here`; the others are put
//! together from the formats that drivers are documented to write.

use crate::devices::{ComputeBackend, DeviceReport, Gpu, GraphicsBackend, Readings, UnusableCode, Usability, assemble};

macro_rules! computers {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                let report = report(include_str!(concat!("../fixtures/", stringify!($name), ".json")));
                let want = include_str!(concat!("../fixtures/", stringify!($name), ".txt")).replace("\r\n", "\n");
                assert_eq!(format!("{report}\n"), want, "\n--- this is the report now:\n{report}\n---");
            }
        )*
    };
}

computers!(
    apple_m2,
    driver_just_updated,
    h200_container,
    nothing_installed,
    nouveau_laptop,
    old_driver_windows,
    one_of_two_lost,
    pascal_card,
    radeon_linux,
    rtx_4090_linux,
    software_vulkan,
    two_equal_cards_windows,
    wsl_without_worker,
);

fn report(json: &str) -> DeviceReport {
    assemble(&serde_json::from_str::<Readings>(json).unwrap())
}

fn unusable(gpu: &Gpu) -> Option<UnusableCode> {
    match gpu.usability {
        Usability::Unusable { code, .. } => Some(code),
        Usability::Usable { .. } => None,
    }
}

#[test]
fn a_card_seen_by_four_sources_is_one_entry_with_the_best_of_each() {
    let report = report(include_str!("../fixtures/rtx_4090_linux.json"));
    let card = report.gpus.iter().find(|gpu| gpu.usability.backend() == Some(ComputeBackend::Cuda)).unwrap();
    assert_eq!(card.backends, [GraphicsBackend::Vulkan, GraphicsBackend::Gl]);
    assert_eq!(card.uuid.as_deref(), Some("GPU-5f0c2d1e-0000-0000-0000-000000000001"), "only NVML tells");
    assert_eq!(card.kernel_driver.as_deref(), Some("nvidia"), "only sysfs tells");
    assert_eq!(card.vram_free_bytes, Some(24_481_996_800));
    assert_eq!(report.gpus.len(), 3, "the card, the integrated GPU, the rasteriser");
}

#[test]
fn equal_cards_stay_two_when_direct3d_gives_both_one_address() {
    let report = report(include_str!("../fixtures/two_equal_cards_windows.json"));
    let cards: Vec<_> = report.gpus.iter().filter(|gpu| gpu.nvml_index.is_some()).collect();
    assert_eq!(cards.len(), 2);
    assert!(
        cards.iter().all(|card| card.backends.contains(&GraphicsBackend::Dx12)),
        "each has one of the two adapters"
    );
    assert_eq!(
        report.chosen.worker_environment()[1],
        ("CUDA_VISIBLE_DEVICES", "GPU-22222222-bbbb-0000-0000-000000000000".to_owned())
    );
}

#[test]
fn two_drivers_for_one_card_are_one_card() {
    let report = report(include_str!("../fixtures/radeon_linux.json"));
    assert_eq!(
        report.gpus.iter().filter(|gpu| gpu.pci_address.is_some()).count(),
        2,
        "RADV and AMDVLK list the same card"
    );
}

#[test]
fn a_lost_card_keeps_its_place_and_says_so() {
    let report = report(include_str!("../fixtures/one_of_two_lost.json"));
    let states: Vec<_> = report.gpus.iter().map(unusable).collect();
    assert_eq!(states, [Some(UnusableCode::GpuLost), None]);
}

#[test]
fn a_lost_card_that_nothing_else_lists_is_listed_all_the_same() {
    let mut readings: Readings = serde_json::from_str(include_str!("../fixtures/one_of_two_lost.json")).unwrap();
    readings.pci_cards.clear();
    let report = assemble(&readings);
    let cards: Vec<_> = report.gpus.iter().map(|gpu| (gpu.name.as_str(), unusable(gpu))).collect();
    assert_eq!(cards, [("NVIDIA GeForce RTX 4070", None), ("NVIDIA graphics card", Some(UnusableCode::GpuLost))]);
}

/// The field names are what scripts and the window read.
#[test]
fn the_json_form_is_stable() {
    let report = report(include_str!("../fixtures/one_of_two_lost.json"));
    let json = serde_json::to_string_pretty(&report).unwrap() + "\n";
    assert_eq!(json, include_str!("../fixtures/one_of_two_lost.report.json").replace("\r\n", "\n"));
    assert_eq!(serde_json::from_str::<DeviceReport>(&json).unwrap(), report);
}
