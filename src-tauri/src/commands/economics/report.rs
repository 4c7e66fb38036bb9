//! Where results go: a table or JSON to standard output, CSV and figures to files.

use std::path::Path;

use infernet_economics::figure::Figure;
use infernet_economics::plot::{PlotFormat, render};
use infernet_economics::report::Table;
use infernet_engine::video::write_atomically;
use serde::Serialize;

use crate::cli::ReportArgs;
use crate::failure::{Failure, Result};
use crate::{files, output};

/// Refuses, before the work, files that could not be written after it.
pub(super) fn check(arguments: &ReportArgs) -> Result {
    if let Some(path) = &arguments.plot {
        format_of(path)?;
        files::check_new_file(path, arguments.force)?;
    }
    if let Some(path) = &arguments.csv {
        files::check_new_file(path, arguments.force)?;
        if arguments.plot.as_ref() == Some(path) {
            return Err(Failure::input("--csv and --plot name the same file; give each its own"));
        }
    }
    Ok(())
}

fn format_of(path: &Path) -> Result<PlotFormat> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    PlotFormat::of_extension(extension).map_err(|error| Failure::input(format!("--plot {}: {error}", path.display())))
}

/// Writes files and prints. `notes` go above the table.
pub(super) fn emit(
    arguments: &ReportArgs,
    json: &impl Serialize,
    notes: &[String],
    table: &Table,
    figure: impl FnOnce() -> Result<Figure>,
) -> Result {
    // Everything is made before anything is written.
    let plot = match &arguments.plot {
        Some(path) => Some((path, render(&figure()?, format_of(path)?)?)),
        None => None,
    };
    if let Some(path) = &arguments.csv {
        write_atomically(path, table.to_csv().as_bytes())?;
    }
    if let Some((path, bytes)) = plot {
        write_atomically(path, &bytes)?;
    }
    if arguments.json {
        return output::json(json);
    }
    for note in notes {
        output::line(note)?;
    }
    if !notes.is_empty() {
        output::line("")?;
    }
    output::line(table.to_text().trim_end())
}
