//! The most memory that this process has held.

use std::sync::atomic::{AtomicU64, Ordering};

/// Peak resident memory of this process so far, in bytes: `VmHWM` on Linux, the peak working set on Windows, `ru_maxrss`
/// on macOS. `None` where the system does not tell. Never falls from one call to the next.
#[must_use]
pub fn peak_memory_bytes() -> Option<u64> {
    // Linux counts pages per processor and notes the peak from the rough sum when memory is given back, so its VmHWM
    // can then fall a little below what it was before.
    static HIGHEST_BYTES: AtomicU64 = AtomicU64::new(0);
    let told = system::peak_bytes()?;
    Some(HIGHEST_BYTES.fetch_max(told, Ordering::Relaxed).max(told))
}

/// The line `VmHWM:   1234 kB` of `/proc/self/status`.
#[cfg(any(target_os = "linux", test))]
fn peak_of_status(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(target_os = "linux")]
mod system {
    pub(super) fn peak_bytes() -> Option<u64> {
        super::peak_of_status(&std::fs::read_to_string("/proc/self/status").ok()?)
    }
}

#[cfg(target_os = "windows")]
mod system {
    use std::ffi::c_void;

    /// `PROCESS_MEMORY_COUNTERS` of psapi.h.
    #[repr(C)]
    #[derive(Default)]
    struct MemoryCounters {
        size_bytes: u32,
        page_fault_count: u32,
        peak_working_set_size: usize,
        /// Working set, paged and non-paged pool with their peaks, page file with its peak.
        others: [usize; 7],
    }

    #[allow(unsafe_code)]
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetCurrentProcess() -> *mut c_void;
        fn K32GetProcessMemoryInfo(process: *mut c_void, counters: *mut MemoryCounters, size_bytes: u32) -> i32;
    }

    #[allow(unsafe_code)]
    pub(super) fn peak_bytes() -> Option<u64> {
        let size_bytes = u32::try_from(size_of::<MemoryCounters>()).ok()?;
        let mut counters = MemoryCounters { size_bytes, ..MemoryCounters::default() };
        // SAFETY: the pseudo handle needs no closing, and the structure is as large as the size given.
        let ok = unsafe { K32GetProcessMemoryInfo(GetCurrentProcess(), &raw mut counters, size_bytes) };
        (ok != 0).then_some(counters.peak_working_set_size as u64)
    }
}

#[cfg(target_os = "macos")]
mod system {
    /// `struct rusage` of sys/resource.h on 64-bit macOS.
    #[repr(C)]
    #[derive(Default)]
    struct ResourceUsage {
        /// User and system time, each seconds and microseconds padded to 16 bytes.
        times: [i64; 4],
        /// Peak resident set in bytes (on other systems kilobytes).
        max_resident_bytes: i64,
        others: [i64; 13],
    }

    #[allow(unsafe_code)]
    unsafe extern "C" {
        fn getrusage(who: i32, usage: *mut ResourceUsage) -> i32;
    }

    #[allow(unsafe_code)]
    pub(super) fn peak_bytes() -> Option<u64> {
        const RUSAGE_SELF: i32 = 0;
        let mut usage = ResourceUsage::default();
        // SAFETY: the structure has the layout and the size (144 bytes) that the system writes.
        let status = unsafe { getrusage(RUSAGE_SELF, &raw mut usage) };
        if status == 0 { u64::try_from(usage.max_resident_bytes).ok() } else { None }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "windows", target_os = "macos")))]
mod system {
    pub(super) fn peak_bytes() -> Option<u64> {
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_status_line() {
        assert_eq!(peak_of_status("VmPeak:\t 9 kB\nVmHWM:\t   23804 kB\nVmRSS:\t 1 kB\n"), Some(23804 * 1024));
        for text in ["", "VmHWM:\n", "VmHWM: 12\n", "VmHWM: x kB\n", "VmHWM: 18446744073709551615 kB\n"] {
            assert_eq!(peak_of_status(text), None, "{text:?}");
        }
    }

    #[cfg(any(target_os = "linux", target_os = "windows", target_os = "macos"))]
    #[test]
    fn the_peak_holds_what_was_touched() {
        const BYTES: usize = 48 << 20;
        let block = std::hint::black_box(vec![1u8; BYTES]);
        let peak = peak_memory_bytes().unwrap();
        assert!(peak >= block.len() as u64, "{peak}");
        drop(block);
        let after = peak_memory_bytes().unwrap();
        assert!(after >= peak, "fell from {peak} to {after}");
    }
}
