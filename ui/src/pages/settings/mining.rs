//! When to mine, and how much of the computer to take.

use std::collections::BTreeSet;

use egui::Ui;
use infernet_api::types::settings::{ScheduleSpan, Settings};

use serde_json::json;

use super::page::patch;
use crate::actions::{Action, Actions};
use crate::format;
use crate::state::UiState;
use crate::theme::{icons, palette};
use crate::widgets::{
    Slot, card_titled, choice, fact, icon_button, medium, muted, pill, secondary, slider, small, split_row, text_field,
    toggle,
};

/// Days as they are named here, Monday first.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// What is typed and not yet kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Typed {
    apps: Option<String>,
    temperature: Option<f64>,
    span: NewSpan,
}

/// Hours that are being put together.
#[derive(Clone, Debug)]
struct NewSpan {
    days: BTreeSet<u8>,
    from: u16,
    to: u16,
}

impl Default for NewSpan {
    /// Nights.
    fn default() -> Self {
        Self { days: (0..7).collect(), from: 22 * 60, to: 7 * 60 }
    }
}

/// What pauses mining by itself.
pub(super) fn pauses(ui: &mut Ui, slot: &mut Slot, settings: &Settings, state: &mut UiState, actions: &mut Actions) {
    card_titled(
        ui,
        slot,
        "When to pause",
        |_| {},
        |ui| {
            let mining = &settings.mining;
            small(ui, "A clip that is being computed is finished first.");
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
            if mining.pause_when_user_active {
                let mut idle = mining.user_idle_secs;
                let of = |seconds: u32| (seconds, format::duration(f64::from(seconds)));
                let spans = with(idle, [60, 300, 900, 1800], of);
                if choice(ui, "Nobody for", &mut idle, &spans) {
                    patch(actions, "mining", "user_idle_secs", idle);
                }
            }
            let kept = mining.pause_on_apps.join(", ");
            let typed = state.settings.typed.apps.get_or_insert_with(|| kept.clone());
            let response = text_field(ui, "Programs that pause it, by file name", "game.exe, blender", typed);
            if response.lost_focus() && *typed != kept {
                let apps: Vec<&str> = typed.split(',').map(str::trim).filter(|app| !app.is_empty()).collect();
                patch(actions, "mining", "pause_on_apps", apps.clone());
            }
        },
    );
}

/// The choices with the present one among them, in order.
fn with<T: Copy + Ord>(now: T, all: impl IntoIterator<Item = T>, name: impl Fn(T) -> (T, String)) -> Vec<(T, String)> {
    let all: BTreeSet<T> = all.into_iter().chain([now]).collect();
    all.into_iter().map(name).collect()
}

/// The week's hours.
pub(super) fn hours(ui: &mut Ui, slot: &mut Slot, settings: &Settings, state: &mut UiState, actions: &mut Actions) {
    let schedule = &settings.mining.schedule;
    let mark = |ui: &mut Ui| {
        if schedule.is_empty() {
            pill(ui, "always", palette(ui).good);
        }
    };
    card_titled(ui, slot, "Hours in which to mine", mark, |ui| {
        if schedule.is_empty() {
            muted(ui, "Around the clock. Add hours, and it mines in these only, by this computer's clock.");
        }
        for (at, span) in schedule.iter().enumerate() {
            let mut remove = false;
            split_row(
                ui,
                30.0,
                |ui| drop(medium(ui, span_words(span), palette(ui).text)),
                |ui| remove = icon_button(ui, icons::TRASH, &format!("Remove {}", span_words(span))).clicked(),
            );
            if remove {
                let mut rest = schedule.clone();
                rest.remove(at);
                actions.push(Action::PatchSettings(json!({ "mining": { "schedule": rest } })));
            }
        }
        let new = &mut state.settings.typed.span;
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            for (day, name) in (0_u8..).zip(DAYS) {
                let on = new.days.contains(&day);
                if ui.selectable_label(on, name).clicked() && !new.days.remove(&day) {
                    new.days.insert(day);
                }
            }
        });
        ui.columns(2, |columns| {
            let times = |now: u16, most: u16| with(now, (0..=most).step_by(30), |minute| (minute, time(minute)));
            let (begins, ends) = (times(new.from, 23 * 60 + 30), times(new.to, 24 * 60));
            choice(&mut columns[0], "From", &mut new.from, &begins);
            choice(&mut columns[1], "To", &mut new.to, &ends);
        });
        let can = !new.days.is_empty() && new.from != new.to;
        let span = ScheduleSpan { days: new.days.clone(), from_minute: new.from, to_minute: new.to };
        if ui.add_enabled_ui(can, |ui| secondary(ui, icons::PLUS, "Add these hours")).inner.clicked() {
            let all: Vec<&ScheduleSpan> = schedule.iter().chain([&span]).collect();
            actions.push(Action::PatchSettings(json!({ "mining": { "schedule": all } })));
        }
    });
}

fn time(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn span_words(span: &ScheduleSpan) -> String {
    let days: Vec<_> = span.days.iter().filter_map(|day| DAYS.get(usize::from(*day))).copied().collect();
    let days = if days.len() == DAYS.len() { "every day".to_owned() } else { days.join(" ") };
    format!("{days} {} to {}", time(span.from_minute), time(span.to_minute))
}

/// How much of the computer to take.
pub(super) fn caps(ui: &mut Ui, slot: &mut Slot, settings: &Settings, state: &mut UiState, actions: &mut Actions) {
    card_titled(
        ui,
        slot,
        "Caps and mining",
        |_| {},
        |ui| {
            let mining = &settings.mining;
            let kept = mining.max_temperature_celsius.map_or(80.0, f64::from);
            let value = state.settings.typed.temperature.get_or_insert(kept);
            let response =
                slider(ui, "Pause above this temperature", value, 40.0..=110.0, 1.0, false, |v| format!("{v:.0} °C"));
            if response.drag_stopped() || (response.changed() && !response.dragged()) {
                patch(actions, "mining", "max_temperature_celsius", *value as u8);
            }
            let mut memory = mining.max_vram_bytes;
            let gib = [2, 4, 6, 8, 12, 16, 24, 32].map(|gib| Some(gib << 30));
            let no_cap = || "no cap".to_owned();
            let sizes =
                with(memory, gib.into_iter().chain([None]), |cap| (cap, cap.map_or_else(no_cap, format::bytes)));
            if choice(ui, "Most memory for a clip", &mut memory, &sizes) {
                patch(actions, "mining", "max_vram_bytes", memory);
            }
            let mut threads = mining.cpu_threads;
            let counts =
                with(threads, [None, Some(1), Some(2), Some(4), Some(6), Some(8), Some(12), Some(16)], |cap| {
                    (cap, cap.map_or_else(|| "all".to_owned(), |n| format::count(u64::from(n), "thread", "threads")))
                });
            if choice(ui, "Threads of the processor", &mut threads, &counts) {
                patch(actions, "mining", "cpu_threads", threads);
            }
            let mut room = mining.keep_disk_free_bytes;
            let rooms = with(room, [0, 1, 2, 5, 10, 20, 50].map(|gib| gib << 30), |room| (room, format::bytes(room)));
            if choice(ui, "Leave free on the disk", &mut room, &rooms) {
                patch(actions, "mining", "keep_disk_free_bytes", room);
            }
            fact(ui, "Computes on", mining.device.as_str());
            let mut start = mining.start_with_node;
            if toggle(ui, &mut start, "Mine when the node starts", "Unless you paused it yourself.") {
                patch(actions, "mining", "start_with_node", start);
            }
        },
    );
}
