//! Events as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use futures::stream::{self, Stream};
use infernet_api::types::event::{Event, EventId, EventKind};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::backend::Backend;
use super::config::Limits;
use super::events::Subscription;

/// A reader of events.
struct Reader<B> {
    backend: Arc<B>,
    missed: VecDeque<Arc<Event>>,
    receiver: broadcast::Receiver<Arc<Event>>,
    ending: CancellationToken,
    ended: bool,
    _counted: Counted,
}

/// Counts a reader for as long as it is there.
struct Counted(Gauge);

impl Counted {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Sends what was missed since `after`, then what comes, until the reader leaves, lags, or the node ends.
pub(super) fn events<B: Backend>(
    backend: &Arc<B>,
    after: Option<EventId>,
    limits: &Limits,
    ending: CancellationToken,
    readers: Gauge,
) -> Sse<impl Stream<Item = Result<SseEvent, Infallible>> + use<B>> {
    let Subscription { missed, receiver } = backend.events().subscribe(after);
    let reader = Reader {
        backend: Arc::clone(backend),
        missed: missed.into(),
        receiver,
        ending,
        ended: false,
        _counted: Counted::new(readers),
    };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(reader.written(&event)), reader))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(limits.keep_alive()))
}

impl<B: Backend> Reader<B> {
    async fn next(&mut self) -> Option<Arc<Event>> {
        if self.ended {
            return None;
        }
        if let Some(missed) = self.missed.pop_front() {
            return Some(missed);
        }
        let event = tokio::select! {
            // What was published before the end is sent before it.
            biased;
            received = self.receiver.recv() => match received {
                Ok(event) => event,
                Err(RecvError::Lagged(_)) => {
                    self.ended = true;
                    Arc::new(self.backend.events().lagged())
                }
                Err(RecvError::Closed) => return None,
            },
            () = self.ending.cancelled() => return None,
        };
        self.ended |= event.kind == EventKind::ShuttingDown;
        Some(event)
    }

    fn written(&self, event: &Event) -> SseEvent {
        let id = self.backend.events().id(event.sequence);
        let written = SseEvent::default().id(id.to_string()).event(event.kind.name());
        written.json_data(event).unwrap_or_else(|error| {
            tracing::error!(%error, "an event can't be written as JSON");
            SseEvent::default().comment("an event that can't be written")
        })
    }
}
