//! Workers that crash, hang, panic and come back, as real processes: shell scripts that speak the protocol's frames.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use infernet_engine::pipeline::Precision;
use infernet_node::worker::{
    Command, Failure, Ran, Report, RunCommand, Supervisor, WorkerConfig, WorkerError, WorkerState, write,
};
use tokio_util::sync::CancellationToken;

/// A worker that says it is ready, then does what the script says; `$DIR/ran` and the like are its answers.
fn worker(folder: &Path, script: &str) -> Supervisor {
    let frame = |name: &str, report: &Report| {
        let mut bytes = Vec::new();
        write(&mut bytes, report).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    frame("ready", &Report::Ready { version: "test".to_owned() });
    frame("ran", &Report::Ran(Ran { seconds: 1.0, peak_memory_bytes: None }));
    let failure = |code: &str| Report::Failed(Failure { code: code.to_owned(), message: code.to_owned() });
    frame("failed", &failure("test.failed"));
    frame("panicked", &failure("worker.panicked"));
    let program: PathBuf = folder.join("worker.sh");
    std::fs::write(&program, format!("#!/bin/sh\nDIR='{}'\ncat $DIR/ready\n{script}\n", folder.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    Supervisor::new(config(program))
}

fn config(program: PathBuf) -> WorkerConfig {
    WorkerConfig { program, arguments: Vec::new(), environment: Vec::new(), stall_timeout: Duration::from_secs(2) }
}

fn command() -> Command {
    Command::Run(RunCommand {
        model: "m".into(),
        precision: Precision::F32,
        threads: None,
        job: vec![],
        opening: vec![],
        challenge: vec![],
        evidence: "e".into(),
        attack: None,
    })
}

async fn run(supervisor: &Supervisor) -> Result<Report, WorkerError> {
    supervisor.run(&command(), &CancellationToken::new(), |_| {}).await
}

#[tokio::test]
async fn a_crash_fails_the_task_and_the_worker_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    // Crashes the first time, works from then on.
    let script = "head -c 5 >/dev/null
        if [ ! -e $DIR/second ]; then touch $DIR/second; echo 'out of memory' >&2; kill -9 $$; fi
        cat $DIR/ran; exec sleep 60";
    let supervisor = worker(folder.path(), script);
    let error = run(&supervisor).await.unwrap_err();
    assert_eq!(error.code(), "worker.crashed");
    assert!(error.to_string().contains("out of memory"), "{error}");
    assert!(matches!(*supervisor.state().borrow(), WorkerState::Waiting { crashes: 1, .. }));
    assert!(matches!(run(&supervisor).await.unwrap(), Report::Ran(_)));
    assert_eq!(*supervisor.state().borrow(), WorkerState::Idle);
}

#[tokio::test]
async fn a_worker_that_hangs_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let supervisor = worker(folder.path(), "exec sleep 600");
    assert!(matches!(run(&supervisor).await.unwrap_err(), WorkerError::Hung { seconds: 2 }));
}

#[tokio::test]
async fn a_failure_keeps_the_worker_and_a_panic_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = "head -c 5 >/dev/null; cat $DIR/failed; sleep 0.3; cat $DIR/panicked; exec sleep 60";
    let supervisor = worker(folder.path(), script);
    assert_eq!(run(&supervisor).await.unwrap_err().code(), "test.failed");
    assert_eq!(*supervisor.state().borrow(), WorkerState::Idle);
    assert_eq!(run(&supervisor).await.unwrap_err().code(), "worker.crashed");
}

#[tokio::test]
async fn what_is_no_worker_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let supervisor = Supervisor::new(config(folder.path().join("nothing")));
    let error = run(&supervisor).await.unwrap_err();
    assert_eq!(error.code(), "worker.start");
    assert!(error.to_string().contains("nothing"), "{error}");
}

#[tokio::test]
async fn a_cancelled_task_ends_and_the_worker_stays() {
    let folder = tempfile::tempdir().unwrap();
    let supervisor = worker(folder.path(), "head -c 5 >/dev/null; sleep 1; cat $DIR/failed; exec sleep 60");
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.cancel();
    });
    let error = supervisor.run(&command(), &cancel, |_| {}).await.unwrap_err();
    assert_eq!(error.code(), "worker.cancelled");
    assert_eq!(*supervisor.state().borrow(), WorkerState::Idle);
}
