//! The page, and what is set once.

use egui::Ui;
use infernet_api::types::settings::Settings;
use serde_json::{Value, json};

use super::checkup::doctor;
use super::jobs;
use super::log::{log, node_log};
use super::mining::{self, caps, hours, pauses};
use crate::actions::{Action, Actions};
use crate::backup;
use crate::dialog::Dialog;
use crate::format;
use crate::snapshot::{Part, Snapshot};
use crate::state::{UiState, Zoom};
use crate::theme::{Appearance, icons, palette};
use crate::widgets::{
    Slot, card_titled, fact, flow, loadable, mono, muted, page_header, pill, scroll_page, secondary, slider, small,
    tabs, text_field, toggle,
};

/// Which part is shown, and what is typed.
#[derive(Clone, Debug, Default)]
pub struct SettingsState {
    tab: Tab,
    pub(super) filter: String,
    pub(super) log_asked: bool,
    pub(super) typed: mining::Typed,
    pub(super) jobs: jobs::Typed,
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tab {
    #[default]
    Settings,
    Log,
    NodeLog,
    Doctor,
}

impl SettingsState {
    /// Shows what happened.
    pub fn open_log(&mut self) {
        self.tab = Tab::Log;
    }

    /// Shows what the node has logged.
    pub fn open_node_log(&mut self) {
        self.tab = Tab::NodeLog;
    }
}

/// Draws the page.
pub(crate) fn settings(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    scroll_page(ui, |ui| {
        page_header(ui, "Settings & logs", "What you decide, and what happened", |ui| {
            let all = [
                (Tab::Settings, "Settings"),
                (Tab::Log, "Log"),
                (Tab::NodeLog, "Node's log"),
                (Tab::Doctor, "Check-up"),
            ];
            tabs(ui, &mut state.settings.tab, &all);
        });
        match state.settings.tab {
            Tab::Settings => {
                let Some(settings) = loadable(ui, &snapshot.settings, "settings", Part::Settings, actions) else {
                    return;
                };
                flow(ui, "settings", &[1.0; 8], 340.0, |ui, index, slot| match index {
                    0 => pauses(ui, slot, settings, state, actions),
                    1 => hours(ui, slot, settings, state, actions),
                    2 => caps(ui, slot, settings, state, actions),
                    3 => jobs::jobs(ui, slot, snapshot, settings, state, actions),
                    4 => window(ui, slot, state),
                    5 => node(ui, slot, settings, state, actions),
                    6 => connections(ui, slot, settings, actions),
                    _ => identity(ui, slot, snapshot, settings, state, actions),
                });
            }
            Tab::Log => log(ui, snapshot, state, actions),
            Tab::NodeLog => node_log(ui, snapshot, state, actions),
            Tab::Doctor => doctor(ui, snapshot, actions),
        }
    });
}

/// Asks for one field of a section to be changed.
pub(super) fn patch(actions: &mut Actions, section: &str, field: &str, value: impl Into<Value>) {
    actions.push(Action::PatchSettings(json!({ section: { field: value.into() } })));
}

fn window(ui: &mut Ui, slot: &mut Slot, state: &mut UiState) {
    card_titled(
        ui,
        slot,
        "This window",
        |_| {},
        |ui| {
            small(ui, "Colours");
            let all = Appearance::ALL;
            tabs(ui, &mut state.appearance, &all);
            let mut zoom = f64::from(state.zoom.0);
            let [least, most] = Zoom::RANGE.map(f64::from);
            // Changed when the pointer lets go: the slider would run away from it otherwise.
            let response = slider(ui, "Size of everything", &mut zoom, least..=most, 0.25, false, |v| {
                format!("{:.0} %", v * 100.0)
            });
            if response.changed() {
                state.zoom = Zoom(zoom as f32);
            }
            let mut folder = state.folder.display().to_string();
            if text_field(ui, "Folder for saved files", "", &mut folder).changed() {
                state.folder = folder.into();
            }
            fact(ui, "Command palette", "Ctrl K");
            fact(ui, "Pages", "keys 1 to 9");
        },
    );
}

fn node(ui: &mut Ui, slot: &mut Slot, settings: &Settings, state: &mut UiState, actions: &mut Actions) {
    card_titled(
        ui,
        slot,
        "Node",
        |_| {},
        |ui| {
            let mut autostart = settings.node.autostart;
            if toggle(ui, &mut autostart, "Start with the computer", "") {
                patch(actions, "node", "autostart", autostart);
            }
            let roles: Vec<String> =
                settings.node.roles.iter().map(|role| format!("{role:?}").to_lowercase()).collect();
            fact(ui, "Roles", roles.join(", "));
            fact(ui, "Revision of the settings", format::grouped(settings.revision));
            let mut remote = settings.api.remote;
            if toggle(
                ui,
                &mut remote,
                "Remote access",
                "Other computers with the token may control this node, over TLS, from its next start.",
            ) {
                let change = Action::PatchSettings(json!({ "api": { "remote": remote } }));
                if remote {
                    let text = "Whoever has the node's token can then spend its credits from another computer.";
                    state.dialog = Some(Dialog::new("Open this node to other computers?", text, "Open it", change));
                } else {
                    actions.push(change);
                }
            }
            if let Some(listen) = &settings.api.remote_listen {
                fact(ui, "Listens at", listen.as_str());
            }
        },
    );
}

fn connections(ui: &mut Ui, slot: &mut Slot, settings: &Settings, actions: &mut Actions) {
    card_titled(
        ui,
        slot,
        "Connections",
        |_| {},
        |ui| {
            let network = &settings.network;
            let all = [
                (network.mdns, "mdns", "Find nodes on the local network"),
                (network.upnp, "upnp", "Ask the router to forward a port"),
                (network.use_relays, "use_relays", "Be reachable through relays"),
                (network.be_relay, "be_relay", "Be a relay for others"),
            ];
            for (mut on, field, name) in all {
                if toggle(ui, &mut on, name, "") {
                    patch(actions, "network", field, on);
                }
            }
            let none = || "no limit".to_owned();
            fact(ui, "Most sent", network.max_upload_bytes_per_sec.map_or_else(none, format::rate));
            small(ui, "Takes effect at the node's next start.");
        },
    );
}

fn identity(
    ui: &mut Ui,
    slot: &mut Slot,
    snapshot: &Snapshot,
    settings: &Settings,
    state: &mut UiState,
    actions: &mut Actions,
) {
    let colours = palette(ui);
    let backed = snapshot.status.ready().map(|status| status.identity_backed_up);
    let mark = |ui: &mut Ui| match backed {
        Some(true) => drop(pill(ui, "Backed up", colours.good)),
        Some(false) => drop(pill(ui, "No backup", colours.warn)),
        None => {}
    };
    card_titled(ui, slot, "Identity", mark, |ui| {
        if let Some(status) = snapshot.status.ready() {
            ui.horizontal(|ui| {
                if crate::widgets::icon_button(ui, icons::COPY, "Copy the node's id").clicked() {
                    ui.ctx().copy_text(status.node_id.to_string());
                }
                mono(ui, status.node_id.to_string());
            });
            fact(ui, "Program", status.version.as_str());
        }
        if snapshot.can_backup {
            muted(ui, "Its 24 words are your account: whoever has them has its money, and they bring it back.");
            if secondary(ui, icons::KEY, "Write the words down").clicked() {
                backup::open(state, actions);
            }
        } else {
            muted(
                ui,
                "Its 24 words are your account; `infernet identity phrase` shows them on the node's own computer.",
            );
        }
        let name = state.settings.name.get_or_insert_with(|| settings.node.name.clone());
        let left = text_field(ui, "Name, for you and for others", "Attic rig", name).lost_focus();
        if left && *name != settings.node.name {
            patch(actions, "node", "name", name.trim());
        }
        if secondary(ui, icons::SPARKLE, "First-run steps").clicked() {
            state.wizard = Some(crate::wizard::WizardState::default());
        }
    });
}
