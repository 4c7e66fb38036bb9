//! One entry per card: the same card as sysfs, NVML and each graphics interface see it becomes one [`Gpu`]. Pure.
//!
//! Cards are joined by PCI address where both sides have one, else by vendor and device id in the order listed, else
//! (OpenGL and Metal have no ids) by maker and name. What two sources both tell is taken from the one nearer to the
//! hardware: NVML, then sysfs, then Vulkan, Direct3D 12, Metal, OpenGL.

use std::collections::HashSet;

use super::pci::{PciAddress, is_virtual_vendor, vendor_id, vendor_of};
use super::readings::{AdapterReading, CudaDriver, NvmlCard, NvmlFacts, NvmlReading, PciCard, Readings};
use super::report::{Gpu, GpuKind, GraphicsBackend, Vendor};
use super::usability::{CardFacts, usability};
use super::version::{gl_driver_version, nvidia_version_from_windows};

/// A card while its pieces are gathered.
#[derive(Default)]
struct Draft {
    pci: Option<PciCard>,
    nvml: Option<NvmlCard>,
    adapters: Vec<AdapterReading>,
}

/// Joins what all sources said; hardware in PCI order first, then what has no address, then software.
pub(super) fn join(readings: &Readings) -> Vec<Gpu> {
    let mut drafts: Vec<Draft> =
        readings.pci_cards.iter().map(|card| Draft { pci: Some(card.clone()), ..Draft::default() }).collect();
    if let NvmlReading::Read { cards, .. } = &readings.nvml {
        let (answering, lost): (Vec<_>, Vec<_>) = cards.iter().partition(|card| card.facts.is_ok());
        for card in answering.into_iter().chain(lost) {
            add_nvml(&mut drafts, card);
        }
    }
    // OpenGL lists least about a card, so it is matched when the others have made their entries.
    let (gl, others): (Vec<_>, Vec<_>) =
        trusted_addresses(&readings.adapters).into_iter().partition(|a| a.backend == GraphicsBackend::Gl);
    for adapter in others.into_iter().chain(gl) {
        add_adapter(&mut drafts, adapter);
    }
    let mut gpus: Vec<Gpu> = drafts.into_iter().map(|draft| draft.finish(readings)).collect();
    gpus.sort_by_key(|gpu| (gpu.kind == GpuKind::Software, gpu.pci_address.is_none(), gpu.pci_address));
    gpus
}

fn add_nvml(drafts: &mut Vec<Draft>, card: &NvmlCard) {
    let at = match &card.facts {
        Ok(facts) => {
            let ids = (facts.vendor_id.unwrap_or(vendor_id::NVIDIA), facts.device_id.unwrap_or(0));
            let by_address =
                facts.address.and_then(|address| drafts.iter().position(|draft| draft.address() == Some(address)));
            let by_ids = || {
                drafts
                    .iter()
                    .position(|d| d.nvml.is_none() && may_be_same(d.address(), facts.address) && d.ids() == ids)
            };
            by_address.or_else(by_ids)
        }
        // A card that could not be reached says nothing of itself: it is an NVIDIA card on the bus that no other is.
        Err(_) => drafts.iter().position(|draft| draft.nvml.is_none() && draft.vendor() == Vendor::Nvidia),
    };
    match at {
        Some(at) => drafts[at].nvml = Some(card.clone()),
        None => drafts.push(Draft { nvml: Some(card.clone()), ..Draft::default() }),
    }
}

fn add_adapter(drafts: &mut Vec<Draft>, adapter: AdapterReading) {
    let at = if adapter.kind == GpuKind::Software {
        drafts.iter().position(|draft| draft.is_software() && draft.has_name_like(&adapter.name))
    } else {
        find_hardware(drafts, &adapter)
    };
    match at {
        Some(at) => drafts[at].adapters.push(adapter),
        None => drafts.push(Draft { adapters: vec![adapter], ..Draft::default() }),
    }
}

fn find_hardware(drafts: &[Draft], adapter: &AdapterReading) -> Option<usize> {
    if let Some(at) =
        adapter.address.and_then(|address| drafts.iter().position(|draft| draft.address() == Some(address)))
    {
        return Some(at);
    }
    let free = |draft: &&Draft| {
        !draft.is_software() && !draft.listed_by(adapter) && may_be_same(draft.address(), adapter.address)
    };
    let position = |wanted: &dyn Fn(&Draft) -> bool| drafts.iter().position(|draft| free(&draft) && wanted(draft));
    if adapter.device_id != 0 {
        // The second: an NVIDIA card that NVML could not reach has no device id.
        return position(&|draft| draft.ids() == (adapter.vendor_id, adapter.device_id))
            .or_else(|| position(&|draft| draft.ids() == (adapter.vendor_id, 0)));
    }
    // No device id: OpenGL, Metal. A lone card of the maker is taken whatever its name: makers write it differently here.
    let vendor = vendor_of_adapter(adapter);
    let by_name = position(&|draft| draft.vendor() == vendor && draft.has_name_like(&adapter.name));
    let mut of_vendor = drafts
        .iter()
        .enumerate()
        .filter(|(_, draft)| free(draft) && vendor != Vendor::Other && draft.vendor() == vendor);
    let lone = match (of_vendor.next(), of_vendor.next()) {
        (Some((at, _)), None) => Some(at),
        _ => None,
    };
    by_name.or(lone)
}

/// Two addresses contradict each other only when both are known.
fn may_be_same(a: Option<PciAddress>, b: Option<PciAddress>) -> bool {
    a.is_none() || b.is_none() || a == b
}

/// Drops addresses that cannot be true: Direct3D 12's are looked up by vendor and device id, so two equal cards get the
/// same one. (Two different drivers for one card rightly share an address.)
fn trusted_addresses(adapters: &[AdapterReading]) -> Vec<AdapterReading> {
    let mut seen = HashSet::new();
    let mut doubted = HashSet::new();
    for adapter in adapters {
        if let Some(address) = adapter.address {
            let key = (adapter.backend, adapter.driver.clone(), adapter.driver_info.clone(), address);
            if !seen.insert(key.clone()) {
                doubted.insert(key);
            }
        }
    }
    let doubt = |adapter: &AdapterReading, address| {
        doubted.contains(&(adapter.backend, adapter.driver.clone(), adapter.driver_info.clone(), address))
    };
    adapters
        .iter()
        .map(|adapter| AdapterReading {
            address: adapter.address.filter(|&address| !doubt(adapter, address)),
            ..adapter.clone()
        })
        .collect()
}

fn vendor_of_adapter(adapter: &AdapterReading) -> Vendor {
    match vendor_of(adapter.vendor_id) {
        Vendor::Other | Vendor::Mesa => vendor_of_name(&adapter.name),
        vendor => vendor,
    }
}

/// The maker named in an adapter's name, for interfaces without ids.
fn vendor_of_name(name: &str) -> Vendor {
    let name = name.to_lowercase();
    let makers = [
        ("nvidia", Vendor::Nvidia),
        ("geforce", Vendor::Nvidia),
        ("radeon", Vendor::Amd),
        ("amd", Vendor::Amd),
        ("intel", Vendor::Intel),
        ("apple", Vendor::Apple),
        ("adreno", Vendor::Qualcomm),
        ("mali", Vendor::Arm),
        ("llvmpipe", Vendor::Mesa),
        ("softpipe", Vendor::Mesa),
        ("microsoft", Vendor::Microsoft),
    ];
    makers.into_iter().find(|(word, _)| name.contains(word)).map_or(Vendor::Other, |(_, vendor)| vendor)
}

/// A name without what interfaces add around it: `NVIDIA GeForce RTX 4090/PCIe/SSE2`, `Mesa Intel(R) UHD Graphics 620
/// (KBL GT2)`, `AMD Radeon RX 6800 (RADV NAVI21)` and the plain name all come out the same.
fn plain_name(name: &str) -> String {
    let name = name.to_lowercase().replace("(r)", "").replace("(tm)", "");
    let name = name.split(['(', '/']).next().unwrap_or_default();
    let words = name.split_whitespace().filter(|word| !["nvidia", "amd", "ati", "mesa", "graphics"].contains(word));
    words.collect::<Vec<_>>().join(" ")
}

impl Draft {
    fn nvml_facts(&self) -> Option<&NvmlFacts> {
        self.nvml.as_ref().and_then(|card| card.facts.as_ref().ok())
    }

    fn address(&self) -> Option<PciAddress> {
        let pci = self.pci.as_ref().and_then(|card| card.address);
        let nvml = || self.nvml_facts().and_then(|facts| facts.address);
        pci.or_else(nvml).or_else(|| self.adapters.iter().find_map(|adapter| adapter.address))
    }

    /// Vendor and device id, 0 for unknown.
    fn ids(&self) -> (u32, u32) {
        let pci = self.pci.as_ref().map(|card| (card.vendor_id, card.device_id));
        let nvml = || {
            let facts = self.nvml.as_ref()?.facts.as_ref().ok();
            let ids = facts.map(|facts| (facts.vendor_id, facts.device_id)).unwrap_or_default();
            Some((ids.0.unwrap_or(vendor_id::NVIDIA), ids.1.unwrap_or(0)))
        };
        let adapter =
            || self.adapters.iter().map(|adapter| (adapter.vendor_id, adapter.device_id)).max_by_key(|ids| ids.1 != 0);
        pci.or_else(nvml).or_else(adapter).unwrap_or((0, 0))
    }

    fn vendor(&self) -> Vendor {
        match vendor_of(self.ids().0) {
            Vendor::Other => self.adapters.first().map_or(Vendor::Other, vendor_of_adapter),
            vendor => vendor,
        }
    }

    fn is_software(&self) -> bool {
        self.pci.is_none()
            && self.nvml.is_none()
            && self.adapters.iter().any(|adapter| adapter.kind == GpuKind::Software)
    }

    /// Whether this interface's driver already lists this card, so that a second listing is a second card.
    fn listed_by(&self, other: &AdapterReading) -> bool {
        self.adapters.iter().any(|mine| mine.backend == other.backend && mine.driver == other.driver)
    }

    fn has_name_like(&self, name: &str) -> bool {
        let wanted = plain_name(name);
        let names = self
            .adapters
            .iter()
            .map(|adapter| adapter.name.as_str())
            .chain(self.nvml_facts().and_then(|facts| facts.name.as_deref()));
        !wanted.is_empty() && names.into_iter().any(|mine| plain_name(mine) == wanted)
    }

    /// The first answer in the order of trust among the interfaces.
    fn of_adapters<T>(&self, get: impl Fn(&AdapterReading) -> Option<T>) -> Option<T> {
        let mut adapters: Vec<_> = self.adapters.iter().collect();
        adapters.sort_by_key(|adapter| adapter.backend);
        adapters.into_iter().find_map(get)
    }

    fn kind(&self) -> GpuKind {
        let told =
            self.of_adapters(|a| (a.kind != GpuKind::Unknown && a.backend != GraphicsBackend::Gl).then_some(a.kind));
        let sysfs = self.pci.as_ref().and_then(|card| card.kind);
        let virtual_display =
            self.pci.as_ref().filter(|card| is_virtual_vendor(card.vendor_id)).map(|_| GpuKind::Virtual);
        // NVIDIA's integrated GPUs report no memory of their own to NVML.
        let own_memory = self.nvml_facts().and_then(|facts| facts.vram_total_bytes).map(|_| GpuKind::Discrete);
        let guessed_by_gl = || self.of_adapters(|a| (a.kind != GpuKind::Unknown).then_some(a.kind));
        told.or(sysfs).or(virtual_display).or(own_memory).or_else(guessed_by_gl).unwrap_or(GpuKind::Unknown)
    }

    fn name(&self) -> String {
        let nvml = self.nvml_facts().and_then(|facts| facts.name.clone());
        let named =
            nvml.or_else(|| self.of_adapters(|adapter| (!adapter.name.is_empty()).then(|| adapter.name.clone())));
        named.unwrap_or_else(|| {
            let (vendor_id, device_id) = self.ids();
            let maker = match vendor_of(vendor_id) {
                Vendor::Nvidia => "NVIDIA graphics card",
                Vendor::Amd => "AMD graphics card",
                Vendor::Intel => "Intel graphics",
                _ => "Display adapter",
            };
            match device_id {
                0 => maker.to_owned(),
                _ => format!("{maker} [{vendor_id:04x}:{device_id:04x}]"),
            }
        })
    }

    /// Driver name and version.
    fn driver(&self, readings: &Readings) -> (Option<String>, Option<String>) {
        let kernel = self.pci.as_ref().and_then(|card| card.kernel_driver.clone());
        let kernel_version = self.pci.as_ref().and_then(|card| card.kernel_driver_version.clone());
        if let (Some(_), NvmlReading::Read { driver_version, .. }) = (&self.nvml, &readings.nvml) {
            return (Some("NVIDIA".to_owned()), driver_version.clone().or(kernel_version));
        }
        let nvidia = self.vendor() == Vendor::Nvidia;
        let told = self.of_adapters(|adapter| {
            let (name, version) = match adapter.backend {
                // Direct3D 12 tells a version and no name.
                GraphicsBackend::Dx12 => {
                    let version = adapter.driver.clone()?;
                    let own = nvidia.then(|| nvidia_version_from_windows(&version)).flatten();
                    (nvidia.then(|| "NVIDIA".to_owned()), Some(own.unwrap_or(version)))
                }
                GraphicsBackend::Gl => {
                    (adapter.driver.clone(), Some(gl_driver_version(adapter.driver_info.as_deref()?)?))
                }
                GraphicsBackend::Vulkan | GraphicsBackend::Metal => {
                    (adapter.driver.clone(), adapter.driver_info.clone())
                }
            };
            (name.is_some() || version.is_some()).then_some((name, version))
        });
        let (name, version) = told.unwrap_or((None, None));
        (name.or(kernel), version.or(kernel_version))
    }

    fn finish(self, readings: &Readings) -> Gpu {
        let kind = self.kind();
        let (vendor_id, device_id) = self.ids();
        let (driver_name, driver_version) = self.driver(readings);
        let mut backends: Vec<_> = self.adapters.iter().map(|adapter| adapter.backend).collect();
        backends.sort_unstable();
        backends.dedup();
        let verdict = usability(
            &CardFacts {
                vendor: self.vendor(),
                kind,
                on_pci_bus: self.pci.is_some(),
                kernel_driver: self.pci.as_ref().and_then(|card| card.kernel_driver.as_deref()),
                nvml: self.nvml.as_ref(),
                backends: &backends,
            },
            readings,
        );
        let facts = self.nvml_facts().cloned().unwrap_or_default();
        let pci = self.pci.clone().unwrap_or_default();
        // A software rasteriser's heap is the main memory.
        let heap = || self.of_adapters(|adapter| adapter.local_memory_bytes).filter(|_| kind != GpuKind::Software);
        let vram_total_bytes = facts.vram_total_bytes.or(pci.vram_total_bytes).or_else(heap);
        let vram_used_bytes = facts.vram_used_bytes.or(pci.vram_used_bytes);
        let difference = || vram_total_bytes.zip(vram_used_bytes).and_then(|(total, used)| total.checked_sub(used));
        Gpu {
            name: self.name(),
            vendor: self.vendor(),
            kind,
            pci_address: self.address(),
            vendor_id: Some(vendor_id).filter(|&id| id != 0),
            device_id: Some(device_id).filter(|&id| id != 0),
            backends,
            driver_name,
            driver_version,
            kernel_driver: pci.kernel_driver,
            uuid: facts.uuid,
            nvml_index: self.nvml.as_ref().map(|card| card.index),
            compute_capability: facts.compute_capability,
            cuda_driver_version: match &readings.nvml {
                NvmlReading::Read { cuda: CudaDriver::Version(version), .. } if self.nvml.is_some() => Some(*version),
                _ => None,
            },
            vram_total_bytes,
            vram_used_bytes,
            vram_free_bytes: facts.vram_free_bytes.or_else(difference),
            temperature_celsius: facts.temperature_celsius.or(pci.temperature_celsius),
            power_watts: facts.power_watts.or(pci.power_watts),
            load_percent: facts.load_percent.or(pci.load_percent),
            usability: verdict,
        }
    }
}
