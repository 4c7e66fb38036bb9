//! Home: what the node does, and the one big button.

use egui::{Color32, Ui, vec2};
use infernet_api::types::device::{Device, DeviceKind, DeviceList};
use infernet_api::types::event::{Event, EventKind, NoticeLevel};
use infernet_api::types::job::Job;
use infernet_api::types::status::{MiningState, PauseReason, ReachabilityState, Status};

use crate::actions::{Action, Actions};
use crate::app::{mining_word, reach_word};
use crate::backup;
use crate::format;
use crate::snapshot::{Part, Snapshot};
use crate::state::{Page, UiState};
use crate::theme::{icons, palette, tokens};
use crate::widgets::{
    Slot, body, card, card_titled, digits, empty, fact, flow, ghost, icon, icon_tile, legend, loadable, muted,
    page_header, picture, pill, primary, problem_box, progress, rich, scroll_page, secondary, small, split_row, stat,
    strong, usage_bar,
};

/// Draws the page.
pub(crate) fn home(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    scroll_page(ui, |ui| {
        let name = snapshot.status.ready().map_or("This computer", |status| status.name.as_str());
        page_header(ui, "Home", if name.is_empty() { "This computer" } else { name }, |_| {});
        let Some(status) = loadable(ui, &snapshot.status, "the node", Part::Status, actions) else { return };
        hero(ui, status, snapshot, state, actions);
        stats(ui, status, snapshot);
        flow(ui, "work", &[1.0, 1.0], 340.0, |ui, index, slot| match index {
            0 => current_job(ui, slot, status, snapshot, state),
            _ => memory(ui, slot, snapshot, state),
        });
        events(ui, snapshot, state);
    });
}

/// What pauses mining, for people.
pub(crate) fn pause_words(reason: PauseReason) -> &'static str {
    match reason {
        PauseReason::Manual => "you paused it",
        PauseReason::Schedule => "it is outside the hours of your schedule",
        PauseReason::OnBattery => "the computer runs on its battery",
        PauseReason::UserActive => "someone is using the computer",
        PauseReason::AppRunning => "a program of your list is running",
        PauseReason::FullScreen => "a program fills the screen",
        PauseReason::GpuBusy => "another program uses the GPU",
        PauseReason::TooHot => "the device is too hot",
        PauseReason::VramShort => "too little graphics memory is free",
        PauseReason::MemoryShort => "too little memory is free",
        PauseReason::DiskFull => "the disk is nearly full",
        PauseReason::MeteredLink => "the connection is paid by volume",
    }
}

/// What will happen, in a sentence.
fn sentence(status: &Status, snapshot: &Snapshot) -> String {
    match status.mining.state {
        MiningState::Off => "This node orders clips and computes none. Switch mining on in Settings.".to_owned(),
        MiningState::Starting => "Loading the model and looking for a validator.".to_owned(),
        MiningState::Waiting => "The next job that fits this computer is computed here and paid.".to_owned(),
        MiningState::Working if !status.mining.pause_reasons.is_empty() => {
            format!("This clip is finished first; then mining pauses because {}.", reasons(status))
        }
        MiningState::Working => "A clip is being computed here. You are paid when its audit is over.".to_owned(),
        MiningState::Attention => "Mining stopped until you have done what is said below.".to_owned(),
        MiningState::Paused if by_hand_only(status) => {
            "Nothing is computed for others until you press Start; it stops again whenever you want.".to_owned()
        }
        MiningState::Paused => {
            let until = status.mining.pause_ends_unix_ms.map(|end| {
                let seconds = end.saturating_sub(snapshot.now_unix_ms) / 1000;
                format!(" It goes on in {}.", format::duration(seconds as f64))
            });
            format!("Paused because {}.{}", reasons(status), until.unwrap_or_default())
        }
    }
}

/// Until Start is pressed, and for no other reason.
fn by_hand_only(status: &Status) -> bool {
    let mining = &status.mining;
    mining.pause_ends_unix_ms.is_none() && mining.pause_reasons.iter().eq([&PauseReason::Manual])
}

fn reasons(status: &Status) -> String {
    let words: Vec<_> = status.mining.pause_reasons.iter().map(|reason| pause_words(*reason)).collect();
    words.join(", and ")
}

fn hero(ui: &mut Ui, status: &Status, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    flow(ui, "hero", &[1.0], 300.0, |ui, _, slot| {
        card(ui, slot, |ui| {
            let (word, colour) = mining_word(ui, status.mining.state);
            split_row(
                ui,
                56.0,
                |ui| {
                    icon_tile(ui, 48.0, icons::GRAPHICS_CARD, tokens::tint(colour), colour);
                    ui.vertical(|ui| {
                        ui.spacing_mut().item_spacing.y = 2.0;
                        ui.add_space(4.0);
                        ui.horizontal(|ui| {
                            ui.label(rich(word, 18.0, Some(crate::theme::SEMIBOLD), palette(ui).text));
                        });
                        let device = chosen(snapshot).map_or_else(
                            || status.worker.device.clone().unwrap_or_else(|| "no device yet".to_owned()),
                            device_line,
                        );
                        small(ui, device);
                    });
                },
                |ui| mining_button(ui, status, state, actions),
            );
            muted(ui, sentence(status, snapshot));
            if let Some(problem) = &status.mining.attention {
                problem_box(ui, problem);
            } else if let Some(problem) = &status.worker.last_failure {
                problem_box(ui, problem);
            }
            if !status.identity_backed_up {
                ui.horizontal(|ui| {
                    icon(ui, icons::KEY, tokens::TYPE_ICON, palette(ui).warn);
                    if snapshot.can_backup {
                        small(ui, "Your account has no backup yet.");
                        if ghost(ui, "Write its words down").clicked() {
                            backup::open(state, actions);
                        }
                    } else {
                        small(ui, "Your account has no backup: `infernet identity phrase` shows its words.");
                    }
                });
            }
        });
    });
}

fn mining_button(ui: &mut Ui, status: &Status, state: &mut UiState, actions: &mut Actions) {
    let by_hand = status.mining.pause_reasons.contains(&PauseReason::Manual);
    match status.mining.state {
        MiningState::Off => {}
        // Start would change nothing.
        MiningState::Paused if !by_hand => {
            if secondary(ui, icons::GEAR, "Change the rules").clicked() {
                state.page = Page::Settings;
            }
        }
        MiningState::Paused | MiningState::Attention => {
            if primary(ui, icons::PLAY, "Start").clicked() {
                actions.push(Action::StartMining);
            }
        }
        _ => {
            if primary(ui, icons::PAUSE, "Pause").clicked() {
                actions.push(Action::PauseMining { for_secs: None });
            }
            if secondary(ui, icons::TIMER, "For an hour").clicked() {
                actions.push(Action::PauseMining { for_secs: Some(3600) });
            }
        }
    }
}

fn chosen(snapshot: &Snapshot) -> Option<&Device> {
    let list: &DeviceList = snapshot.devices.ready()?;
    list.devices.iter().find(|device| device.id == list.chosen)
}

fn device_line(device: &Device) -> String {
    let memory = device.vram_total_bytes.map(|total| format!(" · {}", format::bytes(total)));
    format!("{}{}", device.name, memory.unwrap_or_default())
}

fn stats(ui: &mut Ui, status: &Status, snapshot: &Snapshot) {
    let colours = palette(ui);
    let earned: Vec<f64> = snapshot
        .earnings
        .ready()
        .map(|earnings| earnings.buckets.iter().map(|bucket| bucket.earned_microcredits as f64).collect())
        .unwrap_or_default();
    let trust: Vec<f64> = snapshot
        .trust
        .ready()
        .map(|trust| trust.history.iter().rev().take(60).rev().map(|point| f64::from(point.trust_ppm)).collect())
        .unwrap_or_default();
    let reach = status.reachability.state;
    let reach_colour = match reach {
        ReachabilityState::Direct => colours.good,
        ReachabilityState::Relayed => colours.warn,
        ReachabilityState::Unreachable => colours.bad,
        ReachabilityState::Unknown => colours.muted,
    };
    flow(ui, "stats", &[1.0; 4], 200.0, |ui, index, slot| match index {
        0 => {
            let value = format::credits(status.earned_today_microcredits);
            stat(ui, slot, (icons::COINS, colours.accent), "Earned today", &value, None, Some(&earned));
        }
        1 => {
            let value = format::credits(status.balance_microcredits);
            stat(ui, slot, (icons::WALLET, colours.blue), "Balance", &value, None, None);
        }
        2 => {
            let value = status.trust_ppm.map_or_else(|| "not known yet".to_owned(), format::percent_ppm);
            stat(ui, slot, (icons::SHIELD_CHECK, colours.good), "Trust", &value, None, Some(&trust));
        }
        _ => {
            let value = format::count(u64::from(status.peers_connected), "peer", "peers");
            let note = Some((reach_word(reach), reach_colour));
            stat(ui, slot, (icons::GRAPH, colours.violet), "Network", &value, note, None);
        }
    });
}

/// Colour of a job's stage.
pub(crate) fn stage_colour(ui: &Ui, job: &Job) -> Color32 {
    use infernet_api::types::job::JobStage;
    let colours = palette(ui);
    match job.stage {
        JobStage::Posted | JobStage::Assigned => colours.blue,
        JobStage::Running => colours.violet,
        JobStage::Committed | JobStage::Auditing => colours.warn,
        JobStage::Settled => colours.good,
        JobStage::Refunded | JobStage::Released => colours.muted,
        JobStage::Slashed => colours.bad,
    }
}

fn current_job(ui: &mut Ui, slot: &mut Slot, status: &Status, snapshot: &Snapshot, state: &mut UiState) {
    let pill_of = |ui: &mut Ui| {
        if let Some(job) = &status.current_job {
            let colour = stage_colour(ui, job);
            pill(ui, &format::words(job.stage.name()), colour);
        }
    };
    card_titled(ui, slot, "Current job", pill_of, |ui| {
        let Some(job) = &status.current_job else {
            if empty(
                ui,
                icons::FILM_SLATE,
                "No job right now",
                "Jobs come from others of the network. You can also order a clip yourself.",
                Some("Open Studio"),
            ) {
                state.page = Page::Studio;
            }
            return;
        };
        job_progress(ui, job, snapshot, state, 190.0);
    });
}

/// Preview and progress of a job on its way.
pub(crate) fn job_progress(ui: &mut Ui, job: &Job, snapshot: &Snapshot, state: &mut UiState, height: f32) {
    let preview = snapshot.previews.get(&job.id);
    if let Some(preview) = preview {
        let size = vec2(ui.available_width(), height);
        let alt = preview.step.map_or_else(|| "Preview".to_owned(), |step| format!("Preview after step {step}"));
        picture(ui, &mut state.textures, size, &format!("preview {}", job.id), Some(&preview.picture), &alt);
    }
    if let Some(prompt) = &job.prompt {
        body(ui, format!("“{prompt}”"));
    }
    let share = f64::from(job.progress.done_ppm) / 1e6;
    split_row(
        ui,
        18.0,
        |ui| drop(small(ui, format!("step {} of {}", job.progress.step, job.progress.steps))),
        |ui| drop(digits(ui, format::percent(share))),
    );
    progress(ui, share, palette(ui).violet, "Progress of the job");
    let left = job.progress.seconds_left.map_or_else(|| "not known yet".to_owned(), format::duration);
    fact(ui, "Time left, estimated", left);
    if let Some(seconds) = job.progress.seconds_per_step {
        fact(ui, "Time per step", format::duration(seconds));
    }
    fact(ui, "Model", job.model.as_ref().map_or("not in the catalogue", |model| model.as_str()));
    fact(ui, "Size", size_words(job));
    fact(ui, "Fee", format::credits(job.fee_microcredits));
    if preview.is_none() {
        small(ui, "A preview is shown as soon as the miner sends one.");
    }
}

/// A job's size in words.
pub(crate) fn size_words(job: &Job) -> String {
    let size = &job.size;
    format!("{} × {} px, {} frames, {} steps", size.width, size.height, size.frames, size.steps)
}

fn memory(ui: &mut Ui, slot: &mut Slot, snapshot: &Snapshot, state: &mut UiState) {
    let colours = palette(ui);
    let mut open = false;
    card_titled(
        ui,
        slot,
        "Memory",
        |ui| open = ghost(ui, "Hardware").clicked(),
        |ui| {
            let Some(list) = snapshot.devices.ready() else {
                muted(ui, "Reading the devices …");
                return;
            };
            for device in list.devices.iter().filter(|device| device.kind != DeviceKind::Cpu).take(3) {
                device_memory(ui, device);
                ui.add_space(tokens::GAP_TINY);
            }
            let memory = &list.memory;
            if let (Some(total), Some(free)) = (memory.total_bytes, memory.available_bytes) {
                let used = total.saturating_sub(free);
                let ours = memory.ours_bytes.unwrap_or(0).min(used);
                let text = format!("{} of {}", format::bytes(used), format::bytes(total));
                split_row(ui, 20.0, |ui| drop(strong(ui, "Main memory")), |ui| drop(digits(ui, text)));
                usage_bar(ui, total, &[(ours, colours.accent), (used - ours, colours.blue)], "Main memory in use");
            }
            ui.horizontal_wrapped(|ui| {
                legend(ui, colours.accent, "InferNet");
                legend(ui, colours.blue, "other programs");
                legend(ui, colours.line, "free");
            });
            small(ui, &list.chosen_reason);
        },
    );
    if open {
        state.page = Page::Hardware;
    }
}

/// A device's name and memory.
pub(crate) fn device_memory(ui: &mut Ui, device: &Device) {
    let colours = palette(ui);
    let (Some(total), used) = (device.vram_total_bytes, device.vram_used_bytes) else {
        fact(ui, &device.name, "memory not told by the driver");
        return;
    };
    let used_text = used.map_or_else(|| "unknown".to_owned(), format::bytes);
    let text = format!("{used_text} of {}", format::bytes(total));
    split_row(ui, 20.0, |ui| drop(strong(ui, &device.name)), |ui| drop(digits(ui, text)));
    let used = used.unwrap_or(0);
    let ours = device.vram_ours_bytes.unwrap_or(0).min(used);
    let parts = [(ours, colours.accent), (used - ours, colours.blue)];
    usage_bar(ui, total, &parts, &format!("Memory of {} in use", device.name));
}

fn events(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState) {
    let mut open = false;
    card_titled(
        ui,
        &mut Slot::default(),
        "Last events",
        |ui| open = ghost(ui, "Open the log").clicked(),
        |ui| {
            if snapshot.events.is_empty() {
                muted(ui, "Nothing has happened since this window was opened.");
            }
            for event in snapshot.events.iter().rev().take(6) {
                event_row(ui, event, snapshot.now_unix_ms);
            }
        },
    );
    if open {
        state.page = Page::Settings;
        state.settings.open_log();
    }
}

fn event_row(ui: &mut Ui, event: &Event, now: u64) {
    let (symbol, colour, text) = event_words(ui, event);
    split_row(
        ui,
        26.0,
        |ui| {
            icon(ui, symbol, 16.0, colour);
            ui.add(egui::Label::new(rich(&text, tokens::TYPE_BODY, None, palette(ui).text)).truncate())
                .on_hover_text(&text);
        },
        |ui| drop(small(ui, format::ago(now, event.time_unix_ms))),
    );
}

/// An event for people: icon, colour, words.
pub(crate) fn event_words(ui: &Ui, event: &Event) -> (char, Color32, String) {
    let colours = palette(ui);
    let short = |id: &dyn std::fmt::Display| id.to_string().chars().take(8).collect::<String>();
    match &event.kind {
        EventKind::Lagged => {
            (icons::ARROWS_CLOCKWISE, colours.muted, "Events were missed; everything was loaded again".to_owned())
        }
        EventKind::Mining { mining } => {
            let (word, colour) = mining_word(ui, mining.state);
            (icons::LIGHTNING, colour, format!("Mining: {}", word.to_lowercase()))
        }
        EventKind::Worker { worker } => (
            icons::CPU,
            colours.muted,
            format!("Worker: {}", format::words(&format!("{:?}", worker.state)).to_lowercase()),
        ),
        EventKind::Job { job } => {
            (icons::FILM_SLATE, stage_colour(ui, job), format!("Job {} is {}", short(&job.id), job.stage.name()))
        }
        EventKind::JobProgress { id, progress } => (
            icons::FILM_SLATE,
            colours.muted,
            format!("Job {}: step {} of {}", short(id), progress.step, progress.steps),
        ),
        EventKind::Preview { id, step } => {
            (icons::IMAGE, colours.muted, format!("Job {}: preview after step {step}", short(id)))
        }
        EventKind::Verdict { id, verdict } if verdict.accepted => {
            (icons::SEAL_CHECK, colours.good, format!("Job {} passed its audit", short(id)))
        }
        EventKind::Verdict { id, verdict } => {
            let check = verdict.failed_check.as_deref().unwrap_or("unknown");
            (
                icons::SHIELD_WARNING,
                colours.bad,
                format!("Job {} failed its audit: {}", short(id), format::words(check).to_lowercase()),
            )
        }
        EventKind::Slashed { id, amount_microcredits, .. } => {
            let amount = format::credits(*amount_microcredits);
            (icons::SCALES, colours.bad, format!("{amount} of stake slashed for job {}", short(id)))
        }
        EventKind::Reward { id, amount_microcredits, .. } => (
            icons::COINS,
            colours.good,
            format!("{} earned with job {}", format::credits(*amount_microcredits), short(id)),
        ),
        EventKind::Earnings { .. } => (icons::WALLET, colours.muted, "Balance or earnings changed".to_owned()),
        EventKind::Stake { .. } => (icons::LOCK, colours.muted, "Stake changed".to_owned()),
        EventKind::Trust { miner } => (
            icons::SHIELD_CHECK,
            colours.muted,
            format!("Trust in {} is {}", miner.id.short(), format::percent_ppm(miner.trust_ppm)),
        ),
        EventKind::Devices { .. } => (icons::GRAPHICS_CARD, colours.muted, "New readings of the devices".to_owned()),
        EventKind::PeerConnected { id, peers_connected } => (
            icons::PLUGS_CONNECTED,
            colours.muted,
            format!("{} connected; {}", id.short(), format::count(u64::from(*peers_connected), "peer", "peers")),
        ),
        EventKind::PeerDisconnected { id, peers_connected } => (
            icons::PLUGS,
            colours.muted,
            format!("{} is gone; {}", id.short(), format::count(u64::from(*peers_connected), "peer", "peers")),
        ),
        EventKind::Reachability { reachability } => {
            (icons::GLOBE, colours.blue, format!("Others reach this node: {}", reach_word(reachability.state)))
        }
        EventKind::Model { model } => (icons::CUBE, colours.muted, format!("Model {} changed", model.name)),
        EventKind::Settings { .. } => (icons::GEAR, colours.muted, "Settings were changed".to_owned()),
        EventKind::Notice { level, problem } => {
            let colour = match level {
                NoticeLevel::Info => colours.blue,
                NoticeLevel::Warning => colours.warn,
                NoticeLevel::Error => colours.bad,
            };
            (icons::BELL, colour, problem.message.clone())
        }
        EventKind::ShuttingDown => (icons::PLUGS, colours.warn, "The node is ending".to_owned()),
        EventKind::Unknown => (icons::INFO, colours.muted, "An event of a newer node".to_owned()),
    }
}
