//! What happened, and the report that helps others help.

use egui::Ui;
use infernet_api::types::event::Event;
use infernet_api::types::log::{LogLevel, LogLine};
use serde_json::{Value, json};

use crate::actions::{Action, Actions};
use crate::format;
use crate::pages::home::event_words;
use crate::snapshot::{Loadable, Snapshot};
use crate::state::UiState;
use crate::theme::{icons, palette};
use crate::widgets::{
    Slot, TableColumn, card_titled, empty, icon, medium, mono, muted, problem_box, secondary, small, table, text_field,
};

const COLUMNS: [TableColumn; 4] = [
    TableColumn::new("Time (UTC)", 84.0),
    TableColumn::new("Kind", 130.0),
    TableColumn::new("What", 0.0),
    TableColumn::new("No.", 64.0).right(),
];

const LINE_COLUMNS: [TableColumn; 3] =
    [TableColumn::new("Time (UTC)", 84.0), TableColumn::new("Level", 60.0), TableColumn::new("What", 0.0)];

pub(super) fn log(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
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
    let buttons = |ui: &mut Ui| {
        if secondary(ui, icons::BUG, "Make a report").clicked() {
            actions.push(Action::SaveReport { report: report_text(snapshot), folder });
        }
    };
    card_titled(ui, &mut Slot::default(), "Log", buttons, |ui| {
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

/// What the node itself has logged, newest first.
pub(super) fn node_log(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    let mut reload = snapshot.log.is_none() && !std::mem::replace(&mut state.settings.log_asked, true);
    let buttons = |ui: &mut Ui| reload |= secondary(ui, icons::ARROWS_CLOCKWISE, "Read it again").clicked();
    card_titled(ui, &mut Slot::default(), "The node's log", buttons, |ui| {
        text_field(ui, "Filter", "words, a module, or warn or error", &mut state.settings.filter);
        let lines = match &snapshot.log {
            None | Some(Loadable::Loading) => return drop(muted(ui, "Reading …")),
            Some(Loadable::Failed(problem)) => return problem_box(ui, problem),
            Some(Loadable::Ready(log)) => &log.lines,
        };
        let filter = state.settings.filter.to_lowercase();
        let has = |line: &&LogLine| {
            filter.is_empty()
                || line.level.name() == filter
                || line.target.contains(&filter)
                || line.text.to_lowercase().contains(&filter)
        };
        let found: Vec<&LogLine> = lines.iter().rev().filter(has).collect();
        if found.is_empty() {
            empty(ui, icons::LIST_CHECKS, "No lines", "The node has logged nothing that has these words.", None);
            return;
        }
        let height = (ui.ctx().content_rect().height() - 300.0).max(200.0);
        let colours = palette(ui);
        table(ui, "node log", &LINE_COLUMNS, found.len(), height, None, |ui, row, column| {
            let line = found[row];
            match column {
                0 => drop(mono(ui, format::clock(line.time_unix_ms))),
                1 => {
                    let colour = match line.level {
                        LogLevel::Error => colours.bad,
                        LogLevel::Warn => colours.warn,
                        LogLevel::Info | LogLevel::Debug => colours.muted,
                    };
                    medium(ui, line.level.name(), colour);
                }
                _ => {
                    medium(ui, line.text.as_str(), colours.text).on_hover_text(&line.target);
                }
            }
        });
        small(ui, format::count(found.len() as u64, "line", "lines"));
    });
    if reload {
        actions.push(Action::LoadLog);
    }
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
