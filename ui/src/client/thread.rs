//! The thread and its loop.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use infernet_api::Problem;
use infernet_api::client::{Client, ClientError, Update};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::{execute, refresh};
use crate::actions::{Action, ActionId};
use crate::snapshot::{Connection, Part, Snapshot};
use crate::window::{BackupHooks, Join, Restart};

/// Most commands that wait.
const MAX_WAITING: usize = 256;
/// Most requests at once.
const MAX_REQUESTS: usize = 6;
/// Events that come close together ask for a part once.
const DEBOUNCE: Duration = Duration::from_millis(250);
/// Slow polling, for what no event tells.
const POLL: Duration = Duration::from_secs(30);
/// Pause before the next attempt after an error that does not go away by itself.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);

/// What the thread needs.
pub(crate) struct Start {
    pub(crate) client: Client,
    /// Called when something changed.
    pub(crate) changed: Arc<dyn Fn() + Send + Sync>,
    /// Asks the shell to start the node again.
    pub(crate) restart: Option<Restart>,
    /// Asks the shell to take the node to another network.
    pub(crate) join: Option<Join>,
    /// Shows the identity's words.
    pub(crate) backup: Option<BackupHooks>,
}

/// What tasks share.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) client: Client,
    snapshot: Arc<Mutex<Snapshot>>,
    changed: Arc<dyn Fn() + Send + Sync>,
    pub(super) restart: Option<Restart>,
    pub(super) join: Option<Join>,
    pub(super) backup: Option<BackupHooks>,
    pub(super) stale: mpsc::UnboundedSender<Part>,
    pub(super) requests: Arc<Semaphore>,
}

impl Link {
    /// Changes the snapshot and has the window drawn again.
    pub(super) fn update<R>(&self, change: impl FnOnce(&mut Snapshot) -> R) -> R {
        let inner = {
            let mut snapshot = lock(&self.snapshot);
            snapshot.version += 1;
            snapshot.now_unix_ms = now_ms();
            change(&mut snapshot)
        };
        (self.changed)();
        inner
    }

    /// Reads the snapshot.
    pub(super) fn read<R>(&self, read: impl FnOnce(&Snapshot) -> R) -> R {
        read(&lock(&self.snapshot))
    }
}

/// A panic while the snapshot was held left it whole: changes are single assignments.
fn lock(snapshot: &Mutex<Snapshot>) -> MutexGuard<'_, Snapshot> {
    snapshot.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// What a problem the client met is to the window.
pub(super) fn problem(error: &ClientError) -> Problem {
    Problem { code: error.code().to_owned(), message: error.to_string(), next_step: error.next_step() }
}

/// The running thread; it ends when this is dropped.
pub(crate) struct ClientThread {
    snapshot: Arc<Mutex<Snapshot>>,
    commands: Option<mpsc::Sender<(ActionId, Action)>>,
    thread: Option<JoinHandle<()>>,
}

impl ClientThread {
    pub(crate) fn start(start: Start) -> io::Result<Self> {
        let snapshot = Snapshot {
            node_url: start.client.url().to_owned(),
            can_restart: start.restart.is_some(),
            can_join: start.join.is_some(),
            can_backup: start.backup.is_some(),
            now_unix_ms: now_ms(),
            ..Snapshot::default()
        };
        let snapshot = Arc::new(Mutex::new(snapshot));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (commands, inbox) = mpsc::channel(MAX_WAITING);
        // Not bounded by a number: what waits is a set of parts, of which there are twelve kinds; `run` empties it at once.
        let (stale, due) = mpsc::unbounded_channel();
        let link = Link {
            client: start.client,
            snapshot: Arc::clone(&snapshot),
            changed: start.changed,
            restart: start.restart,
            join: start.join,
            backup: start.backup,
            stale,
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
        };
        let thread = std::thread::Builder::new().name("node client".to_owned()).spawn(move || {
            runtime.block_on(run(link, inbox, due));
            // A file that is still being decoded does not hold the window open.
            runtime.shutdown_background();
        })?;
        Ok(Self { snapshot, commands: Some(commands), thread: Some(thread) })
    }

    /// The snapshot, held while a frame is drawn.
    pub(crate) fn snapshot(&self) -> MutexGuard<'_, Snapshot> {
        lock(&self.snapshot)
    }

    /// Hands commands over.
    pub(crate) fn send(&self, actions: Vec<(ActionId, Action)>) {
        let Some(commands) = &self.commands else { return };
        for (id, action) in actions {
            if commands.try_send((id, action)).is_err() {
                let problem = Problem {
                    code: "window_busy".to_owned(),
                    message: "too many commands wait for the node".to_owned(),
                    next_step: "try again in a moment".to_owned(),
                };
                self.snapshot().finish(id, Err(problem));
            }
        }
    }
}

impl Drop for ClientThread {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // It only panics after a defect, which its own message tells.
            drop(thread.join());
        }
    }
}

async fn run(link: Link, mut inbox: mpsc::Receiver<(ActionId, Action)>, mut stale: mpsc::UnboundedReceiver<Part>) {
    let mut events = link.client.events(None);
    let mut tasks = JoinSet::new();
    let mut due: BTreeSet<Part> = BTreeSet::new();
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let flush = tokio::time::sleep(DEBOUNCE);
    tokio::pin!(flush);
    let mut pause = None;
    loop {
        tokio::select! {
            command = inbox.recv() => match command {
                None => return,
                Some((id, action)) => drop(tasks.spawn(execute::execute(link.clone(), id, action))),
            },
            Some(part) = stale.recv() => {
                if due.is_empty() {
                    flush.as_mut().reset(tokio::time::Instant::now() + DEBOUNCE);
                }
                due.insert(part);
            }
            () = &mut flush, if !due.is_empty() => {
                for part in std::mem::take(&mut due) {
                    tasks.spawn(refresh::refresh(link.clone(), part));
                }
            }
            _ = poll.tick() => {
                if link.read(|snapshot| snapshot.connection == Connection::Connected) {
                    due.extend([Part::Status, Part::Devices, Part::Stake, Part::Peers]);
                    flush.as_mut().reset(tokio::time::Instant::now() + DEBOUNCE);
                }
            }
            () = async { tokio::time::sleep_until(pause.unwrap_or_else(tokio::time::Instant::now)).await }, if pause.is_some() => {
                pause = None;
            }
            update = events.next(), if pause.is_none() => {
                let parts = taken(&link, update, &mut pause);
                for part in parts {
                    // The other end lives as long as this loop.
                    let _ended = link.stale.send(part);
                }
            }
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
}

fn taken(link: &Link, update: Update, pause: &mut Option<tokio::time::Instant>) -> Vec<Part> {
    match update {
        Update::Connected => {
            link.update(|snapshot| snapshot.connection = Connection::Connected);
            Part::ALL.to_vec()
        }
        Update::Event(event) => link.update(|snapshot| snapshot.event(*event)),
        Update::Disconnected(error) => {
            if !error.is_transient() {
                *pause = Some(tokio::time::Instant::now() + REFUSED_PAUSE);
            }
            let lost = Connection::Lost(problem(&error));
            // Only a change is drawn: a node that stays away costs nothing.
            if link.read(|snapshot| snapshot.connection != lost) {
                link.update(|snapshot| snapshot.lost(lost));
            }
            Vec::new()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::time::Instant;

    use infernet_api::ApiToken;
    use infernet_api::client::{ClientConfig, ServerTrust};
    use infernet_api::types::status::{MiningState, MiningStatus};

    use super::*;
    use crate::snapshot::Loadable;

    /// Answers every request: events stay open, mining starts, anything else is refused as a node does.
    fn serve(listener: TcpListener) {
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let request = lines.next().unwrap().unwrap();
                while lines.next().unwrap().unwrap() != "" {}
                let close = "Connection: close\r\n";
                if request.contains("/v1/events") {
                    write!(stream, "HTTP/1.1 200 OK\r\n{close}Content-Type: text/event-stream\r\n\r\n: hello\n\n")
                        .unwrap();
                    open.push(stream);
                    continue;
                }
                let mining = MiningStatus {
                    state: MiningState::Waiting,
                    pause_reasons: [].into(),
                    pause_ends_unix_ms: None,
                    since_unix_ms: 1,
                    attention: None,
                };
                let (code, body) = if request.contains("/v1/mining/start") {
                    ("200 OK", serde_json::to_string(&mining).unwrap())
                } else {
                    ("503 Busy", r#"{"code":"busy","message":"busy","next_step":"wait"}"#.to_owned())
                };
                let head = format!(
                    "HTTP/1.1 {code}\r\n{close}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).unwrap();
            }
        });
    }

    fn wait(thread: &ClientThread, what: &str, until: impl Fn(&Snapshot) -> bool) {
        let start = Instant::now();
        while !until(&thread.snapshot()) {
            assert!(start.elapsed() < Duration::from_secs(60), "{what}: {:?}", thread.snapshot().connection);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn a_node_that_is_away_is_found_again_and_obeys() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let token = ApiToken::from_bytes([7; 32]);
        let config = ClientConfig { url: format!("http://{address}"), token, trust: ServerTrust::ThisComputer };
        let client = Client::new(&config).unwrap();
        let thread =
            ClientThread::start(Start { client, changed: Arc::new(|| {}), restart: None, join: None, backup: None })
                .unwrap();
        wait(
            &thread,
            "away",
            |snapshot| matches!(&snapshot.connection, Connection::Lost(problem) if problem.code == "no_node"),
        );
        assert!(matches!(thread.snapshot().status, Loadable::Failed(_)), "what never came says why");

        serve(TcpListener::bind(address).unwrap());
        wait(&thread, "back", |snapshot| snapshot.connection == Connection::Connected);
        thread.send(vec![(ActionId(1), Action::StartMining), (ActionId(2), Action::RescanDevices)]);
        wait(&thread, "done", |snapshot| {
            snapshot.outcome(ActionId(1)).is_some() && snapshot.outcome(ActionId(2)).is_some()
        });
        let snapshot = thread.snapshot();
        assert_eq!(snapshot.outcome(ActionId(1)), Some(&Ok(String::new())));
        assert_eq!(snapshot.outcome(ActionId(2)).unwrap().as_ref().unwrap_err().code, "busy");
        drop(snapshot);
        let start = Instant::now();
        drop(thread);
        assert!(start.elapsed() < Duration::from_secs(5), "the thread ends with the window");
    }
}
