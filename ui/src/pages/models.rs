//! Models: what is there, what fits, and getting it.

use egui::Ui;
use infernet_api::types::model::{Model, ModelAction, ModelList, ModelState};

use crate::actions::{Action, Actions};
use crate::dialog::Dialog;
use crate::format;
use crate::snapshot::{Part, Snapshot};
use crate::state::UiState;
use crate::theme::{icons, palette};
use crate::widgets::{
    Slot, card, danger, empty, fact, flow, heading, loadable, muted, page_header, pill, primary, problem_box, progress,
    scroll_page, secondary, small, split_row,
};

/// Draws the page.
pub(crate) fn models(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    scroll_page(ui, |ui| {
        let free = snapshot.models.ready().and_then(|list| list.disk_free_bytes);
        let line = free.map_or_else(
            || "Models of the catalogue and of this computer".to_owned(),
            |free| format!("{} free on the disk that keeps models", format::bytes(free)),
        );
        page_header(ui, "Models", &line, |_| {});
        let Some(list) = loadable(ui, &snapshot.models, "models", Part::Models, actions) else { return };
        if list.models.is_empty() {
            card(ui, &mut Slot::default(), |ui| {
                let text = "The catalogue of this node is empty. It comes with the program; installing the program again brings it back.";
                empty(ui, icons::CUBE, "No models", text, None);
            });
            return;
        }
        let room = device_memory(snapshot);
        flow(ui, "models", &vec![1.0; list.models.len()], 340.0, |ui, index, slot| {
            model_card(ui, slot, &list.models[index], list, room, state, actions);
        });
    });
}

fn device_memory(snapshot: &Snapshot) -> Option<u64> {
    let list = snapshot.devices.ready()?;
    let device = list.devices.iter().find(|device| device.id == list.chosen)?;
    device.vram_total_bytes.or(list.memory.total_bytes)
}

fn model_card(
    ui: &mut Ui,
    slot: &mut Slot,
    model: &Model,
    list: &ModelList,
    room: Option<u64>,
    state: &mut UiState,
    actions: &mut Actions,
) {
    let colours = palette(ui);
    card(ui, slot, |ui| {
        let (word, colour) = match &model.state {
            ModelState::Available => ("Not here", colours.muted),
            ModelState::Downloading { .. } => ("Downloading", colours.blue),
            ModelState::Paused { .. } => ("Download paused", colours.warn),
            ModelState::Verifying { .. } => ("Verifying", colours.violet),
            ModelState::Installed { .. } => ("Installed", colours.good),
            ModelState::Broken { .. } => ("Broken", colours.bad),
        };
        split_row(ui, 28.0, |ui| drop(heading(ui, &model.name)), |ui| drop(pill(ui, word, colour)));
        muted(ui, &model.description);
        let size = &model.defaults;
        fact(ui, "Usual clip", format!("{} × {} px, {} frames", size.width, size.height, size.frames));
        fact(ui, "Files", format::bytes(model.size_bytes));
        let need = model.memory_needed_bytes.map_or_else(|| "not known".to_owned(), format::bytes);
        fact(ui, "Memory for a usual clip", need);
        fact(ui, "Plan on this computer", plan(model, room));
        fact(ui, "Licence", &model.license);
        let short = list.disk_free_bytes.is_some_and(|free| model.size_bytes > free);
        moving(ui, model);
        if let ModelState::Broken { problem } = &model.state {
            problem_box(ui, problem);
        }
        ui.horizontal_wrapped(|ui| buttons(ui, model, short, state, actions));
    });
}

/// What a usual clip of this model takes here.
fn plan(model: &Model, room: Option<u64>) -> String {
    match (model.memory_needed_bytes, room, model.devices_needed) {
        (Some(need), Some(room), _) if need <= room => "fits on one device".to_owned(),
        (_, _, Some(1)) => "fits on one device".to_owned(),
        (_, _, Some(devices)) => format!("in shards on {devices} such devices"),
        _ => "not known".to_owned(),
    }
}

fn moving(ui: &mut Ui, model: &Model) {
    let (done, total, rate) = match model.state {
        ModelState::Downloading { done_bytes, total_bytes, bytes_per_sec } => {
            (done_bytes, total_bytes, Some(bytes_per_sec))
        }
        ModelState::Paused { done_bytes, total_bytes } | ModelState::Verifying { done_bytes, total_bytes } => {
            (done_bytes, total_bytes, None)
        }
        _ => return,
    };
    progress(ui, done as f64 / total.max(1) as f64, palette(ui).blue, &format!("Progress of {}", model.name));
    let left = rate.filter(|rate| *rate > 0).map(|rate| {
        let seconds = total.saturating_sub(done) as f64 / rate as f64;
        format!(", {} left at {}", format::duration(seconds), format::rate(rate))
    });
    small(ui, format!("{} of {}{}", format::bytes(done), format::bytes(total), left.unwrap_or_default()));
}

fn buttons(ui: &mut Ui, model: &Model, short: bool, state: &mut UiState, actions: &mut Actions) {
    let id = &model.id;
    let mut run = |action| {
        actions.push(Action::ChangeModel { id: id.clone(), action });
    };
    let (mut delete, mut kept) = (false, false);
    match &model.state {
        ModelState::Available => {
            ui.add_enabled_ui(!short, |ui| {
                if primary(ui, icons::DOWNLOAD_SIMPLE, "Download").clicked() {
                    run(ModelAction::Download);
                }
            });
            if short {
                small(ui, "too large for the disk");
            }
        }
        ModelState::Downloading { .. } => {
            if secondary(ui, icons::PAUSE, "Pause download").clicked() {
                run(ModelAction::Pause);
            }
        }
        ModelState::Paused { .. } => {
            if primary(ui, icons::PLAY, "Resume download").clicked() {
                run(ModelAction::Download);
            }
            delete = danger(ui, icons::TRASH, "Delete").clicked();
        }
        ModelState::Verifying { .. } => drop(small(ui, "Every byte is read again and compared.")),
        ModelState::Installed { built_in } => {
            if secondary(ui, icons::CHECK_CIRCLE, "Verify").clicked() {
                run(ModelAction::Verify);
            }
            kept = *built_in;
            delete = !built_in && danger(ui, icons::TRASH, "Delete").clicked();
        }
        ModelState::Broken { .. } => {
            if primary(ui, icons::DOWNLOAD_SIMPLE, "Download again").clicked() {
                run(ModelAction::Download);
            }
            delete = danger(ui, icons::TRASH, "Delete").clicked();
        }
    }
    if kept {
        small(ui, "came with the program");
    }
    if delete {
        let action = Action::ChangeModel { id: id.clone(), action: ModelAction::Delete };
        let text = "Its files are removed from this computer. You can download them again.";
        let dialog = Dialog::new(format!("Delete {}?", model.name), text, "Delete files", action);
        state.dialog = Some(dialog.fact("Frees", format::bytes(model.size_bytes)).destructive());
    }
}
