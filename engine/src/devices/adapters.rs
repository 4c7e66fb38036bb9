//! Adapters that the graphics interfaces list, through wgpu.
//!
//! This loads graphics drivers into the process, which can crash or hang it: see `child`.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::readings::{AdapterReading, GraphicsFailure};
use super::report::{GpuKind, GraphicsBackend};

/// The interfaces that this platform has, best driver first; OpenGL last, whose drivers are the most fragile.
pub(super) fn interfaces() -> Vec<GraphicsBackend> {
    let enabled = wgpu::Instance::enabled_backend_features();
    let all = [GraphicsBackend::Vulkan, GraphicsBackend::Dx12, GraphicsBackend::Metal, GraphicsBackend::Gl];
    all.into_iter().filter(|&backend| enabled.contains(flag(backend))).collect()
}

/// The adapters of one interface, or why it has none to tell of.
///
/// # Errors
/// When the interface can't be started, or its driver panics. An interface that starts and lists nothing is no error.
pub(super) fn list(backend: GraphicsBackend) -> Result<Vec<AdapterReading>, GraphicsFailure> {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let instance = wgpu::Instance::new(descriptor(backend));
        match start_error(&instance, backend) {
            Some(error) => Err(error),
            None => Ok(finish_now(instance.enumerate_adapters(flag(backend)))
                .map(|adapters| adapters.iter().map(reading).collect())),
        }
    }));
    let failed = |detail: &str, while_listing| GraphicsFailure { backend, detail: detail.to_owned(), while_listing };
    match outcome {
        Ok(Ok(Some(adapters))) => Ok(adapters),
        Ok(Ok(None)) => Err(failed("it did not list its adapters at once", true)),
        Ok(Err(error)) => Err(failed(&error, false)),
        Err(panic) => {
            let text =
                panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            Err(failed(text.unwrap_or("it panicked"), true))
        }
    }
}

fn flag(backend: GraphicsBackend) -> wgpu::Backends {
    match backend {
        GraphicsBackend::Vulkan => wgpu::Backends::VULKAN,
        GraphicsBackend::Dx12 => wgpu::Backends::DX12,
        GraphicsBackend::Metal => wgpu::Backends::METAL,
        GraphicsBackend::Gl => wgpu::Backends::GL,
    }
}

fn descriptor(backend: GraphicsBackend) -> wgpu::InstanceDescriptor {
    wgpu::InstanceDescriptor {
        backends: flag(backend),
        // No validation layers; and cards with incomplete drivers are listed too, since nothing is drawn.
        flags: wgpu::InstanceFlags::ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    }
}

/// wgpu's enumeration on native platforms is ready at once; one poll saves an executor.
fn finish_now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Why wgpu's instance is without this interface. wgpu only logs it, so a failed start is tried once more on its own.
#[allow(unsafe_code)]
fn start_error(instance: &wgpu::Instance, backend: GraphicsBackend) -> Option<String> {
    use wgpu::hal;

    fn error<A: hal::Api>(instance: &wgpu::Instance) -> Option<String> {
        // SAFETY: the hal instance is only compared with `None`, never used or kept.
        if unsafe { instance.as_hal::<A>() }.is_some() {
            return None;
        }
        let descriptor = hal::InstanceDescriptor {
            name: "infernet",
            flags: wgpu::InstanceFlags::empty(),
            memory_budget_thresholds: wgpu::MemoryBudgetThresholds::default(),
            backend_options: wgpu::BackendOptions::default(),
            telemetry: None,
            display: None,
        };
        // SAFETY: `init` asks for nothing but a valid descriptor; there is no display handle to outlive.
        match unsafe { <A::Instance as hal::Instance>::init(&descriptor) } {
            Ok(_) => None,
            Err(error) => Some(with_causes(&error)),
        }
    }

    match backend {
        #[cfg(not(target_vendor = "apple"))]
        GraphicsBackend::Vulkan => error::<hal::api::Vulkan>(instance),
        #[cfg(target_os = "windows")]
        GraphicsBackend::Dx12 => error::<hal::api::Dx12>(instance),
        #[cfg(target_vendor = "apple")]
        GraphicsBackend::Metal => error::<hal::api::Metal>(instance),
        #[cfg(not(target_vendor = "apple"))]
        GraphicsBackend::Gl => error::<hal::api::Gles>(instance),
        #[allow(unreachable_patterns)]
        _ => None,
    }
}

/// An error with what caused it, which wgpu keeps apart.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        // Some errors already say their cause.
        if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
    })
}

fn reading(adapter: &wgpu::Adapter) -> AdapterReading {
    let info = adapter.get_info();
    AdapterReading {
        backend: match info.backend {
            wgpu::Backend::Dx12 => GraphicsBackend::Dx12,
            wgpu::Backend::Metal => GraphicsBackend::Metal,
            wgpu::Backend::Gl => GraphicsBackend::Gl,
            wgpu::Backend::Vulkan | wgpu::Backend::BrowserWebGpu | wgpu::Backend::Noop => GraphicsBackend::Vulkan,
        },
        kind: kind(&info),
        address: info.device_pci_bus_id.parse().ok(),
        vendor_id: info.vendor,
        device_id: info.device,
        driver: known(&info.driver),
        driver_info: known(&info.driver_info),
        name: info.name,
        local_memory_bytes: local_memory_bytes(adapter).filter(|&bytes| bytes > 0),
    }
}

fn kind(info: &wgpu::AdapterInfo) -> GpuKind {
    let name = info.name.to_lowercase();
    // By name as well: Direct3D's WARP and some builds of SwiftShader call themselves something else.
    let software = ["llvmpipe", "softpipe", "swiftshader", "microsoft basic render driver"];
    if software.iter().any(|word| name.contains(word)) {
        return GpuKind::Software;
    }
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => GpuKind::Discrete,
        wgpu::DeviceType::IntegratedGpu => GpuKind::Integrated,
        wgpu::DeviceType::VirtualGpu => GpuKind::Virtual,
        wgpu::DeviceType::Cpu => GpuKind::Software,
        wgpu::DeviceType::Other => GpuKind::Unknown,
    }
}

/// wgpu writes `?` for what a driver does not tell.
fn known(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && text != "?").then(|| text.to_owned())
}

/// Vulkan's heaps that are local to the device, or Direct3D's dedicated memory. Other interfaces do not tell.
#[allow(unsafe_code)]
fn local_memory_bytes(adapter: &wgpu::Adapter) -> Option<u64> {
    #[cfg(not(target_vendor = "apple"))]
    {
        /// `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT`.
        const DEVICE_LOCAL: u32 = 1;
        // SAFETY: the raw handles are used for one query while the guard keeps adapter and instance alive.
        if let Some(vulkan) = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() } {
            let instance = vulkan.shared_instance().raw_instance();
            // SAFETY: the physical device is of this very instance.
            let memory = unsafe { instance.get_physical_device_memory_properties(vulkan.raw_physical_device()) };
            let heaps = memory.memory_heaps_as_slice();
            return heaps
                .iter()
                .filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0)
                .map(|heap| heap.size)
                .reduce(u64::saturating_add);
        }
    }
    #[cfg(target_os = "windows")]
    {
        // SAFETY: as above.
        if let Some(dx12) = unsafe { adapter.as_hal::<wgpu::hal::api::Dx12>() } {
            // SAFETY: a query of a live COM object that writes into its own result.
            return unsafe { dx12.raw_adapter().GetDesc2() }.ok().map(|desc| desc.DedicatedVideoMemory as u64);
        }
    }
    let _ = adapter;
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn info(name: &str, device_type: wgpu::DeviceType) -> wgpu::AdapterInfo {
        wgpu::AdapterInfo { name: name.to_owned(), ..wgpu::AdapterInfo::new(device_type, wgpu::Backend::Vulkan) }
    }

    #[test]
    fn software_is_known_by_type_or_name() {
        for (name, device_type, want) in [
            ("llvmpipe (LLVM 15.0.6, 256 bits)", wgpu::DeviceType::Cpu, GpuKind::Software),
            ("Microsoft Basic Render Driver", wgpu::DeviceType::DiscreteGpu, GpuKind::Software),
            ("SwiftShader Device (LLVM 10.0.0)", wgpu::DeviceType::Other, GpuKind::Software),
            ("NVIDIA GeForce RTX 4090", wgpu::DeviceType::DiscreteGpu, GpuKind::Discrete),
            ("Intel(R) UHD Graphics 770", wgpu::DeviceType::IntegratedGpu, GpuKind::Integrated),
            ("Virtio-GPU Venus", wgpu::DeviceType::VirtualGpu, GpuKind::Virtual),
            ("Something new", wgpu::DeviceType::Other, GpuKind::Unknown),
        ] {
            assert_eq!(kind(&info(name, device_type)), want, "{name}");
        }
    }

    #[test]
    fn what_a_driver_does_not_tell_is_nothing() {
        assert_eq!(known("?"), None);
        assert_eq!(known("  "), None);
        assert_eq!(known(" radv ").as_deref(), Some("radv"));
    }

    /// Loads whatever drivers this computer has; whatever they are, there is an answer for every interface.
    #[test]
    fn every_interface_answers() {
        for backend in interfaces() {
            match list(backend) {
                Ok(adapters) => assert!(adapters.iter().all(|adapter| adapter.backend == backend)),
                Err(failure) => assert!(failure.backend == backend && !failure.detail.is_empty()),
            }
        }
    }
}
