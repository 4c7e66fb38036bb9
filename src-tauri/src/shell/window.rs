//! The dashboard's process. It reads commands from its standard input. An end in order closes it; when the shell just dies it stays,
//! says that the node is gone, and offers to start it again.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::failure::Result;

/// Brings the window to the front.
pub(super) const RAISE: &str = "raise";
/// Closes the window.
pub(super) const CLOSE: &str = "close";
/// Asks in the window whether to join the network of the link that follows.
pub(super) const INVITED: &str = "invited ";
/// Says in the window what went wrong, which follows.
pub(super) const FAILED: &str = "failed ";
/// What the window says when its user wants to join the network of the link that follows.
pub(super) const JOIN: &str = "join ";
/// How often an open window is looked after.
const LOOK: Duration = Duration::from_millis(300);

/// The window, open or not; cheap to clone.
#[derive(Clone)]
pub(super) struct Window {
    data: PathBuf,
    child: Arc<Mutex<Option<Child>>>,
    /// Gets the link of a network that is to be joined, on a thread of its own.
    joins: Arc<dyn Fn(String) + Send + Sync>,
}

impl Window {
    pub(super) fn new(data: PathBuf, joins: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self { data, child: Arc::default(), joins: Arc::new(joins) }
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        // What is in it is whole after any panic.
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the window, or raises it where it is open.
    pub(super) fn open(&self) -> Result {
        self.tell(RAISE)
    }

    /// Opens the window where it is not open, and tells it something.
    pub(super) fn tell(&self, line: &str) -> Result {
        let mut child = self.child();
        if let Some(open) = child.as_mut()
            && open.try_wait()?.is_none()
        {
            if let Some(input) = open.stdin.as_mut() {
                // A window that is just closing opens again with the next click.
                let _ = writeln!(input, "{line}").and_then(|()| input.flush());
            }
            return Ok(());
        }
        let mut started = Command::new(std::env::current_exe()?)
            .args(["dashboard", "--commands", "--data"])
            .arg(&self.data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        if let (true, Some(input)) = (line != RAISE, started.stdin.as_mut()) {
            // It reads this when it is there.
            writeln!(input, "{line}").and_then(|()| input.flush())?;
        }
        if let Some(output) = started.stdout.take() {
            let joins = Arc::clone(&self.joins);
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
                    if let Some(link) = line.strip_prefix(JOIN) {
                        joins(link.to_owned());
                    }
                }
            });
        }
        *child = Some(started);
        drop(child);
        let window = self.clone();
        // Awaited, so that no zombie is left.
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(LOOK);
                let mut child = window.child();
                match child.as_mut().map(Child::try_wait) {
                    Some(Ok(None)) => {}
                    Some(Ok(Some(status))) => {
                        if !status.success() {
                            tracing::error!("the window ended with {status}; the node goes on");
                        }
                        *child = None;
                        return;
                    }
                    Some(Err(_)) | None => return,
                }
            }
        });
        Ok(())
    }

    /// Whether it is open.
    #[cfg(not(feature = "desktop"))]
    pub(super) fn is_open(&self) -> bool {
        self.child().is_some()
    }

    /// Closes the window.
    pub(super) fn close(&self) {
        if let Some(mut open) = self.child().take() {
            if let Some(mut input) = open.stdin.take() {
                // One that has ended needs no word.
                let _ = writeln!(input, "{CLOSE}").and_then(|()| input.flush());
            }
            for _ in 0..10 {
                if matches!(open.try_wait(), Ok(Some(_))) {
                    return;
                }
                std::thread::sleep(LOOK / 3);
            }
            let _ = open.kill();
            let _ = open.wait();
        }
    }
}
