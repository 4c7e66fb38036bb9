//! Fake `/sys` trees. Folder names hold no colon, so that they can be made on Windows too: the address is in `uevent`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

/// A tree from `path = contents` lines; `\n` in the contents is a line break.
fn tree(text: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (path, contents) = line.split_once(" = ").unwrap();
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents.replace("\\n", "\n") + "\n").unwrap();
    }
    root
}

const GAMING_PC: &str = r"
    bus/pci/devices/b/class = 0x030000
    bus/pci/devices/b/vendor = 0x1002
    bus/pci/devices/b/device = 0x744c
    bus/pci/devices/b/uevent = DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:0b:00.0
    bus/pci/devices/b/mem_info_vram_total = 25753026560
    bus/pci/devices/b/mem_info_vram_used = 1288490188
    bus/pci/devices/b/gpu_busy_percent = 7
    bus/pci/devices/b/power/runtime_status = active
    bus/pci/devices/b/hwmon/hwmon4/name = amdgpu
    bus/pci/devices/b/hwmon/hwmon4/in0_label = vddgfx
    bus/pci/devices/b/hwmon/hwmon4/temp1_input = 43000
    bus/pci/devices/b/hwmon/hwmon4/temp2_input = 49000
    bus/pci/devices/b/hwmon/hwmon4/power1_average = 27500000
    bus/pci/devices/i/class = 0x030000
    bus/pci/devices/i/vendor = 0x8086
    bus/pci/devices/i/device = 0x4680
    bus/pci/devices/i/uevent = DRIVER=i915\nPCI_SLOT_NAME=0000:00:02.0
    bus/pci/devices/n/class = 0x030200
    bus/pci/devices/n/vendor = 0x10de
    bus/pci/devices/n/device = 0x2684
    bus/pci/devices/n/uevent = DRIVER=nvidia\nPCI_SLOT_NAME=0000:01:00.0
    module/nvidia/version = 580.65.06
    bus/pci/devices/net/class = 0x020000
    bus/pci/devices/net/vendor = 0x8086
    bus/pci/devices/net/device = 0x15f3
    bus/pci/devices/sound/class = 0x040300
    bus/pci/devices/sound/vendor = 0x10de
    bus/pci/devices/sound/device = 0x22ba
";

#[test]
fn an_amd_card_beside_an_intel_gpu_and_an_nvidia_card() {
    let cards = pci_cards(tree(GAMING_PC).path());
    let want = vec![
        PciCard {
            address: Some("0000:00:02.0".parse().unwrap()),
            vendor_id: 0x8086,
            device_id: 0x4680,
            kind: Some(GpuKind::Integrated),
            kernel_driver: Some("i915".to_owned()),
            ..PciCard::default()
        },
        PciCard {
            address: Some("0000:01:00.0".parse().unwrap()),
            vendor_id: 0x10de,
            device_id: 0x2684,
            kernel_driver: Some("nvidia".to_owned()),
            kernel_driver_version: Some("580.65.06".to_owned()),
            ..PciCard::default()
        },
        PciCard {
            address: Some("0000:0b:00.0".parse().unwrap()),
            vendor_id: 0x1002,
            device_id: 0x744c,
            kind: Some(GpuKind::Discrete),
            kernel_driver: Some("amdgpu".to_owned()),
            vram_total_bytes: Some(25_753_026_560),
            vram_used_bytes: Some(1_288_490_188),
            temperature_celsius: Some(43.0),
            power_watts: Some(27.5),
            load_percent: Some(7.0),
            ..PciCard::default()
        },
    ];
    assert_eq!(cards, want, "no network card, no sound card of a GPU");
}

/// The gaming PC's AMD card with lines added (later lines win).
fn amd_with(lines: &str) -> PciCard {
    let cards = pci_cards(tree(&format!("{GAMING_PC}\n{lines}")).path());
    cards.into_iter().find(|card| card.vendor_id == 0x1002).expect("the card stays")
}

#[test]
fn an_apu_is_known_by_its_north_bridge() {
    let card = amd_with("bus/pci/devices/b/hwmon/hwmon4/in1_label = vddnb");
    assert_eq!(card.kind, Some(GpuKind::Integrated));
}

#[test]
fn a_sleeping_card_is_not_woken_but_still_listed() {
    let card = amd_with("bus/pci/devices/b/power/runtime_status = suspended");
    assert_eq!((card.temperature_celsius, card.power_watts, card.load_percent), (None, None, None));
    assert_eq!(card.vram_total_bytes, Some(25_753_026_560));
}

#[test]
fn garbage_in_a_file_is_no_value_and_touches_no_other() {
    for (file, garbage) in [
        ("mem_info_vram_used", "99999999999999"),
        ("mem_info_vram_used", "-5"),
        ("gpu_busy_percent", "4294967295"),
        ("gpu_busy_percent", "busy"),
        ("hwmon/hwmon4/temp1_input", "999999999"),
        ("hwmon/hwmon4/temp1_input", "0"),
        ("hwmon/hwmon4/power1_average", "18446744073709551615"),
        ("hwmon/hwmon4/power1_average", "\u{fffd}\u{0}"),
    ] {
        let good = amd_with("");
        let card = amd_with(&format!("bus/pci/devices/b/{file} = {garbage}"));
        let want = match file.rsplit('/').next().unwrap() {
            "mem_info_vram_used" => PciCard { vram_used_bytes: None, ..good },
            "gpu_busy_percent" => PciCard { load_percent: None, ..good },
            "temp1_input" => PciCard { temperature_celsius: None, ..good },
            _ => PciCard { power_watts: None, ..good },
        };
        assert_eq!(card, want, "{file} = {garbage}");
    }
}

#[test]
fn a_total_that_is_garbage_takes_the_used_memory_with_it() {
    let card = amd_with("bus/pci/devices/b/mem_info_vram_total = 0x");
    assert_eq!((card.vram_total_bytes, card.vram_used_bytes), (None, None));
}

#[test]
fn a_driver_name_is_never_a_path() {
    let card = amd_with(r"bus/pci/devices/b/uevent = DRIVER=../../etc\nPCI_SLOT_NAME=nowhere");
    assert_eq!((card.kernel_driver, card.address), (None, None));
}

#[test]
fn a_card_that_is_gone_or_unreadable_is_left_out() {
    let text = r"
        bus/pci/devices/gone/class = 0x030000
        bus/pci/devices/gone/vendor = 0xffff
        bus/pci/devices/gone/device = 0xffff
        bus/pci/devices/half/class = 0x030000
        bus/pci/devices/half/vendor = 0x10de
        bus/pci/devices/garbage/class = display
        bus/pci/devices/garbage/vendor = 0x10de
        bus/pci/devices/garbage/device = 0x2684
        bus/pci/devices/huge/class = 0xffffffffffffffff
        bus/pci/devices/huge/vendor = 0x10de
        bus/pci/devices/huge/device = 0x2684
        bus/pci/devices/file = not a folder
    ";
    assert_eq!(pci_cards(tree(text).path()), Vec::new());
}

#[cfg(unix)]
#[test]
fn a_dangling_link_is_a_card_that_was_pulled_out_just_now() {
    let root = tree(GAMING_PC);
    std::os::unix::fs::symlink("../../../devices/pulled", root.path().join("bus/pci/devices/pulled")).unwrap();
    assert_eq!(pci_cards(root.path()).len(), 3);
}

/// A folder where a file should be can't be read, even by root.
#[test]
fn an_unreadable_file_is_no_value() {
    let root = tree(GAMING_PC);
    let file = root.path().join("bus/pci/devices/b/mem_info_vram_used");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let cards = pci_cards(root.path());
    let card = cards.iter().find(|card| card.vendor_id == 0x1002).unwrap();
    assert_eq!((card.vram_used_bytes, card.vram_total_bytes), (None, Some(25_753_026_560)));
}

#[test]
fn no_pci_bus_no_cards() {
    assert_eq!(pci_cards(tree("kernel/notes = x").path()), Vec::new());
}

#[test]
fn kinds_of_other_cards() {
    let one = |vendor: &str, device: &str, class: &str, address: &str, more: &str| {
        let base = format!(
            "bus/pci/devices/x/class = {class}\nbus/pci/devices/x/vendor = {vendor}\nbus/pci/devices/x/device = {device}\n\
             bus/pci/devices/x/uevent = DRIVER=any\\nPCI_SLOT_NAME={address}\n{more}"
        );
        pci_cards(tree(&base).path()).pop()
    };
    let arc = "bus/pci/devices/x/tile0/physical_vram_size_bytes = 8589934592\nbus/pci/devices/x/tile1/physical_vram_size_bytes = 8589934592";
    let arc = one("0x8086", "0xe20b", "0x030000", "0000:03:00.0", arc).unwrap();
    assert_eq!((arc.kind, arc.vram_total_bytes), (Some(GpuKind::Discrete), Some(16 << 30)));
    let kind = |vendor, class, address| one(vendor, "0x1", class, address, "").map(|card| card.kind);
    assert_eq!(kind("0x8086", "0x038000", "0000:03:00.0"), Some(Some(GpuKind::Discrete)), "not on the root bus");
    assert_eq!(kind("0x1af4", "0x030000", "0000:00:01.0"), Some(Some(GpuKind::Virtual)), "virtio");
    assert_eq!(kind("0x1a03", "0x030000", "0000:02:00.0"), Some(None), "a server's management chip: nobody says");
    assert_eq!(kind("0x1002", "0x120000", "0000:05:00.0"), Some(None), "AMD's accelerators");
    assert_eq!(kind("0x8086", "0x120000", "0000:00:0b.0"), None, "Intel's NPU is no GPU");
}
