//! What goes to standard output, and logging.

use std::io::{IsTerminal, Write};

use serde::Serialize;
use tracing_subscriber::EnvFilter;

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

/// Logs to standard error: warnings unless a filter says otherwise.
pub(crate) fn start_logging(filter: Option<&str>, as_json: bool) {
    let filter = EnvFilter::try_new(filter.unwrap_or("warn")).unwrap_or_else(|error| {
        eprintln!("warning: the log filter is not understood ({error}); logging warnings");
        EnvFilter::new("warn")
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    if as_json { builder.json().init() } else { builder.init() }
}

/// Bytes for people: binary units, three figures.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}
