//! Whether the engine can compute on a card, and if not, why and what to do. Pure.

use super::readings::{
    CudaDriver, GraphicsFailure, NvmlCard, NvmlFacts, NvmlFailure, NvmlFailureKind, NvmlReading, Readings,
};
use super::report::{ComputeBackend, Gpu, GpuKind, GraphicsBackend, Note, NoteCode, UnusableCode, Usability, Vendor};
use super::version::{MajorMinor, nvidia_branch};

/// Oldest branch of NVIDIA's driver that runs CUDA 13.0, which the CUDA worker is built with (CUDA 13.0 release notes:
/// 580.65.06 on Linux, and branch 580 on Windows).
pub const MIN_NVIDIA_DRIVER_BRANCH: u32 = 580;

/// The CUDA version of the worker's libraries; the driver must run at least this.
pub const MIN_CUDA_DRIVER: MajorMinor = MajorMinor::new(13, 0);

/// Oldest compute capability (Turing: GTX 16, RTX 20) that the CUDA worker can be built for: `nvcc 13.0 --list-gpu-arch`
/// begins at `compute_75`, and CUDA 13's libraries hold no code for older cards. candle's kernels ask for less in f32 and
/// f16 (their oldest guard is `__CUDA_ARCH__ >= 530`) and for 8.0 in bf16, which is for whoever chooses the data type.
pub const MIN_COMPUTE_CAPABILITY: MajorMinor = MajorMinor::new(7, 5);

/// What the rules look at.
pub(super) struct CardFacts<'a> {
    pub(super) vendor: Vendor,
    pub(super) kind: GpuKind,
    /// sysfs knows the card, so that a missing kernel driver means something.
    pub(super) on_pci_bus: bool,
    pub(super) kernel_driver: Option<&'a str>,
    pub(super) nvml: Option<&'a NvmlCard>,
    pub(super) backends: &'a [GraphicsBackend],
}

/// The verdict on one card.
pub(super) fn usability(card: &CardFacts<'_>, readings: &Readings) -> Usability {
    let verdict = match (card.kind, card.vendor) {
        (GpuKind::Software, _) => Err(SOFTWARE),
        (_, Vendor::Nvidia) => nvidia(card, readings).map(|()| ComputeBackend::Cuda),
        (_, Vendor::Apple) if readings.engine.metal_built_in => Ok(ComputeBackend::Metal),
        (_, Vendor::Apple) => Err(METAL_NOT_BUILT),
        (GpuKind::Virtual, _) => Err(VIRTUAL),
        (_, vendor) => Err(no_backend(vendor, card.backends)),
    };
    match verdict {
        Ok(backend) => Usability::Usable { backend },
        Err(Refusal { code, reason, next_step }) => {
            Usability::Unusable { code, reason: reason.into_owned(), next_step: next_step.into_owned() }
        }
    }
}

type Text = std::borrow::Cow<'static, str>;

struct Refusal {
    code: UnusableCode,
    reason: Text,
    next_step: Text,
}

fn refuse(code: UnusableCode, reason: impl Into<Text>, next_step: impl Into<Text>) -> Refusal {
    Refusal { code, reason: reason.into(), next_step: next_step.into() }
}

const fn fixed(code: UnusableCode, reason: &'static str, next_step: &'static str) -> Refusal {
    Refusal { code, reason: Text::Borrowed(reason), next_step: Text::Borrowed(next_step) }
}

const UPDATE_DRIVER: &str =
    "Install NVIDIA's driver 580 or newer from nvidia.com or your distribution, then restart the computer.";
const RESTART: &str = "Restart the computer; if it happens again, reinstall NVIDIA's driver.";

const SOFTWARE: Refusal = fixed(
    UnusableCode::SoftwareRasterizer,
    "it is no GPU: it draws on the CPU",
    "Nothing to do; a hardware GPU that should be listed instead needs its driver.",
);
const VIRTUAL: Refusal = fixed(
    UnusableCode::VirtualDisplay,
    "it is a virtual machine's display adapter",
    "Pass a hardware GPU through to this virtual machine, or run on the host.",
);
const METAL_NOT_BUILT: Refusal = fixed(
    UnusableCode::MetalNotBuilt,
    "this build of the program has no Metal in it",
    "Install the macOS package, which has Metal.",
);
const NVML_MISSING: Refusal = fixed(
    UnusableCode::NvmlMissing,
    "NVIDIA's management library (NVML) is not installed, so driver and compute capability are unknown",
    "Install NVIDIA's driver 580 or newer, which brings it; in a container, allow the driver's `utility` and `compute` capabilities.",
);

fn no_backend(vendor: Vendor, backends: &[GraphicsBackend]) -> Refusal {
    let maker = match vendor {
        Vendor::Amd => "AMD",
        Vendor::Intel => "Intel",
        Vendor::Qualcomm => "Qualcomm",
        Vendor::Arm => "Arm",
        _ => "this maker's",
    };
    let apple =
        if backends.contains(&GraphicsBackend::Metal) { " (Metal is used on Apple's own GPUs only)" } else { "" };
    refuse(
        UnusableCode::NoBackend,
        format!("the engine computes on NVIDIA and Apple GPUs and has no backend for {maker} GPUs{apple}"),
        "Nothing to do; clips are computed on the CPU.",
    )
}

/// The chain from the kernel up: driver bound, NVML answers, card answers, driver and card new enough, computing allowed.
fn nvidia(card: &CardFacts<'_>, readings: &Readings) -> Result<(), Refusal> {
    kernel_driver(card)?;
    let (driver_version, cuda, cards) = match &readings.nvml {
        NvmlReading::NotAsked => {
            return Err(refuse(UnusableCode::DriverSilent, "NVIDIA's driver gave no answer", RESTART));
        }
        NvmlReading::Failed(failure) => return Err(nvml_failure(failure)),
        NvmlReading::Read { driver_version, cuda, cards } => (driver_version.as_deref(), cuda, cards),
    };
    let nvml = match card.nvml {
        Some(NvmlCard { index, facts: Ok(facts) }) => match &facts.lost {
            Some(detail) => return Err(lost(detail)),
            None => (*index, facts),
        },
        Some(NvmlCard { facts: Err(detail), .. }) => return Err(lost(detail)),
        None => {
            let listed = if cards.is_empty() { "no card" } else { "only other cards" };
            return Err(refuse(
                UnusableCode::DriverIgnoresCard,
                format!(
                    "NVIDIA's driver {} is running but lists {listed}",
                    driver_version.unwrap_or("(version unknown)")
                ),
                "Check on nvidia.com that this driver still supports the card; in a container, give it the card.",
            ));
        }
    };
    driver_new_enough(driver_version, *cuda)?;
    card_fit(nvml.0, nvml.1, readings.cuda_visible_devices.as_deref())
}

fn kernel_driver(card: &CardFacts<'_>) -> Result<(), Refusal> {
    match card.kernel_driver {
        Some(driver @ ("nouveau" | "nova" | "nova_core" | "NovaCore")) => Err(refuse(
            UnusableCode::OpenDriver,
            format!("it runs on the {driver} driver, which has no CUDA"),
            UPDATE_DRIVER,
        )),
        Some(driver) if driver.contains("vfio") || driver == "pci-stub" || driver == "pciback" => Err(refuse(
            UnusableCode::HandedToVm,
            format!("it is reserved for a virtual machine ({driver})"),
            "Give it back to the nvidia driver if this computer is to use it.",
        )),
        // NVML can answer in a container whose sysfs hides the driver, so a missing driver convicts only without NVML.
        None if card.on_pci_bus && card.nvml.is_none() => {
            Err(refuse(UnusableCode::NoDriver, "no driver is bound to it", UPDATE_DRIVER))
        }
        _ => Ok(()),
    }
}

fn nvml_failure(failure: &NvmlFailure) -> Refusal {
    match failure.kind {
        NvmlFailureKind::LibraryMissing => NVML_MISSING,
        NvmlFailureKind::NoSuchSystem => fixed(
            UnusableCode::NoDriver,
            "NVIDIA has no driver for this operating system",
            "Use this card under Linux or Windows; here clips are computed on the CPU.",
        ),
        NvmlFailureKind::VersionMismatch => fixed(
            UnusableCode::DriverMismatch,
            "NVIDIA's driver was updated while it was running, and its two halves no longer fit",
            "Restart the computer.",
        ),
        NvmlFailureKind::DriverNotLoaded => {
            fixed(UnusableCode::DriverNotLoaded, "NVIDIA's driver is installed but not running", RESTART)
        }
        NvmlFailureKind::NoPermission => fixed(
            UnusableCode::DriverSilent,
            "this user may not talk to NVIDIA's driver",
            "Allow this user to open /dev/nvidia* (often by joining the group `video` or `render`).",
        ),
        NvmlFailureKind::Other => {
            refuse(UnusableCode::DriverSilent, format!("NVIDIA's driver failed to answer: {}", failure.detail), RESTART)
        }
    }
}

fn lost(detail: &str) -> Refusal {
    refuse(
        UnusableCode::GpuLost,
        format!("NVIDIA's driver can no longer reach it ({detail})"),
        "Restart the computer; if it happens again, check power cables, seating and temperature of the card.",
    )
}

fn driver_new_enough(driver_version: Option<&str>, cuda: CudaDriver) -> Result<(), Refusal> {
    let too_old = |what: String| Err(refuse(UnusableCode::DriverTooOld, what, UPDATE_DRIVER));
    // The CUDA version decides where it is known: data-centre compatibility packages run a newer CUDA on an older branch.
    match cuda {
        CudaDriver::Missing => Err(fixed(
            UnusableCode::CudaLibraryMissing,
            "the CUDA part of NVIDIA's driver (libcuda, nvcuda.dll) is not installed",
            "Install the driver's CUDA package (on Debian and Ubuntu `libcuda1` or `libnvidia-compute`); in a container, allow the driver's `compute` capability.",
        )),
        CudaDriver::Version(version) if version < MIN_CUDA_DRIVER => too_old(format!(
            "its driver {} runs CUDA up to {version}; CUDA {MIN_CUDA_DRIVER} is needed (driver {MIN_NVIDIA_DRIVER_BRANCH} or newer)",
            driver_version.unwrap_or("(version unknown)"),
        )),
        CudaDriver::Version(_) => Ok(()),
        CudaDriver::Unknown => match driver_version.and_then(nvidia_branch) {
            Some(branch) if branch >= MIN_NVIDIA_DRIVER_BRANCH => Ok(()),
            Some(_) => too_old(format!(
                "its driver {} is too old; {MIN_NVIDIA_DRIVER_BRANCH} or newer is needed for CUDA {MIN_CUDA_DRIVER}",
                driver_version.unwrap_or_default(),
            )),
            None => Err(refuse(UnusableCode::DriverSilent, "NVIDIA's driver does not tell its version", RESTART)),
        },
    }
}

fn card_fit(nvml_index: u32, facts: &NvmlFacts, visible: Option<&str>) -> Result<(), Refusal> {
    let Some(capability) = facts.compute_capability else {
        return Err(refuse(
            UnusableCode::ComputeCapabilityUnknown,
            "NVIDIA's driver does not tell its compute capability",
            RESTART,
        ));
    };
    if capability < MIN_COMPUTE_CAPABILITY {
        return Err(refuse(
            UnusableCode::ComputeCapabilityTooLow,
            format!(
                "its compute capability {capability} is below {MIN_COMPUTE_CAPABILITY}, the oldest that CUDA {MIN_CUDA_DRIVER} supports"
            ),
            "Use a GTX 16, RTX 20 or newer card; until then clips are computed on the CPU.",
        ));
    }
    if facts.compute_prohibited {
        return Err(fixed(
            UnusableCode::ComputeProhibited,
            "computing is switched off on it (compute mode `Prohibited`)",
            "An administrator can allow it again with `nvidia-smi --compute-mode=DEFAULT`.",
        ));
    }
    match visible {
        Some(list) if !is_visible(list, nvml_index, facts.uuid.as_deref()) => Err(refuse(
            UnusableCode::HiddenByEnvironment,
            format!("the environment variable CUDA_VISIBLE_DEVICES={list:.64} hides it"),
            "Remove the variable or add this card to it.",
        )),
        _ => Ok(()),
    }
}

/// Whether `CUDA_VISIBLE_DEVICES` shows a card: indices (taken in PCI order, as `nvidia-smi` counts) or the beginnings of
/// unique ids; as for CUDA, nothing after the first entry that is neither counts. Slices of a card (MIG) are not used.
fn is_visible(list: &str, nvml_index: u32, uuid: Option<&str>) -> bool {
    for entry in list.split(',').map(str::trim) {
        if entry.starts_with("GPU-") {
            if uuid.is_some_and(|uuid| uuid.starts_with(entry)) {
                return true;
            }
        } else {
            match entry.parse::<u32>() {
                Ok(index) if index == nvml_index => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }
    false
}

/// What could not be asked, and what is wrong beyond one card.
pub(super) fn notes(readings: &Readings, gpus: &[Gpu]) -> Vec<Note> {
    let mut notes: Vec<Note> = readings.graphics_failures.iter().map(graphics_note).collect();
    let has_nvidia = gpus.iter().any(|gpu| gpu.vendor == Vendor::Nvidia);
    match &readings.nvml {
        NvmlReading::NotAsked => {}
        NvmlReading::Failed(NvmlFailure { kind: NvmlFailureKind::NoSuchSystem, .. }) => {}
        NvmlReading::Failed(failure) => notes.push(nvml_note(failure, has_nvidia)),
        NvmlReading::Read { driver_version, cuda, cards } => {
            if !cards.is_empty()
                && let Err(Refusal { code: UnusableCode::DriverTooOld, reason, next_step }) =
                    driver_new_enough(driver_version.as_deref(), *cuda)
            {
                let reason = format!("No NVIDIA card can be used: {reason}");
                notes.push(Note { code: NoteCode::NvidiaDriverTooOld, reason, next_step: next_step.into_owned() });
            }
            notes.extend(cards.iter().filter_map(lost_note));
        }
    }
    notes
}

fn lost_note(card: &NvmlCard) -> Option<Note> {
    let (name, detail) = match &card.facts {
        Ok(facts) => (facts.name.as_deref(), facts.lost.as_ref()?),
        Err(detail) => (None, detail),
    };
    let Refusal { next_step, .. } = lost(detail);
    let reason = format!("NVIDIA card {} ({}) does not answer: {detail}", card.index, name.unwrap_or("name unknown"));
    Some(Note { code: NoteCode::GpuLost, reason, next_step: next_step.into_owned() })
}

fn nvml_note(failure: &NvmlFailure, has_nvidia: bool) -> Note {
    let Refusal { reason, next_step, .. } = nvml_failure(failure);
    let (code, reason) = match failure.kind {
        NvmlFailureKind::LibraryMissing if !has_nvidia => {
            return Note {
                code: NoteCode::NvmlMissing,
                reason: "NVIDIA's management library (NVML) is not installed, and no NVIDIA card was seen".to_owned(),
                next_step: "Nothing to do, unless there is an NVIDIA card in this computer: then install its driver."
                    .to_owned(),
            };
        }
        NvmlFailureKind::LibraryMissing => (NoteCode::NvmlMissing, reason),
        NvmlFailureKind::VersionMismatch => (NoteCode::NvmlMismatch, reason),
        NvmlFailureKind::DriverNotLoaded => (NoteCode::NvidiaDriverNotLoaded, reason),
        NvmlFailureKind::NoSuchSystem | NvmlFailureKind::NoPermission | NvmlFailureKind::Other => {
            (NoteCode::NvmlFailed, reason)
        }
    };
    Note { code, reason: upper_first(&reason), next_step: next_step.into_owned() }
}

fn graphics_note(failure: &GraphicsFailure) -> Note {
    let backend = failure.backend.name();
    let detail = &failure.detail;
    if failure.while_listing {
        return Note {
            code: NoteCode::GraphicsFailed,
            reason: format!("{backend} failed while it listed its cards: {detail}"),
            next_step: "Update the graphics driver; cards that other interfaces list are shown.".to_owned(),
        };
    }
    // The same words on every system: this is pure, and a report is read on other computers too.
    let next_step = match failure.backend {
        GraphicsBackend::Vulkan => {
            "Install or update the graphics driver (on Debian and Ubuntu `libvulkan1` and `mesa-vulkan-drivers`); computing does not need it."
        }
        _ => "Install or update the graphics driver; computing does not need it.",
    };
    Note {
        code: NoteCode::GraphicsUnavailable,
        reason: format!("{backend} could not be started: {detail}"),
        next_step: next_step.to_owned(),
    }
}

fn upper_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}
