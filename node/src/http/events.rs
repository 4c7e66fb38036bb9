//! Events on their way to those who listen: numbered, the newest kept for resuming, bounded for slow readers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use infernet_api::types::event::{Event, EventId, EventKind};
use tokio::sync::broadcast;

/// Events kept for those who come back: some minutes of a busy node.
pub const KEPT_EVENTS: usize = 1024;
/// Events that one reader may be behind before it is told that it lags and is dropped.
pub const READER_EVENTS: usize = 256;

/// The node's events. Publishing never waits for a reader.
#[derive(Debug)]
pub struct EventLog {
    run: u64,
    kept: Mutex<Kept>,
    sender: broadcast::Sender<Arc<Event>>,
}

#[derive(Debug)]
struct Kept {
    capacity: usize,
    newest: u64,
    events: VecDeque<Arc<Event>>,
}

/// What a new reader gets: first what it missed, then what comes.
#[derive(Debug)]
pub(super) struct Subscription {
    /// Events since the one it named.
    pub(super) missed: Vec<Arc<Event>>,
    /// What comes.
    pub(super) receiver: broadcast::Receiver<Arc<Event>>,
}

impl EventLog {
    /// An empty log. `run` tells this run of the node from others and should be random.
    #[must_use]
    pub fn new(run: u64) -> Self {
        Self::with_capacity(run, KEPT_EVENTS, READER_EVENTS)
    }

    /// With other bounds than [`KEPT_EVENTS`] and [`READER_EVENTS`]; each at least 1.
    #[must_use]
    pub fn with_capacity(run: u64, kept: usize, reader: usize) -> Self {
        let (sender, _) = broadcast::channel(reader.max(1));
        let kept = Kept { capacity: kept.max(1), newest: 0, events: VecDeque::new() };
        Self { run, kept: Mutex::new(kept), sender }
    }

    /// Numbers an event and sends it to everyone who listens.
    pub fn publish(&self, kind: EventKind) -> EventId {
        let mut kept = self.lock();
        kept.newest += 1;
        let event = Arc::new(Event { sequence: kept.newest, time_unix_ms: now_unix_ms(), kind });
        if kept.events.len() == kept.capacity {
            kept.events.pop_front();
        }
        kept.events.push_back(Arc::clone(&event));
        // Under the lock, so that a reader that subscribes meanwhile gets it once: as missed or as new. There may be nobody.
        let _ = self.sender.send(event);
        EventId { run: self.run, sequence: kept.newest }
    }

    /// Number of the newest event; 0 before the first.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.lock().newest
    }

    /// The id of an event of this run.
    pub(super) fn id(&self, sequence: u64) -> EventId {
        EventId { run: self.run, sequence }
    }

    /// Listens from now on, or from after an event that was seen.
    pub(super) fn subscribe(&self, after: Option<EventId>) -> Subscription {
        let kept = self.lock();
        let receiver = self.sender.subscribe();
        let missed = match after {
            None => Vec::new(),
            Some(seen) => kept.since(self.run, seen).unwrap_or_else(|| vec![Arc::new(kept.lagged())]),
        };
        Subscription { missed, receiver }
    }

    /// What a reader is told that can't be given all it missed.
    pub(super) fn lagged(&self) -> Event {
        self.lock().lagged()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing that holds the lock can panic halfway through a change.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Everything after an event; `None` where some of it is not kept any more, or was never there.
    fn since(&self, run: u64, seen: EventId) -> Option<Vec<Arc<Event>>> {
        let missed = self.newest.checked_sub(seen.sequence).filter(|_| seen.run == run)?;
        let missed = usize::try_from(missed).ok().filter(|missed| *missed <= self.events.len())?;
        Some(self.events.iter().skip(self.events.len() - missed).cloned().collect())
    }

    fn lagged(&self) -> Event {
        Event { sequence: self.newest, time_unix_ms: now_unix_ms(), kind: EventKind::Lagged }
    }
}

fn now_unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RUN: u64 = 7;

    fn log_of(count: u64) -> EventLog {
        let log = EventLog::with_capacity(RUN, 4, 4);
        for revision in 0..count {
            log.publish(EventKind::Settings { revision });
        }
        log
    }

    /// What a reader that saw `sequence` of `run` is told it missed.
    fn missed(log: &EventLog, run: u64, sequence: u64) -> Vec<(u64, &'static str)> {
        let subscription = log.subscribe(Some(EventId { run, sequence }));
        subscription.missed.iter().map(|event| (event.sequence, event.kind.name())).collect()
    }

    #[test]
    fn readers_get_what_they_missed() {
        let log = log_of(6);
        assert_eq!(log.newest(), 6);
        assert_eq!(missed(&log, RUN, 6), []);
        assert_eq!(missed(&log, RUN, 4), [(5, "settings"), (6, "settings")]);
        assert_eq!(missed(&log, RUN, 2).len(), 4, "the oldest that is kept is number 3");
        assert!(log.subscribe(None).missed.is_empty());
    }

    #[test]
    fn readers_that_missed_too_much_are_told() {
        let log = log_of(6);
        for (run, sequence) in [(RUN, 1), (RUN, 7), (RUN, u64::MAX), (RUN + 1, 6)] {
            assert_eq!(missed(&log, run, sequence), [(6, "lagged")], "{run}-{sequence}");
        }
    }

    #[tokio::test]
    async fn what_comes_follows_what_was_missed() {
        let log = log_of(2);
        let mut subscription = log.subscribe(Some(EventId { run: RUN, sequence: 1 }));
        log.publish(EventKind::ShuttingDown);
        assert_eq!(subscription.missed.len(), 1);
        assert_eq!(subscription.receiver.recv().await.unwrap().sequence, 3);
    }
}
