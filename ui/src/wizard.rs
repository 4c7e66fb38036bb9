//! The first run, in four short steps; each can be skipped, and it goes on where it was left.

use egui::{Align, Id, Layout, Modal, Ui, vec2};
use infernet_api::types::device::DeviceUsability;
use infernet_api::types::doctor::DoctorOutcome;
use infernet_api::types::model::{ModelAction, ModelState};

use crate::actions::{Action, Actions};
use crate::app::reach_word;
use crate::backup;
use crate::format;
use crate::snapshot::{Loadable, Part, Snapshot};
use crate::state::UiState;
use crate::theme::{icons, palette, tokens};
use crate::widgets::{
    body, fact, ghost, heading, icon, loadable, medium, muted, primary, problem_box, progress, secondary, small, title,
};

const STEPS: [&str; 4] = ["Device", "Model", "Identity", "Network"];

/// Where the first run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WizardState {
    step: usize,
}

impl WizardState {
    /// At a step, from 0.
    #[must_use]
    pub fn at(step: usize) -> Self {
        Self { step: step.min(STEPS.len() - 1) }
    }

    /// The step it is at, to go on there another time.
    #[must_use]
    pub fn step(self) -> usize {
        self.step
    }
}

/// Draws the wizard while it is open.
pub(crate) fn show(ui: &Ui, state: &mut UiState, snapshot: &Snapshot, actions: &mut Actions) {
    let Some(WizardState { step }) = state.wizard else { return };
    let colours = palette(ui);
    let (mut close, mut next) = (false, step);
    let modal =
        Modal::new(Id::unique("first run")).backdrop_color(colours.scrim).frame(egui::Frame::window(ui.style()));
    modal.show(ui.ctx(), |ui| {
        let screen = ui.ctx().content_rect();
        ui.set_width(560.0_f32.min(screen.width() - 80.0));
        title(ui, "Welcome to InferNet");
        small(ui, format!("Step {} of {}: {}", step + 1, STEPS.len(), STEPS[step]));
        marks(ui, step);
        egui::ScrollArea::vertical().max_height((screen.height() - 300.0).max(160.0)).show(ui, |ui| {
            ui.set_min_height(200.0_f32.min((screen.height() - 300.0).max(160.0)));
            match step {
                0 => device(ui, snapshot, actions),
                1 => model(ui, snapshot, actions),
                2 => identity(ui, snapshot, state, actions),
                _ => network(ui, snapshot, actions),
            }
        });
        ui.add_space(tokens::GAP_SMALL);
        let width = ui.available_width();
        ui.allocate_ui_with_layout(vec2(width, 36.0), Layout::right_to_left(Align::Center), |ui| {
            if step + 1 < STEPS.len() {
                if primary(ui, icons::ARROW_RIGHT, "Next").clicked() {
                    next = step + 1;
                }
            } else if primary(ui, icons::PLAY, "Start mining").clicked() {
                actions.push(Action::StartMining);
                close = true;
            }
            if step > 0 && secondary(ui, None, "Back").clicked() {
                next = step - 1;
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                close |= ghost(ui, "Skip for now").clicked();
            });
        });
    });
    state.wizard = if close { None } else { Some(WizardState { step: next }) };
}

fn marks(ui: &mut Ui, step: usize) {
    let colours = palette(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 12.0), egui::Sense::hover());
    let width = rect.width() / STEPS.len() as f32;
    for index in 0..STEPS.len() {
        let min = rect.min + vec2(width * index as f32, 4.0);
        let bar = egui::Rect::from_min_size(min, vec2(width - 6.0, 4.0));
        ui.painter().rect_filled(bar, 2.0, if index <= step { colours.accent } else { colours.line });
    }
}

fn line(ui: &mut Ui, good: bool, text: impl Into<String>) {
    let colours = palette(ui);
    ui.horizontal(|ui| {
        let (symbol, colour) = if good { (icons::CHECK_CIRCLE, colours.good) } else { (icons::WARNING, colours.warn) };
        icon(ui, symbol, tokens::TYPE_ICON, colour);
        medium(ui, text, colours.text);
    });
}

fn device(ui: &mut Ui, snapshot: &Snapshot, actions: &mut Actions) {
    let Some(list) = loadable(ui, &snapshot.devices, "devices", Part::Devices, actions) else { return };
    let Some(device) = list.devices.iter().find(|device| device.id == list.chosen) else {
        body(ui, "No device was found. You can still order clips.");
        if secondary(ui, icons::ARROWS_CLOCKWISE, "Look again").clicked() {
            actions.push(Action::RescanDevices);
        }
        return;
    };
    heading(ui, &device.name);
    line(ui, true, list.chosen_reason.as_str());
    if let Some(total) = device.vram_total_bytes {
        fact(ui, "Memory", format::bytes(total));
    }
    fact(ui, "Driver", device.driver.as_deref().unwrap_or("not named"));
    for other in &list.devices {
        if let DeviceUsability::Unusable { problem } = &other.usability {
            small(ui, other.name.as_str());
            problem_box(ui, problem);
        }
    }
    muted(ui, "Mining pauses by itself while you play, work, or run on battery. You can pause it at any time.");
}

fn model(ui: &mut Ui, snapshot: &Snapshot, actions: &mut Actions) {
    let Some(list) = loadable(ui, &snapshot.models, "models", Part::Models, actions) else { return };
    let installed = list.models.iter().filter(|model| matches!(model.state, ModelState::Installed { .. })).count();
    let words = format::count(installed as u64, "model is installed", "models are installed");
    line(ui, installed > 0, words);
    muted(ui, "More models mean more jobs. They are large; download them now or later on the page Models.");
    for model in list.models.iter().take(4) {
        ui.horizontal(|ui| {
            let room = (ui.available_width() - 150.0).max(80.0);
            ui.allocate_ui(vec2(room, 36.0), |ui| {
                ui.set_min_width(room);
                ui.vertical(|ui| {
                    medium(ui, model.name.as_str(), palette(ui).text);
                    small(ui, format::bytes(model.size_bytes));
                });
            });
            match &model.state {
                ModelState::Installed { .. } => drop(small(ui, "installed")),
                ModelState::Downloading { done_bytes, total_bytes, .. } => {
                    let share = *done_bytes as f64 / (*total_bytes).max(1) as f64;
                    progress(ui, share, palette(ui).blue, &format!("Download of {}", model.name));
                }
                _ => {
                    if secondary(ui, icons::DOWNLOAD_SIMPLE, "Download").clicked() {
                        actions.push(Action::ChangeModel { id: model.id.clone(), action: ModelAction::Download });
                    }
                }
            }
        });
    }
}

fn identity(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    let Some(status) = loadable(ui, &snapshot.status, "the identity", Part::Status, actions) else { return };
    body(
        ui,
        "This node has a key of its own. It is your account: what you earn belongs to it, and nobody can bring it back for you.",
    );
    fact(ui, "Account", status.node_id.short());
    let words = if status.identity_backed_up {
        "Its 24 words are written down"
    } else {
        "Its 24 words are not written down yet"
    };
    line(ui, status.identity_backed_up, words);
    if !snapshot.can_backup {
        muted(
            ui,
            "`infernet identity phrase` shows them on the node's own computer. You will be reminded until you have.",
        );
    } else if status.identity_backed_up {
        muted(ui, "You can see them again in Settings.");
    } else {
        if primary(ui, icons::KEY, "Write the words down").clicked() {
            backup::open(state, actions);
        }
        muted(ui, "It takes two minutes. You will be reminded until you have.");
    }
}

fn network(ui: &mut Ui, snapshot: &Snapshot, actions: &mut Actions) {
    let Some(status) = loadable(ui, &snapshot.status, "the network", Part::Status, actions) else { return };
    let peers = format::count(u64::from(status.peers_connected), "peer is connected", "peers are connected");
    line(ui, status.peers_connected > 0, peers);
    let validator =
        if status.network.validator_connected { "A validator is connected" } else { "No validator is connected yet" };
    line(ui, status.network.validator_connected, validator);
    fact(ui, "Others reach this node", format::words(reach_word(status.reachability.state)));
    if !status.reachability.next_step.is_empty() {
        muted(ui, status.reachability.next_step.as_str());
    }
    match &snapshot.doctor {
        None => {
            if secondary(ui, icons::LIST_CHECKS, "Check this computer").clicked() {
                actions.push(Action::RunDoctor);
            }
        }
        Some(Loadable::Loading) => drop(muted(ui, "Checking …")),
        Some(Loadable::Failed(problem)) => problem_box(ui, problem),
        Some(Loadable::Ready(report)) => {
            let failed = report.checks.iter().filter(|check| check.outcome == DoctorOutcome::Failed);
            line(
                ui,
                report.is_ok(),
                if report.is_ok() { "This computer is in order" } else { "Something is not in order" },
            );
            for check in failed {
                muted(ui, format!("{}: {} {}", check.title, check.found, check.next_step));
            }
        }
    }
}
