//! Hardware: every device, usable or not.

use egui::Ui;
use egui_plot::{FilledArea, Line, PlotPoints};
use infernet_api::types::device::{Device, DeviceKind, DeviceUsability};

use super::home::device_memory;
use crate::actions::{Action, Actions};
use crate::format;
use crate::snapshot::{DeviceSample, Part, Snapshot};
use crate::state::{Page, UiState};
use crate::theme::{icons, palette, tokens};
use crate::widgets::{
    Slot, card, card_titled, chart, empty, fact, flow, ghost, heading, icon, icon_tile, legend, loadable, muted,
    page_header, pill, problem_box, scroll_page, secondary, small, split_row, strong,
};

/// Draws the page.
pub(crate) fn hardware(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    scroll_page(ui, |ui| {
        page_header(ui, "Hardware", "Every GPU and the processor, and what each can run", |ui| {
            if secondary(ui, icons::ARROWS_CLOCKWISE, "Look again").clicked() {
                actions.push(Action::RescanDevices);
            }
        });
        let Some(list) = loadable(ui, &snapshot.devices, "devices", Part::Devices, actions) else { return };
        if list.devices.is_empty() {
            card(ui, &mut Slot::default(), |ui| {
                let text = "The node found neither a GPU nor told of its processor. Drivers are asked in a program of their own; look again once they are in order.";
                if empty(ui, icons::GRAPHICS_CARD, "No device found", text, Some("Look again")) {
                    actions.push(Action::RescanDevices);
                }
            });
            return;
        }
        for problem in &list.notes {
            problem_box(ui, problem);
        }
        flow(ui, "devices", &vec![1.0; list.devices.len()], 380.0, |ui, index, slot| {
            let device = &list.devices[index];
            device_card(ui, slot, device, device.id == list.chosen, snapshot);
        });
        caps(ui, snapshot, state);
    });
}

fn device_card(ui: &mut Ui, slot: &mut Slot, device: &Device, chosen: bool, snapshot: &Snapshot) {
    let colours = palette(ui);
    card(ui, slot, |ui| {
        let (word, colour) = match &device.usability {
            DeviceUsability::Usable { .. } if chosen => ("In use", colours.good),
            DeviceUsability::Usable { .. } => ("Usable", colours.blue),
            DeviceUsability::Unusable { .. } => ("Not usable", colours.warn),
        };
        split_row(
            ui,
            42.0,
            |ui| {
                let symbol = if device.kind == DeviceKind::Cpu { icons::CPU } else { icons::GRAPHICS_CARD };
                icon_tile(ui, 40.0, symbol, colours.inset, colour);
                ui.vertical(|ui| {
                    ui.spacing_mut().item_spacing.y = 1.0;
                    heading(ui, &device.name);
                    let backend = match &device.usability {
                        DeviceUsability::Usable { backend } => format!(" · {backend}"),
                        DeviceUsability::Unusable { .. } => String::new(),
                    };
                    let driver = device.driver.as_deref().unwrap_or("no driver named");
                    small(ui, format!("{driver}{backend}"));
                });
            },
            |ui| drop(pill(ui, word, colour)),
        );
        if let DeviceUsability::Unusable { problem } = &device.usability {
            problem_box(ui, problem);
        }
        if device.vram_total_bytes.is_some() {
            device_memory(ui, device);
        }
        readings(ui, device);
        if let Some(samples) = snapshot.samples.get(&device.id).filter(|samples| samples.len() > 1) {
            let samples: Vec<DeviceSample> = samples.iter().copied().collect();
            timeline(ui, &device.id, &samples, device.vram_total_bytes);
        }
        benchmarks(ui, device);
    });
}

fn readings(ui: &mut Ui, device: &Device) {
    let colours = palette(ui);
    let unknown = || "not told".to_owned();
    let all = [
        (icons::GAUGE, colours.blue, "Load", device.load_percent.map_or_else(unknown, |v| format!("{v:.0} %"))),
        (
            icons::THERMOMETER,
            colours.good,
            "Temperature",
            device.temperature_celsius.map_or_else(unknown, |v| format!("{v:.0} °C")),
        ),
        (icons::LIGHTNING, colours.accent, "Power", device.power_watts.map_or_else(unknown, |v| format!("{v:.0} W"))),
    ];
    ui.columns(3, |columns| {
        for (column, (symbol, colour, name, value)) in columns.iter_mut().zip(all) {
            column.horizontal(|ui| {
                icon(ui, symbol, 18.0, colour);
                ui.vertical(|ui| {
                    ui.spacing_mut().item_spacing.y = 0.0;
                    strong(ui, value);
                    small(ui, name);
                });
            });
        }
    });
}

fn timeline(ui: &mut Ui, id: &str, samples: &[DeviceSample], total: Option<u64>) {
    const GIB: f64 = (1u64 << 30) as f64;
    let colours = palette(ui);
    let newest = samples.last().map_or(0, |sample| sample.time_unix_ms);
    let minutes = |sample: &DeviceSample| -(newest.saturating_sub(sample.time_unix_ms) as f64) / 60_000.0;
    let xs: Vec<f64> = samples.iter().map(minutes).collect();
    let ours: Vec<f64> = samples.iter().map(|sample| sample.ours_bytes as f64 / GIB).collect();
    let used: Vec<f64> = samples.iter().map(|sample| sample.used_bytes as f64 / GIB).collect();
    let line = |ys: &[f64]| -> PlotPoints<'_> { xs.iter().zip(ys).map(|(x, y)| [*x, *y]).collect() };
    let (ours_line, used_line) = (line(&ours), line(&used));
    let zero = vec![0.0; xs.len()];
    let name = format!("timeline {id}");
    let plot = chart(ui, &name, 110.0, |series, x, y| format!("{series}: {y:.1} GiB, {:.0} min ago", -x));
    plot.include_y(0.0)
        .include_y(total.map_or(1.0, |total| total as f64 / GIB))
        .x_axis_formatter(|mark, _| if mark.value == 0.0 { "now".to_owned() } else { format!("{:.0} min", mark.value) })
        .y_axis_formatter(|mark, _| format!("{:.0} GiB", mark.value))
        .y_axis_min_width(48.0)
        .show(ui, |plot| {
            plot.add(FilledArea::new("", &xs, &ours, &used).fill_color(tokens::tint(colours.blue)));
            plot.add(FilledArea::new("", &xs, &zero, &ours).fill_color(tokens::tint(colours.accent)));
            plot.line(Line::new("All programs", used_line).color(colours.blue).width(1.6));
            plot.line(Line::new("InferNet", ours_line).color(colours.accent).width(1.6));
        });
    ui.horizontal(|ui| {
        legend(ui, colours.accent, "InferNet");
        legend(ui, colours.blue, "all programs together");
    });
}

fn benchmarks(ui: &mut Ui, device: &Device) {
    if matches!(device.usability, DeviceUsability::Unusable { .. }) {
        return;
    }
    if device.benchmarks.is_empty() {
        small(ui, "Not measured yet: `infernet bench` measures it.");
    }
    for benchmark in &device.benchmarks {
        let value = format!("{} per evaluation", format::duration(benchmark.seconds_per_evaluation));
        fact(ui, benchmark.model.as_str(), value);
    }
}

fn caps(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState) {
    let Some(settings) = snapshot.settings.ready() else { return };
    let mining = &settings.mining;
    let mut open = false;
    card_titled(
        ui,
        &mut Slot::default(),
        "Caps",
        |ui| open = ghost(ui, "Change in Settings").clicked(),
        |ui| {
            let none = || "no cap".to_owned();
            flow(ui, "caps", &[1.0, 1.0, 1.0], 200.0, |ui, index, _| match index {
                0 => fact(ui, "Temperature", mining.max_temperature_celsius.map_or_else(none, |v| format!("{v} °C"))),
                1 => fact(ui, "Power", mining.max_power_watts.map_or_else(none, |v| format!("{v} W"))),
                _ => fact(ui, "Memory", mining.max_vram_bytes.map_or_else(none, format::bytes)),
            });
            muted(ui, "Above a cap mining pauses by itself, and goes on once there is room again.");
        },
    );
    if open {
        state.page = Page::Settings;
    }
}
