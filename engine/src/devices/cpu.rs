//! The processor and the main memory's size.

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::memory;
use super::peak::peak_memory_bytes;
use super::report::{Cpu, Simd, SystemMemory};

/// Processor and memory. Asks the operating system only, no driver.
pub(super) fn read() -> (Cpu, SystemMemory) {
    let what =
        RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()).with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(what).ok();
    let cpus = system.as_ref().map(System::cpus).unwrap_or_default();
    let usable_threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cpu = Cpu {
        brand: cpus.first().map(|cpu| cpu.brand().trim().to_owned()).filter(|brand| !brand.is_empty()),
        physical_cores: System::physical_core_count().ok().filter(|&cores| cores > 0),
        logical_cores: cpus.len().max(usable_threads),
        usable_threads,
        simd: simd(),
    };
    let total = system.as_ref().and_then(|system| told(system.total_memory()));
    let available = system.as_ref().and_then(|system| told(system.available_memory()));
    let memory = memory::limited(total, available, peak_memory_bytes());
    (cpu, memory)
}

/// Bytes that this process may still take, if the system tells.
#[must_use]
pub fn available_memory_bytes() -> Option<u64> {
    let what = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(what).ok()?;
    memory::limited(told(system.total_memory()), told(system.available_memory()), None).available_bytes
}

/// sysinfo says 0 for what the system did not tell.
fn told(bytes: u64) -> Option<u64> {
    (bytes > 0).then_some(bytes)
}

fn simd() -> Simd {
    #[allow(unused_mut, reason = "each architecture sets its own")]
    let mut simd = Simd::default();
    #[cfg(target_arch = "x86_64")]
    {
        simd.avx2_fma = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
        simd.avx512f = std::arch::is_x86_feature_detected!("avx512f");
    }
    #[cfg(target_arch = "aarch64")]
    {
        simd.neon = std::arch::is_aarch64_feature_detected!("neon");
    }
    simd
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn this_computer_has_a_processor_and_memory() {
        let (cpu, memory) = read();
        assert!(cpu.usable_threads >= 1 && cpu.logical_cores >= 1);
        assert!(cpu.physical_cores.is_none_or(|cores| cores >= 1 && cores <= cpu.logical_cores));
        let total = memory.total_bytes.unwrap();
        assert!(total > 64 << 20, "{memory:?}");
        assert!(memory.available_bytes.unwrap() <= memory.usable_total_bytes().unwrap(), "{memory:?}");
        assert!(available_memory_bytes().unwrap() <= memory.usable_total_bytes().unwrap());
        assert_eq!((told(0), told(7)), (None, Some(7)), "unknown must not read as nothing left");
    }
}
