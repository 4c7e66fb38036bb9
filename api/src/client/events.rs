//! Events that survive a lost connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use eventsource_stream::{Event as RawEvent, EventStreamError, Eventsource as _};
use futures::stream::{BoxStream, StreamExt as _};
use tokio::time::Instant;

use super::{Client, ClientError};
use crate::types::event::{Event, EventId, EventKind};

/// Largest event: a hundred times any that a node sends.
const MAX_EVENT_BYTES: usize = 4 << 20;
/// Pause before the first attempt to connect again; doubled with each.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause between attempts.
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// News of a stream of events.
#[derive(Debug)]
pub enum Update {
    /// Connected, at first or again.
    Connected,
    /// An event. After [`EventKind::Lagged`] everything must be loaded again.
    Event(Box<Event>),
    /// The connection failed or ended; the next call tries again after a pause. Give up where the error is not
    /// [transient](ClientError::is_transient).
    Disconnected(ClientError),
}

/// Events of a node. After a lost connection it goes on where it was; nothing comes twice.
pub struct EventStream {
    client: Client,
    seen: Option<EventId>,
    state: State,
    pause: Duration,
}

enum State {
    Waiting(Instant),
    Open(Open),
}

struct Open {
    events: BoxStream<'static, Result<RawEvent, EventStreamError<StreamError>>>,
    /// Bytes since the last event.
    unfinished: Arc<AtomicUsize>,
}

enum StreamError {
    Http(reqwest::Error),
    TooLarge,
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("client", &self.client).field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl EventStream {
    pub(super) fn new(client: Client, seen: Option<EventId>) -> Self {
        Self { client, seen, state: State::Waiting(Instant::now()), pause: FIRST_PAUSE }
    }

    /// The last event that came, for going on later.
    #[must_use]
    pub fn seen(&self) -> Option<EventId> {
        self.seen
    }

    /// Waits for what comes next. May be dropped while it waits without losing anything.
    pub async fn next(&mut self) -> Update {
        match &mut self.state {
            State::Waiting(until) => {
                tokio::time::sleep_until(*until).await;
                match Self::connect(self.client.clone(), self.seen).await {
                    Ok(open) => {
                        self.state = State::Open(open);
                        Update::Connected
                    }
                    Err(error) => self.lost(error),
                }
            }
            State::Open(open) => match open.events.next().await {
                Some(Ok(raw)) => {
                    open.unfinished.store(0, Ordering::Relaxed);
                    self.pause = FIRST_PAUSE;
                    self.read(&raw)
                }
                Some(Err(EventStreamError::Transport(StreamError::Http(error)))) => {
                    let error = self.client.failed(&error);
                    self.lost(error)
                }
                Some(Err(EventStreamError::Transport(StreamError::TooLarge))) => {
                    self.lost(self.client.unexpected("an event is larger than any of a node".to_owned()))
                }
                Some(Err(_)) => self.lost(self.client.unexpected("its events are not server-sent events".to_owned())),
                None => {
                    let (url, reason) = (self.client.url().to_owned(), "the node ended the stream".to_owned());
                    self.lost(ClientError::Connection { url, reason })
                }
            },
        }
    }

    fn read(&mut self, raw: &RawEvent) -> Update {
        let id = raw.id.parse::<EventId>().ok();
        self.seen = id.or(self.seen);
        let event = serde_json::from_str(&raw.data).unwrap_or_else(|_| Event {
            // Of a newer node: it must not come again and again, so it counts as seen.
            sequence: id.map_or(0, |id| id.sequence),
            time_unix_ms: 0,
            kind: EventKind::Unknown,
        });
        Update::Event(Box::new(event))
    }

    fn lost(&mut self, error: ClientError) -> Update {
        self.state = State::Waiting(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LAST_PAUSE);
        Update::Disconnected(error)
    }

    /// Without `self`, so that a task which waits for events can move between threads.
    async fn connect(client: Client, seen: Option<EventId>) -> Result<Open, ClientError> {
        let mut request = client.stream("/v1/events", "text/event-stream");
        if let Some(seen) = seen {
            request = request.header("Last-Event-ID", seen.to_string());
        }
        let response = client.open(request).await?;
        let unfinished = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&unfinished);
        let bytes = response.bytes_stream().map(move |chunk| {
            let chunk = chunk.map_err(StreamError::Http)?;
            let before = counter.fetch_add(chunk.len(), Ordering::Relaxed);
            if before + chunk.len() > MAX_EVENT_BYTES { Err(StreamError::TooLarge) } else { Ok(chunk) }
        });
        Ok(Open { events: bytes.eventsource().boxed(), unfinished })
    }
}
