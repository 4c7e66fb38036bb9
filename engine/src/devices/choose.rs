//! Which device to compute on. Pure.

use super::preference::DevicePreference;
use super::report::{ComputeBackend, ComputeDevice, DeviceReport, EngineBackends, Gpu, GpuKind, Usability, Vendor};

/// The device asked for can't be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChooseError {
    /// No NVIDIA card.
    #[error("cuda was asked for, but this computer shows no NVIDIA card. {}", self.next_step())]
    NoNvidiaCard,
    /// NVIDIA cards, none fit.
    #[error("cuda was asked for, but {name} can't be used: {reason}. {next_step}")]
    CardUnusable {
        /// The card.
        name: String,
        /// Why not.
        reason: String,
        /// What to do.
        next_step: String,
    },
    /// No card with this index.
    #[error("cuda:{index} was asked for, but NVIDIA's driver lists {}. {}", listing(available), self.next_step())]
    NoSuchCard {
        /// The index asked for.
        index: u32,
        /// The indices there are.
        available: Vec<u32>,
    },
    /// The card is fit, the worker is not installed.
    #[error("cuda was asked for and {name} could compute, but the CUDA worker {} is not beside this program. {}", super::here::CUDA_WORKER, self.next_step())]
    CudaWorkerMissing {
        /// The card.
        name: String,
    },
    /// Metal is not in this build.
    #[error("metal was asked for, but this build of the program has no Metal in it. {}", self.next_step())]
    MetalNotBuilt,
    /// Metal is in this build, but no Apple GPU was found.
    #[error("metal was asked for, but this computer shows no Apple GPU. {}", self.next_step())]
    NoAppleGpu,
}

fn listing(indices: &[u32]) -> String {
    match indices {
        [] => "no card".to_owned(),
        _ => format!("only {}", indices.iter().map(|index| format!("cuda:{index}")).collect::<Vec<_>>().join(", ")),
    }
}

impl ChooseError {
    /// Stable code for scripts and the API.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            ChooseError::NoNvidiaCard => "device.no_nvidia_card",
            ChooseError::CardUnusable { .. } => "device.card_unusable",
            ChooseError::NoSuchCard { .. } => "device.no_such_card",
            ChooseError::CudaWorkerMissing { .. } => "device.cuda_worker_missing",
            ChooseError::MetalNotBuilt => "device.metal_not_built",
            ChooseError::NoAppleGpu => "device.no_apple_gpu",
        }
    }

    /// What to do about it, one sentence (also the end of the message).
    #[must_use]
    pub fn next_step(&self) -> &str {
        match self {
            ChooseError::NoNvidiaCard => "Use --device auto or cpu, or install NVIDIA's driver if there is a card.",
            ChooseError::CardUnusable { next_step, .. } => next_step,
            ChooseError::NoSuchCard { .. } => "Use one of the listed indices, or --device auto.",
            ChooseError::CudaWorkerMissing { .. } => "Install the package with the CUDA worker, or use --device cpu.",
            ChooseError::MetalNotBuilt => "Use --device auto or cpu, or the macOS package.",
            ChooseError::NoAppleGpu => "Use --device auto or cpu.",
        }
    }
}

/// Chooses what to compute on.
///
/// `auto` takes the usable NVIDIA card with the most free memory (where that is not told, with the most memory; the
/// lower index of equals) if the CUDA worker is there, else an Apple GPU, else the CPU, and never fails.
///
/// # Errors
/// When a device asked for by name can't be had: which part is missing, and what to do.
pub fn choose(report: &DeviceReport, preference: DevicePreference) -> Result<ComputeDevice, ChooseError> {
    choose_among(&report.gpus, report.engine, preference)
}

pub(super) fn choose_among(
    gpus: &[Gpu],
    engine: EngineBackends,
    preference: DevicePreference,
) -> Result<ComputeDevice, ChooseError> {
    match preference {
        DevicePreference::Cpu => Ok(ComputeDevice::Cpu { reason: "the CPU was asked for".to_owned() }),
        DevicePreference::Cuda(index) => cuda(gpus, engine, index),
        DevicePreference::Metal => metal(gpus, engine),
        DevicePreference::Auto => Ok(auto(gpus, engine)),
    }
}

fn cuda(gpus: &[Gpu], engine: EngineBackends, index: Option<u32>) -> Result<ComputeDevice, ChooseError> {
    let nvidia = || gpus.iter().filter(|gpu| gpu.vendor == Vendor::Nvidia && gpu.kind != GpuKind::Software);
    let at = match index {
        Some(index) => {
            let at = gpus.iter().position(|gpu| gpu.nvml_index == Some(index));
            match at {
                Some(at) => at,
                // Without NVML there are no indices, and the card's own reason says more.
                None if nvidia().all(|gpu| gpu.nvml_index.is_none()) => {
                    return Err(no_usable_card(nvidia()));
                }
                None => {
                    return Err(ChooseError::NoSuchCard {
                        index,
                        available: nvidia().filter_map(|gpu| gpu.nvml_index).collect(),
                    });
                }
            }
        }
        None => best_cuda(gpus).ok_or_else(|| no_usable_card(nvidia()))?,
    };
    let gpu = &gpus[at];
    if let Usability::Unusable { .. } = gpu.usability {
        return Err(no_usable_card(std::iter::once(gpu)));
    }
    if !cuda_reachable(engine) {
        return Err(ChooseError::CudaWorkerMissing { name: gpu.name.clone() });
    }
    Ok(cuda_device(gpus, at, "it was asked for".to_owned()))
}

fn no_usable_card<'a>(mut cards: impl Iterator<Item = &'a Gpu>) -> ChooseError {
    match cards.next().map(|gpu| (gpu, &gpu.usability)) {
        Some((gpu, Usability::Unusable { reason, next_step, .. })) => {
            ChooseError::CardUnusable { name: gpu.name.clone(), reason: reason.clone(), next_step: next_step.clone() }
        }
        _ => ChooseError::NoNvidiaCard,
    }
}

fn metal(gpus: &[Gpu], engine: EngineBackends) -> Result<ComputeDevice, ChooseError> {
    if !engine.metal_built_in {
        return Err(ChooseError::MetalNotBuilt);
    }
    let at = first_metal(gpus).ok_or(ChooseError::NoAppleGpu)?;
    Ok(ComputeDevice::Metal { gpu_index: at, name: gpus[at].name.clone(), reason: "it was asked for".to_owned() })
}

fn auto(gpus: &[Gpu], engine: EngineBackends) -> ComputeDevice {
    if let Some(at) = best_cuda(gpus)
        && cuda_reachable(engine)
    {
        let usable = gpus.iter().filter(|gpu| gpu.usability.backend() == Some(ComputeBackend::Cuda)).count();
        let reason = if usable > 1 {
            format!("it has the most free memory of {usable} usable NVIDIA cards")
        } else {
            "it is a usable NVIDIA card".to_owned()
        };
        return cuda_device(gpus, at, reason);
    }
    if let Some(at) = first_metal(gpus)
        && engine.metal_built_in
    {
        return ComputeDevice::Metal {
            gpu_index: at,
            name: gpus[at].name.clone(),
            reason: "it is an Apple GPU".to_owned(),
        };
    }
    ComputeDevice::Cpu { reason: why_cpu(gpus) }
}

fn why_cpu(gpus: &[Gpu]) -> String {
    if let Some(at) = best_cuda(gpus) {
        return format!(
            "{} could compute, but the CUDA worker {} is not beside this program",
            gpus[at].name,
            super::here::CUDA_WORKER
        );
    }
    let hardware = || gpus.iter().filter(|gpu| gpu.kind != GpuKind::Software);
    // The card that people expect to be used explains best why none is.
    let explains = hardware()
        .find(|gpu| gpu.vendor == Vendor::Nvidia)
        .or_else(|| hardware().find(|gpu| gpu.vendor == Vendor::Apple))
        .or_else(|| hardware().next());
    match explains.map(|gpu| (gpu, &gpu.usability)) {
        Some((gpu, Usability::Unusable { reason, .. })) => {
            format!("{} can't be used: {reason}", gpu.name)
        }
        _ => "no GPU was found".to_owned(),
    }
}

fn cuda_reachable(engine: EngineBackends) -> bool {
    engine.cuda_worker_found || engine.cuda_built_in
}

fn best_cuda(gpus: &[Gpu]) -> Option<usize> {
    let usable = gpus.iter().enumerate().filter(|(_, gpu)| gpu.usability.backend() == Some(ComputeBackend::Cuda));
    let memory = |gpu: &Gpu| gpu.vram_free_bytes.or(gpu.vram_total_bytes).unwrap_or(0);
    // `Reverse`: of equals the first, which has the lower index.
    usable.max_by_key(|&(at, gpu)| (memory(gpu), std::cmp::Reverse(at))).map(|(at, _)| at)
}

fn first_metal(gpus: &[Gpu]) -> Option<usize> {
    gpus.iter().position(|gpu| gpu.usability.backend() == Some(ComputeBackend::Metal))
}

fn cuda_device(gpus: &[Gpu], at: usize, reason: String) -> ComputeDevice {
    let gpu = &gpus[at];
    ComputeDevice::Cuda {
        gpu_index: at,
        nvml_index: gpu.nvml_index,
        uuid: gpu.uuid.clone(),
        name: gpu.name.clone(),
        reason,
    }
}
