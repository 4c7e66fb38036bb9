//! Doing what the owner asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use infernet_api::client::ClientError;
use infernet_api::types::job::{JobFilter, MAX_PAGE};
use infernet_api::types::log::LogFilter;
use infernet_api::types::model::ModelAction;
use infernet_api::types::money::{ClaimRequest, ReceiptFilter, StakeAction, StakeRequest};
use infernet_api::types::status::PauseRequest;
use infernet_api::{JobId, Problem};

use super::clip;
use super::files::{self, SaveError};
use super::first;
use super::refresh::refresh;
use super::report::{packed, plain};
use super::thread::{Link, problem};
use crate::actions::{Action, ActionId, ClipFormat};
use crate::format;
use crate::snapshot::{Clip, Loadable, MAX_JOBS, Part, Quoted};

/// Does a command and notes how it ended.
pub(super) async fn execute(link: Link, id: ActionId, action: Action) {
    let result = perform(&link, action).await;
    link.update(|snapshot| snapshot.finish(id, result));
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn fail(error: ClientError) -> Problem {
    problem(&error)
}

/// The other end of the channel lives as long as the thread's loop.
fn again(link: &Link, parts: &[Part]) {
    for part in parts {
        let _ended = link.stale.send(*part);
    }
}

async fn perform(link: &Link, action: Action) -> Result<String, Problem> {
    let client = &link.client;
    match action {
        Action::Reload(part) => refresh(link.clone(), part).await,
        Action::StartMining | Action::PauseMining { .. } => {
            let starts = matches!(action, Action::StartMining);
            let mining = match action {
                Action::PauseMining { for_secs } => client.pause_mining(&PauseRequest { for_secs }).await,
                _ => client.start_mining().await,
            };
            let mining = mining.map_err(fail)?;
            link.update(|snapshot| {
                if let Some(status) = snapshot.status.ready_mut() {
                    status.mining = mining;
                }
            });
            if starts && first::order(link).await? {
                return Ok("your first clip is being made; watch it sharpen here and in the Studio".to_owned());
            }
        }
        Action::RescanDevices => {
            let devices = client.rescan_devices().await.map_err(fail)?;
            link.update(|snapshot| snapshot.devices_read(devices));
            return Ok("devices were looked for".to_owned());
        }
        Action::Quote(order) => {
            link.update(|snapshot| snapshot.quoted = Some(Quoted { order: order.clone(), quote: Loadable::Loading }));
            let quote = match client.quote(&order).await {
                Ok(quote) => Loadable::Ready(quote),
                Err(error) => Loadable::Failed(problem(&error)),
            };
            link.update(|snapshot| snapshot.quoted = Some(Quoted { order, quote }));
        }
        Action::Submit(order) => {
            let job = client.submit(&order).await.map_err(fail)?;
            link.update(|snapshot| {
                snapshot.quoted = None;
                snapshot.job_changed(job);
            });
            again(link, &[Part::Status, Part::Earnings, Part::Receipts]);
            return Ok("your clip is ordered".to_owned());
        }
        Action::Cancel(job) => {
            let job = client.cancel(job).await.map_err(fail)?;
            link.update(|snapshot| snapshot.job_changed(job));
            again(link, &[Part::Status, Part::Earnings, Part::Receipts]);
            return Ok("the job is given up".to_owned());
        }
        Action::Refund(job) => {
            let refund = client.refund(job).await.map_err(fail)?;
            again(link, &[Part::Refunds, Part::Jobs, Part::Earnings, Part::Receipts]);
            return Ok(format!("refund of {}", format::credits(refund.amount_microcredits)));
        }
        Action::Claim { request_id } => {
            let request = ClaimRequest { request_id: Some(request_id), amount_microcredits: None };
            let claimed = client.claim(&request).await.map_err(fail)?;
            again(link, &[Part::Earnings, Part::Receipts, Part::Status, Part::Stake]);
            let amount = format::credits(claimed.claimed_microcredits);
            if claimed.transaction.is_some() {
                return Ok(format!("{amount} claimed on the chain; yours once that is confirmed"));
            }
            return Ok(format!("{amount} claimed"));
        }
        Action::ChangeStake { request_id, action, amount_microcredits } => {
            let request = StakeRequest { request_id: Some(request_id), action, amount_microcredits };
            let changed = client.change_stake(&request).await.map_err(fail)?;
            link.update(|snapshot| snapshot.stake = Loadable::Ready(changed.stake));
            again(link, &[Part::Earnings, Part::Receipts, Part::Status]);
            let what = match action {
                StakeAction::Stake => "staked",
                StakeAction::Unstake => "on its way back to your balance",
                StakeAction::Withdraw => "moved to your balance",
            };
            // A contract takes its time: the page shows the transaction until it is confirmed.
            let Some(receipt) = changed.receipt else {
                return Ok("sent to the chain; it counts once it is confirmed".to_owned());
            };
            return Ok(format!("{} {what}", format::credits(receipt.change_microcredits.unsigned_abs())));
        }
        Action::ChangeModel { id, action } => {
            let model = client.change_model(&id, action).await.map_err(fail)?;
            let name = model.name.clone();
            link.update(|snapshot| {
                let list = snapshot.models.ready_mut().into_iter().flat_map(|list| list.models.iter_mut());
                list.filter(|known| known.id == id).for_each(|known| known.clone_from(&model));
            });
            again(link, &[Part::Models]);
            return Ok(if action == ModelAction::Delete { format!("{name} was deleted") } else { String::new() });
        }
        Action::PatchSettings(patch) => {
            let settings = client.patch_settings(&patch).await.map_err(fail)?;
            link.update(|snapshot| snapshot.settings = Loadable::Ready(settings));
            return Ok("settings saved".to_owned());
        }
        Action::RunDoctor => {
            link.update(|snapshot| snapshot.doctor = Some(Loadable::Loading));
            let report = client.doctor().await.map_err(fail);
            let shown = report.map_or_else(Loadable::Failed, Loadable::Ready);
            link.update(|snapshot| snapshot.doctor = Some(shown));
        }
        Action::LoadLog => {
            link.update(|snapshot| snapshot.log = Some(Loadable::Loading));
            let lines = client.log(&LogFilter::default()).await.map_err(fail);
            let shown = lines.map_or_else(Loadable::Failed, Loadable::Ready);
            link.update(|snapshot| snapshot.log = Some(shown));
        }
        Action::SaveReport { report, folder } => {
            // A node that does not answer is what a report is often about.
            let log = client.log(&LogFilter::default()).await;
            let log =
                log.map_or_else(|error| format!("the node's log can't be read: {error}\n"), |lines| plain(&lines));
            let bytes = blocking(move || packed(&report, &log)).await?;
            return save(folder, "infernet-report".to_owned(), "zip".to_owned(), bytes).await;
        }
        Action::LoadProof(job) => {
            link.update(|snapshot| snapshot.proofs.insert(job, Loadable::Loading));
            let proof = client.proof(job).await.map_err(fail).map_or_else(Loadable::Failed, Loadable::Ready);
            link.update(|snapshot| snapshot.proofs.insert(job, proof));
        }
        Action::LoadClip(job) => drop(loaded(link, job).await),
        Action::SaveClip { job, format, folder } => return save_clip(link, job, format, folder).await,
        Action::SaveBundle { job, folder } => {
            let file = client.bundle(job).await.map_err(fail)?;
            let mut bytes = Vec::new();
            file.save(&mut bytes).await.map_err(fail)?;
            let stem = format!("infernet-evidence-{}", job.to_string().chars().take(8).collect::<String>());
            return save(folder, stem, "bundle".to_owned(), bytes).await;
        }
        Action::SaveText { name, text, folder } => {
            let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, "txt"));
            return save(folder, stem.to_owned(), extension.to_owned(), text.into_bytes()).await;
        }
        Action::SetBucket(bucket) => {
            link.update(|snapshot| snapshot.bucket = bucket);
            refresh(link.clone(), Part::Earnings).await;
        }
        Action::MoreJobs => more_jobs(link).await?,
        Action::MoreReceipts => more_receipts(link).await?,
        Action::RestartNode => {
            let Some(restart) = link.restart.clone() else { return Ok(String::new()) };
            blocking(move || restart()).await?;
            return Ok("the node is starting".to_owned());
        }
        Action::ShowInvitation => {
            link.update(|snapshot| snapshot.invitation = Some(Loadable::Loading));
            let invitation = client.invitation().await.map_err(fail).map_or_else(Loadable::Failed, Loadable::Ready);
            link.update(|snapshot| snapshot.invitation = Some(invitation));
        }
        Action::Join(invitation) => {
            let Some(join) = link.join.clone() else { return Ok(String::new()) };
            blocking(move || join(&invitation)).await?;
            return Ok("the node goes to the other network; this window opens again".to_owned());
        }
        Action::ShowWords => {
            let Some(backup) = link.backup.clone() else { return Ok(String::new()) };
            link.update(|snapshot| snapshot.words = Some(Loadable::Loading));
            let words = blocking(move || (backup.words)()).await;
            link.update(|snapshot| snapshot.words = Some(words.map_or_else(Loadable::Failed, Loadable::Ready)));
        }
        Action::HideWords => link.update(|snapshot| snapshot.words = None),
        Action::WordsWritten => {
            let Some(backup) = link.backup.clone() else { return Ok(String::new()) };
            blocking(move || (backup.written)()).await?;
            again(link, &[Part::Status]);
            return Ok("your identity is backed up".to_owned());
        }
    }
    Ok(String::new())
}

/// Runs what may wait for a disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let next_step = "look into the program's log, and report it if it stays".to_owned();
        Err(Problem { code: "internal".to_owned(), message: error.to_string(), next_step })
    })
}

fn saved(result: Result<PathBuf, SaveError>) -> Result<String, Problem> {
    result.map(|path| format!("saved as {}", path.display())).map_err(|error| error.problem())
}

async fn save(folder: PathBuf, stem: String, extension: String, bytes: Vec<u8>) -> Result<String, Problem> {
    blocking(move || saved(files::save(Path::new(&folder), &stem, &extension, |file| file.write_all(&bytes)))).await
}

async fn save_clip(link: &Link, job: JobId, format: ClipFormat, folder: PathBuf) -> Result<String, Problem> {
    let clip = loaded(link, job).await?;
    blocking(move || saved(files::save_clip(&folder, job, &clip, format))).await
}

/// The clip, from memory or from the node.
async fn loaded(link: &Link, job: JobId) -> Result<Arc<Clip>, Problem> {
    let known = link.read(|snapshot| snapshot.clips.get(&job).and_then(Loadable::ready).cloned());
    if let Some(clip) = known {
        return Ok(clip);
    }
    link.update(|snapshot| snapshot.clips.insert(job, Loadable::Loading));
    match clip::fetch(link, job).await {
        Ok(clip) => {
            clip::keep(link, job, clip);
            let kept = link.read(|snapshot| snapshot.clips.get(&job).and_then(Loadable::ready).cloned());
            kept.ok_or_else(|| clip::ClipError::NoVideo.problem())
        }
        Err(problem) => {
            link.update(|snapshot| snapshot.clips.insert(job, Loadable::Failed(problem.clone())));
            Err(problem)
        }
    }
}

async fn more_jobs(link: &Link) -> Result<(), Problem> {
    let next = link.read(|snapshot| snapshot.jobs.ready().filter(|list| list.jobs.len() < MAX_JOBS)?.next);
    let Some(before) = next else { return Ok(()) };
    let filter = JobFilter { before: Some(before), limit: Some(MAX_PAGE), ..JobFilter::default() };
    let page = link.client.jobs(&filter).await.map_err(fail)?;
    link.update(|snapshot| {
        if let Some(list) = snapshot.jobs.ready_mut().filter(|list| list.next == Some(before)) {
            list.jobs.extend(page.jobs);
            list.jobs.truncate(MAX_JOBS);
            list.next = page.next;
        }
    });
    Ok(())
}

async fn more_receipts(link: &Link) -> Result<(), Problem> {
    let Some(before) = link.read(|snapshot| snapshot.receipts.ready()?.next) else { return Ok(()) };
    let filter = ReceiptFilter { before: Some(before), limit: Some(MAX_PAGE), ..ReceiptFilter::default() };
    let page = link.client.receipts(&filter).await.map_err(fail)?;
    link.update(|snapshot| {
        if let Some(list) = snapshot.receipts.ready_mut().filter(|list| list.next == Some(before)) {
            list.receipts.extend(page.receipts);
            list.next = page.next;
        }
    });
    Ok(())
}
