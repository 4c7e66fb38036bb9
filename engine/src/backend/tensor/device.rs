//! Which device computes, and which backend that takes.

use candle_core::{DType, Device};

use super::Tensors;
use crate::backend::cpu::Cpu;
use crate::error::{EngineError, Result};

/// Where UNet and VAE run. The text encoder always runs on the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TensorDevice {
    /// The CPU: in f32 with the engine's own kernels, whose results are the same everywhere; in f16 and bf16 through the
    /// tensor library, which is slow but shows what these formats do to a result.
    #[default]
    Cpu,
    /// The CPU through the tensor library in f32 too, to compare the two backends.
    CpuTensors,
    /// An NVIDIA GPU by CUDA's index; needs a build with the feature `cuda`.
    Cuda(usize),
    /// The default Apple GPU; needs a build with the feature `metal`.
    Metal,
}

/// A backend, ready to load layers.
pub(crate) enum Chosen {
    Kernels(Cpu),
    Tensors(Tensors),
}

impl TensorDevice {
    /// The backend for activations of `dtype`, which is F32, F16 or BF16.
    ///
    /// # Errors
    /// The build can't use the device, or there is no such device.
    pub(crate) fn backend(self, dtype: DType) -> Result<Chosen> {
        let device = match self {
            TensorDevice::Cpu if dtype == DType::F32 => return Ok(Chosen::Kernels(Cpu::new())),
            TensorDevice::Cpu | TensorDevice::CpuTensors => Device::Cpu,
            TensorDevice::Cuda(_) if !candle_core::utils::cuda_is_available() => {
                return Err(without_feature("CUDA", "use the CUDA worker (infernet-worker-cuda)"));
            }
            TensorDevice::Cuda(index) => Device::new_cuda(index).map_err(|error| {
                EngineError::Request(format!(
                    "CUDA device {index} can't be opened ({error}); `infernet devices` lists the devices of this computer, and `--device cpu` needs none"
                ))
            })?,
            TensorDevice::Metal if !candle_core::utils::metal_is_available() => {
                return Err(without_feature("Metal", "use a macOS build"));
            }
            TensorDevice::Metal => Device::new_metal(0).map_err(|error| {
                EngineError::Request(format!("the Metal device can't be opened ({error}); `--device cpu` needs none"))
            })?,
        };
        Ok(Chosen::Tensors(Tensors::new(device, dtype)))
    }
}

fn without_feature(name: &str, next: &str) -> EngineError {
    EngineError::Request(format!("this build can't compute on {name}: {next}, or choose `--device cpu`"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn f32_on_the_cpu_takes_the_kernels_and_half_types_take_tensors() {
        assert!(matches!(TensorDevice::Cpu.backend(DType::F32).unwrap(), Chosen::Kernels(_)));
        assert!(matches!(TensorDevice::Cpu.backend(DType::BF16).unwrap(), Chosen::Tensors(_)));
        assert!(matches!(TensorDevice::CpuTensors.backend(DType::F32).unwrap(), Chosen::Tensors(_)));
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error_with_a_next_step() {
        let Err(error) = TensorDevice::Cuda(4096).backend(DType::F16) else { panic!("there is no such device") };
        assert!(matches!(error, EngineError::Request(_)));
        assert!(error.to_string().contains("--device cpu"), "{error}");
    }
}
