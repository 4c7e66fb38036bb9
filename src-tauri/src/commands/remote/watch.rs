//! `infernet watch`: a job's progress, and its clip at the end.

use std::io::Write as _;
use std::path::Path;

use infernet_api::JobId;
use infernet_api::client::{Client, Update};
use infernet_api::types::event::EventKind;
use infernet_api::types::job::{Job, JobStage};
use serde::Serialize;
use tempfile::NamedTempFile;

use super::money::credits;
use super::status::word;
use super::{jobs, on_chain};
use crate::cli::WatchArgs;
use crate::connection;
use crate::failure::{Failure, Result};
use crate::{files, output, progress};

/// Length of the bar.
const WHOLE_PPM: u64 = 1_000_000;

/// What is wanted at the end.
pub(super) struct Wish<'a> {
    pub(super) out: Option<&'a Path>,
    pub(super) force: bool,
    pub(super) json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    job: &'a Job,
    /// The file with the clip.
    out: Option<&'a Path>,
}

pub(super) fn run(arguments: &WatchArgs) -> Result {
    if let Some(path) = &arguments.out {
        files::check_new_file(path, arguments.force)?;
    }
    let wish = Wish { out: arguments.out.as_deref(), force: arguments.force, json: arguments.remote.json };
    connection::ask(&arguments.remote, async |client| to_the_end(&client, arguments.id, &wish).await)
}

/// Shows progress until nothing more happens to a job, fetches its clip, and prints the result.
pub(super) async fn to_the_end(client: &Client, id: JobId, wish: &Wish<'_>) -> Result {
    let bar = progress::steps(WHOLE_PPM, wish.json);
    let result = tokio::select! {
        result = finished(client, id, &bar) => result,
        stopped = tokio::signal::ctrl_c() => {
            stopped?;
            bar.finish_and_clear();
            eprintln!("the job goes on; watch it with: infernet watch {id}");
            return Err(Failure::Interrupted);
        }
    };
    bar.finish_and_clear();
    let job = result?;
    if job.stage != JobStage::Settled {
        if wish.json {
            output::json(&Report { job: &job, out: None })?;
        }
        let why = job
            .problem
            .as_ref()
            .map_or_else(String::new, |problem| format!(": {}\n  {}", problem.message, problem.next_step));
        return Err(Failure::Failed(anyhow::anyhow!("the job was {}{why}", job.stage.name())));
    }
    if let Some(path) = wish.out {
        fetch(client, id, path, wish.force).await?;
    }
    if wish.json {
        return output::json(&Report { job: &job, out: wish.out });
    }
    let paid = credits(job.deposit_microcredits.saturating_sub(job.refunded_microcredits));
    // The clip does not wait for the chain: what the job did not cost comes back with the payment.
    let on_chain = client.status().await?.network.chain.is_some() && job.refunded_microcredits == 0;
    let paid = if on_chain { format!("at most {paid}, the payment is on its way to the chain") } else { paid };
    let place = wish.out.map_or_else(String::new, |path| format!(", clip in {}", path.display()));
    output::line(&format!("{id}: settled for {paid}{place}"))
}

/// Waits until nothing more happens to a job.
async fn finished(client: &Client, id: JobId, bar: &indicatif::ProgressBar) -> Result<Job> {
    let mut events = client.events(None);
    loop {
        let job = match events.next().await {
            // What happened before the connection is asked for; what comes after it is told.
            Update::Connected => client.job(id).await?,
            Update::Disconnected(error) if error.is_transient() => {
                bar.set_message(format!("{error}; trying again"));
                continue;
            }
            Update::Disconnected(error) => return Err(error.into()),
            Update::Event(event) => match event.kind {
                EventKind::Job { job } if job.id == id => *job,
                EventKind::JobProgress { id: other, progress } if other == id => {
                    bar.set_position(u64::from(progress.done_ppm));
                    continue;
                }
                EventKind::Lagged => client.job(id).await?,
                _ => continue,
            },
        };
        if job.stage.is_final() {
            return Ok(job);
        }
        bar.set_prefix(word(&job.stage));
        bar.set_position(u64::from(job.progress.done_ppm));
        bar.set_message(on_chain::waits(&job).map_or_else(|| jobs::line(&job), str::to_owned));
    }
}

/// Fetches a clip into a file: whole and checked, or not at all.
async fn fetch(client: &Client, id: JobId, path: &Path, force: bool) -> Result {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = NamedTempFile::new_in(folder)?;
    client.clip(id).await?.save(temporary.as_file_mut()).await?;
    temporary.flush()?;
    temporary.as_file().sync_all()?;
    let kept = if force { temporary.persist(path) } else { temporary.persist_noclobber(path) };
    kept.map(drop).map_err(|error| Failure::Failed(anyhow::anyhow!("can't write {}: {}", path.display(), error.error)))
}
