//! Asking every source in this process, the safest first.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::readings::{NvmlReading, Readings, assemble};
use super::report::{DeviceReport, EngineBackends};
use super::{adapters, cpu, nvml, sysfs};

/// File name of the CUDA worker, without the platform's ending.
pub(super) const CUDA_WORKER: &str = "infernet-worker-cuda";

/// One line of the probing process: the report so far.
///
/// A driver that crashes in the middle costs only what was not yet asked: the line before still counts.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ProbeLine {
    /// Every source has been asked.
    pub(super) complete: bool,
    /// What is known so far.
    pub(super) report: DeviceReport,
}

/// Asks every source in this process: sysfs, NVML, then the graphics interfaces, OpenGL last.
///
/// Loads drivers, which can crash or hang the caller; programs that must live on use [`probe`](super::probe).
#[must_use]
pub fn probe_here() -> DeviceReport {
    assemble(&readings_here())
}

/// What every source said, as [`probe_here`] asks it: for bug reports from strange computers, and so for tests.
#[must_use]
pub fn readings_here() -> Readings {
    let mut readings = without_drivers();
    for stage in stages() {
        stage.run(&mut readings);
    }
    readings
}

/// The probing process: writes one JSON line after each source, so that what was found before a crash is kept.
///
/// This is what a hidden subcommand calls with standard output; [`probe`](super::probe) reads it.
///
/// # Errors
/// When `out` can't be written.
pub fn write_probe_lines(out: &mut dyn Write) -> io::Result<()> {
    let mut write = |readings: &Readings, complete| -> io::Result<()> {
        let line = ProbeLine { complete, report: assemble(readings) };
        let mut json = serde_json::to_vec(&line)?;
        json.push(b'\n');
        out.write_all(&json)?;
        // The next stage may crash: the line must have left this process by then.
        out.flush()
    };
    let mut readings = without_drivers();
    write(&readings, false)?;
    let stages = stages();
    for (at, stage) in stages.iter().enumerate() {
        stage.run(&mut readings);
        write(&readings, at + 1 == stages.len())?;
    }
    Ok(())
}

/// A source whose drivers run in this process.
enum Stage {
    Nvml,
    Graphics(super::GraphicsBackend),
}

fn stages() -> Vec<Stage> {
    let graphics = adapters::interfaces().into_iter().map(Stage::Graphics);
    std::iter::once(Stage::Nvml).chain(graphics).collect()
}

impl Stage {
    fn run(&self, readings: &mut Readings) {
        match self {
            Stage::Nvml => readings.nvml = nvml::read(),
            Stage::Graphics(backend) => match adapters::list(*backend) {
                Ok(adapters) => readings.adapters.extend(adapters),
                Err(failure) => readings.graphics_failures.push(failure),
            },
        }
    }
}

/// What the operating system tells without any graphics driver's code.
pub(super) fn without_drivers() -> Readings {
    let (cpu, memory) = cpu::read();
    let pci_cards = if cfg!(target_os = "linux") { sysfs::pci_cards(Path::new(sysfs::SYS)) } else { Vec::new() };
    Readings {
        pci_cards,
        nvml: NvmlReading::NotAsked,
        adapters: Vec::new(),
        graphics_failures: Vec::new(),
        cpu,
        memory,
        engine: engine_backends(),
        cuda_visible_devices: std::env::var_os("CUDA_VISIBLE_DEVICES")
            .map(|value| value.to_string_lossy().into_owned()),
    }
}

fn engine_backends() -> EngineBackends {
    EngineBackends {
        cuda_worker_found: cuda_worker_path().is_some(),
        cuda_built_in: cfg!(feature = "cuda"),
        metal_built_in: cfg!(feature = "metal"),
    }
}

/// The CUDA worker beside this executable, if it is installed.
#[must_use]
pub fn cuda_worker_path() -> Option<PathBuf> {
    let executable = std::env::current_exe().ok()?;
    cuda_worker_in(executable.parent()?)
}

fn cuda_worker_in(folder: &Path) -> Option<PathBuf> {
    let path = folder.join(format!("{CUDA_WORKER}{}", std::env::consts::EXE_SUFFIX));
    let metadata = path.metadata().ok()?;
    #[cfg(unix)]
    let executable = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let executable = true;
    (metadata.is_file() && executable).then_some(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_is_an_executable_file_beside_the_program() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(cuda_worker_in(folder.path()), None);
        let path = folder.path().join(format!("{CUDA_WORKER}{}", std::env::consts::EXE_SUFFIX));
        std::fs::create_dir(&path).unwrap();
        assert_eq!(cuda_worker_in(folder.path()), None, "a folder is no worker");
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert_eq!(cuda_worker_in(folder.path()), None, "not executable");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        assert_eq!(cuda_worker_in(folder.path()), Some(path));
    }

    #[test]
    fn every_line_is_a_report_and_only_the_last_is_complete() {
        let mut out = Vec::new();
        write_probe_lines(&mut out).unwrap();
        let lines: Vec<ProbeLine> =
            String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.len() >= 2, "before and after the drivers");
        let (last, before) = lines.split_last().unwrap();
        assert!(last.complete && before.iter().all(|line| !line.complete));
        assert!(last.report.gpus.len() >= before[0].report.gpus.len());
    }

    #[test]
    fn a_closed_output_is_an_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert_eq!(write_probe_lines(&mut Closed).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
