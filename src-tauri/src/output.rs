//! What goes to standard output, and logging.

use std::io::{IsTerminal, Write};

use infernet_node::logbook::LogBook;
use serde::Serialize;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::failure::Result;

/// Prints one JSON object.
pub(crate) fn json(value: &impl Serialize) -> Result {
    let text = serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?;
    line(&text)
}

/// Prints a line. A closed pipe (`infernet ... | head`) is not an error.
pub(crate) fn line(text: &str) -> Result {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// What the node's own book keeps, whatever standard error shows.
const BOOK: &str = "warn,infernet=info,infernet_node=info,infernet_network=info,infernet_settlement=info";

/// Logs to standard error: warnings unless a filter says otherwise. What happened is also kept for the node's window.
pub(crate) fn start_logging(filter: Option<&str>, as_json: bool) {
    let filter = EnvFilter::try_new(filter.unwrap_or("warn")).unwrap_or_else(|error| {
        eprintln!("warning: the log filter is not understood ({error}); logging warnings");
        EnvFilter::new("warn")
    });
    let shown =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let shown = if as_json { shown.json().with_filter(filter).boxed() } else { shown.with_filter(filter).boxed() };
    let kept = LogBook::of_process().clone().with_filter(EnvFilter::new(BOOK));
    tracing_subscriber::registry().with(shown).with(kept).init();
}

/// Bytes for people: binary units, three figures.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}
