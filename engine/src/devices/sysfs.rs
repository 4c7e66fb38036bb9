//! Display controllers on Linux's PCI bus, and what their drivers' files tell.
//!
//! Works on any folder laid out like `/sys`, so that it is tested anywhere. A file that is missing, unreadable or holds
//! rubbish makes its value `None`; a card that vanishes while it is read (hot-unplug) is left out.
//!
//! Sources of the layout: the kernel's `Documentation/ABI` (sysfs-bus-pci, sysfs-driver-amdgpu), its amdgpu thermal and
//! memory pages, and hwmon's naming rules (millidegrees Celsius, microwatts).

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::pci::{PciAddress, is_virtual_vendor, vendor_id};
use super::readings::PciCard;
use super::report::GpuKind;

/// The sysfs of a running Linux.
pub(super) const SYS: &str = "/sys";

/// sysfs files hold at most a page.
const MAX_FILE_BYTES: u64 = 4096;

/// PCI base class of display controllers, and of processing accelerators (AMD's data-centre GPUs).
const CLASS_DISPLAY: u32 = 0x03;
const CLASS_ACCELERATOR: u32 = 0x12;

/// More than any sensor on a working card shows; beyond, the file holds rubbish.
const MAX_CELSIUS: f32 = 150.0;
const MAX_WATTS: f32 = 3000.0;

/// Every display controller below `sys/bus/pci`, in PCI order.
pub(super) fn pci_cards(sys: &Path) -> Vec<PciCard> {
    let Ok(entries) = fs::read_dir(sys.join("bus/pci/devices")) else {
        return Vec::new();
    };
    let mut cards: Vec<PciCard> =
        entries.filter_map(Result::ok).filter_map(|entry| pci_card(sys, &entry.path())).collect();
    cards.sort_by_key(|card| (card.address.is_none(), card.address));
    cards
}

fn pci_card(sys: &Path, device: &Path) -> Option<PciCard> {
    let class = read_number(&device.join("class"))?;
    let vendor = u32::try_from(read_number(&device.join("vendor"))?).ok()?;
    let device_id = u32::try_from(read_number(&device.join("device"))?).ok()?;
    let is_gpu = match u32::try_from(class >> 16).ok()? {
        CLASS_DISPLAY => true,
        CLASS_ACCELERATOR => vendor == vendor_id::AMD,
        _ => false,
    };
    // All ones is what the bus answers for a card that is gone.
    if !is_gpu || vendor == 0xffff {
        return None;
    }
    let uevent = read_text(&device.join("uevent")).unwrap_or_default();
    let of_uevent =
        |key: &str| uevent.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned);
    let address: Option<PciAddress> = of_uevent("PCI_SLOT_NAME")
        .and_then(|text| text.parse().ok())
        .or_else(|| device.file_name()?.to_str()?.parse().ok());
    let kernel_driver = of_uevent("DRIVER").filter(|name| is_module_name(name));
    let kernel_driver_version =
        kernel_driver.as_ref().and_then(|name| read_text(&sys.join("module").join(name).join("version")));
    let vram_total_bytes =
        read_number(&device.join("mem_info_vram_total")).or_else(|| xe_vram(device)).filter(|&bytes| bytes > 0);
    let mut card = PciCard {
        address,
        vendor_id: vendor,
        device_id,
        kind: None,
        kernel_driver,
        kernel_driver_version,
        vram_total_bytes,
        vram_used_bytes: read_number(&device.join("mem_info_vram_used"))
            .filter(|&used| vram_total_bytes.is_some_and(|total| used <= total)),
        ..PciCard::default()
    };
    let sensors = hwmon(device);
    card.kind = kind(&card, device, sensors.as_deref());
    // Reading a sensor wakes a laptop's sleeping card.
    let asleep = read_text(&device.join("power/runtime_status")).is_some_and(|status| status == "suspended");
    if !asleep {
        let load = read_number(&device.join("gpu_busy_percent")).filter(|&percent| percent <= 100);
        card.load_percent = load.map(|percent| percent as f32);
        if let Some(sensors) = &sensors {
            card.temperature_celsius = first_number(sensors, &["temp1_input", "temp2_input"])
                .map(|millidegrees| millidegrees as f32 / 1e3)
                .filter(|celsius| *celsius > 0.0 && *celsius <= MAX_CELSIUS);
            card.power_watts = first_number(sensors, &["power1_average", "power1_input"])
                .map(|microwatts| microwatts as f32 / 1e6)
                .filter(|watts| *watts <= MAX_WATTS);
        }
    }
    Some(card)
}

/// Kind, only where the files tell it.
fn kind(card: &PciCard, device: &Path, sensors: Option<&Path>) -> Option<GpuKind> {
    if is_virtual_vendor(card.vendor_id) {
        return Some(GpuKind::Virtual);
    }
    match card.vendor_id {
        // amdgpu shows the north bridge's voltage on processors with graphics only.
        vendor_id::AMD if card.kernel_driver.as_deref() == Some("amdgpu") => sensors.map(|sensors| {
            let is_apu = read_text(&sensors.join("in1_label")).is_some_and(|label| label == "vddnb");
            if is_apu { GpuKind::Integrated } else { GpuKind::Discrete }
        }),
        // xe shows physical memory on cards that have their own; integrated GPUs sit on the root bus.
        vendor_id::INTEL if xe_vram(device).is_some() => Some(GpuKind::Discrete),
        vendor_id::INTEL => {
            card.address.map(|address| if address.bus == 0 { GpuKind::Integrated } else { GpuKind::Discrete })
        }
        _ => None,
    }
}

/// Memory of an Intel card on the xe driver: the sum over its tiles (of which no card has more than a few).
fn xe_vram(device: &Path) -> Option<u64> {
    let tiles = (0..8).map_while(|tile| read_number(&device.join(format!("tile{tile}/physical_vram_size_bytes"))));
    tiles.reduce(u64::saturating_add)
}

/// The folder of the card's sensors: the first of `hwmon/hwmonN`.
fn hwmon(device: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(device.join("hwmon")).ok()?;
    let folders =
        entries.filter_map(Result::ok).filter(|entry| entry.file_name().to_string_lossy().starts_with("hwmon"));
    folders.map(|entry| entry.path()).min()
}

fn first_number(folder: &Path, names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| read_number(&folder.join(name)))
}

/// A driver's name becomes part of a path, so it must be nothing else than a name.
fn is_module_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// A whole number, decimal or `0x` hexadecimal. A negative one (a temperature can be) is no answer to anything asked here.
fn read_number(path: &Path) -> Option<u64> {
    let text = read_text(path)?;
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    if number.is_err() {
        tracing::debug!(path = %path.display(), text = %text.escape_debug(), "not a number");
    }
    number.ok()
}

/// A file's text without the blanks around it; `None` if it is empty or can't be read.
fn read_text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes));
    if let Err(error) = read {
        if error.kind() != std::io::ErrorKind::NotFound {
            tracing::debug!(path = %path.display(), %error, "unreadable");
        }
        return None;
    }
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
#[path = "sysfs_tests.rs"]
mod tests;
