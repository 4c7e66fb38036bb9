//! The worker's side.

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::protocol::{
    AuditCommand, Audited, Command, Failure, Preview, ProtocolError, Ran, Report, RunCommand, Stage, read, write,
};

/// Commands that wait: one under way, and one that the node sends too early.
const QUEUE: usize = 2;

/// Does the work. The node's own is [`ModelRunner`](crate::runner::ModelRunner).
pub trait Runner {
    /// Runs a job and writes its record.
    ///
    /// # Errors
    /// Says why not, with a stable code.
    fn run(&mut self, command: &RunCommand, report: &Reporter<'_>) -> Result<Ran, Failure>;

    /// Judges a run.
    ///
    /// # Errors
    /// Says why not, with a stable code.
    fn audit(&mut self, command: &AuditCommand, report: &Reporter<'_>) -> Result<Audited, Failure>;
}

/// How a runner tells the node where it is, and hears that it should stop.
pub struct Reporter<'a> {
    send: &'a dyn Fn(&Report),
    cancelled: &'a AtomicBool,
}

impl Reporter<'_> {
    /// Tells the node.
    pub fn stage(&self, stage: Stage) {
        (self.send)(&Report::Progress(stage));
    }

    /// Shows the node a picture.
    pub fn preview(&self, preview: Preview) {
        (self.send)(&Report::Preview(preview));
    }

    /// Set when the node no longer wants the result.
    pub fn cancelled(&self) -> &AtomicBool {
        self.cancelled
    }
}

/// Serves commands until `input` ends, which also stops what is under way. A panic in the runner ends the worker, after it has
/// been reported: what it leaves behind is not to be trusted.
///
/// # Errors
/// The pipes carry something else than commands, or can't be written.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write + Send,
    runner: &mut dyn Runner,
    version: &str,
) -> Result<(), ProtocolError> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let commands = listen(input, Arc::clone(&cancelled));
    let output = Mutex::new((output, None));
    let send = |report: &Report| {
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        let (pipe, broken) = &mut *output;
        if let Err(error) = write(pipe, report) {
            // Nobody listens any more: stop the work; the end of the loop returns the error.
            *broken = Some(error);
            cancelled.store(true, Ordering::SeqCst);
        }
    };
    send(&Report::Ready { version: version.to_owned() });
    for command in commands {
        let command = command?;
        let report = Reporter { send: &send, cancelled: &cancelled };
        let done = catch_unwind(AssertUnwindSafe(|| match &command {
            Command::Run(run) => runner.run(run, &report).map(Report::Ran),
            Command::Audit(audit) => runner.audit(audit, &report).map(Report::Audited),
            Command::Cancel => {
                Err(Failure { code: "worker.idle".to_owned(), message: "nothing is under way".to_owned() })
            }
        }));
        match done {
            Ok(Ok(report)) => send(&report),
            Ok(Err(failure)) => send(&Report::Failed(failure)),
            Err(panic) => {
                let message = panicked(panic.as_ref());
                send(&Report::Failed(Failure { code: "worker.panicked".to_owned(), message }));
                break;
            }
        }
        let broken = output.lock().unwrap_or_else(PoisonError::into_inner).1.take();
        if let Some(error) = broken {
            return Err(error);
        }
    }
    Ok(())
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the worker panicked: {}", said.unwrap_or("it says nothing"))
}

/// Reads commands in a thread of its own, so that a cancellation is heard at once. The flag is cleared when the next command
/// comes, not when the last one ends: a cancellation that comes too late must not stop what follows.
fn listen(
    mut input: impl Read + Send + 'static,
    cancelled: Arc<AtomicBool>,
) -> Receiver<Result<Command, ProtocolError>> {
    let (send, receive) = sync_channel(QUEUE);
    std::thread::spawn(move || {
        loop {
            match read::<Command>(&mut input) {
                Ok(Some(Command::Cancel)) => cancelled.store(true, Ordering::SeqCst),
                Ok(Some(command)) => {
                    cancelled.store(false, Ordering::SeqCst);
                    if send.send(Ok(command)).is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    // The receiver may be gone; then there is nobody to tell.
                    let _ = send.send(Err(error));
                    break;
                }
            }
        }
        cancelled.store(true, Ordering::SeqCst);
    });
    receive
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Cursor;
    use std::time::{Duration, Instant};

    use infernet_engine::pipeline::Precision;

    use super::*;

    /// Does what the name of the "model" says.
    struct Puppet;

    impl Runner for Puppet {
        fn run(&mut self, command: &RunCommand, report: &Reporter<'_>) -> Result<Ran, Failure> {
            report.stage(Stage::Loading);
            match command.model.to_str().unwrap() {
                "panics" => panic!("out of tune"),
                "fails" => Err(Failure { code: "test.failed".to_owned(), message: "no".to_owned() }),
                "waits" => {
                    let start = Instant::now();
                    while !report.cancelled().load(Ordering::SeqCst) {
                        assert!(start.elapsed() < Duration::from_secs(20), "nobody cancelled");
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    Err(Failure { code: "test.cancelled".to_owned(), message: "stopped".to_owned() })
                }
                _ => Ok(Ran { seconds: 1.0, peak_memory_bytes: None }),
            }
        }

        fn audit(&mut self, _: &AuditCommand, _: &Reporter<'_>) -> Result<Audited, Failure> {
            unreachable!("no test audits")
        }
    }

    fn run(model: &str) -> Command {
        Command::Run(RunCommand {
            model: model.into(),
            precision: Precision::F32,
            threads: None,
            job: vec![],
            opening: vec![],
            challenge: vec![],
            evidence: "x".into(),
            attack: None,
        })
    }

    fn answers(commands: &[Command]) -> Vec<String> {
        let mut input = Vec::new();
        for command in commands {
            write(&mut input, command).unwrap();
        }
        let mut output = Vec::new();
        serve(Cursor::new(input), &mut output, &mut Puppet, "test").unwrap();
        let mut output = output.as_slice();
        let mut said = Vec::new();
        while let Some(report) = read::<Report>(&mut output).unwrap() {
            said.push(match report {
                Report::Ready { version } => version,
                Report::Progress(stage) => format!("{stage:?}"),
                Report::Preview(_) => "preview".to_owned(),
                Report::Ran(_) => "ran".to_owned(),
                Report::Audited(_) => "audited".to_owned(),
                Report::Failed(failure) => failure.code,
            });
        }
        said
    }

    #[test]
    fn failures_are_reported_and_the_worker_goes_on() {
        assert_eq!(answers(&[run("fails"), run("ok")]), ["test", "Loading", "test.failed", "Loading", "ran"]);
    }

    #[test]
    fn a_panic_is_reported_and_ends_the_worker() {
        assert_eq!(answers(&[run("panics"), run("ok")]), ["test", "Loading", "worker.panicked"]);
    }

    #[test]
    fn the_end_of_the_pipe_stops_what_is_under_way() {
        assert_eq!(answers(&[run("waits")]), ["test", "Loading", "test.cancelled"]);
    }

    #[test]
    fn something_else_on_the_pipe_is_an_error() {
        let mut output = Vec::new();
        let found = serve(Cursor::new(b"hello, this is no command".to_vec()), &mut output, &mut Puppet, "test");
        assert!(matches!(found, Err(ProtocolError::TooLong { .. })));
    }
}
