//! The newest lines that this process has logged, for its owner's window: a bounded book beside standard error.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use infernet_api::types::log::{LogFilter, LogLevel, LogLine, LogLines, MAX_LOG_LINES};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::clock::now_ms;

/// Longest line kept, in bytes; the rest is cut off.
const MAX_TEXT: usize = 2000;

/// Lines, newest last; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct LogBook {
    lines: Arc<Mutex<Lines>>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<LogLine>,
    count: u64,
}

impl LogBook {
    /// The one of this process.
    pub fn of_process() -> &'static Self {
        static BOOK: OnceLock<LogBook> = OnceLock::new();
        BOOK.get_or_init(Self::default)
    }

    /// The lines that a filter asks for.
    #[must_use]
    pub fn read(&self, filter: &LogFilter) -> LogLines {
        let after = filter.after.unwrap_or(0);
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        LogLines { lines: lines.kept.iter().filter(|line| line.number > after).cloned().collect() }
    }

    fn write(&self, level: LogLevel, target: &str, text: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.count += 1;
        let line = LogLine { number: lines.count, time_unix_ms: now_ms(), level, target: target.to_owned(), text };
        if lines.kept.len() >= MAX_LOG_LINES {
            lines.kept.pop_front();
        }
        lines.kept.push_back(line);
    }
}

/// Message and fields of an event.
#[derive(Default)]
struct Said {
    message: String,
    fields: String,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl<S: Subscriber> Layer<S> for LogBook {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warn,
            Level::INFO => LogLevel::Info,
            // A trace is for a terminal.
            Level::DEBUG => LogLevel::Debug,
            Level::TRACE => return,
        };
        let mut said = Said::default();
        event.record(&mut said);
        let mut text = said.message + &said.fields;
        if text.len() > MAX_TEXT {
            let end = (0..=MAX_TEXT).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            text.truncate(end);
            text.push('…');
        }
        self.write(level, event.metadata().target(), text);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn the_newest_lines_are_kept_and_numbered() {
        let book = LogBook::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(book.clone()), || {
            for number in 0..MAX_LOG_LINES + 10 {
                tracing::info!(number, "said");
            }
            tracing::warn!(peer = "abc", "{}", "ü".repeat(MAX_TEXT));
            tracing::trace!("not this");
        });
        let all = book.read(&LogFilter::default()).lines;
        assert_eq!(all.len(), MAX_LOG_LINES);
        assert_eq!(all[0].number, 12);
        assert_eq!(all[0].text, "said number=11");
        let last = all.last().unwrap();
        assert_eq!((last.level, last.text.len()), (LogLevel::Warn, MAX_TEXT + '…'.len_utf8()));
        assert_eq!(last.target, "infernet_node::logbook::tests");
        let newest = book.read(&LogFilter { after: Some(last.number - 1) }).lines;
        assert_eq!(newest, std::slice::from_ref(last));
    }
}
