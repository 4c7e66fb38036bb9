//! Settings and logs. Changes are made at once, as merge patches; the node checks them.

use egui::Ui;
use infernet_api::types::doctor::{DoctorOutcome, DoctorReport};
use infernet_api::types::event::Event;
use infernet_api::types::settings::Settings;
use serde_json::{Value, json};

use super::home::event_words;
use crate::actions::{Action, Actions};
use crate::dialog::Dialog;
use crate::format;
use crate::snapshot::{Loadable, Part, Snapshot};
use crate::state::{UiState, Zoom};
use crate::theme::{Appearance, icons, palette, tokens};
use crate::widgets::{
    Slot, TableColumn, card_titled, empty, fact, flow, icon, loadable, medium, mono, muted, page_header, pill,
    problem_box, scroll_page, secondary, slider, small, split_row, table, tabs, text_field, toggle,
};

/// Which part is shown, and what is typed.
#[derive(Clone, Debug, Default)]
pub struct SettingsState {
    tab: Tab,
    filter: String,
    apps: Option<String>,
    temperature: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tab {
    #[default]
    Settings,
    Log,
    Doctor,
}

impl SettingsState {
    /// Shows the log.
    pub fn open_log(&mut self) {
        self.tab = Tab::Log;
    }
}

/// Draws the page.
pub(crate) fn settings(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    scroll_page(ui, |ui| {
        page_header(ui, "Settings & logs", "What you decide, and what happened", |ui| {
            let all = [(Tab::Settings, "Settings"), (Tab::Log, "Log"), (Tab::Doctor, "Check-up")];
            tabs(ui, &mut state.settings.tab, &all);
        });
        match state.settings.tab {
            Tab::Settings => {
                let Some(settings) = loadable(ui, &snapshot.settings, "settings", Part::Settings, actions) else {
                    return;
                };
                flow(ui, "settings", &[1.0; 6], 340.0, |ui, index, slot| match index {
                    0 => pauses(ui, slot, settings, state, actions),
                    1 => caps(ui, slot, settings, state, actions),
                    2 => window(ui, slot, state),
                    3 => node(ui, slot, settings, state, actions),
                    4 => connections(ui, slot, settings, actions),
                    _ => identity(ui, slot, snapshot, settings, state),
                });
            }
            Tab::Log => log(ui, snapshot, state, actions),
            Tab::Doctor => doctor(ui, snapshot, actions),
        }
    });
}

fn patch(actions: &mut Actions, section: &str, field: &str, value: impl Into<Value>) {
    actions.push(Action::PatchSettings(json!({ section: { field: value.into() } })));
}

fn pauses(ui: &mut Ui, slot: &mut Slot, settings: &Settings, state: &mut UiState, actions: &mut Actions) {
    card_titled(
        ui,
        slot,
        "When to pause",
        |_| {},
        |ui| {
            let mining = &settings.mining;
            let all = [
                (mining.pause_on_battery, "pause_on_battery", "On battery", ""),
                (
                    mining.pause_on_full_screen,
                    "pause_on_full_screen",
                    "A program fills the screen",
                    "Games and films come first.",
                ),
                (mining.pause_on_gpu_busy, "pause_on_gpu_busy", "Another program uses the GPU", ""),
                (mining.pause_on_metered_link, "pause_on_metered_link", "The connection is paid by volume", ""),
                (
                    mining.pause_when_user_active,
                    "pause_when_user_active",
                    "Someone uses the computer",
                    "Until nobody has touched it for a while.",
                ),
            ];
            for (mut on, field, name, hint) in all {
                if toggle(ui, &mut on, name, hint) {
                    patch(actions, "mining", field, on);
                }
            }
            let kept = mining.pause_on_apps.join(", ");
            let typed = state.settings.apps.get_or_insert_with(|| kept.clone());
            let response = text_field(ui, "Programs that pause it, by file name", "game.exe, blender", typed);
            if response.lost_focus() && *typed != kept {
                let apps: Vec<&str> = typed.split(',').map(str::trim).filter(|app| !app.is_empty()).collect();
                patch(actions, "mining", "pause_on_apps", apps.clone());
            }
            small(ui, schedule(settings));
        },
    );
}

fn schedule(settings: &Settings) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    if settings.mining.schedule.is_empty() {
        return "Schedule: always".to_owned();
    }
    let span = |span: &infernet_api::types::settings::ScheduleSpan| {
        let days: Vec<_> = span.days.iter().filter_map(|day| DAYS.get(usize::from(*day))).copied().collect();
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        format!("{} {}–{}", days.join(" "), time(span.from_minute), time(span.to_minute))
    };
    format!("Schedule: {}", settings.mining.schedule.iter().map(span).collect::<Vec<_>>().join("; "))
}

fn caps(ui: &mut Ui, slot: &mut Slot, settings: &Settings, state: &mut UiState, actions: &mut Actions) {
    card_titled(
        ui,
        slot,
        "Caps and mining",
        |_| {},
        |ui| {
            let mining = &settings.mining;
            let kept = mining.max_temperature_celsius.map_or(80.0, f64::from);
            let value = state.settings.temperature.get_or_insert(kept);
            let response =
                slider(ui, "Pause above this temperature", value, 40.0..=110.0, 1.0, false, |v| format!("{v:.0} °C"));
            if response.drag_stopped() || (response.changed() && !response.dragged()) {
                patch(actions, "mining", "max_temperature_celsius", *value as u8);
            }
            let none = || "no cap".to_owned();
            fact(ui, "Power", mining.max_power_watts.map_or_else(none, |watts| format!("{watts} W")));
            fact(ui, "Memory", mining.max_vram_bytes.map_or_else(none, format::bytes));
            fact(ui, "Disk left free", format::bytes(mining.keep_disk_free_bytes));
            fact(ui, "Computes on", mining.device.as_str());
            let least = settings.policy.min_fee_per_step_microcredits;
            fact(ui, "Least fee for a step", format::credits(least));
            let mut start = mining.start_with_node;
            if toggle(ui, &mut start, "Mine when the node starts", "Unless you paused it yourself.") {
                patch(actions, "mining", "start_with_node", start);
            }
        },
    );
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

fn identity(ui: &mut Ui, slot: &mut Slot, snapshot: &Snapshot, settings: &Settings, state: &mut UiState) {
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
        muted(
            ui,
            "Your 24 words are your account. They never leave the node through this window: `infernet identity` shows them on the node's own computer.",
        );
        fact(ui, "Name", if settings.node.name.is_empty() { "not given" } else { &settings.node.name });
        if secondary(ui, icons::SPARKLE, "First-run steps").clicked() {
            state.wizard = Some(crate::wizard::WizardState::default());
        }
    });
}

const COLUMNS: [TableColumn; 4] = [
    TableColumn::new("Time (UTC)", 84.0),
    TableColumn::new("Kind", 130.0),
    TableColumn::new("What", 0.0),
    TableColumn::new("No.", 64.0).right(),
];

fn log(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    let filter = state.settings.filter.to_lowercase();
    // Only what a filter asks for is searched; without one the rows are the events themselves.
    let found: Option<Vec<&Event>> = (!filter.is_empty()).then(|| {
        let wanted = |event: &&Event| {
            event.kind.name().contains(&filter) || event_words(ui, event).2.to_lowercase().contains(&filter)
        };
        snapshot.events.iter().rev().filter(wanted).collect()
    });
    let rows = found.as_ref().map_or(snapshot.events.len(), Vec::len);
    let at = |row: usize| match &found {
        Some(found) => found[row],
        None => &snapshot.events[snapshot.events.len() - 1 - row],
    };
    let folder = state.folder.clone();
    let report = |ui: &mut Ui| {
        if secondary(ui, icons::BUG, "Make a report").clicked() {
            let name = "infernet-report.json".to_owned();
            actions.push(Action::SaveText { name, text: report_text(snapshot), folder });
        }
    };
    card_titled(ui, &mut Slot::default(), "Log", report, |ui| {
        text_field(ui, "Filter", "words, or a kind such as verdict", &mut state.settings.filter);
        if rows == 0 {
            let text = if filter.is_empty() {
                "Nothing has happened since this window was opened."
            } else {
                "No event has these words."
            };
            empty(ui, icons::LIST_CHECKS, "No events", text, None);
            return;
        }
        let height = (ui.ctx().content_rect().height() - 300.0).max(200.0);
        table(ui, "log", &COLUMNS, rows, height, None, |ui, row, column| {
            let event = at(row);
            match column {
                0 => drop(mono(ui, format::clock(event.time_unix_ms))),
                1 => drop(small(ui, format::words(event.kind.name()))),
                2 => {
                    let (symbol, colour, text) = event_words(ui, event);
                    icon(ui, symbol, 16.0, colour);
                    let colour = palette(ui).text;
                    medium(ui, text, colour);
                }
                _ => drop(mono(ui, event.sequence.to_string())),
            }
        });
        small(ui, format::count(rows as u64, "event", "events"));
    });
}

/// What helps others help, without what is nobody's business: no prompts, no addresses, no identifiers, no amounts.
fn report_text(snapshot: &Snapshot) -> String {
    let status = snapshot.status.ready();
    let devices: Vec<Value> = snapshot
        .devices
        .ready()
        .map(|list| {
            let each = |device: &infernet_api::types::device::Device| {
                json!({ "name": device.name, "driver": device.driver, "usability": device.usability, "vram_total_bytes": device.vram_total_bytes })
            };
            list.devices.iter().map(each).collect()
        })
        .unwrap_or_default();
    let events: Vec<Value> = snapshot
        .events
        .iter()
        .rev()
        .take(500)
        .map(|event| json!({ "time_unix_ms": event.time_unix_ms, "type": event.kind.name() }))
        .collect();
    let report = json!({
        "version": status.map(|status| status.version.clone()),
        "uptime_secs": status.map(|status| status.uptime_secs),
        "mining": status.map(|status| &status.mining),
        "worker_state": status.map(|status| status.worker.state),
        "worker_restarts": status.map(|status| status.worker.restarts),
        "reachability": status.map(|status| status.reachability.state),
        "peers_connected": status.map(|status| status.peers_connected),
        "devices": devices,
        "doctor": snapshot.doctor.as_ref().and_then(Loadable::ready),
        "events": events,
    });
    serde_json::to_string_pretty(&report).unwrap_or_default()
}

fn doctor(ui: &mut Ui, snapshot: &Snapshot, actions: &mut Actions) {
    let (mut run, mut first) = (false, false);
    card_titled(
        ui,
        &mut Slot::default(),
        "Check-up",
        |ui| run = secondary(ui, icons::LIST_CHECKS, "Check now").clicked(),
        |ui| match &snapshot.doctor {
            None => {
                first = empty(
                    ui,
                    icons::LIST_CHECKS,
                    "Not checked yet",
                    "Looks at drivers, disk, memory, model, network and clock.",
                    Some("Check this computer"),
                );
            }
            Some(Loadable::Loading) => drop(muted(ui, "Checking …")),
            Some(Loadable::Failed(problem)) => problem_box(ui, problem),
            Some(Loadable::Ready(report)) => checks(ui, report),
        },
    );
    if run || first {
        actions.push(Action::RunDoctor);
    }
}

fn checks(ui: &mut Ui, report: &DoctorReport) {
    let colours = palette(ui);
    for check in &report.checks {
        let (symbol, colour) = match check.outcome {
            DoctorOutcome::Ok => (icons::CHECK_CIRCLE, colours.good),
            DoctorOutcome::Warning => (icons::WARNING, colours.warn),
            DoctorOutcome::Failed => (icons::WARNING_CIRCLE, colours.bad),
            DoctorOutcome::Skipped => (icons::CIRCLE_DASHED, colours.muted),
        };
        split_row(
            ui,
            24.0,
            |ui| {
                icon(ui, symbol, tokens::TYPE_ICON, colour);
                medium(ui, check.title.as_str(), colours.text);
            },
            |ui| drop(mono(ui, check.code.as_str())),
        );
        muted(ui, check.found.as_str());
        if !check.next_step.is_empty() {
            muted(ui, format!("What to do: {}", check.next_step));
        }
        ui.add_space(tokens::GAP_TINY);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use infernet_api::types::job::{NewJob, Quote};

    use super::*;
    use crate::snapshot::Quoted;

    #[test]
    fn a_report_keeps_prompts_to_itself() {
        let order = NewJob::new("starter".parse().unwrap(), "something private");
        let quote: Loadable<Quote> = Loadable::Loading;
        let snapshot = Snapshot {
            quoted: Some(Quoted { order, quote }),
            node_url: "http://10.1.2.3".to_owned(),
            ..Snapshot::default()
        };
        let report = report_text(&snapshot);
        assert!(!report.contains("private") && !report.contains("10.1.2.3"), "{report}");
        serde_json::from_str::<Value>(&report).unwrap();
    }
}
