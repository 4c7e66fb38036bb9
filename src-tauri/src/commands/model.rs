//! `infernet model ...`.

use std::io::{BufRead, IsTerminal, Write};

use infernet_engine::store::{DownloadOptions, ImportMode, ModelInfo, ModelState, Progress};
use serde_json::json;
use tokio::sync::watch;

use crate::cli::{DownloadArgs, ImportArgs, ModelCommand, ModelNameArgs, RemoveArgs};
use crate::failure::{Failure, Result};
use crate::{interrupt, output, paths, progress};

/// How often the progress of blocking work is drawn.
const DRAW_INTERVAL: std::time::Duration = std::time::Duration::from_millis(100);

pub(super) fn run(command: ModelCommand) -> Result {
    match command {
        ModelCommand::List(arguments) => list(arguments.json),
        ModelCommand::Info(arguments) => info(&arguments),
        ModelCommand::Download(arguments) => download(&arguments),
        ModelCommand::Verify(arguments) => verify(&arguments),
        ModelCommand::Remove(arguments) => remove(&arguments),
        ModelCommand::Import(arguments) => import(&arguments),
    }
}

fn state_in_words(info: &ModelInfo) -> String {
    match &info.state {
        ModelState::BuiltIn => "built in".to_owned(),
        ModelState::Complete => "ready".to_owned(),
        ModelState::Broken { reasons } => format!("broken: {}", reasons.join("; ")),
        ModelState::Partial { bytes_done, bytes_total } => {
            let total = bytes_total.map_or_else(String::new, |total| format!(" of {}", output::bytes(total)));
            format!("stopped at {}{total}", output::bytes(*bytes_done))
        }
        ModelState::NotDownloaded => "not downloaded".to_owned(),
    }
}

fn list(as_json: bool) -> Result {
    let models = paths::model_store()?.list()?;
    if as_json {
        return output::json(&models);
    }
    for model in &models {
        let licence = model.catalogue.as_ref().map_or("", |entry| entry.licence.name.as_str());
        let size = if model.bytes_on_disk > 0 { output::bytes(model.bytes_on_disk) } else { String::new() };
        output::line(&format!(
            "{:20} {:30} {:14} {:>11}  {}",
            model.id,
            model.title,
            licence,
            size,
            state_in_words(model)
        ))?;
    }
    Ok(())
}

fn info(arguments: &ModelNameArgs) -> Result {
    let info = paths::model_store()?.info(&arguments.id)?;
    if arguments.json {
        return output::json(&info);
    }
    output::line(&format!("{} ({})", info.title, info.id))?;
    output::line(&format!("  state    {}", state_in_words(&info)))?;
    if let Some(path) = &info.path {
        output::line(&format!("  folder   {} ({})", path.display(), output::bytes(info.bytes_on_disk)))?;
    }
    if let Some(entry) = &info.catalogue {
        let use_ = if entry.licence.commercial_use { "commercial use allowed" } else { "no commercial use" };
        output::line(&format!("  about    {}", entry.summary))?;
        output::line(&format!("  licence  {} ({use_}), {}", entry.licence.name, entry.licence.url))?;
        let defaults = entry.defaults;
        output::line(&format!(
            "  default  {}x{}, {} frames at {} fps, {} steps, guidance {}",
            defaults.width, defaults.height, defaults.frames, defaults.fps, defaults.steps, defaults.guidance
        ))?;
        if let Some(source) = &entry.source {
            output::line(&format!("  source   {} at {}", source.repository, source.revision))?;
        }
    }
    Ok(())
}

fn download(arguments: &DownloadArgs) -> Result {
    let store = paths::model_store()?;
    let cancel = interrupt::cancel();
    let mut options = DownloadOptions::default();
    if let Some(mirror) = &arguments.mirror {
        options.mirror = Some(mirror.clone());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (sender, receiver) = watch::channel(Progress::default());
    let quiet = arguments.json;
    let result = runtime.block_on(async {
        let shown = tokio::spawn(show(receiver, quiet));
        let result = store.download(&arguments.id, &options, &sender, &cancel).await;
        drop(sender);
        let _ = shown.await;
        result
    });
    let dir = result?;
    if arguments.json {
        return output::json(&json!({ "id": arguments.id, "path": dir.root() }));
    }
    output::line(&format!("{} is ready in {}", arguments.id, dir.root().display()))
}

/// Runs blocking work while its progress is drawn.
fn watched<T>(quiet: bool, work: impl FnOnce(&watch::Sender<Progress>) -> T) -> T {
    let (sender, mut receiver) = watch::channel(Progress::default());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let bar = progress::bytes(0, quiet);
            while !matches!(*receiver.borrow_and_update(), Progress::Done) && receiver.has_changed().is_ok() {
                draw(&bar, &receiver.borrow());
                std::thread::sleep(DRAW_INTERVAL);
            }
            bar.finish_and_clear();
        });
        let result = work(&sender);
        drop(sender);
        result
    })
}

/// Draws progress until the work ends.
async fn show(mut receiver: watch::Receiver<Progress>, quiet: bool) {
    let bar = progress::bytes(0, quiet);
    while receiver.changed().await.is_ok() {
        draw(&bar, &receiver.borrow_and_update());
    }
    bar.finish_and_clear();
}

fn draw(bar: &indicatif::ProgressBar, progress: &Progress) {
    let (stage, transfer) = match progress {
        Progress::Starting | Progress::Asking { .. } => return bar.set_prefix("starting"),
        Progress::Finishing | Progress::Done => return bar.set_prefix("finishing"),
        Progress::Checking(transfer) => ("checking", transfer),
        Progress::Downloading(transfer) => ("download", transfer),
        Progress::Copying(transfer) => ("copying", transfer),
        Progress::Verifying(transfer) => ("verifying", transfer),
    };
    bar.set_prefix(stage);
    bar.set_length(transfer.bytes_total.unwrap_or(transfer.bytes_done));
    bar.set_position(transfer.bytes_done);
    let left = transfer.secs_left.map_or_else(String::new, |left| format!(", {left:.0} s left"));
    let waiting = transfer.waiting.as_ref().map_or_else(String::new, |why| format!("; {why}"));
    bar.set_message(format!("{}/s{left}{waiting}", output::bytes(transfer.bytes_per_sec as u64)));
}

fn verify(arguments: &ModelNameArgs) -> Result {
    let store = paths::model_store()?;
    let cancel = interrupt::cancel();
    let report = watched(arguments.json, |sender| store.verify(&arguments.id, sender, &cancel))?;
    if arguments.json {
        output::json(&report)?;
    } else {
        for file in &report.files {
            let verdict = if file.verdict.is_good() { "ok" } else { "DAMAGED" };
            output::line(&format!("{verdict:8} {}", file.path))?;
        }
        for problem in &report.problems {
            output::line(&format!("DAMAGED  {problem}"))?;
        }
    }
    if report.is_good() {
        Ok(())
    } else {
        Err(Failure::Failed(anyhow::anyhow!(
            "{} is damaged; `infernet model download {}` fetches the damaged files again",
            arguments.id,
            arguments.id
        )))
    }
}

fn remove(arguments: &RemoveArgs) -> Result {
    let store = paths::model_store()?;
    let info = store.info(&arguments.id)?;
    if !arguments.yes {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::input(format!("removing {} needs a yes: add --yes", arguments.id)));
        }
        eprint!(
            "Remove {} ({})? It can be downloaded or imported again. [y/N] ",
            arguments.id,
            output::bytes(info.bytes_on_disk)
        );
        std::io::stderr().flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return output::line("nothing was removed");
        }
    }
    let freed = store.remove(&arguments.id)?;
    if arguments.json {
        return output::json(&json!({ "id": arguments.id, "freed_bytes": freed }));
    }
    output::line(&format!("removed {}, {} freed", arguments.id, output::bytes(freed)))
}

fn import(arguments: &ImportArgs) -> Result {
    let store = paths::model_store()?;
    let cancel = interrupt::cancel();
    let id = match (&arguments.id, arguments.folder.file_name().and_then(|name| name.to_str())) {
        (Some(id), _) => id.clone(),
        (None, Some(name)) => name.to_lowercase().replace([' ', '_', '.'], "-"),
        (None, None) => return Err(Failure::input("name the model with --id")),
    };
    let mode = if arguments.link { ImportMode::Link } else { ImportMode::Copy };
    let dir = watched(arguments.json, |sender| store.import(&arguments.folder, &id, mode, sender, &cancel))?;
    if arguments.json {
        return output::json(&json!({ "id": id, "path": dir.root() }));
    }
    output::line(&format!("imported {id} into {}", dir.root().display()))
}
