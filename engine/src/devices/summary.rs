//! The report for people.

use std::fmt;

use super::report::{ComputeDevice, Cpu, DeviceReport, Gpu, GpuKind, SystemMemory, Usability};

/// Width of the label column.
const LABEL: usize = 11;

impl DeviceReport {
    /// The report as lines of text: what computes and why, CPU, memory, every GPU, notes with their next steps.
    #[must_use]
    pub fn summary_lines(&self) -> Vec<String> {
        let mut lines = vec![labelled("Computes on", &computes_on(&self.chosen))];
        lines.push(labelled("CPU", &cpu(&self.cpu)));
        lines.push(labelled("Memory", &memory(&self.memory)));
        if self.gpus.is_empty() {
            lines.push(labelled("GPU", "none found"));
        }
        for (index, gpu) in self.gpus.iter().enumerate() {
            let label = if gpu.kind == GpuKind::Software { "Software".to_owned() } else { format!("GPU {index}") };
            lines.push(labelled(&label, &title(gpu)));
            lines.extend(details(gpu).into_iter().map(|detail| labelled("", &detail)));
        }
        for note in &self.notes {
            lines.push(labelled("Note", &format!("{}.", note.reason.trim_end_matches('.'))));
            lines.push(labelled("", &note.next_step));
        }
        lines
    }
}

impl fmt::Display for DeviceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary_lines().join("\n"))
    }
}

fn labelled(label: &str, text: &str) -> String {
    format!("{label:<LABEL$}  {text}")
}

fn computes_on(chosen: &ComputeDevice) -> String {
    match chosen {
        ComputeDevice::Cpu { reason } => format!("CPU: {reason}"),
        ComputeDevice::Cuda { name, reason, .. } => format!("{name} through CUDA: {reason}"),
        ComputeDevice::Metal { name, reason, .. } => format!("{name} through Metal: {reason}"),
    }
}

fn cpu(cpu: &Cpu) -> String {
    let cores = match cpu.physical_cores {
        Some(cores) => format!("{}, {}", counted(cores, "core"), counted(cpu.logical_cores, "thread")),
        None => counted(cpu.logical_cores, "thread"),
    };
    let simd = [(cpu.simd.avx2_fma, "AVX2 + FMA"), (cpu.simd.avx512f, "AVX-512"), (cpu.simd.neon, "NEON")];
    let simd = simd.into_iter().filter_map(|(has, name)| has.then_some(name));
    let usable = (cpu.usable_threads != cpu.logical_cores).then(|| format!("{} usable", cpu.usable_threads));
    let brand = cpu.brand.clone().unwrap_or_else(|| "unnamed".to_owned());
    let parts = [brand, cores].into_iter().chain(usable).chain(simd.map(str::to_owned));
    parts.collect::<Vec<_>>().join(", ")
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn memory(memory: &SystemMemory) -> String {
    let total = memory.total_bytes.map(gib);
    let available = memory.available_bytes.map(|bytes| format!("{} available", gib(bytes)));
    let limit = memory.limit_bytes.map(|bytes| format!("limited to {}", gib(bytes)));
    let peak = memory.process_peak_bytes.map(|bytes| format!("this program's peak {}", gib(bytes)));
    [total, available, limit, peak].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn title(gpu: &Gpu) -> String {
    let kind = match gpu.kind {
        GpuKind::Discrete => Some("discrete"),
        GpuKind::Integrated => Some("integrated"),
        GpuKind::Virtual => Some("virtual"),
        GpuKind::Software => Some("runs on the CPU"),
        GpuKind::Unknown => None,
    };
    let address = gpu.pci_address.map(|address| format!("PCI {address}"));
    let device = gpu.nvml_index.map(|index| format!("cuda:{index}"));
    let facts: Vec<String> = kind.map(str::to_owned).into_iter().chain(address).chain(device).collect();
    if facts.is_empty() { gpu.name.clone() } else { format!("{} ({})", gpu.name, facts.join(", ")) }
}

fn details(gpu: &Gpu) -> Vec<String> {
    let mut lines = Vec::new();
    let driver = match (&gpu.driver_name, &gpu.driver_version) {
        (Some(name), Some(version)) => Some(format!("driver: {name} {version}")),
        (Some(text), None) | (None, Some(text)) => Some(format!("driver: {text}")),
        (None, None) => None,
    };
    let cuda = gpu.cuda_driver_version.map(|version| format!("CUDA {version}"));
    let capability = gpu.compute_capability.map(|version| format!("compute capability {version}"));
    let seen = gpu.backends.iter().map(|backend| backend.name()).collect::<Vec<_>>().join(" + ");
    let seen = (!seen.is_empty()).then_some(seen);
    push_joined(&mut lines, [driver, cuda, capability, seen]);

    let total = gpu.vram_total_bytes.map(|total| match gpu.kind {
        GpuKind::Integrated => format!("{} of the main memory", gib(total)),
        _ => format!("VRAM {}", gib(total)),
    });
    let free = gpu.vram_free_bytes.map(|free| format!("{} free", gib(free)));
    let temperature = gpu.temperature_celsius.map(|celsius| format!("{celsius:.0} °C"));
    let power = gpu.power_watts.map(|watts| format!("{watts:.0} W"));
    let load = gpu.load_percent.map(|percent| format!("load {percent:.0} %"));
    push_joined(&mut lines, [total, free, temperature, power, load]);

    match &gpu.usability {
        Usability::Usable { backend } => lines.push(format!("usable through {}", backend.name())),
        Usability::Unusable { reason, next_step, .. } => {
            lines.push(format!("not used: {reason}"));
            lines.push(next_step.clone());
        }
    }
    lines
}

fn push_joined<const N: usize>(lines: &mut Vec<String>, parts: [Option<String>; N]) {
    let line = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if !line.is_empty() {
        lines.push(line);
    }
}

/// Bytes in GiB, below one in MiB.
fn gib(bytes: u64) -> String {
    const MIB: f64 = (1u64 << 20) as f64;
    let mib = bytes as f64 / MIB;
    if mib < 1024.0 { format!("{mib:.0} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}
