//! Probing in a child process, because drivers crash and hang.
//!
//! The child is killed at the deadline, its output is bounded, and what it printed before it failed is used. Whatever
//! it does, the caller gets a report: at worst the CPU and a note.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::here::{ProbeLine, without_drivers};
use super::peak::peak_memory_bytes;
use super::readings::assemble;
use super::report::{ComputeDevice, DeviceReport, GpuKind, Note, NoteCode};

/// Long enough for slow drivers to wake a sleeping card, short enough to wait for at the program's start.
pub const DEFAULT_PROBE_TIMEOUT: Duration = Duration::from_secs(20);

/// A report takes a few kilobytes; more is not one.
const MAX_STDOUT_BYTES: usize = 4 << 20;
/// Drivers are talkative; what is beyond is read and dropped.
const MAX_STDERR_BYTES: usize = 64 << 10;
/// How long a killed or finished child has to let go of its pipes.
const GRACE: Duration = Duration::from_secs(1);
/// How often the child is looked after.
const TICK: Duration = Duration::from_millis(5);

/// A command whose standard output is that of [`write_probe_lines`](super::write_probe_lines).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl ProbeCommand {
    /// This very executable with other arguments.
    ///
    /// # Errors
    /// When the system does not tell where the executable is.
    pub fn this_executable<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, args: args.into_iter().map(Into::into).collect() })
    }
}

/// Runs the command and returns its report; blocks for at most `timeout` and about a second.
///
/// If the command can't be started, crashes, hangs or prints something else, the report holds what it told before (at
/// least CPU and memory, which are asked in this process) and a note. What drivers print on standard error goes to the
/// log at level debug.
#[must_use]
pub fn probe(command: &ProbeCommand, timeout: Duration) -> DeviceReport {
    let run = match run(command, timeout) {
        Ok(run) => run,
        Err(error) => {
            let reason = format!(
                "The process that looks for GPUs ({}) could not be started: {error}",
                command.program.display()
            );
            return conclude(
                None,
                Some(note(NoteCode::ProbeNotStarted, reason, "Reinstall the program; until then the CPU computes.")),
            );
        }
    };
    for line in String::from_utf8_lossy(&run.stderr).lines().filter(|line| !line.trim().is_empty()) {
        tracing::debug!(target: "infernet::probe", line, "a driver printed");
    }
    let last = last_line(&run.stdout);
    let complete = last.as_ref().is_some_and(|line| line.complete);
    let trouble = match run.end {
        // Drivers also crash while the process ends; by then everything has been told.
        _ if complete => None,
        End::Exited(status) => Some(exit_note(status)),
        End::Killed => Some(note(
            NoteCode::ProbeHung,
            format!(
                "A graphics driver did not answer within {} s, and the process that asked it was stopped",
                timeout.as_secs_f32()
            ),
            DRIVER_TROUBLE,
        )),
    };
    conclude(last, trouble)
}

const DRIVER_TROUBLE: &str = "Restart the computer; if it happens again, update or reinstall the graphics driver.";

fn note(code: NoteCode, reason: String, next_step: &str) -> Note {
    Note { code, reason, next_step: next_step.to_owned() }
}

fn exit_note(status: ExitStatus) -> Note {
    match crash(status) {
        Some(how) => note(
            NoteCode::ProbeCrashed,
            format!(
                "A graphics driver crashed the process that asked it ({how}); the GPUs shown are those found before"
            ),
            DRIVER_TROUBLE,
        ),
        None => note(
            NoteCode::ProbeGarbled,
            format!("The process that looks for GPUs ended ({status}) without a complete report"),
            "Restart the program, which may have been updated while it ran; if it happens again, reinstall it.",
        ),
    }
}

/// How the process crashed, if it did.
fn crash(status: ExitStatus) -> Option<String> {
    #[cfg(unix)]
    {
        std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| format!("signal {signal}"))
    }
    #[cfg(not(unix))]
    {
        // Windows ends a crashed process with the exception's code, whose top bits say "error"; `abort` is 0xC0000409,
        // or 3 in older run-time libraries.
        let code = status.code()?.cast_unsigned();
        (code >= 0xC000_0000 || code == 3).then(|| format!("exception {code:#010x}"))
    }
}

/// The report to give back: what the child told last, or CPU and memory only.
fn conclude(last: Option<ProbeLine>, trouble: Option<Note>) -> DeviceReport {
    let mut report = match last {
        Some(line) => line.report,
        None => assemble(&without_drivers()),
    };
    // The child's own peak says nothing about this process.
    report.memory.process_peak_bytes = peak_memory_bytes();
    // "No GPU was found" would be a claim about GPUs that were never asked.
    let hardware = report.gpus.iter().any(|gpu| gpu.kind != GpuKind::Software);
    if let (Some(note), ComputeDevice::Cpu { reason }, false) = (&trouble, &mut report.chosen, hardware) {
        *reason = format!("the GPUs could not be asked ({})", reason_in_short(note.code));
    }
    report.notes.extend(trouble);
    report
}

fn reason_in_short(code: NoteCode) -> &'static str {
    match code {
        NoteCode::ProbeHung => "a driver hangs",
        NoteCode::ProbeCrashed => "a driver crashes",
        _ => "the probing process failed",
    }
}

/// The last line that is a report, the whole or the bare one.
fn last_line(stdout: &[u8]) -> Option<ProbeLine> {
    let parse = |line: &[u8]| {
        let whole = serde_json::from_slice::<ProbeLine>(line).ok();
        whole.or_else(|| {
            serde_json::from_slice::<DeviceReport>(line).ok().map(|report| ProbeLine { complete: true, report })
        })
    };
    stdout.split(|&byte| byte == b'\n').rev().find_map(parse)
}

enum End {
    Exited(ExitStatus),
    Killed,
}

struct Run {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    end: End,
}

fn run(command: &ProbeCommand, timeout: Duration) -> io::Result<Run> {
    let mut process = Command::new(&command.program);
    process.args(&command.args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(windows)]
    {
        /// No console window flashes up when the caller has none.
        const CREATE_NO_WINDOW: u32 = 0x0800_0000;
        std::os::windows::process::CommandExt::creation_flags(&mut process, CREATE_NO_WINDOW);
    }
    let mut child = process.spawn()?;
    let readers = Reader::start(child.stdout.take(), MAX_STDOUT_BYTES)
        .and_then(|stdout| Ok((stdout, Reader::start(child.stderr.take(), MAX_STDERR_BYTES)?)));
    let (stdout, stderr) = match readers {
        Ok(readers) => readers,
        Err(error) => {
            // No thread to be had: the child must not be left behind. It fails only if the child has ended by itself.
            let _ = child.kill();
            return Err(error);
        }
    };
    let end = match wait(&mut child, Instant::now().checked_add(timeout))? {
        Some(status) => End::Exited(status),
        None => {
            // Fails only if the child has just ended by itself.
            let _ = child.kill();
            // A process stuck in its driver can't be ended even by force; it must not hold up the caller.
            if wait(&mut child, Some(Instant::now() + GRACE))?.is_none() {
                thread::spawn(move || child.wait());
            }
            End::Killed
        }
    };
    // Pipes stay open while a grandchild holds them, so this wait is bounded as well.
    let until = Instant::now() + GRACE;
    Ok(Run { stdout: stdout.take(until), stderr: stderr.take(until), end })
}

/// The exit status, or `None` at the deadline (no deadline: a timeout longer than time itself).
fn wait(child: &mut Child, deadline: Option<Instant>) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(None);
        }
        thread::sleep(TICK);
    }
}

/// Reads a pipe in a thread of its own, keeps its first bytes, and drops the rest so that the writer never blocks.
struct Reader {
    kept: Arc<Mutex<Vec<u8>>>,
    thread: thread::JoinHandle<()>,
}

impl Reader {
    fn start(pipe: Option<impl Read + Send + 'static>, max_bytes: usize) -> io::Result<Self> {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&kept);
        let thread = thread::Builder::new().name("probe-reader".to_owned()).spawn(move || {
            let mut buffer = [0u8; 8192];
            let Some(mut pipe) = pipe else {
                return;
            };
            loop {
                let count = match pipe.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) => return,
                };
                let mut kept = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let room = max_bytes.saturating_sub(kept.len()).min(count);
                kept.extend_from_slice(&buffer[..room]);
            }
        })?;
        Ok(Self { kept, thread })
    }

    /// What was read when the pipe ends, or at the deadline.
    fn take(self, deadline: Instant) -> Vec<u8> {
        while !self.thread.is_finished() && Instant::now() < deadline {
            thread::sleep(TICK);
        }
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn line(complete: bool, cpu: &str) -> String {
        let mut report = assemble(&without_drivers());
        report.cpu.brand = Some(cpu.to_owned());
        serde_json::to_string(&ProbeLine { complete, report }).unwrap()
    }

    #[test]
    fn the_last_line_that_is_a_report_counts() {
        let brand = |text: &str| last_line(text.as_bytes()).map(|line| (line.complete, line.report.cpu.brand.unwrap()));
        let (first, second) = (line(false, "first"), line(true, "second"));
        assert_eq!(brand(&format!("{first}\n{second}\n")), Some((true, "second".to_owned())));
        assert_eq!(
            brand(&format!("noise\n{first}\n{}", &second[..second.len() / 2])),
            Some((false, "first".to_owned()))
        );
        assert_eq!(brand("{}\nnull\n[]\n"), None);
        assert_eq!(brand(""), None);
    }

    #[test]
    fn a_bare_report_is_complete() {
        let report = assemble(&without_drivers());
        let json = serde_json::to_vec(&report).unwrap();
        assert_eq!(last_line(&json), Some(ProbeLine { complete: true, report }));
    }

    #[test]
    fn a_long_output_is_cut_and_drained() {
        let reader = Reader::start(Some(io::repeat(b'x').take(1 << 20)), 1000).unwrap();
        assert_eq!(reader.take(Instant::now() + Duration::from_secs(60)).len(), 1000);
    }

    #[test]
    fn a_program_that_is_not_there_is_a_note() {
        let command = ProbeCommand { program: PathBuf::from("no/such/program"), args: Vec::new() };
        let report = probe(&command, DEFAULT_PROBE_TIMEOUT);
        assert_eq!(report.notes.last().unwrap().code, NoteCode::ProbeNotStarted);
        assert!(report.notes.last().unwrap().reason.contains("program"));
    }
}
