//! `infernet update`: a newer version, if there is one, fetched, checked and handed to the system.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::cli::UpdateArgs;
use crate::failure::{Failure, Result};
use crate::update::{Source, fetch, newest, of};
use crate::{output, paths};

/// Packages that were fetched, in the data folder.
const FOLDER: &str = "updates";

#[derive(Serialize)]
struct Report {
    present: &'static str,
    newest: Option<String>,
    notes: String,
    /// The package, its signature checked.
    file: Option<PathBuf>,
    /// What installs it here.
    install: Option<String>,
    installed: bool,
}

pub(super) fn run(arguments: &UpdateArgs) -> Result {
    let source = Source::find(arguments.url.as_deref(), arguments.key.as_deref())?.ok_or_else(|| {
        Failure::input("this build knows no place for updates; give --url and --key, or use your system's packages")
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let release = runtime.block_on(newest(&source))?;
    let mut report = Report {
        present: env!("CARGO_PKG_VERSION"),
        newest: release.as_ref().map(|release| release.version.to_string()),
        notes: release.as_ref().map_or_else(String::new, |release| release.notes.clone()),
        file: None,
        install: None,
        installed: false,
    };
    let Some(release) = release else { return said(arguments, &report) };
    if arguments.check {
        return said(arguments, &report);
    }
    let bar = if arguments.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    bar.set_style(
        ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}").unwrap_or(ProgressStyle::default_bar()),
    );
    let file = runtime.block_on(fetch(&source, &release, &paths::data_dir()?.join(FOLDER), |done, total| {
        bar.set_length(total.unwrap_or(done));
        bar.set_position(done);
    }))?;
    bar.finish_and_clear();
    let install = of(&file);
    report.install = install.as_ref().map(crate::update::Install::typed);
    report.file = Some(file);
    if arguments.install {
        let install = install.ok_or_else(|| Failure::input("this system has no way to install it; do it by hand"))?;
        install.run()?;
        report.installed = true;
    }
    said(arguments, &report)
}

fn said(arguments: &UpdateArgs, report: &Report) -> Result {
    if arguments.json {
        return output::json(report);
    }
    let Some(newest) = &report.newest else {
        return output::line(&format!("{} is the newest version", report.present));
    };
    output::line(&format!("InferNet {newest} is there; this is {}", report.present))?;
    if !report.notes.is_empty() {
        output::line(&report.notes)?;
    }
    match (&report.file, &report.install) {
        _ if report.installed => output::line("installed; start InferNet again"),
        (None, _) => output::line("fetch and install it: infernet update --install"),
        (Some(file), Some(install)) => {
            output::line(&format!("{}: signature holds; install it: {install}", file.display()))
        }
        (Some(file), None) => output::line(&format!("{}: signature holds; install it by hand", file.display())),
    }
}
