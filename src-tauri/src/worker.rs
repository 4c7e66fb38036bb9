//! Handing a command to a side-car worker, a program that computes on one GPU.
//!
//! The worker gets the same arguments and prints the same results. It sees only the card that was chosen, and stops when
//! its standard input ends: when this process asks it to, and also when this process is killed.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::interrupt;

/// Set for a worker: that it is one.
const WORKER_VARIABLE: &str = "INFERNET_WORKER";
/// How often the worker's end and Ctrl-C are looked for.
const POLL: Duration = Duration::from_millis(50);

/// Whether this process is a worker that another started.
pub(crate) fn is_worker() -> bool {
    std::env::var_os(WORKER_VARIABLE).is_some()
}

/// Stops this process's work when the process that started it closes the pipe or dies; for workers.
pub(crate) fn watch_parent(cancelled: &Arc<AtomicBool>) {
    let cancelled = Arc::clone(cancelled);
    std::thread::spawn(move || {
        let mut byte = [0_u8; 1];
        // Nothing is ever sent: a read ends with the pipe.
        while matches!(std::io::stdin().lock().read(&mut byte), Ok(1..)) {}
        cancelled.store(true, Ordering::SeqCst);
    });
}

/// A worker program that starts on this computer.
pub(crate) struct Worker {
    program: PathBuf,
    /// What the driver calls the card (`CUDA_VISIBLE_DEVICES`).
    card: String,
}

impl Worker {
    /// Starts the worker once, to see that its libraries and the driver are there and that it is of this version.
    ///
    /// The error says why it can't be used, as the end of a sentence.
    pub(crate) fn find(program: PathBuf, card: String) -> std::result::Result<Self, String> {
        let output = Command::new(&program)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{} can't be started: {error}", program.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().next().unwrap_or("it says nothing");
            return Err(format!("{} does not start ({}): {said}", program.display(), output.status));
        }
        let version = String::from_utf8_lossy(&output.stdout);
        let expected = concat!("infernet ", env!("CARGO_PKG_VERSION"));
        if version.trim() != expected {
            return Err(format!("{} is {}, not {expected}; install both again", program.display(), version.trim()));
        }
        Ok(Self { program, card })
    }

    /// Runs this process's own command line in the worker, to its end.
    pub(crate) fn run(&self) -> Result {
        self.run_with(std::env::args_os().skip(1).collect(), &interrupt::flag())
    }

    fn run_with(&self, arguments: Vec<OsString>, interrupted: &AtomicBool) -> Result {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env(WORKER_VARIABLE, "1")
            .env("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
            .env("CUDA_VISIBLE_DEVICES", &self.card)
            .stdin(Stdio::piped())
            .spawn()?;
        let mut life = child.stdin.take();
        let status = wait(&mut child, || {
            if interrupted.load(Ordering::SeqCst) {
                life = None;
            }
        })?;
        ended(&self.program, status)
    }
}

fn wait(child: &mut Child, mut meanwhile: impl FnMut()) -> std::io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        meanwhile();
        std::thread::sleep(POLL);
    }
}

/// The worker has said what was wrong, unless it crashed.
fn ended(program: &Path, status: ExitStatus) -> Result {
    match status.code() {
        Some(0) => Ok(()),
        Some(130) => Err(Failure::Interrupted),
        Some(code @ 1..=255) => Err(Failure::Reported(code as u8)),
        _ => Err(Failure::Failed(anyhow::anyhow!(
            "{} crashed ({status}), perhaps in the graphics driver; try again, update the driver, or use --device cpu",
            program.display()
        ))),
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Instant;

    use super::*;

    /// A program that answers `--version` as it should and else runs `script`.
    fn program(folder: &Path, version: &str, script: &str) -> PathBuf {
        let path = folder.join("worker");
        let text = format!("#!/bin/sh\nif [ \"$1\" = --version ]; then echo \"{version}\"; exit; fi\n{script}\n");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    const VERSION: &str = concat!("infernet ", env!("CARGO_PKG_VERSION"));

    fn run(script: &str, interrupted: bool) -> Result {
        let folder = tempfile::tempdir().unwrap();
        let worker = Worker::find(program(folder.path(), VERSION, script), "GPU-7".to_owned()).unwrap();
        worker.run_with(vec!["generate".into()], &AtomicBool::new(interrupted))
    }

    #[test]
    fn the_exit_code_is_passed_on() {
        assert!(run("exit 0", false).is_ok());
        assert!(matches!(run("exit 2", false), Err(Failure::Reported(2))));
        assert!(matches!(run("exit 130", false), Err(Failure::Interrupted)));
        let Err(Failure::Failed(error)) = run("kill -SEGV $$", false) else { panic!("a crash is a failure") };
        assert!(error.to_string().contains("--device cpu"), "{error}");
    }

    #[test]
    fn the_worker_sees_one_card_and_its_arguments() {
        assert!(run("test \"$CUDA_VISIBLE_DEVICES $INFERNET_WORKER $1\" = 'GPU-7 1 generate'", false).is_ok());
    }

    #[test]
    fn its_input_ends_when_it_is_to_stop() {
        let start = Instant::now();
        assert!(matches!(run("cat > /dev/null; exit 130", true), Err(Failure::Interrupted)));
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_worker_that_does_not_fit_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |program| Worker::find(program, "0".to_owned()).map(|_| ()).unwrap_err();
        assert!(refused(program(folder.path(), "infernet 0.0.1", "")).contains("infernet 0.0.1"));
        assert!(refused(folder.path().join("missing")).contains("missing"));
        let broken = program(folder.path(), VERSION, "");
        std::fs::write(&broken, "#!/bin/sh\necho 'libcuda.so.1: cannot open shared object file' >&2; exit 127\n")
            .unwrap();
        assert!(refused(broken).contains("libcuda.so.1"));
    }
}
