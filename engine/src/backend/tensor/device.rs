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

/// What a job has taken of a GPU's memory, and what is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMemory {
    /// Free now, by all programs' doing.
    pub free_bytes: u64,
    /// Of the card.
    pub total_bytes: u64,
    /// Most that this process's tensors have held at once; `None` where the driver allocates without a pool.
    pub peak_bytes: Option<u64>,
}

impl TensorDevice {
    /// Memory of a CUDA device; `None` for every other device and in builds without CUDA.
    ///
    /// # Errors
    /// The device can't be opened or asked.
    pub fn memory(self) -> Result<Option<DeviceMemory>> {
        #[cfg(feature = "cuda")]
        if let TensorDevice::Cuda(index) = self {
            return cuda::memory(index).map(Some);
        }
        Ok(None)
    }
}

#[cfg(feature = "cuda")]
mod cuda {
    use candle_core::cuda_backend::WrapErr;
    use candle_core::cuda_backend::cudarc::driver::result::{device, mem_pool};
    use candle_core::cuda_backend::cudarc::driver::{CudaContext, sys};

    use super::DeviceMemory;
    use crate::error::Result;

    pub(super) fn memory(index: usize) -> Result<DeviceMemory> {
        // The primary context, which the tensor library shares.
        let context = CudaContext::new(index).w()?;
        let (free, total) = context.mem_get_info().w()?;
        let peak_bytes = if context.has_async_alloc() { Some(peak(&context)?) } else { None };
        Ok(DeviceMemory { free_bytes: free as u64, total_bytes: total as u64, peak_bytes })
    }

    #[allow(unsafe_code)]
    fn peak(context: &CudaContext) -> Result<u64> {
        let mut bytes = 0_u64;
        // SAFETY: the device handle comes from an open context, the default pool lives as long as the device, and
        // this attribute is documented as a `cuuint64_t`.
        unsafe {
            let pool = device::get_default_mem_pool(context.cu_device()).w()?;
            mem_pool::get_attribute(
                pool,
                sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH,
                std::ptr::from_mut(&mut bytes).cast(),
            )
            .w()?;
        }
        Ok(bytes)
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
