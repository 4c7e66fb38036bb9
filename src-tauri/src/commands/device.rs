//! Which device a command computes on.

use infernet_engine::devices::{
    ComputeDevice, DevicePreference, available_memory_bytes, choose, cuda_worker_path, peak_memory_bytes,
};
use infernet_engine::pipeline::{LoadOptions, Precision, TensorDevice};
use serde::Serialize;

use super::devices;
use crate::cli::ComputeArgs;
use crate::failure::{Failure, Result};
use crate::worker::{self, Worker};

/// Where a command computes.
pub(super) enum Choice {
    /// In this process.
    Here(LoadOptions),
    /// In the CUDA worker, which runs the whole command.
    Worker(Worker),
}

/// Resolves `--device`, `--dtype` and `--threads`.
pub(super) fn resolve(arguments: &ComputeArgs) -> Result<Choice> {
    let preference: DevicePreference = arguments.device.parse()?;
    if cfg!(feature = "cuda") {
        return Ok(in_worker(arguments, preference));
    }
    let cpu = |reason: &str| {
        if !reason.is_empty() {
            tracing::info!(reason, "computing on the CPU");
        }
        Ok(Choice::Here(options(arguments, TensorDevice::Cpu)))
    };
    match preference {
        DevicePreference::Cpu => return cpu(""),
        // Asking drivers takes a second; without a worker for a GPU the answer is known.
        DevicePreference::Auto if cuda_worker_path().is_none() && cfg!(not(target_os = "macos")) => {
            return cpu("no GPU worker is installed beside this program");
        }
        _ => {}
    }
    let report = devices::report();
    match choose(&report, preference)? {
        ComputeDevice::Cpu { reason } => cpu(&reason),
        ComputeDevice::Metal { .. } => Ok(Choice::Here(options(arguments, TensorDevice::Metal))),
        ComputeDevice::Cuda { nvml_index, uuid, name, .. } => {
            let card = uuid.unwrap_or_else(|| nvml_index.unwrap_or_default().to_string());
            let found = match cuda_worker_path() {
                Some(program) => Worker::find(program, card),
                None => Err("the CUDA worker is no longer beside this program".to_owned()),
            };
            match (found, preference) {
                (Ok(worker), _) => Ok(Choice::Worker(worker)),
                (Err(reason), DevicePreference::Auto) => {
                    eprintln!("warning: {name} is not used: {reason}; computing on the CPU");
                    cpu("")
                }
                (Err(reason), _) => Err(Failure::input(format!("{name} can't be used: {reason}"))),
            }
        }
    }
}

/// What the CUDA worker itself computes on: the one card it is shown, or by its own command line any.
fn in_worker(arguments: &ComputeArgs, preference: DevicePreference) -> Choice {
    let device = match preference {
        DevicePreference::Cpu => TensorDevice::Cpu,
        DevicePreference::Metal => TensorDevice::Metal,
        DevicePreference::Cuda(Some(index)) if !worker::is_worker() => TensorDevice::Cuda(index as usize),
        DevicePreference::Cuda(_) | DevicePreference::Auto => TensorDevice::Cuda(0),
    };
    Choice::Here(options(arguments, device))
}

fn options(arguments: &ComputeArgs, device: TensorDevice) -> LoadOptions {
    let on_cpu = matches!(device, TensorDevice::Cpu | TensorDevice::CpuTensors);
    let precision = match arguments.dtype {
        None if on_cpu => Precision::F32,
        None => Precision::F16,
        Some(dtype) => dtype.into(),
    };
    LoadOptions { device, precision, threads: arguments.threads.map(usize::from) }
}

/// Free memory of the device, where it is known.
pub(super) fn free_memory_bytes(options: &LoadOptions) -> Result<Option<u64>> {
    Ok(match options.device.memory()? {
        Some(memory) => Some(memory.free_bytes),
        None => available_memory_bytes(),
    })
}

/// What was computed on and how much memory that took, for reports.
#[derive(Serialize)]
pub(super) struct DeviceUse {
    pub(super) device: String,
    pub(super) dtype: &'static str,
    /// Of main memory, by this process.
    pub(super) peak_memory_bytes: Option<u64>,
    /// Of the card's memory, by this process's tensors; `None` on the CPU.
    pub(super) peak_vram_bytes: Option<u64>,
}

impl DeviceUse {
    /// As it is now: peaks so far.
    pub(super) fn now(options: &LoadOptions) -> Result<Self> {
        let device = match options.device {
            TensorDevice::Cpu | TensorDevice::CpuTensors => "cpu".to_owned(),
            TensorDevice::Cuda(index) => format!("cuda:{index}"),
            TensorDevice::Metal => "metal".to_owned(),
        };
        let memory = options.device.memory()?;
        Ok(Self {
            device,
            dtype: options.precision.name(),
            peak_memory_bytes: peak_memory_bytes(),
            peak_vram_bytes: memory.and_then(|memory| memory.peak_bytes),
        })
    }
}
