//! Which device a command computes on.

use infernet_engine::devices::{ComputeDevice, DevicePreference, choose, cuda_worker_path};
use infernet_engine::pipeline::Precision;

use super::devices;
use crate::cli::{Dtype, ModelArgs};
use crate::failure::{Failure, Result};

/// The CPU, with the number format and threads to use. GPUs compute in side-car workers.
pub(super) struct CpuChoice {
    pub(super) precision: Precision,
    pub(super) threads: Option<usize>,
    /// Why not a GPU, in a sentence; empty when the CPU was asked for.
    pub(super) reason: String,
}

/// Resolves `--device`, `--dtype` and `--threads`.
pub(super) fn resolve(arguments: &ModelArgs) -> Result<CpuChoice> {
    let preference: DevicePreference = arguments.device.parse()?;
    let precision = match arguments.dtype {
        None | Some(Dtype::F32) => Precision::F32,
        Some(Dtype::F16) => Precision::F16,
        Some(Dtype::Bf16) => Precision::Bf16,
    };
    let cpu = |reason: &str| {
        Ok(CpuChoice { precision, threads: arguments.threads.map(usize::from), reason: reason.to_owned() })
    };
    match preference {
        DevicePreference::Cpu => return cpu(""),
        // Asking drivers takes a second; without a worker for a GPU the answer is known.
        DevicePreference::Auto if cuda_worker_path().is_none() && cfg!(not(target_os = "macos")) => {
            return cpu("no GPU worker is installed beside this program");
        }
        _ => {}
    }
    let report = devices::report()?;
    match choose(&report, preference)? {
        device @ ComputeDevice::Cpu { .. } => cpu(device.reason()),
        device => Err(Failure::input(format!(
            "{} is usable, but this version can't compute on it yet; use --device cpu",
            device.backend().name()
        ))),
    }
}
