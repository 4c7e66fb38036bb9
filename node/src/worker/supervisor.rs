//! The node's side.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::protocol::{Command, Failure, News, ProtocolError, Report, checked_len, decode, encode};

/// Lines of what a worker says on standard error that are kept for the message when it crashes.
const STDERR_LINES: usize = 20;
/// Reports that wait to be looked at; the worker waits when there are more.
const REPORTS: usize = 16;
/// How long a worker may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a cancelled worker may go on before it is killed: one step of a large model.
const CANCEL_GRACE: Duration = Duration::from_secs(20);

/// How a worker is started and watched.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Added to its environment.
    pub environment: Vec<(String, String)>,
    /// A worker that says nothing for this long hangs, and is killed. Longer than the longest step.
    pub stall_timeout: Duration,
}

/// Why a task did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It can't be started.
    #[error("the worker {program} can't be started: {reason}")]
    Start {
        /// Program.
        program: String,
        /// Why.
        reason: String,
    },
    /// It died.
    #[error("the worker crashed ({status}){}", said(.stderr))]
    Crashed {
        /// How.
        status: String,
        /// The last it said.
        stderr: String,
    },
    /// It hung and was killed.
    #[error("the worker said nothing for {seconds} s and was stopped")]
    Hung {
        /// How long.
        seconds: u64,
    },
    /// It failed and goes on.
    #[error("{}", .0.message)]
    Failed(Failure),
    /// The node no longer wants the result.
    #[error("cancelled")]
    Cancelled,
    /// It does not speak our protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

impl WorkerError {
    /// Stable code.
    pub fn code(&self) -> &str {
        match self {
            Self::Start { .. } => "worker.start",
            Self::Crashed { .. } => "worker.crashed",
            Self::Hung { .. } => "worker.hung",
            Self::Failed(failure) => &failure.code,
            Self::Cancelled => "worker.cancelled",
            Self::Protocol(_) => "worker.protocol",
        }
    }
}

/// What the worker is doing, for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum WorkerState {
    /// Not running: it is started for the next task.
    #[default]
    Stopped,
    /// Waiting for a task.
    Idle,
    /// At work.
    Busy,
    /// Crashed; started again after a while.
    Waiting {
        /// Crashes in a row.
        crashes: u32,
        /// What happened.
        reason: String,
    },
}

struct Running {
    child: Child,
    input: ChildStdin,
    /// Read in a task of its own: waiting for a report can then be broken off between bytes.
    reports: mpsc::Receiver<Result<Report, ProtocolError>>,
    stderr: Arc<Mutex<VecDeque<String>>>,
}

#[derive(Default)]
struct Inner {
    running: Option<Running>,
    backoff: Backoff,
    /// Not before this is a crashed worker started again.
    ready_at: Option<Instant>,
}

/// Keeps one worker. Tasks wait for each other.
pub struct Supervisor {
    config: WorkerConfig,
    inner: AsyncMutex<Inner>,
    state: watch::Sender<WorkerState>,
}

impl Supervisor {
    /// A supervisor; the worker is started for the first task.
    pub fn new(config: WorkerConfig) -> Self {
        Self { config, inner: AsyncMutex::default(), state: watch::Sender::default() }
    }

    /// What the worker is doing, and its changes.
    pub fn state(&self) -> watch::Receiver<WorkerState> {
        self.state.subscribe()
    }

    /// Runs a command to its end. `progress` hears how far it is. A worker that crashed is started again after its back-off, which
    /// this call waits for.
    ///
    /// # Errors
    /// The worker fails, crashes, hangs, can't be started, or `cancel` is set.
    pub async fn run(
        &self,
        command: &Command,
        cancel: &CancellationToken,
        mut progress: impl FnMut(News),
    ) -> Result<Report, WorkerError> {
        let mut inner = tokio::select! {
            inner = self.inner.lock() => inner,
            () = cancel.cancelled() => return Err(WorkerError::Cancelled),
        };
        if let Some(at) = inner.ready_at {
            tokio::select! {
                () = sleep_until(at) => inner.ready_at = None,
                () = cancel.cancelled() => return Err(WorkerError::Cancelled),
            }
        }
        let mut running = match inner.running.take() {
            Some(running) => running,
            None => match self.start().await {
                Ok(running) => running,
                Err(error) => return Err(self.crashed(&mut inner, error)),
            },
        };
        self.state.send_replace(WorkerState::Busy);
        let result = self.task(&mut running, command, cancel, &mut progress).await;
        match result {
            Ok(report) => {
                inner.backoff.succeeded();
                inner.running = Some(running);
                self.state.send_replace(WorkerState::Idle);
                match report {
                    Report::Failed(failure) => Err(WorkerError::Failed(failure)),
                    report => Ok(report),
                }
            }
            Err(WorkerError::Cancelled) => {
                inner.running = self.after_cancel(running).await;
                let state = if inner.running.is_some() { WorkerState::Idle } else { WorkerState::Stopped };
                self.state.send_replace(state);
                Err(WorkerError::Cancelled)
            }
            Err(error) => {
                let error = self.ended(running, error).await;
                Err(self.crashed(&mut inner, error))
            }
        }
    }

    /// Starts the worker where it does not run, to see whether it does.
    ///
    /// # Errors
    /// It can't be started.
    pub async fn warm(&self) -> Result<(), WorkerError> {
        let mut inner = self.inner.lock().await;
        if inner.running.is_none() {
            inner.running = Some(self.start().await?);
            self.state.send_replace(WorkerState::Idle);
        }
        Ok(())
    }

    /// Stops the worker.
    pub async fn stop(&self) {
        let mut inner = self.inner.lock().await;
        if let Some(mut running) = inner.running.take() {
            // The end of its input ends it; killed when it does not.
            drop(running.input);
            if timeout(CANCEL_GRACE, running.child.wait()).await.is_err() {
                kill(&mut running.child).await;
            }
        }
        self.state.send_replace(WorkerState::Stopped);
    }

    fn crashed(&self, inner: &mut Inner, error: WorkerError) -> WorkerError {
        inner.ready_at = Some(Instant::now() + inner.backoff.crashed());
        let crashes = inner.backoff.crashes();
        tracing::warn!(code = error.code(), crashes, "{error}");
        self.state.send_replace(WorkerState::Waiting { crashes, reason: error.to_string() });
        error
    }

    async fn start(&self) -> Result<Running, WorkerError> {
        let failed = |reason: String| WorkerError::Start { program: self.config.program.display().to_string(), reason };
        let mut child = tokio::process::Command::new(&self.config.program)
            .args(&self.config.arguments)
            .envs(self.config.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else {
            return Err(failed("it has no pipes".to_owned()));
        };
        let stderr = Arc::new(Mutex::new(VecDeque::new()));
        tokio::spawn(keep_last_lines(errors, Arc::clone(&stderr)));
        let (send, reports) = mpsc::channel(REPORTS);
        tokio::spawn(forward(output, send));
        let mut running = Running { child, input, reports, stderr };
        let ready = timeout(START_TIMEOUT, running.reports.recv()).await;
        match ready {
            Ok(Some(Ok(Report::Ready { .. }))) => Ok(running),
            Ok(Some(Ok(_))) => {
                Err(ProtocolError::Decode("its first message is another than expected".to_owned()).into())
            }
            Ok(Some(Err(error))) => Err(error.into()),
            Ok(None) => Err(self.ended(running, gone(std::io::ErrorKind::UnexpectedEof.into())).await),
            Err(_) => {
                kill(&mut running.child).await;
                Err(failed(format!("it did not get ready in {} s", START_TIMEOUT.as_secs())))
            }
        }
    }

    async fn task(
        &self,
        running: &mut Running,
        command: &Command,
        cancel: &CancellationToken,
        progress: &mut impl FnMut(News),
    ) -> Result<Report, WorkerError> {
        running.input.write_all(&encode(command)?).await.map_err(gone)?;
        loop {
            let stalled = Instant::now() + self.config.stall_timeout;
            let report = tokio::select! {
                report = timeout_at(stalled, running.reports.recv()) => report,
                () = cancel.cancelled() => {
                    running.input.write_all(&encode(&Command::Cancel)?).await.map_err(gone)?;
                    return Err(WorkerError::Cancelled);
                }
            };
            match report {
                Err(_) => return Err(WorkerError::Hung { seconds: self.config.stall_timeout.as_secs() }),
                Ok(None) => return Err(gone(std::io::ErrorKind::UnexpectedEof.into())),
                Ok(Some(Err(error))) => return Err(error.into()),
                Ok(Some(Ok(Report::Progress(stage)))) => progress(News::Stage(stage)),
                Ok(Some(Ok(Report::Preview(preview)))) => progress(News::Preview(preview)),
                Ok(Some(Ok(Report::Failed(failure)))) if failure.code == "worker.panicked" => {
                    return Err(WorkerError::Crashed { status: "panic".to_owned(), stderr: failure.message });
                }
                Ok(Some(Ok(report))) => return Ok(report),
            }
        }
    }

    /// Waits for a cancelled worker's last report; one that goes on too long is killed.
    async fn after_cancel(&self, mut running: Running) -> Option<Running> {
        let last = async {
            loop {
                match running.reports.recv().await {
                    Some(Ok(Report::Progress(_) | Report::Preview(_))) => {}
                    Some(Ok(_)) => return true,
                    None | Some(Err(_)) => return false,
                }
            }
        };
        if timeout(CANCEL_GRACE, last).await.unwrap_or(false) {
            return Some(running);
        }
        kill(&mut running.child).await;
        None
    }

    /// What became of a worker that broke off.
    async fn ended(&self, mut running: Running, error: WorkerError) -> WorkerError {
        if matches!(error, WorkerError::Hung { .. }) {
            kill(&mut running.child).await;
            return error;
        }
        // The pipe breaks a moment before the process is gone.
        let status = match timeout(Duration::from_secs(2), running.child.wait()).await {
            Ok(Ok(status)) => described(status),
            _ => {
                kill(&mut running.child).await;
                return error;
            }
        };
        if matches!(error, WorkerError::Crashed { .. }) {
            return error;
        }
        let lines = running.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let stderr = lines.iter().map(String::as_str).collect::<Vec<_>>().join(" | ");
        WorkerError::Crashed { status, stderr }
    }
}

async fn receive(output: &mut ChildStdout) -> Result<Option<Report>, ProtocolError> {
    let mut len = [0; 4];
    match output.read_exact(&mut len).await {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let mut bytes = vec![0; checked_len(len)?];
    output.read_exact(&mut bytes).await?;
    decode(&bytes).map(Some)
}

fn gone(error: std::io::Error) -> WorkerError {
    WorkerError::Protocol(ProtocolError::Io(error))
}

async fn forward(mut output: ChildStdout, send: mpsc::Sender<Result<Report, ProtocolError>>) {
    while let Some(report) = receive(&mut output).await.transpose() {
        let broken = report.is_err();
        if send.send(report).await.is_err() || broken {
            return;
        }
    }
}

async fn keep_last_lines(errors: impl tokio::io::AsyncRead + Unpin, kept: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(errors).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!(target: "infernet::worker", "{line}");
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == STDERR_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

async fn kill(child: &mut Child) {
    if let Err(error) = child.kill().await {
        tracing::warn!("the worker can't be killed: {error}");
    }
}

fn described(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        // SIGKILL without our doing is mostly the system, short of memory.
        return if signal == 9 { "killed, perhaps for lack of memory".to_owned() } else { format!("signal {signal}") };
    }
    status.to_string()
}
